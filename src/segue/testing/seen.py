"""What a test looks at: messages that compare with their names, answers that say why.

Rule: whatever a test may compare tells, when it is printed, what led to it: the trace.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast, overload

BY = " by "

Why = Callable[[], str]
"""Tells what was decided for the customer, and why."""


class Message:
    """A message that went out. Equal to its name, and to `name by channel`."""

    __slots__ = ("at", "channel", "fields", "id", "name")

    def __init__(
        self, name: str, channel: str, at: int, fields: Mapping[str, str], send_id: str
    ) -> None:
        self.name = name
        self.channel = channel
        self.at = at
        """When it went out, in milliseconds since 1970."""
        self.fields = fields
        """What the customer reads, rendered: `subject`, `text`, `html`, `body` ..."""
        self.id = send_id

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Message):
            return self.id == other.id
        if not isinstance(other, str):
            return NotImplemented
        name, _, channel = other.partition(BY)
        return self.name == name and channel in ("", self.channel)

    def __hash__(self) -> int:
        raise TypeError("a message equals more than one text, so it has no place in a set")

    def __repr__(self) -> str:
        return f"{self.name}{BY}{self.channel}"


class Messages(Sequence[Message]):
    """Messages in the order in which they went out. Compares with a list of names."""

    __slots__ = ("_all", "_why")

    def __init__(self, messages: Sequence[Message], why: Why) -> None:
        self._all = list(messages)
        self._why = why

    @overload
    def __getitem__(self, at: int) -> Message: ...

    @overload
    def __getitem__(self, at: slice) -> list[Message]: ...

    def __getitem__(self, at: int | slice) -> Message | list[Message]:
        return self._all[at]

    def __len__(self) -> int:
        return len(self._all)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str) or not isinstance(other, Sequence):
            return NotImplemented
        return self._all == list(cast("Sequence[object]", other))

    def __hash__(self) -> int:
        raise TypeError("a list of messages can change")

    def __repr__(self) -> str:
        return repr(self._all)

    def why(self) -> str:
        """What was decided, and why."""
        return self._why()


class Standing:
    """Where a run stands, or how it ended. Equal to the step, the reason, or its particulars."""

    __slots__ = ("_why", "detail", "state")

    def __init__(self, state: str, detail: str, why: Why) -> None:
        self.state = state
        self.detail = detail
        self._why = why

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, str):
            return NotImplemented
        return bool(other) and other in (self.state, self.detail)

    def __hash__(self) -> int:
        raise TypeError("a run's standing equals more than one text")

    def __str__(self) -> str:
        return f"{self.state} ({self.detail})" if self.detail else self.state

    def __repr__(self) -> str:
        return f"<{self}>"

    def why(self) -> str:
        """What was decided, and why."""
        return self._why()


class Answer:
    """True or false, and why."""

    __slots__ = ("_holds", "_said", "_why")

    def __init__(self, holds: bool, said: str, why: Why) -> None:
        self._holds = holds
        self._said = said
        self._why = why

    def __bool__(self) -> bool:
        return self._holds

    def __eq__(self, other: object) -> bool:
        return self._holds == bool(other)

    def __hash__(self) -> int:
        return int(self._holds)

    def __repr__(self) -> str:
        return f"<{self._said}>\n{self._why()}"

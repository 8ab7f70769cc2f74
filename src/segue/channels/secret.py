"""Secrets: values that are used and never shown.

Rule: a secret comes from the environment or a file, never from a definition; `repr`, logs,
    errors and JSON show that there is one, never what it is.
"""

from collections.abc import Mapping
from pathlib import Path

from segue.errors import ChannelMisconfigured


class Secret:
    """A key or a password. `reveal` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value, for the one place that needs it."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reveal() == self._value

    __hash__ = None  # type: ignore[assignment]  # a secret is no key of anything

    def __repr__(self) -> str:
        return "Secret(set)" if self._value else "Secret(empty)"

    __str__ = __repr__


NONE = Secret("")


def resolve(text: str, environment: Mapping[str, str]) -> Secret:
    """A secret by where it is: `env:NAME`, `file:/path`, or the value itself.

    Raises `ChannelMisconfigured` where there is nothing.
    """
    source, colon, place = text.partition(":")
    if colon and source == "env":
        value = environment.get(place, "")
        if not value:
            raise ChannelMisconfigured(f"the environment variable {place} is not set")
        return Secret(value)
    if colon and source == "file":
        try:
            return Secret(Path(place).read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            raise ChannelMisconfigured(f"no secret can be read from {place}") from error
    return Secret(text)

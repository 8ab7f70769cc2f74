"""A customer to try the kernel on: feeds inputs, moves time, and keeps what came of it."""

import re
from collections.abc import Callable
from typing import TypeVar

from segue.kernel import plan
from segue.kernel.effects import Effect, Send, Show, Withdraw
from segue.kernel.expression import Aggregate, Compare, Expression, Literal, Path, Stream
from segue.kernel.inputs import Asked, Consented, Event, Input, Merged, Reported, Woke
from segue.kernel.profile import Profile, Run, create
from segue.kernel.program import Program, link
from segue.kernel.shelves import EMPTY, Catalog
from segue.kernel.step import Step, step
from segue.kernel.trace import Considered, Note, RunChanged
from segue.kernel.values import DAY, HOUR, MINUTE, NEVER, Instant, Millis, ProfileId, Value

MORNING = Instant(1_760_000_400_000)
"""2025-10-09T09:00:00Z, a Thursday."""

E = TypeVar("E")


def search(pattern: str) -> Callable[[str], bool]:
    """Regular expressions for tests; the real engine is wired in above the kernel."""
    compiled = re.compile(pattern)
    return lambda text: compiled.search(text) is not None


def prop(name: str) -> Path:
    """A property of the triggering event."""
    return Path("properties", (name,))


def trait(name: str) -> Path:
    """A trait."""
    return Path("traits", (name,))


def equals(path: Expression, value: Value) -> Compare:
    """`path == value`."""
    assert value is None or isinstance(value, bool | int | float | str)
    return Compare("==", path, Literal(value))


def at_least(path: Expression, value: float) -> Compare:
    """`path >= value`."""
    return Compare(">=", path, Literal(value))


def message(name: str, *channels: str, **more: object) -> plan.Message:
    """A message with a body on each channel (email, if none is named)."""
    contents = {channel: {"body": name} for channel in channels or ("email",)}
    settings: dict[str, object] = {"topic": "offers", "expires_ms": DAY, **more}
    return plan.Message(name=name, contents=contents, **settings)  # type: ignore[arg-type]


def journey(name: str, *steps: plan.Node, on: str = "Started", **more: object) -> plan.Journey:
    """A journey entered on an event, whose first step is the first given."""
    settings: dict[str, object] = {"reentry_ms": Millis(0), **more}
    entries = settings.pop("entries", (plan.OnEvent(events=(on,)),))
    return plan.Journey(
        name=name,
        entries=entries,  # type: ignore[arg-type]
        steps=steps,
        start=steps[0].id,
        **settings,  # type: ignore[arg-type]
    )


def send(
    step_id: str, name: str, *channels: str, then: str = plan.END, **more: object
) -> plan.Send:
    """A send step."""
    return plan.Send(
        id=step_id,
        next=then,
        message=name,
        channels=channels or ("email",),
        **more,  # type: ignore[arg-type]
    )


def sends(name: str, *channels: str, on: str = "Started", **more: object) -> plan.Journey:
    """A journey of one send, entered on an event, any number of times at once."""
    return journey(f"j-{name}", send("s", name, *channels), on=on, key=prop("k"), **more)


def show(step_id: str, name: str, *, then: str = plan.END, **more: object) -> plan.Show:
    """A show step on the placement `banner`."""
    settings: dict[str, object] = {"lasts_ms": HOUR, "placement": "banner", **more}
    return plan.Show(id=step_id, next=then, message=name, **settings)  # type: ignore[arg-type]


def wait(step_id: str, span: int, then: str) -> plan.Wait:
    """A wait step."""
    return plan.Wait(id=step_id, next=then, for_ms=Millis(span))


def count(event: str, *, within: Millis | None = None) -> Aggregate:
    """How often an event happened."""
    return Aggregate("count", Stream((event,)), within)


def program(
    *journeys: plan.Journey,
    messages: tuple[plan.Message, ...] = (),
    policies: tuple[plan.Policy, ...] = (),
    segments: tuple[plan.Segment, ...] = (),
    derived: tuple[plan.Derived, ...] = (),
    workspace: plan.Workspace | None = None,
    name: str = "p1",
    older: tuple[tuple[str, plan.Plan], ...] = (),
    **more: object,
) -> Program:
    """A linked program."""
    made = plan.Plan(
        workspace=workspace or plan.Workspace(name="shop"),
        journeys=journeys,
        messages=messages,
        policies=policies,
        segments=segments,
        derived=derived,
        **more,  # type: ignore[arg-type]
    )
    return link(made, name=name, patterns=search, older=older)


class Customer:
    """One profile under a program, at a time of its own."""

    def __init__(
        self, under: Program, *, name: str = "ana", now: Instant = MORNING, known: bool = True
    ) -> None:
        self.program = under
        self.catalog: Catalog = EMPTY
        self.now = now
        self.profile: Profile = create(ProfileId(name), now)
        self.effects: list[Effect] = []
        self.notes: list[Note] = []
        self.count = 0
        if known:
            self.identify(email=f"{name}@example.com", phone="+4912345")

    # ── what happens ──

    def say(self, said: Input) -> Step:
        """Answer one input now."""
        answer = step(self.program, self.profile, said, self.now, catalog=self.catalog)
        self.profile = answer.profile
        self.effects.extend(answer.effects)
        self.notes.extend(answer.trace)
        return answer

    def does(self, name: str, *, at: Instant | None = None, **properties: Value) -> Step:
        """An event of the customer's, by default now."""
        self.count += 1
        return self.say(
            Event(
                id=f"{self.profile.id}-e{self.count}",
                name=name,
                at=self.now if at is None else at,
                properties=properties,
            )
        )

    def identify(self, **traits: Value) -> Step:
        """Set traits."""
        self.count += 1
        return self.say(
            Event(
                id=f"{self.profile.id}-e{self.count}",
                name="Profile Identified",
                kind="identify",
                at=self.now,
                traits=traits,
                live=False,
            )
        )

    def asks(self, *placements: str) -> list[Show]:
        """A page asks for its placements."""
        self.count += 1
        answer = self.say(Asked(id=f"q{self.count}", placements=placements or ("banner",)))
        return [effect for effect in answer.effects if isinstance(effect, Show)]

    def reports(self, send_id: str, outcome: str, reason: str = "") -> Step:
        """What became of a send."""
        return self.say(
            Reported(send_id=send_id, outcome=outcome, reason=reason)  # type: ignore[arg-type]
        )

    def consents(self, channel: str, topic: str, state: str) -> Step:
        """Allow or forbid."""
        return self.say(
            Consented(channel=channel, topic=topic, state=state, at=self.now)  # type: ignore[arg-type]
        )

    def absorbs(self, other: "Customer") -> Step:
        """Turn out to be the same."""
        return self.say(Merged(other.profile))

    def passes(self, span: int) -> None:
        """Let time pass, waking the profile at each of its instants."""
        self.until(Instant(self.now + span))

    def until(self, end: Instant) -> None:
        """Let time pass to an instant; a profile that asks to wake in the past is a bug."""
        for _ in range(1_000):
            due = self.profile.wake_at
            if due > end:
                self.now = end
                return
            assert due >= self.now, f"asks to wake at {due}, before {self.now}"
            self.now = due
            self.say(Woke())
            assert self.profile.wake_at > self.now, "woke, and is due again at once"
        raise AssertionError("woke a thousand times")

    # ── what came of it ──

    def all(self, kind: type[E]) -> list[E]:
        """Effects or notes of one kind."""
        return [one for one in (*self.effects, *self.notes) if isinstance(one, kind)]

    @property
    def sent(self) -> list[str]:
        """`message/channel` of everything queued."""
        return [f"{one.message}/{one.channel}" for one in self.all(Send)]

    @property
    def withdrawn(self) -> list[str]:
        """Ids withdrawn."""
        return [one.id for one in self.all(Withdraw)]

    @property
    def verdicts(self) -> list[str]:
        """`message outcome reason` of every hearing."""
        return [f"{one.message} {one.outcome} {one.reason}".strip() for one in self.all(Considered)]

    @property
    def story(self) -> list[str]:
        """`journey change reason` of every change of a run."""
        return [f"{n.journey} {n.change} {n.reason}".strip() for n in self.all(RunChanged)]

    @property
    def runs(self) -> list[Run]:
        """Live runs."""
        return self.profile.runs

    def delivers(self) -> None:
        """Let the provider take everything that is queued."""
        for line in list(self.profile.ledger):
            if line.state == "queued":
                self.reports(line.id, "claimed")
                self.reports(line.id, "accepted")


__all__ = [
    "DAY",
    "HOUR",
    "MINUTE",
    "MORNING",
    "NEVER",
    "Customer",
    "at_least",
    "count",
    "equals",
    "journey",
    "message",
    "program",
    "prop",
    "send",
    "sends",
    "show",
    "trait",
    "wait",
]

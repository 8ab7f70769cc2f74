"""Situations: what chance alone seldom brings about, acted out by customers of their own.

A world draws some of them. Each adds a journey or two to the program, what guards them, and a
customer who meets the rule in question; everything else of the world goes on around it and gets in
its way. Which they are: `situations_acts.py`, `situations_clock.py`, `situations_shelves.py`.

Rule 1: everything is drawn from `Random`s of their own, so that the rest of a world stays what it
    was when a situation is added here.
Rule 2: a situation only makes likely. Times, channels, order and company are drawn; what must
    come of it the auditor works out as for everything else.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Literal as OneOf, TypeAlias

import msgspec

from segue.kernel import plan
from segue.kernel.inputs import Asked, Consented, Event
from segue.kernel.values import Instant, Millis, Record
from segue.sim.plans_conditions import CHANNELS, DAY, HOUR, MINUTE, TOPICS
from segue.sim.script import Fault, Fill, Line, Put, Say
from segue.sim.tape import Given

State: TypeAlias = OneOf["granted", "pending", "denied"]


class Change(msgspec.Struct, frozen=True):
    """A change of clocks: when, where, which wall minutes come twice or never."""

    at: int
    zone: str
    first: int
    """The earlier of what the clock shows before and after, in minutes of the day."""
    last: int
    back: bool


CHANGES = (
    Change(1_711_846_800_000, "Europe/Berlin", 120, 180, back=False),
    Change(1_730_613_600_000, "America/New_York", 60, 120, back=True),
    Change(1_729_990_800_000, "Europe/Berlin", 120, 180, back=True),
    Change(1_712_415_600_000, "Australia/Lord_Howe", 90, 120, back=True),
    Change(1_710_054_000_000, "America/New_York", 120, 180, back=False),
)
_AHEAD = 2 * DAY
"""A world lies around a change that comes within this time of its start."""


def change_after(start: int) -> Change | None:
    """The change of clocks that a world lies around."""
    return next((one for one in CHANGES if 0 < one.at - start < _AHEAD), None)


class Stage:
    """Where one situation is set up: what it adds to a program, and what is done."""

    def __init__(self, more: Random, number: int, start: int, days: int) -> None:
        self.more = more
        self.number = number
        self.start = start
        self.at = start + more.randrange(days * DAY)
        """When it begins."""
        self.user = f"u{more.randint(0, 2)}" if more.random() < 0.15 else f"x{number}"
        self.device = f"x{number}.0"
        self.messages: list[plan.Message] = []
        self.policies: list[plan.Policy] = []
        self.journeys: list[plan.Journey] = []
        self.lines: list[Line] = []
        self.lags = False
        """That the dispatcher has to run behind."""
        self.slow = False
        """That providers have to take their time, and get what is sent at once."""
        self.shelves = False
        """That there has to be a catalog."""
        self.change = change_after(start)
        self.count = 0

    # ── what the program gets ──

    def name(self, what: str = "") -> str:
        """A name of its own."""
        return f"x{self.number}{what}"

    @property
    def begun(self) -> str:
        """The event with which it begins."""
        return f"Begun {self.number}"

    def journey(
        self,
        what: str,
        steps: Sequence[plan.Node],
        *,
        on: str = "",
        exits: tuple[plan.Watch, ...] = (),
        goal: plan.Goal | None = None,
        within: dict[str, tuple[plan.Placed, ...]] | None = None,
    ) -> str:
        """A journey that begins with an event; returns its name."""
        name = self.name(what)
        made = plan.Journey(
            name=name,
            entries=(plan.OnEvent(events=(on or self.begun,)),),
            steps=tuple(steps),
            start=steps[0].id,
            exits=exits,
            goal=goal,
            reentry_ms=Millis(MINUTE),
            within=within or {},
        )
        self.journeys.append(made)
        return name

    def message(self, what: str, **more: object) -> str:
        """A message for every channel; returns its name."""
        name = self.name(what)
        said: dict[str, object] = {
            "topic": self.more.choice(TOPICS),
            "contents": {one: {} for one in (*CHANNELS, "web", "checkout", "inapp")},
            "expires_ms": Millis(30 * HOUR),
            **more,
        }
        self.messages.append(plan.Message(name=name, **said))  # type: ignore[arg-type]
        return name

    def send(self, step: str, message: str, onward: str = plan.END) -> plan.Send:
        """A step that sends it; webhooks have no address that could be missing."""
        channels = self.more.choice((("webhook",), ("webhook",), ("webhook", "email")))
        return plan.Send(id=step, next=onward, message=message, channels=channels)

    def wait(self, step: str, ms: int, onward: str = plan.END) -> plan.Wait:
        """A step that waits."""
        return plan.Wait(id=step, next=onward, for_ms=Millis(ms))

    # ── what is done ──

    def say(self, at: int, *given: Given) -> None:
        """A client sends a batch."""
        self.lines.append(Say(at, given))

    def given(self, name: str, at: int, properties: Record | None = None, **more: object) -> Given:
        """An event of the customer."""
        self.count += 1
        said: dict[str, object] = {"user_id": self.user, "anonymous_id": self.device, **more}
        made = Event(
            id=f"x{self.number}.{self.count}",
            name=name,
            at=Instant(at),
            properties=properties or {},
            **said,  # type: ignore[arg-type]
        )
        return Given(made)

    def does(self, name: str, after: int, properties: Record | None = None) -> None:
        """The customer does something, so long after the beginning."""
        at = self.at + after
        self.say(at, self.given(name, at, properties))

    def begins(self, after: int = 0, properties: Record | None = None) -> None:
        """The customer does what the journey begins with."""
        self.does(self.begun, after, properties)

    def identified(self, at: int, traits: Record) -> None:
        """Who they are."""
        given = self.given("Profile Identified", at, kind="identify", traits=traits)
        self.say(at, given)

    def asks(self, after: int, placement: str) -> None:
        """A page asks what belongs in a placement."""
        self.count += 1
        asked = Asked(id=f"xq{self.number}.{self.count}", placements=(placement,))
        self.say(self.at + after, Given(asked, "", self.user, self.device))

    def consents(
        self,
        after: int,
        state: State,
        *,
        by: tuple[str, str],
        of: tuple[str, str],
    ) -> None:
        """Somebody (user, device) says what they want of a channel and a topic."""
        at = self.at + after
        said = Consented(channel=of[0], topic=of[1], state=state, at=Instant(at), source="page")
        self.say(at, Given(said, "", *by))

    def fills(self, pool: str, codes: int) -> None:
        """Codes come into a pool, before all."""
        self.lines.append(Fill(self.start, pool, tuple(f"{pool}-{n}" for n in range(codes))))

    def puts(self, at: int, *items: tuple[str, Record | None]) -> None:
        """Products become what these records say."""
        self.lines.append(Put(at, items))

    def fails(
        self, after: int, kind: OneOf["before", "after", "error", "stale", "handing"]
    ) -> None:
        """Something goes wrong."""
        self.lines.append(Fault(self.at + after, kind))


Act: TypeAlias = Callable[[Stage], None]

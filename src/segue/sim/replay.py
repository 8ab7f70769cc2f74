"""A log through the engine in virtual time.

Rule 1: an event is answered at its own instant of arrival; whatever falls due before it (a wait,
    a hold, a window's end) has run by then, at its exact instant.
Rule 2: after the last event, time goes on for a while in which no customer does anything, so
    that waits can end; the report counts what happened then apart, for it is a guess.
Rule 3: the same log and the same program give the same bytes; how fast it went is not part of them.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import msgspec

from segue.connectors.rows import Imported
from segue.hosts.arrivals import Answer, Arrival
from segue.kernel.values import Instant, Millis, later
from segue.sim.limits import ARRIVALS_TOGETHER_MAX, REFUSALS_KEPT_MAX


class Engine(Protocol):
    """What a replay needs of `hosts.engine.Engine`."""

    def feed_all(self, arrivals: list[Arrival], at: Instant) -> list[Answer]:
        """Answer several arrivals at one instant."""
        ...

    def advance(self, to: Instant) -> None:
        """Run what falls due up to an instant."""
        ...


class Refusal(msgspec.Struct, frozen=True):
    """A line that the engine could not answer."""

    line: int
    reason: str


class Course(msgspec.Struct):
    """How a replay went."""

    fed: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    refusals: list[Refusal] = []
    """The first of them."""
    first_at: Instant = Instant(0)
    last_at: Instant = Instant(0)
    until: Instant = Instant(0)


def replay(
    engine: Engine,
    arrivals: Iterable[Imported],
    *,
    source: str,
    then: Millis,
    progress: Callable[[Course], None] = lambda _course: None,
) -> Course:
    """Feed a whole log, then let time go on for `then`."""
    course = Course()
    for at, together in _by_instant(arrivals):
        if not course.fed:
            course.first_at = at
        course.last_at = at
        _feed(engine, course, together, at, source)
        progress(course)
    course.until = later(course.last_at, then) if course.fed else course.last_at
    if course.fed:
        engine.advance(course.until)
    progress(course)
    return course


def _by_instant(arrivals: Iterable[Imported]) -> Iterator[tuple[Instant, list[Imported]]]:
    """Arrivals of one instant together, up to a bound, in their order."""
    together: list[Imported] = []
    for one in arrivals:
        full = len(together) >= ARRIVALS_TOGETHER_MAX
        if together and (full or one.arrived_at != together[0].arrived_at):
            yield together[0].arrived_at, together
            together = []
        together.append(one)
    if together:
        yield together[0].arrived_at, together


def _feed(
    engine: Engine, course: Course, together: list[Imported], at: Instant, source: str
) -> None:
    fed: list[Arrival] = []
    lines: list[int] = []
    for one in together:
        who = (one.event.user_id, one.event.anonymous_id)
        fed.append(Arrival(input=one.event, source=source))
        fed += [
            Arrival(input=also, user_id=who[0], anonymous_id=who[1], source=source)
            for also in one.also
        ]
        lines += [one.line] * (1 + len(one.also))
    for line, answer in zip(lines, engine.feed_all(fed, at), strict=True):
        course.fed += 1
        match answer.status:
            case "accepted":
                course.accepted += 1
            case "duplicate":
                course.duplicates += 1
            case "set_aside" | "unknown" | "unavailable":
                course.refused += 1
                if len(course.refusals) < REFUSALS_KEPT_MAX:
                    course.refusals.append(Refusal(line, answer.reason or answer.status))

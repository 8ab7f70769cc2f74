"""A log through the engine in virtual time.

Rule 1: an event is answered at its own instant of arrival; whatever falls due before it (a wait,
    a hold, a window's end) has run by then, at its exact instant.
Rule 2: after the last event, time goes on for a while in which no customer does anything, so
    that waits can end; the report counts what happened then apart, for it is a guess.
Rule 3: the same log and the same program give the same bytes; how fast it went is not part of them.
Rule 4: a log holds no page that asks what belongs into its placements. `Pages` asks in its
    stead, at every live view of a page or product, and says that what it got was shown;
    nobody clicks or dismisses.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from segue.connectors.rows import Imported
from segue.hosts.arrivals import Answer, Arrival
from segue.hosts.desk import Answered
from segue.kernel import plan
from segue.kernel.inputs import Asked, Event, Reported
from segue.kernel.plan import Plan
from segue.kernel.values import Instant, Millis, ProfileId, later
from segue.sim.backtest_shards import Entry, entry
from segue.sim.limits import ARRIVALS_TOGETHER_MAX, REFUSALS_KEPT_MAX, TICK_EVENTS

PAGES = ("Product Viewed", "Product List Viewed", "Products Searched", "Cart Viewed")
"""Tracked events that a page with placements sends, beside those of kind `page`."""


class Engine(Protocol):
    """What a replay needs of `hosts.engine.Engine`."""

    def feed_all(self, arrivals: list[Arrival], at: Instant) -> list[Answer]:
        """Answer several arrivals at one instant."""
        ...

    def advance(self, to: Instant) -> None:
        """Run what falls due up to an instant."""
        ...


class Refusal(msgspec.Struct, frozen=True, order=True):
    """A line that the engine could not answer."""

    line: int
    reason: str
    source: int = 0


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


class Pages:
    """Asks for placements as the pages of a shop do (rule 4).

    Web placements are asked for at views of pages and products, in-app ones at screens too,
    those of the checkout at its own events. Only a profile with a standing offer is asked:
    for any other the answer is nothing, and changes nothing.
    """

    def __init__(self, current: Plan) -> None:
        self._checkout = frozenset(current.workspace.checkout)
        self._placements = _placements(current)
        self._standing: set[ProfileId] = set()

    def listen(self, answered: Answered) -> None:
        """Note who has an offer that could be shown."""
        for saved in answered.saved:
            if saved.profile.offers:
                self._standing.add(saved.profile.id)
            else:
                self._standing.discard(saved.profile.id)
            self._standing.difference_update(saved.absorbed)

    def question(self, event: Event, profile: ProfileId) -> Arrival | None:
        """What the page of this event asks for."""
        if not event.live or profile not in self._standing:
            return None
        placements = self.asked_at(event)
        if not placements:
            return None
        return Arrival(
            input=Asked(id="", placements=placements, context=event.context),
            profile=profile,
            source="page",
        )

    def asked_at(self, event: Event) -> tuple[str, ...]:
        """The placements that the page of this event has."""
        if event.name in self._checkout:
            return self._placements.get("checkout", ())
        if event.kind == "screen":
            return self._placements.get("inapp", ())
        if event.kind == "page" or event.name in PAGES:
            return self._placements.get("web", ()) + self._placements.get("inapp", ())
        return ()


def _placements(current: Plan) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for journey in current.journeys:
        for node in journey.steps:
            if isinstance(node, plan.Show):
                found.setdefault(node.channel, {})[node.placement] = None
    return {channel: tuple(sorted(names)) for channel, names in found.items()}


def replay(
    engine: Engine,
    arrivals: Iterable[Imported],
    *,
    source: str,
    then: Millis,
    progress: Callable[[Course], None] = lambda _course: None,
    pages: Pages | None = None,
) -> Course:
    """Feed a whole log, then let time go on for `then`."""
    course = Course()
    entries = (entry(one) for one in arrivals)
    drive(engine, entries, course, sources=(source,), pages=pages, progress=progress)
    course.until = later(course.last_at, then) if course.fed else course.last_at
    if course.fed:
        engine.advance(course.until)
    progress(course)
    return course


def drive(
    engine: Engine,
    entries: Iterable[Entry],
    course: Course,
    *,
    sources: tuple[str, ...],
    pages: Pages | None = None,
    progress: Callable[[Course], None] = lambda _course: None,
    begins: Sequence[tuple[Instant, Callable[[], None]]] = (),
) -> None:
    """Feed entries at their instants; each of `begins` is called when time has come to its own."""
    ahead = deque(begins)
    told = course.fed
    for at, together in _by_instant(entries):
        while ahead and at >= ahead[0][0]:
            _begin(engine, *ahead.popleft())
        if not course.fed:
            course.first_at = at
        course.last_at = at
        _feed(engine, course, together, at, sources, pages)
        if course.fed - told >= TICK_EVENTS:
            told = course.fed
            progress(course)
    for start_at, start in ahead:
        _begin(engine, start_at, start)
    progress(course)


def _begin(engine: Engine, at: Instant, start: Callable[[], None]) -> None:
    engine.advance(at)
    start()


def _by_instant(entries: Iterable[Entry]) -> Iterator[tuple[Instant, list[Entry]]]:
    """Entries of one instant together, up to a bound, in their order."""
    together: list[Entry] = []
    for one in entries:
        full = len(together) >= ARRIVALS_TOGETHER_MAX
        if together and (full or one.arrived_at != together[0].arrived_at):
            yield together[0].arrived_at, together
            together = []
        together.append(one)
    if together:
        yield together[0].arrived_at, together


def _feed(
    engine: Engine,
    course: Course,
    together: list[Entry],
    at: Instant,
    sources: tuple[str, ...],
    pages: Pages | None,
) -> None:
    fed: list[Arrival] = []
    places: list[Entry] = []
    for one in together:
        for said in one.inputs:
            if isinstance(said, Event):
                fed.append(Arrival(input=said, source=sources[one.source]))
            else:
                fed.append(
                    Arrival(
                        input=said,
                        user_id=one.user_id,
                        anonymous_id=one.anonymous_id,
                        source=sources[one.source],
                    )
                )
            places.append(one)
    questions: list[Arrival] = []
    for arrival, place, answer in zip(fed, places, engine.feed_all(fed, at), strict=True):
        course.fed += 1
        match answer.status:
            case "accepted":
                course.accepted += 1
                if pages is not None and isinstance(arrival.input, Event):
                    question = pages.question(arrival.input, answer.profile)
                    if question is not None:
                        questions.append(question)
            case "duplicate":
                course.duplicates += 1
            case "set_aside" | "unknown" | "unavailable":
                course.refused += 1
                if len(course.refusals) < REFUSALS_KEPT_MAX:
                    refusal = Refusal(place.line, answer.reason or answer.status, place.source)
                    course.refusals.append(refusal)
    if questions:
        _ask(engine, questions, at)


def _ask(engine: Engine, questions: list[Arrival], at: Instant) -> None:
    """Ask, and say that what was answered is shown."""
    seen = [
        Arrival(
            input=Reported(send_id=show.id, outcome="shown"), profile=answer.profile, source="page"
        )
        for answer in engine.feed_all(questions, at)
        for show in answer.shows
        if not show.again
    ]
    if seen:
        engine.feed_all(seen, at)

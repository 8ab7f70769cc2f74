"""The same stepping without threads, in virtual time: replay, tests, the simulator.

Rule 1: time moves only by `feed` and `advance`. What falls due on the way runs at its own
    exact instant, in order of time: wake-ups first, then deliveries.
Rule 2: the code that answers (`desk.py`, `batch.py`) and judges (`verdicts.py`) is that of
    the live host; only who calls it differs.
Rule 3: a courier is called at once and answers at the same instant.
"""

from collections.abc import Callable, Iterator, Sequence

from segue.errors import NoProgram
from segue.hosts import publishing
from segue.hosts.arrivals import Answer, Arrival
from segue.hosts.batch import Docket
from segue.hosts.desk import Answered, Desk
from segue.hosts.interpreter import look_seldom
from segue.hosts.limits import CLAIM_SIZE_MAX, TELLINGS_PER_BATCH_MAX, WAKES_PER_BATCH_MAX
from segue.hosts.ports import Courier, Delivery, Outcome
from segue.hosts.programs import Programs
from segue.hosts.publishing import Modes
from segue.hosts.quick import QuickStore
from segue.hosts.verdicts import Verdict, expired, judge, not_after
from segue.hosts.zones import Zones
from segue.kernel.effects import Effect
from segue.kernel.program import Patterns, Program
from segue.kernel.values import Instant, ProfileId, Record
from segue.stores.ports import ItemLine, QueuedSend, Store

_BY = "engine"


class Accepting:
    """A courier that takes everything and delivers nothing."""

    def deliver(self, deliveries: list[Delivery]) -> list[Outcome]:
        return [Outcome(result="accepted") for _ in deliveries]

    def resends_safely(self, effect: Effect) -> bool:  # noqa: ARG002
        return True


class Engine:
    """A host whose clock is moved by hand.

    `engine.store` is what it writes to (a `QuickStore` unless another is given), and
    `engine.latest` what the last commit came to; `listener` is told of every commit. `pools`
    hands out the codes of the store's coupon pools; without it, as in replays, they are made up.
    """

    def __init__(
        self,
        store: Store | None = None,
        courier: Courier | None = None,
        *,
        patterns: Patterns,
        zones: Zones | None = None,
        now: int = 0,
        profiles_cached_max: int = 1_000_000,
        pools: bool = False,
        listener: Callable[[Answered], None] | None = None,
    ) -> None:
        self.store: Store = store if store is not None else QuickStore()
        look_seldom()
        self.now = Instant(now)
        self.latest: Answered = Answered(answers=[], saved=[], set_aside=[])
        self._courier: Courier = courier or Accepting()
        self._zones = zones or Zones()
        self._programs = Programs(self.store, patterns, self._zones)
        self._cached_max = profiles_cached_max
        self._pools = pools
        self._listener = listener
        self._desk: Desk | None = None
        if self.store.current_program():
            self._desk = self._new_desk(self._programs.current())

    def _new_desk(self, program: Program) -> Desk:
        return Desk(
            self.store,
            self._programs,
            program,
            self._zones,
            self._cached_max,
            pools=self._pools,
        )

    @property
    def program(self) -> Program:
        """The program in force. Raises `NoProgram`."""
        return self._at_desk().program

    def _at_desk(self) -> Desk:
        if self._desk is None:
            raise NoProgram("publish a plan first")
        return self._desk

    def publish(self, name: str, plan: bytes, modes: Modes | None = None) -> Program:
        """Put a plan in force now; each profile adopts it when it is touched next.

        `adopt_all` has everyone adopt it at once, as the live host does in the background; it
        comes before another `publish` where `modes` were given (`publishing.py`, rule 4).
        """
        program = self._programs.publish(name, plan, self.now, modes)
        if self._desk is None:
            self._desk = self._new_desk(program)
        else:
            self._desk.swap(program)
        return program

    def adopt_all(self) -> None:
        """Let every profile adopt the program in force now."""
        while some := self.store.outdated(self.program.name, ProfileId(""), CLAIM_SIZE_MAX):
            self._answer(Docket(adopts=some))
            self._dispatch()
        modes = self._at_desk().modes
        if publishing.moves(modes):
            for profile in publishing.everyone(self.store):
                if publishing.concerns(modes, profile, self.program.name):
                    self._answer(Docket(adopts=(profile.id,)))
                    self._dispatch()

    def feed(self, arrival: Arrival, at: Instant) -> Answer:
        """Advance to `at`, then answer; an arrival of the past is answered now."""
        return self.feed_all((arrival,), at)[0]

    def feed_all(self, arrivals: Sequence[Arrival], at: Instant) -> list[Answer]:
        """Several arrivals at one instant, in one commit."""
        self.advance(at)
        answers = self._answer(Docket(arrivals=arrivals)).answers
        self._dispatch()
        return answers

    def put_items(
        self, changes: Sequence[tuple[str, str, Record | None]], at: Instant
    ) -> list[ItemLine]:
        """Advance to `at`, then change items of catalogs and tell everyone concerned."""
        self.advance(at)
        lines = self.store.put_items(changes, self.now)
        self.tell()
        return lines

    def tell(self) -> None:
        """Follow the store's item log, and tell everyone who was not told yet."""
        desk = self._at_desk()
        desk.teller.refresh()
        while desk.teller.busy:
            round_ = desk.round(TELLINGS_PER_BATCH_MAX)
            if round_.tellings or round_.meta:
                self._answer(Docket(tellings=round_.tellings, meta=round_.meta))
                self._dispatch()

    def advance(self, to: Instant) -> None:
        """Run wake-ups and deliveries that fall due up to and including `to`."""
        for _ in self.moments(to):
            pass

    def moments(self, to: Instant) -> Iterator[Instant]:
        """The same, one instant at a time: told after what was due then has run."""
        store = self.store
        while (at := min(due := store.next_due(), store.next_queued())) <= to:
            self.now = max(self.now, at)
            if due <= self.now:
                self._answer(Docket(wakes=store.due(self.now, WAKES_PER_BATCH_MAX)))
            self._dispatch()
            yield self.now
        self.now = max(self.now, to)

    def _answer(self, docket: Docket) -> Answered:
        self.latest = self._at_desk().answer(docket, self.now)
        if self._listener is not None:
            self._listener(self.latest)
        return self.latest

    def _dispatch(self) -> None:
        """Claim and deliver what is due, and report what became of it."""
        while self.store.next_queued() <= self.now:
            rows = self.store.claim(self.now, CLAIM_SIZE_MAX, _BY)
            self._at_desk().cache.claimed(rows)
            verdicts = self._deliver(rows)
            self._answer(
                Docket(
                    arrivals=[one.arrival() for one in verdicts if one.report is not None],
                    settlements=[one.settlement for one in verdicts],
                )
            )

    def _deliver(self, rows: Sequence[QueuedSend]) -> list[Verdict]:
        verdicts = [expired(row, self.now) for row in rows if not_after(row.effect) <= self.now]
        good = [row for row in rows if not_after(row.effect) > self.now]
        if good:
            outcomes = self._courier.deliver(
                [
                    Delivery(
                        id=row.id,
                        profile=row.profile,
                        effect=row.effect,
                        attempt=row.attempts,
                        at=self.now,
                    )
                    for row in good
                ]
            )
            verdicts += [
                judge(row, outcome, self.now) for row, outcome in zip(good, outcomes, strict=True)
            ]
        return verdicts

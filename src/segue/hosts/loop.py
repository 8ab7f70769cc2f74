"""The batch loop: the one thread that steps profiles, saves them, and claims sends.

    submit ─► lanes ──────┐
    wake-ups, by index ───┼─► docket ─► desk (one commit) ─► answers, facts
    verdicts of workers ──┘                │
                                           └─► claims for workers that are free

Rule 1: an arrival is answered after the commit that holds it, never before.
Rule 2: every docket has room for all, so none starves another: what is taken of the arrivals
    is in `lanes.py`, wake-ups have a share of their own.
Rule 3: whatever can't be saved was not accepted. The loop tells everyone who waits, lets go
    of what it remembers, and tries again by itself a moment later.
Rule 4: a verdict is never lost: it stays until the commit that settles it has returned.

A batch is whatever has come by the time the last one is saved: under light load one arrival
and one commit; under heavy load up to `BATCH_SIZE_MAX`. Alternative considered: to linger
a millisecond for more company; it costs every lone question that millisecond, and the
commit before is linger enough under load.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple, TypeVar

from segue.errors import HostStopped, QueueFull, StillCarrying, StoreUnavailable
from segue.hosts import again, publishing
from segue.hosts.again import Retried
from segue.hosts.arrivals import Answer, Arrival
from segue.hosts.batch import Docket
from segue.hosts.desk import Desk
from segue.hosts.dispatch import Dispatcher
from segue.hosts.facts import Listener, Listeners
from segue.hosts.forgetting import Forgetter
from segue.hosts.lanes import Lanes
from segue.hosts.limits import (
    BATCH_BRISK_MAX,
    BATCH_SIZE_MAX,
    ITEM_LOOK_MS,
    ITEMS_PER_PUT_MAX,
    QUEUE_MAX,
    STOP_MS_MAX,
    SWEEP_SIZE_MAX,
    TELLINGS_PER_BATCH_MAX,
    UNAVAILABLE_PAUSE_MS,
    WAKES_PER_BATCH_MAX,
)
from segue.hosts.ports import Clock
from segue.hosts.programs import Programs
from segue.hosts.publishing import Modes, Outlook, Standing
from segue.hosts.teller import Round
from segue.hosts.verdicts import Verdict, channel_of
from segue.hosts.zones import Zones
from segue.kernel.catalog import Catalog
from segue.kernel.effects import AssignTask, CallWebhook, ChangeAudience, Send
from segue.kernel.program import Program
from segue.kernel.values import NEVER, Instant, Millis, ProfileId, Record, later
from segue.stores.ports import ItemLine, Saved, Store

_log = logging.getLogger("segue.hosts")

Done = Callable[[list[Answer]], None]
T = TypeVar("T")

_IDLE_MS = 1_000
"""Longest sleep, so that a clock that was set forward is noticed."""

_STOPPING_MS = 20
"""Longest sleep while workers are awaited at the end."""


class _Ticket:
    """One submission on its way: where its answers are gathered."""

    __slots__ = ("answers", "done", "left")

    def __init__(self, size: int, done: Done) -> None:
        self.answers: list[Answer | None] = [None] * size
        self.left = size
        self.done = done

    def give(self, index: int, answer: Answer) -> None:
        self.answers[index] = answer
        self.left -= 1
        if self.left == 0:
            try:
                self.done([one for one in self.answers if one is not None])
            except Exception:  # noqa: BLE001 - its answers are saved, and others wait
                _log.exception("a caller failed to take its answers; they are saved all the same")


class _Waiting(NamedTuple):
    """An arrival in the queue, and which answer of which submission it awaits."""

    ticket: _Ticket
    place: int
    arrival: Arrival


class Host:
    """Runs one store: takes arrivals, answers them in batches, keeps wake-ups, claims sends."""

    def __init__(
        self,
        store: Store,
        programs: Programs,
        program: Program,
        clock: Clock,
        zones: Zones,
        dispatcher: Dispatcher | None = None,
        *,
        queue_max: int = QUEUE_MAX,
        batch_size_max: int = BATCH_SIZE_MAX,
    ) -> None:
        self._store = store
        self._programs = programs
        self._clock = clock
        self._dispatcher = dispatcher
        self._desk = Desk(store, programs, program, zones)
        self._listeners = Listeners()
        self._queue_max = queue_max
        self._changed = threading.Condition()
        self._lanes: Lanes[_Waiting] = Lanes(batch_size_max)
        self._publishing = threading.Lock()
        self._touched: set[ProfileId] = set()
        """Profiles saved since someone began to look where runs stand."""
        self._errands: deque[Callable[[], None]] = deque()
        self._verdicts: list[Verdict] = []
        self._next_due = Instant(0)
        self._sweep_after: ProfileId | None = ProfileId("")
        self._items_at = Instant(0)
        """When the item log is looked at next."""
        self._forgetter = Forgetter(store)
        self._nudged = False
        self._passed = False
        """Whether the last cycle left wake-ups and the like to the next, for a question's sake."""
        self._stopping = False
        self._thread: threading.Thread | None = None
        self.unavailable = ""
        """Why nothing can be saved just now; empty while all is well."""
        if dispatcher is not None:
            dispatcher.listen(self.nudge)

    # ── for everyone, from any thread ──

    @property
    def program(self) -> Program:
        """The program in force."""
        return self._desk.program

    @property
    def waiting(self) -> int:
        """Arrivals in the queue."""
        return len(self._lanes)

    def submit(self, arrivals: Sequence[Arrival], done: Done) -> None:
        """Queue arrivals; `done` gets their answers, in order, once all are committed.

        `done` is called once, in the loop's thread: it must be quick and must not raise.
        Raises `QueueFull` (429; nothing was taken) or `HostStopped` (503).
        """
        if not arrivals:
            done([])
            return
        ticket = _Ticket(len(arrivals), done)
        with self._changed:
            if self._stopping or self._thread is None:
                raise HostStopped("the host is not running")
            if self.waiting + len(arrivals) > self._queue_max:
                raise QueueFull(self.waiting, retry_after_s=1 + self.waiting // 5_000)
            waiting = [_Waiting(ticket, index, one) for index, one in enumerate(arrivals)]
            self._lanes.put(waiting, self._clock.now())
            self._changed.notify()

    def ask(self, arrivals: Sequence[Arrival], timeout_s: float = 30.0) -> list[Answer]:
        """`submit`, and wait for the answers. Raises `TimeoutError` besides."""
        answers: Future[list[Answer]] = Future()
        self.submit(arrivals, answers.set_result)
        return answers.result(timeout_s)

    def publish(self, name: str, plan: bytes, modes: Modes | None = None) -> Program:
        """Save a plan, link it beside those that live runs are pinned to, put it in force.

        `name` is the plan's hash, `plan` its canonical JSON. Profiles adopt it when they are
        touched next, and a few at a time in the background. `modes` say what becomes of the runs
        of older programs; given for the program in force, they are decided anew. Raises
        `StillCarrying`, `StepsVanished`, `UnknownMode`, `PlanUnreadable` and whatever `link`
        raises; the program in force stays then.
        """
        if name == self.program.name and not modes:
            return self.program
        with self._publishing:
            self._refuse_early()
            program = self._programs.prepare(name, plan)
            self._between_batches(self._touched.clear)
            found = Standing()
            if modes:
                # A long look at everyone; who is touched meanwhile is looked at again below.
                found = publishing.standing(publishing.everyone(self._store))

            def swap() -> None:
                if modes:
                    loaded = self._store.load(sorted(self._touched))
                    again = publishing.standing(one.profile for one in loaded.values())
                    told = publishing.outlook(found | again, program.plan, name, modes)
                    self._programs.check(told, modes)
                self._programs.save(name, plan, self._clock.now(), modes)
                self._desk.swap(program)
                self._sweep_after = ProfileId("")

            self._between_batches(swap)
        return program

    def outlook(self, name: str, plan: bytes, modes: Modes) -> tuple[Outlook, ...]:
        """What publishing a plan would mean for the runs that are live; changes nothing."""
        return self._programs.outlook(name, plan, modes)

    def _refuse_early(self) -> None:
        if publishing.moves(self._desk.modes) and self._sweep_after is not None:
            raise StillCarrying(self.program.name)

    def retry(self, ids: Sequence[str]) -> Retried:
        """Queue dead letters again, those that may still leave (`again.py`)."""

        def errand() -> Retried:
            now = self._clock.now()
            count = again.retry(self._store, ids, now)
            if self._dispatcher is not None:
                self._dispatcher.look(now, now)
            return count

        return self._between_batches(errand)

    @property
    def catalog(self) -> Catalog:
        """The items of all catalogs, as the loop knows them."""
        return self._desk.teller.catalog

    def put_items(self, changes: Sequence[tuple[str, str, Record | None]]) -> list[ItemLine]:
        """Change items of catalogs; whoever is interested is told in the background.

        Whatever is submitted afterwards is answered with the items as they are then. Saved
        `ITEMS_PER_PUT_MAX` at a time. Raises `StoreUnavailable` and `Unstorable`.
        """
        lines: list[ItemLine] = []
        for first in range(0, len(changes), ITEMS_PER_PUT_MAX):
            some = changes[first : first + ITEMS_PER_PUT_MAX]
            lines += self._store.put_items(some, self._clock.now())
            with self._changed:
                self._items_at = Instant(0)
                self._nudged = True
                self._changed.notify()
        return lines

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tell a listener of every commit, in a thread of its own; returns how to end it."""
        return self._listeners.subscribe(listener)

    def nudge(self) -> None:
        """Have the loop look at the clock and at the workers now."""
        with self._changed:
            self._nudged = True
            self._changed.notify()

    def start(self) -> None:
        """Start the thread."""
        with self._changed:
            assert self._thread is None, "a host is started once"
            self._thread = threading.Thread(target=self._run, name="segue-loop", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Refuse new arrivals, answer those that wait, let workers come back, end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()
        self._listeners.close()
        if self._dispatcher is not None:
            self._dispatcher.end()

    def _between_batches(self, errand: Callable[[], T]) -> T:
        """Run something in the loop's thread and wait for it; here, if there is none."""
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(errand())
            except Exception as error:  # noqa: BLE001 - it belongs to the caller
                result.set_exception(error)

        with self._changed:
            running = self._thread is not None and self._thread.is_alive()
            if running:
                self._errands.append(run)
                self._changed.notify()
        if not running:
            run()
        return result.result()

    # ── the thread ──

    def _run(self) -> None:
        deadline: Instant | None = None
        while True:
            taken = self._take()
            try:
                self._cycle(taken)
                self.unavailable = ""
            except Exception as error:  # noqa: BLE001 - Rule 3
                self._fail(taken, error)
            if self._stopping:
                now = self._clock.now()
                deadline = deadline or Instant(now + STOP_MS_MAX)
                if self._finished() or now >= deadline:
                    self._turn_away(HostStopped("the host has stopped"))
                    return

    def _finished(self) -> bool:
        with self._changed:
            waits = bool(self._lanes or self._errands)
        busy = self._dispatcher is not None and self._dispatcher.busy > 0
        return not (waits or busy or self._verdicts)

    def _take(self) -> list[_Waiting]:
        """Wait for something to do, and take a batch of arrivals."""
        with self._changed:
            while not (self._lanes or self._errands or self._nudged):
                wait_ms = min(self._wait_ms(), _STOPPING_MS if self._stopping else _IDLE_MS)
                if wait_ms > 0:
                    self._changed.wait(wait_ms / 1000)
                if wait_ms <= 0 or self._stopping:
                    break
            self._nudged = False
            return self._lanes.take(self._clock.now())

    def _wait_ms(self) -> int:
        if self._verdicts or self._sweep_after is not None or self._desk.teller.busy:
            return 0
        at: int = min(self._next_due, self._items_at)
        if not self._stopping:
            at = min(at, self._forgetter.at)
        if self._dispatcher is not None:
            at = min(at, self._dispatcher.next_look(), self._dispatcher.look_at)
        return at - self._clock.now()

    def _cycle(self, taken: list[_Waiting]) -> None:
        now = self._clock.now()
        while self._errands:
            self._errands.popleft()()
        if self._dispatcher is not None:
            self._verdicts += self._dispatcher.verdicts(now)
        verdicts = self._verdicts
        own = [one.arrival() for one in verdicts if one.report is not None]
        # What waits by itself lets questions pass once; the next cycle has it in any case.
        self._passed = self._lanes.asking and not self._passed
        round_ = Round() if self._passed else self._round(now)
        docket = Docket(
            arrivals=[*own, *(one.arrival for one in taken)],
            wakes=[] if self._passed else self._due(now),
            adopts=[] if self._passed else self._sweep(),
            settlements=[one.settlement for one in verdicts],
            tellings=round_.tellings,
            meta=round_.meta,
        )
        if not _is_empty(docket):
            answered = self._desk.answer(docket, now, lambda done: self._cut(done - len(own)))
            self._verdicts = []
            if self._publishing.locked():
                self._touched.update(one.profile.id for one in answered.saved)
            self._note_dues(answered.saved, verdicts)
            answers = answered.answers[len(own) :]
            if left := taken[len(answers) :]:
                with self._changed:
                    self._lanes.back(left)
                del taken[len(answers) :]
            for (ticket, index, _), answer in zip(taken, answers, strict=True):
                ticket.give(index, answer)
            taken.clear()
            self._listeners.tell(answered.saved, answered.set_aside)
        if self._next_due <= now:
            self._next_due = self._store.next_due()
        if self._dispatcher is not None and not self._stopping:
            self._claim(self._dispatcher)
        if not (self._desk.teller.busy or self._stopping):
            self._forgetter.look(self.program, now)

    def _due(self, now: Instant) -> list[ProfileId]:
        """Profiles whose wake-up is due, as many as a batch has room for."""
        if self._next_due > now:
            return []
        brisk = self._lanes.brisk(now)
        return self._store.due(now, BATCH_BRISK_MAX if brisk else WAKES_PER_BATCH_MAX)

    def _cut(self, answered: int) -> bool:
        """Whether a question has come that does not wait for the rest; reports are answered."""
        return answered >= 0 and self._lanes.cut(answered)

    def _round(self, now: Instant) -> Round:
        """Follow the item log, and tell some of its changes."""
        if self._stopping:
            return Round()
        if self._items_at <= now:
            self._items_at = later(now, Millis(ITEM_LOOK_MS))
            self._desk.teller.refresh()
        return self._desk.round(TELLINGS_PER_BATCH_MAX)

    def _sweep(self) -> list[ProfileId]:
        """A few profiles that have not adopted the program in force yet."""
        if self._sweep_after is None or self._stopping:
            return []
        if publishing.moves(self._desk.modes):
            # Who has adopted the program may have runs that were decided about afterwards.
            found = self._store.profiles(self._sweep_after, SWEEP_SIZE_MAX)
            some = [one.id for one in found]
        else:
            some = self._store.outdated(self.program.name, self._sweep_after, SWEEP_SIZE_MAX)
        self._sweep_after = some[-1] if some else None
        return some

    def _note_dues(self, saved: Sequence[Saved], verdicts: Sequence[Verdict]) -> None:
        """Learn from what was saved when to come back, without asking the store."""
        for one in saved:
            self._next_due = min(self._next_due, one.profile.wake_at)
        if self._dispatcher is None:
            return
        for one in saved:
            for effect, at in one.effects:
                match effect:
                    case Send():
                        due = Instant(max(at, effect.pace_at))
                    case ChangeAudience() | CallWebhook() | AssignTask():
                        due = at
                    case _:
                        continue
                self._dispatcher.expect(channel_of(effect), due)
        for verdict in verdicts:
            if verdict.settlement.state == "queued":
                self._dispatcher.look_at = min(self._dispatcher.look_at, verdict.settlement.due_at)

    # ── claims ──

    def _claim(self, dispatcher: Dispatcher) -> None:
        now = self._clock.now()
        self._verdicts += dispatcher.hand_resent(now)
        if dispatcher.look_at <= now:
            dispatcher.look(self._store.next_queued(), now)
        for group in dispatcher.ready(now):
            room = group.room(now)
            rows = self._store.claim(now, room, dispatcher.by, group.channels)
            group.claimed(len(rows), now)
            if rows:
                self._desk.cache.claimed(rows)
                self._verdicts += dispatcher.take_over(group, rows, now)
            if len(rows) < room:
                group.expected = NEVER
                dispatcher.look_at = min(dispatcher.look_at, self._store.next_queued())

    def recover(self) -> int:
        """Settle what a dead process left claimed; called once, before `start`.

        What the channel recognises is handed to it again, at once; the rest is *unknown*.
        """
        if self._dispatcher is None:
            return 0
        now = self._clock.now()
        rows = self._store.abandoned(self._dispatcher.by)
        for row in rows:
            if self._dispatcher.resends_safely(row.effect):
                self._dispatcher.resend(row)
            else:
                self._verdicts.append(self._dispatcher.abandon(row, now))
        return len(rows)

    # ── trouble ──

    def _fail(self, taken: list[_Waiting], error: Exception) -> None:
        """Nothing of this cycle was saved (Rule 3)."""
        if isinstance(error, StoreUnavailable):
            if not self.unavailable:
                _log.error("nothing can be saved: %s", error)
            self.unavailable = str(error)
        else:
            _log.exception("the loop failed; it goes on", exc_info=error)
            self.unavailable = f"{type(error).__name__}: {error}"
        self._desk.cache.clear()
        self._next_due = self._items_at = Instant(0)
        self._sweep_after = ProfileId("")
        for ticket, index, _ in taken:
            ticket.give(index, self._not_accepted(error))
        self._turn_away(error)
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, UNAVAILABLE_PAUSE_MS / 1000)

    def _turn_away(self, error: Exception) -> None:
        """Tell all who wait that nothing of theirs was accepted."""
        with self._changed:
            waiting = self._lanes.clear()
        for ticket, index, _ in waiting:
            ticket.give(index, self._not_accepted(error))

    def _not_accepted(self, error: Exception) -> Answer:
        return Answer(status="unavailable", at=self._clock.now(), reason=str(error))


def _is_empty(docket: Docket) -> bool:
    some = docket.arrivals or docket.wakes or docket.adopts
    return not (some or docket.settlements or docket.tellings or docket.meta)

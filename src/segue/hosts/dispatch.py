"""The dispatcher: worker threads between the outbox and the courier.

    queued ──claim (loop, one transaction)──► a free worker ──► Courier.deliver
      ▲                                                              │ outcome
      └── deferred ◄── verdict: settled and reported in one commit ◄─┘

Rule 1: the loop claims, and only for a worker that is free now: nothing lies claimed in a
    buffer while an event that makes it stale is committed. Because the same thread steps
    profiles, no decision can fall between a claim and its profile's knowing of it.
Rule 2: each channel group has its own workers, so a provider that hangs stops only itself.
    A worker that does not answer in time is given up: what it held is *unknown*.
Rule 3: what a provider's pace does not let out yet is not claimed (`pace.py`).
Rule 4: a courier that raises has a bug, and nobody knows what it sent: *unknown* too.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue

from segue.hosts.limits import (
    CLAIM_SIZE_MAX,
    DELIVERY_MS_MAX,
    HUNG_WORKERS_MAX,
    OUTBOX_LOOK_MS,
)
from segue.hosts.pace import Bucket
from segue.hosts.ports import Courier, Delivery, Outcome
from segue.hosts.verdicts import Verdict, channel_of, expired, judge, lost, not_after
from segue.kernel.effects import Effect
from segue.kernel.values import NEVER, Instant
from segue.stores.ports import QueuedSend

_log = logging.getLogger("segue.hosts")

GROUPS: Mapping[str, tuple[str, ...]] = {
    name: (name,)
    for name in ("email", "sms", "push", "whatsapp", "ads", "webhook", "task", "sandbox")
}
"""Which channels share workers: by default none does."""

LOOK_AGAIN_MS = 50
"""How soon the outbox is looked at again while something due can't be claimed."""


class _Worker:
    """One thread, and what it holds."""

    def __init__(self, group: "Group", number: int) -> None:
        self.group = group
        self.todo: SimpleQueue[tuple[list[QueuedSend], list[Delivery]] | None] = SimpleQueue()
        self.held: list[QueuedSend] = []
        self.since = Instant(0)
        self.given_up = False
        self.thread = threading.Thread(
            target=self.run, name=f"segue-{group.name}-{number}", daemon=True
        )

    def run(self) -> None:
        """Deliver until told to end."""
        while (work := self.todo.get()) is not None:
            rows, deliveries = work
            self.group.came_back(self, rows, _deliver(self.group.courier, deliveries))


def _deliver(courier: Courier, deliveries: list[Delivery]) -> list[Outcome]:
    """Rule 4, and the right number of outcomes whatever the courier does."""
    try:
        outcomes = courier.deliver(deliveries)
    except Exception as error:  # noqa: BLE001 - Rule 4
        _log.exception("a courier raised; what it held is unknown")
        outcomes = [Outcome(result="unknown", detail=f"{type(error).__name__}: {error}")]
        return outcomes * len(deliveries)
    missing = len(deliveries) - len(outcomes)
    return outcomes[: len(deliveries)] + [
        Outcome(result="unknown", detail="the courier did not say") for _ in range(missing)
    ]


class Group:
    """Channels that share workers."""

    def __init__(
        self,
        name: str,
        channels: tuple[str, ...],
        courier: Courier,
        workers: int,
        back: Callable[["Group"], None],
        pace: float = 0,
    ) -> None:
        self.name = name
        self.channels = channels
        self.courier = courier
        self.expected = NEVER
        """When a row may next be due; the loop claims then if a worker is free."""
        self._bucket = Bucket(pace) if pace else None
        self._back = back
        self._started = 0
        self._lock = threading.Lock()
        self._free: list[_Worker] = []
        self._busy: list[_Worker] = []
        self._hung = 0
        self._results: deque[tuple[QueuedSend, Outcome]] = deque()
        for _ in range(workers):
            self._free.append(self._new())

    def _new(self) -> _Worker:
        self._started += 1
        worker = _Worker(self, self._started)
        worker.thread.start()
        return worker

    def expect(self, at: Instant) -> None:
        """A row falls due at this instant."""
        self.expected = min(self.expected, at)

    def room(self, now: Instant) -> int:
        """How many rows may be claimed now."""
        if self._bucket is None:
            return CLAIM_SIZE_MAX
        return min(CLAIM_SIZE_MAX, self._bucket.room(now))

    def claimed(self, count: int, now: Instant) -> None:
        """So many were."""
        if self._bucket is not None:
            self._bucket.take(count, now)

    @property
    def idle(self) -> bool:
        """Whether a worker is free."""
        return bool(self._free)

    def hand(self, rows: list[QueuedSend], now: Instant) -> None:
        """Let a free worker deliver these now."""
        deliveries = [
            Delivery(
                id=row.id, profile=row.profile, effect=row.effect, attempt=row.attempts, at=now
            )
            for row in rows
        ]
        with self._lock:
            worker = self._free.pop()
            worker.held, worker.since = rows, now
            self._busy.append(worker)
        worker.todo.put((rows, deliveries))

    def came_back(self, worker: _Worker, rows: list[QueuedSend], outcomes: list[Outcome]) -> None:
        """A worker has its outcomes (called in its thread)."""
        with self._lock:
            if worker.given_up:
                # What it held is unknown already. It may work again, in place of its heir.
                self._hung -= 1
                worker.given_up = False
                if len(self._free) + len(self._busy) > 0:
                    worker.todo.put(None)
                    return
                self._free.append(worker)
            else:
                self._busy.remove(worker)
                worker.held = []
                self._free.append(worker)
                self._results.extend(zip(rows, outcomes, strict=True))
        self._back(self)

    def results(self, now: Instant) -> list[tuple[QueuedSend, Outcome]]:
        """Outcomes that came back, and those of deliveries whose time is over (Rule 2)."""
        with self._lock:
            late = [w for w in self._busy if now - w.since >= DELIVERY_MS_MAX]
            for worker in late:
                self._busy.remove(worker)
                worker.given_up = True
                self._hung += 1
                detail = f"no answer within {DELIVERY_MS_MAX // 1000} s"
                self._results.extend(
                    (row, Outcome(result="unknown", detail=detail)) for row in worker.held
                )
                if self._hung <= HUNG_WORKERS_MAX:
                    self._free.append(self._new())
                _log.error("a courier for %s hangs; %s", self.name, detail)
            out = list(self._results)
            self._results.clear()
        return out

    def next_look(self) -> Instant:
        """When something here changes by time: a claim, or a delivery whose time is over."""
        with self._lock:
            limit = min((w.since + DELIVERY_MS_MAX for w in self._busy), default=NEVER)
            claim = self.expected if self._free else NEVER
            if self._bucket is not None and claim != NEVER:
                claim = max(claim, self._bucket.ready_at())
        return Instant(min(limit, claim))

    @property
    def busy(self) -> int:
        """Deliveries under way."""
        return sum(len(worker.held) for worker in self._busy)

    def end(self) -> None:
        """Let the workers end after what they hold."""
        with self._lock:
            for worker in (*self._free, *self._busy):
                worker.todo.put(None)


class Dispatcher:
    """The groups of one host. All methods but the workers' own run in the loop's thread."""

    def __init__(
        self,
        courier: Courier,
        *,
        by: str,
        groups: Mapping[str, tuple[str, ...]] = GROUPS,
        workers: int = 1,
        paces: Mapping[str, float] | None = None,
    ) -> None:
        self.by = by
        self.look_at = Instant(0)
        """When the outbox itself is asked what is due: after a start, for retries, pacing."""
        self._courier = courier
        self._workers = workers
        self._paces = paces or {}
        self._back: Callable[[], None] = lambda: None
        self._resent: set[tuple[str, str]] = set()
        self._to_resend: list[QueuedSend] = []
        self._by_channel: dict[str, Group] = {}
        self.groups: list[Group] = []
        for name, channels in groups.items():
            self._add(name, channels)

    def _add(self, name: str, channels: tuple[str, ...]) -> Group:
        pace = self._paces.get(name, 0)
        group = Group(name, channels, self._courier, self._workers, lambda _: self._back(), pace)
        self.groups.append(group)
        for channel in channels:
            self._by_channel[channel] = group
        return group

    def listen(self, back: Callable[[], None]) -> None:
        """Have this called, in any thread, when a worker comes back."""
        self._back = back

    def expect(self, channel: str, due_at: Instant) -> None:
        """A row of this channel was queued."""
        self.group_of(channel).expect(due_at)

    def group_of(self, channel: str) -> Group:
        """The group of a channel; one that nobody named gets its own."""
        return self._by_channel.get(channel) or self._add(channel, (channel,))

    def resends_safely(self, effect: Effect) -> bool:
        """Whether a crash may be answered by sending again."""
        return self._courier.resends_safely(effect)

    def resend(self, row: QueuedSend) -> None:
        """Send a claimed row again that a dead process may have sent already."""
        self._resent.add((row.profile, row.id))
        self._to_resend.append(row)

    def hand_resent(self, now: Instant) -> list[Verdict]:
        """Hand out what is to be sent again; what has expired meanwhile is unknown."""
        verdicts: list[Verdict] = []
        for group in self.groups if self._to_resend else ():
            theirs = [r for r in self._to_resend if self.group_of(channel_of(r.effect)) is group]
            batch = theirs[:CLAIM_SIZE_MAX]
            if not batch or not group.idle:
                continue
            self._to_resend = [row for row in self._to_resend if row not in batch]
            good = [row for row in batch if not_after(row.effect) > now]
            verdicts += [self.abandon(row, now) for row in batch if row not in good]
            if good:
                group.hand(good, now)
        return verdicts

    def look(self, next_queued: Instant, now: Instant) -> None:
        """What falls due in the outbox, as it says itself."""
        if next_queued <= now:
            for group in self.groups:
                group.expect(now)
        self.look_at = Instant(min(max(next_queued, now + LOOK_AGAIN_MS), now + OUTBOX_LOOK_MS))

    def ready(self, now: Instant) -> list[Group]:
        """Groups for which something may be claimed now."""
        due = (group for group in self.groups if group.expected <= now and group.idle)
        return [group for group in due if group.room(now)]

    def take_over(self, group: Group, rows: Sequence[QueuedSend], now: Instant) -> list[Verdict]:
        """Hand claimed rows to a worker; what has expired is judged at once instead."""
        over = [row for row in rows if not_after(row.effect) <= now]
        good = [row for row in rows if not_after(row.effect) > now]
        if good:
            group.hand(good, now)
        return [expired(row, now) for row in over]

    def verdicts(self, now: Instant) -> list[Verdict]:
        """What has come back since."""
        done: list[Verdict] = []
        for group in self.groups:
            for row, outcome in group.results(now):
                key = (row.profile, row.id)
                done.append(judge(row, outcome, now, resent=key in self._resent))
                self._resent.discard(key)
        return done

    def abandon(self, row: QueuedSend, now: Instant) -> Verdict:
        """A dead process held it, and the channel can't tell."""
        return lost(row, now, "its process ended while it was being sent")

    def next_look(self) -> Instant:
        """When the loop has to come by even if nothing arrives."""
        return min((group.next_look() for group in self.groups), default=NEVER)

    @property
    def busy(self) -> int:
        """Deliveries under way."""
        return sum(group.busy for group in self.groups)

    def end(self) -> None:
        """Let all workers end after what they hold."""
        for group in self.groups:
            group.end()

"""What goes wrong in a world, and the tape that sees it: a store that dies, providers that lie.

Rule 1: faults are asked for by the world's script, or drawn from a keyed hash of the send, never
    from a running `Random`: a script with a line less has the same faults elsewhere.
Rule 2: a crash is no `Exception`: nothing in the host may catch it. What was committed stays,
    everything in memory is gone.
Rule 3: the recorder writes what the store accepted, at the moment it did. What the host believes
    is not recorded.
"""

import heapq
from collections import Counter
from collections.abc import Sequence
from typing import Any

from segue.errors import StaleCommit, StoreUnavailable
from segue.hosts.batch import Batch, Docket
from segue.hosts.desk import Answered, Cut, Desk
from segue.hosts.ports import Delivery, Outcome
from segue.kernel.chance import draw
from segue.kernel.effects import Effect, Send
from segue.kernel.inputs import Reported
from segue.kernel.values import Instant, Record
from segue.sim.tape import Claimed, Committed, Given, Handed, Kept, Stocked, Tape
from segue.stores.ports import ItemLine, QueuedSend, Saved, SetAside, Settlement, Store

MINUTE = 60_000
_SLOW_SHARE = 60
"""Of a hundred sends to slow providers those that take their time."""


class Crashed(BaseException):
    """The process died here."""


class Recorder:
    """The world's tape, the clock it is written by, and counts of what went wrong."""

    def __init__(self) -> None:
        self.tape = Tape()
        self.now = 0
        self.docket = Docket()
        self.counts: Counter[str] = Counter()
        self._numbers = 0

    def number(self) -> int:
        """The next of the world's numbers, by which what comes at one instant keeps its order."""
        self._numbers += 1
        return self._numbers


class FaultyStore:
    """A store that fails as it is told, and tells the recorder what it accepted.

    `armed` holds the faults to come, each for one commit: `before` (the process dies and nothing
    was saved), `after` (it dies and all was), `error` (the disk fails), `stale` (another process
    was first). What is queued can be claimed `lag_ms` later only: the dispatcher is behind.
    """

    def __init__(self, inner: Store, recorder: Recorder, lag_ms: int = 0) -> None:
        self._inner = inner
        self._recorder = recorder
        self.lag_ms = lag_ms
        self.armed: list[str] = []
        self.full = False
        self.excused = False
        """Whether it has failed since this was asked last, so that the host may give up."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def commit(
        self,
        saved: Sequence[Saved],
        set_aside: Sequence[SetAside] = (),
        meta: dict[str, str] | None = None,
        settlements: Sequence[Settlement] = (),
    ) -> None:
        """Save, or fail as armed."""
        fault = self.armed.pop(0) if self.armed and not self.full else ""
        self.excused = self.excused or bool(fault) or self.full
        if self.full or fault == "error":
            self._recorder.counts["commits that failed"] += 1
            raise StoreUnavailable("no space left on device")
        if fault == "before":
            self._recorder.counts["crashes before a commit"] += 1
            raise Crashed
        if fault == "stale" and saved:
            self._recorder.counts["stale commits"] += 1
            raise StaleCommit(tuple(one.profile.id for one in saved))
        docket = self._recorder.docket
        kept = tuple(_kept(one) for one in saved)
        self._inner.commit(saved, set_aside, meta, settlements)
        self._recorder.tape.entries.append(
            Committed(
                at=self._recorder.now,
                wakes=tuple(docket.wakes),
                adopts=tuple(docket.adopts),
                given=tuple(
                    Given(one.input, one.profile, one.user_id, one.anonymous_id)
                    for one in docket.arrivals
                ),
                kept=kept,
                set_aside=len(set_aside),
                tells=tuple((one.profile, one.event.id) for one in docket.tellings),
            )
        )
        if fault == "after":
            self._recorder.counts["crashes after a commit"] += 1
            raise Crashed

    def put_items(
        self, changes: Sequence[tuple[str, str, Record | None]], at: Instant
    ) -> list[ItemLine]:
        """Change items."""
        lines = self._inner.put_items(changes, at)
        self._recorder.tape.entries.append(Stocked(at, tuple(changes)))
        self._recorder.counts["changes of items"] += len(lines)
        return lines

    def next_queued(self) -> int:
        """When something can be claimed."""
        return self._inner.next_queued() + self.lag_ms

    def claim(
        self, now: int, limit: int, by: str, channels: Sequence[str] | None = None
    ) -> list[QueuedSend]:
        """Claim, unless the disk is full."""
        if self.full:
            self.excused = True
            raise StoreUnavailable("no space left on device")
        rows = self._inner.claim(Instant(now - self.lag_ms), limit, by, channels)
        if rows:
            sends = tuple((str(row.profile), row.id) for row in rows)
            self._recorder.tape.entries.append(Claimed(self._recorder.now, sends))
        return rows


def _kept(one: Saved) -> Kept:
    return Kept(
        profile=one.profile.id,
        absorbed=tuple(one.absorbed),
        events=tuple(event for event, _ in one.events),
        effects=tuple(effect for effect, _ in one.effects),
        notes=tuple(note for _, _, notes in one.traces for note in notes),
        moves=tuple(one.moves),
    )


class TapedDesk(Desk):
    """The host's desk; the recorder knows which docket it answers."""

    recorder: Recorder

    def _answer(self, batch: Batch, docket: Docket, cut: Cut | None) -> Answered:
        self.recorder.docket = docket
        return super()._answer(batch, docket, cut)


# ── providers ───────────────────────────────────────────────────────────────────────


class LyingProvider:
    """Providers of all channels: slow, failing, lying, each send by its own keyed draw.

    `mood` is the share, in percent, of what goes wrong. What a provider reports later, truly or
    not, twice or late, waits in `reports` for the world to deliver. Of some sends it says what
    became of them only after up to `slow_ms`.
    """

    def __init__(self, seed: int, mood: int, slow_ms: int, recorder: Recorder) -> None:
        self._seed = f"world/{seed}"
        self._mood = mood
        self.slow_ms = slow_ms
        self._recorder = recorder
        self.armed = False
        self.excused = False
        """Whether the process has died in its hands since this was asked last."""
        self.reports: list[tuple[int, int, str, Reported]] = []
        self._count = 0

    def resends_safely(self, effect: Effect) -> bool:
        """Some channels know repeated keys."""
        return isinstance(effect, Send) and effect.channel == "email"

    def takes_ms(self, one: Delivery) -> int:
        """How long it takes to answer."""
        slow = isinstance(one.effect, Send) and self.slow_ms > 0
        if not slow or self._roll("slow", one, 100) >= _SLOW_SHARE:
            return 0
        return 1 + self._roll("takes", one, self.slow_ms)

    def deliver(self, deliveries: list[Delivery]) -> list[Outcome]:
        """Take them, or not; a crash may come when the first has been taken."""
        return [self._deliver(one) for one in deliveries]

    def _roll(self, what: str, one: Delivery, span: int) -> int:
        return draw(self._seed, f"{one.id}/{what}", str(one.attempt)) % span

    def _deliver(self, one: Delivery) -> Outcome:
        channel = one.effect.channel if isinstance(one.effect, Send) else ""
        outcome = self._outcome(one)
        crash, self.armed = self.armed, False
        said = "crashed" if crash else outcome.result
        safe = self.resends_safely(one.effect)
        self._recorder.tape.entries.append(Handed(self._recorder.now, one.id, channel, said, safe))
        self._recorder.counts["sends handed over"] += 1
        if outcome.result != "accepted":
            self._recorder.counts[f"providers: {outcome.result}"] += 1
        if channel and outcome.result in ("accepted", "unknown"):
            self._report_later(one)
        if crash:
            self.excused = True
            self._recorder.counts["crashes while handing over"] += 1
            raise Crashed
        return outcome

    def _outcome(self, one: Delivery) -> Outcome:
        if self._roll("fails", one, 100) >= self._mood:
            return Outcome(result="accepted")
        match self._roll("how", one, 6):
            case 0 | 1:
                after = (0, 0, 5 * MINUTE, 40 * MINUTE)[self._roll("after", one, 4)]
                return Outcome(result="try_later", after_ms=after)
            case 2 | 3:
                return Outcome(result="refused")
            case 4:
                return Outcome(result="unknown")
            case _:
                return Outcome(result="unrenderable")

    def _report_later(self, one: Delivery) -> None:
        """Delivered, perhaps twice; a bounce or complaint after delivery; clicks."""
        told: list[tuple[str, int]] = []
        if self._roll("delivered", one, 100) < 70:
            told.append(("delivered", 1 + self._roll("when", one, 30 * MINUTE)))
            if self._roll("twice", one, 100) < 20:
                told.append(("delivered", 1 + self._roll("when2", one, 90 * MINUTE)))
        lies = ("bounced", "complained", "unsubscribed", "failed", "clicked", "opened", "accepted")
        if self._roll("lies", one, 100) < 10 + self._mood:
            kind = lies[self._roll("kind", one, len(lies))]
            told.append((kind, 1 + self._roll("late", one, 300 * MINUTE)))
        for outcome, after in told:
            self._count += 1
            self._recorder.counts[f"receipts: {outcome}"] += 1
            made = {"send_id": one.id, "outcome": outcome, "reason": outcome}
            said = Reported(**made)  # type: ignore[arg-type]
            heapq.heappush(self.reports, (one.at + after, self._count, one.profile, said))

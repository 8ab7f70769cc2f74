"""One world, run: a script played to a host in virtual time, over any store, with all its faults.

Rule 1: the host, desk, batch and verdicts are the real ones (`hosts/engine.py`); only who calls
    them differs. No threads, no sleeping, no clock.
Rule 2: clients do as real ones: what was not answered is sent again with the same ids until it is.
Rule 3: a crash drops the host and opens a new one over what the store holds; what was claimed
    then is sent again where the provider knows repeated keys, and *unknown* elsewhere.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from typing import cast

import msgspec

from segue.errors import StepsVanished, StoreUnavailable
from segue.hosts.arrivals import Answer, Arrival
from segue.hosts.batch import Docket
from segue.hosts.engine import Engine
from segue.hosts.ports import Delivery, Outcome
from segue.hosts.publishing import Mode
from segue.hosts.quick import QuickStore
from segue.hosts.verdicts import Verdict, judge, lost, not_after
from segue.hosts.zones import Zones
from segue.kernel.chance import draw
from segue.kernel.inputs import Event, Reported
from segue.kernel.plan import Plan
from segue.kernel.program import Program
from segue.kernel.values import Instant, ProfileId
from segue.sim.faults import Crashed, FaultyStore, LyingProvider, Recorder, TapedDesk
from segue.sim.limits import RECOVERIES_MAX, SENT_AGAIN_MAX
from segue.sim.plans_conditions import DAY, ZONES
from segue.sim.script import Fault, Fill, Line, Look, Publish, Put, Say, Script
from segue.sim.tape import Down, Ended, Filled, Given, Looked, Published, Tape, Told
from segue.stores.ports import QueuedSend, Store

KNOWN_ZONES = frozenset((*ZONES, "UTC"))
TABLES = Zones(KNOWN_ZONES)
"""Tables take a second to make, and never change."""

_PROFILES = 100
_RESEND_MS = 700


def no_patterns(pattern: str) -> Callable[[str], bool]:
    """Simulated programs search with no regular expression."""
    raise AssertionError(f"a simulated program asks for {pattern}")


class Stuck(Exception):
    """The host does not do what it is asked, and no fault of the world is the reason."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__(what)
        self.at = at


def _delivery(row: QueuedSend, now: Instant) -> Delivery:
    return Delivery(id=row.id, profile=row.profile, effect=row.effect, attempt=row.attempts, at=now)


class TapedEngine(Engine):
    """The host in virtual time; the recorder knows its clock and its dockets."""

    recorder: Recorder
    provider: LyingProvider
    held: list[tuple[int, int, QueuedSend, Outcome]]
    """What providers will answer, and when; who dies does not hear it."""

    def advance(self, to: Instant) -> None:
        """As the host does; what a provider answers meanwhile is heard at its instant."""
        while self.held and self.held[0][0] <= to:
            super().advance(Instant(self.held[0][0]))
            due = [one for one in self.held if one[0] <= self.now]
            verdicts = [judge(row, outcome, self.now) for _, _, row, outcome in sorted(due)]
            self.settle(
                Docket(
                    arrivals=[one.arrival() for one in verdicts if one.report is not None],
                    settlements=[one.settlement for one in verdicts],
                )
            )
            self.held = [one for one in self.held if one not in due]
            heapq.heapify(self.held)
            self._dispatch()
        super().advance(to)

    def _deliver(self, rows: Sequence[QueuedSend]) -> list[Verdict]:
        """Providers take their time for some."""
        slow = [row for row in rows if not_after(row.effect) > self.now and self._takes_ms(row)]
        verdicts = super()._deliver([row for row in rows if row not in slow])
        for row in slow:
            outcome = self.provider.deliver([_delivery(row, self.now)])[0]
            answers_at = self.now + self._takes_ms(row)
            heapq.heappush(self.held, (answers_at, self.recorder.number(), row, outcome))
            self.recorder.counts["providers that took their time"] += 1
        return verdicts

    def _takes_ms(self, row: QueuedSend) -> int:
        return self.provider.takes_ms(_delivery(row, self.now))

    def settle(self, docket: Docket) -> None:
        """Save what became of a dead process's sends, as the live host's loop does."""
        self._answer(docket)

    def _new_desk(self, program: Program) -> TapedDesk:
        desk = TapedDesk(self.store, self._programs, program, self._zones, self._cached_max)
        desk.recorder = self.recorder
        return desk


@dataclass(frozen=True)
class Played:
    """What came of a world."""

    tape: Tape
    digest: str
    counts: Counter[str]


class World:
    """A script being played."""

    def __init__(self, script: Script, store: Store | None = None) -> None:
        self.script = script
        self.recorder = Recorder()
        self.counts = self.recorder.counts
        self.tape = self.recorder.tape
        self.inner: Store = store if store is not None else QuickStore()
        self.store = FaultyStore(self.inner, self.recorder, script.lag_ms)
        self.provider = LyingProvider(script.seed, script.mood, script.slow_ms, self.recorder)
        self.todo: list[tuple[int, int, Say]] = []
        """What clients have to send again."""
        self.count = 0
        self.full_until = 0
        self.host = self._open()

    def _open(self) -> TapedEngine:
        world = self

        class Host(TapedEngine):
            recorder = world.recorder
            provider = world.provider

            @property
            def now(self) -> Instant:
                return Instant(world.recorder.now)

            @now.setter
            def now(self, at: int) -> None:
                world.recorder.now = max(world.recorder.now, at)

        host = Host(
            cast("Store", self.store),
            self.provider,
            patterns=no_patterns,
            zones=TABLES,
            now=self.recorder.now,
        )
        host.held = []
        return host

    # ── the play ──

    def play(self) -> Played:
        """The whole script, and what follows from it, to the end."""
        script = self.script
        self.recorder.now = script.start
        self._publish(0)
        lines = list(script.lines)
        while lines or self.todo or self.provider.reports:
            at = min(
                lines[0].at if lines else script.end * 2,
                self.todo[0][0] if self.todo else script.end * 2,
                self.provider.reports[0][0] if self.provider.reports else script.end * 2,
            )
            if at > script.end + DAY:
                break
            if self.store.full and at >= self.full_until:
                self._disk_is_free()
            self._until_done(partial(self._advance, at))
            if self.store.full:
                self.recorder.now = max(self.recorder.now, min(at, self.full_until))
            if lines and lines[0].at <= at:
                self._line(lines.pop(0))
            elif self.todo and self.todo[0][0] <= at:
                self._say(heapq.heappop(self.todo)[2])
            else:
                _, _, profile, said = heapq.heappop(self.provider.reports)
                self._say(Say(at, (Given(said, profile),)))
        return self._finish()

    def _tell(self) -> None:
        self.host.tell()

    def _adopt(self) -> None:
        self.host.adopt_all()

    def _advance(self, at: int) -> None:
        self.host.advance(Instant(at))

    def _finish(self) -> Played:
        if self.store.full:
            self._disk_is_free()
        self.store.armed.clear()
        self.store.lag_ms = 0
        self.provider.armed = False
        end = Instant(max(self.script.end + DAY, self.recorder.now + self.provider.slow_ms))
        self.provider.slow_ms = 0
        self._until_done(partial(self._advance, end))
        self._look()
        log = self.inner.log(limit=1_000_000)
        rows = [*self.inner.outbox("queued"), *self.inner.outbox("claimed")]
        self.tape.entries.append(
            Ended(
                at=self.recorder.now,
                log=tuple((one.event.id, one.profile) for one in log if not one.event.emitted),
                open_sends=tuple(row.id for row in rows if not_after(row.effect) <= end),
                pools={one.pool: (one.free, one.handed) for one in self.inner.coupon_pools()},
            )
        )
        self.counts["events accepted"] = sum(not line.event.emitted for line in log)
        self.counts["events emitted"] = sum(line.event.emitted for line in log)
        digest = blake2b(digest_size=12)
        for row in self.inner.snapshot():
            digest.update(row)
        return Played(self.tape, digest.hexdigest(), self.counts)

    def _line(self, line: Line) -> None:
        match line:
            case Say():
                self._say(line)
            case Fill(pool=pool, codes=codes):
                if self.store.full:
                    self._disk_is_free()
                self.inner.add_coupons(pool, codes, Instant(self.recorder.now))
                self.tape.entries.append(Filled(self.recorder.now, pool, codes))
            case Publish(version=version):
                if version < len(self.script.plans):
                    if self.store.full:
                        self._disk_is_free()
                    if version > 1:
                        # What was decided for the runs of older programs is carried out first.
                        self._until_done(self._adopt)
                        self.counts["programs published after another"] += 1
                    self._until_done(partial(self._publish, version, dict(line.modes)))
                    if self.script.seed % 2:
                        self._until_done(self._adopt)
                    self.counts["programs published mid-flight"] += 1
            case Look():
                self._look()
            case Put(items=items):
                if self.store.full:
                    self._disk_is_free()
                changes = [("products", name, said) for name, said in items]
                self.store.put_items(changes, Instant(self.recorder.now))
                self._until_done(self._tell)
            case Fault(kind="full"):
                self.store.full = True
                self.full_until = self.recorder.now + line.lasts_ms
                self.counts["full disks"] += 1
            case Fault(kind="handing"):
                self.provider.armed = True
            case Fault(kind=kind):
                self.store.armed.append(kind)

    def _publish(self, version: int, modes: dict[str, Mode] | None = None) -> None:
        plan = self.script.plans[version]
        body = msgspec.json.encode(plan)
        name = blake2b(body, digest_size=8).hexdigest()
        self.recorder.docket = Docket()  # what a program is published with answers nobody
        try:
            self.host.publish(name, body, modes)
        except StepsVanished:
            # Whoever publishes is told where runs would be lost, and decides anew.
            self.counts["publishing refused: steps vanished"] += 1
            instead: Mode = "exit" if self.script.seed % 4 < 2 else "drain"
            modes = dict.fromkeys(modes or {}, instead)
            self.host.publish(name, body, modes)
        self.tape.entries.append(Published(self.recorder.now, name, plan, {**(modes or {})}))

    def _say(self, line: Say) -> None:
        """A client's request: fed, answered, or to be sent again."""
        arrivals = [
            Arrival(
                input=one.said,
                profile=ProfileId(one.profile),
                user_id=one.user_id,
                anonymous_id=one.anonymous_id,
                source="client",
                body=b"{}",
            )
            for one in line.given
            if one.profile or one.user_id or one.anonymous_id or isinstance(one.said, Event)
        ]
        for one in arrivals:
            if isinstance(one.input, Event):
                poison = "poison" in one.input.properties
                nobody = not one.input.user_id and not one.input.anonymous_id
                self.tape.sent.setdefault(one.input.id, not poison and not nobody)
        if not arrivals:
            return
        try:
            answers = self.host.feed_all(arrivals, Instant(self.recorder.now))
        except (Crashed, StoreUnavailable):
            self._broken()
            assert line.tries < SENT_AGAIN_MAX, (
                "a request that nothing is wrong with is not answered"
            )
            self.count += 1
            again = replace(line, tries=line.tries + 1)
            heapq.heappush(self.todo, (self._back_at(), self.count, again))
            self.counts["requests sent again"] += 1
            return
        for arrival, answer in zip(arrivals, answers, strict=True):
            self._answered(arrival, answer)

    def _answered(self, arrival: Arrival, answer: Answer) -> None:
        if isinstance(arrival.input, Event):
            self.tape.entries.append(Told(answer.at, arrival.input.id, answer.status))
            self.counts[f"events answered {answer.status}"] += 1
        for show in answer.shows:
            self.counts["shows"] += 1
            seed = f"page/{self.script.seed}"
            roll = draw(seed, show.id, str(answer.at)) % 10
            if roll < 6:
                outcome = ("shown", "clicked", "dismissed", "dismissed", "shown", "clicked")[roll]
                said = Reported(send_id=show.id, outcome=outcome)  # type: ignore[arg-type]
                after = 1 + draw(seed, show.id, f"{answer.at}/after") % 120_000
                self.count += 1
                report = (answer.at + after, 1_000_000 + self.count, answer.profile, said)
                heapq.heappush(self.provider.reports, report)

    def _look(self) -> None:
        """Memberships as the store holds them now."""
        if self.store.full:
            return
        members: dict[str, frozenset[str]] = {}
        after = ""
        while some := self.inner.profiles(after, _PROFILES):
            after = some[-1].id
            members |= {one.id: frozenset(one.segments) for one in some}
        self.tape.entries.append(Looked(self.recorder.now, members))

    # ── what goes wrong ──

    def _back_at(self) -> int:
        return max(self.recorder.now, self.full_until if self.store.full else 0) + _RESEND_MS

    def _disk_is_free(self) -> None:
        since = self.recorder.now
        self.store.full = False
        self.recorder.now = max(self.recorder.now, self.full_until)
        self.tape.entries.append(Down(since, self.recorder.now, "full"))

    def _until_done(self, work: Callable[[], None]) -> None:
        """Do it, through crashes; a full disk lets time go by with nothing done."""
        for _ in range(RECOVERIES_MAX):
            try:
                work()
            except (Crashed, StoreUnavailable):
                if self.store.full:
                    return
                self._broken()
            else:
                return
        raise AssertionError("the host does not come up again")

    def _broken(self) -> None:
        """The process is gone, unless it only waits for the disk; recovering, it may die again."""
        for _ in range(RECOVERIES_MAX):
            if not self.store.excused and not self.provider.excused:
                raise Stuck(self.recorder.now, "the host gives up, and nothing was wrong") from None
            self.store.excused = self.provider.excused = False
            if self.store.full:
                return
            self.tape.entries.append(Down(self.recorder.now, self.recorder.now, "crashed"))
            try:
                self.host = self._open()
                self._recover()
            except (Crashed, StoreUnavailable):
                continue
            return
        raise AssertionError("the host does not recover")

    def _recover(self) -> None:
        """What the dead process had claimed: again where that is safe, else unknown."""
        now = Instant(self.recorder.now)
        rows = self.inner.abandoned("recovery")
        for row in rows:
            safe = self.provider.resends_safely(row.effect) and not_after(row.effect) > now
            if safe:
                outcome = self.provider.deliver([_delivery(row, now)])[0]
                verdict = judge(row, outcome, now, resent=True)
            else:
                verdict = lost(row, now, "its process ended while it was being sent")
            arrivals = [verdict.arrival()] if verdict.report is not None else []
            self.host.settle(Docket(arrivals=arrivals, settlements=[verdict.settlement]))


def play(script: Script, store: Store | None = None) -> Played:
    """Run a script."""
    return World(script, store).play()


__all__ = ["KNOWN_ZONES", "Plan", "Played", "World", "play"]

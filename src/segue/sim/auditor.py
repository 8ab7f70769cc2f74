"""The auditor: reads a world's tape and says which promise was broken, and where.

It knows the rules of the design (sections 4 to 7) and nothing of the kernel: it imports the
kernel's data shapes only (`tests/sim` holds it to that), keeps one plain `Life` per customer, and
answers every input a second time. What came of it must be what must come of it, line by line.

Rule 1: between two commits it looks at every instant at which time alone could change something;
    there, too, nothing may have been missed.
Rule 2: the first violation ends the audit: what follows it proves nothing.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from segue.kernel import expression as ex, plan, trace
from segue.kernel.inputs import Asked, Called, Consented, Event, Reported
from segue.sim import auditor_calendar as calendar, tape
from segue.sim.auditor_calendar import NEVER
from segue.sim.auditor_conditions import matching, parts, reads_clock, spans
from segue.sim.auditor_life import Life
from segue.sim.auditor_rows import Out, promise, rows
from segue.sim.auditor_rules import session_end
from segue.sim.auditor_tick import UNSETTLED, Book, Tick

BUILT_IN = (
    "Incentive Offered",
    "Incentive Redeemed",
    "Incentive Expired",
)


@dataclass(frozen=True)
class Violation:
    """A broken promise: which, when, whose, and what was expected and found."""

    promise: str
    at: int
    profile: str
    what: str

    def __str__(self) -> str:
        return f"{self.promise} at {self.at} {self.profile}: {self.what}"


class Broken(Exception):
    """Carries the violation out of the audit."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(str(violation))
        self.violation = violation


class Endless(Exception):
    """Both found an input without an end: where the kernel cuts it off is no rule of the design."""


def audit(
    record: tape.Tape, zones: frozenset[str], met: Counter[str] | None = None
) -> Violation | None:
    """The first violation on the tape; None if every promise held.

    `met` is told how often each rule was met.
    """
    auditor = Auditor(record, zones)
    if met is not None:
        auditor.book.met = met
    try:
        for entry in record.entries:
            auditor.read(entry)
    except Broken as broken:
        return broken.violation
    except Endless:
        auditor.book.met["worlds left at an input that has no end"] += 1
    return None


class Auditor:
    """Everyone's lives, as far as the tape was read."""

    def __init__(self, record: tape.Tape, zones: frozenset[str]) -> None:
        self.record = record
        self.zones = zones
        self.book = Book()
        self.lives: dict[str, Life] = {}
        self.names: dict[tuple[str, str], str] = {}
        self.heirs: dict[str, str] = {}
        self.accepted: dict[str, str] = {}
        """Every accepted event's customer."""
        self.handed: dict[str, tape.Handed] = {}
        self.died_since: set[str] = set()
        """Sends that were handed over by a process that has died since."""
        self.outs: dict[str, Out] = {}
        self.ready: set[str] = set()
        self.kept: tuple[tape.Kept, ...] = ()
        self.looked_at: frozenset[str] = frozenset()
        """Held messages that the host says it looked at in this commit."""
        self.at = 0
        self.paused_until = 0
        self._edges: dict[str, tuple[tuple[int, ...], list[int]]] = {}
        self._spans: list[tuple[ex.Stream, int]] = []
        self._reach: set[int] = set()
        self._hourly = False

    def fail(self, promise: str, profile: str, what: str) -> None:
        """End the audit."""
        raise Broken(Violation(promise, self.at, profile, what))

    # ── the tape ──

    def read(self, entry: tape.Entry) -> None:
        """Read on by one entry."""
        match entry:
            case tape.Published():
                self._publish(entry)
            case tape.Filled():
                self._catch_up(entry.at)
                self.book.pools.fill(entry.pool, entry.codes)
            case tape.Stocked():
                self._catch_up(entry.at)
                self._stock(entry)
            case tape.Committed():
                self._catch_up(entry.at)
                self._commit(entry)
            case tape.Claimed():
                self._claim(entry)
            case tape.Handed():
                self._hand(entry)
            case tape.Down(until=until, why=why):
                self.paused_until = max(self.paused_until, until)
                if why == "crashed":
                    self.died_since = set(self.handed)
            case tape.Told():
                self._tell(entry)
            case tape.Looked():
                self._catch_up(entry.at, inclusive=True)
                self._look(entry)
            case tape.Ended():
                self._catch_up(entry.at, inclusive=True)
                self._end(entry)
            case _:
                assert_never(entry)

    def _publish(self, entry: tape.Published) -> None:
        self.at = entry.at
        self.book.plans[entry.name] = entry.plan
        self.book.now = entry.name
        self.book.modes = dict(entry.modes)
        # Instants at which something may change: by event and stream, by line, by the hour.
        for one in self.book.plans.values():
            self._hourly = self._hourly or reads_clock(one.segments) or reads_clock(one.journeys)
        asked = entry.plan
        streams = [*_windows((asked.segments, asked.journeys, asked.messages, asked.policies))]
        self._spans += [one for one in streams if one not in self._spans]
        self._reach |= set(spans((asked.journeys, asked.segments, asked.policies)))
        text = repr([(p.segments, p.journeys, p.derived) for p in self.book.plans.values()])
        self.book.listened = {name for name in BUILT_IN if name in text}

    def _commit(self, entry: tape.Committed) -> None:
        self.at = entry.at
        self.book.pools.begin()
        self.outs, self.ready = {}, set()
        self.kept = entry.kept
        self.looked_at = frozenset().union(*(_looked_at(one.notes) for one in entry.kept))
        new = {e.id for kept in entry.kept for e in kept.events if not e.emitted}
        for profile in entry.wakes:
            if (life := self._life(profile)) is not None:
                self._touch(life)
                self._answer(life, Tick.wake)
        for profile in entry.adopts:
            if (life := self._life(profile)) is not None:
                self._touch(life)
        for profile, event_id in entry.tells:
            self._tell_of_item(profile, event_id)
        aside = entry.set_aside
        for given in entry.given:
            said = given.said
            if isinstance(said, Event):
                if said.id in self.accepted:
                    continue
                if said.id not in new:
                    aside -= 1
                    if aside < 0:
                        self.fail("P1", "", f"event {said.id} was neither saved nor kept aside")
                    continue
                self.accepted[said.id] = ""
            self._give(given)
        for event_id in new - self.accepted.keys():
            self.fail("P1", "", f"event {event_id} was saved and nobody sent it")
        self._compare(entry)

    def _stock(self, entry: tape.Stocked) -> None:
        if untold := self.book.shelves.untold():
            self.fail("P1", "", f"never told of an item: {untold[:3]}")
        self.book.shelves.put(entry, self.lives.values())

    def _tell_of_item(self, profile: str, event_id: str) -> None:
        life = self._life(profile)
        told = self.book.shelves.tell(life.id, event_id) if life is not None else None
        if life is None or told is None:
            self.fail("P1", profile, f"must not be told now, or at all: {event_id}")
            return
        self._touch(life)
        self._answer(life, lambda tick: tick.told(told))

    def _give(self, given: tape.Given) -> None:
        said = given.said
        if isinstance(said, Reported):
            found = self._life(given.profile)
            if found is not None:
                self._touch(found)
                self._answer(found, lambda tick: tick.reported(said))
            return
        life = self._whose(given)
        self._touch(life)
        match said:
            case Event():
                self.accepted[said.id] = life.id
                self._answer(life, lambda tick: tick.event(said))
            case Asked():
                self._answer(life, lambda tick: tick.asked(said))
            case Consented():
                self._answer(life, lambda tick: tick.consented(said))
            case Called():
                self._answer(life, lambda tick: tick.called(said))

    def _answer(self, life: Life, said: Callable[[Tick], None]) -> Out:
        tick = Tick(self.book, life, self.at)
        tick.looked_at = self.looked_at
        said(tick)
        out = self.outs.setdefault(life.id, Out())
        out.notes += tick.out.notes
        out.effects += tick.out.effects
        out.events += tick.out.events
        out.moves += tick.out.moves
        return out

    def _touch(self, life: Life) -> None:
        """Before its first input of a commit a customer adopts the program in force."""
        if life.id not in self.ready:
            self.ready.add(life.id)
            if life.program != self.book.now:
                self._answer(life, Tick.adopted)

    def _compare(self, entry: tape.Committed) -> None:
        kept = {one.profile: one for one in entry.kept}
        for profile in sorted({*self.outs, *kept}):
            wanted = self.outs.get(profile, Out())
            found = rows(kept[profile]) if profile in kept else Out()
            if UNSETTLED in wanted.notes and UNSETTLED in found.notes:
                raise Endless
            for kind in ("notes", "effects", "events", "moves"):
                must, came = getattr(wanted, kind), getattr(found, kind)
                if must != came:
                    self._differ(profile, Counter(must), Counter(came))

    def _differ(
        self, profile: str, wanted: Counter[tuple[object, ...]], found: Counter[tuple[object, ...]]
    ) -> None:
        missing = sorted((wanted - found).elements(), key=repr)
        extra = sorted((found - wanted).elements(), key=repr)
        if missing or extra:
            broken = promise((missing + extra)[0])
            self.fail(broken, profile, f"\n  must come: {missing}\n  came:      {extra}")

    # ── whose it is ──

    def _life(self, profile: str) -> Life | None:
        while profile in self.heirs:
            profile = self.heirs[profile]
        return self.lives.get(profile)

    def _whose(self, given: tape.Given) -> Life:
        """Anonymous to known, shared devices, aliases: said again from the design."""
        said = given.said
        if given.profile and (known := self._life(given.profile)):
            return known
        user, anonymous, previous = given.user_id, given.anonymous_id, ""
        if isinstance(said, Event):
            user, anonymous = said.user_id, said.anonymous_id
            found = said.properties.get("previousId") if said.kind == "alias" else None
            previous = found if isinstance(found, str) and found != user else ""
        if not user:
            name = ("anonymous", anonymous)
            return self._named(name) or self._create(name)
        life = self._named(("user", user))
        links = [] if life else [("user", user)]
        others: list[Life] = []
        claims = [(("user", previous), True), (("anonymous", previous), False)] if previous else []
        if anonymous and not (previous == anonymous and self._named(claims[1][0]) is None):
            claims.append((("anonymous", anonymous), False))
        for name, same_person in claims:
            other = self._named(name)
            if other is None:
                links.append(name)
            elif life is None and (same_person or not other.users):
                life = other
            elif other is life or other in others:
                continue
            elif life is not None and (same_person or not other.users):
                others.append(other)
            else:
                links.append(name)
        if life is None:
            life = self._create(("user", user))
        for other in others:
            self._merge(life, other)
        for name in links:
            self.names[name] = life.id
            if name[0] == "user":
                life.users.add(name[1])
        return life

    def _named(self, name: tuple[str, str]) -> Life | None:
        found = self.names.get(name)
        return self._life(found) if found else None

    def _create(self, name: tuple[str, str]) -> Life:
        own = calendar.profile_id(*name)
        life = Life(own, self.at, own, self.book.now, self.book.today.workspace, self.zones)
        self.lives[own] = life
        self.names[name] = own
        return life

    def _merge(self, life: Life, other: Life) -> None:
        self._count_merge(life, other)
        looked_at = self.looked_at
        self.looked_at = self._looked_at_before(other)
        for one in (other, life):
            self._touch(one)
            self._answer(one, Tick.wake)
        self.looked_at = looked_at
        gone = self.outs.pop(other.id)
        out = self._answer(life, lambda tick: tick.merged(other))
        out.notes += gone.notes
        out.effects += gone.effects
        out.events += gone.events
        out.moves += gone.moves
        self.book.shelves.inherit(life, other)
        self.heirs[other.id] = life.id
        del self.lives[other.id]

    def _looked_at_before(self, other: Life) -> frozenset[str]:
        """What the host looked at before a merge: what is held is heard by one customer then."""
        for one in self.kept:
            for place, note in enumerate(one.notes):
                if isinstance(note, trace.Remarked) and note.detail.get("absorbed") == other.id:
                    return _looked_at(one.notes[:place])
        return self.looked_at

    def _count_merge(self, *both: Life) -> None:
        """At which moments customers turn out to be one; it changes nothing."""
        met = self.book.met
        met["merges"] += 1
        moments: dict[str, Callable[[Life], object]] = {
            "while a message was held": lambda one: one.wishes,
            "while an offer stood": lambda one: one.offers,
            "while an offer was open on a page": lambda one: any(o.open_as for o in one.offers),
            "while a send was under way": lambda one: any(
                line.state in ("queued", "claimed") for line in one.lines
            ),
            "while an incentive was alive": lambda one: any(g.alive(self.at) for g in one.grants),
            "while a run was waiting": lambda one: any(run.due_at < NEVER for run in one.runs),
            "before a new program was adopted": lambda one: one.program != self.book.now,
        }
        for moment, found in moments.items():
            met[f"merges {moment}"] += any(map(found, both))

    # ── time alone ──

    def _catch_up(self, to: int, *, inclusive: bool = False) -> None:
        """At every instant on the way at which something could change, nothing may be missed."""
        for life in list(self.lives.values()):
            if life.program != self.book.now:
                continue  # it adopts the program in force when it is touched next
            at = max(self.at, self.paused_until)
            while (at := self._next(life, at)) < to or (inclusive and at == to):
                if at < self.paused_until:
                    continue
                tick = Tick(self.book, life, at)
                tick.alone = True
                tick.wake()
                if tick.out.size():
                    missed = tick.out.notes + tick.out.effects + tick.out.events
                    self.at = at
                    self.fail(promise(missed[0]), life.id, f"missed by time alone: {missed}")
        self.at = max(self.at, to)

    def _next(self, life: Life, after: int) -> int:
        """The next instant at which time alone may change something for a customer."""
        mark = (len(life.log), len(life.lines), len(life.grants), len(self._spans))
        known = self._edges.get(life.id)
        if known is None or known[0] != mark:
            edges = {at + ms for stream, ms in self._spans for at, _ in matching(stream, life)}
            edges |= {line.at + ms for line in life.lines for ms in self._reach}
            edges |= {grant.expires_at for grant in life.grants}
            known = self._edges[life.id] = (mark, sorted(edges))
        place = bisect_right(known[1], after)
        soon = [known[1][place]] if place < len(known[1]) else []
        soon.append(session_end(life))
        soon += [due for due, _ in life.silences.values()]
        soon += [run.due_at for run in life.runs]
        soon += [wish.retry_at for wish in life.wishes]
        soon += [offer.expires_at for offer in life.offers]
        soon += life.scheduled.values()
        if self._hourly:
            soon.append(calendar.next_hour(life.tz(), after))
        return min((at for at in soon if at > after), default=NEVER)

    # ── what left, and what was told ──

    def _claim(self, entry: tape.Claimed) -> None:
        self.at = max(self.at, entry.at)
        for profile, send in entry.sends:
            life = self._life(profile)
            line = life.line(send) if life else None
            if life is None or line is None:
                continue
            if line.state != "queued":
                self.fail("P3", profile, f"{send} left the queue though it is {line.state}")
            if line.stale:
                self.fail("P3", profile, f"{send} left the queue again though: {line.stale}")
            topic = Tick(self.book, life, entry.at).topic(line)
            if life.consent(line.channel, topic) != "granted":
                self.fail("P2", profile, f"{send} left the queue without consent")
            line.state = "claimed"

    def _hand(self, entry: tape.Handed) -> None:
        before = self.handed.get(entry.send)
        # Of a process that died meanwhile nobody knows what it sent; a provider that knows
        # repeated keys may be asked again, whatever it has reported since.
        again = before is not None and entry.send in self.died_since and before.safe
        if before is not None and before.outcome != "try_later" and not again:
            self.fail("P4", "", f"{entry.send} was handed over again after {before.outcome}")
        for life in self.lives.values():
            line = life.line(entry.send)
            if line is not None and line.expires_at <= entry.at:
                self.fail("P2", life.id, f"{entry.send} was handed over after its expiry")
            if line is not None and line.state != "claimed" and not again:
                self.fail("P3", life.id, f"{entry.send} was handed over while {line.state}")
        self.handed[entry.send] = entry
        self.died_since.discard(entry.send)

    def _tell(self, entry: tape.Told) -> None:
        known = entry.event in self.accepted
        good = self.record.sent.get(entry.event, False)
        if entry.status in ("accepted", "duplicate") and not known:
            self.fail("P1", "", f"event {entry.event} was answered {entry.status} and is not saved")
        if entry.status == "set_aside" and good:
            self.fail("P8", "", f"a good event, {entry.event}, was kept aside")

    def _look(self, entry: tape.Looked) -> None:
        for profile, members in entry.members.items():
            life = self._life(profile)
            if (
                life is not None
                and life.program == self.book.now
                and members != frozenset(life.segments)
            ):
                self.fail("P5", profile, f"member of {set(members)}, must be {life.segments}")

    def _end(self, entry: tape.Ended) -> None:
        twice = [one for one, n in Counter(e for e, _ in entry.log).items() if n > 1]
        if twice:
            self.fail("P1", "", f"in the log twice: {twice[:3]}")
        lost = sorted(one for one, good in self.record.sent.items() if good)
        lost = sorted(set(lost) - {event for event, _ in entry.log})
        if lost:
            self.fail("P1", "", f"sent, answered, and not in the log: {lost[:3]}")
        for event, profile in entry.log:
            life = self._life(self.accepted.get(event, ""))
            if life is None or life.id != profile:
                self.fail("P7", profile, f"the log gives {event} to the wrong customer")
        if untold := self.book.shelves.untold():
            self.fail("P1", "", f"never told of an item: {untold[:3]}")
        if entry.pools != self.book.pools.left():
            self.fail("P4", "", f"pools hold {entry.pools}, must be {self.book.pools.left()}")
        if entry.open_sends:
            self.fail("P4", "", f"never sent, and no reason: {entry.open_sends[:3]}")
        for life in self.lives.values():
            for line in life.lines:
                if line.state in ("queued", "claimed") and line.expires_at <= entry.at:
                    self.fail("P4", life.id, f"{line.id} is {line.state} for ever")


def _looked_at(notes: Sequence[trace.Note]) -> frozenset[str]:
    return frozenset(one.proposal for one in notes if isinstance(one, trace.Considered))


# ── when a window may matter again ──────────────────────────────────────────────────


def _windows(one: object) -> Iterator[tuple[ex.Stream, int]]:
    """Every stream with each length of time after which one of its events may matter again."""
    if isinstance(one, ex.Aggregate | ex.Sequence):
        streams = one.stages + one.without if isinstance(one, ex.Sequence) else (one.stream,)
        for stream in streams:
            yield from ((stream, ms) for ms in spans(one))
    if isinstance(one, ex.Compare) and isinstance(one.left, ex.Aggregate):
        yield from ((one.left.stream, ms) for ms in spans(one))
    for part in parts(one):
        yield from _windows(part)


__all__ = ["Auditor", "Violation", "audit", "plan"]

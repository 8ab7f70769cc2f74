"""Counts what commits came to, while a shard of a log is answered in virtual time.

Rule 1: what every commit touches is kept short: a tuple for each thing decided, by profile.
    They are folded into counts once, when the shard is done and it is known who is who.
Rule 2: a *collision* is one journey's proposal that was stopped by what another journey did:
    outranked in the same placement, a cap or gap that the other's message had taken, an
    exclusion, a competing incentive, an intervention that was open on the site.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from segue.hosts.desk import Answered
from segue.kernel import plan, policies
from segue.kernel.plan import Plan
from segue.kernel.profile import Profile
from segue.kernel.trace import (
    Check,
    Considered,
    Ended,
    IncentiveChanged,
    Note,
    RunChanged,
    SegmentChanged,
    Settled,
)
from segue.kernel.values import Instant, ProfileId
from segue.sim.limits import (
    PRESSURE_MAX,
    PROFILES_PER_LOOK_MAX,
    STORY_MOMENTS_MAX,
    WITNESSES_MAX,
)
from segue.sim.report import (
    Bucket,
    CollisionCount,
    GuardrailCount,
    JourneyCount,
    MessageCount,
    Moment,
    PoolCount,
    Report,
    SegmentCount,
    Story,
    one_more,
)
from segue.stores.ports import Saved, Store


class Seen(NamedTuple):
    """One thing decided. `place` is the channel, the step or the journey in the way."""

    at: Instant
    what: str
    journey: str
    message: str
    place: str
    reason: str
    detail: str
    guardrail: str
    proposal: str

    def moment(self) -> Moment:
        """As reports tell it."""
        return Moment(
            at=self.at,
            what=self.what,
            journey=self.journey,
            message=self.message,
            where=self.place,
            reason=self.reason,
            detail=self.detail,
        )


class Customer(NamedTuple):
    """One profile at the end of a shard, and what was decided for it, in order."""

    profile: Profile
    who: str
    seen: list[Seen]


class Tally:
    """Listens to an engine's commits; `told` folds them into a report."""

    def __init__(self, current: Plan, *, last_at: Instant, bucket_ms: int) -> None:
        self.report = Report(bucket_ms=bucket_ms, last_at=last_at)
        self.recording = True
        """False while history is only being caught up with."""
        self._last_at = last_at
        self._bucket_ms = max(1, bucket_ms)
        self._seen: dict[ProfileId, list[Seen]] = {}
        self._limits = {p.name: p for p in current.policies if isinstance(p, plan.Cap | plan.Gap)}
        self._pools = {
            message.incentive.name: message.incentive.coupons
            for message in current.messages
            if message.incentive is not None and message.incentive.coupons
        }

    def begin(self, store: Store) -> None:
        """From now on what is decided counts; sessions and runs of before are told apart."""
        self.recording = True
        after = ""
        while found := store.profiles(after, PROFILES_PER_LOOK_MAX):
            for one in found:
                self.report.sessions -= one.sessions
                for run in one.runs:
                    self._journey(run.journey).before += 1
            after = found[-1].id

    # ── listening ──

    def listen(self, answered: Answered) -> None:
        """Take in one commit."""
        for saved in answered.saved:
            if saved.absorbed:
                self._unite(saved)
            if saved.events:
                self._count_events(saved)
            if self.recording and saved.traces:
                seen = self._seen.setdefault(saved.profile.id, [])
                for at, _, notes in saved.traces:
                    for note in notes:
                        self._note(saved.profile, seen, at, note, notes)

    def _unite(self, saved: Saved) -> None:
        mine = self._seen.get(saved.profile.id, [])
        for other in saved.absorbed:
            if theirs := self._seen.pop(other, None):
                mine = theirs + mine
        if mine:
            mine.sort(key=_at)
            self._seen[saved.profile.id] = mine

    def _count_events(self, saved: Saved) -> None:
        report = self.report
        for event, at in saved.events:
            if not self.recording:
                report.before += not event.emitted
                continue
            one_more(report.by_event, event.name)
            if event.emitted:
                report.emitted += 1
            else:
                report.events += 1
                self._bucket(at).events += 1

    def _bucket(self, at: Instant) -> Bucket:
        start = at - at % self._bucket_ms
        bucket = self.report.buckets.get(start)
        if bucket is None:
            bucket = self.report.buckets[start] = Bucket()
        return bucket

    def _note(
        self, profile: Profile, seen: list[Seen], at: Instant, note: Note, notes: tuple[Note, ...]
    ) -> None:
        match note:
            case Considered():
                self._consider(profile, seen, at, note, notes)
            case SegmentChanged():
                segment = self.report.segments.setdefault(note.segment, SegmentCount())
                if note.change == "entered":
                    segment.entered += 1
                else:
                    segment.left += 1
            case RunChanged():
                if note.change != "moved":
                    step = note.step if note.change == "ended" else ""
                    seen.append(
                        Seen(at, note.change, note.journey, "", step, note.reason, note.detail,
                             "", note.run)
                    )  # fmt: skip
                if note.change == "refused" and note.reason == "excluded_journey":
                    seen.append(
                        Seen(at, "collided", note.journey, "", note.detail, note.reason, "", "", "")
                    )
            case Ended():
                seen.append(
                    Seen(at, "withdrawn", "", note.message, "", note.reason, note.detail,
                         "", note.id)
                )  # fmt: skip
            case IncentiveChanged():
                self._count_code(at, note)
            case Settled():
                if note.state == "failed":
                    seen.append(
                        Seen(at, "undelivered", "", note.message, note.channel, note.reason,
                             "", "", note.send)
                    )  # fmt: skip
            case _:
                pass

    def _count_code(self, at: Instant, note: IncentiveChanged) -> None:
        """A code left its pool, or came back because its message never arrived."""
        name = self._pools.get(note.incentive)
        if name is None or note.change not in ("offered", "withdrawn"):
            return
        pool = self.report.pools.setdefault(name, PoolCount())
        start = at - at % self._bucket_ms
        if note.change == "offered":
            pool.handed += 1
            pool.taken[start] = pool.taken.get(start, 0) + 1
        else:
            pool.returned += 1
            pool.taken[start] = pool.taken.get(start, 0) - 1

    def _consider(
        self,
        profile: Profile,
        seen: list[Seen],
        at: Instant,
        note: Considered,
        notes: tuple[Note, ...],
    ) -> None:
        where = f"{note.channel}: {note.placement}" if note.placement else note.channel
        if note.outcome == "admitted":
            if note.reason != "shown_already":
                seen.append(
                    Seen(at, "admitted", note.journey, note.message, where, "", "", "",
                         note.proposal)
                )  # fmt: skip
            return
        check = _decided(note)
        name = guardrail(note.reason, check)
        detail = check.detail if check is not None else ""
        seen.append(
            Seen(at, note.outcome, note.journey, note.message, where, note.reason, detail,
                 f"{check.check if check else note.reason}\n{name}", note.proposal)
        )  # fmt: skip
        other = self._in_the_way(profile, at, note, check, notes)
        if other and other != note.journey:
            seen.append(
                Seen(at, "collided", note.journey, note.message, other, note.reason, name, "", "")
            )

    def _in_the_way(
        self,
        profile: Profile,
        at: Instant,
        note: Considered,
        check: Check | None,
        notes: tuple[Note, ...],
    ) -> str:
        """The journey that stopped this proposal; empty if none did."""
        if check is None:
            return ""
        match note.reason:
            case "outranked":
                rivals = (one for one in notes if isinstance(one, Considered))
                return next((one.journey for one in rivals if one.proposal == check.detail), "")
            case "excluded_journey":
                return check.detail
            case "competing_incentive" | "better_deal":
                grants = (g for g in profile.grants if g.name == check.detail)
                return next((g.journey for g in grants if g.journey != note.journey), "")
            case "on_site_active":
                open_now = (o for o in profile.offers if o.message == check.detail)
                runs = {run.id: run.journey for run in profile.runs}
                return next((runs.get(offer.run, "") for offer in open_now), "")
            case "cap" | "gap":
                return self._took(profile, at, note, check.detail)
            case _:
                return ""

    def _took(self, profile: Profile, at: Instant, note: Considered, name: str) -> str:
        """The other journey whose message was the last to take a place under a cap or gap."""
        policy = self._limits.get(name)
        if policy is None:
            return ""
        lines = [
            line
            for line in profile.ledger
            if line.at <= at and line.id != note.send and policies.counts(policy.reach, line)
        ]
        lines.sort(key=lambda line: (-line.at, line.id))
        most = policy.most if isinstance(policy, plan.Cap) else 1
        return next((one.journey for one in lines[:most] if one.journey != note.journey), "")

    # ── folding ──

    def customers(self, store: Store) -> Iterator[Customer]:
        """Everyone in the shard, in order of id, with what was decided for them."""
        after = ""
        while found := store.profiles(after, PROFILES_PER_LOOK_MAX):
            for profile in found:
                yield Customer(profile, who(profile), self._seen.get(profile.id, []))
            after = found[-1].id

    def fold(self, one: Customer) -> None:
        """Add one customer to the report."""
        report, profile = self.report, one.profile
        report.profiles += 1
        report.sessions += profile.sessions
        report.first_at = min(report.first_at, profile.first_seen_at)
        for segment in profile.segments:
            report.segments.setdefault(segment, SegmentCount()).members += 1
        for run in profile.runs:
            journey = self._journey(run.journey)
            journey.live += 1
            one_more(journey.standing, run.step)
        _Fold(self, one).run()

    def _journey(self, name: str) -> JourneyCount:
        return self.report.journeys.setdefault(name, JourneyCount())

    # What `_Fold` needs.

    def bucket(self, at: Instant) -> Bucket:
        """The span of time in which an instant lies."""
        return self._bucket(at)

    def journey(self, name: str) -> JourneyCount:
        """The counts of a journey."""
        return self._journey(name)

    def is_late(self, at: Instant) -> bool:
        """Whether the log had ended by then."""
        return at > self._last_at


class _Fold:
    """One customer's moments on their way into the counts."""

    def __init__(self, tally: Tally, one: Customer) -> None:
        self.tally = tally
        self.report = tally.report
        self.one = one
        self.once: set[tuple[str, ...]] = set()
        self.held: dict[str, str] = {}
        self.sent = 0

    def run(self) -> None:
        for seen in self.one.seen:
            self._count(seen)
        for name in self.held.values():
            self.report.guardrails[name].still_held += 1
        pressure = min(self.sent, PRESSURE_MAX)
        self.report.pressure[pressure] = self.report.pressure.get(pressure, 0) + 1
        self._witness()

    def _first(self, *what: str) -> int:
        """1 the first time that this is asked of this customer."""
        if what in self.once:
            return 0
        self.once.add(what)
        return 1

    def _count(self, seen: Seen) -> None:
        match seen.what:
            case "entered" | "goal" | "ended" | "refused":
                self._count_run(seen)
            case "collided":
                ways = self.report.collisions.setdefault(seen.journey, {})
                reasons = ways.setdefault(seen.place, {})
                collision = reasons.setdefault(seen.reason, CollisionCount())
                collision.times += 1
                collision.customers += self._first(
                    "collision", seen.journey, seen.place, seen.reason
                )
            case _:
                self._count_message(seen)

    def _count_run(self, seen: Seen) -> None:
        journey = self.tally.journey(seen.journey)
        match seen.what:
            case "entered":
                journey.entered += 1
                journey.customers += self._first("journey", seen.journey)
            case "goal":
                journey.goals += 1
                self._first("goal", seen.journey)
            case "ended":
                one_more(journey.ended, seen.reason)
                one_more(journey.ends.setdefault(seen.place, {}), seen.reason)
                self._first("end", seen.journey, seen.reason)
            case _:
                one_more(journey.refused, seen.reason)
                self._first("refused", seen.journey, seen.reason)

    def _count_message(self, seen: Seen) -> None:
        message = self.report.messages.setdefault(seen.message, MessageCount())
        match seen.what:
            case "admitted":
                one_more(message.admitted, seen.place)
                message.customers += self._first("message", seen.message)
                message.after_the_log += self.tally.is_late(seen.at)
                self.tally.journey(seen.journey).admitted += 1
                channel, _, placement = seen.place.partition(": ")
                one_more(self.tally.bucket(seen.at).admitted, channel)
                self.sent += not placement
                self._release(seen.proposal, "then_admitted")
            case "held":
                one_more(message.held, seen.reason)
                self.tally.bucket(seen.at).held += 1
                self._stop(seen)
            case "denied":
                one_more(message.denied, seen.reason)
                self.tally.bucket(seen.at).denied += 1
                self._release(seen.proposal, "then_denied")
                self._stop(seen)
            case "withdrawn":
                one_more(message.withdrawn, seen.reason)
                self._release(seen.proposal, "then_withdrawn")
            case _:
                one_more(message.undelivered, seen.reason)
                self._first("undelivered", seen.message, seen.reason)

    def _stop(self, seen: Seen) -> None:
        check, _, name = seen.guardrail.partition("\n")
        guardrail = self.report.guardrails.get(name)
        if guardrail is None:
            guardrail = self.report.guardrails[name] = GuardrailCount(check=check)
        if seen.what == "held":
            guardrail.held += 1
            self._release(seen.proposal, "")
            self.held[seen.proposal] = name
        else:
            guardrail.denied += 1
        guardrail.customers += self._first("guardrail", name)

    def _release(self, proposal: str, field: str) -> None:
        """What was held by a guardrail has come to this; another hold says nothing."""
        name = self.held.pop(proposal, None)
        if name is not None and field:
            guardrail = self.report.guardrails[name]
            setattr(guardrail, field, getattr(guardrail, field) + 1)

    def _witness(self) -> None:
        """Name this customer for all that happened to it for which there are not enough yet."""
        profile = self.one.profile.id
        wanted = False
        for what in self.once:
            names = self.report.witnesses.setdefault(" ".join(what), [])
            if len(names) < WITNESSES_MAX:  # they come in order of id
                names.append(profile)
                wanted = True
        if wanted:
            self.report.stories[profile] = story(self.one)


def story(one: Customer) -> Story:
    """What was decided for a customer, the first moments of it."""
    told = [seen for seen in one.seen if seen.what != "collided"]
    return Story(
        profile=one.profile.id,
        who=one.who,
        moments=tuple(seen.moment() for seen in told[:STORY_MOMENTS_MAX]),
        more=max(0, len(told) - STORY_MOMENTS_MAX),
    )


def who(profile: Profile) -> str:
    """What the customer's own system calls them."""
    if profile.user_ids:
        return profile.user_ids[0]
    return next(iter(profile.anonymous_ids), profile.id)


def guardrail(reason: str, check: Check | None) -> str:
    """What stopped a proposal: the policy by its name, or the built-in rule."""
    if check is not None and reason in _POLICY_IS_NAMED and check.detail:
        return check.detail
    return reason


_POLICY_IS_NAMED = frozenset(("cap", "gap", "quiet_hours", "suppressed", "holdout"))


def _decided(note: Considered) -> Check | None:
    """The check that decided: the last that has the verdict's reason."""
    found = (c for c in reversed(note.checks) if c.reason == note.reason and c.verdict != "pass")
    return next(found, None)


def _at(seen: Seen) -> Instant:
    return seen.at


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One moment of one customer, as it is exported."""

    at: Instant
    profile: str
    who: str
    what: str
    journey: str = ""
    message: str = ""
    where: str = ""
    reason: str = ""
    detail: str = ""


def row(one: Customer, seen: Seen) -> Row:
    """One line of an export."""
    return Row(
        at=seen.at,
        profile=one.profile.id,
        who=one.who,
        what=seen.what,
        journey=seen.journey,
        message=seen.message,
        where=seen.place,
        reason=seen.reason,
        detail=seen.detail,
    )

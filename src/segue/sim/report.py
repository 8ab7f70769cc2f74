"""What a run over a log came to: counts, and a bounded sample of customers' stories.

Rule 1: everything in a report follows from the log, the program and `until`; lists and records
    are in a fixed order, so that two reports can be compared as text.
Rule 2: two reports over different customers add up (`add`), in any order, to the report over
    all of them. So a log can be cut among cores.
Rule 3: a report is bounded however long the log: counts, a few witnesses of each, and stories of
    at most so many customers.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeVar, cast

import msgspec

from segue.kernel.plan import Plan
from segue.kernel.trace import REASONS
from segue.kernel.values import NEVER, Instant, Millis
from segue.sim.limits import ASIDE_MAX, STORIES_MAX, WITNESSES_MAX

Counts = dict[str, int]

T = TypeVar("T", bound=msgspec.Struct)


class JourneyCount(msgspec.Struct, kw_only=True):
    """One journey's runs."""

    entered: int = 0
    customers: int = 0
    before: int = 0
    """Runs that were under way already when counting began."""
    live: int = 0
    goals: int = 0
    ended: Counts = {}
    """By reason."""
    refused: Counts = {}
    """Entries that were not let in, by reason."""
    ends: dict[str, Counts] = {}
    """By the step where a run stood when it ended, then by reason."""
    standing: Counts = {}
    """Runs that are still live, by the step where they stand."""
    admitted: int = 0
    """Messages of this journey that went out or were shown."""


class SegmentCount(msgspec.Struct, kw_only=True):
    """One segment's comings and goings, and who is in it at the end."""

    entered: int = 0
    left: int = 0
    members: int = 0


class MessageCount(msgspec.Struct, kw_only=True):
    """One message: by channel and outcome."""

    admitted: Counts = {}
    """By channel, and by placement for what is shown on a page."""
    customers: int = 0
    """How many different customers got it."""
    after_the_log: int = 0
    """How many of these were admitted after the log's last event."""
    held: Counts = {}
    denied: Counts = {}
    withdrawn: Counts = {}
    """Held, queued or offered, then taken back."""
    undelivered: Counts = {}


class GuardrailCount(msgspec.Struct, kw_only=True):
    """What one guardrail stopped, and what became of what it held."""

    check: str = ""
    held: int = 0
    denied: int = 0
    customers: int = 0
    then_admitted: int = 0
    then_denied: int = 0
    then_withdrawn: int = 0
    still_held: int = 0


class CollisionCount(msgspec.Struct, kw_only=True):
    """How often one journey stood in another's way, for one reason."""

    times: int = 0
    customers: int = 0


class PoolCount(msgspec.Struct, kw_only=True):
    """One coupon pool: codes that would have gone out, and how long they would have lasted."""

    handed: int = 0
    returned: int = 0
    """Given back, because their message was never delivered."""
    taken: dict[int, int] = {}
    """Codes handed out less those returned, by the start of the span of time."""
    codes: int | None = None
    """How many the pool has left today; None where that is not known."""
    empty_at: Instant | None = None
    """The start of the span of time in which it would have run dry; None if it would not."""

    def fill(self, codes: int) -> None:
        """Say how many codes there are, and find when the last would have gone."""
        self.codes = codes
        left = codes
        for start, many in sorted(self.taken.items()):
            left -= many
            if left < 0:
                self.empty_at = Instant(start)
                return


class Bucket(msgspec.Struct, kw_only=True):
    """A span of time in the chart."""

    events: int = 0
    admitted: Counts = {}
    """By channel."""
    held: int = 0
    denied: int = 0


class Moment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was decided for one customer.

    admitted, held, denied, withdrawn, undelivered   of a message
    entered, goal, ended, refused                    of a journey
    collided                                         `where` is the journey that was in the way
    """

    at: Instant
    what: str
    journey: str = ""
    message: str = ""
    where: str = ""
    reason: str = ""
    detail: str = ""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What would have happened to one customer; the first moments of it."""

    profile: str
    who: str
    moments: tuple[Moment, ...]
    more: int = 0


class Aside(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A line of the log that did not count, and why."""

    source: str
    line: int
    reason: str


class Report(msgspec.Struct, kw_only=True):
    """The whole run."""

    workspace: str = ""
    program: str = ""
    first_at: Instant = NEVER
    from_at: Instant = Instant(0)
    """From here on what was decided is counted; what came before was history only."""
    warm_up: Millis = Millis(0)
    """How long before `from_at` the program ran already, uncounted."""
    last_at: Instant = Instant(0)
    until: Instant = Instant(0)
    bucket_ms: int = 0
    events: int = 0
    emitted: int = 0
    """Events that Segue itself made happen, beside `events`."""
    before: int = 0
    """Events before `from_at`, beside `events`."""
    by_event: Counts = {}
    duplicates: int = 0
    rejected: int = 0
    """Lines that could not be read, or that the engine refused."""
    skipped: Counts = {}
    """Lines left out on purpose, by reason."""
    aside: list[Aside] = []
    """The first of the lines rejected, with their places."""
    broken: list[str] = []
    """Sources that could not be read to their ends, and why."""
    profiles: int = 0
    sessions: int = 0
    segments: dict[str, SegmentCount] = {}
    journeys: dict[str, JourneyCount] = {}
    messages: dict[str, MessageCount] = {}
    guardrails: dict[str, GuardrailCount] = {}
    collisions: dict[str, dict[str, dict[str, CollisionCount]]] = {}
    """By the journey that was stopped, the one that was in its way, and the reason."""
    pools: dict[str, PoolCount] = {}
    pressure: dict[int, int] = {}
    """Customers by how many messages were sent to them; what is shown on a page counts apart."""
    buckets: dict[int, Bucket] = {}
    witnesses: dict[str, list[str]] = {}
    """A few profiles for each thing that was counted."""
    stories: dict[str, Story] = {}


# ── adding ──────────────────────────────────────────────────────────────────────────


_SAME = ("workspace", "program", "from_at", "warm_up", "last_at", "until", "bucket_ms", "check")


def add(into: T, other: T) -> T:
    """Add one report, or a part of it, to another (rule 2); returns the first."""
    for name in into.__struct_fields__:
        mine, theirs = getattr(into, name), getattr(other, name)
        if name in _SAME:
            setattr(into, name, mine or theirs)
        elif name == "first_at":
            setattr(into, name, min(mine, theirs))
        elif isinstance(mine, int):
            setattr(into, name, mine + theirs)
        elif name == "witnesses":
            _add_witnesses(mine, theirs)
        elif isinstance(mine, dict):
            _add_all(cast("dict[object, object]", mine), cast("dict[object, object]", theirs))
        elif isinstance(mine, list):
            cast("list[object]", mine).extend(cast("list[object]", theirs))
    return into


def _add_all(mine: dict[object, object], theirs: dict[object, object]) -> None:
    for key, value in theirs.items():
        before = mine.get(key)
        if before is None:
            mine[key] = value
        elif isinstance(before, int) and isinstance(value, int):
            mine[key] = before + value
        elif isinstance(before, dict):
            _add_all(cast("dict[object, object]", before), cast("dict[object, object]", value))
        elif isinstance(before, msgspec.Struct) and not isinstance(before, Story):
            add(before, cast(msgspec.Struct, value))


def _add_witnesses(mine: dict[str, list[str]], theirs: dict[str, list[str]]) -> None:
    """The first by id: ids are hashes, so they are as good as drawn."""
    for subject, ids in theirs.items():
        mine[subject] = sorted({*mine.get(subject, ()), *ids})[:WITNESSES_MAX]


def one_more(counts: Counts, name: str) -> None:
    """Count one."""
    counts[name] = counts.get(name, 0) + 1


def name_all(report: Report, current: Plan) -> Report:
    """Give everything that the program defines its place, also what nothing happened to."""
    for journey in current.journeys:
        report.journeys.setdefault(journey.name, JourneyCount())
    for message in current.messages:
        report.messages.setdefault(message.name, MessageCount())
        if message.incentive is not None and message.incentive.coupons:
            report.pools.setdefault(message.incentive.coupons, PoolCount())
    for segment in current.segments:
        report.segments.setdefault(segment.name, SegmentCount())
    for policy in current.policies:
        check = _CHECK_OF.get(type(policy).__name__)
        named = getattr(policy, "rule", "when") == "when"
        if check is not None:
            name = policy.name if named else getattr(policy, "rule", policy.name)
            report.guardrails.setdefault(name, GuardrailCount(check=check))
    return report


_CHECK_OF = {
    "Cap": "caps",
    "Gap": "caps",
    "QuietHours": "quiet_hours",
    "Suppression": "suppressed",
    "Holdout": "holdout",
}


# ── order ───────────────────────────────────────────────────────────────────────────


def in_order(report: Report) -> Report:
    """The same report with every record in order: counts by size, things by name."""
    report.by_event = _by_size(report.by_event)
    report.skipped = _by_size(report.skipped)
    report.segments = dict(sorted(report.segments.items()))
    report.journeys = dict(sorted(report.journeys.items()))
    report.messages = dict(sorted(report.messages.items()))
    for journey in report.journeys.values():
        journey.ended = _by_size(journey.ended)
        journey.refused = _by_size(journey.refused)
        journey.standing = _by_size(journey.standing)
        journey.ends = {
            step: _by_size(counts)
            for step, counts in sorted(
                journey.ends.items(), key=lambda item: (-total(item[1]), item[0])
            )
        }
    for message in report.messages.values():
        message.admitted = _by_size(message.admitted)
        message.held = _by_size(message.held)
        message.denied = _by_size(message.denied)
        message.withdrawn = _by_size(message.withdrawn)
        message.undelivered = _by_size(message.undelivered)
    report.guardrails = dict(
        sorted(
            report.guardrails.items(),
            key=lambda item: (-(item[1].held + item[1].denied), item[0]),
        )
    )
    report.collisions = {
        loser: {winner: dict(sorted(reasons.items())) for winner, reasons in sorted(ways.items())}
        for loser, ways in sorted(report.collisions.items())
    }
    report.pools = dict(sorted(report.pools.items()))
    for pool in report.pools.values():
        pool.taken = dict(sorted(pool.taken.items()))
    report.pressure = dict(sorted(report.pressure.items()))
    report.buckets = dict(sorted(report.buckets.items()))
    for bucket in report.buckets.values():
        bucket.admitted = dict(sorted(bucket.admitted.items()))
    report.aside = sorted(report.aside)[:ASIDE_MAX]
    report.broken.sort()
    return _with_few_stories(report)


def _with_few_stories(report: Report) -> Report:
    """The first witness of everything, then the second, until there are stories enough."""
    chosen: dict[str, None] = {}
    subjects = sorted(report.witnesses)
    for place in range(WITNESSES_MAX):
        for subject in subjects:
            witnesses = report.witnesses[subject]
            if place < len(witnesses) and len(chosen) < STORIES_MAX:
                chosen[witnesses[place]] = None
    report.stories = {one: report.stories[one] for one in sorted(chosen)}
    report.witnesses = {
        subject: [one for one in report.witnesses[subject] if one in chosen] for subject in subjects
    }
    return report


def pruned(report: Report) -> Report:
    """Without the stories of those who witness nothing any more, while reports are added."""
    wanted = {one for ids in report.witnesses.values() for one in ids}
    report.stories = {key: one for key, one in report.stories.items() if key in wanted}
    if len(report.aside) > 2 * ASIDE_MAX:
        report.aside = sorted(report.aside)[:ASIDE_MAX]
    return report


def _by_size(counts: Counts) -> Counts:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


# ── words ───────────────────────────────────────────────────────────────────────────


def total(counts: Counts) -> int:
    """The sum of a record of counts."""
    return sum(counts.values())


def because(reason: str) -> str:
    """A reason in words."""
    return REASONS.get(reason, reason)


def sums(messages: Iterable[MessageCount]) -> tuple[int, int, int, int]:
    """Messages admitted, and of these after the log; times held; times denied."""
    admitted = late = held = denied = 0
    for one in messages:
        admitted += total(one.admitted)
        late += one.after_the_log
        held += total(one.held)
        denied += total(one.denied)
    return admitted, late, held, denied


def moment(at: Instant) -> str:
    """An instant as people write it, in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")

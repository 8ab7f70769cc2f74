"""The guardrails that look back at the ledger and at the clock: caps, gaps, quiet hours.

Rule 1: each answers with a `Check`: pass, or hold until the instant at which it may differ,
    or deny. Nothing here changes anything.
Rule 2: a cap counts what was admitted, from its admission on, and gives back what was never
    delivered (`failed`, `cancelled`).
Rule 3: windows are half-open, `(now - w, now]`; days, weeks and months are local.
Rule 4: of several that stop a proposal, the strictest (the latest release) is named.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar, assert_never

import msgspec

from segue.kernel import calendar, chance, plan
from segue.kernel.calendar import Zone
from segue.kernel.profile import Profile, Sent
from segue.kernel.remembered import Remembered
from segue.kernel.trace import Check
from segue.kernel.values import NEVER, Instant

COUNTED_NOT = ("failed", "cancelled")

HOLDOUT = "holdout:"
"""Before a holdout's name: the stream of its draw."""

HELD_OUT = "out"

_Policy = TypeVar("_Policy")


class Candidate(msgspec.Struct, frozen=True):
    """A proposal or an offer as the policies see it, on one channel."""

    id: str
    message: str
    journey: str
    tags: tuple[str, ...]
    channel: str
    placement: str = ""


def reaches(reach: plan.Reach, one: Candidate) -> bool:
    """Whether a policy concerns a candidate."""
    return (
        (not reach.channels or one.channel in reach.channels)
        and (not reach.journeys or one.journey in reach.journeys)
        and (not reach.messages or one.message in reach.messages)
        and (not reach.placements or one.placement in reach.placements)
        and (not reach.tags or any(tag in reach.tags for tag in one.tags))
    )


class ByReach(Generic[_Policy]):
    """Policies of one kind, found by the candidates that they reach.

    So what others reach costs nothing. The same messages come again and again.
    """

    __slots__ = ("_found", "_policies")

    def __init__(self, policies: Iterable[tuple[plan.Reach, _Policy]]) -> None:
        self._policies = tuple(policies)
        self._found = Remembered(self._find)

    def of(self, one: Candidate) -> tuple[_Policy, ...]:
        """Those that concern a candidate, in the plan's order."""
        # What a candidate is apart from its id: all that `reaches` looks at.
        return self._found[one.journey, one.message, one.channel, one.placement, one.tags]

    def _find(self, key: tuple[str, str, str, str, tuple[str, ...]]) -> tuple[_Policy, ...]:
        journey, message, channel, placement, tags = key
        one = Candidate("", message, journey, tags, channel, placement)
        return tuple(policy for reach, policy in self._policies if reaches(reach, one))


def counts(reach: plan.Reach, line: Sent) -> bool:
    """Whether a line of the ledger counts for a policy."""
    return (
        line.state not in COUNTED_NOT
        and (not reach.channels or line.channel in reach.channels)
        and (not reach.journeys or line.journey in reach.journeys)
        and (not reach.messages or line.message in reach.messages)
        and (not reach.placements or line.placement in reach.placements)
        and (not reach.tags or any(tag in reach.tags for tag in line.tags))
    )


def quiet(
    policies: ByReach[plan.QuietHours], one: Candidate, now: Instant, zone: Zone, key: str
) -> Check:
    """Check 7: held to the end of the quiet time in the profile's zone, then paced."""
    until, name = 0, ""
    for policy in policies.of(one):
        end = calendar.window_end(zone, now, policy.start, policy.end, policy.weekdays)
        if end is None:
            continue
        if policy.pace_ms:
            end = Instant(end + chance.spread("pace", key, one.id, policy.pace_ms))
        if end > until:
            until, name = end, policy.name
    if not name:
        return Check("quiet_hours", "pass")
    return Check("quiet_hours", "hold", "quiet_hours", name, Instant(until))


def caps(
    policies: ByReach[plan.Cap | plan.Gap],
    one: Candidate,
    profile: Profile,
    now: Instant,
    zone: Zone,
) -> Check:
    """Check 8: every cap and gap that concerns the candidate; the strictest answer wins."""
    worst = Check("caps", "pass")
    for policy in policies.of(one):
        match policy:
            case plan.Cap():
                release = _cap_release(policy, profile, now, zone)
                reason = "cap"
            case plan.Gap():
                release = _gap_release(policy, profile, now)
                reason = "gap"
            case _:
                assert_never(policy)
        if release is None:
            continue
        if policy.then == "deny":
            return Check("caps", "deny", reason, policy.name, release)
        if worst.verdict == "pass" or release > worst.until:
            worst = Check("caps", "hold", reason, policy.name, release)
    return worst


def _cap_release(cap: plan.Cap, profile: Profile, now: Instant, zone: Zone) -> Instant | None:
    """When one more would be allowed; None if now."""
    since, release = _period(cap, now, zone)
    taken: list[int] = []
    for line in profile.ledger:
        if cap.per == "session":
            inside = profile.session is not None and line.session == profile.session.number
        else:
            inside = line.at > since
        if inside and counts(cap.reach, line):
            taken.append(line.at)
    if len(taken) < cap.most:
        return None
    if cap.per != "window" or cap.most == 0:
        return release
    # The window frees a place when the `most`-th newest of them leaves it.
    taken.sort()
    return Instant(taken[len(taken) - cap.most] + cap.window_ms)


def _period(cap: plan.Cap, now: Instant, zone: Zone) -> tuple[int, Instant]:
    """The instant after which lines count, and when the period ends."""
    match cap.per:
        case "session":
            # The session's end is known only by silence; the hold is tried again then.
            return 0, NEVER
        case "window":
            return now - cap.window_ms, NEVER
        case "day":
            return calendar.start_of_day(zone, now) - 1, calendar.start_of_day(zone, now, 1)
        case "week":
            return calendar.start_of_week(zone, now) - 1, calendar.start_of_week(zone, now, 1)
        case "month":
            return calendar.start_of_month(zone, now) - 1, calendar.start_of_month(zone, now, 1)
        case _:
            assert_never(cap.per)


def _gap_release(gap: plan.Gap, profile: Profile, now: Instant) -> Instant | None:
    """When the gap will have passed; None if it has."""
    last = max((line.at for line in profile.ledger if counts(gap.reach, line)), default=None)
    if last is None or last + gap.least_ms <= now:
        return None
    return Instant(last + gap.least_ms)


def held_out(policies: ByReach[plan.Holdout], one: Candidate, profile: Profile) -> Check:
    """Check 2: drawn once by keyed hash; the profile keeps the draw, also through merges."""
    for policy in policies.of(one):
        if in_holdout(policy, profile):
            return Check("holdout", "deny", "holdout", policy.name)
    return Check("holdout", "pass")


def in_holdout(policy: plan.Holdout, profile: Profile) -> bool:
    """Whether the profile is held out. The first question draws, the profile remembers."""
    stream = f"{HOLDOUT}{policy.name}"
    drawn = profile.assignments.get(stream)
    if drawn is None:
        out = chance.share(stream, profile.draw_key, "", policy.share)
        drawn = profile.assignments[stream] = HELD_OUT if out else "in"
    return drawn == HELD_OUT

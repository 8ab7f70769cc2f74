"""The auditor's arbiter: the nine checks, asked of everything, from the ledger's lines.

Rule 1: written from design section 6 and `docs/concepts/semantics.md`, not from the kernel.
Rule 2: no state of its own. `judge` answers what must become of a message now.
"""

from collections.abc import Iterator
from typing import NamedTuple

from segue.kernel import plan
from segue.sim import auditor_calendar as calendar
from segue.sim.auditor_calendar import NEVER
from segue.sim.auditor_conditions import View, holds, value_of
from segue.sim.auditor_life import ADDRESS, Life, Line, Trip, Wish
from segue.sim.auditor_promises import LOOKS_AGAIN_MS, Pools, carries, has_code

TIMED = ("quiet_hours", "cap", "gap")
"""Holds that end at a known instant."""


class Stop(NamedTuple):
    """What one check said: pass, hold or deny, its reason, and until when."""

    check: str
    verdict: str
    reason: str = ""
    until: int = NEVER


class Judgement(NamedTuple):
    """What must become of a message."""

    outcome: str
    channel: str
    reason: str
    until: int
    checks: tuple[tuple[str, str], ...]


class Case(NamedTuple):
    """A message that a run wants out, before the arbiter."""

    view: View
    today: plan.Plan
    message: plan.Message
    journey: plan.Journey
    run: Trip
    wish: Wish
    pools: Pools


def judge(case: Case, channels: tuple[str, ...], again: bool = False) -> Judgement:
    """All nine checks on each channel; `again` is a reload, which caps do not count."""
    asked: list[tuple[str, str]] = []
    first = channels[0] if channels else ""
    for stop in _of_the_message(case, first):
        asked.append(stop[:2])
        if stop.verdict != "pass":
            return _stopped(case, stop, first, asked)
    best: tuple[Stop, str] | None = None
    for channel in channels:
        stopped = None
        for stop in _of_the_channel(case, channel, again):
            asked.append(stop[:2])
            if stop.verdict != "pass":
                stopped = stop
                break
        if stopped is None:
            reason = "shown_already" if again else ""
            return Judgement("admitted", channel, reason, NEVER, tuple(asked))
        if best is None or _sooner(stopped, best[0]):
            best = (stopped, channel)
    if best is None:
        best = (Stop("reachable", "deny", "no_channel"), first)
        asked.append(best[0][:2])
    return _stopped(case, *best, asked)


def _sooner(one: Stop, two: Stop) -> bool:
    """A hold is better than a denial; of two holds the one that ends first."""
    return one.verdict == "hold" and (two.verdict != "hold" or one.until < two.until)


def _stopped(case: Case, stop: Stop, channel: str, asked: list[tuple[str, str]]) -> Judgement:
    """A timed hold that would outlast the expiry is a denial; others last to it at most."""
    end = case.wish.expires_at
    timed = stop.reason in TIMED
    if stop.verdict == "hold" and not (timed and stop.until >= end):
        return Judgement("held", channel, stop.reason, min(stop.until, end), tuple(asked))
    return Judgement("denied", channel, stop.reason, stop.until, tuple(asked))


def _of_the_message(case: Case, channel: str) -> Iterator[Stop]:
    """Checks 1 to 3."""
    view, life = case.view, case.view.life
    paused = any(j.name == case.journey.name and j.state == "paused" for j in case.today.journeys)
    if case.wish.expires_at <= view.now:
        yield Stop("wanted", "deny", "expired")
    elif paused:
        yield Stop("wanted", "hold", "journey_paused")
    else:
        yield Stop("wanted", "pass")
    yield (
        Stop("holdout", "deny", "holdout")
        if _held_out(case, life, channel)
        else Stop("holdout", "pass")
    )
    view.entry, view.vars = case.run.entry, case.run.vars
    if not holds(case.message.when, view):
        yield Stop("eligible", "deny", "message_not_eligible")
    elif not holds(case.journey.when, view):
        yield Stop("eligible", "deny", "journey_not_eligible")
    elif not has_code(life, case.pools, case.message.incentive, case.wish.id, view.now):
        yield Stop("eligible", "hold", "no_coupon", view.now + LOOKS_AGAIN_MS)
    else:
        yield Stop("eligible", "pass")


def _of_the_channel(case: Case, channel: str, again: bool) -> Iterator[Stop]:
    """Checks 4 to 9; a reload is asked the fourth, fifth and ninth."""
    free = case.message.purpose == "transactional"
    yield _reachable(case, channel)
    yield Stop("suppressed", "pass") if free else _suppressed(case, channel)
    if not again:
        yield _excluded(case)
        yield Stop("quiet_hours", "pass") if free else _quiet(case, channel)
        yield Stop("caps", "pass") if free else _capped(case, channel)
    session = case.view.life.session
    if session is None or not session.checkout or free or case.message.checkout_critical:
        yield Stop("priority", "pass")
    else:
        yield Stop("priority", "hold", "checkout", session_end(case.view.life))


def session_end(life: Life) -> int:
    """When silence ends the session."""
    return NEVER if life.session is None else life.session.last_at + life.workspace.session_ms


def concerns(reach: plan.Reach, case: Case, channel: str) -> bool:
    """Whether a policy reaches this message on this channel."""
    return _within(
        reach,
        channel,
        case.journey.name,
        case.message.name,
        case.wish.placement,
        case.message.tags,
    )


def counted(reach: plan.Reach, line: Line) -> bool:
    """Whether a line counts for a policy."""
    return line.counts and _within(
        reach, line.channel, line.journey, line.message, line.placement, line.tags
    )


def _within(
    reach: plan.Reach,
    channel: str,
    journey: str,
    message: str,
    placement: str,
    tags: tuple[str, ...],
) -> bool:
    named = (
        (reach.channels, {channel}),
        (reach.journeys, {journey}),
        (reach.messages, {message}),
        (reach.placements, {placement}),
        (reach.tags, set(tags)),
    )
    return all(not wanted or set(wanted) & has for wanted, has in named)


def _held_out(case: Case, life: Life, channel: str) -> bool:
    """Drawn at the first question, and kept."""
    if case.message.purpose == "transactional":
        return False
    for policy in case.today.policies:
        if isinstance(policy, plan.Holdout) and concerns(policy.reach, case, channel):
            stream = f"holdout:{policy.name}"
            if stream not in life.drawn:
                out = calendar.draw(stream, life.draw_key) * 1_000_000 < policy.share << 64
                life.drawn[stream] = "out" if out else "in"
            if life.drawn[stream] == "out":
                return True
    return False


def _reachable(case: Case, channel: str) -> Stop:
    life = case.view.life
    if channel in case.wish.tried:
        return Stop("reachable", "deny", "provider_refused")
    if channel in ADDRESS:
        address = life.address(channel)
        if not address:
            return Stop("reachable", "deny", "no_address")
        if life.unreachable.get(channel) == address:
            return Stop("reachable", "deny", "bounced")
    match life.consent(channel, case.message.topic):
        case "denied":
            return Stop("reachable", "deny", "no_consent")
        case "pending":
            return Stop("reachable", "deny", "consent_pending")
        case _:
            return Stop("reachable", "pass")


def _suppressed(case: Case, channel: str) -> Stop:
    view, life = case.view, case.view.life
    for policy in case.today.policies:
        if not isinstance(policy, plan.Suppression) or not concerns(policy.reach, case, channel):
            continue
        if policy.rule == "on_site_active":
            is_open = next((one for one in life.offers if one.open_as), None)
            if is_open is not None and channel not in plan.ON_SITE:
                return Stop("suppressed", policy.then, "on_site_active", is_open.expires_at)
        elif policy.rule == "bought":
            since = case.wish.since - policy.lookback_ms
            if any(life.bought_at(product) >= since for product in case.wish.about):
                return Stop("suppressed", policy.then, "bought")
        elif holds(policy.when, view):
            return Stop("suppressed", policy.then, "suppressed", -1)
    return Stop("suppressed", "pass")


def _excluded(case: Case) -> Stop:
    view, life = case.view, case.view.life
    exclusions = [one for one in case.today.policies if isinstance(one, plan.Exclusion)]
    incentive = case.message.incentive
    for held in life.grants if incentive else ():
        assert incentive is not None
        own = carries(case.wish.id, held.source)
        if own or not held.alive(view.now):
            continue
        named = any({incentive.group, held.group} <= set(one.groups) for one in exclusions)
        if incentive.group == held.group or named:
            return Stop("excluded", "hold", "competing_incentive", held.expires_at)
        if held.journey != case.journey.name and held.worth < incentive.worth:
            return Stop("excluded", "hold", "better_deal", held.expires_at)
    mine = min((one.entered_at, one.id) for one in life.runs if one.journey == case.journey.name)
    for policy in exclusions:
        if case.journey.name not in policy.journeys:
            continue
        for other in life.runs:
            rival = other.journey in policy.journeys and other.journey != case.journey.name
            if rival and (other.entered_at, other.id) < mine:
                return Stop("excluded", "hold", "excluded_journey")
    return Stop("excluded", "pass")


def _quiet(case: Case, channel: str) -> Stop:
    view, life = case.view, case.view.life
    ends: list[int] = []
    for policy in case.today.policies:
        if not isinstance(policy, plan.QuietHours) or not concerns(policy.reach, case, channel):
            continue
        found = calendar.window(life.tz(), view.now, policy.start, policy.end, policy.weekdays)
        if found is not None and found[0] <= view.now:
            pace = calendar.below("pace", life.draw_key, case.wish.id, policy.pace_ms)
            ends.append(found[1] + pace)
    if ends:
        return Stop("quiet_hours", "hold", "quiet_hours", max(ends))
    return Stop("quiet_hours", "pass")


def _capped(case: Case, channel: str) -> Stop:
    """The strictest of all caps and gaps; a denial wins at once."""
    view, life = case.view, case.view.life
    worst = Stop("caps", "pass")
    for policy in case.today.policies:
        if not isinstance(policy, plan.Cap | plan.Gap) or not concerns(policy.reach, case, channel):
            continue
        lines = [line for line in life.lines if counted(policy.reach, line)]
        if isinstance(policy, plan.Gap):
            free_at = max((line.at + policy.least_ms for line in lines), default=0)
            reason = "gap"
        else:
            free_at = _free_at(policy, lines, life, view.now)
            reason = "cap"
        if free_at <= view.now:
            continue
        if policy.then == "deny":
            return Stop("caps", "deny", reason, free_at)
        if worst.verdict == "pass" or free_at > worst.until:
            worst = Stop("caps", "hold", reason, free_at)
    if worst.until == NEVER and worst.verdict == "hold" and life.session is not None:
        return worst._replace(until=session_end(life))
    return worst


def _free_at(cap: plan.Cap, lines: list[Line], life: Life, now: int) -> int:
    """When one more may be admitted; 0 if now."""
    zone = life.tz()
    match cap.per:
        case "session":
            number = life.session.number if life.session else -1
            taken = [line for line in lines if line.session == number]
            return NEVER if len(taken) >= cap.most else 0
        case "window":
            for at in sorted({now, *(line.at + cap.window_ms for line in lines)}):
                inside = [line for line in lines if at - cap.window_ms < line.at]
                if at >= now and len(inside) < cap.most:
                    return at if at > now else 0
            return NEVER
        case _:
            first, following = calendar.period(zone, now, cap.per)
            taken = [line for line in lines if calendar.day_of(zone, line.at) >= first]
            return calendar.on(zone, following) if len(taken) >= cap.most else 0


def relevance(case: Case) -> tuple[bool, bool, int, float, int, str]:
    """The order in which messages are heard: the most relevant first."""
    case.view.entry, case.view.vars = case.run.entry, case.run.vars
    worth = value_of(case.message.value, case.view) if case.message.value else 0.0
    number = float(worth) if isinstance(worth, int | float) and worth is not True else 0.0
    return (
        case.message.purpose != "transactional",
        not case.message.checkout_critical,
        -case.message.priority,
        -number,
        case.wish.since,
        case.wish.id,
    )

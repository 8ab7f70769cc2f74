"""Entries that time alone brings: a date held in a trait, a schedule for a segment's members.

Rule 1: the next instant of each entry stands in the profile (`scheduled`); it is computed anew
    when the trait, the zone or the membership changes, and when it has come.
Rule 2: only what lies ahead is scheduled: a date that is over when it becomes known brings
    nothing.
Rule 3: days and times of day are in the profile's zone.
"""

from typing import assert_never

from segue.kernel import calendar, plan
from segue.kernel.calendar import Zone
from segue.kernel.limits import DAYS_AHEAD_MAX, YEARS_AHEAD_MAX
from segue.kernel.profile import Profile
from segue.kernel.program import LinkedEntry, Program
from segue.kernel.turn import Turn
from segue.kernel.values import DAY, MINUTE, NEVER, Instant, Value


def plan_ahead(turn: Turn) -> None:
    """Compute when each entry comes next, where what it depends on may have changed."""
    program, profile = turn.program, turn.profile
    for name in [known for known in profile.scheduled if known not in program.scheduled]:
        del profile.scheduled[name]  # also where nothing is scheduled any more
    if turn.touched & program.schedule_needs:
        for name, linked in program.scheduled.items():
            _reschedule(turn, name, linked)


def come(turn: Turn) -> list[LinkedEntry]:
    """The entries whose instant has come, the earliest first; each is scheduled anew."""
    scheduled = turn.profile.scheduled
    ripe = sorted((at, name) for name, at in scheduled.items() if at <= turn.now)
    found: list[LinkedEntry] = []
    for _, name in ripe:
        del scheduled[name]
        linked = turn.program.scheduled.get(name)
        if linked is not None:
            found.append(linked)
            _reschedule(turn, name, linked)
    return found


def _reschedule(turn: Turn, name: str, linked: LinkedEntry) -> None:
    at = _next(turn.program, turn.profile, linked, turn.scene.zone, turn.now)
    if at < NEVER:
        turn.profile.scheduled[name] = at
    else:
        turn.profile.scheduled.pop(name, None)


def _next(
    program: Program, profile: Profile, linked: LinkedEntry, zone: Zone, now: Instant
) -> Instant:
    """The first instant after now at which an entry comes; NEVER if none does."""
    if program.states[linked.journey.name].state != "live":
        return NEVER
    entry = linked.entry
    match entry:
        case plan.OnDate():
            date = instant_from(profile.traits.get(entry.trait), zone)
            return NEVER if date is None else _next_date(entry, date, zone, now)
        case plan.OnSchedule():
            return _next_time(entry, zone, now) if entry.segment in profile.segments else NEVER
        case plan.OnEvent() | plan.OnSegment() | plan.OnCall():
            return NEVER
        case _:
            assert_never(entry)


def instant_from(value: Value, zone: Zone) -> Instant | None:
    """A date as data holds it: an ISO 8601 text, or milliseconds since 1970."""
    if isinstance(value, str):
        return calendar.parse(value, zone)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Instant(int(value))


def _next_date(entry: plan.OnDate, date: Instant, zone: Zone, now: Instant) -> Instant:
    """The date, or its next return, moved by the offset, at its minute of the day."""
    for year in range(YEARS_AHEAD_MAX + 1 if entry.yearly else 1):
        on = _anniversary(date, zone, now - entry.offset_ms, year) if entry.yearly else date
        if on is None:
            continue
        at = Instant(on + entry.offset_ms)
        if entry.at >= 0:
            midnight = calendar.local_ms(zone, at) // DAY * DAY
            at = calendar.instant_of(zone, midnight + entry.at * MINUTE)
        if at > now:
            return at
    return NEVER


def _anniversary(date: Instant, zone: Zone, now: int, years: int) -> Instant | None:
    """The date's day and time, `years` after the year of now; None where that year lacks it."""
    born = calendar.local(zone, date)
    year = calendar.local(zone, now).year + years
    if born.day > calendar.days_in_month(year, born.month):
        return None
    day = calendar.days_from_civil(year, born.month, born.day)
    return calendar.instant_of(zone, day * DAY + calendar.local_ms(zone, date) % DAY)


def _next_time(entry: plan.OnSchedule, zone: Zone, now: Instant) -> Instant:
    """The next local time of day on a day that the schedule names."""
    today = calendar.local_ms(zone, now) // DAY
    for number in range(today, today + DAYS_AHEAD_MAX + 1):
        _, _, day = calendar.civil_from_days(number)
        weekday = (number + 3) % 7 + 1
        if (entry.weekdays and weekday not in entry.weekdays) or (
            entry.days and day not in entry.days
        ):
            continue
        at = calendar.instant_of(zone, number * DAY + entry.at * MINUTE)
        if at > now:
            return at
    return NEVER

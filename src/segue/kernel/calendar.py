"""Days, weeks, windows of the day and clock changes, from tables.

Rule 1: a zone is data: the instants at which each offset begins. Whoever loads it reads the
    files (`hosts/zones.py`); nothing here does, and nothing here knows today's date.
Rule 2: a local time that a clock change skips moves to the next that exists, which is the
    instant of the change; a local time that occurs twice is its first occurrence.
Rule 3: windows of the day are half-open: the start is inside, the end is not. A window whose
    end is not after its start ends on the next day; equal ends make a whole day. A clock
    change may leave a window empty, and then it does not occur that day.

Day numbers count from 1970-01-01; years are proleptic Gregorian. The civil calendar is
computed in eras of 400 years that begin on 1 March, so that the leap day comes last.
"""

from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from segue.kernel.values import NEVER, Instant, Millis

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000

_OFFSET_MS_BOUND = 26 * HOUR_MS
"""Beyond every offset that ever was in force."""

_DAYS_AHEAD = 16
"""Two weeks and a day: a window on one weekday that a clock change empties comes a week later."""


class Zone(msgspec.Struct, frozen=True):
    """A time zone as a table: from `starts[i]` on, local time is UTC plus `offsets[i]`."""

    name: str
    starts: tuple[int, ...]
    offsets: tuple[int, ...]


class Local(msgspec.Struct, frozen=True):
    """An instant as a clock on the wall shows it; `weekday` is 1 to 7 from Monday."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    weekday: int
    minute_of_day: int
    day_number: int


UTC = Zone("UTC", (-(1 << 53),), (0,))


# ── the civil calendar ──────────────────────────────────────────────────────────────


def days_from_civil(year: int, month: int, day: int) -> int:
    """The day number of a date; a month or day out of range gives a neighbouring date."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468


def civil_from_days(day_number: int) -> tuple[int, int, int]:
    """Year, month and day of a day number."""
    era, day_of_era = divmod(day_number + 719_468, 146_097)
    year_of_era = (
        day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    return year_of_era + era * 400 + (month <= 2), month, day


def days_in_month(year: int, month: int) -> int:
    """28 to 31."""
    return days_from_civil(year + month // 12, month % 12 + 1, 1) - days_from_civil(year, month, 1)


# ── instants and local times ────────────────────────────────────────────────────────


def offset_at(zone: Zone, at: int) -> int:
    """What is added to UTC at this instant, in milliseconds."""
    offsets = zone.offsets
    if len(offsets) == 1:
        return offsets[0]
    return offsets[max(bisect_right(zone.starts, at) - 1, 0)]


def local_ms(zone: Zone, at: int) -> int:
    """The wall clock at an instant, as milliseconds since the wall clock showed 1970."""
    return at + offset_at(zone, at)


def local(zone: Zone, at: int) -> Local:
    """What the wall clock and the calendar beside it show at an instant."""
    day_number, ms = divmod(at + offset_at(zone, at), DAY_MS)
    year, month, day = civil_from_days(day_number)
    minute_of_day = ms // MINUTE_MS
    hour, minute = divmod(minute_of_day, 60)
    return Local(
        year,
        month,
        day,
        hour,
        minute,
        ms // 1_000 % 60,
        (day_number + 3) % 7 + 1,
        minute_of_day,
        day_number,
    )


def instant_of(zone: Zone, wall_ms: int) -> Instant:
    """The first instant at which the wall clock shows this, or the next that it does show."""
    starts, offsets = zone.starts, zone.offsets
    last = len(starts) - 1
    # This segment began so early that the wall time can't lie before it.
    i = max(bisect_right(starts, wall_ms - _OFFSET_MS_BOUND) - 1, 0)
    while i < last and wall_ms - offsets[i] >= starts[i + 1]:
        i += 1
    at = wall_ms - offsets[i]
    return Instant(max(at, starts[i]) if i else at)


def next_boundary(zone: Zone, at: int, unit_ms: int) -> Instant:
    """When a field of the wall clock that counts in `unit_ms` next may change.

    A clock change is such an instant as well, whatever it does.
    """
    i = bisect_right(zone.starts, at)
    offset = zone.offsets[max(i - 1, 0)]
    boundary = at + unit_ms - (at + offset) % unit_ms
    if i < len(zone.starts):
        return Instant(min(boundary, zone.starts[i]))
    return Instant(boundary)


def start_of_day(zone: Zone, at: int, days: int = 0) -> Instant:
    """When the local day of `at`, or the day so many days later, begins."""
    return instant_of(zone, (local_ms(zone, at) // DAY_MS + days) * DAY_MS)


def start_of_week(zone: Zone, at: int, weeks: int = 0) -> Instant:
    """When the local week of `at`, or the week so many weeks later, begins: on Monday."""
    day_number = local_ms(zone, at) // DAY_MS
    return instant_of(zone, (day_number - (day_number + 3) % 7 + 7 * weeks) * DAY_MS)


def start_of_month(zone: Zone, at: int, months: int = 0) -> Instant:
    """When the local month of `at`, or the month so many months later, begins."""
    year, month, _ = civil_from_days(local_ms(zone, at) // DAY_MS)
    years, index = divmod(month - 1 + months, 12)
    return instant_of(zone, days_from_civil(year + years, index + 1, 1) * DAY_MS)


def start_of_year(zone: Zone, at: int, years: int = 0) -> Instant:
    """When the local year of `at`, or the year so many years later, begins."""
    year, _, _ = civil_from_days(local_ms(zone, at) // DAY_MS)
    return instant_of(zone, days_from_civil(year + years, 1, 1) * DAY_MS)


# ── windows of the day ──────────────────────────────────────────────────────────────


def next_in_window(
    zone: Zone, now: int, start_min: int, end_min: int, weekdays: Sequence[int] = ()
) -> Instant:
    """`now` if it lies in the window, else when the window next begins.

    `weekdays` (Monday 1) says on which days the window starts; empty means every day.
    """
    found = _window(zone, now, start_min, end_min, weekdays)
    return NEVER if found is None else Instant(max(found[0], now))


def window_end(
    zone: Zone, now: int, start_min: int, end_min: int, weekdays: Sequence[int] = ()
) -> Instant | None:
    """When the window that `now` lies in ends; None outside of it."""
    found = _window(zone, now, start_min, end_min, weekdays)
    return found[1] if found is not None and found[0] <= now else None


def _window(
    zone: Zone, now: int, start_min: int, end_min: int, weekdays: Sequence[int]
) -> tuple[Instant, Instant] | None:
    """The first window that ends after `now`."""
    today = local_ms(zone, now) // DAY_MS
    end_day = 0 if end_min > start_min else 1
    for day in range(today - 1, today + _DAYS_AHEAD):
        if weekdays and (day + 3) % 7 + 1 not in weekdays:
            continue
        end = instant_of(zone, (day + end_day) * DAY_MS + end_min * MINUTE_MS)
        if end <= now:
            continue
        start = instant_of(zone, day * DAY_MS + start_min * MINUTE_MS)
        if start < end:
            return start, end
    return None


# ── ISO 8601 ────────────────────────────────────────────────────────────────────────


def parse(text: str, zone: Zone) -> Instant | None:
    """The instant that an ISO 8601 text names, or None.

    `2024-05-01`, `2024-05-01T10:20`, `2024-05-01 10:20:30.123Z`, `2024-05-01T10:20+02:00`. Without
    an offset it is local time in `zone`; a date alone is when that day begins there.
    """
    text = text.strip()
    if len(text) < 10 or text[4] != "-" or text[7] != "-":
        return None
    year, month, day = _digits(text[:4]), _digits(text[5:7]), _digits(text[8:10])
    if year is None or month is None or day is None or not 1 <= month <= 12:
        return None
    if not 1 <= day <= days_in_month(year, month):
        return None
    midnight = days_from_civil(year, month, day) * DAY_MS
    if len(text) == 10:
        return instant_of(zone, midnight)
    if text[10] not in "Tt ":
        return None
    clock, offset = _split_offset(text[11:])
    time_ms = _clock_ms(clock)
    if time_ms is None:
        return None
    if offset is None:
        return instant_of(zone, midnight + time_ms)
    offset_ms = _offset_ms(offset)
    return None if offset_ms is None else Instant(midnight + time_ms - offset_ms)


def _digits(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _split_offset(text: str) -> tuple[str, str | None]:
    if text[-1:] in ("Z", "z"):
        return text[:-1], "+00:00"
    for sign in "+-":
        clock, found, offset = text.partition(sign)
        if found:
            return clock, sign + offset
    return text, None


def _clock_ms(text: str) -> int | None:
    """Milliseconds of the day of `hh:mm`, `hh:mm:ss` or `hh:mm:ss.fff…`."""
    whole, dot, fraction = text.partition(".")
    parts = whole.split(":")
    if len(parts) not in (2, 3) or any(len(part) != 2 for part in parts):
        return None
    if dot and (len(parts) == 2 or _digits(fraction) is None):
        return None
    hour, minute = _digits(parts[0]), _digits(parts[1])
    second = _digits(parts[2]) if len(parts) == 3 else 0
    if hour is None or minute is None or second is None:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    return (hour * 3_600 + minute * 60 + second) * 1_000 + int((fraction + "000")[:3])


def _offset_ms(text: str) -> Millis | None:
    """Milliseconds of `+hh:mm`, `+hhmm` or `+hh`."""
    digits = text[1:].replace(":", "", 1) if text[3:4] == ":" else text[1:]
    if len(digits) not in (2, 4) or _digits(digits) is None:
        return None
    minutes = int(digits[:2]) * 60 + int(digits[2:] or "0")
    return Millis(minutes * MINUTE_MS if text[0] == "+" else -minutes * MINUTE_MS)

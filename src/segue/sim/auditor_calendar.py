"""The auditor's own calendar and chance: `zoneinfo` for the clock, a keyed hash for draws.

Slow and plain on purpose. Shares nothing with `kernel/calendar.py` and `kernel/chance.py`: what
a day is, what a change of clocks does, and who is drawn, is said here a second time, from
`docs/concepts/semantics.md`.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

NEVER = (1 << 53) - 1
DAY = 86_400_000
MINUTE = 60_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1)
_BEFORE_AND_AFTER = 26 * 3_600_000
_DAYS_AHEAD = 9


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=65_536)
def offset(zone: str, at: int) -> int:
    """Milliseconds east of UTC."""
    shown = (_EPOCH + timedelta(milliseconds=at)).astimezone(_zone(zone)).utcoffset()
    assert shown is not None
    return int(shown.total_seconds() * 1000)


def shown(zone: str, at: int) -> datetime:
    """What the wall clock shows, as a plain datetime."""
    return datetime(1970, 1, 1) + timedelta(milliseconds=at + offset(zone, at))  # noqa: DTZ001


def day_of(zone: str, at: int) -> date:
    """The local date."""
    return shown(zone, at).date()


@lru_cache(maxsize=16_384)
def instant(zone: str, wall: int) -> int:
    """When the wall clock first shows this (milliseconds since its own 1970), or what is next."""
    offsets = {offset(zone, wall - _BEFORE_AND_AFTER), offset(zone, wall + _BEFORE_AND_AFTER)}
    offsets |= {offset(zone, wall - one) for one in tuple(offsets)}
    fitting = sorted(wall - one for one in offsets if offset(zone, wall - one) == one)
    if fitting:
        return fitting[0]
    # The clock jumps over it: the next that exists is the instant of the jump.
    low, high = wall - max(offsets) - 1, wall - min(offsets) + 1
    before = offset(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        if offset(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high


def on(zone: str, day: date, minute: int = 0) -> int:
    """A minute of a local day."""
    return instant(zone, (day - _EPOCH_DAY).days * DAY + minute * MINUTE)


def period(zone: str, at: int, per: str) -> tuple[date, date]:
    """First day of the local day, week or month in which `at` lies, and of the next one."""
    today = day_of(zone, at)
    match per:
        case "day":
            return today, today + timedelta(days=1)
        case "week":
            monday = today - timedelta(days=today.weekday())
            return monday, monday + timedelta(days=7)
        case _:
            first = today.replace(day=1)
            return first, (first + timedelta(days=32)).replace(day=1)


def window(
    zone: str, now: int, start: int, end: int, weekdays: Sequence[int]
) -> tuple[int, int] | None:
    """The first window of local time that ends after now; it may have begun."""
    today = day_of(zone, now)
    for ahead in range(-1, _DAYS_AHEAD):
        day = today + timedelta(days=ahead)
        if weekdays and day.isoweekday() not in weekdays:
            continue
        closes = on(zone, day + timedelta(days=0 if end > start else 1), end)
        opens = on(zone, day, start)
        if closes > now and opens < closes:
            return opens, closes
    return None


def next_hour(zone: str, at: int) -> int:
    """When the local hour next may change."""
    into = (at + offset(zone, at)) % 3_600_000
    return at + 3_600_000 - into


def parse(value: object, zone: str) -> int | None:
    """An ISO 8601 text or milliseconds as an instant."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if not isinstance(value, str):
        return int(value)
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    if read.tzinfo is not None:
        return round((read - _EPOCH) / timedelta(milliseconds=1))
    wall = (read - datetime(1970, 1, 1)) / timedelta(milliseconds=1)  # noqa: DTZ001
    return instant(zone, round(wall))


# ── chance ──────────────────────────────────────────────────────────────────────────


def draw(stream: str, whose: str, decision: str = "") -> int:
    """64 bits from a keyed hash of (stream, profile, decision), each part with its length."""
    parts = [one.encode() for one in (stream, whose, decision)]
    head = f"{len(parts[0])}:{len(parts[1])}:".encode()
    made = hashlib.blake2b(head + b"".join(parts), digest_size=8, key=b"segue.chance.1")
    return int.from_bytes(made.digest(), "big")


def below(stream: str, whose: str, decision: str, span: int) -> int:
    """A draw from 0 up to, not including, `span`."""
    return draw(stream, whose, decision) * span >> 64


def pick(stream: str, whose: str, decision: str, weights: Sequence[int]) -> int:
    """An index, each as likely as its weight."""
    left = below(stream, whose, decision, sum(weights))
    for index, weight in enumerate(weights):
        if left < weight:
            return index
        left -= weight
    return 0


def profile_id(kind: str, value: str) -> str:
    """The id of the profile that an identifier begins: 100 bits in base 32."""
    made = hashlib.blake2b(f"{kind}\0{value}".encode(), key=b"segue/profile", digest_size=13)
    number = int.from_bytes(made.digest(), "big")
    return "".join("abcdefghijklmnopqrstuvwxyz234567"[number >> 5 * n & 31] for n in range(20))

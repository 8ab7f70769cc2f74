"""Goal: tables give the local times that the system's time zone library gives."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st

from segue.kernel import calendar
from segue.kernel.calendar import DAY_MS, HOUR_MS, MINUTE_MS, Zone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = 946_684_800_000, 1_893_456_000_000  # 2000 to 2030
NAMES = [
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Cairo",
    "UTC",
]


def moment(at: int) -> datetime:
    return EPOCH + timedelta(milliseconds=at)


def offset(name: str, at: int) -> int:
    found = moment(at).astimezone(ZoneInfo(name)).utcoffset()
    assert found is not None
    return int(found.total_seconds()) * 1_000


@cache
def zone(name: str) -> Zone:
    """The table, found by looking at every fifth day and halving where the offset differs."""
    starts, offsets = [-(1 << 53)], [offset(name, FIRST)]
    for day in range(FIRST, LAST, 5 * DAY_MS):
        if offset(name, day + 5 * DAY_MS) == offsets[-1]:
            continue
        low, high = day, day + 5 * DAY_MS
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(name, middle) == offsets[-1] else (low, middle)
        starts.append(high)
        offsets.append(offset(name, high))
    return Zone(name, tuple(starts), tuple(offsets))


@st.composite
def instants(draw: st.DrawFn, name: str) -> int:
    """Any instant, half of them within two days of a clock change."""
    changes = zone(name).starts[1:]
    near_change: bool = draw(st.booleans())
    if changes and near_change:
        near = draw(st.sampled_from(changes))
        return near + draw(st.integers(-2 * DAY_MS, 2 * DAY_MS))
    return draw(st.integers(FIRST, LAST - 400 * DAY_MS))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(data=st.data())
def test_local_fields_agree(name: str, data: st.DataObject) -> None:
    at = data.draw(instants(name))
    theirs = moment(at).astimezone(ZoneInfo(name))
    ours = calendar.local(zone(name), at)
    assert (ours.year, ours.month, ours.day) == (theirs.year, theirs.month, theirs.day)
    assert (ours.hour, ours.minute, ours.second) == (theirs.hour, theirs.minute, theirs.second)
    assert ours.weekday == theirs.isoweekday()
    assert ours.minute_of_day == theirs.hour * 60 + theirs.minute


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(data=st.data())
def test_a_wall_time_is_its_first_instant_or_the_next_that_exists(
    name: str, data: st.DataObject
) -> None:
    table = zone(name)
    wall = calendar.local_ms(table, data.draw(instants(name))) // MINUTE_MS * MINUTE_MS
    shift = data.draw(st.sampled_from((0, -30 * MINUTE_MS, HOUR_MS, 2 * HOUR_MS)))
    ours = calendar.instant_of(table, wall + shift)
    naive = moment(wall + shift).replace(tzinfo=None)
    theirs = naive.replace(tzinfo=ZoneInfo(name))
    instant = int((theirs.astimezone(UTC) - EPOCH) / timedelta(milliseconds=1))
    back = moment(instant).astimezone(ZoneInfo(name)).replace(tzinfo=None)
    if back == naive:
        assert ours == instant
    else:
        assert ours in table.starts, "a skipped time is the instant of the change"
        assert calendar.local_ms(table, ours) > wall + shift
        assert calendar.local_ms(table, ours - 1) < wall + shift


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(data=st.data())
def test_a_day_begins_where_the_date_changes(name: str, data: st.DataObject) -> None:
    at = data.draw(instants(name))
    table = zone(name)
    start = calendar.start_of_day(table, at)
    day = calendar.local(table, at).day_number
    assert start <= at
    assert calendar.local(table, start).day_number == day
    assert calendar.local(table, start - 1).day_number < day


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(data=st.data())
def test_between_now_and_the_boundary_no_field_changes(name: str, data: st.DataObject) -> None:
    at = data.draw(instants(name))
    unit = data.draw(st.sampled_from((MINUTE_MS, HOUR_MS, DAY_MS)))
    table = zone(name)
    boundary = calendar.next_boundary(table, at, unit)
    assert boundary > at
    probe = data.draw(st.integers(at, boundary - 1))
    assert calendar.local_ms(table, probe) // unit == calendar.local_ms(table, at) // unit


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(
    data=st.data(),
    start=st.integers(0, 1_439),
    end=st.integers(0, 1_439),
    weekdays=st.sets(st.integers(1, 7)),
)
def test_a_window_comes_ends_and_comes_again(
    name: str, data: st.DataObject, start: int, end: int, weekdays: set[int]
) -> None:
    now = data.draw(instants(name))
    table, days = zone(name), tuple(sorted(weekdays))
    entered = calendar.next_in_window(table, now, start, end, days)
    assert now <= entered <= now + 15 * DAY_MS
    left = calendar.window_end(table, entered, start, end, days)
    assert left is not None
    assert entered < left <= entered + 26 * HOUR_MS
    if entered > now:
        assert calendar.window_end(table, now, start, end, days) is None
    inside = data.draw(st.integers(entered, left - 1))
    assert calendar.next_in_window(table, inside, start, end, days) == inside

"""Goal: local time, its windows and ISO texts are right at every edge that has a name."""

import pytest

from segue.kernel import calendar
from segue.kernel.calendar import DAY_MS, HOUR_MS, MINUTE_MS, UTC, Zone
from segue.kernel.values import NEVER, Instant

SPRING = 1_711_846_800_000  # 2024-03-31T01:00Z: 02:00 becomes 03:00 in Berlin
AUTUMN = 1_729_990_800_000  # 2024-10-27T01:00Z: 03:00 becomes 02:00 in Berlin
BERLIN = Zone("Berlin", (-(1 << 53), SPRING, AUTUMN), (HOUR_MS, 2 * HOUR_MS, HOUR_MS))
MAY_DAY = calendar.days_from_civil(2024, 5, 1) * DAY_MS  # a Wednesday


def at(text: str, zone: Zone = UTC) -> Instant:
    instant = calendar.parse(text, zone)
    assert instant is not None
    return instant


def test_the_first_day_is_a_thursday() -> None:
    first = calendar.local(UTC, 0)
    assert (first.year, first.month, first.day, first.weekday) == (1970, 1, 1, 4)
    assert first.day_number == 0


def test_a_local_time_has_all_its_fields() -> None:
    shown = calendar.local(BERLIN, at("2024-07-09T22:31:07.250Z"))
    assert shown == calendar.Local(2024, 7, 10, 0, 31, 7, 3, 31, 19_914)


def test_leap_years_follow_the_gregorian_rule() -> None:
    assert [calendar.days_in_month(year, 2) for year in (1900, 2000, 2023, 2024)] == [
        28,
        29,
        28,
        29,
    ]
    assert calendar.days_in_month(2024, 12) == 31


def test_before_the_first_start_the_first_offset_holds() -> None:
    late = Zone("late", (0, 1_000), (HOUR_MS, 0))
    assert calendar.offset_at(late, -5) == HOUR_MS
    assert calendar.next_boundary(late, -5, HOUR_MS) == 0


def test_a_time_that_does_not_exist_moves_to_the_next_that_does() -> None:
    wall = calendar.days_from_civil(2024, 3, 31) * DAY_MS + 150 * MINUTE_MS
    assert calendar.instant_of(BERLIN, wall) == SPRING


def test_a_time_that_occurs_twice_is_its_first_occurrence() -> None:
    wall = calendar.days_from_civil(2024, 10, 27) * DAY_MS + 150 * MINUTE_MS
    assert calendar.instant_of(BERLIN, wall) == AUTUMN - 30 * MINUTE_MS


def test_days_across_a_clock_change_are_not_24_hours_long() -> None:
    noon = at("2024-03-31T12:00", BERLIN)
    assert calendar.start_of_day(BERLIN, noon, 1) - calendar.start_of_day(BERLIN, noon) == (
        23 * HOUR_MS
    )


def test_weeks_start_on_monday_months_and_years_on_the_first() -> None:
    now = at("2024-05-01T10:00")
    assert calendar.start_of_week(UTC, now) == at("2024-04-29")
    assert calendar.start_of_week(UTC, now, 1) == at("2024-05-06")
    assert calendar.start_of_month(UTC, now) == at("2024-05-01")
    assert calendar.start_of_month(UTC, now, 8) == at("2025-01-01")
    assert calendar.start_of_month(UTC, now, -5) == at("2023-12-01")
    assert calendar.start_of_year(UTC, now) == at("2024-01-01")
    assert calendar.start_of_year(UTC, now, 1) == at("2025-01-01")


def test_a_boundary_is_the_next_full_unit_or_the_clock_change_before_it() -> None:
    assert calendar.next_boundary(UTC, MAY_DAY, HOUR_MS) == MAY_DAY + HOUR_MS
    assert calendar.next_boundary(UTC, MAY_DAY + 1, MINUTE_MS) == MAY_DAY + MINUTE_MS
    assert calendar.next_boundary(BERLIN, SPRING - 5, DAY_MS) == SPRING
    assert calendar.next_boundary(BERLIN, AUTUMN, DAY_MS) == at("2024-10-28", BERLIN)


def test_inside_a_window_the_answer_is_now() -> None:
    now = MAY_DAY + 10 * HOUR_MS
    assert calendar.next_in_window(UTC, now, 9 * 60, 17 * 60) == now
    assert calendar.window_end(UTC, now, 9 * 60, 17 * 60) == MAY_DAY + 17 * HOUR_MS


def test_a_window_includes_its_start_and_not_its_end() -> None:
    start, end = MAY_DAY + 9 * HOUR_MS, MAY_DAY + 17 * HOUR_MS
    assert calendar.window_end(UTC, start, 9 * 60, 17 * 60) == end
    assert calendar.window_end(UTC, end, 9 * 60, 17 * 60) is None
    assert calendar.next_in_window(UTC, end, 9 * 60, 17 * 60) == start + DAY_MS


def test_a_window_may_span_midnight_and_belongs_to_the_day_it_starts_on() -> None:
    night = (22 * 60, 7 * 60)
    early = MAY_DAY + 6 * HOUR_MS
    assert calendar.window_end(UTC, early, *night) == MAY_DAY + 7 * HOUR_MS
    assert calendar.window_end(UTC, early, *night, weekdays=(3,)) is None
    assert calendar.next_in_window(UTC, early, *night, weekdays=(3,)) == MAY_DAY + 22 * HOUR_MS
    assert calendar.window_end(UTC, early, *night, weekdays=(2,)) == MAY_DAY + 7 * HOUR_MS


def test_equal_ends_make_a_whole_day() -> None:
    assert calendar.window_end(UTC, MAY_DAY, 0, 0) == MAY_DAY + DAY_MS


def test_a_window_that_a_clock_change_empties_comes_the_next_time() -> None:
    before = at("2024-03-31T01:00", BERLIN)
    assert calendar.next_in_window(BERLIN, before, 125, 150) == at("2024-04-01T02:05", BERLIN)
    assert calendar.next_in_window(BERLIN, before, 125, 150, (7,)) == at("2024-04-07T02:05", BERLIN)


def test_a_window_on_no_weekday_never_comes() -> None:
    assert calendar.next_in_window(UTC, MAY_DAY, 0, 60, (9,)) == NEVER
    assert calendar.window_end(UTC, MAY_DAY, 0, 60, (9,)) is None


@pytest.mark.parametrize(
    ("text", "hour_ms"),
    [
        ("2024-05-01", -2 * HOUR_MS),
        ("2024-05-01T10:20", 8 * HOUR_MS + 20 * MINUTE_MS),
        ("2024-05-01 10:20:30", 8 * HOUR_MS + 20 * MINUTE_MS + 30_000),
        ("2024-05-01T10:20:30.5Z", 10 * HOUR_MS + 20 * MINUTE_MS + 30_500),
        ("2024-05-01t10:20:30.123456789z", 10 * HOUR_MS + 20 * MINUTE_MS + 30_123),
        ("2024-05-01T10:00+02:00", 8 * HOUR_MS),
        ("2024-05-01T10:00-0330", 13 * HOUR_MS + 30 * MINUTE_MS),
        (" 2024-05-01T10:00:00+01 ", 9 * HOUR_MS),
    ],
)
def test_iso_texts_name_instants(text: str, hour_ms: int) -> None:
    assert calendar.parse(text, BERLIN) == MAY_DAY + hour_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2024/05/01",
        "2024-05/01",
        "2024-13-01",
        "2024-00-01",
        "2024-02-30",
        "2024-05-00",
        "20x4-05-01",
        "2024-0x-01",
        "2024-05-0x",
        "2024-05-01X10:00",
        "2024-05-01T",
        "2024-05-01T10",
        "2024-05-01T1:00",
        "2024-05-01T25:00",
        "2024-05-01T10:60",
        "2024-05-01T10:00:60",
        "2024-05-01Tab:00",
        "2024-05-01T10:cd",
        "2024-05-01T10:00:ef",
        "2024-05-01T10:00.5",
        "2024-05-01T10:00:00.x",
        "2024-05-01T10:00+2",
        "2024-05-01T10:00+ab:cd",
        "2024-05-01T10:00:00.٣Z",
    ],
)
def test_other_texts_name_nothing(text: str) -> None:
    assert calendar.parse(text, UTC) is None

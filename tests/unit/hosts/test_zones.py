"""Zone tables agree with the IANA database, and a bad name is only a name."""

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from segue.hosts.zones import Zones, read_zone
from segue.kernel.calendar import offset_at

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _only_the_pinned_database() -> Iterator[None]:
    """The machine's own database may be of another year."""
    zoneinfo.reset_tzpath(to=())
    ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath()
    ZoneInfo.clear_cache()


def offset_by_zoneinfo(name: str, at_s: int) -> int:
    offset = (EPOCH + timedelta(seconds=at_s)).astimezone(ZoneInfo(name)).utcoffset()
    assert offset is not None
    return int(offset.total_seconds() * 1000)


@pytest.mark.parametrize(
    "name",
    [
        "Europe/Berlin",
        "America/New_York",
        "Africa/Casablanca",
        "Australia/Lord_Howe",
        "Asia/Kolkata",
        "Pacific/Apia",
        "America/Argentina/Buenos_Aires",
        "UTC",
    ],
)
def test_a_table_gives_the_offset_of_the_database_every_other_day(name: str) -> None:
    table = read_zone(name)
    assert table is not None
    for at_s in range(0, 131 * 365 * 86_400, 47 * 3600 + 7):
        assert offset_at(table, at_s * 1000) == offset_by_zoneinfo(name, at_s), at_s


def test_a_change_of_clocks_is_found_to_the_second() -> None:
    table = read_zone("Europe/Berlin")
    assert table is not None
    spring = int(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp()) * 1000
    assert spring in table.starts
    assert offset_at(table, spring - 1) == 3_600_000
    assert offset_at(table, spring) == 7_200_000


@pytest.mark.parametrize(
    "name",
    ["", "Mars/Base", "../../etc/passwd", "Europe", "tzdata.zi", "zone.tab", "a" * 5_000, "Ü/Ö"],
)
def test_a_name_that_is_no_zone_is_passed_over(name: str) -> None:
    zones = Zones()
    zones.ensure([name, "Asia/Tokyo"])
    assert set(zones) == {"UTC", "Asia/Tokyo"}


def test_unknown_names_do_not_pile_up() -> None:
    zones = Zones()
    zones.ensure(f"No/Zone{n}" for n in range(5_000))
    assert len(zones._unknown) <= 2_000


def test_two_readings_of_a_zone_are_equal() -> None:
    assert read_zone("Europe/Paris") == read_zone("Europe/Paris")


@pytest.mark.slow
def test_every_zone_of_the_database_has_a_table() -> None:
    for name in sorted(available_timezones() - {"localtime"}):
        assert read_zone(name) is not None, name

"""Time zones as tables, made from the IANA database for the kernel.

Rule 1: tables are made from the pinned `tzdata` package only, never from the machine's own
    files, so that two machines with the same release give the same bytes.
Rule 2: a table is made when its zone is first met, outside the kernel (`ensure`); from
    then on it never changes.

A zone's file holds its past changes, and a rule (a POSIX TZ string) for the years after.
Both come out here through `zoneinfo`: offsets are looked up, changes found by halving.
"""

import re
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo

from segue.hosts.limits import ZONES_MAX
from segue.kernel.calendar import Zone

FIRST_YEAR = 1970
LAST_YEAR = 2100
"""Tables cover these years; instants beyond have the first or last known offset."""

_ALWAYS = -(1 << 53)
_STEP_S = 14 * 86_400
"""The closest changes of any zone since 1970 lie four weeks apart (Ramadan in Morocco)."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+\-]{0,31}(/[A-Za-z0-9_+\-]{1,31}){0,2}\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Zones(Mapping[str, Zone]):
    """Zone tables by IANA name; holds what `ensure` was asked for."""

    def __init__(self, names: Iterable[str] = ("UTC",)) -> None:
        self._tables: dict[str, Zone] = {}
        self._unknown: set[str] = set()
        self._lock = threading.Lock()
        self.ensure(names)

    def ensure(self, names: Iterable[str]) -> None:
        """Make the tables of these zones; a name that is none is passed over."""
        for name in names:
            if name in self._tables or name in self._unknown:
                continue
            with self._lock:
                if len(self._tables) + len(self._unknown) >= ZONES_MAX:
                    self._unknown.clear()
                table = read_zone(name)
                if table is None:
                    self._unknown.add(name)
                else:
                    self._tables[name] = table

    def __getitem__(self, name: str) -> Zone:
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


def read_zone(name: str) -> Zone | None:
    """The table of one zone; None if the database has no such zone."""
    if not _NAME.match(name):
        return None  # also keeps paths such as `../x` away from the file system
    *folders, last = name.split("/")
    package = ".".join(["tzdata", "zoneinfo", *folders])
    try:
        with resources.files(package).joinpath(last).open("rb") as file:
            if file.read(4) != b"TZif":
                return None
            file.seek(0)
            zone = ZoneInfo.from_file(file, key=name)
    except (ModuleNotFoundError, FileNotFoundError, IsADirectoryError, ValueError, struct.error):
        return None
    return _table(name, zone)


def _table(name: str, zone: ZoneInfo) -> Zone:
    """Walk the years in steps too short to hide two changes, and halve to each change."""
    starts = [_ALWAYS]
    offsets = [_offset(zone, 0)]
    end = int((datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
    for at in range(0, end, _STEP_S):
        low, upto = at, at + _STEP_S
        while _offset(zone, upto) != offsets[-1]:
            high = upto
            while high - low > 1:
                middle = (low + high) // 2
                if _offset(zone, middle) == offsets[-1]:
                    low = middle
                else:
                    high = middle
            starts.append(high * 1000)
            offsets.append(_offset(zone, high))
            low = high
    return Zone(name, tuple(starts), tuple(offsets))


def _offset(zone: ZoneInfo, at: int) -> int:
    """Milliseconds east of UTC at this second."""
    local = (_EPOCH + timedelta(seconds=at)).astimezone(zone)
    offset = local.utcoffset()
    assert offset is not None, "a ZoneInfo always knows its offset"
    return int(offset.total_seconds() * 1000)

"""Cells of a row become values: text, numbers, times.

Rule 1: what a cell can't be read as is named, cell and all (`Unfit`); it is never guessed.
Rule 2: an empty cell is missing, `None`, whatever its type.
Rule 3: CSV gives text, JSON gives values of its own; both come through the same door.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeVar, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from segue.connectors.limits import CELLS_REMEMBERED_MAX, EXACT_MAX, INSTANT_MAX, INSTANT_MIN
from segue.connectors.mapping import Field, Time, places
from segue.errors import MappingWrong
from segue.kernel.values import Instant, Value

Cell = object
"""What a row holds: text from CSV, any JSON value from JSON lines."""

Convert = Callable[[Cell], Value]

T = TypeVar("T")


class Unfit(Exception):
    """A row that can't become an event, and why; caught where rows are read."""


class LeftOut(Exception):
    """A row that the mapping leaves out on purpose, and why."""


def text(cell: Cell) -> str:
    """The cell as text; numbers as they were written, `true` and `false` for booleans."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return str(cell)
    raise Unfit(f"{_shown(cell)} is not a text")


def identifier(cell: Cell) -> str:
    """Text, without the `.0` that spreadsheets put behind whole numbers."""
    word = text(cell)
    return word[:-2] if word.endswith(".0") and word[:-2].isdigit() else word


def number(cell: Cell) -> int | float:
    """A number, finite, and exact if it is whole."""
    found: int | float
    if isinstance(cell, str):
        try:
            if "_" in cell:
                raise ValueError
            found = float(cell) if "." in cell else int(cell)
        except ValueError:
            found = _awkward(cell)
    elif isinstance(cell, bool) or not isinstance(cell, int | float):
        raise Unfit(f"{_shown(cell)} is not a number")
    else:
        found = cell
    if not -EXACT_MAX <= found <= EXACT_MAX:
        raise Unfit(f"{_shown(cell)} is too large for a number; map it as text")
    return found


def _awkward(cell: str) -> float:
    """A number in scientific notation, or none."""
    try:
        if "_" in cell:
            raise ValueError
        found = float(cell)
    except ValueError:
        raise Unfit(f"{_shown(cell)} is not a number") from None
    if found - found != 0:
        raise Unfit(f"{_shown(cell)} is not a number")
    return found


def integer(cell: Cell) -> int:
    """A whole number; `6.0` is one."""
    found = number(cell)
    if found != int(found):
        raise Unfit(f"{_shown(cell)} is not a whole number")
    return int(found)


def boolean(cell: Cell) -> bool:
    """True or false, by the words that exports use for them."""
    if isinstance(cell, bool):
        return cell
    match text(cell).strip().lower():
        case "true" | "yes" | "y" | "t" | "1":
            return True
        case "false" | "no" | "n" | "f" | "0":
            return False
        case _:
            raise Unfit(f"{_shown(cell)} is neither true nor false")


def _shown(cell: Cell) -> str:
    return repr(cell) if len(repr(cell)) <= 60 else f"{repr(cell)[:60]}…"


def converter(field: Field) -> Convert:
    """How a field's cell becomes its value."""

    def listed(cell: Cell) -> Value:
        if isinstance(cell, list):
            return [text(item) for item in cast(list[object], cell)]
        return [part for part in (p.strip() for p in text(cell).split(field.separator)) if part]

    def positive(cell: Cell) -> Value:
        return abs(number(cell))

    match field.type:
        case "text":
            return text
        case "id":
            return identifier
        case "number":
            return positive if field.absolute else number
        case "integer":
            return (lambda cell: abs(integer(cell))) if field.absolute else integer
        case "boolean":
            return boolean
        case "list":
            return listed


def remembered(read: Callable[[Cell], T]) -> Callable[[Cell], T]:
    """The same for cells that are texts, which a file repeats: what was read is remembered.

    Not for what may be changed, and not for other cells: 1, 1.0 and `true` are equal here.
    """
    return lru_cache(CELLS_REMEMBERED_MAX)(read)


def template(field: Field, index: dict[str, int]) -> Callable[[list[Cell]], str | None]:
    """A text with cells in it; missing where all its cells are."""
    columns = places(field.template)
    spots = [index[name] for name in columns]
    pattern = field.template
    pattern = pattern.replace("%", "%%")
    for name in columns:
        pattern = pattern.replace("{" + name + "}", "%s")
    shape = identifier if field.type == "id" else text

    def fill(row: list[Cell]) -> str | None:
        words = tuple(["" if row[i] is None or row[i] == "" else shape(row[i]) for i in spots])
        return (pattern % words).strip() if any(words) else None

    return fill


def clock(time: Time, path: str) -> Callable[[Cell], Instant]:
    """How a cell becomes an instant; raises `MappingWrong` for a zone nobody knows."""
    try:
        zone = ZoneInfo(time.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise MappingWrong(f"{path}: time.zone: no zone is named {time.zone!r}") from error
    match time.format:
        case "seconds" | "millis":
            scale = 1000 if time.format == "seconds" else 1

            def counted(cell: Cell) -> Instant:
                return _bounded(int(number(cell) * scale), cell)

            return counted
        case "iso":
            read: Callable[[str], datetime] = datetime.fromisoformat
        case written:
            read = _reader(written)

    @lru_cache(CELLS_REMEMBERED_MAX)
    def cached(word: str) -> Instant:
        return _instant(read, word, zone)

    return lambda cell: cached(cell if cell.__class__ is str else text(cell))


def _reader(written: str) -> Callable[[str], datetime]:
    """`strptime`, or ten times faster where the format is ISO's with a word behind it."""
    iso = "%Y-%m-%d %H:%M:%S"
    tail = written[len(iso) :]
    if not written.startswith(iso) or "%" in tail:
        return lambda word: datetime.strptime(word, written)  # noqa: DTZ007 - zoned by the caller

    def read(word: str) -> datetime:
        if len(word) != 19 + len(tail) or not word.endswith(tail):
            raise ValueError(word)
        return datetime.fromisoformat(word[:19])

    return read


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def _instant(read: Callable[[str], datetime], word: str, zone: ZoneInfo) -> Instant:
    try:
        moment = read(word)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        millis = (moment - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        raise Unfit(f"{_shown(word)} is not a time of the mapping's format") from None
    return _bounded(millis, word)


def _bounded(millis: int, cell: Cell) -> Instant:
    if not INSTANT_MIN <= millis < INSTANT_MAX:
        raise Unfit(f"{_shown(cell)} is not a time between 1970 and 2100")
    return Instant(millis)

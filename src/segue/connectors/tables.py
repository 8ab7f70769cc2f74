"""Rows of a file, whatever they become: CSV, JSON lines, and what was wrong with them.

Rule 1: a row that can't be read is rejected with its line and the reason, and harms no other.
Rule 2: what is read comes with its line and its bytes as they were written, so that what is made
    of it can be named by them.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, cast

import msgspec

from segue.connectors.cells import Cell, Unfit
from segue.connectors.limits import EXCERPT_CHARS_MAX, REJECTIONS_MAX
from segue.connectors.lines import Lines, Records, written
from segue.connectors.rows import Row
from segue.errors import SourceUnreadable

_decode = msgspec.json.Decoder(dict[str, object]).decode


class Rejection(msgspec.Struct, frozen=True):
    """A row that could not be used."""

    line: int
    reason: str
    excerpt: str


class Report(msgspec.Struct):
    """What became of a file's rows."""

    rows: int = 0
    events: int = 0
    rejected: int = 0
    late: int = 0
    skipped: dict[str, int] = {}
    """Rows left out on purpose, by reason."""
    rejections: list[Rejection] = []
    """The first of them."""
    broken: str = ""
    """Why the file could not be read to its end, if so."""


class Notes:
    """Counts rows, and keeps what was wrong with them."""

    def __init__(self, on_rejection: Callable[[Rejection], None] | None = None) -> None:
        self.report = Report()
        self._on_rejection = on_rejection

    def count(self) -> None:
        """One more row."""
        self.report.rows += 1

    def skip(self, reason: str) -> None:
        """A row was left out on purpose."""
        self.report.skipped[reason] = self.report.skipped.get(reason, 0) + 1

    def reject(self, line: int, reason: str, raw: bytes) -> None:
        """A row can't be used."""
        report = self.report
        report.rejected += 1
        excerpt = raw[:EXCERPT_CHARS_MAX].decode("utf-8", "replace").rstrip("\r\n")
        rejection = Rejection(line, reason, excerpt)
        if len(report.rejections) < REJECTIONS_MAX:
            report.rejections.append(rejection)
        if self._on_rejection is not None:
            self._on_rejection(rejection)


def mapped_rows(
    lines: Lines, path: Path, notes: Notes, how: "HowRows"
) -> tuple[Iterator[tuple[Row, int, bytes]], bool]:
    """The rows that a mapping asks for, its columns first; and whether every cell is a text.

    A Parquet file has typed cells, whichever format the mapping was written for.
    Raises `SourceUnreadable` if a needed column is not there.
    """
    columns = how.columns()
    if lines.columns is not None:
        whole = how.format == "csv"
        wanted = dict.fromkeys(name if whole else name.split(".")[0] for name in columns)
        missing = [name for name in wanted if name not in lines.columns and not how.each]
        if missing:
            raise SourceUnreadable(
                f"{path}: no column {', '.join(missing)}; it has {', '.join(lines.columns)}"
            )
        return json_rows(lines, notes, columns, how.each, whole=whole), False
    if how.format == "json":
        return json_rows(lines, notes, columns, how.each), False
    return csv_rows(lines, path, notes, columns, how.delimiter, how.encoding), True


class HowRows(Protocol):
    """What of a mapping says how rows are read."""

    @property
    def format(self) -> str:
        """`csv` or `json`."""
        ...

    @property
    def each(self) -> str:
        """A list whose members are the rows."""
        ...

    @property
    def delimiter(self) -> str:
        """Of a CSV file."""
        ...

    @property
    def encoding(self) -> str:
        """Of a CSV file."""
        ...

    def columns(self) -> tuple[str, ...]:
        """The columns that are needed."""
        ...


def csv_rows(
    lines: Lines,
    path: Path,
    notes: Notes,
    needed: Sequence[str] = (),
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> Iterator[tuple[Row, int, bytes]]:
    """The header first, then the rows that have its width.

    Raises `SourceUnreadable` if a needed column is not there.
    """
    records = Records(lines, delimiter, encoding)
    header = header_of(records, path)
    missing = [name for name in needed if name not in header]
    if missing:
        raise SourceUnreadable(
            f"{path}:1: no column {', '.join(missing)}; it has {', '.join(header)}"
        )
    yield [*header], 1, b""
    width = len(header)
    report = notes.report
    while True:
        try:
            row = records.take()
        except Unfit as unfit:
            notes.count()
            notes.reject(records.line, str(unfit), records.raw())
            continue
        if row is None:
            return
        if not row:
            continue
        report.rows += 1
        raw = records.raw()
        if len(row) != width:
            notes.reject(records.line, f"{len(row)} columns instead of {width}", raw)
        elif b"\0" in raw:
            notes.reject(records.line, "a null byte", raw)
        else:
            yield cast(Row, row), records.line, raw


def json_objects(
    lines: Lines, notes: Notes, each: str = ""
) -> Iterator[tuple[dict[str, object], int, bytes]]:
    """The object of each line, or of each member of its list `each` with its keys beside."""

    def refuse(line: int, reason: str, raw: bytes) -> None:
        notes.count()
        notes.reject(line, reason, raw)

    for raw in written(lines, refuse):
        try:
            told = _decode(raw)
            if b"\\u0000" in raw:
                raise Unfit("a null byte")
            objects = members_of(told, each)
        except (Unfit, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            refuse(lines.number, str(error) or "nested too deep", raw)
            continue
        for place, one in enumerate(objects):
            notes.count()
            yield one, lines.number, b"%d:%b" % (place, raw)


def json_rows(
    lines: Lines, notes: Notes, columns: Sequence[str], each: str = "", *, whole: bool = False
) -> Iterator[tuple[Row, int, bytes]]:
    """The columns first, then a row of their cells for each object.

    A column is a path, or a key as a `whole`, points and all.
    """
    paths = [(name,) if whole else tuple(name.split(".")) for name in columns]
    yield [*columns], 1, b""
    for one, line, raw in json_objects(lines, notes, each):
        yield [cell_at(one, path) for path in paths], line, raw


def header_of(records: Records, path: Path) -> list[str]:
    """The names of a CSV file's columns. Raises `SourceUnreadable`."""
    try:
        header = records.take()
    except Unfit as unfit:
        raise SourceUnreadable(f"{path}:1: {unfit}") from None
    if not header:
        raise SourceUnreadable(f"{path}:1: empty where the names of the columns should be")
    header[0] = header[0].removeprefix("\ufeff")
    if len(set(header)) != len(header):
        raise SourceUnreadable(f"{path}:1: two columns have the same name")
    return header


def members_of(told: dict[str, object], each: str) -> list[dict[str, object]]:
    """The rows in one JSON object: itself, or each member of a list with its keys beside."""
    if not each:
        return [told]
    members = told.get(each)
    if not isinstance(members, list):
        raise Unfit(f"{each}: not a list")
    found: list[dict[str, object]] = []
    for member in cast(list[object], members):
        if not isinstance(member, dict):
            raise Unfit(f"{each}: a member is not an object")
        found.append({**told, **cast(dict[str, object], member)})
    return found


def cell_at(one: object, path: tuple[str, ...]) -> Cell:
    """What lies at a path in a JSON object; `None` where there is nothing."""
    for key in path:
        one = cast(dict[str, object], one).get(key) if isinstance(one, dict) else None
    return one

"""Files of events: CSV or JSON lines, plain or gzipped, mapped or in Segment's own shape.

    source = Source("events.csv.gz", load("rees46"))
    for line, event, arrived_at in source: ...
    source.report

Rule 1: memory is bounded however large the file: rows stream, groups close, and a file that is
    not in order of time is sorted in runs on disk.
Rule 2: a row that can't be read is rejected with its line and the reason, and harms no other.
Rule 3: arrivals never go back in time. A row that lies behind those before it, in a file that
    promised order, arrives late, as it would have in life: its event keeps its own time.
Rule 4: a source can be read again from the start, and gives the same events with the same ids.
"""

import heapq
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, cast

import msgspec

from segue.connectors import mapping as mappings
from segue.connectors.cells import Cell, LeftOut, Unfit
from segue.connectors.limits import EXCERPT_CHARS_MAX, REJECTIONS_MAX, SORT_EVENTS_MAX
from segue.connectors.lines import Lines, Records
from segue.connectors.mapping import Mapping
from segue.connectors.rows import Imported, Row, Translator
from segue.errors import SourceUnreadable
from segue.kernel.values import Instant


class Rejection(msgspec.Struct, frozen=True):
    """A row that could not become an event."""

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


class Source:
    """One file and its mapping: iterate it for arrivals; watch it for progress and report.

    `mapping` is a mapping, the name of a packaged one, or a path; without one it is found by
    the file's columns (`detect`), and JSON lines that fit none are taken for Segment messages.
    """

    def __init__(
        self,
        path: str | Path,
        mapping: Mapping | str | Path | None = None,
        on_rejection: Callable[[Rejection], None] | None = None,
    ) -> None:
        self.path = Path(path)
        if mapping is None:
            mapping = detect(self.path)
        self.mapping = mapping if isinstance(mapping, Mapping | None) else mappings.load(mapping)
        self._on_rejection = on_rejection
        self._lines: Lines | None = None
        self.report = Report()
        lines = Lines(self.path)
        self.total_bytes = lines.total_bytes
        lines.close()

    @property
    def read_bytes(self) -> int:
        """How many of `total_bytes` have been read."""
        return 0 if self._lines is None else self._lines.read_bytes

    def __iter__(self) -> Iterator[Imported]:
        """The arrivals in order of time, from the start of the file."""
        self.report = Report()
        self._lines = Lines(self.path)
        try:
            arrivals = self._read(self._lines)
            if self.mapping is None or self.mapping.order == "time":
                arrivals = _sorted(arrivals)
            yield from self._in_order(arrivals)
            self.report.broken = self._lines.broken
        finally:
            self._lines.close()

    def _in_order(self, arrivals: Iterator[Imported]) -> Iterator[Imported]:
        """Rule 3, and the count."""
        latest = Instant(0)
        report = self.report
        for arrival in arrivals:
            report.events += 1
            if arrival.arrived_at >= latest:
                latest = arrival.arrived_at
                yield arrival
            else:
                report.late += 1
                yield Imported(arrival.line, arrival.event, latest, arrival.also)

    def _read(self, lines: Lines) -> Iterator[Imported]:
        if self.mapping is None:
            from segue.connectors.messages import read

            return read(lines, self._count, self._reject)
        if self.mapping.format == "csv":
            return self._translated(self.mapping, self._csv(lines, self.mapping))
        return self._translated(self.mapping, self._json(lines, self.mapping))

    def _translated(
        self, mapping: Mapping, rows: Iterator[tuple[Row, int, bytes]]
    ) -> Iterator[Imported]:
        columns = next(rows)[0]
        translator = Translator(mapping, [str(name) for name in columns])
        for row, line, raw in rows:
            try:
                yield from translator.translate(row, line, raw)
            except Unfit as unfit:
                self._reject(line, str(unfit), raw)
            except LeftOut as left_out:
                reason = str(left_out)
                self.report.skipped[reason] = self.report.skipped.get(reason, 0) + 1
        yield from translator.flush()

    def _csv(self, lines: Lines, mapping: Mapping) -> Iterator[tuple[Row, int, bytes]]:
        """The header first, then the rows that have its width."""
        records = Records(lines, mapping.delimiter, mapping.encoding)
        header = _header(records, self.path)
        missing = [name for name in mapping.columns() if name not in header]
        if missing:
            raise SourceUnreadable(
                f"{self.path}:1: no column {', '.join(missing)}; it has {', '.join(header)}"
            )
        yield [*header], 1, b""
        width = len(header)
        report = self.report
        while True:
            try:
                row = records.take()
            except Unfit as unfit:
                report.rows += 1
                self._reject(records.line, str(unfit), records.raw())
                continue
            if row is None:
                return
            if not row:
                continue
            report.rows += 1
            raw = records.raw()
            if len(row) != width:
                self._reject(records.line, f"{len(row)} columns instead of {width}", raw)
            elif b"\0" in raw:
                self._reject(records.line, "a null byte", raw)
            else:
                yield cast(Row, row), records.line, raw

    def _json(self, lines: Lines, mapping: Mapping) -> Iterator[tuple[Row, int, bytes]]:
        """The mapping's columns first, then a row of their cells for each object."""
        columns = mapping.columns()
        paths = [tuple(name.split(".")) for name in columns]
        yield [*columns], 1, b""
        decode = msgspec.json.Decoder(dict[str, object]).decode
        while True:
            raw = b""
            try:
                raw = lines.take()
                if not raw:
                    return
                if raw.isspace():
                    continue
                told = decode(raw)
                if b"\\u0000" in raw:
                    raise Unfit("a null byte")
                objects = _each(told, mapping.each)
            except (Unfit, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                self._count()
                self._reject(lines.number, str(error) or "nested too deep", raw)
                continue
            for place, one in enumerate(objects):
                self._count()
                yield [_at(one, path) for path in paths], lines.number, b"%d:%b" % (place, raw)

    def _count(self) -> None:
        self.report.rows += 1

    def _reject(self, line: int, reason: str, raw: bytes) -> None:
        report = self.report
        report.rejected += 1
        excerpt = raw[:EXCERPT_CHARS_MAX].decode("utf-8", "replace").rstrip("\r\n")
        rejection = Rejection(line, reason, excerpt)
        if len(report.rejections) < REJECTIONS_MAX:
            report.rejections.append(rejection)
        if self._on_rejection is not None:
            self._on_rejection(rejection)


def detect(path: str | Path) -> Mapping | None:
    """The packaged mapping whose columns the file has; none for Segment messages.

    Raises `SourceUnreadable` for a CSV file that fits none.
    """
    path = Path(path)
    lines = Lines(path)
    try:
        first = lines.take()
    except Unfit as unfit:
        raise SourceUnreadable(f"{path}:1: {unfit}") from None
    finally:
        lines.close()
    packaged = [mappings.load(name) for name in mappings.packaged()]
    if first.lstrip().startswith(b"{"):
        try:
            told = msgspec.json.decode(first, type=dict[str, object])
            for one in packaged:
                objects = _each(told, one.each) if one.format == "json" else []
                if objects and all(name in objects[0] for name in one.columns()):
                    return one
        except (msgspec.DecodeError, Unfit):
            pass  # a spoilt first line says nothing of those after it
        return None
    lines = Lines(path)
    try:
        header = _header(Records(lines, ",", "utf-8"), path)
    finally:
        lines.close()
    for one in packaged:
        if one.format == "csv" and set(one.columns()) <= set(header):
            return one
    raise SourceUnreadable(
        f"{path}:1: no packaged mapping fits the columns {', '.join(header)}; "
        "say which, or write one"
    )


def _header(records: Records, path: Path) -> list[str]:
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


def _each(told: dict[str, object], each: str) -> list[dict[str, object]]:
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


def _at(one: object, path: tuple[str, ...]) -> Cell:
    for key in path:
        one = cast(dict[str, object], one).get(key) if isinstance(one, dict) else None
    return one


def _sorted(arrivals: Iterator[Imported]) -> Iterator[Imported]:
    """In order of arrival, equals as they stood; sorted runs on disk beyond what memory holds."""
    first = sorted(islice(arrivals, SORT_EVENTS_MAX), key=_when)
    if len(first) < SORT_EVENTS_MAX:
        yield from first
        return
    with tempfile.TemporaryDirectory(prefix="segue-sort-") as folder:
        runs: list[Path] = []
        run = first
        while run:
            path = Path(folder) / str(len(runs))
            with path.open("wb") as out:
                _spill(run, out)
            runs.append(path)
            run = sorted(islice(arrivals, SORT_EVENTS_MAX), key=_when)
        yield from heapq.merge(*map(_unspill, runs), key=_when)


def _when(arrival: Imported) -> Instant:
    return arrival.arrived_at


def _spill(run: list[Imported], out: IO[bytes]) -> None:
    encode = msgspec.msgpack.Encoder().encode
    for arrival in run:
        packed = encode(arrival)
        out.write(len(packed).to_bytes(4, "big") + packed)


def _unspill(path: Path) -> Iterator[Imported]:
    decode = msgspec.msgpack.Decoder(Imported).decode
    with path.open("rb") as run:
        while size := run.read(4):
            yield decode(run.read(int.from_bytes(size, "big")))


def merged(sources: Sequence[Source]) -> Iterator[Imported]:
    """Several files as one, in order of arrival."""
    return heapq.merge(*sources, key=_when)

"""Files of events: CSV, JSON lines or Parquet, plain or gzipped, mapped or in Segment's own shape.

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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from segue.connectors import mapping as mappings
from segue.connectors.cells import LeftOut, Unfit
from segue.connectors.lines import Lines, Records
from segue.connectors.mapping import Mapping
from segue.connectors.reading import Reading, in_order
from segue.connectors.rows import Imported, Row, Translator
from segue.connectors.tables import (
    Notes,
    Rejection,
    Report,
    header_of,
    mapped_rows,
    members_of,
)
from segue.errors import SourceUnreadable
from segue.kernel.values import Instant


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
        self.reading = Reading(path, on_rejection)
        if mapping is None:
            mapping = detect(path)
        self.mapping = mapping if isinstance(mapping, Mapping | None) else mappings.load(mapping)

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.reading.path

    @property
    def name(self) -> str:
        """The source that its events name."""
        return self.mapping.name if self.mapping is not None else "file"

    @property
    def how(self) -> Mapping | None:
        """What its rows are read by."""
        return self.mapping

    def __iter__(self) -> Iterator[Imported]:
        """The arrivals in order of time, from the start of the file."""
        with self.reading.from_start() as (lines, notes):
            arrivals = self._read(lines, notes)
            if self.mapping is None or self.mapping.order == "time":
                arrivals = in_order(arrivals, Imported, _when)
            yield from self._in_order(arrivals, notes.report)

    def _in_order(self, arrivals: Iterator[Imported], report: Report) -> Iterator[Imported]:
        """Rule 3, and the count."""
        latest = Instant(0)
        for arrival in arrivals:
            report.events += 1
            if arrival.arrived_at >= latest:
                latest = arrival.arrived_at
                yield arrival
            else:
                report.late += 1
                yield Imported(arrival.line, arrival.event, latest, arrival.also)

    def _read(self, lines: Lines, notes: Notes) -> Iterator[Imported]:
        if self.mapping is None:
            from segue.connectors.messages import read

            return read(lines, notes.count, notes.reject)
        rows, all_text = mapped_rows(lines, self.path, notes, self.mapping)
        return self._translated(self.mapping, rows, notes, all_text=all_text)

    def _translated(
        self,
        mapping: Mapping,
        rows: Iterator[tuple[Row, int, bytes]],
        notes: Notes,
        *,
        all_text: bool,
    ) -> Iterator[Imported]:
        columns = next(rows)[0]
        translator = Translator(mapping, [str(name) for name in columns], all_text=all_text)
        for row, line, raw in rows:
            try:
                yield from translator.translate(row, line, raw)
            except Unfit as unfit:
                notes.reject(line, str(unfit), raw)
            except LeftOut as left_out:
                notes.skip(str(left_out))
        yield from translator.flush()


def detect(path: str | Path) -> Mapping | None:
    """The packaged mapping whose columns the file has; none for Segment messages.

    Raises `SourceUnreadable` for a CSV file that fits none.
    """
    path = Path(path)
    lines = Lines(path)
    columns = lines.columns
    try:
        first = lines.take()
    except Unfit as unfit:
        raise SourceUnreadable(f"{path}:1: {unfit}") from None
    finally:
        lines.close()
    packaged = [mappings.load(name) for name in mappings.packaged()]
    if columns is not None:
        is_messages = "type" in columns and {"userId", "anonymousId"} & set(columns)
        return None if is_messages else _fitting(packaged, columns, path)
    if first.lstrip().startswith(b"{"):
        try:
            told = msgspec.json.decode(first, type=dict[str, object])
            for one in packaged:
                objects = members_of(told, one.each) if one.format == "json" else []
                if objects and all(name in objects[0] for name in one.columns()):
                    return one
        except (msgspec.DecodeError, Unfit):
            pass  # a spoilt first line says nothing of those after it
        return None
    lines = Lines(path)
    try:
        header = header_of(Records(lines, ",", "utf-8"), path)
    finally:
        lines.close()
    return _fitting([one for one in packaged if one.format == "csv"], header, path)


def _fitting(packaged: list[Mapping], columns: list[str], path: Path) -> Mapping:
    """The mapping whose columns are there."""
    for one in packaged:
        if not one.each and set(one.columns()) <= set(columns):
            return one
    raise SourceUnreadable(
        f"{path}:1: no packaged mapping fits the columns {', '.join(columns)}; "
        "say which, or write one"
    )


def _when(arrival: Imported) -> Instant:
    return arrival.arrived_at


def merged(sources: Sequence[Source]) -> Iterator[Imported]:
    """Several files as one, in order of arrival."""
    return heapq.merge(*sources, key=_when)

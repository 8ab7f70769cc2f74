"""A file as it is read: from the start, as often as is asked, watched for progress and report.

Rule 1: how far it is, and what became of its rows, is counted in one way, whatever the rows
    become.
Rule 2: what has to be in another order than the file's is sorted in runs on the disk beyond what
    memory holds.
"""

import heapq
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from segue.connectors.limits import SORT_EVENTS_MAX
from segue.connectors.lines import Lines
from segue.connectors.tables import Notes, Rejection, Report

T = TypeVar("T")


class Reading:
    """How far one file has been read, and what became of its rows."""

    def __init__(
        self, path: str | Path, on_rejection: Callable[[Rejection], None] | None = None
    ) -> None:
        """Raises `SourceUnreadable` if it can't be opened."""
        self.path = Path(path)
        self._on_rejection = on_rejection
        self._notes = Notes(on_rejection)
        self._lines: Lines | None = None
        lines = Lines(self.path)
        self.total_bytes = lines.total_bytes
        lines.close()

    @property
    def read_bytes(self) -> int:
        """How many of `total_bytes` have been read."""
        return 0 if self._lines is None else self._lines.read_bytes

    @property
    def report(self) -> Report:
        """What became of the rows so far."""
        return self._notes.report

    @contextmanager
    def from_start(self) -> Generator[tuple[Lines, Notes]]:
        """The file's lines, and what is to be noted of them; both afresh."""
        self._notes = notes = Notes(self._on_rejection)
        self._lines = lines = Lines(self.path)
        try:
            yield lines, notes
            notes.report.broken = lines.broken
        finally:
            lines.close()


def in_order(found: Iterator[T], shape: type[T], key: Callable[[T], Any]) -> Iterator[T]:
    """All of `found` by `key`, equals as they stood (rule 2); on the disk they are `shape`."""
    first = sorted(islice(found, SORT_EVENTS_MAX), key=key)
    if len(first) < SORT_EVENTS_MAX:
        yield from first
        return
    with tempfile.TemporaryDirectory(prefix="segue-sort-") as folder:
        runs: list[Path] = []
        run = first
        while run:
            runs.append(Path(folder) / str(len(runs)))
            _spill(run, runs[-1])
            run = sorted(islice(found, SORT_EVENTS_MAX), key=key)
        yield from heapq.merge(*(_unspilled(path, shape) for path in runs), key=key)


def _spill(run: list[T], path: Path) -> None:
    encode = msgspec.msgpack.Encoder().encode
    with path.open("wb") as out:
        for one in run:
            packed = encode(one)
            out.write(len(packed).to_bytes(4, "big") + packed)


def _unspilled(path: Path, shape: type[T]) -> Iterator[T]:
    decode = msgspec.msgpack.Decoder(shape).decode
    with path.open("rb") as run:
        while size := run.read(4):
            yield decode(run.read(int.from_bytes(size, "big")))

"""Lines of a file, plain, gzipped, or a Parquet file's rows, with their numbers, in bounded memory.

Rule 1: a line that is too long, not UTF-8, or a CSV record whose quote is never closed spoils
    itself only: reading goes on with the line after it.
Rule 2: progress is counted in bytes of the file as it lies on the disk, so a gzipped one too
    has a known end.
Rule 3: the rows of a Parquet file are lines of JSON, so who reads those reads these.
"""

import csv
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from segue.connectors.cells import Unfit
from segue.connectors.limits import LINE_BYTES_MAX, RECORD_LINES_MAX
from segue.connectors.parquet import MAGIC, ParquetRows
from segue.errors import SourceUnreadable

if TYPE_CHECKING:
    from typing_extensions import Buffer  # a type only until Python 3.12 is the floor

GZIP_MAGIC = b"\x1f\x8b"
GZIP_WINDOW = 31
"""What tells zlib that the stream is gzip's."""
MARK = b"\xef\xbb\xbf"
"""What some programs write before UTF-8."""
BUFFER_BYTES = 1 << 20
CHUNK_BYTES = 1 << 14
"""Of a gzipped file at once; where it is damaged, what was in the same chunk is lost too."""


BLOCK_BYTES = 1 << 16
"""Of lines that are read together, where each is a record; no line of it is too long."""


class Lines:
    """The lines of one file, as bytes, with a place to put some back."""

    def __init__(self, path: Path) -> None:
        try:
            self._raw = path.open("rb", buffering=0)
            self.total_bytes = path.stat().st_size
            begins = self._raw.read(4)
            self._raw.seek(0)
        except OSError as error:
            raise SourceUnreadable(f"{path}: {error.strerror or error}") from error
        self._unzipped = _Unzipped(self._raw) if begins.startswith(GZIP_MAGIC) else None
        try:
            self._rows = ParquetRows(path) if begins == MAGIC else None
        except SourceUnreadable:
            self._raw.close()
            raise
        self._stream = io.BufferedReader(self._rows or self._unzipped or self._raw, BUFFER_BYTES)
        self._back: list[bytes] = []
        self._path = path
        self.number = 0
        """The number of the line that `take` gave last, from 1."""
        self._failed = ""

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()
        self._raw.close()

    @property
    def read_bytes(self) -> int:
        """How far the file has been read."""
        if self._raw.closed:
            return self.total_bytes
        return round(self._rows.part * self.total_bytes) if self._rows else self._raw.tell()

    @property
    def columns(self) -> list[str] | None:
        """The names of a Parquet file's columns; other files tell theirs in their lines."""
        return self._rows.columns if self._rows is not None else None

    @property
    def broken(self) -> str:
        """Why reading ended before the end of the file, if it did."""
        source = self._rows or self._unzipped
        return self._failed or (source.broken if source is not None else "")

    def take(self) -> bytes:
        """The next line with its end, empty at the end of the file; `Unfit` if it is too long."""
        line = self._back.pop() if self._back else self._read()
        self.number += 1 if line else 0
        if len(line) < LINE_BYTES_MAX or line.endswith(b"\n"):
            return line
        while True:
            rest = self._read()
            if not rest or rest.endswith(b"\n"):
                raise Unfit(f"a line of more than {LINE_BYTES_MAX:,} bytes")

    def ahead(self) -> bytes:
        """The next whole lines, `BLOCK_BYTES` of them at most; empty where there are none ready.

        They are not taken: `pass_by` does that.
        """
        if self._back:
            return b""
        try:
            block = self._stream.peek(1)[:BLOCK_BYTES]
        except OSError:
            return b""  # who takes the next line finds out why
        return block[: block.rfind(b"\n") + 1]

    def pass_by(self, block: bytes, lines: int) -> None:
        """Take what `ahead` has shown, so many lines."""
        self._stream.read(len(block))
        self.number += lines

    def put_back(self, lines: list[bytes]) -> None:
        """Have these lines read again, in this order."""
        self._back.extend(reversed(lines))
        self.number -= len(lines)

    def _read(self) -> bytes:
        try:
            return self._stream.readline(LINE_BYTES_MAX)
        except OSError as error:
            self._failed = f"the file can't be read on: {error.strerror or error}"
            return b""


def written(lines: Lines, refuse: Callable[[int, str, bytes], None]) -> Iterator[bytes]:
    """The lines on which something stands, without a mark of order before the first; `refuse`
    hears of those that are too long.
    """
    while True:
        try:
            line = lines.take()
        except Unfit as unfit:
            refuse(lines.number, str(unfit), b"")
            continue
        if not line:
            return
        if not line.isspace():
            yield line.removeprefix(MARK)


class _Unzipped(io.RawIOBase):
    """A gzipped file's text, up to where it breaks off.

    `gzip.GzipFile` raises there, and takes the last megabyte that was good with it.
    """

    def __init__(self, raw: io.FileIO) -> None:
        self._raw = raw
        self._left = b""
        self._inflate = zlib.decompressobj(GZIP_WINDOW)
        self._begun = False
        self.broken = ""

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: "Buffer", /) -> int:
        """Fill what the reader brings; 0 is the end."""
        view = memoryview(buffer)
        while not self.broken:
            if self._inflate.eof:  # files may be joined: another member may follow
                self._left = self._inflate.unused_data.lstrip(b"\0") or self._left
                self._inflate = zlib.decompressobj(GZIP_WINDOW)
                self._begun = False
            chunk = self._left or self._raw.read(CHUNK_BYTES)
            if not chunk:
                self.broken = (
                    "the file breaks off: its gzip stream has no end" if self._begun else ""
                )
                return 0
            self._begun = True
            try:
                piece = self._inflate.decompress(chunk, len(view))
            except zlib.error as error:
                self.broken = f"the file is damaged from here on: {error}"
                return 0
            self._left = self._inflate.unconsumed_tail
            if piece:
                view[: len(piece)] = piece
                return len(piece)
        return 0


class Records:
    """The records of a CSV file: cells, the number of the first line, and the raw bytes.

    Where every line of a block is a record they are read together, which is several times
    faster; any other block line by line.
    """

    def __init__(self, lines: Lines, delimiter: str, encoding: str) -> None:
        self._lines = lines
        self._encoding = encoding
        self._delimiter = delimiter
        self._pulled: list[bytes] = []
        self._reader = self._fresh()
        self._together: list[list[str]] = []
        """Records of the block under way, the next one last."""
        self._raws: list[bytes] = []
        self._slow_until = 0
        """The last line of a block that has to be read line by line."""
        self.line = 0
        """The first line of the record that is being read."""

    def _fresh(self) -> Iterator[list[str]]:
        return csv.reader(self._feed(), delimiter=self._delimiter, strict=True)

    def _feed(self) -> Iterator[str]:
        """Lines as text; the record's end is seen by who asks for the next one."""
        while True:
            if len(self._pulled) >= RECORD_LINES_MAX:
                raise Unfit(f"a quote that is not closed within {RECORD_LINES_MAX} lines")
            line = self._lines.take()
            if not line:
                return
            self._pulled.append(line)
            try:
                decoded = line.decode(self._encoding)
            except UnicodeDecodeError as error:
                raise Unfit(f"not {self._encoding}: {error.reason}") from None
            yield decoded

    def take(self) -> list[str] | None:
        """The next record, `None` at the end; `Unfit` spoils one line and no more."""
        if self._together or (self._lines.number >= self._slow_until and self._block()):
            self.line += 1
            self._pulled[0] = self._raws.pop()
            return self._together.pop()
        self._pulled.clear()
        self.line = self._lines.number + 1
        try:
            return next(self._reader, None)
        except csv.Error as error:
            self._recover()
            raise Unfit(f"not CSV: {error}") from None
        except Unfit:
            self._recover()
            raise

    def raw(self) -> bytes:
        """The record as it was written."""
        pulled = self._pulled
        return pulled[0] if len(pulled) == 1 else b"".join(pulled)

    def _block(self) -> bool:
        """Read the next lines together; False if not every one is a record, and a good one."""
        block = self._lines.ahead()
        if not block:
            return False
        lines = io.BytesIO(block).readlines()
        try:
            text = [line.decode(self._encoding) for line in lines]
            found = list(csv.reader(text, delimiter=self._delimiter, strict=True))
        except (csv.Error, UnicodeDecodeError):
            found = []
        if len(found) != len(lines):
            self._slow_until = self._lines.number + len(lines)
            return False
        self.line = self._lines.number
        self._lines.pass_by(block, len(lines))
        self._together = found[::-1]
        self._raws = lines[::-1]
        self._pulled = [b""]
        return True

    def _recover(self) -> None:
        """Give up the first line alone, and read those after it afresh."""
        self._lines.put_back(self._pulled[1:])
        self._reader = self._fresh()

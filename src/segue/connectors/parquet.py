"""A Parquet file as JSON lines, a row each, so that all that reads JSON lines reads it too.

Rule 1: rows come in the file's own order, a bounded number at a time; the line is the row's number.
Rule 2: values are told as JSON would: times in ISO with their offset, decimals as numbers, what is
    no number (NaN) as null; records and lists as they are.
Rule 3: a file that is damaged gives what was read before, and says so (`broken`).

DuckDB reads the format; it comes with `segue[parquet]` and is imported for such files alone.
"""

import io
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from segue.connectors.limits import (
    PARQUET_AHEAD_MAX,
    PARQUET_MEMORY_MAX,
    PARQUET_ROWS_AT_ONCE_MAX,
)
from segue.errors import SourceUnreadable
from segue.stores.statements import named

if TYPE_CHECKING:
    from typing_extensions import Buffer  # a type only until Python 3.12 is the floor

MAGIC = b"PAR1"
"""What the file begins and ends with."""

_ZONED = "TIMESTAMP WITH TIME ZONE"
_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode


@cache
def _queries() -> dict[str, str]:
    return named((files("segue.connectors") / "parquet.sql").read_text(encoding="utf-8"))


class ParquetRows(io.RawIOBase):
    """The file's rows as lines of JSON, to be read like a file."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises `SourceUnreadable` where it is none, or nothing can read it."""
        self.broken = ""
        self._left = b""
        self._done = 0
        self._open: Any = None
        try:
            import duckdb
        except ImportError:
            raise SourceUnreadable(
                f"{path}: a Parquet file, which is read with `pip install 'segue[parquet]'`"
            ) from None
        self._failures = duckdb.Error
        self._open = duckdb.connect(
            config={
                "threads": 1,
                "memory_limit": PARQUET_MEMORY_MAX,
                "autoinstall_known_extensions": "false",
            }
        )
        try:
            self._open.execute(f"SET streaming_buffer_size = '{PARQUET_AHEAD_MAX}'")
            columns = self._ask("parquet_columns", path).fetchall()
            self.columns = [str(column[0]) for column in columns]
            zoned = [str(column[1]) == _ZONED for column in columns]
            self._zoned = [spot for spot, is_zoned in enumerate(zoned) if is_zoned]
            self._of = int((self._ask("parquet_count", path).fetchone() or (0,))[0] or 0)
            # Without its calendar extension DuckDB gives no instants, but it counts them.
            taken = (
                f"make_timestamp(epoch_us({_quoted(name)}))" if is_zoned else _quoted(name)
                for name, is_zoned in zip(self.columns, zoned, strict=True)
            )
            self._rows = self._lines(self._ask("parquet_rows", path, ", ".join(taken)))
        except duckdb.Error as error:
            self.close()
            raise SourceUnreadable(f"{path}: {_first_line(error)}") from error

    def _ask(self, query: str, path: Path, columns: str = "") -> Any:
        return self._open.execute(_queries()[query].replace("/* columns */", columns), [str(path)])

    def close(self) -> None:
        """Let go of the file."""
        if self._open is not None:
            self._open.close()
        super().close()

    @property
    def part(self) -> float:
        """How much of the file has been read, from 0 to 1."""
        return self._done / self._of if self._of else 1.0

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: "Buffer", /) -> int:
        """Fill what the reader brings; 0 is the end."""
        view = memoryview(buffer)
        if not self._left:
            self._left = next(self._rows, b"")
        piece, self._left = self._left[: len(view)], self._left[len(view) :]
        view[: len(piece)] = piece
        return len(piece)

    def _lines(self, answer: Any) -> Iterator[bytes]:
        """Some rows at once, as lines."""
        while True:
            try:
                rows = answer.fetchmany(PARQUET_ROWS_AT_ONCE_MAX)
            except self._failures as error:
                self.broken = f"the file is damaged from here on: {_first_line(error)}"
                return
            if not rows:
                return
            self._done += len(rows)
            yield b"".join(self._line(row) for row in rows)

    def _line(self, row: tuple[Any, ...]) -> bytes:
        told = dict(zip(self.columns, row, strict=True))
        for spot in self._zoned:
            at = row[spot]
            if isinstance(at, datetime):
                told[self.columns[spot]] = f"{at.isoformat()}Z"
        return _encode(told) + b"\n"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]

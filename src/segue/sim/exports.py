"""Long lists on their way out: each shard writes its part in order, and parts are merged.

Rule: memory holds one row of each part, however long the list; the order is that of time, then
of profiles, so it does not depend on how the log was cut.
"""

import heapq
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from segue.kernel.values import Instant

_encode = msgspec.json.Encoder().encode


class Export:
    """One shard's part."""

    def __init__(self, folder: str, kind: str, number: int) -> None:
        self._path = Path(folder) / f"{kind}-{number:04d}"
        self._rows: list[tuple[int, str, int, bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rows.sort()
        with self._path.open("wb") as out:
            for at, profile, _, body in self._rows:
                out.write(b"%d\t%b\t%b\n" % (at, profile.encode(), body))

    def write(self, at: Instant, profile: str, row: msgspec.Struct) -> None:
        """Keep a row; those of one instant and profile stay in their order."""
        self._rows.append((at, profile, len(self._rows), _encode(row)))


def gather(folder: Path, kind: str, shards: int, path: Path) -> None:
    """Write all parts as one file, in order."""
    parts = [folder / f"{kind}-{number:04d}" for number in range(shards)]
    with ExitStack() as stack:
        files = [stack.enter_context(part.open("rb")) for part in parts if part.exists()]
        out = stack.enter_context(path.open("wb"))
        for _, _, body in heapq.merge(*map(_split, files), key=_place):
            out.write(body)


def _split(file: BinaryIO) -> Iterator[tuple[int, bytes, bytes]]:
    for line in file:
        at, profile, body = line.split(b"\t", 2)
        yield int(at), profile, body


def _place(row: tuple[int, bytes, bytes]) -> tuple[int, bytes]:
    return row[:2]

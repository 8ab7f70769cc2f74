"""JSON lines of Segment messages (or batches), as a log or an export holds them.

Rule: a line arrived when its `receivedAt` says; a log without it arrived when it was sent, or
else when it happened. The messages themselves are read by the same reader as those that come
over HTTP (`segment.py`), so a replay and a live stream can't disagree.
"""

from collections.abc import Callable, Iterator

import msgspec

from segue.connectors import segment
from segue.connectors.limits import BATCH_MESSAGES_MAX, INSTANT_MAX
from segue.connectors.lines import Lines, written
from segue.connectors.rows import Imported
from segue.kernel.inputs import Consented, Reported
from segue.kernel.values import Instant

SOURCE = "file"


class _Times(msgspec.Struct, rename="camel"):
    received_at: object = None
    sent_at: object = None
    original_timestamp: object = None
    timestamp: object = None


_times = msgspec.json.Decoder(_Times).decode


def read(
    lines: Lines, count: Callable[[], None], reject: Callable[[int, str, bytes], None]
) -> Iterator[Imported]:
    """Every message, in the order of the file; what can't be read is given to `reject`."""

    def refuse(line: int, reason: str, raw: bytes) -> None:
        count()
        reject(line, reason, raw)

    for raw in written(lines, refuse):
        try:
            parcel = segment.unpack(raw)
        except segment.Unreadable as error:
            refuse(lines.number, str(error), raw)
            continue
        for place, message in enumerate(parcel.messages):
            count()
            arrived = _arrival(message, parcel.sent_at)
            if arrived is None:
                reject(lines.number, "no readable receivedAt, sentAt or timestamp", bytes(message))
                continue
            reader = segment.Reader(parcel, arrived, source=SOURCE)
            # The line's number tells equal messages without an id apart.
            taken = reader.message(lines.number * BATCH_MESSAGES_MAX + place, message)
            if isinstance(taken, segment.Refused):
                reject(lines.number, f"{taken.code}: {taken.text}", taken.body)
                continue
            also: tuple[Consented | Reported, ...] = taken.consents
            if taken.report is not None:
                also = (*also, taken.report)
            yield Imported(lines.number, taken.event, arrived, also)


def _arrival(message: bytes | msgspec.Raw, sent_at: object) -> Instant | None:
    """When a message arrived, as far as it says; a broken one is left for the reader to name."""
    try:
        told = _times(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Instant(0)
    for said in (told.received_at, told.sent_at, sent_at, told.original_timestamp, told.timestamp):
        at = segment.instant(said) if said is not None else None
        if at is not None and 0 <= at < INSTANT_MAX:
            return at
    return None

"""Segment's HTTP API: messages in, 200 after the commit.

Rule 1: `{"success": true}` with 200 means: durable, every usable message counts exactly once.
Rule 2: a bad message of a batch is set aside with its reason and told in the answer; the good
    ones are kept. If none was usable the answer is 400, so that its author sees it.
Rule 3: when the queue is full, 429 with Retry-After; when the store can't save, 503. Clients
    send again, and `messageId` sees to it that nothing counts twice.
"""

import json
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from segue.connectors import segment
from segue.connectors.limits import BATCH_MESSAGES_MAX
from segue.errors import BodyTooLarge, BodyUnreadable, NothingUsable
from segue.hosts.arrivals import Answer, Arrival
from segue.kernel.values import Instant
from segue.server import auth, bodies, limits
from segue.server.site import Site, site_of
from segue.stores.ports import SetAside

KINDS: Final[dict[str, segment.Kind | None]] = {
    "identify": "identify",
    "track": "track",
    "page": "page",
    "screen": "screen",
    "group": "group",
    "alias": "alias",
    "batch": None,
    "import": None,
    "i": "identify",
    "t": "track",
    "p": "page",
    "s": "screen",
    "g": "group",
    "a": "alias",
    "b": None,
}
"""The paths under /v1 and the kind of message each is for."""

_SUCCESS: Final = b'{"success": true}'


class _Opened(msgspec.Struct, frozen=True):
    """A request's messages, read."""

    source: str
    arrivals: tuple[Arrival, ...]
    events: tuple[int, ...]
    """Which of the arrivals are events, by position."""
    indexes: tuple[int, ...]
    """For each event: which message of the batch it was."""
    refused: tuple[segment.Refused, ...]


async def receive(request: Request) -> Response:
    """Any of the ingestion routes."""
    site = site_of(request)
    name: str = request.scope["path"].rsplit("/", 1)[-1]
    key = auth.header_key(request)
    if key:
        auth.source_of(key, site.settings.write_keys)
    body = await bodies.read(request)
    at = site.clock.now()
    if len(body) <= limits.BODY_INLINE_BYTES_MAX:
        opened = _open(site, body, key, name, at)
    else:
        opened = await site.away(lambda: _open(site, body, key, name, at))
    answers = await site.bridge.ask(opened.arrivals)
    refused = [*opened.refused, *_refused_later(opened, answers)]
    if opened.refused:
        await site.set_aside([_kept(bad, opened.source, at) for bad in opened.refused])
    accepted = sum(answers[event].status in ("accepted", "duplicate") for event in opened.events)
    site.metrics.received(opened.source, answers)
    if not refused:
        return Response(_SUCCESS, media_type="application/json")
    if accepted == 0:
        first = refused[0]
        place = f" (at {first.place})" if first.place else ""
        raise NothingUsable(f"{first.code}{place}: {first.text}")
    return Response(_told(accepted, refused), media_type="application/json")


def _open(site: Site, body: bytes, key: str, name: str, at: Instant) -> _Opened:
    try:
        parcel = segment.unpack(body)
    except segment.Unreadable as error:
        raise BodyUnreadable(str(error)) from error
    source = auth.source_of(key or parcel.write_key, site.settings.write_keys)
    if len(parcel.messages) > BATCH_MESSAGES_MAX:
        count = len(parcel.messages)
        raise BodyTooLarge(f"the batch has {count:,} messages; at most {BATCH_MESSAGES_MAX:,}")
    reader = segment.Reader(
        parcel, at, source=source, kind=KINDS.get(name), history=name == "import"
    )
    arrivals: list[Arrival] = []
    events: list[int] = []
    indexes: list[int] = []
    refused: list[segment.Refused] = []
    for index, raw in enumerate(parcel.messages):
        read = reader.message(index, raw)
        if isinstance(read, segment.Refused):
            refused.append(read)
            continue
        event = read.event
        events.append(len(arrivals))
        indexes.append(index)
        arrivals.append(Arrival(input=event, source=source))
        besides = (*read.consents, *((read.report,) if read.report else ()))
        arrivals += [
            Arrival(
                input=more,
                user_id=event.user_id,
                anonymous_id=event.anonymous_id,
                source=source,
            )
            for more in besides
        ]
    return _Opened(source, tuple(arrivals), tuple(events), tuple(indexes), tuple(refused))


def _refused_later(opened: _Opened, answers: list[Answer]) -> list[segment.Refused]:
    """Messages that read well and could not be answered: the host has set them aside."""
    return [
        segment.Refused(
            index=index, code="set_aside", place="", text=answers[event].reason, body=b""
        )
        for event, index in zip(opened.events, opened.indexes, strict=True)
        if answers[event].status == "set_aside"
    ]


def _kept(bad: segment.Refused, source: str, at: Instant) -> SetAside:
    place = f"{bad.place}: " if bad.place else ""
    return SetAside(at=at, source=source, code=bad.code, reason=f"{place}{bad.text}", body=bad.body)


def _told(accepted: int, refused: list[segment.Refused]) -> bytes:
    told = [
        {
            "index": bad.index,
            "code": bad.code,
            "place": bad.place,
            "message": bad.text,
            "messageId": bad.message_id,
        }
        for bad in sorted(refused, key=lambda bad: bad.index)[: limits.REFUSALS_TOLD_MAX]
    ]
    body = {
        "success": True,
        "accepted": accepted,
        "refused_count": len(refused),
        "refused": told,
    }
    return json.dumps(body).encode()

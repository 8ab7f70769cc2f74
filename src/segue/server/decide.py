"""What belongs into a page's placements, and what became of it there.

`POST /v1/decide` is answered after the commit of what it decided: what the page shows has been
counted, so a cap holds even when two tabs ask at once.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal as OneOf, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from segue.connectors.limits import ID_CHARS_MAX
from segue.connectors.segment import PLACEHOLDERS, first_flaw
from segue.errors import BodyUnreadable, NothingUsable, Unrenderable
from segue.hosts.arrivals import Arrival
from segue.kernel.effects import Show
from segue.kernel.inputs import Asked, Reported
from segue.kernel.values import Instant
from segue.server import auth, bodies, limits
from segue.server.site import Site, site_of

T = TypeVar("T")

Id = Annotated[str, msgspec.Meta(max_length=ID_CHARS_MAX)]
Placement = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.PLACEMENT_CHARS_MAX)]


class Question(msgspec.Struct, kw_only=True, rename="camel"):
    """The body of `POST /v1/decide`."""

    placements: Annotated[
        list[Placement], msgspec.Meta(min_length=1, max_length=limits.PLACEMENTS_MAX)
    ]
    user_id: Id | int | None = None
    anonymous_id: Id | int | None = None
    context: dict[str, Any] = {}
    id: Id = ""
    write_key: str | None = None


class Report(msgspec.Struct, kw_only=True, rename="camel"):
    """The body of `POST /v1/report`."""

    send_id: Annotated[str, msgspec.Meta(min_length=1, max_length=ID_CHARS_MAX)] = msgspec.field(
        name="send_id"
    )
    outcome: OneOf["shown", "clicked", "dismissed"]
    user_id: Id | int | None = None
    anonymous_id: Id | int | None = None
    write_key: str | None = None


_question = msgspec.json.Decoder(Question)
_report = msgspec.json.Decoder(Report)
_encode = msgspec.json.Encoder().encode


async def decide(request: Request) -> Response:
    """Answer a page's question."""
    site = site_of(request)
    asked, source = await _read(request, _question)
    user, anonymous = _who(asked.user_id, asked.anonymous_id)
    question = Asked(
        id=asked.id, placements=tuple(dict.fromkeys(asked.placements)), context=asked.context
    )
    arrival = Arrival(input=question, user_id=user, anonymous_id=anonymous, source=source)
    answer = (await site.bridge.ask([arrival]))[0]
    site.metrics.received(source, [answer])
    if answer.status == "set_aside":
        raise NothingUsable(answer.reason)
    placements: dict[str, object] = {name: None for name in question.placements}  # noqa: C420
    for show in answer.shows:
        placements[show.placement] = _filled(site, show)
    body = {"decision_id": answer.question or question.id, "placements": placements}
    return Response(_encode(body), media_type="application/json")


async def report(request: Request) -> Response:
    """Take what became of a message on a page."""
    site = site_of(request)
    told, source = await _read(request, _report)
    user, anonymous = _who(told.user_id, told.anonymous_id)
    reported = Reported(send_id=told.send_id, outcome=told.outcome)
    arrival = Arrival(input=reported, user_id=user, anonymous_id=anonymous, source=source)
    answer = (await site.bridge.ask([arrival]))[0]
    site.metrics.received(source, [answer])
    body = {"success": True, "known": answer.status in ("accepted", "duplicate")}
    return Response(_encode(body), media_type="application/json")


async def _read(request: Request, decoder: msgspec.json.Decoder[T]) -> tuple[T, str]:
    """The decoded body and the source that its write key names."""
    site = site_of(request)
    key = auth.header_key(request)
    if key:
        auth.source_of(key, site.settings.write_keys)
    body = await bodies.read(request, limits.ASKED_BYTES_MAX)
    try:
        found = decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, RecursionError):
            raise BodyUnreadable("the body is nested too deeply") from error
        raise BodyUnreadable(str(error).replace("`$.", "`").replace("`$`", "the body")) from error
    source = auth.source_of(
        key or getattr(found, "write_key", None) or "", site.settings.write_keys
    )
    flaw = first_flaw(body)
    if flaw is not None:
        raise BodyUnreadable(f"{flaw[0]} at {flaw[1] or 'the body'}")
    return found, source


def _who(user: str | int | None, anonymous: str | int | None) -> tuple[str, str]:
    ids = ["" if given is None else str(given).strip() for given in (user, anonymous)]
    ids = ["" if given.lower() in PLACEHOLDERS else given for given in ids]
    if not any(ids):
        raise BodyUnreadable("the body names no customer: neither userId nor anonymousId")
    return ids[0], ids[1]


def _filled(site: Site, show: Show) -> dict[str, object] | None:
    """What the page gets; nothing where the template failed (the page stays as it is)."""
    try:
        fields = site.render(show.program, show)
    except Unrenderable as error:
        site.metrics.unrenderable(show.message, str(error))
        return None
    return {
        "id": show.id,
        "message": show.message,
        "channel": show.channel,
        "fields": dict(fields),
        "expires_at": iso(show.not_after),
        "again": show.again,
    }


def iso(at: Instant) -> str:
    """An instant as the spec writes times."""
    try:
        moment = datetime.fromtimestamp(at / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return "9999-12-31T23:59:59.999Z"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""Files of history, a piece at a time: `GET` and `POST /v1/imports/{name}`.

Rule 1: a piece is answered after the commit of its events, and then remembered: `reached` is how
    many entries of the file were given so far. Whoever starts again asks for it, and goes on there.
Rule 2: an entry that was given twice counts once, by the id of its event. So a crash between the
    commit and the mark costs a repeat, never an event.
Rule 3: what comes by a file is history: it counts, and opens no session.
"""

import re
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from segue.connectors.limits import ID_CHARS_MAX, NAME_CHARS_MAX
from segue.connectors.segment import REFUSALS, first_flaw
from segue.connectors.webhook import Item
from segue.errors import BodyUnreadable
from segue.hosts.arrivals import Arrival
from segue.kernel.inputs import Consented, Event, Reported
from segue.server import bodies, hooks, limits
from segue.server.admin import as_json
from segue.server.site import site_of

_NAME = re.compile(r"[0-9a-f]{16,64}")


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one row, or one object, of a file says."""

    line: int
    event: Event | None = None
    also: tuple[Consented | Reported, ...] = ()
    user_id: str = ""
    anonymous_id: str = ""
    """Whose `also` is, where there is no event."""
    items: tuple[Item, ...] = ()


class Piece(msgspec.Struct):
    """Some entries of a file, and how many were given when these are."""

    source: str
    reached: int
    entries: list[msgspec.Raw]


_piece = msgspec.json.Decoder(Piece).decode
_entry = msgspec.json.Decoder(Entry).decode


async def imports(request: Request) -> Response:
    """How far an import is (GET), or its next piece (POST)."""
    site = site_of(request)
    name: str = request.path_params["name"]
    if not _NAME.fullmatch(name):
        raise BodyUnreadable("an import is named by the digest of its file")
    mark = f"imported:{name}"
    if request.method == "GET":
        reached = await site.away(lambda: site.store.meta(mark))
        return as_json({"reached": int(reached or 0)})
    body = await bodies.read(request, limits.ITEMS_BYTES_MAX)
    try:
        piece = _piece(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyUnreadable(str(error) or "nested too deep") from error
    entries, refused = _read(piece)
    arrivals, lines = _arrivals(piece.source, entries)
    answers = await site.bridge.ask(arrivals)
    site.metrics.received(piece.source, answers)
    items = tuple(item for entry in entries for item in entry.items)
    changed = await hooks.shelve(site, items) if items else 0
    refused += [
        {"line": line, "message": answer.reason}
        for answer, line in zip(answers, lines, strict=True)
        if answer.status in ("set_aside", "unknown")
    ]
    reached = str(piece.reached)
    await site.away(lambda: site.store.commit((), meta={mark: reached}))
    return as_json(
        {
            "accepted": sum(answer.status == "accepted" for answer in answers),
            "known_already": sum(answer.status == "duplicate" for answer in answers),
            "items_changed": changed,
            "refused": refused,
        }
    )


def _read(piece: Piece) -> tuple[list[Entry], list[dict[str, Any]]]:
    """The entries that can be used, and what is wrong with the others."""
    good: list[Entry] = []
    refused: list[dict[str, Any]] = []
    for place, raw in enumerate(piece.entries):
        try:
            entry = _entry(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            refused.append({"line": 0, "message": f"entries[{place}]: {error}"})
            continue
        wrong = _flaw(raw, entry)
        if wrong:
            refused.append({"line": entry.line, "message": wrong})
        else:
            good.append(entry)
    return good, refused


def _flaw(raw: msgspec.Raw, entry: Entry) -> str:
    event = entry.event
    if event is not None and not (event.id and event.name):
        return "an event needs an id and a name"
    if event is not None and (event.emitted or len(event.name) > NAME_CHARS_MAX):
        return "no such event can come from outside"
    if event is not None and max(map(len, (event.user_id, event.anonymous_id))) > ID_CHARS_MAX:
        return REFUSALS["id_too_long"]
    flaw = first_flaw(raw)
    return "" if flaw is None else f"{flaw[1]}: {REFUSALS[flaw[0]]}"


def _arrivals(source: str, entries: list[Entry]) -> tuple[list[Arrival], list[int]]:
    arrivals: list[Arrival] = []
    lines: list[int] = []
    for entry in entries:
        who = entry.user_id, entry.anonymous_id
        if entry.event is not None:
            past = msgspec.structs.replace(entry.event, live=False)
            arrivals.append(Arrival(input=past, source=source))
            who = past.user_id, past.anonymous_id
        arrivals += [
            Arrival(input=said, user_id=who[0], anonymous_id=who[1], source=source)
            for said in entry.also
        ]
        lines += [entry.line] * (len(arrivals) - len(lines))
    return arrivals, lines

"""Catalogs over HTTP: items read, put and taken out, by administrators.

Rule 1: what is answered 200 is saved; whom a change concerns is told in the background.
Rule 2: an item that can't be kept is refused with its place, and harms none beside it.
"""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from segue.connectors.cells import Unfit
from segue.connectors.items import id_in, is_catalog, item
from segue.connectors.limits import ITEM_BYTES_MAX
from segue.errors import BodyUnreadable, NoSuchThing
from segue.kernel.values import Record
from segue.server import bodies, limits
from segue.server.admin import as_json, limit_of
from segue.server.site import site_of
from segue.stores.ports import Item


class _Items(msgspec.Struct):
    items: list[Any]


_list = msgspec.json.Decoder(list[Any] | _Items).decode
_object = msgspec.json.Decoder(dict[str, Any]).decode


async def catalogs(request: Request) -> Response:
    """Every catalog with the number of its items."""
    site = site_of(request)
    counts = await site.away(site.store.catalogs)
    return as_json({"catalogs": [{"name": name, "items": many} for name, many in counts.items()]})


async def items(request: Request) -> Response:
    """Items in order of id (GET), or some put at once (PUT)."""
    name = _catalog(request)
    if request.method == "PUT":
        return await _put(request, name)
    site = site_of(request)
    after, limit = request.query_params.get("after", ""), limit_of(request)
    found = await site.away(lambda: site.store.items(name, after, limit))
    more = found[-1].id if len(found) == limit else None
    return as_json({"items": [_told(one) for one in found], "next": more})


async def one(request: Request) -> Response:
    """One item: read (GET), put (PUT) or taken out (DELETE)."""
    site = site_of(request)
    name, id_ = _catalog(request), request.path_params["item"]
    if request.method == "GET":
        found = await site.away(lambda: site.store.item(name, id_))
        if found is None:
            raise NoSuchThing(f"there is no item {id_[:200]!r} in {name}")
        told = {"item": _told(found), "changed_at": found.at, "number": found.number}
        return as_json(told)
    fields: Record | None = None
    if request.method == "PUT":
        try:
            id_, fields = item(id_, _object(await bodies.read(request, ITEM_BYTES_MAX * 2)))
        except (Unfit, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BodyUnreadable(str(error) or "nested too deep") from error
    lines = await site.away(lambda: site.host.put_items([(name, id_, fields)]))
    return as_json({"changed": len(lines)})


async def _put(request: Request, name: str) -> Response:
    site = site_of(request)
    body = await bodies.read(request, limits.ITEMS_BYTES_MAX)
    try:
        said = _list(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyUnreadable(str(error) or "nested too deep") from error
    given = said.items if isinstance(said, _Items) else said
    good: list[tuple[str, str, Record | None]] = []
    refused: list[dict[str, str]] = []
    for place, each in enumerate(given):
        try:
            id_, fields = item(id_in(each), each)
        except Unfit as unfit:
            refused.append({"place": f"items[{place}]", "message": str(unfit)})
        else:
            good.append((name, id_, fields))
    lines = await site.away(lambda: site.host.put_items(good)) if good else []
    told = refused[: limits.REFUSALS_TOLD_MAX]
    answer = {
        "changed": len(lines),
        "unchanged": len(good) - len(lines),
        "refused": told,
        "refused_in_all": len(refused),
    }
    return as_json(answer)


def _catalog(request: Request) -> str:
    name: str = request.path_params["catalog"]
    if not is_catalog(name):
        raise NoSuchThing(f"no catalog can be called {name[:80]!r}: lower case, digits, - and _")
    return name


def _told(found: Item) -> dict[str, Any]:
    return {"id": found.id, **found.fields}

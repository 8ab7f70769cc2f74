"""What shops, payment systems and CRMs tell by webhook: `POST /v1/hooks/{source}`.

Rule 1: a delivery that does not prove where it comes from is answered 401 and leaves nothing
    behind but a count; a source without a secret in the settings is not listened to.
Rule 2: a genuine delivery is answered 200 after the commit, also where nothing follows from
    it, or its sender would repeat it for days. Repeats change nothing: ids follow from what
    happened.
Rule 3: what a genuine delivery says and can't be read is set aside with its reason.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from segue.connectors import hubspot, shopify, shopify_items, stripe
from segue.connectors.limits import SET_ASIDE_BYTES_MAX, WEBHOOK_BYTES_MAX
from segue.connectors.webhook import Item, Refused, Verified
from segue.errors import BodyTooLarge, BodyUnreadable, NoSuchThing, Unproven
from segue.hosts.arrivals import Answer, Arrival
from segue.kernel.values import Instant, Record
from segue.server import bodies, limits
from segue.server.site import Settings, Site, site_of
from segue.stores.ports import SetAside

Reader: TypeAlias = Callable[
    [Mapping[str, str], bytes, str, Instant, str, Settings], Verified | Refused
]


def _shopify(
    headers: Mapping[str, str], body: bytes, secret: str, at: Instant, _uri: str, known: Settings
) -> Verified | Refused:
    return shopify.receive(
        headers,
        body,
        secret,
        at,
        user_by=known.customers_by,
        marketing_topics=known.marketing_topics,
    )


def _stripe(
    headers: Mapping[str, str], body: bytes, secret: str, at: Instant, _uri: str, known: Settings
) -> Verified | Refused:
    return stripe.receive(headers, body, secret, at, user_by=known.customers_by)


def _hubspot(
    headers: Mapping[str, str], body: bytes, secret: str, at: Instant, uri: str, known: Settings
) -> Verified | Refused:
    return hubspot.receive(headers, body, secret, at, uri=uri, user_by=known.customers_by)


SOURCES: Final[Mapping[str, Reader]] = {
    "shopify": _shopify,
    "stripe": _stripe,
    "hubspot": _hubspot,
}
"""Who may tell something, and how it is read."""

_encode = msgspec.json.Encoder().encode


async def receive(request: Request) -> Response:
    """Take one delivery of a source."""
    site = site_of(request)
    source: str = request.path_params["source"]
    reader = SOURCES.get(source)
    if reader is None:
        raise NoSuchThing(f"there is no source {source[:40]!r}; there are {', '.join(SOURCES)}")
    secret = site.settings.hook_secrets.get(source)
    body = await bodies.raw(request, WEBHOOK_BYTES_MAX)
    if not secret:
        site.metrics.add("segue_callbacks_total", source, "no_secret")
        raise Unproven(f"no secret of {source} is set, so nothing of it is taken")
    key, at, uri = secret.reveal(), site.clock.now(), called(request, site.settings.public_url)

    def read() -> Verified | Refused:
        return reader(request.headers, body, key, at, uri, site.settings)

    inline = len(body) <= limits.BODY_INLINE_BYTES_MAX
    told = read() if inline else await site.away(read)
    if isinstance(told, Refused):
        await _refuse(site, told, body, at)
    else:
        return await _take(site, told, body, at)
    raise AssertionError("a refusal raises")


def called(request: Request, public_url: str) -> str:
    """The address that the sender called, as the public sees it."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if public_url:
        return public_url.rstrip("/") + path
    return f"{request.url.scheme}://{request.url.netloc}{path}"


async def _take(site: Site, told: Verified, body: bytes, at: Instant) -> Response:
    arrivals = [Arrival(input=event, source=told.source) for event in told.events]
    arrivals += [
        Arrival(input=said, user_id=user, source=told.source) for user, said in told.consents
    ]
    answers: list[Answer] = await site.bridge.ask(arrivals)
    changed = await shelve(site, told.items) if told.items else 0
    site.metrics.received(told.source, answers)
    site.metrics.add("segue_callbacks_total", told.source, "ignored" if told.ignored else "taken")
    if told.faults:
        await site.set_aside(
            [_kept(told.source, "malformed", fault, body, at) for fault in told.faults]
        )
    known = sum(answer.status == "duplicate" for answer in answers)
    answer = {
        "success": True,
        "events": len(told.events),
        "known_already": known,
        "items_changed": changed,
        "ignored": told.ignored,
    }
    return Response(_encode(answer), media_type="application/json")


async def shelve(site: Site, items: tuple[Item, ...]) -> int:
    """Put what a shop tells of its items into the catalog; how many items that changed."""

    def look_up(catalog: str, name: str) -> Record | None:
        found = site.store.item(catalog, name)
        return None if found is None else found.fields

    def shelve() -> int:
        # What is known decides what changes: one delivery after the other.
        with site.shelving:
            made = shopify_items.changes(items, look_up)
            return len(site.host.put_items(made)) if made else 0

    return await site.away(shelve)


async def _refuse(site: Site, told: Refused, body: bytes, at: Instant) -> None:
    site.metrics.add("segue_callbacks_total", told.source, told.reason)
    match told.reason:
        case "too_large":
            raise BodyTooLarge(told.detail)
        case "malformed":
            await site.set_aside([_kept(told.source, "malformed", told.detail, body, at)])
            raise BodyUnreadable(told.detail)
        case _:
            # The same words for all, so that a forger learns nothing.
            raise Unproven("the signature is missing, wrong or too old")


def _kept(source: str, code: str, reason: str, body: bytes, at: Instant) -> SetAside:
    kept = body[:SET_ASIDE_BYTES_MAX]
    return SetAside(at=at, source=source, code=code, reason=reason, body=kept)

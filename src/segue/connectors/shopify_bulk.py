"""Shopify's bulk operation files: orders, customers and products, as the Admin API exports them.

A line is an object of GraphQL with its global id; what is nested in a connection (an order's lines,
a product's variants) stands on lines of its own, with the id of its parent as `__parentId`.

Rule 1: each object is written anew in the words of the webhook of the same thing, and read by the
    webhook's own reader: the events have the same ids, so what came by both ways counts once.
Rule 2: children may stand anywhere after their parent. Lines are sorted by parent, on disk beyond
    what memory holds; only the ids of parents are kept.
Rule 3: ids are the digits of the global id, as text; they exceed 2^53.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from segue.connectors import shopify
from segue.connectors.cells import Unfit
from segue.connectors.limits import INSTANT_MAX
from segue.connectors.lines import Lines
from segue.connectors.reading import Reading, in_order
from segue.connectors.tables import Notes, Rejection, json_objects
from segue.connectors.webhook import Body, Item, Refused, UserBy, members, record, records, word
from segue.kernel.inputs import Consented, Event
from segue.kernel.values import Instant

GID = "gid://shopify/"
_PARENT = "__parentId"


class _Line(NamedTuple):
    """A line of the file, with where its family stands in it."""

    place: int
    """That of the parent among the parents."""
    line: int
    raw: bytes


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What one object with all that belongs to it says."""

    line: int
    events: tuple[Event, ...] = ()
    consents: tuple[tuple[str, Consented], ...] = ()
    items: tuple[Item, ...] = ()


def is_bulk(path: Path) -> bool:
    """Whether a file begins as a bulk file does."""
    lines = Lines(path)
    try:
        first = msgspec.json.decode(lines.take(), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Unfit):
        return False
    finally:
        lines.close()
    return str(first.get("id", "")).startswith(GID)


class BulkFile:
    """One bulk file: iterate it; watch it for progress and report."""

    name = shopify.SOURCE
    how = "bulk"

    def __init__(
        self,
        path: str | Path,
        *,
        user_by: UserBy = "id",
        marketing_topics: tuple[str, ...] = ("marketing",),
        on_rejection: Callable[[Rejection], None] | None = None,
    ) -> None:
        self.reading = Reading(path, on_rejection)
        self._user_by: UserBy = user_by
        self._topics = marketing_topics

    def __iter__(self) -> Iterator[Found]:
        """What each object says, in the order of the file."""
        with self.reading.from_start() as (lines, notes):
            # Parents in the order of the file, each followed by all that is its own (rule 2).
            found = in_order(self._numbered(lines, notes), _Line, itemgetter(0, 1))
            for _, family in groupby(found, key=itemgetter(0)):
                one = self._found(list(family), notes)
                if one is not None:
                    notes.report.events += len(one.events)
                    yield one

    def _numbered(self, lines: Lines, notes: Notes) -> Iterator[_Line]:
        places: dict[str, int] = {}
        for said, line, raw in json_objects(lines, notes):
            parent, own = said.get(_PARENT), said.get("id")
            if isinstance(parent, str):
                if parent not in places:
                    notes.reject(line, f"its parent {parent[:80]} is not before it", raw)
                    continue
                place = places[parent]
                if isinstance(own, str):
                    places[own] = place
            elif isinstance(own, str) and own.startswith(GID):
                place = places.setdefault(own, len(places))
            else:
                notes.reject(line, "no id of Shopify's and no parent", raw)
                continue
            yield _Line(place, line, raw.partition(b":")[2])

    def _found(self, family: list[_Line], notes: Notes) -> Found | None:
        said = msgspec.json.decode(family[0][2], type=dict[str, Any])
        children = [msgspec.json.decode(raw, type=dict[str, Any]) for _, _, raw in family[1:]]
        line = family[0][1]
        topic = _kind(said)
        write = _WRITERS.get(topic)
        if write is None:
            notes.skip(f"nothing is made of {topic or 'objects without a kind'}"[:80])
            return None
        events: list[Event] = []
        consents: list[tuple[str, Consented]] = []
        items: list[Item] = []
        for kind, body in write(said, children):
            told = shopify.said(
                kind, body, Instant(INSTANT_MAX - 1), user_by=self._user_by,
                marketing_topics=self._topics,
            )  # fmt: skip
            if isinstance(told, Refused):
                notes.reject(line, told.detail, family[0][2])
                continue
            events += (msgspec.structs.replace(event, live=False) for event in told.events)
            consents += told.consents
            items += told.items
        if any(event.at >= INSTANT_MAX - 1 for event in events):
            notes.reject(line, "no time at which it happened", family[0][2])
            return None
        return Found(line=line, events=tuple(events), consents=tuple(consents), items=tuple(items))


# ── in the words of the webhooks ────────────────────────────────────────────────────

Told = Iterator[tuple[str, Body]]
"""Topics with their bodies."""


def _kind(said: Body) -> str:
    return word(said.get("id")).removeprefix(GID).partition("/")[0]


def _number(said: object) -> str:
    """The digits of a global id."""
    own = word(record(said).get("id") or said)
    return own.rpartition("/")[2].partition("?")[0]


def _money(*values: object) -> object:
    """The first amount that is told: as it is, or in the shop's currency."""
    for value in values:
        bag = record(value)
        found = _money(bag.get("amount"), bag.get("shopMoney")) if bag else value
        if found is not None:
            return found
    return None


def _currency(*values: object) -> str:
    for value in values:
        bag = record(value)
        found = word(bag.get("currencyCode")) or word(
            record(bag.get("shopMoney")).get("currencyCode")
        )
        if found:
            return found
    return ""


def _customer(said: Body) -> Body:
    """A customer in the webhook's words."""
    if not said:
        return {}
    email = said.get("email") or record(said.get("defaultEmailAddress")).get("emailAddress")
    phone = said.get("phone") or record(said.get("defaultPhoneNumber")).get("phoneNumber")
    address = record(said.get("defaultAddress"))
    found: Body = {
        "id": _number(said),
        "email": email,
        "phone": phone,
        "first_name": said.get("firstName"),
        "last_name": said.get("lastName"),
        "updated_at": said.get("updatedAt") or said.get("createdAt"),
        "tags": _listed(said.get("tags")),
        "total_spent": _money(said.get("amountSpent"), said.get("totalSpent")),
        "default_address": {
            "country_code": address.get("countryCodeV2") or address.get("countryCode"),
            "city": address.get("city"),
            "phone": address.get("phone"),
        },
    }
    orders = word(said.get("numberOfOrders") or said.get("ordersCount"))
    if orders.isdigit():
        found["orders_count"] = int(orders)
    for channel in ("email", "sms"):
        consent = record(said.get(f"{channel}MarketingConsent"))
        if consent:
            found[f"{channel}_marketing_consent"] = {
                "state": word(consent.get("marketingState")).lower(),
                "consent_updated_at": consent.get("consentUpdatedAt"),
            }
    return found


def _customers(said: Body, _children: list[Body]) -> Told:
    yield "customers/update", _customer(said)


def _orders(said: Body, children: list[Body]) -> Told:
    money = ("totalPriceSet", "currentTotalPriceSet")
    lines = [*(one for one in children if _kind(one) == "LineItem"), *_nested(said, "lineItems")]
    attributes = records(said.get("customAttributes"))
    body: Body = {
        "id": _number(said),
        "name": said.get("name"),
        "email": said.get("email"),
        "customer": _customer(record(said.get("customer"))),
        "created_at": said.get("processedAt") if not said.get("createdAt") else said["createdAt"],
        "cancelled_at": said.get("cancelledAt"),
        "cancel_reason": word(said.get("cancelReason")).lower(),
        "currency": said.get("currencyCode") or _currency(*(said.get(key) for key in money)),
        "total_price": _money(said.get("totalPrice"), *(said.get(key) for key in money)),
        "subtotal_price": _money(said.get("subtotalPrice"), said.get("subtotalPriceSet")),
        "total_tax": _money(said.get("totalTax"), said.get("totalTaxSet")),
        "total_discounts": _money(said.get("totalDiscounts"), said.get("totalDiscountsSet")),
        "financial_status": word(said.get("displayFinancialStatus")).lower(),
        "discount_codes": [{"code": code} for code in _codes(said)],
        "note_attributes": [
            {"name": one.get("key"), "value": one.get("value")} for one in attributes
        ],
        "line_items": [_line_item(one) for one in lines],
    }
    yield "orders/create", body
    if body["cancelled_at"]:
        yield "orders/cancelled", body


def _codes(said: Body) -> list[str]:
    found = map(word, members(said.get("discountCodes")))
    return [code for code in (*found, word(said.get("discountCode"))) if code]


def _line_item(said: Body) -> Body:
    variant, product = record(said.get("variant")), record(said.get("product"))
    return {
        "product_id": _number(product) if product else "",
        "variant_id": _number(variant) if variant else "",
        "sku": said.get("sku"),
        "title": said.get("title") or said.get("name"),
        "variant_title": said.get("variantTitle"),
        "vendor": said.get("vendor"),
        "price": _money(
            said.get("originalUnitPriceSet"), said.get("originalUnitPrice"),
            said.get("discountedUnitPriceSet"),
        ),
        "quantity": said.get("quantity"),
    }  # fmt: skip


def _products(said: Body, children: list[Body]) -> Told:
    kinds = [one for one in children if _kind(one) == "ProductVariant"]
    pictures = [
        record(one.get("image")) or one
        for one in children
        if _kind(one) in ("ProductImage", "MediaImage")
    ]
    image = record(said.get("featuredImage"))
    found = [image, *pictures, *_nested(said, "images")]
    urls = [word(one.get("url") or one.get("originalSrc") or one.get("src")) for one in found]
    yield (
        "products/update",
        {
            "id": _number(said),
            "title": said.get("title"),
            "handle": said.get("handle"),
            "vendor": said.get("vendor"),
            "product_type": said.get("productType"),
            "status": word(said.get("status")).lower(),
            "tags": _listed(said.get("tags")),
            "updated_at": said.get("updatedAt"),
            "images": [{"src": url} for url in urls if url],
            "variants": [_variant(one) for one in (*kinds, *_nested(said, "variants"))],
        },
    )


def _variant(said: Body) -> Body:
    stored = record(said.get("inventoryItem"))
    found: Body = {
        "id": _number(said),
        "sku": said.get("sku"),
        "title": said.get("title"),
        "price": _money(said.get("price")),
        "compare_at_price": _money(said.get("compareAtPrice")),
        "inventory_quantity": said.get("inventoryQuantity"),
        "inventory_item_id": _number(stored) if stored else "",
    }
    if stored.get("tracked") is False:
        found["inventory_management"] = None
    return found


def _nested(said: Body, key: str) -> list[Body]:
    """A connection that was not flattened: its nodes, or the nodes of its edges."""
    found = said.get(key)
    if isinstance(found, list):
        return records(found)  # pyright: ignore[reportUnknownArgumentType]
    bag = record(found)
    edges = [record(one.get("node")) for one in records(bag.get("edges"))]
    return [*records(bag.get("nodes")), *edges]


def _listed(value: object) -> str:
    return ", ".join(map(word, members(value))) or word(value)


_WRITERS: dict[str, Callable[[Body, list[Body]], Told]] = {
    "Customer": _customers,
    "Order": _orders,
    "Product": _products,
}

"""Shopify's webhooks, as ecommerce events, consents and catalog items.

Rule 1: the signature is base64 HMAC-SHA256 of the raw body, in `X-Shopify-Hmac-SHA256`.
Rule 2: who it is. A known customer is `shopify:<id>` (or the email, if so asked); a storefront
    visitor is the cart attribute `segue_anonymous_id` if the theme sets it, else the cart's
    token. An order that carries both ties them together.
Rule 3: a cart webhook lists the whole cart each time. Each line becomes a `Product Added` whose id
    follows from cart, variant and quantity, so only what is new or more counts.
Rule 4: an order completes once, however often it is told. A refund names its order only, so each
    order ties `shopify-order:<id>` to its customer.
"""

from base64 import b64encode
from typing import Literal as OneOf, cast

import msgspec

from segue.connectors.limits import PRODUCTS_MAX
from segue.connectors.webhook import (
    Body,
    Headers,
    Item,
    Refused,
    Unreadable,
    UserBy,
    Verified,
    amount,
    decoded,
    digest,
    email,
    filled,
    header,
    read,
    record,
    records,
    same,
    signature,
    too_large,
    when,
    word,
)
from segue.kernel.inputs import Consented, Event
from segue.kernel.values import Instant, Record, Value

SOURCE = "shopify"
ATTRIBUTE = "segue_anonymous_id"
_STATES: dict[str, OneOf["granted", "denied", "pending"]] = {
    "subscribed": "granted",
    "pending": "pending",
    "unsubscribed": "denied",
    "not_subscribed": "denied",
    "redacted": "denied",
    "invalid": "denied",
}


def receive(
    headers: Headers,
    body: bytes,
    secret: str,
    now: Instant,
    *,
    user_by: UserBy = "id",
    marketing_topics: tuple[str, ...] = ("marketing",),
) -> Verified | Refused:
    """Check and translate one delivery.

    `marketing_topics` are the topics of the workspace that Shopify's marketing consent is for.
    """
    if refused := too_large(SOURCE, body):
        return refused
    signed = header(headers, "X-Shopify-Hmac-SHA256")
    if not signed:
        return Refused(source=SOURCE, reason="unsigned", detail="no X-Shopify-Hmac-SHA256")
    if not same(signed, b64encode(signature(secret, body).digest()).decode()):
        return Refused(source=SOURCE, reason="forged")
    return read(SOURCE, lambda: _delivered(headers, body, now, user_by, marketing_topics).told())


def said(
    topic: str,
    body: Body,
    now: Instant,
    *,
    user_by: UserBy = "id",
    marketing_topics: tuple[str, ...] = ("marketing",),
) -> Verified | Refused:
    """What a delivery with this body would say; for what comes by another way."""
    own = digest(topic, body.get("id"), body.get("updated_at"))
    return read(
        SOURCE,
        lambda: _Delivery(topic, own, now, body, now, user_by, marketing_topics).told(),
    )


def _delivered(
    headers: Headers,
    body: bytes,
    now: Instant,
    user_by: UserBy,
    marketing_topics: tuple[str, ...],
) -> "_Delivery":
    told = decoded(body)
    if not isinstance(told, dict):
        raise Unreadable("not an object")
    topic = header(headers, "X-Shopify-Topic").lower()
    own = header(headers, "X-Shopify-Webhook-Id") or digest(topic, body)
    at = when(header(headers, "X-Shopify-Triggered-At") or None, now)
    return _Delivery(topic, own, at, record(cast(object, told)), now, user_by, marketing_topics)


class _Delivery:
    """One genuine delivery, being read."""

    def __init__(
        self,
        topic: str,
        own: str,
        at: Instant,
        body: Body,
        now: Instant,
        user_by: UserBy,
        marketing_topics: tuple[str, ...],
    ) -> None:
        self._said = body
        self._now = now
        self._user_by = user_by
        self._topics = marketing_topics
        self._topic = topic
        self._id = own
        self._at = at

    def told(self) -> Verified:
        """What the delivery says, by its topic."""
        match self._topic:
            case "orders/create":
                return self._completed()
            case "orders/paid" | "orders/updated" | "orders/fulfilled":
                return self._changed("Order Updated", "updated_at", self._order())
            case "orders/cancelled":
                name = f"order-{self._needed('id')}-cancelled"
                order = self._order() | filled(reason=word(self._said.get("cancel_reason")))
                who = self._who(self._said)
                return self._events(
                    self._event("Order Cancelled", name, "cancelled_at", order, who)
                )
            case "refunds/create":
                return self._refunded()
            case "checkouts/create":
                name = f"checkout-{self._needed('token')}-started"
                who = self._who(self._said)
                return self._events(
                    self._event(
                        "Checkout Started", name, "created_at", self._checkout(), who, live=True
                    )
                )
            case "checkouts/update":
                if self._said.get("completed_at"):
                    return self._nothing("the order tells that the checkout was completed")
                return self._changed(
                    "Checkout Step Completed", "updated_at", self._checkout(), live=True
                )
            case "carts/create" | "carts/update":
                return self._cart()
            case "customers/create" | "customers/update" | "customers/enable":
                return self._customer()
            case "products/create" | "products/update" | "products/delete":
                return self._product()
            case "inventory_levels/update" | "inventory_levels/connect":
                return self._stock()
            case topic:
                return self._nothing(f"no event is made of topic {topic!r}"[:120])

    def _needed(self, key: str) -> str:
        found = word(self._said.get(key))
        if not found:
            raise Unreadable(f"{self._topic}: no {key}")
        return found

    def _who(self, said: Body) -> tuple[str, str]:
        """(user id, anonymous id) by rule 2."""
        customer = record(said.get("customer"))
        number = word(customer.get("id"))
        address = email(said.get("email") or said.get("contact_email") or customer.get("email"))
        attributes = records(said.get("note_attributes"))
        visitor = next(
            (word(one.get("value")) for one in attributes if one.get("name") == ATTRIBUTE), ""
        )
        token = word(said.get("cart_token"))
        anonymous = visitor or (f"shopify-cart:{token}" if token else "")
        user = f"shopify:{number}" if number else ""
        if self._user_by == "email" and address:
            return address, anonymous or user
        if not user and not anonymous:
            anonymous = f"shopify-order:{self._needed('id')}"
        return user, anonymous

    def _event(
        self,
        name: str,
        said_id: str,
        at_key: str,
        properties: Record,
        who: tuple[str, str],
        *,
        live: bool = False,
    ) -> Event:
        at = when(self._said.get(at_key), self._at)
        return Event(
            id=f"{SOURCE}-{said_id}",
            name=name,
            at=at,
            properties=properties,
            user_id=who[0],
            anonymous_id=who[1],
            source=SOURCE,
            live=live and self._now - at < 30 * 60_000,
        )

    def _changed(
        self, name: str, at_key: str, properties: Record, *, live: bool = False
    ) -> Verified:
        """A change of something that may change often: its id is that of the delivery."""
        who = self._who(self._said)
        return self._events(self._event(name, self._id, at_key, properties, who, live=live))

    def _events(self, *events: Event) -> Verified:
        """The events, and what they tell of the customer."""
        customer = record(self._said.get("customer"))
        first = events[0] if events else None
        told: tuple[Event, ...] = ()
        if first is not None and (customer or email(self._said.get("email"))):
            traits = self._traits({"email": self._said.get("email"), **customer})
            if traits and (first.user_id or first.anonymous_id):
                at = when(customer.get("updated_at"), first.at)
                told = (self._identified(traits, (first.user_id, first.anonymous_id), at),)
        return Verified(source=SOURCE, id=self._id, topic=self._topic, events=(*told, *events))

    def _identified(self, traits: Record, who: tuple[str, str], at: Instant) -> Event:
        return Event(
            id=f"{SOURCE}-{digest('identify', *who, at, sorted(traits.items()))}",
            name="Profile Identified",
            kind="identify",
            at=at,
            traits=traits,
            user_id=who[0],
            anonymous_id=who[1],
            source=SOURCE,
            live=False,
        )

    def _nothing(self, why: str) -> Verified:
        return Verified(source=SOURCE, id=self._id, topic=self._topic, ignored=why)

    # ── bodies ──

    def _order(self) -> Record:
        said = self._said
        coupons = [word(one.get("code")) for one in records(said.get("discount_codes"))]
        return filled(
            order_id=self._needed("id"),
            name=word(said.get("name")),
            checkout_id=word(said.get("checkout_id")),
            total=amount(said.get("total_price")),
            subtotal=amount(said.get("subtotal_price")),
            tax=amount(said.get("total_tax")),
            discount=amount(said.get("total_discounts")),
            shipping=_shipping(said),
            coupon=", ".join(filter(None, coupons)),
            currency=word(said.get("currency")),
            status=word(said.get("financial_status")),
            products=_products(said.get("line_items")),
        )

    def _checkout(self) -> Record:
        said = self._said
        return filled(
            checkout_id=word(said.get("token")) or self._needed("id"),
            value=amount(said.get("total_price")),
            discount=amount(said.get("total_discounts")),
            currency=word(said.get("currency")),
            url=word(said.get("abandoned_checkout_url")),
            products=_products(said.get("line_items")),
        )

    def _completed(self) -> Verified:
        """The order, and for a known customer a tie by which its refunds find them later."""
        number = self._needed("id")
        who = self._who(self._said)
        name = f"order-{number}-completed"
        order = self._event("Order Completed", name, "created_at", self._order(), who, live=True)
        if not who[0]:
            return self._events(order)
        tie = self._identified({}, (who[0], f"shopify-order:{number}"), order.at)
        told = self._events(order)
        return msgspec.structs.replace(told, events=(*told.events, tie))

    def _refunded(self) -> Verified:
        said = self._said
        lines = records(said.get("refund_line_items"))
        paid = [
            amount(one.get("amount")) or 0.0
            for one in records(said.get("transactions"))
            if one.get("kind") == "refund" and one.get("status") in ("success", None)
        ]
        products = [
            _product({**record(one.get("line_item")), "quantity": one.get("quantity")})
            for one in lines[:PRODUCTS_MAX]
        ]
        order = word(said.get("order_id"))
        if not order:
            raise Unreadable("refunds/create: no order_id")
        properties = filled(
            order_id=order,
            refund_id=self._needed("id"),
            total=round(sum(paid), 3),
            reason=word(said.get("note")),
            products=products,
        )
        # A refund names its order and no customer; `_completed` has tied the two.
        who = self._who(said) if said.get("customer") else ("", f"shopify-order:{order}")
        name = f"refund-{self._needed('id')}"
        return self._events(self._event("Order Refunded", name, "created_at", properties, who))

    def _cart(self) -> Verified:
        token = word(self._said.get("token")) or self._needed("id")
        who = self._who({**self._said, "cart_token": token})
        lines = records(self._said.get("line_items"))
        if not lines:
            if self._topic == "carts/create":
                return self._nothing("an empty cart")
            cleared = filled(cart_id=token)
            return self._events(
                self._event("Cart Cleared", self._id, "updated_at", cleared, who, live=True)
            )
        events = [
            self._event(
                "Product Added",
                digest("cart", token, line.get("variant_id") or line.get("id"), line["quantity"])
                if "quantity" in line
                else digest("cart", token, line.get("variant_id") or line.get("id")),
                "updated_at",
                _product(line) | {"cart_id": token},
                who,
                live=True,
            )
            for line in lines[:PRODUCTS_MAX]
        ]
        return self._events(*events)

    def _customer(self) -> Verified:
        said = self._said
        number = self._needed("id")
        address = email(said.get("email"))
        by_email = self._user_by == "email" and address
        who = (address, f"shopify:{number}") if by_email else (f"shopify:{number}", "")
        at = when(said.get("updated_at"), self._at)
        return Verified(
            source=SOURCE,
            id=self._id,
            topic=self._topic,
            events=(self._identified(self._traits(said), who, at),),
            consents=tuple((who[0], one) for one in self._consents(at)),
        )

    def _traits(self, said: Body) -> Record:
        address = record(said.get("default_address"))
        return filled(
            email=email(said.get("email")),
            first_name=word(said.get("first_name")),
            last_name=word(said.get("last_name")),
            phone=word(said.get("phone") or address.get("phone")),
            country=word(address.get("country_code")),
            city=word(address.get("city")),
            shopify_id=word(said.get("id")),
            shopify_tags=[tag.strip() for tag in word(said.get("tags")).split(",") if tag.strip()],
            shopify_orders=said.get("orders_count") if "orders_count" in said else None,
            shopify_spent=amount(said.get("total_spent")),
        )

    def _consents(self, at: Instant) -> list[Consented]:
        """Marketing consent, by channel; the field before 2022 counts where the new is absent."""
        found: list[Consented] = []
        for channel in ("email", "sms"):
            told = record(self._said.get(f"{channel}_marketing_consent"))
            state = _STATES.get(word(told.get("state")).lower())
            accepts = self._said.get("accepts_marketing")
            if state is None and channel == "email" and isinstance(accepts, bool):
                state = "granted" if accepts else "denied"
            if state is not None:
                said_at = when(told.get("consent_updated_at"), at)
                found += [
                    Consented(channel=channel, topic=topic, state=state, at=said_at, source=SOURCE)
                    for topic in self._topics
                ]
        return found

    def _product(self) -> Verified:
        said = self._said
        number = self._needed("id")
        at = when(said.get("updated_at"), self._at)
        gone = self._topic == "products/delete"
        image = word(record(said.get("image")).get("src"))
        if not image:
            image = next((word(one.get("src")) for one in records(said.get("images"))), "")
        variants = records(said.get("variants"))
        priced = [one for one in variants if amount(one.get("price")) is not None]
        cheapest = min(priced, key=lambda one: amount(one.get("price")) or 0.0, default=Body())
        price, before = amount(cheapest.get("price")), amount(cheapest.get("compare_at_price"))
        stock = [one.get("stock") for one in map(_variant, variants)]
        counted = [one for one in stock if isinstance(one, int)]
        fields = filled(
            name=word(said.get("title")),
            brand=word(said.get("vendor")),
            category=word(said.get("product_type")),
            url=f"/products/{word(said.get('handle'))}" if said.get("handle") else "",
            image_url=image,
            price=price,
            compare_at_price=before if price is not None and (before or 0) > price else None,
            stock=sum(counted) if counted else None,
            status=word(said.get("status")),
            tags=[tag.strip() for tag in word(said.get("tags")).split(",") if tag.strip()],
            variants=[_variant(one) for one in variants[:PRODUCTS_MAX]],
        )
        item = Item(kind="product", id=number, at=at, fields={} if gone else fields, gone=gone)
        return Verified(source=SOURCE, id=self._id, topic=self._topic, items=(item,))

    def _stock(self) -> Verified:
        said = self._said
        fields = filled(
            location_id=word(said.get("location_id")),
            available=said.get("available"),
        )
        number = self._needed("inventory_item_id")
        at = when(said.get("updated_at"), self._at)
        item = Item(kind="stock", id=number, at=at, fields=fields)
        return Verified(source=SOURCE, id=self._id, topic=self._topic, items=(item,))


def _shipping(said: Body) -> float | None:
    prices = [amount(one.get("price")) for one in records(said.get("shipping_lines"))]
    known = [price for price in prices if price is not None]
    return round(sum(known), 3) if known else None


def _products(lines: object) -> list[Value]:
    return [_product(one) for one in records(lines)[:PRODUCTS_MAX]]


def _product(line: Body) -> Record:
    """A line item as the ecommerce spec's product; custom lines have no product id."""
    return filled(
        product_id=word(line.get("product_id")) or word(line.get("sku")),
        variant_id=word(line.get("variant_id")),
        sku=word(line.get("sku")),
        name=word(line.get("title") or line.get("name")),
        variant=word(line.get("variant_title")),
        brand=word(line.get("vendor")),
        price=amount(line.get("price")),
        quantity=line.get("quantity"),
    )


def _variant(said: Body) -> Record:
    """A variant; one whose stock Shopify does not count has none to tell."""
    uncounted = "inventory_management" in said and said["inventory_management"] is None
    return filled(
        id=word(said.get("id")),
        sku=word(said.get("sku")),
        name=word(said.get("title")),
        price=amount(said.get("price")),
        compare_at_price=amount(said.get("compare_at_price")),
        stock=None if uncounted else said.get("inventory_quantity"),
        inventory_item_id=word(said.get("inventory_item_id")),
    )

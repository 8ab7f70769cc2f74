"""Shopify's deliveries: believed only when signed, counted once, with exact ids."""

import json
from typing import Any

import pytest
from signing import DATA, NOW, SECRET, shopify

from segue.connectors.shopify import receive
from segue.connectors.webhook import Refused, Verified
from segue.kernel.values import Instant

FIXTURES = DATA / "connectors" / "shopify" / "rest-fixtures"


def told(topic: str, said: object, **options: Any) -> Verified:
    found = receive(*shopify(topic, said), SECRET, Instant(NOW), **options)
    assert isinstance(found, Verified), found
    return found


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_bytes())


LINE = {"id": 1, "variant_id": 7, "product_id": 3, "price": "2.50", "quantity": 2, "title": "Mug"}
ORDER = {
    "id": 9007199254740993123,
    "total_price": "5.00",
    "currency": "EUR",
    "created_at": "2025-06-15T16:00:00+02:00",
    "customer": {"id": 9007199254740995, "email": "Ana@Example.com", "first_name": "Ana"},
    "line_items": [LINE],
}


def test_a_delivery_without_signature_or_with_a_forged_one_is_refused() -> None:
    headers, body = shopify("orders/create", ORDER)
    without = {k: v for k, v in headers.items() if "Hmac" not in k}
    refused = receive(without, body, SECRET, Instant(NOW))
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.status) == ("unsigned", 401)
    for wrong in (
        receive(headers, body + b" ", SECRET, Instant(NOW)),
        receive(headers, body, "another", Instant(NOW)),
        receive(headers | {"X-Shopify-Hmac-SHA256": "ümläut"}, body, SECRET, Instant(NOW)),
    ):
        assert isinstance(wrong, Refused)
        assert (wrong.reason, wrong.status) == ("forged", 401)


def test_header_names_may_have_any_case() -> None:
    headers, body = shopify("orders/create", ORDER)
    lower = {key.lower(): value for key, value in headers.items()}
    assert isinstance(receive(lower, body, SECRET, Instant(NOW)), Verified)


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"", b"[" * 100_000])
def test_a_signed_body_that_is_no_object_is_malformed(body: bytes) -> None:
    found = receive(*shopify("orders/create", body), SECRET, Instant(NOW))
    assert isinstance(found, Refused)
    assert (found.reason, found.status) == ("malformed", 400)


def test_a_body_that_is_too_large_is_refused_before_it_is_read() -> None:
    found = receive(*shopify("orders/create", b" " * 2_000_001), SECRET, Instant(NOW))
    assert isinstance(found, Refused)
    assert found.status == 413


def test_an_order_completes_with_exact_ids_and_amounts() -> None:
    found = told("orders/create", ORDER)
    order = next(event for event in found.events if event.name == "Order Completed")
    assert order.user_id == "shopify:9007199254740995"
    assert order.properties["order_id"] == "9007199254740993123"
    assert order.properties["total"] == 5.0
    assert order.properties["products"] == [
        {"product_id": "3", "variant_id": "7", "name": "Mug", "price": 2.5, "quantity": 2}
    ]
    identify = found.events[0]
    assert identify.kind == "identify"
    assert identify.traits["email"] == "ana@example.com"


def test_an_order_told_twice_by_two_subscriptions_has_one_id() -> None:
    one = receive(*shopify("orders/create", ORDER, "a"), SECRET, Instant(NOW))
    two = receive(*shopify("orders/create", ORDER, "b"), SECRET, Instant(NOW + 60_000))
    assert isinstance(one, Verified)
    assert isinstance(two, Verified)
    assert [event.id for event in one.events] == [event.id for event in two.events]
    assert (one.id, two.id) == ("a", "b")


def test_by_email_customers_are_their_address() -> None:
    order = told("orders/create", ORDER, user_by="email").events[1]
    assert (order.user_id, order.anonymous_id) == ("ana@example.com", "shopify:9007199254740995")


def test_a_cart_attribute_ties_the_visitor_to_the_order() -> None:
    said = ORDER | {"note_attributes": [{"name": "segue_anonymous_id", "value": "anon-1"}]}
    order = told("orders/create", said).events[1]
    assert (order.user_id, order.anonymous_id) == ("shopify:9007199254740995", "anon-1")


def test_a_refund_finds_its_customer_by_the_order() -> None:
    tie = told("orders/create", ORDER).events[-1]
    refund = told(
        "refunds/create",
        {
            "id": 5,
            "order_id": ORDER["id"],
            "transactions": [{"kind": "refund", "status": "success", "amount": "2.50"}],
            "refund_line_items": [{"quantity": 1, "line_item": LINE}],
        },
    ).events[0]
    assert refund.name == "Order Refunded"
    assert refund.anonymous_id == tie.anonymous_id
    assert tie.user_id == "shopify:9007199254740995"
    assert refund.properties["total"] == 2.5


def test_of_a_cart_told_again_only_what_is_new_or_more_counts() -> None:
    first = told("carts/create", {"token": "t", "line_items": [LINE]}).events
    again = told("carts/update", {"token": "t", "line_items": [LINE]}).events
    more = told("carts/update", {"token": "t", "line_items": [LINE, LINE | {"variant_id": 8}]})
    assert [event.name for event in first] == ["Product Added"]
    assert [event.id for event in first] == [event.id for event in again]
    assert more.events[0].id == first[0].id
    assert len({event.id for event in more.events}) == 2
    cleared = told("carts/update", {"token": "t", "line_items": []}).events
    assert [event.name for event in cleared] == ["Cart Cleared"]
    assert {event.anonymous_id for event in (*first, *cleared)} == {"shopify-cart:t"}


def test_marketing_consent_is_told_per_channel_and_topic() -> None:
    found = told(
        "customers/update",
        {
            "id": 7,
            "email": "a@example.com",
            "email_marketing_consent": {"state": "unsubscribed"},
            "sms_marketing_consent": {"state": "subscribed"},
        },
        marketing_topics=("offers", "cart"),
    )
    said = [(who, one.channel, one.topic, one.state) for who, one in found.consents]
    assert said == [
        ("shopify:7", "email", "offers", "denied"),
        ("shopify:7", "email", "cart", "denied"),
        ("shopify:7", "sms", "offers", "granted"),
        ("shopify:7", "sms", "cart", "granted"),
    ]


def test_a_product_becomes_a_catalog_item_and_goes() -> None:
    (item,) = told("products/delete", {"id": 9007199254740993}).items
    assert (item.id, item.gone) == ("9007199254740993", True)
    (stock,) = told("inventory_levels/update", {"inventory_item_id": 4, "available": 0}).items
    assert (stock.kind, stock.id, stock.fields) == ("stock", "4", {"available": 0})


def test_a_topic_of_no_use_is_verified_and_ignored() -> None:
    found = told("themes/publish", {"id": 1})
    assert found.events == ()
    assert "themes/publish" in found.ignored


def test_an_order_without_id_is_malformed() -> None:
    found = receive(*shopify("orders/create", {"email": "a@example.com"}), SECRET, Instant(NOW))
    assert isinstance(found, Refused)
    assert found.reason == "malformed"


def test_a_recent_order_is_live_and_an_old_one_is_history() -> None:
    recent = ORDER | {"created_at": "2025-06-15T17:00:00+02:00"}
    assert told("orders/create", recent).events[1].live
    assert not told("orders/create", ORDER).events[1].live


@pytest.mark.data
@pytest.mark.skipif(not FIXTURES.is_dir(), reason="Shopify's published bodies are not here")
def test_every_published_body_is_translated() -> None:
    cases = {
        "orders/create": [fixture("order")["order"], *fixture("orders")["orders"]],
        "orders/paid": [fixture("order")["order"]],
        "orders/cancelled": [fixture("order")["order"]],
        "checkouts/create": fixture("checkouts")["checkouts"],
        "checkouts/update": fixture("checkouts")["checkouts"],
        "carts/update": fixture("carts")["carts"],
        "customers/create": [fixture("customer")["customer"]],
        "products/update": [fixture("product")["product"]],
        "refunds/create": [fixture("refund")["refund"]],
    }
    names: set[str] = set()
    for topic, bodies in cases.items():
        for body in bodies:
            found = told(topic, body)
            assert found.events or found.items, topic
            names |= {event.name for event in found.events}
            for event in found.events:
                assert event.user_id or event.anonymous_id
                assert event.at <= NOW
    assert names == {
        "Order Completed",
        "Order Updated",
        "Order Cancelled",
        "Order Refunded",
        "Checkout Started",
        "Checkout Step Completed",
        "Product Added",
        "Profile Identified",
    }


@pytest.mark.data
@pytest.mark.skipif(not FIXTURES.is_dir(), reason="Shopify's published bodies are not here")
def test_the_published_order_and_product_say_what_they_say() -> None:
    order = next(
        event
        for event in told("orders/create", fixture("order")["order"]).events
        if event.name == "Order Completed"
    )
    assert order.properties["order_id"] == "450789469"
    assert order.properties["total"] == 409.94
    assert order.properties["coupon"] == "TENOFF"
    assert order.user_id == "shopify:207119551"
    (item,) = told("products/update", fixture("product")["product"]).items
    assert item.id == "632910392"
    assert item.fields["name"] == "IPod Nano - 8GB"
    assert item.fields["price"] == 199.0
    (refund,) = told("refunds/create", fixture("refund")["refund"]).events
    assert refund.properties["total"] == 209.0

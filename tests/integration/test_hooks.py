"""Webhooks of Shopify, Stripe and HubSpot, through the whole of Segue.

A genuine delivery becomes events and consents of one customer, once; a forged one leaves
nothing but a count.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Segue

SECRET = "whsec_of_the_shop"
CUSTOMER = {
    "id": 9007199254740993,
    "email": "Ana@Shop.example",
    "first_name": "Ana",
    "updated_at": "2025-01-02T03:04:05Z",
    "email_marketing_consent": {"state": "subscribed"},
}
ORDER = {
    "id": 450789469,
    "total_price": "12.50",
    "currency": "EUR",
    "created_at": "2025-01-02T03:04:05Z",
    "customer": {"id": 9007199254740993, "email": "ana@shop.example"},
    "line_items": [{"product_id": 3, "variant_id": 7, "price": "12.50", "quantity": 1}],
}


@pytest.fixture
def hooked(tmp_path: Path) -> Iterator[Segue]:
    running = Segue(
        tmp_path,
        shopify_secret=SECRET,
        stripe_secret=SECRET,
        hubspot_secret=SECRET,
        public_url="https://hooks.shop.example/",
        marketing_topics="news, offers",
    )
    yield running
    running.close()


def mac(message: bytes, secret: str = SECRET) -> bytes:
    return hmac.new(secret.encode(), message, hashlib.sha256).digest()


def shopify(segue: Segue, topic: str, told: Any, secret: str = SECRET) -> Any:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    headers = {
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-SHA256": base64.b64encode(mac(body, secret)).decode(),
        "Content-Type": "application/json",
    }
    return segue.client.post("/v1/hooks/shopify", content=body, headers=headers)


def stripe(segue: Segue, told: Any, at: float | None = None) -> Any:
    body, stamp = json.dumps(told).encode(), str(int(at or time.time()))
    headers = {"Stripe-Signature": f"t={stamp},v1={mac(stamp.encode() + b'.' + body).hex()}"}
    return segue.client.post("/v1/hooks/stripe", content=body, headers=headers)


def counted(segue: Segue, source: str, result: str) -> bool:
    line = f'segue_callbacks_total{{provider="{source}",result="{result}"}}'
    return line in segue.client.get("/metrics").text


def test_an_order_and_its_customer_become_one_profile_once(hooked: Segue) -> None:
    for _ in range(2):
        assert shopify(hooked, "customers/create", CUSTOMER).json()["success"]
        assert shopify(hooked, "orders/create", ORDER).json()["success"]
    profile = hooked.profile("user", "shopify:9007199254740993")
    assert profile.traits["email"] == "ana@shop.example"
    assert profile.consents["email/news"].state == "granted"
    assert profile.consents["email/offers"].source == "shopify"
    assert hooked.names().count("Order Completed") == 1
    assert shopify(hooked, "orders/create", ORDER).json()["known_already"] >= 1
    assert hooked.profile("anonymous", "shopify-order:450789469").id == profile.id


def test_a_forged_delivery_leaves_nothing_but_a_count(hooked: Segue) -> None:
    before = list(hooked.store.snapshot())
    answer = shopify(hooked, "orders/create", ORDER, secret="guessed")
    assert answer.status_code == 401
    assert answer.json()["code"] == "INP710"
    unsigned = hooked.client.post("/v1/hooks/stripe", content=b"{}")
    assert unsigned.status_code == 401
    assert unsigned.json()["message"] == answer.json()["message"]
    late = stripe(hooked, {"id": "evt_1", "object": "event", "type": "x"}, time.time() - 900)
    assert late.status_code == 401
    assert list(hooked.store.snapshot()) == before
    assert counted(hooked, "shopify", "forged")
    assert counted(hooked, "stripe", "unsigned")
    assert counted(hooked, "stripe", "too_old")


def test_a_genuine_body_that_can_not_be_read_is_kept_with_its_reason(hooked: Segue) -> None:
    answer = shopify(hooked, "orders/create", b"[1, 2")
    assert answer.status_code == 400
    ((_, kept),) = hooked.store.set_aside()
    assert (kept.source, kept.code, kept.body) == ("shopify", "malformed", b"[1, 2")


def test_a_topic_without_use_is_answered_well(hooked: Segue) -> None:
    answer = shopify(hooked, "themes/publish", {"id": 1})
    assert answer.status_code == 200
    assert "themes/publish" in answer.json()["ignored"]
    assert hooked.names() == []


def test_hubspot_signs_the_address_that_the_public_sees(hooked: Segue) -> None:
    change = {
        "objectId": 51,
        "subscriptionType": "contact.propertyChange",
        "propertyName": "firstname",
        "propertyValue": "Ana",
        "occurredAt": 1_700_000_000_000,
        "portalId": 1,
    }
    unread = {"subscriptionType": "deal.propertyChange", "propertyName": "amount"}
    body, stamp = json.dumps([change, unread]).encode(), str(int(time.time() * 1000))
    uri = "https://hooks.shop.example/v1/hooks/hubspot"
    headers = {
        "X-HubSpot-Request-Timestamp": stamp,
        "X-HubSpot-Signature-v3": base64.b64encode(
            mac(b"POST" + uri.encode() + body + stamp.encode())
        ).decode(),
    }
    for _ in range(2):
        assert hooked.client.post("/v1/hooks/hubspot", content=body, headers=headers).is_success
    assert hooked.profile("anonymous", "hubspot:51").traits["first_name"] == "Ana"
    assert hooked.names() == ["Contact Changed", "Profile Identified"]
    assert "objectId" in hooked.store.set_aside()[0][1].reason


def test_stripe_tells_of_a_customer(hooked: Segue) -> None:
    told = {
        "id": "evt_1",
        "object": "event",
        "type": "customer.created",
        "created": int(time.time()),
        "data": {"object": {"id": "cus_1", "object": "customer", "email": "ana@shop.example"}},
    }
    assert stripe(hooked, told).status_code == 200
    assert hooked.profile("anonymous", "stripe:cus_1").traits["email"] == "ana@shop.example"


def test_a_source_without_a_secret_is_not_listened_to(segue: Segue) -> None:
    assert shopify(segue, "orders/create", ORDER).status_code == 401
    assert shopify(segue, "orders/create", ORDER, secret="").status_code == 401
    assert segue.client.post("/v1/hooks/unknown", content=b"{}").status_code == 404
    assert counted(segue, "shopify", "no_secret")

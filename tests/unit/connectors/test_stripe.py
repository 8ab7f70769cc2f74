"""Stripe's deliveries: the signature rule to the letter, and a subscription's whole life."""

import gzip
import json
from typing import Any

import pytest
from signing import DATA, NOW, SECRET, mac, stripe, stripe_event

from segue.connectors.stripe import mrr, receive
from segue.connectors.webhook import Refused, Verified
from segue.kernel.values import Instant

FOLDER = DATA / "connectors" / "stripe"


def told(kind: str, said: dict[str, Any], before: object = None, **options: Any) -> Verified:
    found = receive(*stripe(stripe_event(kind, said, before)), SECRET, Instant(NOW), **options)
    assert isinstance(found, Verified), found
    return found


def names(found: Verified) -> list[str]:
    return [event.name for event in found.events if event.kind == "track"]


def traits(found: Verified) -> dict[str, Any]:
    return next(event.traits for event in found.events if event.kind == "identify")


def subscription(amount: int = 2000, interval: str = "month", **more: Any) -> dict[str, Any]:
    recurring = {"interval": interval, "interval_count": 1}
    price = {"id": "gold", "currency": "usd", "unit_amount": amount, "recurring": recurring}
    said: dict[str, Any] = {
        "id": "sub_1",
        "object": "subscription",
        "customer": "cus_1",
        "currency": "usd",
        "status": "active",
        "items": {"data": [{"quantity": 1, "price": price}]},
    }
    return said | more


# ── the signature ──

BODY = json.dumps({"id": "evt_1", "object": "event", "type": "x", "data": {"object": {"id": "a"}}})


def answer(signature: str | None, body: bytes = BODY.encode(), **options: Any) -> Any:
    headers = {} if signature is None else {"Stripe-Signature": signature}
    return receive(headers, body, SECRET, Instant(NOW), **options)


def signed(at: int, body: str = BODY) -> str:
    return mac(f"{at}.{body}".encode()).hex()


AT = NOW // 1000


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (None, "unsigned"),
        ("", "unsigned"),
        ("nonsense", "unsigned"),
        ("t=soon,v1=aa", "unsigned"),
        (f"t={'9' * 400},v1=aa", "unsigned"),
        (f"t={AT}", "unsigned"),
        (f"t={AT},v0={signed(AT)}", "unsigned"),
        (f"t={AT},v1=bad_signature", "forged"),
        (f"t={AT + 1},v1={signed(AT)}", "forged"),
        (f"t={AT - 301},v1={signed(AT - 301)}", "too_old"),
    ],
)
def test_a_signature_that_does_not_hold_is_refused(signature: str | None, reason: str) -> None:
    refused = answer(signature)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.status) == (reason, 401)


@pytest.mark.parametrize(
    "signature",
    [
        f"t={AT},v1={signed(AT)}",
        f"t={AT},v1={signed(AT)},v1=bad_signature",
        f"t={AT},v1=bad_signature,v1={signed(AT)}",
        f"t={AT}, v0=other, v1={signed(AT)}",
        f"t={AT - 299},v1={signed(AT - 299)}",
    ],
)
def test_any_v1_that_matches_is_enough(signature: str) -> None:
    assert isinstance(answer(signature), Verified)


def test_the_tolerance_can_be_widened() -> None:
    old = f"t={AT - 4000},v1={signed(AT - 4000)}"
    assert isinstance(answer(old, tolerance_ms=10**10), Verified)


@pytest.mark.parametrize("body", ["", "[]", "{", '{"object": "v2.core.event", "id": "e"}'])
def test_a_signed_body_that_is_no_event_is_malformed(body: str) -> None:
    refused = answer(f"t={AT},v1={signed(AT, body)}", body.encode())
    assert isinstance(refused, Refused)
    assert refused.reason == "malformed"


# ── orders ──

SESSION = {
    "id": "cs_1",
    "object": "checkout.session",
    "mode": "payment",
    "payment_status": "paid",
    "amount_total": 1234,
    "currency": "usd",
    "customer": "cus_1",
    "client_reference_id": "ana",
    "customer_details": {"email": "Ana@Example.com"},
}


def test_a_paid_checkout_is_an_order_of_the_shops_own_customer() -> None:
    found = told("checkout.session.completed", SESSION)
    order = found.events[-1]
    assert order.name == "Order Completed"
    assert (order.user_id, order.anonymous_id) == ("ana", "stripe:cus_1")
    assert order.properties["total"] == 12.34
    assert traits(found)["email"] == "ana@example.com"


def test_an_order_paid_later_completes_then_and_once() -> None:
    unpaid = told("checkout.session.completed", SESSION | {"payment_status": "unpaid"})
    assert unpaid.events == ()
    paid = told("checkout.session.async_payment_succeeded", SESSION)
    again = told("checkout.session.completed", SESSION)
    assert paid.events[-1].id == again.events[-1].id


def test_a_subscriptions_checkout_is_no_order() -> None:
    assert names(told("checkout.session.completed", SESSION | {"mode": "subscription"})) == []


@pytest.mark.parametrize(("currency", "total"), [("usd", 12.34), ("jpy", 1234.0), ("kwd", 1.234)])
def test_amounts_are_in_the_main_unit_of_their_currency(currency: str, total: float) -> None:
    found = told("checkout.session.completed", SESSION | {"currency": currency})
    assert found.events[-1].properties["total"] == total


def test_a_guest_is_known_by_the_address() -> None:
    guest = SESSION | {"customer": None, "client_reference_id": None}
    assert told("checkout.session.completed", guest).events[-1].anonymous_id == (
        "stripe:ana@example.com"
    )


def test_by_email_customers_are_their_address() -> None:
    said = SESSION | {"client_reference_id": None}
    order = told("checkout.session.completed", said, user_by="email").events[-1]
    assert (order.user_id, order.anonymous_id) == ("ana@example.com", "stripe:cus_1")


# ── subscriptions ──


@pytest.mark.parametrize(
    ("said", "monthly"),
    [
        (subscription(), 20.0),
        (subscription(12000, "year"), 10.0),
        (subscription(700, "week"), 30.44),
        (subscription(status="trialing"), 0.0),
        (subscription(status="canceled"), 0.0),
        (subscription(pause_collection={"behavior": "void"}), 0.0),
        (subscription(status="past_due"), 20.0),
    ],
)
def test_mrr_is_what_a_month_costs(said: dict[str, Any], monthly: float) -> None:
    assert mrr(said) == monthly


def test_quantities_and_items_add_up() -> None:
    said = subscription()
    said["items"]["data"] = [item | {"quantity": 3} for item in said["items"]["data"]] * 2
    assert mrr(said) == 120.0


def test_a_subscription_starts_with_or_without_a_trial() -> None:
    assert names(told("customer.subscription.created", subscription())) == ["Subscription Started"]
    trial = told("customer.subscription.created", subscription(status="trialing"))
    assert names(trial) == ["Trial Started"]
    assert traits(trial)["mrr"] == 0.0
    open_ = told("customer.subscription.created", subscription(status="incomplete"))
    assert open_.events == ()


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        ({"status": "active"}, {"status": "trialing"}, ["Trial Converted"]),
        ({"status": "past_due"}, {"status": "active"}, ["Subscription Past Due"]),
        ({"status": "active"}, {"status": "past_due"}, ["Subscription Recovered"]),
        ({"status": "active"}, {"status": "incomplete"}, ["Subscription Started"]),
        (
            {"cancel_at_period_end": True},
            {"cancel_at_period_end": False},
            ["Subscription Cancellation Scheduled"],
        ),
        (
            {"cancel_at_period_end": False},
            {"cancel_at_period_end": True},
            ["Subscription Cancellation Withdrawn"],
        ),
        ({"current_period_start": 20}, {"current_period_start": 10}, ["Subscription Renewed"]),
        ({}, {"items": subscription(1000)["items"]}, ["Subscription Upgraded"]),
        ({}, {"items": subscription(3000)["items"]}, ["Subscription Downgraded"]),
        ({}, {"metadata": {}}, []),
    ],
)  # fmt: skip
def test_an_update_tells_what_changed(
    now: dict[str, Any], before: dict[str, Any], expected: list[str]
) -> None:
    found = told("customer.subscription.updated", subscription(**now), before)
    assert names(found) == expected
    assert traits(found)["mrr"] == 20.0


def test_an_upgrade_tells_both_amounts() -> None:
    before = {"items": subscription(1000)["items"]}
    event = told("customer.subscription.updated", subscription(), before).events[-1]
    assert (event.properties["mrr_before"], event.properties["mrr"]) == (10.0, 20.0)


def test_a_cancelled_subscription_has_no_mrr() -> None:
    found = told("customer.subscription.deleted", subscription(status="canceled"))
    assert names(found) == ["Subscription Cancelled"]
    assert traits(found) == {
        "mrr": 0.0,
        "subscription_status": "canceled",
        "plan": "gold",
        "currency": "USD",
    }


def test_a_type_of_no_use_is_verified_and_ignored() -> None:
    found = told("terminal.reader.action_failed", {"id": "tmr_1"})
    assert found.events == ()
    assert "terminal.reader" in found.ignored


# ── published bodies ──


@pytest.mark.data
@pytest.mark.skipif(not FOLDER.is_dir(), reason="Stripe's published bodies are not here")
def test_every_published_resource_in_every_event_is_read_or_ignored() -> None:
    resources = json.loads(gzip.decompress((FOLDER / "fixtures3.json.gz").read_bytes()))
    bodies: list[dict[str, Any]] = list(resources["resources"].values())
    bodies += [json.loads(path.read_bytes()) for path in sorted((FOLDER / "dj-stripe").iterdir())]
    kinds = {
        "checkout.session": ["checkout.session.completed", "checkout.session.expired"],
        "invoice": ["invoice.paid", "invoice.payment_failed", "invoice.created"],
        "customer": ["customer.created", "customer.updated"],
        "charge": ["charge.refunded"],
        "subscription": [
            f"customer.subscription.{change}"
            for change in ("created", "updated", "deleted", "trial_will_end")
        ],
    }
    events = 0
    for body in bodies:
        if body.get("object") == "event":
            continue
        for kind in kinds.get(body.get("object", ""), ["other.thing"]):
            found = receive(*stripe(stripe_event(kind, body)), SECRET, Instant(NOW))
            if body.get("id") or kind == "other.thing":
                assert isinstance(found, Verified), (kind, found)
                assert found.events or found.ignored
                events += len(found.events)
            else:
                assert isinstance(found, Refused)
    assert events > 40


@pytest.mark.data
@pytest.mark.skipif(not FOLDER.is_dir(), reason="Stripe's published bodies are not here")
def test_every_published_event_is_accepted_and_the_fixtures_say_what_they_say() -> None:
    for path in sorted((FOLDER / "dj-stripe").glob("event_*.json")):
        assert isinstance(receive(*stripe(path.read_bytes()), SECRET, Instant(NOW)), Verified)
    said = json.loads(
        (FOLDER / "dj-stripe/subscription_sub_fakefakefakefakefake0001.json").read_bytes()
    )
    assert mrr(said) == 20.0
    invoice = json.loads(
        (FOLDER / "dj-stripe/invoice_in_fakefakefakefakefake0001.json").read_bytes()
    )
    paid = told("invoice.paid", invoice).events[-1]
    assert paid.anonymous_id == "stripe:cus_6lsBvm5rJ0zyHc"
    assert paid.properties["paid"] == 20.0
    assert paid.properties["subscription_id"] == "sub_fakefakefakefakefake0001"

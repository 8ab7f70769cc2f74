"""A send says whether another channel of its step could be used in its place."""

import pytest

from tests.unit.kernel.customers import Customer, journey, message, program, send

PROGRAM = program(
    journey("j", send("s", "hello", "email", "sms")), messages=(message("hello", "email", "sms"),)
)


@pytest.mark.parametrize(
    ("phone", "allowed", "left"),
    [("+491512345", "granted", True), ("", "granted", False), ("+491512345", "denied", False)],
)
def test_only_a_channel_that_is_reachable_and_allowed_is_left(
    phone: str, allowed: str, left: bool
) -> None:
    customer = Customer(PROGRAM, known=False)
    customer.identify(email="ana@shop.example", phone=phone)
    customer.consents("sms", "offers", allowed)
    customer.does("Started")
    (sent,) = (one for one in customer.effects if one.__struct_config__.tag == "send")
    assert sent.fallback is left  # type: ignore[union-attr]


def test_the_last_channel_has_none_left() -> None:
    customer = Customer(PROGRAM)
    customer.does("Started")
    first = customer.profile.ledger[0].id
    customer.reports(first, "claimed")
    customer.reports(first, "failed", "provider_away")
    sends = [one for one in customer.effects if one.__struct_config__.tag == "send"]
    assert [(one.channel, one.fallback) for one in sends] == [  # type: ignore[union-attr]
        ("email", True),
        ("sms", False),
    ]

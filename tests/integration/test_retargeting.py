"""A buyer leaves the retargeting audience within seconds of the order, named by hashes only."""

import hashlib
from contextlib import closing
from pathlib import Path

import pytest

from segue.kernel import plan
from segue.kernel.values import HOUR
from tests.integration.provider import Provider, journey, shop

SECONDS_MAX = 30.0
"""From the order's answer to the request at the provider, on the busiest machine."""


def test_a_buyer_leaves_the_audience_within_seconds_of_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META", "secret")
    rest = plan.Wait(id="rest", next="", for_ms=HOUR)
    left = journey(
        "left",
        "Product Added",
        plan.Audience(id="in", next="rest", audience="carts", change="add"),
        rest,
    )
    bought = journey(
        "bought",
        "Order Completed",
        plan.Audience(id="out", next="rest", audience="carts", change="remove"),
        rest,
    )
    with closing(Provider()) as meta:
        channels = (
            '[ads]\nprovider = "meta_ads"\naccess_token = "env:META"\n'
            f'base_url = "{meta.url}"\naudiences = {{carts = "23842"}}\n'
        )
        with shop(tmp_path, monkeypatch, channels, (), (left, bought)) as segue:
            segue.post("/v1/identify", {"userId": "ana", "traits": {"email": " Ana@Shop.example"}})
            segue.post("/v1/track", {"userId": "ana", "event": "Product Added"})
            segue.wait_for(lambda: [one.method for one in meta.asked] == ["POST"])
            answer = segue.post("/v1/track", {"userId": "ana", "event": "Order Completed"})
            assert answer.status_code == 200
            segue.wait_for(lambda: len(meta.asked) == 2, SECONDS_MAX)
            gone = meta.asked[1]
            assert (gone.method, gone.path.split("?")[0].rsplit("/", 1)[1]) == ("DELETE", "users")
            hashed = hashlib.sha256(b"ana@shop.example").hexdigest()
            assert hashed.encode() in gone.body and b"hop.example" not in gone.body

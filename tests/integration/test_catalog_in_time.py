"""Goal: a catalog that changes is the same story live, in a test, in a replay and in a backtest.

One workspace: whoever looked at an item gets a letter when it costs less and is in stock. The
letter names the item as it is when it leaves.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from segue import wiring
from segue.testing import Segue
from tests.integration.test_coupons import segue as command

SHOP = """
workspace: {name: drops, zone: UTC, currency: EUR, consent: {email: granted}}
catalogs: {products: {title: What we sell}, stores: {title: Where we are}}
events:
  Price Dropped:
    catalog: products
    when: item.price <= before.price * 0.95
    to: [Product Viewed]
    within: 30d
    properties: {product_id: item.id, price: item.price, was: before.price}
messages:
  price-drop:
    topic: offers
    expires: 1d
    contents:
      email:
        subject: "{{ catalog.products[entry.product_id].name }} costs less"
        text: "{{ entry.was }} before, {{ entry.price }} now"
journeys:
  price-drop:
    enter: {on: Price Dropped, when: item(properties.product_id).stock > 0}
    exit: {on: Order Completed}
    goal: {on: Order Completed, within: 3d}
    steps:
      - send: price-drop
        by: email
tests:
  Who looked at it hears that it costs less:
    customer: {email: ana@shop.example}
    steps:
      - {does: Product Viewed, with: {product_id: sofa}}
      - catalog: {id: sofa, price: 890}
      - expect: {messages: []}
      - catalog: {id: sofa, price: 700}
      - waits: 1m
      - expect: {messages: [price-drop by email]}
  Nobody hears of what is sold out:
    customer: {email: ana@shop.example}
    steps:
      - {does: Product Viewed, with: {product_id: table}}
      - catalog: {id: table, price: 1}
      - waits: 1m
      - expect: {messages: []}
  Other catalogs are others:
    customer: {email: ana@shop.example}
    steps:
      - {does: Product Viewed, with: {product_id: sofa}}
      - {catalog: {id: sofa, price: 1}, of: stores}
      - waits: 1m
      - expect: {messages: []}
"""
ITEMS = "id,name,price,stock\nsofa,Big sofa,900,3\ntable,Table,99.50,0\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "catalog").mkdir(parents=True)
    (folder / "shop.yaml").write_text(SHOP, encoding="utf-8")
    (folder / "catalog" / "products.csv").write_text(ITEMS, encoding="utf-8")
    return folder


@pytest.fixture
def world(shop: Path) -> Iterator[Segue]:
    with Segue(shop) as made:
        yield made


def test_tests_in_yaml_change_items(shop: Path) -> None:
    assert "3 passed, 0 failed" in command("test", "shop", cwd=shop.parent)


def test_tests_in_python_change_items_and_read_letters(world: Segue) -> None:
    ana = world.customer(email="ana@shop.example")
    ana.does("Product Viewed", product_id="sofa")
    world.catalog("products", {"id": "sofa", "price": 600, "name": "Huge sofa"})
    ana.waits("1m")
    assert ana.messages == ["price-drop"]
    (letter,) = world.store.kept()
    assert letter.fields["subject"] == "Huge sofa costs less"
    assert letter.fields["text"].startswith("900 before, 600 now")
    assert world.store.item("products", "sofa").fields["stock"] == 3  # type: ignore[union-attr]
    world.catalog("products", {"id": "sofa"}, gone=True)
    assert world.store.item("products", "sofa") is None


def views(path: Path, *who: str) -> None:
    """A log: each says their address, and looks at the sofa; a day later one says something."""
    lines: list[dict[str, object]] = []
    for name in who:
        at = "2026-03-02T09:00:00Z"
        traits = {"email": f"{name}@shop.example"}
        lines.append({"type": "identify", "traits": traits, "userId": name, "timestamp": at})
        lines.append(
            {"type": "track", "event": "Product Viewed", "properties": {"product_id": "sofa"},
             "userId": name, "timestamp": at}
        )  # fmt: skip
    lines.append(
        {"type": "track", "event": "Other", "userId": "zoe", "timestamp": "2026-03-03T09:00:00Z"}
    )
    body = "".join(json.dumps({"messageId": f"m{n}", **one}) + "\n" for n, one in enumerate(lines))
    path.write_text(body, encoding="utf-8")


def test_a_backtest_of_a_store_changes_items_when_they_changed(shop: Path) -> None:
    """What the live shop did is what the backtest of its history says it would have done."""
    log = shop.parent / "log.jsonl"
    views(log, "ana", "ben")
    command("replay", "log.jsonl", "-w", "shop", "--store", "s.sqlite", "-q", cwd=shop.parent)
    with wiring.stored(shop.parent / "s.sqlite") as store:
        assert store.catalogs() == {"products": 2}
        half_past = store.log()[-1].arrived_at - 12 * 3_600_000
        store.put_items([("products", "sofa", {"price": 500, "stock": 1})], half_past)  # type: ignore[arg-type]
    for workers in ("1", "2"):
        command("backtest", "shop", "--store", "s.sqlite", "--workers", workers, "-q",
                "--decisions", f"d{workers}.jsonl", cwd=shop.parent)  # fmt: skip
    first = (shop.parent / "d1.jsonl").read_text(encoding="utf-8")
    assert first == (shop.parent / "d2.jsonl").read_text(encoding="utf-8")
    assert admitted(first) == ["price-drop", "price-drop"]


def test_a_backtest_of_a_file_has_the_workspaces_items_from_the_start(shop: Path) -> None:
    views(shop.parent / "log.jsonl", "ana")
    text = SHOP.replace("enter: {on: Price Dropped, when", "enter: {on: Product Viewed, when")
    (shop / "shop.yaml").write_text(text.partition("tests:")[0], encoding="utf-8")
    command("backtest", "shop", "-f", "log.jsonl", "-q", "--decisions", "d", cwd=shop.parent)
    assert admitted((shop.parent / "d").read_text("utf-8")) == ["price-drop"]


def admitted(decisions: str) -> list[str]:
    """The messages admitted, of an export of decisions."""
    rows = [json.loads(line) for line in decisions.splitlines()]
    return [one["message"] for one in rows if one["what"] == "admitted"]

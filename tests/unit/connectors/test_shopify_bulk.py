"""Goal: a bulk file of Shopify says what the webhooks of the same things said, with the same ids."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from signing import NOW, SECRET, shopify

from segue.connectors.shopify import receive
from segue.connectors.shopify_bulk import BulkFile, Found, is_bulk
from segue.connectors.webhook import Verified
from segue.kernel.values import Instant

BIG = 9007199254740993
GID = "gid://shopify/"


def money(amount: str) -> dict[str, Any]:
    return {"shopMoney": {"amount": amount, "currencyCode": "EUR"}}


ORDER = {
    "id": f"{GID}Order/{BIG}",
    "name": "#1001",
    "createdAt": "2025-01-01T10:00:00Z",
    "email": "ana@shop.example",
    "totalPriceSet": money("25.00"),
    "displayFinancialStatus": "PAID",
    "discountCodes": ["TEN"],
    "customAttributes": [{"key": "segue_anonymous_id", "value": "anon-1"}],
    "customer": {"id": f"{GID}Customer/{BIG + 2}", "email": "ana@shop.example"},
}
LINES = [
    {
        "id": f"{GID}LineItem/{number}",
        "title": "Mug",
        "quantity": number,
        "sku": "M",
        "variant": {"id": f"{GID}ProductVariant/7"},
        "product": {"id": f"{GID}Product/3"},
        "originalUnitPriceSet": money("12.50"),
        "__parentId": ORDER["id"],
    }
    for number in (1, 2)
]
CUSTOMER = {
    "id": f"{GID}Customer/{BIG + 2}",
    "email": "Ana@shop.example",
    "firstName": "Ana",
    "tags": ["vip", "new"],
    "numberOfOrders": "4",
    "amountSpent": {"amount": "99.90", "currencyCode": "EUR"},
    "updatedAt": "2025-01-02T10:00:00Z",
    "emailMarketingConsent": {"marketingState": "SUBSCRIBED"},
}
PRODUCT = {
    "id": f"{GID}Product/3",
    "title": "Mug",
    "handle": "mug",
    "status": "ACTIVE",
    "updatedAt": "2025-01-02T10:00:00Z",
    "featuredImage": {"url": "https://cdn.example/mug.png"},
}
VARIANTS = [
    {
        "id": f"{GID}ProductVariant/{number}",
        "price": price,
        "compareAtPrice": "20.00",
        "inventoryQuantity": 2,
        "inventoryItem": {"id": f"{GID}InventoryItem/{number + 100}", "tracked": True},
        "__parentId": PRODUCT["id"],
    }
    for number, price in ((7, "12.50"), (8, "13.00"))
]


def read(folder: Path, *objects: dict[str, Any] | str) -> tuple[list[Found], BulkFile]:
    path = folder / "bulk.jsonl"
    lines = [one if isinstance(one, str) else json.dumps(one) for one in objects]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    source = BulkFile(path)
    return list(source), source


def by_webhook(topic: str, said: dict[str, Any]) -> Verified:
    found = receive(*shopify(topic, said), SECRET, Instant(NOW))
    assert isinstance(found, Verified)
    return found


def test_an_order_has_the_ids_and_words_of_its_webhook(tmp_path: Path) -> None:
    (found,), source = read(tmp_path, ORDER, *LINES)
    told = by_webhook(
        "orders/create",
        {
            "id": BIG,
            "name": "#1001",
            "created_at": "2025-01-01T10:00:00Z",
            "email": "ana@shop.example",
            "total_price": "25.00",
            "currency": "EUR",
            "financial_status": "paid",
            "discount_codes": [{"code": "TEN"}],
            "note_attributes": [{"name": "segue_anonymous_id", "value": "anon-1"}],
            "customer": {"id": BIG + 2, "email": "ana@shop.example"},
            "line_items": [
                {
                    "title": "Mug",
                    "quantity": number,
                    "sku": "M",
                    "variant_id": 7,
                    "product_id": 3,
                    "price": "12.50",
                }
                for number in (1, 2)
            ],
        },
    )
    assert [one.id for one in found.events] == [one.id for one in told.events]
    assert [one.properties for one in found.events] == [one.properties for one in told.events]
    assert [one.at for one in found.events] == [one.at for one in told.events]
    assert not any(one.live for one in found.events)
    assert source.reading.report.events == len(found.events)


def test_a_cancelled_order_tells_both(tmp_path: Path) -> None:
    (found,), _ = read(
        tmp_path, ORDER | {"cancelledAt": "2025-01-03T00:00:00Z", "cancelReason": "CUSTOMER"}
    )
    ids = {one.name: one.id for one in found.events}
    assert ids["Order Completed"] == f"shopify-order-{BIG}-completed"
    assert ids["Order Cancelled"] == f"shopify-order-{BIG}-cancelled"


def test_a_customer_tells_traits_and_consent(tmp_path: Path) -> None:
    (found,), _ = read(tmp_path, CUSTOMER)
    (event,) = found.events
    assert event.user_id == f"shopify:{BIG + 2}"
    assert event.traits == {
        "email": "ana@shop.example",
        "first_name": "Ana",
        "shopify_id": str(BIG + 2),
        "shopify_tags": ["vip", "new"],
        "shopify_orders": 4,
        "shopify_spent": 99.9,
    }
    assert [(who, said.state) for who, said in found.consents] == [(event.user_id, "granted")]


def test_a_product_is_the_item_of_its_webhook(tmp_path: Path) -> None:
    (found,), _ = read(tmp_path, PRODUCT, *VARIANTS)
    (item,) = found.items
    assert (item.kind, item.id) == ("product", "3")
    assert item.fields["price"] == 12.5
    assert item.fields["compare_at_price"] == 20.0
    assert item.fields["stock"] == 4
    assert item.fields["status"] == "active"
    assert item.fields["image_url"] == "https://cdn.example/mug.png"


@pytest.mark.parametrize("sort", [3, 100_000])
def test_children_may_stand_anywhere_after_their_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sort: int
) -> None:
    monkeypatch.setattr("segue.connectors.reading.SORT_EVENTS_MAX", sort)
    children = [*LINES, *VARIANTS]
    random.Random(7).shuffle(children)
    children.sort(key=lambda one: one["__parentId"] != PRODUCT["id"])
    found, _ = read(tmp_path, ORDER, CUSTOMER, PRODUCT, *children)
    assert [one.line for one in found] == [1, 2, 3]
    order = next(one for one in found[0].events if one.name == "Order Completed")
    products = order.properties["products"]
    assert isinstance(products, list)
    assert len(products) == 2
    assert found[2].items[0].fields["stock"] == 4


def test_bad_lines_are_named_and_harm_no_other(tmp_path: Path) -> None:
    orphan = LINES[0] | {"__parentId": f"{GID}Order/404"}
    found, source = read(
        tmp_path, CUSTOMER, "{", "[1]", orphan, {"x": 1}, ORDER | {"createdAt": None},
        {"id": f"{GID}Collection/1"}, PRODUCT,
    )  # fmt: skip
    assert [one.line for one in found] == [1, 8]
    assert [one.line for one in source.reading.report.rejections] == [2, 3, 4, 5, 6]
    assert source.reading.report.skipped == {"nothing is made of Collection": 1}


def test_only_a_bulk_file_is_one(tmp_path: Path) -> None:
    read(tmp_path, ORDER)
    assert is_bulk(tmp_path / "bulk.jsonl")
    for body in ('{"id": "a"}', "id,name\n", "", '["gid://shopify/Order/1"]', "\x00"):
        (tmp_path / "other").write_text(body)
        assert not is_bulk(tmp_path / "other")

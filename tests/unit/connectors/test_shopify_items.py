"""Goal: whatever order Shopify's deliveries come in, the catalog says what the shop says."""

import random
from itertools import permutations
from typing import Any

import pytest
from signing import NOW, SECRET, shopify

from segue.connectors.shopify import receive
from segue.connectors.shopify_items import INVENTORY, changes
from segue.connectors.webhook import Verified
from segue.kernel.values import Instant, Record

BIG = 9007199254740993


class Shop:
    """The catalog, as deliveries make it."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Record] = {}

    def tell(self, topic: str, said: dict[str, Any]) -> None:
        found = receive(*shopify(topic, said), SECRET, Instant(NOW))
        assert isinstance(found, Verified), found
        for catalog, name, fields in changes(found.items, lambda c, n: self.items.get((c, n))):
            if fields is None:
                self.items.pop((catalog, name), None)
            else:
                self.items[catalog, name] = fields

    def product(self, number: int = BIG) -> Record:
        return self.items.get(("products", str(number)), {})


def product(at: str, *stock: int | None, price: str = "20.00", **more: object) -> dict[str, Any]:
    return {
        "id": BIG,
        "title": "Mug",
        "handle": "mug",
        "updated_at": f"2025-01-01T{at}:00Z",
        "image": {"src": "https://cdn.example/mug.png"},
        "variants": [
            {
                "id": BIG + 2 * number,
                "price": price,
                "compare_at_price": "25.00",
                "inventory_quantity": many,
                "inventory_item_id": 100 + number,
            }
            for number, many in enumerate(stock)
        ],
        **more,
    }


def level(at: str, available: int | None, number: int = 100, place: int = 1) -> dict[str, Any]:
    return {
        "inventory_item_id": number,
        "location_id": place,
        "available": available,
        "updated_at": f"2025-01-01T{at}:00Z",
    }


def test_a_product_is_an_item_with_price_stock_picture_and_address() -> None:
    shop = Shop()
    shop.tell("products/create", product("10:00", 2, 3))
    found = shop.product()
    assert found["price"] == 20.0
    assert found["compare_at_price"] == 25.0
    assert found["stock"] == 5
    assert found["url"] == "/products/mug"
    assert found["image_url"] == "https://cdn.example/mug.png"
    variants = found["variants"]
    assert isinstance(variants, list)
    assert isinstance(first := variants[0], dict)
    assert first["id"] == str(BIG)
    assert first["stock"] == 2


def test_the_cheapest_variant_tells_the_price_and_what_it_was() -> None:
    said = product("10:00", 1, 1)
    said["variants"][1] |= {"price": "15.00", "compare_at_price": "15.00"}
    shop = Shop()
    shop.tell("products/update", said)
    assert shop.product()["price"] == 15.0
    assert "compare_at_price" not in shop.product()


def test_a_stock_level_changes_the_stock_of_its_product() -> None:
    shop = Shop()
    shop.tell("products/create", product("10:00", 0, 3))
    shop.tell("inventory_levels/update", level("11:00", 4))
    assert shop.product()["stock"] == 7
    shop.tell("inventory_levels/update", level("12:00", 2, place=2))
    assert shop.product()["stock"] == 9
    shop.tell("inventory_levels/update", level("13:00", 0, number=101))
    assert shop.product()["stock"] == 6


def test_the_product_has_the_last_word_if_it_is_the_last_to_speak() -> None:
    shop = Shop()
    shop.tell("products/create", product("10:00", 0))
    shop.tell("inventory_levels/update", level("11:00", 4))
    shop.tell("products/update", product("12:00", 9))
    assert shop.product()["stock"] == 9


def test_what_shopify_does_not_count_has_no_stock() -> None:
    said = product("10:00", -3)
    said["variants"][0]["inventory_management"] = None
    shop = Shop()
    shop.tell("products/create", said)
    assert "stock" not in shop.product()


STORY = [
    ("products/create", product("10:00", 5)),
    ("inventory_levels/update", level("11:00", 4)),
    ("products/update", product("12:00", 4, price="18.00")),
    ("inventory_levels/update", level("13:00", 0)),
    ("products/update", product("14:00", 0, price="15.00")),
]


def test_any_order_of_deliveries_ends_at_the_same_item() -> None:
    ends: list[Record] = []
    for order in permutations(STORY):
        shop = Shop()
        for topic, said in order:
            shop.tell(topic, said)
        ends.append(shop.product())
    assert all(end == ends[0] for end in ends)
    assert (ends[0]["price"], ends[0]["stock"]) == (15.0, 0)


@pytest.mark.parametrize("seed", range(20))
def test_repeats_change_nothing(seed: int) -> None:
    told = STORY * 3
    random.Random(seed).shuffle(told)
    shop = Shop()
    for topic, said in told:
        shop.tell(topic, said)
    assert (shop.product()["price"], shop.product()["stock"]) == (15.0, 0)


def test_a_product_that_went_does_not_come_back_by_an_old_delivery() -> None:
    shop = Shop()
    shop.tell("products/create", product("10:00", 5))
    shop.tell("products/delete", {"id": BIG})
    assert shop.product() == {}
    shop.tell("products/update", product("12:00", 4))
    assert shop.product() == {}
    assert (INVENTORY, f"gone-{BIG}") in shop.items


def test_levels_that_come_before_their_product_count_when_it_comes() -> None:
    shop = Shop()
    shop.tell("inventory_levels/update", level("11:00", 4))
    shop.tell("products/create", product("10:00", 0))
    assert shop.product()["stock"] == 4

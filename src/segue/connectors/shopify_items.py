"""Shopify's products and stock, as items of catalogs.

Rule 1: a delivery may come late, twice, or after a newer one: what is older than what is known
    changes nothing, and a product that was deleted does not come back by an old delivery.
Rule 2: a stock level names an inventory item and a location, and no product. Which variant it is
    of is known from its product, and kept in a catalog of its own (`INVENTORY`), with the level
    of each location; levels may come before their product.
Rule 3: a variant's stock is what the product's delivery told, or the sum of its locations'
    levels where one of them was told later. A product's stock is that of its variants.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

from segue.connectors.webhook import Item
from segue.kernel.catalog import PRODUCTS
from segue.kernel.values import Record, Value

INVENTORY = "shopify-inventory"
"""Which variant an inventory item is of, and its level in each location."""

Change: TypeAlias = tuple[str, str, Record | None]
LookUp: TypeAlias = Callable[[str, str], Record | None]
"""An item's fields by catalog and id; None where there is no such item."""


def changes(items: Sequence[Item], look_up: LookUp) -> list[Change]:
    """What these deliveries change, given what is known."""
    found = _Changes(look_up)
    for one in items:
        if one.kind == "product":
            found.product(one)
        else:
            found.level(one)
    return [(catalog, name, fields) for (catalog, name), fields in found.made.items()]


class _Changes:
    """Changes being gathered; each sees those before it."""

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self.made: dict[tuple[str, str], Record | None] = {}

    def _known(self, catalog: str, name: str) -> Record:
        if (catalog, name) in self.made:
            return self.made[catalog, name] or {}
        return self._look_up(catalog, name) or {}

    def product(self, told: Item) -> None:
        gone = self._known(INVENTORY, f"gone-{told.id}")
        known = self._known(PRODUCTS, told.id)
        if told.at < max(_at(known), _at(gone)):
            return
        if told.gone:
            self.made[PRODUCTS, told.id] = None
            self.made[INVENTORY, f"gone-{told.id}"] = {"told_at": told.at}
            return
        variants: list[Record] = []
        for variant in _records(told.fields.get("variants")):
            name = str(variant.get("inventory_item_id") or "")
            if name:
                kept = self._known(INVENTORY, name)
                level = _sum(kept)
                if level is not None and _at(kept) > told.at and "stock" in variant:
                    variant = {**variant, "stock": level}
                tie: Record = {"product_id": told.id, "variant_id": variant.get("id")}
                self.made[INVENTORY, name] = {**kept, **tie}
            variants.append(variant)
        self.made[PRODUCTS, told.id] = _with_stock({**told.fields, "told_at": told.at}, variants)

    def level(self, told: Item) -> None:
        known = self._known(INVENTORY, told.id)
        place = str(told.fields.get("location_id") or "-")
        levels = _record(known.get("levels"))
        if told.at < _at(_record(levels.get(place))):
            return
        level: Record = {"available": told.fields.get("available"), "told_at": told.at}
        known = {
            **known,
            "levels": {**levels, place: level},
            "told_at": max(told.at, _at(known)),
        }
        self.made[INVENTORY, told.id] = known
        product = str(known.get("product_id") or "")
        fields = self._known(PRODUCTS, product) if product else {}
        stock = _sum(known)
        if not fields or stock is None or told.at < _at(fields):
            return
        variants: list[Record] = [
            {**one, "stock": stock} if one.get("inventory_item_id") == told.id else one
            for one in _records(fields.get("variants"))
        ]
        self.made[PRODUCTS, product] = _with_stock(fields, variants)


def _with_stock(fields: Record, variants: list[Record]) -> Record:
    """A product with these variants, and the stock that follows from them."""
    counted = [one["stock"] for one in variants if isinstance(one.get("stock"), int)]
    found: Record = {key: value for key, value in fields.items() if key != "stock"}
    if variants:
        found["variants"] = cast("list[Value]", variants)
    if counted:
        found["stock"] = sum(cast("list[int]", counted))
    return found


def _sum(known: Record) -> int | None:
    """The level over all locations that have told one."""
    levels = [one.get("available") for one in _records([*_record(known.get("levels")).values()])]
    counted = [level for level in levels if isinstance(level, int)]
    return sum(counted) if counted else None


def _at(fields: Record) -> int:
    told = fields.get("told_at")
    return told if isinstance(told, int) else -1


def _record(value: object) -> Record:
    return cast(Record, value) if isinstance(value, dict) else {}


def _records(value: object) -> list[Record]:
    members = cast("list[object]", value) if isinstance(value, list | tuple) else []
    return [cast(Record, one) for one in members if isinstance(one, dict)]

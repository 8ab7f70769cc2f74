"""Catalogs: named collections of items, looked up by id and ranked inside groups.

Rule 1: a `Catalog` never changes; `changed` gives the next one and shares what is alike. An
    item is a record of plain data, and its `id` is one of its fields.
Rule 2: an item that is not there is an empty record: whatever is asked of it is missing.
Rule 3: a ranking is worked out when it is first asked for; a change then moves the changed
    item only. Its order is that of the numbers, the largest first; equals stand by their id,
    so it is the same on every machine.
Rule 4: what a ranking asks, it asks of the item alone: no profile, no time, no other item.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from segue.kernel.expression import TRUE, Expression, Literal
from segue.kernel.functions import spelled
from segue.kernel.limits import FRESH_ITEMS_MAX, RANKINGS_KEPT_MAX
from segue.kernel.values import Instant, Record, Value, number

PRODUCTS = "products"
"""The catalog that is meant where none is named."""

EVERYTHING = Literal("")
"""As the group of a ranking: all items in one."""


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """The best items of each group: those for which `when` holds, by the number `by`.

    `group`, `by` and `when` see the item. A group that is a list puts the item into each of
    its members; `most` are given at most.
    """

    name: str
    catalog: str
    by: Expression
    group: Expression = EVERYTHING
    most: int = 10
    when: Expression = TRUE


class CatalogPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A catalog as the workspace defines it: what it is called, and how it is ranked."""

    name: str
    title: str = ""
    rankings: tuple[Ranking, ...] = ()


class ItemChange(msgspec.Struct, frozen=True, kw_only=True):
    """One item as it was and as it is now; None where it is not there.

    `number` is its place in the item log: the changes of a catalog are told in that order.
    """

    catalog: str
    id: str
    before: Record | None
    after: Record | None
    at: Instant
    number: int


class Place(NamedTuple):
    """What a ranking finds out about one item."""

    holds: Value
    worth: Value
    group: Value


Judge: TypeAlias = Callable[[Record], Place]
"""The compiled expressions of a ranking, asked of an item."""


class LinkedRanking:
    """A ranking with its closures."""

    __slots__ = ("judge", "key", "ranking")

    def __init__(self, ranking: Ranking, key: str, judge: Judge) -> None:
        self.ranking = ranking
        self.key = key
        """Named by its content, so that two programs share what they ask alike."""
        self.judge = judge

    def places(self, item: Record) -> tuple[float, tuple[str, ...]]:
        """By how much an item counts, and in which groups; in none if it is not ranked."""
        if not item:
            return 0.0, ()
        found = self.judge(item)
        worth = number(found.worth)
        if found.holds is not True or worth is None:
            return 0.0, ()
        if isinstance(found.group, list | tuple):
            names = {name for name in map(spelled, found.group) if name is not None}
            return float(worth), tuple(sorted(names))
        name = spelled(found.group)
        return float(worth), () if name is None else (name,)


_Order: TypeAlias = dict[str, list[tuple[float, str]]]
"""By group: the items' numbers with the sign turned, and their ids, sorted."""


class Shelf:
    """The items of one catalog: many that stay, and beside them the few that changed lately."""

    __slots__ = ("_fresh", "_kept")

    def __init__(self, kept: Mapping[str, Record], fresh: Mapping[str, Record]) -> None:
        self._kept = kept
        self._fresh = fresh
        """What changed since; an empty record for what is there no more."""

    def get(self, item: str) -> Record:
        """One item; empty if it is not there."""
        found = self._fresh.get(item)
        return self._kept.get(item, _NO_ITEM) if found is None else found

    def items(self) -> Mapping[str, Record]:
        """All of them, by id."""
        if not self._fresh:
            return self._kept
        both = {**self._kept, **self._fresh}
        return {name: fields for name, fields in both.items() if fields}

    def changed(self, fresh: Mapping[str, Record]) -> "Shelf":
        """The next one. Only now and then are all items copied."""
        both = {**self._fresh, **fresh}
        if len(both) <= FRESH_ITEMS_MAX:
            return Shelf(self._kept, both)
        return Shelf(Shelf(self._kept, both).items(), {})


_NO_ITEM: Record = {}
_EMPTY_SHELF = Shelf({}, {})


class Catalog:
    """The items of all catalogs at one instant."""

    __slots__ = ("_orders", "_shelves")

    def __init__(self, items: Mapping[str, Mapping[str, Record]] | None = None) -> None:
        self._shelves = {
            catalog: Shelf({id_: _named(id_, fields) for id_, fields in found.items()}, {})
            for catalog, found in (items or {}).items()
        }
        self._orders: dict[str, tuple[LinkedRanking, _Order]] = {}
        """Grows as rankings are asked for: what is kept here could be worked out again."""

    def item(self, catalog: str, item: str) -> Record:
        """One item with its id; empty if it is not there. Nobody may change it."""
        return self._shelves.get(catalog, _EMPTY_SHELF).get(item)

    def names(self) -> tuple[str, ...]:
        """The catalogs in which there is an item."""
        return tuple(sorted(name for name, shelf in self._shelves.items() if shelf.items()))

    def ids(self, catalog: str) -> tuple[str, ...]:
        """The ids of a catalog's items, sorted."""
        return tuple(sorted(self._shelves.get(catalog, _EMPTY_SHELF).items()))

    def ranked(self, linked: LinkedRanking, group: str) -> list[Value]:
        """The ids of the best items of a group, the best first."""
        known = self._orders.get(linked.key)
        if known is None:
            shelf = self._shelves.get(linked.ranking.catalog, _EMPTY_SHELF)
            if len(self._orders) >= RANKINGS_KEPT_MAX:
                self._orders.clear()
            known = self._orders[linked.key] = linked, _sorted(linked, shelf.items().values())
        return [id_ for _, id_ in known[1].get(group, ())[: linked.ranking.most]]

    def changed(self, changes: Iterable[ItemChange]) -> "Catalog":
        """The catalog after these changes; this one stays as it is."""
        found = Catalog()
        found._shelves = dict(self._shelves)
        found._orders = dict(self._orders)
        fresh: dict[str, dict[str, Record]] = {}
        for change in changes:
            shelf = self._shelves.get(change.catalog, _EMPTY_SHELF)
            items = fresh.setdefault(change.catalog, {})
            old = items.get(change.id)
            old = shelf.get(change.id) if old is None else old
            new = items[change.id] = {} if change.after is None else _named(change.id, change.after)
            for key, (linked, order) in found._orders.items():
                if linked.ranking.catalog == change.catalog:
                    found._orders[key] = linked, _moved(linked, order, old, new)
        for catalog, items in fresh.items():
            found._shelves[catalog] = self._shelves.get(catalog, _EMPTY_SHELF).changed(items)
        return found


def _named(id_: str, fields: Record) -> Record:
    return {**fields, "id": id_}


def _sorted(linked: LinkedRanking, items: Iterable[Record]) -> _Order:
    order: _Order = {}
    for item in items:
        worth, groups = linked.places(item)
        for group in groups:
            order.setdefault(group, []).append((-worth, str(item["id"])))
    for line in order.values():
        line.sort()
    return order


def _moved(linked: LinkedRanking, order: _Order, old: Record, new: Record) -> _Order:
    """The order with one item taken out where it stood and put in where it belongs."""
    was, now = linked.places(old), linked.places(new)
    if was == now:
        return order
    moved = dict(order)
    for worth, groups, enters in ((*was, False), (*now, True)):
        for group in groups:
            line = moved[group] = list(moved.get(group, ()))
            entry = (-worth, str((new if enters else old)["id"]))
            if enters:
                insort(line, entry)
            else:
                del line[bisect_left(line, entry)]
    return moved


def named_by(properties: Record) -> Sequence[str]:
    """The items that an event names: its `product_id`, and that of each of its `products`."""
    found: list[str] = []
    listed = properties.get("products")
    for each in (properties, *(listed if isinstance(listed, list | tuple) else ())):
        name = spelled(each.get("product_id")) if isinstance(each, dict) else None
        if name and name not in found:
            found.append(name)
    return found


EMPTY = Catalog()
"""No items at all. Nobody may change it: `changed` gives another."""

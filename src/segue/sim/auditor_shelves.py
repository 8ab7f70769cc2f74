"""The auditor's shelves: the items of catalogs, what ranks best, and who has to hear of a change.

Rule 1: written from `docs/concepts/catalog.md`. Nothing is kept in order: a ranking is worked out
    from all items each time, and who is concerned from everyone's whole log.
Rule 2: each change is told once to each who did one of `to` with the item in the time before it,
    in the order of changes. Of two who turn out to be one either hears of it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from segue.kernel import plan
from segue.kernel.inputs import Event
from segue.kernel.values import Record, Value
from segue.sim import tape
from segue.sim.auditor_conditions import View, holds, value_of
from segue.sim.auditor_life import Life
from segue.sim.auditor_visits import products

if TYPE_CHECKING:
    from segue.sim.auditor_tick import Book


class News(msgspec.Struct):
    """An event that a change of an item makes, and who has still to hear of it."""

    name: str
    key: str
    """Catalog, item and number of the change, as the event's id names them."""
    at: int
    properties: Record
    waiting: list[Life]
    """Whoever turns out to be somebody else, that one hears of it."""

    def event(self, profile: str) -> Event:
        """What one customer hears."""
        return Event(
            id=f"{profile}/{self.name}/{self.key}",
            name=self.name,
            at=self.at,  # type: ignore[arg-type]
            properties=self.properties,
            source="segue",
            live=False,
            emitted=True,
        )


class Shelves:
    """All items as they are now."""

    def __init__(self, book: "Book") -> None:
        self.book = book
        self.items: dict[tuple[str, str], Record] = {}
        self.changes = 0
        self.news: list[News] = []

    def item(self, catalog: str, name: Value) -> Record | None:
        """One item, if it is there."""
        return self.items.get((catalog, spelled(name) or ""))

    def ranked(self, name: str, group: Value) -> list[Value]:
        """The ids of the best items of a group, the best first, alike ones by their id."""
        plans = [self.book.today, *self.book.plans.values()]
        rankings = [r for one in plans for c in one.catalogs for r in c.rankings if r.name == name]
        wanted = spelled(group)
        if not rankings or wanted is None:
            return []
        ranking = rankings[0]
        found: list[tuple[float, str]] = []
        for (catalog, own), fields in self.items.items():
            if catalog != ranking.catalog:
                continue
            view = self._view(fields)
            worth, of = value_of(ranking.by, view), value_of(ranking.group, view)
            groups = of if isinstance(of, list | tuple) else [of]
            counts = isinstance(worth, int | float) and not isinstance(worth, bool)
            if counts and holds(ranking.when, view) and wanted in map(spelled, groups):
                found.append((-float(worth), own))  # type: ignore[arg-type]
        return [own for _, own in sorted(found)[: ranking.most]]

    def _view(self, item: Record, before: Record | None = None) -> View:
        nobody = Life("", 0, "", "", self.book.today.workspace, frozenset())
        view = View(nobody, 0)
        view.item, view.before = item, before or {}
        return view

    # ── changes ──

    def put(self, entry: tape.Stocked, lives: Iterable[Life]) -> None:
        """Items become what was said; what they were already is no change."""
        everyone = list(lives)
        for catalog, name, said in entry.items:
            before = self.items.get((catalog, name))
            after = None if said is None else {**said, "id": name}
            if after == before:
                continue
            self.changes += 1
            if after is None:
                del self.items[catalog, name]
            else:
                self.items[catalog, name] = after
            self._announce(entry.at, (catalog, name), before or {}, after or {}, everyone)

    def _announce(
        self, at: int, key: tuple[str, str], before: Record, after: Record, lives: list[Life]
    ) -> None:
        catalog, name = key
        view = self._view(after, before)
        derived = [one for one in self.book.today.derived if one.moment == "item_changed"]
        for one in sorted(derived, key=lambda each: each.name):
            if one.catalog != catalog or not holds(one.when, view):
                continue
            said = {key: value_of(value, view) for key, value in one.properties.items()}
            told = News(
                name=one.name,
                key=f"{catalog}/{name}/{self.changes}",
                at=at,
                properties={"product_id": name, **said},
                waiting=[life for life in lives if _concerned(life, one, name, at)],
            )
            self.book.met["changes of items that make an event"] += 1
            if told.waiting:
                self.news.append(told)

    def tell(self, profile: str, event_id: str) -> Event | None:
        """What a customer hears, if it is their turn to hear that."""
        self.news = [one for one in self.news if one.waiting]
        for one in self.news:
            if any(life.id == profile for life in one.waiting):
                one.waiting = [life for life in one.waiting if life.id != profile]
                self.book.met["customers told of an item"] += 1
                found = one.event(profile)
                return found if found.id == event_id else None
        return None

    def inherit(self, heir: Life, other: Life) -> None:
        """Two are one: what either has still to hear, if the other has not heard it."""
        for one in self.news:
            if other in one.waiting or heir in one.waiting:
                one.waiting = [x for x in one.waiting if x is not other and x is not heir]
                one.waiting.append(heir)

    def untold(self) -> list[str]:
        """Who has not heard of what they had to hear."""
        return [f"{life.id} of {one.name} {one.key}" for one in self.news for life in one.waiting]


def _concerned(life: Life, one: plan.Derived, item: str, at: int) -> bool:
    """Whether they did one of `to` with the item in the time before."""
    return any(
        event.name in one.on
        and item in products(event.properties)
        and event.at <= at
        and (not one.within_ms or event.at > at - one.within_ms)
        for event, _ in life.log
    )


def spelled(value: Value) -> str | None:
    """A text, number or boolean as text."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case str() | int() | float():
            return str(value)
        case _:
            return None

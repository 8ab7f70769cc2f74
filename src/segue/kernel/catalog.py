"""What a change of a catalog makes happen, and whom it concerns.

Rule 1: a change is looked at once, by the item alone: `told` gives the events that it makes,
    whoever hears of them. So a price that falls costs one look, not one for each customer.
Rule 2: a profile hears of an item that it named by one of the events a derived event lists.
    What it named is an `Interest`; the store keeps these, not the profile.
Rule 3: the same change makes the same events with the same ids (`event`), so that telling it
    twice changes nothing.
"""

from collections.abc import Mapping

import msgspec

from segue.kernel.calendar import UTC
from segue.kernel.inputs import Event
from segue.kernel.profile import create
from segue.kernel.program import Program
from segue.kernel.scene import Scene
from segue.kernel.shelves import EMPTY, PRODUCTS, Catalog, ItemChange, named_by
from segue.kernel.values import Instant, Millis, ProfileId, Record

__all__ = [
    "EMPTY",
    "PRODUCTS",
    "Catalog",
    "Interest",
    "ItemChange",
    "ItemTold",
    "event",
    "heard",
    "interests",
    "told",
]


class Interest(msgspec.Struct, frozen=True):
    """A profile did something with an item: the event's name, and when it happened."""

    catalog: str
    item: str
    name: str
    at: Instant


class ItemTold(msgspec.Struct, frozen=True):
    """An event that a change makes: for those who did one of `to` with the item lately."""

    name: str
    properties: Record
    to: tuple[str, ...]
    within_ms: Millis


def told(program: Program, change: ItemChange) -> tuple[ItemTold, ...]:
    """The events that a change makes, in the order of their names."""
    found: list[ItemTold] = []
    for one in program.moments.get("item_changed", ()):
        derived = one.derived
        if derived.catalog != change.catalog:
            continue
        scene = Scene(create(ProfileId(""), change.at), change.at, UTC)
        scene.item = _named(change.id, change.after)
        scene.before = _named(change.id, change.before)
        if one.condition.holds(scene):
            properties: Record = {"product_id": change.id}
            properties.update((key, value.ask(scene)) for key, value in one.properties.items())
            found.append(ItemTold(derived.name, properties, derived.on, derived.within_ms))
    return tuple(sorted(found, key=lambda each: each.name))


def _named(item: str, fields: Record | None) -> Record:
    """An item that is not there is an empty record, of which all is missing."""
    return {} if fields is None else {**fields, "id": item}


def event(profile: ProfileId, change: ItemChange, one: ItemTold) -> Event:
    """What one profile hears of a change."""
    return Event(
        id=f"{profile}/{one.name}/{change.catalog}/{change.id}/{change.number}",
        name=one.name,
        at=change.at,
        properties=one.properties,
        source="segue",
        live=False,
        emitted=True,
    )


def interests(program: Program, said: Event) -> tuple[Interest, ...]:
    """The items that an event makes its profile hear of, each once."""
    return tuple(
        Interest(catalog, item, said.name, said.at)
        for catalog in program.interested.get(said.name, ())
        for item in named_by(said.properties)
    )


def heard(program: Program) -> Mapping[tuple[str, str], Millis]:
    """For how long an interest is asked for, by catalog and event; 0 is for ever."""
    found: dict[tuple[str, str], Millis] = {}
    for one in program.moments.get("item_changed", ()):
        for name in one.derived.on:
            key = one.derived.catalog, name
            longest = found.get(key, one.derived.within_ms)
            both = (longest, one.derived.within_ms)
            found[key] = Millis(0) if 0 in both else max(both)
    return found

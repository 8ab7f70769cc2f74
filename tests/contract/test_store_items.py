"""A catalog is what was put last, its log says how it came to be, and of whom an item's change is
to be told nobody is missing and nobody stands twice, whatever was merged meanwhile.
"""

import pytest
from store_samples import ANA, BEN, CY, at, merge, person

from segue.errors import Unstorable
from segue.kernel.catalog import Interest
from segue.kernel.values import NEVER, ProfileId, Record
from segue.stores.ports import Audience, Hearing, Item, ItemLine, Saved, Store, Told

SOFA: Record = {"name": "Sofa", "price": 900, "tags": ["new"]}


def shown(store: Store, who: ProfileId, *interests: tuple[str, str, int], told: str = "") -> None:
    """Save interests (item, name, instant) of a profile, and what it was told of the sofa."""
    loaded = store.load([who]).get(who)
    store.commit(
        [
            Saved(
                profile=loaded.profile if loaded else person(who),
                seen_version=loaded.version if loaded else 0,
                interests=tuple(
                    Interest("products", item, name, at(when)) for item, name, when in interests
                ),
                told=(Told("products", "sofa", told),) if told else (),
            )
        ]
    )


def audience(
    store: Store,
    *names: str,
    item: str = "sofa",
    since: int = 0,
    until: int = NEVER,
    mark: str = "1",
    after: str = "",
    limit: int = 10,
) -> list[ProfileId]:
    asked = Audience(
        catalog="products",
        item=item,
        names=names or ("Viewed",),
        since=at(since),
        until=at(until),
        mark=mark,
    )
    return store.interested(asked, ProfileId(after), limit)


# ── items ──


def test_an_item_is_what_was_put_last(store: Store) -> None:
    store.put_items([("products", "sofa", SOFA), ("stores", "1", {"city": "Köln"})], at(5))
    store.put_items([("products", "sofa", SOFA | {"price": 800})], at(6))
    assert store.item("products", "sofa") == Item(
        "products", "sofa", 3, at(6), SOFA | {"price": 800}
    )
    assert store.item("stores", "1") == Item("stores", "1", 2, at(5), {"city": "Köln"})
    assert store.item("products", "1") is None
    assert store.catalogs() == {"products": 1, "stores": 1}
    assert store.counts().items == 2


def test_the_log_says_what_an_item_was_and_what_it_became(store: Store) -> None:
    lines = store.put_items([("products", "sofa", {"price": 9})], at(5))
    lines += store.put_items([("products", "sofa", None)], at(6))
    lines += store.put_items([("products", "sofa", {"price": 8})], at(7))
    assert lines == [
        ItemLine(1, at(5), "products", "sofa", None, {"price": 9}),
        ItemLine(2, at(6), "products", "sofa", {"price": 9}, None),
        ItemLine(3, at(7), "products", "sofa", None, {"price": 8}),
    ]
    assert store.item_log() == lines
    assert store.item_log(1, 1) == lines[1:2]
    assert store.item_log(3) == []
    assert store.item_number() == 3


def test_an_item_put_as_it_is_makes_no_line(store: Store) -> None:
    store.put_items([("products", "sofa", {"a": 1, "b": 2})], at(5))
    assert store.put_items([("products", "sofa", {"b": 2, "a": 1})], at(6)) == []
    assert store.put_items([("products", "table", None)], at(6)) == []
    assert store.put_items([("products", "sofa", {"a": True, "b": 2})], at(7)) != []


def test_one_put_may_name_an_item_twice(store: Store) -> None:
    changes: list[tuple[str, str, Record | None]] = [
        ("products", "sofa", {"price": 9}),
        ("products", "sofa", {"price": 9}),
        ("products", "sofa", None),
    ]
    assert [line.fields for line in store.put_items(changes, at(5))] == [{"price": 9}, None]
    assert store.item("products", "sofa") is None
    assert store.catalogs() == {}


def test_items_come_in_pages_in_order_of_id(store: Store) -> None:
    store.put_items([("products", name, {}) for name in "cabd"], at(5))
    store.put_items([("other", "b", {})], at(5))
    assert [one.id for one in store.items("products", limit=3)] == ["a", "b", "c"]
    assert [one.id for one in store.items("products", "b")] == ["c", "d"]
    assert store.items("none") == []


def test_what_has_no_stored_form_is_refused_and_nothing_is_put(store: Store) -> None:
    before = list(store.snapshot())
    with pytest.raises(Unstorable) as refused:
        store.put_items([("products", "good", {}), ("products", "bad", {"n": 1 << 70})], at(5))
    assert refused.value.profile == "bad"
    assert list(store.snapshot()) == before


# ── interests ──


def test_who_did_one_of_the_names_with_the_item_is_told(store: Store) -> None:
    shown(store, ANA, ("sofa", "Viewed", 5), ("table", "Added", 6))
    shown(store, BEN, ("sofa", "Added", 5))
    assert audience(store, "Viewed") == [ANA]
    assert audience(store, "Viewed", "Added") == [ANA, BEN]
    assert audience(store, "Added", item="table") == [ANA]
    assert audience(store, "Added", item="chair") == []
    assert audience(store, "Viewed", "Added", limit=1) == [ANA]
    assert audience(store, "Viewed", "Added", after=ANA) == [BEN]


def test_an_interest_is_told_of_within_its_time_and_not_of_what_was_before_it(store: Store) -> None:
    shown(store, ANA, ("sofa", "Viewed", 5))
    assert audience(store, since=4) == [ANA]
    assert audience(store, since=5) == []
    assert audience(store, until=5) == [ANA]
    assert audience(store, until=4) == []


def test_an_interest_lasts_from_its_first_to_its_last_event_in_any_order(store: Store) -> None:
    shown(store, ANA, ("sofa", "Viewed", 50), ("sofa", "Viewed", 10))
    shown(store, ANA, ("sofa", "Viewed", 30))
    assert audience(store, since=49, until=10) == [ANA]
    assert audience(store, since=50) == []
    assert audience(store, until=9) == []


def test_who_was_told_is_told_once_of_each_change(store: Store) -> None:
    shown(store, ANA, ("sofa", "Viewed", 5), ("sofa", "Added", 5))
    shown(store, ANA, told="2")
    assert audience(store, "Viewed", "Added", mark="2") == []
    assert audience(store, "Added", mark="1") == []
    assert audience(store, "Viewed", mark="3") == [ANA]
    shown(store, ANA, ("sofa", "Watched", 6))
    assert audience(store, "Watched", mark="2") == []


def test_a_merge_moves_interests_and_what_was_told(store: Store) -> None:
    shown(store, ANA, ("sofa", "Viewed", 10), ("table", "Viewed", 10))
    shown(store, BEN, ("sofa", "Viewed", 5), ("sofa", "Added", 7), told="2")
    shown(store, CY, ("chair", "Viewed", 1))
    merge(store, "ana", "ben", "cy")
    assert audience(store, "Viewed", "Added", mark="2") == []
    assert audience(store, "Viewed", mark="3", since=9, until=5) == [ANA]
    assert audience(store, "Added", mark="3") == [ANA]
    assert audience(store, item="table") == audience(store, item="chair") == [ANA]


def test_who_is_merged_into_a_profile_without_interests_is_found_with_it(store: Store) -> None:
    shown(store, ANA)
    shown(store, BEN, ("sofa", "Viewed", 5))
    merge(store, "ana", "ben")
    assert audience(store) == [ANA]


def test_a_merge_keeps_what_the_heir_is_shown_in_the_same_commit(store: Store) -> None:
    shown(store, ANA)
    shown(store, BEN, ("sofa", "Viewed", 5))
    merge(
        store,
        "ana",
        "ben",
        interests=(Interest("products", "sofa", "Viewed", at(9)),),
        told=(Told("products", "sofa", "4"),),
    )
    assert audience(store, mark="4") == []
    assert audience(store, mark="5", since=8, until=5) == [ANA]


# ── forgetting ──


def hearing(name: str, since: int, catalog: str = "products") -> Hearing:
    return Hearing(catalog, name, at(since))


def forget(store: Store, *heard: Hearing, most: int = 100, limit: int = 10) -> None:
    after: ProfileId | None = ProfileId("")
    while after is not None:
        after = store.forget_interests(heard, most, after, limit)


def interests_in(store: Store) -> list[bytes]:
    return [row for row in store.snapshot() if b"interest" in row]


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_interests_that_nothing_asks_for_are_forgotten_page_by_page(
    store: Store, limit: int
) -> None:
    shown(store, ANA, ("sofa", "Viewed", 10), ("sofa", "Added", 10), ("table", "Viewed", 11))
    shown(store, BEN, ("sofa", "Viewed", 12))
    shown(store, CY, ("sofa", "Liked", 90))
    forget(store, hearing("Viewed", 10), hearing("Added", 9), limit=limit)
    assert audience(store, "Viewed") == [BEN]
    assert audience(store, "Viewed", item="table") == [ANA]
    assert audience(store, "Added") == [ANA]
    assert audience(store, "Liked") == []
    forget(store, hearing("Viewed", 0, catalog="shows"), limit=limit)
    assert interests_in(store) == []


def test_what_was_forgotten_can_be_shown_again(store: Store) -> None:
    shown(store, ANA, ("sofa", "Viewed", 10))
    forget(store)
    assert audience(store) == []
    shown(store, ANA, ("sofa", "Viewed", 20))
    assert audience(store) == [ANA]
    assert audience(store, until=19) == []


def test_of_too_many_interests_the_newest_are_kept(store: Store) -> None:
    shown(store, ANA, *((f"item{n}", "Viewed", n) for n in (5, 1, 4, 2, 3)))
    shown(store, BEN, ("item1", "Viewed", 1))
    forget(store, hearing("Viewed", 0), most=2)
    found = {n for n in range(1, 6) if ANA in audience(store, item=f"item{n}")}
    assert found == {4, 5}
    assert audience(store, item="item1") == [BEN]

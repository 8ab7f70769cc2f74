"""A coupon code is handed out once: whatever is committed, by whomever, in whatever order."""

import threading

import pytest
from store_samples import ANA, BEN, at, person

from segue.errors import StaleCommit
from segue.kernel.effects import CouponMove
from segue.kernel.values import ProfileId
from segue.stores.memory import MemoryStore
from segue.stores.ports import CouponPool, Saved, Store


def handed(code: str, source: str = "s1", pool: str = "ten") -> CouponMove:
    return CouponMove(pool, code, "handed", source)


def returned(code: str, source: str = "s1", pool: str = "ten") -> CouponMove:
    return CouponMove(pool, code, "returned", source)


def commit(store: Store, *moves: CouponMove, of: ProfileId = ANA) -> None:
    loaded = store.load([of]).get(of)
    seen = loaded.version if loaded else 0
    store.commit([Saved(profile=person(of), seen_version=seen, moves=moves)])


def test_codes_are_free_in_the_order_in_which_they_were_added(store: Store) -> None:
    assert store.add_coupons("ten", ["C", "A", "B"], at(1)) == 3
    assert store.add_coupons("five", ["C"], at(1)) == 1
    assert store.free_coupons("ten", 10) == ["C", "A", "B"]
    assert store.free_coupons("ten", 2) == ["C", "A"]
    assert store.free_coupons("none", 2) == []
    assert store.coupon_pools() == [CouponPool("five", 1, 0), CouponPool("ten", 3, 0)]


def test_adding_a_code_again_changes_nothing_not_even_one_that_is_handed_out(store: Store) -> None:
    store.add_coupons("ten", ["A", "B"], at(1))
    commit(store, handed("A"))
    assert store.add_coupons("ten", ["B", "A", "C", "C"], at(2)) == 1
    assert store.free_coupons("ten", 10) == ["B", "C"]


def test_a_code_is_handed_out_with_the_commit_and_is_free_no_more(store: Store) -> None:
    store.add_coupons("ten", ["A", "B"], at(1))
    commit(store, handed("A"))
    assert store.free_coupons("ten", 10) == ["B"]
    assert store.coupon_pools() == [CouponPool("ten", 1, 1)]


@pytest.mark.parametrize("code", ["A", "unknown"])
def test_what_is_not_free_is_refused_and_nothing_is_saved(store: Store, code: str) -> None:
    store.add_coupons("ten", ["A", "B"], at(1))
    commit(store, handed("A", "s1"))
    before = list(store.snapshot())
    with pytest.raises(StaleCommit) as stale:
        commit(store, handed("B", "s2"), handed(code, "s2"), of=BEN)
    assert BEN in stale.value.profiles
    assert list(store.snapshot()) == before


def test_two_of_one_batch_cannot_have_the_same_code(store: Store) -> None:
    store.add_coupons("ten", ["A"], at(1))
    with pytest.raises(StaleCommit):
        store.commit(
            [
                Saved(profile=person("ana"), moves=(handed("A", "s1"),)),
                Saved(profile=person("ben"), moves=(handed("A", "s2"),)),
            ]
        )
    assert store.free_coupons("ten", 10) == ["A"]
    assert store.load([ANA, BEN]) == {}


def test_the_same_source_may_be_handed_its_code_again(store: Store) -> None:
    store.add_coupons("ten", ["A"], at(1))
    commit(store, handed("A"))
    commit(store, handed("A"))
    assert store.coupon_pools() == [CouponPool("ten", 0, 1)]


def test_a_code_comes_back_to_its_old_place_from_the_source_that_has_it_only(store: Store) -> None:
    store.add_coupons("ten", ["A", "B", "C"], at(1))
    commit(store, handed("A", "s1"), handed("B", "s2"))
    commit(store, returned("A", "s2"), returned("C", "s1"), returned("unknown", "s1"))
    assert store.free_coupons("ten", 10) == ["C"]
    commit(store, returned("A", "s1"))
    assert store.free_coupons("ten", 10) == ["A", "C"]


def test_a_code_that_came_back_can_go_out_again_in_the_same_commit(store: Store) -> None:
    store.add_coupons("ten", ["A"], at(1))
    commit(store, handed("A", "s1"))
    commit(store, returned("A", "s1"), handed("A", "s2"))
    with pytest.raises(StaleCommit):
        commit(store, handed("A", "s1"))
    commit(store, handed("A", "s2"))


def test_pools_keep_apart_codes_of_the_same_name(store: Store) -> None:
    store.add_coupons("ten", ["A"], at(1))
    store.add_coupons("five", ["A"], at(1))
    commit(store, handed("A", pool="ten"))
    assert store.free_coupons("five", 10) == ["A"]
    assert store.free_coupons("ten", 10) == []


def test_every_store_keeps_the_same_rows(store: Store) -> None:
    oracle = MemoryStore()
    for one in (store, oracle):
        one.add_coupons("ten", ["A", "B", "C"], at(1))
        one.add_coupons("five", ["A"], at(2))
        commit(one, handed("A", "s1"), handed("B", "s1"))
        commit(one, returned("A", "s1"), handed("A", "s3", "five"), of=BEN)
    assert list(store.snapshot()) == list(oracle.snapshot())


def test_of_many_who_want_one_code_one_gets_it(store: Store) -> None:
    store.add_coupons("ten", ["A"], at(1))
    outcomes: list[str] = []

    def race(name: str) -> None:
        try:
            commit(store, handed("A", f"send-of-{name}"), of=ProfileId(name))
            outcomes.append("had it")
        except StaleCommit:
            outcomes.append("stale")

    threads = [threading.Thread(target=race, args=(f"p{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["had it", *["stale"] * 7]

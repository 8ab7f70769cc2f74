"""Slots are fixed for ever: rows carry them, so another hash would strand what is stored."""

from collections import Counter

from segue.kernel.values import ProfileId
from segue.stores.ports import Identifier
from segue.stores.slots import SLOTS, of_identifier, slot_of

FIXED = {"": 582, "ana": 1701, "ünïcödé": 510}


def test_slots_never_change() -> None:
    assert {name: slot_of(ProfileId(name)) for name in FIXED} == FIXED
    assert of_identifier(Identifier("user", "ana")) == 3869


def test_kind_and_value_do_not_run_together() -> None:
    assert of_identifier(Identifier("ab", "c")) != of_identifier(Identifier("a", "bc"))


def test_profiles_spread_evenly_over_all_slots() -> None:
    counts = Counter(slot_of(ProfileId(f"p{n}")) for n in range(40 * SLOTS))
    assert set(counts) == set(range(SLOTS))
    assert max(counts.values()) < 2.5 * 40

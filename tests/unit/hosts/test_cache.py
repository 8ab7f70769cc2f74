"""Goal: what the cache says of a claim is what the store would, and no more."""

import gc

import pytest

from segue.hosts.cache import Cache
from segue.hosts.interpreter import OBJECTS, look_seldom
from segue.hosts.quick import QuickStore
from segue.kernel.effects import CallWebhook, Effect, Send
from segue.kernel.profile import create
from segue.kernel.values import Instant, ProfileId
from segue.stores.ports import QueuedSend, Saved

NOW = Instant(1_000)
ANA = ProfileId("ana")


def send(name: str) -> Send:
    return Send(
        id=name,
        message="m",
        program="p",
        channel="email",
        address="ana@example.com",
        data={},
        not_after=Instant(9_000),
    )


def claim(store: QuickStore, *effects: Effect) -> list[QueuedSend]:
    store.commit([Saved(profile=create(ANA, NOW), effects=tuple((one, NOW) for one in effects))])
    return store.claim(NOW, 10, "me")


def test_a_claim_is_told_as_a_load_would_tell_it() -> None:
    store, cache = QuickStore(), Cache()
    call = CallWebhook(id="w", webhook="hook", body={})
    cache.put(create(ANA, NOW), 1)
    cache.claimed(claim(store, send("one"), call, send("two")))
    loaded = store.load([ANA])[ANA]
    assert [one.send_id for one in loaded.claims] == ["one", "two"]
    assert cache.take(ANA) == (loaded.profile, loaded.version, loaded.claims)
    assert cache.take(ANA) is None


def test_a_profile_that_is_saved_again_has_heard_of_its_claims() -> None:
    store, cache = QuickStore(), Cache()
    cache.put(create(ANA, NOW), 1)
    cache.claimed(claim(store, send("one")))
    cache.put(create(ANA, NOW), 2)
    assert cache.take(ANA) == (create(ANA, NOW), 2, ())


def test_a_claim_of_a_profile_that_is_not_remembered_is_left_to_the_store() -> None:
    store, cache = QuickStore(), Cache()
    cache.claimed(claim(store, send("one")))
    assert cache.take(ANA) is None


@pytest.mark.parametrize("before", [(700, 10, 10), (50_000, 5, 1_000), (0, 10, 10)])
def test_thresholds_of_the_collector_are_only_raised(before: tuple[int, int, int]) -> None:
    kept = gc.get_threshold()
    try:
        gc.set_threshold(*before)
        look_seldom()
        wanted = tuple(map(max, before, OBJECTS)) if before[0] else before
        assert gc.get_threshold() == wanted
    finally:
        gc.set_threshold(*kept)

"""Every store finds a send by what a provider calls it, and customers by an address."""

from store_samples import ANA, BEN, at, done, merge, queue, send

from segue.kernel.effects import CallWebhook
from segue.stores.ports import Store


def test_a_send_is_found_by_the_providers_name_for_it(store: Store) -> None:
    queue(store, "ana", send("one"), send("two"))
    queue(store, "ben", send("one"))
    rows = store.claim(at(20), 10, "me")
    store.settle([done(row, provider_id=f"<{row.profile}-{row.id}@x>") for row in rows])
    asked = ["<ben-one@x>", "<ana-two@x>", "<gone@x>", ""]
    assert store.sends_named(asked) == {"<ben-one@x>": (BEN, "one"), "<ana-two@x>": (ANA, "two")}
    assert store.sends_named([]) == {}


def test_of_two_sends_of_one_name_the_newest_is_meant(store: Store) -> None:
    queue(store, "ana", send("one"))
    queue(store, "ben", send("two"))
    store.settle([done(row, provider_id="same") for row in store.claim(at(20), 10, "me")])
    assert store.sends_named(["same"]) == {"same": (BEN, "two")}


def test_whom_an_address_reached_is_known_by_channel(store: Store) -> None:
    queue(store, "ben", send("b"), CallWebhook(id="c", webhook="w", body={}))
    queue(store, "ana", send("a"), send("again"))
    assert store.reached("email", "ana@example.com") == [ANA, BEN]
    assert store.reached("sms", "ana@example.com") == []
    assert store.reached("email", "") == []
    assert store.reached("webhook", "") == []


def test_an_heir_is_found_for_whom_it_absorbed(store: Store) -> None:
    queue(store, "ana", send("a"))
    queue(store, "ben", send("b"))
    store.settle([done(row, provider_id=f"p-{row.id}") for row in store.claim(at(20), 10, "me")])
    merge(store, "ana", "ben")
    assert store.sends_named(["p-b"]) == {"p-b": (ANA, "b")}
    assert store.reached("email", "ana@example.com") == [ANA]

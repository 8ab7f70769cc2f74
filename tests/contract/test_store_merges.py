"""What every store must do when two profiles turn out to be one customer: lose nothing."""

import pytest
from store_samples import (
    ANA,
    BEN,
    CY,
    at,
    done,
    merge,
    person,
    queue,
    send,
    states,
    two_with_pasts,
    viewed,
)

from segue.errors import StaleCommit
from segue.kernel.effects import (
    Withdraw,
)
from segue.stores.ports import (
    Identifier,
    KeptMessage,
    Saved,
    Store,
)

# ── merges ──────────────────────────────────────────────────────────────────────────


def test_a_merge_moves_all_that_the_absorbed_profile_had(store: Store) -> None:
    two_with_pasts(store)
    store.keep(
        [
            KeptMessage(
                id="k", profile=BEN, at=at(1), channel="email", address="b", message="m", fields={}
            )
        ]
    )
    merge(store, "ana", "ben")
    assert set(store.load([ANA, BEN])) == {ANA}
    assert store.forward([ANA, BEN, CY]) == {BEN: ANA}
    assert store.resolve([Identifier("user", "ben")]) == {Identifier("user", "ben"): ANA}
    assert [(line.event.id, line.profile) for line in store.history(ANA)] == [
        ("ana-e", ANA),
        ("ben-e", ANA),
    ]
    assert [line.cause for line in store.traces(ANA)] == ["ana-e", "ben-e"]
    assert [row.id for row in store.outbox(profile=ANA)] == ["ben-s", "ana-s"]
    assert [message.id for message in store.kept(ANA)] == ["k"]
    assert store.history(BEN) == []
    assert store.due(at(99), 10) == [ANA]


def test_a_merge_loses_no_event_and_dedup_goes_on(store: Store) -> None:
    two_with_pasts(store)
    merge(store, "ana", "ben")
    assert store.seen([(ANA, "ben-e"), (BEN, "ben-e")]) == {"ben-e"}
    assert store.counts().events == 2


def test_chained_merges_end_at_the_last_heir(store: Store) -> None:
    two_with_pasts(store)
    merge(store, "ana", "ben")
    merge(store, "cy", "ana")
    assert store.forward([ANA, BEN]) == {ANA: CY, BEN: CY}
    assert store.resolve([Identifier("user", "ben")]) == {Identifier("user", "ben"): CY}
    assert len(store.history(CY)) == 2


def test_an_absorbed_profile_does_not_come_back(store: Store) -> None:
    two_with_pasts(store)
    ben = store.load([BEN])[BEN]
    merge(store, "ana", "ben")
    for version in (ben.version, 0):
        with pytest.raises(StaleCommit):
            store.commit([Saved(profile=person("ben"), seen_version=version)])


def test_absorbing_what_has_changed_since_is_stale(store: Store) -> None:
    two_with_pasts(store)
    before = store.load([ANA, BEN])
    queue(store, "ben", send("s9"))
    with pytest.raises(StaleCommit) as raised:
        store.commit(
            [
                Saved(
                    profile=before[ANA].profile,
                    seen_version=before[ANA].version,
                    absorbed=(BEN,),
                    absorbed_versions=(before[BEN].version,),
                )
            ]
        )
    assert raised.value.profiles == (ANA,)
    assert set(store.load([ANA, BEN])) == {ANA, BEN}


def test_absorbing_twice_is_stale(store: Store) -> None:
    two_with_pasts(store)
    merge(store, "ana", "ben")
    with pytest.raises(StaleCommit):
        merge(store, "cy", "ben")


def test_a_profile_that_was_never_saved_can_be_absorbed(store: Store) -> None:
    merge(store, "ana", "ben", events=((viewed("e1"), at(5)),))
    assert store.forward([BEN]) == {BEN: ANA}
    with pytest.raises(StaleCommit):
        store.commit([Saved(profile=person("ben"))])


def test_a_merge_may_withdraw_what_the_absorbed_profile_had_queued(store: Store) -> None:
    two_with_pasts(store)
    merge(store, "ana", "ben", effects=((Withdraw(id="ben-s", reason="exit"), at(20)),))
    assert states(store) == {"ana-s": "queued", "ben-s": "cancelled"}


def test_a_merge_that_withdraws_what_was_claimed_untold_is_stale(store: Store) -> None:
    two_with_pasts(store)
    store.claim(at(10), 2, "me")
    withdraw = ((Withdraw(id="ben-s", reason="exit"), at(20)),)
    with pytest.raises(StaleCommit):
        merge(store, "ana", "ben", effects=withdraw)
    merge(store, "ana", "ben", effects=withdraw, known_claims=("ben-s",))
    assert [claim.send_id for claim in store.load([ANA])[ANA].claims] == ["ana-s"]


def test_an_effect_id_that_both_had_stays_the_heirs(store: Store) -> None:
    queue(store, "ben", send("s1", channel="sms"))
    queue(store, "ana", send("s1"))
    merge(store, "ana", "ben")
    assert [(row.profile, row.effect) for row in store.outbox()] == [(ANA, send("s1"))]


def test_a_row_claimed_before_a_merge_is_settled_after_it(store: Store) -> None:
    two_with_pasts(store)
    rows = store.claim(at(20), 10, "me")
    merge(store, "ana", "ben")
    store.settle([done(row) for row in rows])
    assert states(store) == {"ana-s": "done", "ben-s": "done"}

"""What every store must do with sends: queue, claim, tell, withdraw, settle, try again."""

import threading

import pytest
from store_samples import (
    ANA,
    BEN,
    at,
    done,
    person,
    queue,
    send,
    states,
    viewed,
)

from segue.errors import StaleCommit
from segue.kernel.effects import (
    AssignTask,
    CallWebhook,
    ChangeAudience,
    Effect,
    Emit,
    Show,
    Withdraw,
)
from segue.kernel.inputs import Reported
from segue.stores.ports import (
    QueuedSend,
    Saved,
    Settlement,
    Store,
)

# ── the outbox ──────────────────────────────────────────────────────────────────────


def test_a_send_is_queued_with_its_effect(store: Store) -> None:
    queue(store, "ana", send("s1"), when=10)
    (row,) = store.outbox()
    assert row == QueuedSend(
        id="s1", profile=ANA, effect=send("s1"), state="queued", queued_at=at(10), due_at=at(10)
    )


def test_a_paced_send_is_due_later(store: Store) -> None:
    queue(store, "ana", send("s1", pace_at=50), when=10)
    assert store.claim(at(49), 10, "me") == []
    assert store.next_queued() == 50
    assert [row.id for row in store.claim(at(50), 10, "me")] == ["s1"]


def test_everything_carried_out_elsewhere_is_queued_and_nothing_else(store: Store) -> None:
    show = Show(
        id="o1", message="m", placement="top", channel="web", program="p", data={}, not_after=at(9)
    )
    audience = ChangeAudience(id="a1", audience="buyers", change="remove", data={"email": "x"})
    call = CallWebhook(id="w1", webhook="crm", body={"a": 1})
    task = AssignTask(id="t1", title="Call", to="sales", details={})
    emit = Emit(event=viewed("e1"))
    queue(store, "ana", show, audience, call, task, emit, send("s1"))
    assert [row.effect for row in store.outbox()] == [send("s1"), task, call, audience]


def test_an_effect_id_that_the_profile_has_is_left_as_it_is(store: Store) -> None:
    queue(store, "ana", send("s1"), when=10)
    queue(store, "ana", send("s1", channel="sms"), when=20)
    (row,) = store.outbox()
    assert (row.queued_at, row.effect) == (10, send("s1"))


def test_two_profiles_may_have_effects_of_one_id(store: Store) -> None:
    queue(store, "ana", send("s1"))
    queue(store, "ben", send("s1"))
    assert [row.profile for row in store.claim(at(10), 10, "me")] == [ANA, BEN]


def test_a_claim_takes_due_rows_earliest_first(store: Store) -> None:
    for name, when in (("late", 30), ("first", 10), ("second", 20), ("also-second", 20)):
        queue(store, "ana", send(name), when=when)
    rows = store.claim(at(25), 2, "me")
    assert [(row.id, row.state, row.claimed_by, row.claimed_at, row.attempts) for row in rows] == [
        ("first", "claimed", "me", 25, 1),
        ("second", "claimed", "me", 25, 1),
    ]
    assert [row.id for row in store.claim(at(25), 10, "me")] == ["also-second"]
    assert store.next_queued() == 30


def test_a_row_is_claimed_once(store: Store) -> None:
    queue(store, "ana", *(send(f"s{n}") for n in range(40)))
    claimed: list[str] = []

    def dispatch(name: str) -> None:
        while rows := store.claim(at(10), 3, name):
            claimed.extend(row.id for row in rows)

    threads = [threading.Thread(target=dispatch, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(f"s{n}" for n in range(40))


def test_a_claim_can_be_limited_to_channels(store: Store) -> None:
    call = CallWebhook(id="w1", webhook="crm", body={})
    queue(store, "ana", send("s1", channel="sms"), send("s2"), call)
    assert [row.id for row in store.claim(at(10), 10, "me", ["email", "webhook"])] == ["s2", "w1"]
    assert store.claim(at(10), 10, "me", []) == []
    assert [row.id for row in store.claim(at(10), 10, "me", ["sms"])] == ["s1"]


def test_a_row_past_its_expiry_is_claimed_too(store: Store) -> None:
    queue(store, "ana", send("s1"))
    assert [row.id for row in store.claim(at(2_000_000), 10, "me")] == ["s1"]


def test_a_withdrawn_row_is_never_claimed(store: Store) -> None:
    queue(store, "ana", send("s1"), send("s2"))
    queue(store, "ana", Withdraw(id="s1", reason="exit"), when=11)
    assert [row.id for row in store.claim(at(20), 10, "me")] == ["s2"]
    row = store.outbox("cancelled")[0]
    assert (row.id, row.detail, row.settled_at) == ("s1", "exit", 11)


def test_a_send_withdrawn_in_the_commit_that_queued_it_never_leaves(store: Store) -> None:
    queue(store, "ana", send("s1"), Withdraw(id="s1", reason="exit"))
    assert states(store) == {"s1": "cancelled"}


def test_withdrawing_what_is_not_there_yet_stops_nothing_that_follows(store: Store) -> None:
    queue(store, "ana", Withdraw(id="s1", reason="exit"), send("s1"), send("s2"))
    assert states(store) == {"s1": "queued", "s2": "queued"}


def test_withdrawing_another_profiles_send_changes_nothing(store: Store) -> None:
    queue(store, "ana", send("s1"))
    queue(store, "ben", Withdraw(id="s1", reason="exit"))
    assert states(store) == {"s1": "queued"}


# ── claims that the profile must be told of ─────────────────────────────────────────


def test_a_profile_is_told_of_claims_it_does_not_know(store: Store) -> None:
    queue(store, "ana", send("s1"), send("s2"), send("s3"))
    store.claim(at(10), 2, "me")
    expected = tuple(Reported(send_id=s, outcome="claimed") for s in ("s1", "s2"))
    assert store.load([ANA])[ANA].claims == expected


def test_a_known_claim_is_told_no_more(store: Store) -> None:
    queue(store, "ana", send("s1"), send("s2"))
    store.claim(at(10), 2, "me")
    store.commit([Saved(profile=person("ana"), seen_version=1, known_claims=("s1",))])
    assert [claim.send_id for claim in store.load([ANA])[ANA].claims] == ["s2"]


@pytest.mark.parametrize("state", ["done", "dead", "unknown"])
def test_a_claim_is_told_even_after_it_was_settled(store: Store, state: str) -> None:
    queue(store, "ana", send("s1"))
    store.settle([done(row, state) for row in store.claim(at(10), 1, "me")])
    assert [claim.send_id for claim in store.load([ANA])[ANA].claims] == ["s1"]


def test_claims_of_what_no_ledger_keeps_are_not_told(store: Store) -> None:
    queue(store, "ana", CallWebhook(id="w1", webhook="crm", body={}))
    assert len(store.claim(at(10), 10, "me")) == 1
    assert store.load([ANA])[ANA].claims == ()


def test_withdrawing_what_was_claimed_since_the_load_is_stale(store: Store) -> None:
    """The claim came between load and commit: the profile counts on a withdrawal in vain."""
    queue(store, "ana", send("s1"))
    loaded = store.load([ANA])[ANA]
    store.claim(at(20), 1, "me")
    decided = Saved(
        profile=loaded.profile,
        seen_version=loaded.version,
        effects=((Withdraw(id="s1", reason="exit"), at(21)),),
    )
    before = list(store.snapshot())
    with pytest.raises(StaleCommit) as raised:
        store.commit([Saved(profile=person("ben")), decided])
    assert raised.value.profiles == (ANA,)
    assert list(store.snapshot()) == before


def test_withdrawing_a_claim_that_is_known_changes_nothing(store: Store) -> None:
    queue(store, "ana", send("s1"))
    store.claim(at(20), 1, "me")
    late = ((Withdraw(id="s1", reason="exit"), at(21)),)
    store.commit([Saved(profile=person("ana"), seen_version=1, known_claims=("s1",), effects=late)])
    store.commit([Saved(profile=person("ana"), seen_version=2, effects=late)])
    assert states(store) == {"s1": "claimed"}


def test_a_claim_does_not_stop_a_commit_that_withdraws_nothing(store: Store) -> None:
    queue(store, "ana", send("s1"))
    loaded = store.load([ANA])[ANA]
    store.claim(at(20), 1, "me")
    store.commit([Saved(profile=loaded.profile, seen_version=loaded.version)])
    assert [claim.send_id for claim in store.load([ANA])[ANA].claims] == ["s1"]


def test_an_untold_claim_that_went_back_to_the_queue_counts_as_none(store: Store) -> None:
    queue(store, "ana", send("s1"))
    (row,) = store.claim(at(20), 1, "me")
    store.settle([done(row, "queued", due_at=at(99), detail="HTTP 503")])
    assert store.load([ANA])[ANA].claims == ()
    queue(store, "ana", Withdraw(id="s1", reason="exit"), when=40)
    assert states(store) == {"s1": "cancelled"}


def deferred(store: Store, *effects: Effect) -> None:
    """Claim s1, and put it back to the queue in the commit that tells the profile both."""
    (row,) = store.claim(at(20), 1, "me")
    store.commit(
        [
            Saved(
                profile=person("ana"),
                seen_version=1,
                known_claims=("s1",),
                effects=tuple((effect, at(30)) for effect in effects),
            )
        ],
        settlements=[done(row, "queued", due_at=at(99))],
    )


def test_a_deferred_send_can_be_withdrawn(store: Store) -> None:
    queue(store, "ana", send("s1"))
    deferred(store)
    queue(store, "ana", Withdraw(id="s1", reason="exit"), when=40)
    assert states(store) == {"s1": "cancelled"}
    assert store.claim(at(100), 1, "me") == []


def test_a_send_can_be_withdrawn_in_the_commit_that_defers_it(store: Store) -> None:
    queue(store, "ana", send("s1"))
    deferred(store, Withdraw(id="s1", reason="exit"))
    assert states(store) == {"s1": "cancelled"}


def test_the_next_claim_of_a_deferred_send_is_told_again(store: Store) -> None:
    queue(store, "ana", send("s1"))
    deferred(store)
    assert store.load([ANA])[ANA].claims == ()
    store.claim(at(100), 1, "me")
    assert [claim.send_id for claim in store.load([ANA])[ANA].claims] == ["s1"]
    with pytest.raises(StaleCommit):
        store.commit(
            [
                Saved(
                    profile=person("ana"),
                    seen_version=2,
                    effects=((Withdraw(id="s1", reason="exit"), at(101)),),
                )
            ]
        )


def test_settlements_are_saved_with_the_batch_or_not_at_all(store: Store) -> None:
    queue(store, "ana", send("s1"))
    (row,) = store.claim(at(20), 1, "me")
    with pytest.raises(StaleCommit):
        store.commit([Saved(profile=person("ana"))], settlements=[done(row)])
    assert states(store) == {"s1": "claimed"}
    store.commit([Saved(profile=person("ana"), seen_version=1)], settlements=[done(row)])
    assert states(store) == {"s1": "done"}


# ── settling, retries, dead letters ─────────────────────────────────────────────────


@pytest.mark.parametrize("state", ["done", "dead", "unknown"])
def test_a_settled_row_keeps_what_became_of_it(store: Store, state: str) -> None:
    queue(store, "ana", send("s1"))
    (row,) = store.claim(at(20), 1, "me")
    store.settle([done(row, state, detail="HTTP 202", provider_id="x-1")])
    (row,) = store.outbox(state)
    assert (row.state, row.settled_at, row.detail, row.provider_id) == (
        state,
        30,
        "HTTP 202",
        "x-1",
    )
    assert store.claim(at(99), 1, "me") == []


def test_a_row_that_is_tried_again_waits_and_keeps_its_count(store: Store) -> None:
    queue(store, "ana", send("s1"))
    (row,) = store.claim(at(20), 1, "me")
    store.settle([done(row, "queued", due_at=at(90), detail="HTTP 503")])
    assert store.next_queued() == 90
    assert store.claim(at(89), 1, "me") == []
    (row,) = store.claim(at(90), 1, "you")
    assert (row.attempts, row.claimed_by, row.detail, row.settled_at) == (
        2,
        "you",
        "HTTP 503",
        None,
    )


def test_settling_what_is_not_claimed_changes_nothing(store: Store) -> None:
    queue(store, "ana", send("s1"), send("s2"))
    (claimed, waiting) = store.claim(at(20), 1, "me")[0], store.outbox("queued")[0]
    store.settle([done(claimed, "dead"), done(waiting)])
    before = list(store.snapshot())
    store.settle([done(claimed, "done"), done(claimed, "queued", due_at=at(1))])
    store.settle([Settlement(id="nothing", profile=ANA, state="done", at=at(1))])
    assert list(store.snapshot()) == before
    assert states(store) == {"s1": "dead", "s2": "queued"}


def test_abandoned_rows_are_those_that_someone_else_claimed(store: Store) -> None:
    queue(store, "ana", send("s1"), send("s2"), send("s3"))
    store.claim(at(20), 1, "dead-process")
    store.claim(at(21), 1, "me")
    assert [row.id for row in store.abandoned("me")] == ["s1"]
    store.settle([done(row, "unknown") for row in store.abandoned("me")])
    assert store.abandoned("me") == []


def test_dead_rows_can_be_tried_again(store: Store) -> None:
    queue(store, "ana", send("s1"), send("s2"), send("s3"))
    rows = store.claim(at(20), 3, "me")
    store.settle([done(rows[0], "dead", detail="refused"), done(rows[1], "dead"), done(rows[2])])
    assert store.retry(["s1", "s3", "s1", "nothing"], at(40)) == 1
    (row,) = store.claim(at(40), 10, "me")
    assert (row.id, row.attempts, row.due_at) == ("s1", 1, 40)
    assert store.retry([], at(40)) == 0


def test_the_outbox_shows_the_newest_first_by_state_and_profile(store: Store) -> None:
    queue(store, "ana", send("s1"), send("s2"))
    queue(store, "ben", send("s3"), when=9)
    store.claim(at(9), 1, "me")
    assert [row.id for row in store.outbox()] == ["s3", "s2", "s1"]
    assert [row.id for row in store.outbox("queued")] == ["s2", "s1"]
    assert [row.id for row in store.outbox("claimed")] == ["s3"]
    assert [row.id for row in store.outbox(profile=ANA, limit=1)] == ["s2"]
    assert store.outbox("queued", BEN) == []

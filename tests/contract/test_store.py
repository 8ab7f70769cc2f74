"""What every store must do: a backend is supported when its factory is in BACKENDS.

Each test is one sentence of the port (`segue/stores/ports.py`), told with real profiles,
events and effects; none looks behind the port.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segue.errors import StaleCommit, Unstorable
from segue.kernel.effects import (
    AssignTask,
    CallWebhook,
    ChangeAudience,
    Effect,
    Emit,
    Send,
    Show,
    Withdraw,
)
from segue.kernel.inputs import Event, Reported
from segue.kernel.profile import Profile, Run, create
from segue.kernel.trace import Remarked, SegmentChanged
from segue.kernel.values import NEVER, Instant, ProfileId
from segue.stores.memory import MemoryStore
from segue.stores.ports import (
    Counts,
    Identifier,
    KeptMessage,
    QueuedSend,
    Saved,
    SetAside,
    Settlement,
    Store,
)
from segue.stores.sqlite import SqliteStore

BACKENDS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda folder: MemoryStore(),
    "sqlite": lambda folder: SqliteStore(folder / "store.sqlite"),
}

ANA, BEN, CY = ProfileId("ana"), ProfileId("ben"), ProfileId("cy")


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = BACKENDS[request.param](tmp_path)
    yield opened
    opened.close()


def at(instant: int) -> Instant:
    return Instant(instant)


def person(who: str, wake_at: int = NEVER, program: str = "", **traits: object) -> Profile:
    profile = create(ProfileId(who), at(1))
    profile.wake_at = at(wake_at)
    profile.program = program
    profile.traits = dict(traits)
    return profile


def viewed(event_id: str, **properties: object) -> Event:
    return Event(id=event_id, name="Product Viewed", at=at(5), properties=properties)


def send(send_id: str, pace_at: int = 0, channel: str = "email") -> Send:
    return Send(
        id=send_id,
        message="hello",
        channel=channel,
        address="ana@example.com",
        program="p1",
        data={"traits": {"name": "Ana"}},
        not_after=at(1_000_000),
        pace_at=at(pace_at),
    )


def queue(store: Store, profile: str, *effects: Effect, when: int = 10) -> None:
    """Save a profile, new or not, with effects decided at `when`."""
    loaded = store.load([ProfileId(profile)]).get(ProfileId(profile))
    store.commit(
        [
            Saved(
                profile=loaded.profile if loaded else person(profile),
                seen_version=loaded.version if loaded else 0,
                effects=tuple((effect, at(when)) for effect in effects),
            )
        ]
    )


def states(store: Store) -> dict[str, str]:
    return {row.id: row.state for row in store.outbox()}


def done(row: QueuedSend, state: str = "done", **fields: object) -> Settlement:
    return Settlement(id=row.id, profile=row.profile, state=state, at=at(30), **fields)  # type: ignore[arg-type]


# ── profiles and their versions ─────────────────────────────────────────────────────


def test_an_empty_store_knows_nobody(store: Store) -> None:
    assert store.load([ANA]) == {}
    assert store.resolve([Identifier("user", "ana")]) == {}
    assert store.forward([ANA]) == {}
    assert store.seen([(ANA, "e1")]) == set()
    assert store.next_due() == NEVER
    assert store.next_queued() == NEVER
    assert store.current_program() == ""
    assert store.meta("anything") == ""
    assert store.counts() == Counts()
    assert list(store.snapshot()) == []


def test_a_profile_comes_back_as_it_was_saved(store: Store) -> None:
    ana = person("ana", wake_at=99, program="p1", name="Ana", age=31, tags=["a", {"b": None}])
    ana.runs = [Run("cart/1", "cart", "p1", "", "wait", at(1), at(2), vars={"n": 1.5})]
    store.commit([Saved(profile=ana)])
    assert store.load([ANA])[ANA].profile == ana


def test_a_saved_profile_does_not_change_through_an_alias(store: Store) -> None:
    ana = person("ana", name="Ana")
    store.commit([Saved(profile=ana)])
    ana.traits["name"] = "changed"
    store.load([ANA])[ANA].profile.traits["name"] = "changed too"
    assert store.load([ANA])[ANA].profile.traits == {"name": "Ana"}


def test_a_version_rises_by_one_with_every_commit(store: Store) -> None:
    for version in range(3):
        store.commit([Saved(profile=person("ana"), seen_version=version)])
        assert store.load([ANA])[ANA].version == version + 1


def test_only_those_who_exist_are_loaded(store: Store) -> None:
    store.commit([Saved(profile=person("ana")), Saved(profile=person("ben"))])
    assert set(store.load([ANA, CY, BEN])) == {ANA, BEN}


def test_a_stale_commit_saves_nothing(store: Store) -> None:
    store.commit([Saved(profile=person("ana"))])
    store.commit([Saved(profile=person("ana"), seen_version=1)])
    before = list(store.snapshot())
    late = Saved(
        profile=person("ana", name="late"),
        seen_version=1,
        events=((viewed("e1"), at(5)),),
        effects=((send("s1"), at(5)),),
        links=(Identifier("user", "ana"),),
        traces=((at(5), "e1", (Remarked(what="late"),)),),
    )
    aside = SetAside(at=at(1), source="api", code="INP001", reason="bad", body=b"{}")
    with pytest.raises(StaleCommit) as raised:
        store.commit([Saved(profile=person("ben")), late], [aside], {"mark": "1"})
    assert raised.value.profiles == (ANA,)
    assert list(store.snapshot()) == before


def test_a_new_profile_is_refused_where_one_exists(store: Store) -> None:
    store.commit([Saved(profile=person("ana"))])
    with pytest.raises(StaleCommit):
        store.commit([Saved(profile=person("ana"))])


def test_a_profile_that_was_never_saved_can_not_have_been_seen(store: Store) -> None:
    with pytest.raises(StaleCommit):
        store.commit([Saved(profile=person("ana"), seen_version=3)])


def test_every_stale_profile_of_a_batch_is_named(store: Store) -> None:
    store.commit([Saved(profile=person("ana")), Saved(profile=person("ben"))])
    batch = [Saved(profile=person(name)) for name in ("ana", "cy", "ben")]
    with pytest.raises(StaleCommit) as raised:
        store.commit(batch)
    assert raised.value.profiles == (ANA, BEN)


def test_after_a_stale_commit_the_same_work_can_be_saved(store: Store) -> None:
    store.commit([Saved(profile=person("ana"))])
    with pytest.raises(StaleCommit):
        store.commit([Saved(profile=person("ana"))])
    store.commit(
        [Saved(profile=person("ana", name="Ana"), seen_version=store.load([ANA])[ANA].version)]
    )
    assert store.load([ANA])[ANA].profile.traits == {"name": "Ana"}


def test_a_profile_twice_in_a_batch_is_a_bug(store: Store) -> None:
    with pytest.raises(AssertionError, match="twice"):
        store.commit([Saved(profile=person("ana")), Saved(profile=person("ana"))])
    assert store.counts() == Counts()


def test_a_value_without_a_stored_form_is_named_and_saves_nothing(store: Store) -> None:
    for bad in (1 << 70, "\ud800", object):
        with pytest.raises(Unstorable) as raised:
            store.commit([Saved(profile=person("ana")), Saved(profile=person("ben", worth=bad))])
        assert raised.value.profile == "ben"
    with pytest.raises(Unstorable):
        store.commit([Saved(profile=person("ana"), links=(Identifier("user", "\udfff"),))])
    assert store.counts() == Counts()


def test_long_and_strange_ids_are_kept_exactly(store: Store) -> None:
    names = ["x" * 10_000, "nul\x00byte", "ünïcödé 🛒", " ", "a/b'c\"d;--", "%_*"]
    identifiers = [Identifier("user", name) for name in names]
    store.commit(
        [
            Saved(profile=person(n), links=(i,), events=((viewed(n), at(1)),))
            for n, i in zip(names, identifiers, strict=True)
        ]
    )
    assert store.resolve(identifiers) == dict(zip(identifiers, names, strict=True))
    assert set(store.load([ProfileId(name) for name in names])) == set(names)
    assert store.seen([(ANA, name) for name in [*names, "nul"]]) == set(names)


def test_profiles_are_paged_in_order_of_id(store: Store) -> None:
    names = ["b", "é", "a", "Z", "c"]
    store.commit([Saved(profile=person(name)) for name in names])
    pages = [p.id for p in store.profiles(limit=3)]
    pages += [p.id for p in store.profiles(after=pages[-1], limit=3)]
    assert pages == sorted(names)


# ── identifiers ─────────────────────────────────────────────────────────────────────


def test_an_identifier_names_the_profile_it_was_linked_to(store: Store) -> None:
    user, device = Identifier("user", "u1"), Identifier("anonymous", "u1")
    store.commit(
        [Saved(profile=person("ana"), links=(user,)), Saved(profile=person("ben"), links=(device,))]
    )
    assert store.resolve([user, device, Identifier("email", "u1")]) == {user: ANA, device: BEN}


def test_linking_again_moves_the_identifier(store: Store) -> None:
    device = Identifier("anonymous", "d1")
    store.commit([Saved(profile=person("ana"), links=(device,))])
    store.commit([Saved(profile=person("ben"), links=(device, device))])
    assert store.resolve([device]) == {device: BEN}


# ── events count once ───────────────────────────────────────────────────────────────


def test_an_accepted_event_is_seen_whoever_asks(store: Store) -> None:
    store.commit([Saved(profile=person("ana"), events=((viewed("e1"), at(5)),))])
    assert store.seen([(ANA, "e1"), (ANA, "e2")]) == {"e1"}
    assert store.seen([(BEN, "e1")]) == {"e1"}


def test_an_event_that_was_accepted_meanwhile_makes_a_commit_stale(store: Store) -> None:
    store.commit([Saved(profile=person("ana"), events=((viewed("e1"), at(5)),))])
    before = list(store.snapshot())
    with pytest.raises(StaleCommit) as raised:
        store.commit([Saved(profile=person("ben"), events=((viewed("e1"), at(6)),))])
    assert raised.value.profiles == (BEN,)
    assert list(store.snapshot()) == before


def test_an_event_twice_in_a_batch_is_a_bug(store: Store) -> None:
    twice = ((viewed("e1"), at(5)), (viewed("e1"), at(6)))
    with pytest.raises(AssertionError, match="twice"):
        store.commit([Saved(profile=person("ana"), events=twice)])


def test_nobody_stops_an_emitted_event_by_guessing_its_id(store: Store) -> None:
    emitted = Event(id="e1", name="Cart Abandoned", at=at(5), emitted=True)
    store.commit([Saved(profile=person("ana"), events=((viewed("e1"), at(5)),))])
    store.commit([Saved(profile=person("ben"), events=((emitted, at(6)),))])
    assert [line.event for line in store.history(BEN)] == [emitted]


def test_an_emitted_id_stops_no_event_that_is_sent(store: Store) -> None:
    emitted = Event(id="e1", name="Cart Abandoned", at=at(5), emitted=True)
    store.commit([Saved(profile=person("ana"), events=((emitted, at(6)),))])
    assert store.seen([(ANA, "e1")]) == set()
    store.commit([Saved(profile=person("ben"), events=((viewed("e1"), at(7)),))])
    assert store.seen([(ANA, "e1")]) == {"e1"}


def test_the_log_keeps_the_order_of_acceptance(store: Store) -> None:
    for n, name in enumerate(["ana", "ben", "cy"]):
        event = viewed(f"e{n}", price=1.5, tags=["x", None], nested={"a": {"b": 1}})
        store.commit([Saved(profile=person(name), events=((event, at(100 - n)),))])
    lines = store.log()
    assert [line.event.id for line in lines] == ["e0", "e1", "e2"]
    assert [line.sequence for line in lines] == sorted(line.sequence for line in lines)
    assert [line.arrived_at for line in lines] == [100, 99, 98]
    assert lines[0].event.properties == {
        "price": 1.5,
        "tags": ["x", None],
        "nested": {"a": {"b": 1}},
    }


def test_the_log_is_read_in_pages(store: Store) -> None:
    events = tuple((viewed(f"e{n}"), at(n)) for n in range(5))
    store.commit([Saved(profile=person("ana"), events=events)])
    first = store.log(limit=2)
    rest = store.log(after=first[-1].sequence)
    assert [line.event.id for line in [*first, *rest]] == ["e0", "e1", "e2", "e3", "e4"]


def test_a_history_holds_the_events_of_one_profile(store: Store) -> None:
    mine = ((viewed("e1"), at(5)), (viewed("e2"), at(6)))
    store.commit([Saved(profile=person("ana"), events=mine)])
    store.commit([Saved(profile=person("ben"), events=((viewed("e3"), at(7)),))])
    assert [line.event.id for line in store.history(ANA)] == ["e1", "e2"]
    assert store.history(CY) == []


# ── traces ──────────────────────────────────────────────────────────────────────────


def test_traces_tell_what_was_decided_oldest_first(store: Store) -> None:
    entered = SegmentChanged(segment="hot", change="entered")
    left = SegmentChanged(segment="hot", change="left")
    traces = (
        (at(1), "e1", (entered,)),
        (at(2), "woke", (left, Remarked(what="x", detail={"n": 1}))),
    )
    store.commit([Saved(profile=person("ana"), traces=traces)])
    lines = store.traces(ANA)
    assert [(line.at, line.cause, line.notes) for line in lines] == list(traces)


def test_only_the_newest_traces_are_told(store: Store) -> None:
    traces = tuple((at(n), f"e{n}", (Remarked(what="x"),)) for n in range(5))
    store.commit([Saved(profile=person("ana"), traces=traces)])
    assert [line.cause for line in store.traces(ANA, limit=2)] == ["e3", "e4"]
    assert store.traces(ANA, limit=0) == []


def test_an_input_without_notes_leaves_no_trace(store: Store) -> None:
    store.commit([Saved(profile=person("ana"), traces=((at(1), "e1", ()),))])
    assert store.traces(ANA) == []


# ── wake-ups ────────────────────────────────────────────────────────────────────────


def test_due_profiles_come_earliest_first(store: Store) -> None:
    store.commit(
        [Saved(profile=person(n, wake_at=w)) for n, w in (("ana", 30), ("ben", 10), ("cy", 20))]
    )
    assert store.due(at(25), 10) == [BEN, CY]
    assert store.due(at(30), 2) == [BEN, CY]
    assert store.due(at(9), 10) == []
    assert store.next_due() == 10


def test_profiles_due_at_the_same_instant_come_in_order_of_id(store: Store) -> None:
    store.commit([Saved(profile=person(n, wake_at=10)) for n in ("cy", "ana", "ben")])
    assert store.due(at(10), 10) == [ANA, BEN, CY]


def test_a_profile_that_waits_for_nothing_is_never_due(store: Store) -> None:
    store.commit([Saved(profile=person("ana"))])
    assert store.due(NEVER, 10) == []
    assert store.next_due() == NEVER


def test_a_moved_wake_up_replaces_the_old_one(store: Store) -> None:
    store.commit([Saved(profile=person("ana", wake_at=10))])
    store.commit([Saved(profile=person("ana", wake_at=50), seen_version=1)])
    assert store.due(at(20), 10) == []
    assert store.next_due() == 50
    store.commit([Saved(profile=person("ana"), seen_version=2)])
    assert store.next_due() == NEVER


# ── programs ────────────────────────────────────────────────────────────────────────


def test_a_program_is_kept_under_its_name(store: Store) -> None:
    store.save_program("p1", b"\x01plan", at(1))
    store.save_program("p1", b"other bytes", at(2))
    assert store.program("p1") == b"\x01plan"
    assert store.program("p2") is None


def test_the_program_published_last_is_current(store: Store) -> None:
    for name, expected in (("p1", "p1"), ("p2", "p2"), ("p1", "p1"), ("p1", "p1")):
        store.save_program(name, b"\x01", at(1))
        assert store.current_program() == expected


def test_outdated_profiles_are_those_of_another_program(store: Store) -> None:
    store.commit(
        [Saved(profile=person(n, program=p)) for n, p in (("ana", "p1"), ("ben", "p2"), ("cy", ""))]
    )
    assert store.outdated("p2", ProfileId(""), 10) == [ANA, CY]
    assert store.outdated("p2", ANA, 10) == [CY]
    assert store.outdated("p2", ProfileId(""), 1) == [ANA]


def test_live_runs_are_counted_by_program(store: Store) -> None:
    def runs(*programs: str) -> list[Run]:
        return [Run(f"r{n}", "j", p, "", "s", at(1), at(1)) for n, p in enumerate(programs)]

    ana, ben, cy = person("ana"), person("ben"), person("cy")
    ana.runs, ben.runs = runs("p1", "p2", "p1"), runs("p2")
    store.commit([Saved(profile=ana), Saved(profile=ben), Saved(profile=cy)])
    assert store.programs_in_use() == {"p1": 2, "p2": 2}
    ana.runs, cy.runs = runs("p2"), runs("p3")
    store.commit([Saved(profile=ana, seen_version=1), Saved(profile=cy, seen_version=1)])
    assert store.programs_in_use() == {"p2": 2, "p3": 1}


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


# ── merges ──────────────────────────────────────────────────────────────────────────


def merge(store: Store, heir: str, *absorbed: str, **fields: object) -> None:
    ids = [ProfileId(each) for each in absorbed]
    loaded = store.load([*ids, ProfileId(heir)])
    versions = tuple(loaded[each].version if each in loaded else 0 for each in ids)
    mine = loaded.get(ProfileId(heir))
    store.commit(
        [
            Saved(
                profile=mine.profile if mine else person(heir),
                seen_version=mine.version if mine else 0,
                absorbed=tuple(ids),
                absorbed_versions=versions,
                **fields,  # type: ignore[arg-type]
            )
        ]
    )


def two_with_pasts(store: Store) -> None:
    for name in ("ana", "ben"):
        store.commit(
            [
                Saved(
                    profile=person(name, wake_at=50),
                    events=((viewed(f"{name}-e"), at(5)),),
                    effects=((send(f"{name}-s"), at(10)),),
                    traces=((at(5), f"{name}-e", (Remarked(what=name),)),),
                    links=(Identifier("user", name),),
                )
            ]
        )


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


# ── the sandbox, what was set aside, named values ───────────────────────────────────


def test_kept_messages_are_shown_newest_first_and_kept_once(store: Store) -> None:
    def message(name: str, profile: ProfileId) -> KeptMessage:
        return KeptMessage(
            id=name, profile=profile, at=at(1), channel="email", address="a", message="m",
            fields={"subject": name}, simulated=profile == BEN,
        )  # fmt: skip

    store.keep([message("k1", ANA), message("k2", BEN)])
    store.keep([message("k1", ANA), message("k3", ANA)])
    assert store.kept() == [message("k3", ANA), message("k2", BEN), message("k1", ANA)]
    assert store.kept(ANA, limit=1) == [message("k3", ANA)]
    store.keep([])
    assert store.counts().kept == 3


def test_a_message_for_an_absorbed_profile_is_kept_with_its_heir(store: Store) -> None:
    merge(store, "ana", "ben")
    store.keep(
        [
            KeptMessage(
                id="k", profile=BEN, at=at(1), channel="sms", address="1", message="m", fields={}
            )
        ]
    )
    assert [message.profile for message in store.kept(ANA)] == [ANA]


def test_bad_inputs_are_numbered_and_shown_newest_first(store: Store) -> None:
    bad = [
        SetAside(at=at(n), source="api", code="INP001", reason=f"r{n}", body=b"\x00\xff")
        for n in (1, 2)
    ]
    store.commit([], bad[:1])
    store.commit([], bad[1:])
    assert [aside for _, aside in store.set_aside()] == bad[::-1]
    (newer, _), (older, _) = store.set_aside()
    assert newer > older
    assert len(store.set_aside(limit=1)) == 1


def test_named_values_are_saved_with_the_batch(store: Store) -> None:
    store.commit([], meta={"cursor": "1", "seed": "7"})
    store.commit([Saved(profile=person("ana"))], meta={"cursor": "2"})
    assert (store.meta("cursor"), store.meta("seed"), store.meta("none")) == ("2", "7", "")


# ── the whole ───────────────────────────────────────────────────────────────────────


def test_counts_say_how_much_there_is(store: Store) -> None:
    two_with_pasts(store)
    queue(store, "cy", send("s3"), send("s4"))
    (first, *_) = store.claim(at(10), 2, "me")
    store.settle([done(first, "dead")])
    store.commit([], [SetAside(at=at(1), source="api", code="c", reason="r", body=b"")])
    assert store.counts() == Counts(
        profiles=3, events=2, waiting=2, queued=2, claimed=1, dead=1, set_aside=1
    )


def test_equal_stores_give_equal_bytes_whatever_the_order_of_keys(store: Store) -> None:
    forth, back = person("ana", a=1, b=2), person("ana", b=2, a=1)
    store.commit([Saved(profile=forth)])
    first = list(store.snapshot())
    other = MemoryStore()
    other.commit([Saved(profile=back)])
    assert list(other.snapshot()) == first


def test_what_one_thread_commits_every_thread_sees(store: Store) -> None:
    failures: list[str] = []

    def work(name: str) -> None:
        for n in range(20):
            loaded = store.load([ProfileId(name)]).get(ProfileId(name))
            version = loaded.version if loaded else 0
            events = ((viewed(f"{name}-{n}"), at(n)),)
            store.commit([Saved(profile=person(name), seen_version=version, events=events)])
            if store.load([ProfileId(name)])[ProfileId(name)].version != n + 1:
                failures.append(f"{name} at {n}")

    threads = [threading.Thread(target=work, args=(f"p{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.counts().events == 80


def test_of_many_who_saw_the_same_version_one_wins(store: Store) -> None:
    store.commit([Saved(profile=person("ana"))])
    outcomes: list[str] = []

    def race(name: str) -> None:
        try:
            store.commit([Saved(profile=person("ana", winner=name), seen_version=1)])
            outcomes.append(name)
        except StaleCommit:
            outcomes.append("stale")

    threads = [threading.Thread(target=race, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("stale") == 7
    (winner,) = (name for name in outcomes if name != "stale")
    assert store.load([ANA])[ANA].profile.traits == {"winner": winner}

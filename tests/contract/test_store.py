"""What every store must do: a backend is supported when its factory is in BACKENDS (conftest.py).

Each test is one sentence of the port (`segue/stores/ports.py`), told with real profiles,
events and effects; none looks behind the port. Here: profiles, identifiers, events, traces,
wake-ups, programs, and the whole; its siblings hold the outbox and merges.
"""

import threading

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
    two_with_pasts,
    viewed,
)

from segue.errors import StaleCommit, Unstorable
from segue.kernel.inputs import Event
from segue.kernel.profile import Run
from segue.kernel.trace import Remarked, SegmentChanged
from segue.kernel.values import NEVER, Instant, ProfileId
from segue.stores.memory import MemoryStore
from segue.stores.ports import (
    Counts,
    Identifier,
    KeptMessage,
    Saved,
    SetAside,
    Store,
)

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
    big = Event(id="e", name="Paid", at=Instant(1), properties={"price": 1 << 70})
    with pytest.raises(Unstorable):
        store.commit([Saved(profile=person("ana"), events=((big, Instant(1)),))])
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

"""The live host: batches, back-pressure, wake-ups and claims in time, trouble, and its ends.

Real threads over real stores; the wire to the provider is the only thing made up.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from segue.errors import HostStopped, NoProgram, QueueFull, StoreUnavailable
from segue.hosts import dispatch
from segue.hosts.arrivals import Answer
from segue.hosts.clock import ManualClock
from segue.hosts.embedded import Embedded
from segue.hosts.facts import Fact
from segue.hosts.ports import Outcome
from segue.hosts.verdicts import channel_of
from segue.kernel.inputs import Event
from segue.kernel.values import Instant
from segue.stores.memory import MemoryStore
from segue.stores.sqlite import SqliteStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def provider(world: Any) -> Any:
    return world.Provider()


@pytest.fixture
def host(store: MemoryStore, world: Any, provider: Any) -> Iterator[Embedded]:
    made = Embedded(store, provider, patterns=world.patterns, clock=ManualClock(1_000))
    made.publish("shop-1", world.body)
    made.start()
    yield made
    made.stop()


def eventually(holds: Callable[[], object], within_s: float = 120.0) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def move(host: Embedded, to: int) -> None:
    assert isinstance(host.clock, ManualClock)
    host.clock.move_to(to)
    host.host.nudge()


# ── arrivals ──


def test_an_answer_comes_after_the_commit(host: Embedded, store: MemoryStore, world: Any) -> None:
    seen: list[int] = []
    done = threading.Event()

    def take(answers: list[Answer]) -> None:
        seen.append(store.counts().events)
        assert [one.status for one in answers] == ["accepted"]
        done.set()

    host.submit([world.event("Product Viewed", "ana", 1)], take)
    assert done.wait(5)
    assert seen == [1]


def test_a_submission_gets_one_answer_per_arrival_in_order(host: Embedded, world: Any) -> None:
    events = [world.event("Product Viewed", f"u{n % 3}", 1) for n in range(2_500)]
    events[7] = events[3]
    answers = host.ask(events)
    assert len(answers) == 2_500
    assert answers[7].status == "duplicate"
    assert sum(one.status == "accepted" for one in answers) == 2_499
    assert host.ask([]) == []


def test_many_threads_lose_nothing_and_count_nothing_twice(
    host: Embedded, store: MemoryStore, world: Any
) -> None:
    events = [world.event("Product Viewed", f"u{n % 10}", 1) for n in range(600)]
    with ThreadPoolExecutor(8) as pool:
        # Everyone sends everything twice, as clients do that did not hear the answer.
        answers = list(pool.map(lambda one: host.ask([one])[0], events + events))
    assert sum(one.status == "accepted" for one in answers) == 600
    assert sum(one.status == "duplicate" for one in answers) == 600
    assert store.counts().events == 600


def test_a_full_queue_refuses_the_whole_submission_at_once(
    store: MemoryStore, world: Any, provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    real = store.commit

    def slow(*given: Any, **named: Any) -> None:
        assert gate.wait(10)
        real(*given, **named)

    monkeypatch.setattr(store, "commit", slow)
    host = Embedded(store, provider, patterns=world.patterns, queue_max=10)
    host.publish("shop-1", world.body)
    host.start()
    taken: list[Answer] = []
    host.submit([world.event("x", "ana", 1)], taken.extend)
    eventually(lambda: host.host.waiting == 0)
    host.submit([world.event("x", "ana", 1) for _ in range(8)], taken.extend)
    with pytest.raises(QueueFull) as full:
        host.submit([world.event("x", "ana", 1) for _ in range(3)], taken.extend)
    assert (full.value.status, full.value.retry_after_s >= 1) == (429, True)
    host.submit([world.event("x", "ana", 1) for _ in range(2)], taken.extend)
    gate.set()
    host.stop()
    assert [one.status for one in taken] == ["accepted"] * 11
    assert store.counts().events == 11


def test_a_small_submission_does_not_wait_for_an_import(host: Embedded, world: Any) -> None:
    order: list[str] = []
    done = threading.Event()
    big = [world.event("Product Viewed", f"u{n}", 1) for n in range(6_000)]
    host.submit(big, lambda _: (order.append("import"), done.set()))
    host.submit([world.event("Product Viewed", "ana", 1)], lambda _: order.append("ana"))
    assert done.wait(60)
    assert order == ["ana", "import"]


def test_a_question_cuts_the_batch_under_way_and_the_rest_is_answered_all_the_same(
    host: Embedded, store: MemoryStore, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes while the batch before it is read: the one moment of a batch that is seen here."""
    order: list[str] = []
    done = threading.Event()
    answers: list[Answer] = []
    real = store.seen

    def asked_meanwhile(ids: Any) -> set[str]:
        monkeypatch.undo()
        host.submit([world.asked("u3")], lambda _: order.append("question"))
        return real(ids)

    def take(got: list[Answer]) -> None:
        answers.extend(got)
        order.append("events")
        done.set()

    monkeypatch.setattr(store, "seen", asked_meanwhile)
    host.submit([world.event("Product Viewed", f"u{n % 7}", 1) for n in range(40)], take)
    assert done.wait(60)
    assert order == ["question", "events"]
    assert [one.status for one in answers] == ["accepted"] * 40
    assert store.counts().events == 40
    for user in range(7):
        lines = [line for line in store.log(limit=50) if line.event.user_id == f"u{user}"]
        numbers = [int(line.event.id[1:]) for line in lines]
        assert numbers == sorted(numbers)


def test_wake_ups_come_although_questions_never_end(
    host: Embedded, world: Any, provider: Any, store: MemoryStore
) -> None:
    abandon_cart(host, world)
    ended = threading.Event()

    def again(answers: list[Answer]) -> None:
        if not ended.is_set():
            host.submit([world.asked("bea")], again)

    again([])
    move(host, 11_000)
    eventually(lambda: provider.got, within_s=60)
    ended.set()


def test_a_callers_mistake_does_not_end_the_loop(host: Embedded, world: Any) -> None:
    def careless(answers: list[Answer]) -> None:
        raise RuntimeError("a bug in a caller")

    host.submit([world.event("Product Viewed", "ana", 1)], careless)
    assert host.ask([world.event("Product Viewed", "ana", 1)])[0].status == "accepted"


# ── wake-ups and claims ──


def abandon_cart(host: Embedded, world: Any, user: str = "ana") -> None:
    host.ask([world.customer(user, 1_000), world.event("Product Added", user, 1_000)])


def test_a_wake_up_fires_when_its_instant_comes_and_the_message_leaves(
    host: Embedded, world: Any, provider: Any, store: MemoryStore
) -> None:
    abandon_cart(host, world)
    move(host, 10_999)
    time.sleep(0.05)
    assert provider.got == []
    move(host, 11_000)
    eventually(lambda: store.counts().queued == 0 and provider.got)
    eventually(lambda: store.profiles()[0].ledger[0].state == "accepted")
    assert len(provider.got) == 1


def test_wake_ups_fire_while_events_pour_in(world: Any, provider: Any, tmp_path: Path) -> None:
    """Neither starves the other: it pours until all have left."""
    store = SqliteStore(tmp_path / "store.sqlite")
    waits = msgspec.structs.replace(world.plan.journeys[0].steps[0], for_ms=300)
    journey = world.plan.journeys[0]
    journey = msgspec.structs.replace(journey, steps=(waits, *journey.steps[1:]))
    plan = msgspec.structs.replace(world.plan, journeys=(journey,))
    host = Embedded(store, provider, patterns=world.patterns)
    host.publish("quick", msgspec.json.encode(plan))
    host.start()
    try:
        for n in range(20):
            abandon_cart(host, world, f"u{n}")
        pouring = iter(range(10_000))
        while len(provider.got) < 20:
            assert next(pouring, None) is not None, "the wake-ups starve"
            host.ask([world.event("Product Viewed", f"v{n}", 1) for n in range(20)])
    finally:
        host.stop()
        store.close()


def test_a_conversion_commits_before_the_claim_or_the_claim_is_known(
    world: Any, provider: Any, tmp_path: Path
) -> None:
    """P3 and P4 with everything at once: who converted before the claim gets nothing."""
    store = SqliteStore(tmp_path / "store.sqlite")
    waits = msgspec.structs.replace(world.plan.journeys[0].steps[0], for_ms=30)
    journey = world.plan.journeys[0]
    journey = msgspec.structs.replace(journey, steps=(waits, *journey.steps[1:]))
    plan = msgspec.structs.replace(world.plan, journeys=(journey,), policies=())
    host = Embedded(store, provider, patterns=world.patterns)
    host.publish("quick", msgspec.json.encode(plan))
    host.start()
    try:
        with ThreadPoolExecutor(8) as pool:

            def shop(n: int) -> None:
                abandon_cart(host, world, f"u{n}")
                time.sleep(0.02 + (n % 10) * 0.003)
                host.ask([world.event("Order Completed", f"u{n}", 1)])

            list(pool.map(shop, range(120)))
        eventually(lambda: store.counts().queued == store.counts().claimed == 0)
    finally:
        host.stop()
    rows = {row.id: row for row in store.outbox(limit=1_000)}
    handed = [one.id for one in provider.got]
    assert len(handed) == len(set(handed))
    for row in rows.values():
        assert (row.state == "cancelled") == (row.id not in handed)
    for profile in store.profiles(limit=1_000):
        for line in profile.ledger:
            assert (line.state == "cancelled") == (rows[line.id].state == "cancelled")
    store.close()


# ── couriers ──


def test_a_courier_that_hangs_stops_only_its_own_channel(
    host: Embedded, world: Any, provider: Any, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    def answer(delivery: Any) -> Outcome:
        if delivery.effect.channel == "email":
            gate.wait(20)
            return Outcome(result="accepted")
        return Outcome(result="accepted")

    provider.answer = answer
    abandon_cart(host, world, "ana")
    traits = {"phone": "+4912345678"}
    host.ask(
        [
            world.event("Profile Identified", "ben", 1_000, traits=traits),
            world.event("Product Added", "ben", 1_000),
        ]
    )
    move(host, 11_000)
    eventually(lambda: [r.state for r in store.outbox("done")] == ["done"])
    assert [channel_of(row.effect) for row in store.outbox("claimed")] == ["email"]
    # Its time is over: the message is unknown, a new worker takes the next one.
    move(host, 11_000 + dispatch.DELIVERY_MS_MAX)
    eventually(lambda: [row.detail for row in store.outbox("unknown")] == ["no answer within 60 s"])
    provider.answer = lambda one: Outcome(result="accepted")
    abandon_cart(host, world, "cy")
    move(host, 90_000)
    eventually(lambda: store.counts().queued == 0 and len(store.outbox("done")) == 2)
    gate.set()
    time.sleep(0.05)
    assert len(store.outbox("unknown")) == 1


def test_a_courier_that_raises_leaves_its_sends_unknown(
    host: Embedded, world: Any, provider: Any, store: MemoryStore
) -> None:
    def broken(delivery: Any) -> Outcome:
        raise RuntimeError("a bug in a channel")

    provider.answer = broken
    abandon_cart(host, world)
    move(host, 11_000)
    eventually(lambda: len(store.outbox("unknown")) == 1)
    assert store.profiles()[0].ledger[0].state == "unknown"


def test_a_dead_letter_can_be_queued_again(
    host: Embedded, world: Any, provider: Any, store: MemoryStore
) -> None:
    provider.answer = lambda one: Outcome(result="unrenderable", detail="line 2")
    abandon_cart(host, world)
    move(host, 11_000)
    eventually(lambda: store.counts().dead == 1)
    provider.answer = lambda one: Outcome(result="accepted")
    [row] = store.outbox("dead")
    assert host.retry([row.id]).retried == 1
    eventually(lambda: len(store.outbox("done")) == 1)


def test_an_expired_message_is_not_handed_over(
    host: Embedded, world: Any, provider: Any, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.answer = lambda one: Outcome(result="try_later", after_ms=1)
    abandon_cart(host, world)
    move(host, 11_000)
    eventually(lambda: len(provider.got) == 1 and store.counts().queued == 1)
    move(host, 11_000 + 25 * 3_600_000)
    eventually(lambda: store.counts().dead == 1)
    assert len(provider.got) == 1
    assert store.outbox("dead")[0].detail == "expired before it was sent"


# ── after a crash ──


def left_claimed(store: MemoryStore, world: Any) -> None:
    """A host that died while the provider had the message."""
    hangs = world.Provider()
    gate = threading.Event()
    hangs.answer = lambda one: (gate.wait(1), Outcome(result="accepted"))[1]
    host = Embedded(store, hangs, patterns=world.patterns, clock=ManualClock(1_000))
    host.publish("shop-1", world.body)
    host.start()
    abandon_cart(host, world)
    move(host, 11_000)
    eventually(lambda: hangs.got)
    host.host._stopping = True
    host.host._verdicts = []
    assert host.host._dispatcher is not None
    host.host._dispatcher.verdicts = lambda now: []  # type: ignore[method-assign]
    host.host._dispatcher.groups.clear()
    host.stop()
    gate.set()
    assert store.counts().claimed == 1


@pytest.mark.parametrize("safe", [True, False])
def test_what_was_claimed_at_a_crash_is_sent_again_only_where_the_provider_knows_it(
    store: MemoryStore, world: Any, provider: Any, safe: bool
) -> None:
    left_claimed(store, world)
    provider.safe = safe
    host = Embedded(store, provider, patterns=world.patterns, clock=ManualClock(20_000))
    host.start()
    try:
        eventually(lambda: store.counts().claimed == 0)
        eventually(lambda: store.profiles()[0].ledger[0].state != "claimed")
    finally:
        host.stop()
    assert len(provider.got) == int(safe)
    assert store.profiles()[0].ledger[0].state == ("accepted" if safe else "unknown")


# ── trouble with the store ──


def test_while_the_store_can_not_save_nothing_is_accepted_and_it_recovers_by_itself(
    host: Embedded, world: Any, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.ask([world.event("Product Viewed", "ana", 1)])
    real = store.commit

    def refuse(*given: Any, **named: Any) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(store, "commit", refuse)
    lost = world.event("Product Viewed", "ana", 1)
    [answer] = host.ask([lost])
    assert (answer.status, answer.reason) == ("unavailable", "the disk is full")
    assert host.unavailable == "the disk is full"
    assert store.counts().events == 1
    monkeypatch.setattr(store, "commit", real)
    assert host.ask([lost])[0].status == "accepted"
    assert host.unavailable == ""
    assert len(store.profiles()[0].trails) <= 1
    assert store.counts().events == 2


def test_a_report_survives_a_store_that_could_not_save_it(
    host: Embedded, world: Any, provider: Any, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    provider.answer = lambda one: (gate.wait(10), Outcome(result="accepted"))[1]
    abandon_cart(host, world)
    move(host, 11_000)
    eventually(lambda: provider.got)
    real, refusals = store.commit, []

    def refuse(*given: Any, **named: Any) -> None:
        if len(refusals) < 2:
            refusals.append(1)
            raise StoreUnavailable("locked")
        real(*given, **named)

    monkeypatch.setattr(store, "commit", refuse)
    gate.set()
    eventually(lambda: store.profiles()[0].ledger[0].state == "accepted")
    assert len(refusals) == 2
    assert len(provider.got) == 1


def test_a_stale_commit_is_answered_afresh(host: Embedded, world: Any, store: MemoryStore) -> None:
    """Another process saved the same profile meanwhile: its word counts, ours is added."""
    host.ask([world.event("Product Viewed", "ana", 1)])
    other = Embedded(store, world.Provider(), patterns=world.patterns, clock=ManualClock(1_000))
    other.start()
    try:
        for _ in range(5):
            assert other.ask([world.event("Product Viewed", "ana", 1)])[0].status == "accepted"
            assert host.ask([world.event("Product Viewed", "ana", 1)])[0].status == "accepted"
    finally:
        other.stop()
    [profile] = store.profiles()
    assert [len(trail.times) for trail in profile.trails.values()] == [11]


def test_what_another_process_merged_is_found_with_its_heir(
    host: Embedded, world: Any, store: MemoryStore
) -> None:
    """This host's cache still holds the absorbed profile, and its name."""
    host.ask(
        [
            world.event("Product Viewed", "ana", 1),
            world.event("Product Viewed", at=1, anonymous="phone"),
        ]
    )
    other = Embedded(store, world.Provider(), patterns=world.patterns, clock=ManualClock(1_000))
    other.start()
    try:
        [merged] = other.ask([world.event("Signed In", "ana", 1, anonymous="phone")])
    finally:
        other.stop()
    for _ in range(2):
        [late] = host.ask([world.event("Product Viewed", at=1, anonymous="phone")])
        assert (late.status, late.profile) == ("accepted", merged.profile)
    [asked] = host.ask([world.asked("ana")])
    assert asked.profile == merged.profile
    assert store.counts().profiles == 1


# ── publishing, watching, stopping ──


def test_publishing_swaps_between_batches_and_everyone_adopts_in_the_background(
    host: Embedded, world: Any, store: MemoryStore
) -> None:
    host.ask([world.event("Product Viewed", f"u{n}", 1) for n in range(150)])
    changed = msgspec.structs.replace(world.plan, segments=())
    changed = msgspec.structs.replace(changed, journeys=changed.journeys[:1])
    program = host.publish("shop-2", msgspec.json.encode(changed))
    assert host.program is program
    eventually(lambda: all(p.program == "shop-2" for p in store.profiles(limit=1_000)))
    assert host.publish("shop-2", msgspec.json.encode(changed)) is program


def test_listeners_hear_of_commits_and_can_not_break_the_loop(host: Embedded, world: Any) -> None:
    heard: list[Fact] = []

    def bad(facts: object) -> None:
        raise RuntimeError("a bug in a page")

    host.subscribe(bad)
    leave = host.subscribe(heard.extend)
    for _ in range(3):
        host.ask([world.event("Product Viewed", "ana", 1_000)])
    host.ask([world.asked("ana"), world.event("Product Viewed")])
    kinds = {"event", "segment", "run", "decision", "show", "set_aside"}
    eventually(lambda: kinds <= {fact.kind for fact in heard})
    shown = next(fact for fact in heard if fact.kind == "show")
    assert (shown.name, shown.detail["placement"]) == ("welcome", "top")
    assert msgspec.json.encode(heard)
    leave()
    before = len(heard)
    host.ask([world.event("Product Viewed", "ana", 1_000)])
    time.sleep(0.05)
    assert len(heard) == before


def test_stopping_answers_what_waits_and_refuses_what_is_new(
    host: Embedded, world: Any, store: MemoryStore
) -> None:
    answers: list[Answer] = []
    for n in range(20):
        host.submit([world.event("Product Viewed", f"u{n}", 1) for _ in range(20)], answers.extend)
    host.stop()
    assert [one.status for one in answers] == ["accepted"] * 400
    assert store.counts().events == 400
    with pytest.raises(HostStopped):
        host.submit([world.event("x", "ana", 1)], answers.extend)
    host.stop()


def test_nothing_starts_without_a_program(world: Any, provider: Any) -> None:
    host = Embedded(MemoryStore(), provider, patterns=world.patterns)
    with pytest.raises(NoProgram):
        host.start()
    with pytest.raises(HostStopped):
        host.ask([world.event("x", "ana", 1)])


def test_the_event_that_came_in_is_the_event_in_the_log(
    host: Embedded, world: Any, store: MemoryStore
) -> None:
    arrival = world.event("Product Viewed", "ana", 900, properties={"price": 9.5})
    host.ask([arrival])
    [line] = store.log()
    assert isinstance(arrival.input, Event)
    assert (line.event, line.arrived_at) == (arrival.input, Instant(1_000))

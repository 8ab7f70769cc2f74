"""The engine in virtual time: every kind of arrival, wake-ups at their instants, deliveries,
identity, publishing, and P8: what fails harms only itself.

What holds here holds for the live host, which answers with the same desk.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from segue.errors import NoProgram, PlanUnreadable
from segue.hosts import batch
from segue.hosts.arrivals import Arrival
from segue.hosts.engine import Engine
from segue.hosts.ports import Outcome
from segue.hosts.quick import QuickStore
from segue.kernel import plan
from segue.kernel.expression import Aggregate, Compare, Literal, Stream
from segue.kernel.inputs import Called, Consented, Event, Merged, Woke
from segue.kernel.profile import Profile
from segue.kernel.values import Instant, ProfileId
from segue.stores.memory import MemoryStore
from segue.stores.ports import Store
from segue.stores.sqlite import SqliteStore

STORES: dict[str, Callable[[Path], Store]] = {
    "quick": lambda folder: QuickStore(),
    "memory": lambda folder: MemoryStore(),
    "sqlite": lambda folder: SqliteStore(folder / "store.sqlite"),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def provider(world: Any) -> Any:
    return world.Provider()


@pytest.fixture
def engine(store: Store, world: Any, provider: Any) -> Engine:
    made = Engine(store, provider, patterns=world.patterns)
    made.publish("shop-1", world.body)
    return made


def only_profile(engine: Engine) -> Profile:
    [profile] = engine.store.profiles()
    return profile


# ── events ──


def test_an_event_makes_a_profile_and_is_logged_once(engine: Engine, world: Any) -> None:
    view = world.event("Product Viewed", "ana", 1_000)
    first = engine.feed(view, 1_000)
    again = engine.feed(view, 2_000)
    assert (first.status, again.status) == ("accepted", "duplicate")
    assert again.profile == first.profile
    assert [line.event.name for line in engine.store.log()] == ["Product Viewed"]
    assert only_profile(engine).id == first.profile


def test_an_event_that_comes_twice_in_one_batch_counts_once(engine: Engine, world: Any) -> None:
    view = world.event("Product Viewed", "ana", 1_000)
    answers = engine.feed_all([view, view], 1_000)
    assert [one.status for one in answers] == ["accepted", "duplicate"]
    assert engine.store.counts().events == 1


def test_an_input_that_names_nobody_is_kept_aside(engine: Engine, world: Any) -> None:
    nameless = msgspec.structs.replace(world.event("Product Viewed"), body=b"{raw}")
    answers = engine.feed_all([nameless, world.event("Product Viewed", "ana")], 1_000)
    assert [one.status for one in answers] == ["set_aside", "accepted"]
    [(_, kept)] = engine.store.set_aside()
    assert (kept.code, kept.body, kept.source) == ("INP302", b"{raw}", "test")


def test_a_wake_up_runs_at_its_own_instant(engine: Engine, world: Any, provider: Any) -> None:
    engine.feed(world.customer("ana", 0), 0)
    engine.feed(world.event("Product Added", "ana", 1_000), 1_000)
    engine.advance(Instant(10_999))
    assert provider.got == []
    engine.advance(Instant(60_000))
    [delivery] = provider.got
    assert delivery.at == 11_000
    assert engine.now == 60_000


def test_a_conversion_before_the_wake_up_stops_the_message(
    engine: Engine, world: Any, provider: Any
) -> None:
    engine.feed(world.customer("ana", 0), 0)
    engine.feed(world.event("Product Added", "ana", 1_000), 1_000)
    engine.feed(world.event("Order Completed", "ana", 5_000), 5_000)
    engine.advance(Instant(60_000))
    assert provider.got == []


def test_what_falls_due_at_the_instant_of_an_event_goes_first(
    engine: Engine, world: Any, provider: Any
) -> None:
    engine.feed(world.customer("ana", 0), 0)
    engine.feed(world.event("Product Added", "ana", 1_000), 1_000)
    engine.feed(world.event("Order Completed", "ana", 11_000), 11_000)
    assert len(provider.got) == 1


# ── deliveries ──


def abandoned_cart(engine: Engine, world: Any) -> None:
    engine.feed(world.customer("ana", 0), 0)
    engine.feed(world.event("Product Added", "ana", 1_000), 1_000)
    engine.advance(Instant(11_000))


def test_the_ledger_hears_what_became_of_a_send(engine: Engine, world: Any) -> None:
    abandoned_cart(engine, world)
    [line] = only_profile(engine).ledger
    [row] = engine.store.outbox()
    assert (line.state, row.state, line.id) == ("accepted", "done", row.id)


def test_a_refusal_moves_to_the_next_channel(engine: Engine, world: Any, provider: Any) -> None:
    provider.answer = lambda one: Outcome(
        result="refused" if one.effect.channel == "email" else "accepted"
    )
    abandoned_cart(engine, world)
    assert provider.channels == ["email", "sms"]
    assert sorted(row.state for row in engine.store.outbox()) == ["dead", "done"]


def test_a_template_error_ends_the_message(engine: Engine, world: Any, provider: Any) -> None:
    provider.answer = lambda one: Outcome(result="unrenderable", detail="line 3")
    abandoned_cart(engine, world)
    assert provider.channels == ["email"]


def test_unknown_is_never_sent_again(engine: Engine, world: Any, provider: Any) -> None:
    provider.answer = lambda one: Outcome(result="unknown")
    abandoned_cart(engine, world)
    engine.advance(Instant(10 * 3_600_000))
    assert len(provider.got) == 1
    assert only_profile(engine).ledger[0].state == "unknown"


def test_a_deferred_send_is_tried_again_with_the_same_id(
    engine: Engine, world: Any, provider: Any
) -> None:
    provider.answer = lambda one: Outcome(result="try_later" if one.attempt < 3 else "accepted")
    abandoned_cart(engine, world)
    engine.advance(Instant(60_000))
    assert [one.attempt for one in provider.got] == [1, 2, 3]
    assert len({one.id for one in provider.got}) == 1
    assert only_profile(engine).ledger[0].state == "accepted"


def test_a_conversion_withdraws_a_send_that_waits_for_its_next_try(
    engine: Engine, world: Any, provider: Any
) -> None:
    provider.answer = lambda one: Outcome(result="try_later", after_ms=60_000)
    abandoned_cart(engine, world)
    engine.feed(world.event("Order Completed", "ana", 20_000), 20_000)
    engine.advance(Instant(3_600_000))
    assert len(provider.got) == 1
    assert [row.state for row in engine.store.outbox()] == ["cancelled"]


def test_a_conversion_while_it_is_tried_again_comes_too_late_and_says_so(
    engine: Engine, world: Any, provider: Any
) -> None:
    """The second claim is told to the profile as well, so it counts as sent."""
    provider.answer = lambda one: Outcome(result="try_later" if one.attempt < 2 else "unknown")
    abandoned_cart(engine, world)
    engine.advance(Instant(15_000))
    engine.feed(world.event("Order Completed", "ana", 20_000), 20_000)
    assert only_profile(engine).ledger[0].state == "unknown"


# ── questions, consents, calls, reports ──


def test_a_question_is_answered_with_what_its_placement_shows(engine: Engine, world: Any) -> None:
    for at in range(3):
        engine.feed(world.event("Product Viewed", "ana", at), at)
    answer = engine.feed(world.asked("ana"), 10)
    assert [show.message for show in answer.shows] == ["welcome"]
    assert answer.question
    assert answer.question != engine.feed(world.asked("ana"), 11).question


def test_two_questions_at_one_instant_have_two_ids(engine: Engine, world: Any) -> None:
    ids = [engine.feed(world.asked("ana"), 10).question for _ in range(2)]
    ids += [one.question for one in engine.feed_all([world.asked("ana"), world.asked("ben")], 10)]
    assert len(set(ids)) == 4


def test_a_question_by_a_stranger_makes_a_profile(engine: Engine, world: Any) -> None:
    answer = engine.feed(world.asked(anonymous="phone"), 10)
    assert (answer.status, answer.shows) == ("accepted", ())
    assert only_profile(engine).anonymous_ids == ["phone"]


def test_a_question_that_names_a_user_makes_the_profile_theirs(engine: Engine, world: Any) -> None:
    asked = msgspec.structs.replace(world.asked("ana"), anonymous_id="phone")
    engine.feed(asked, 10)
    engine.feed(world.event("Product Viewed", "ben", 20, anonymous="phone"), 20)
    assert engine.store.counts().profiles == 2


def test_a_report_for_nobody_changes_nothing(engine: Engine, world: Any) -> None:
    answer = engine.feed(world.reported("s1", "clicked", "nobody"), 10)
    assert answer.status == "unknown"
    assert engine.store.counts().profiles == 0


def test_consent_is_kept_and_a_call_without_id_gets_one(engine: Engine) -> None:
    consent = Consented(channel="email", topic="*", state="denied", at=Instant(5))
    engine.feed(Arrival(input=consent, user_id="ana"), 5)
    called = engine.feed(Arrival(input=Called(id="", journey="cart"), user_id="ana"), 6)
    assert called.question
    assert only_profile(engine).consents["email/*"].state == "denied"
    nobody = engine.feed(Arrival(input=consent, profile=ProfileId("gone")), 7)
    assert nobody.status == "unknown"


# ── identity ──


def test_what_was_done_anonymously_is_the_users_after_login(engine: Engine, world: Any) -> None:
    engine.feed(world.event("Product Added", at=1, anonymous="phone"), 1)
    engine.feed(world.event("Profile Identified", "ana", 2, anonymous="phone", traits={}), 2)
    profile = only_profile(engine)
    assert (profile.user_ids, profile.anonymous_ids) == (["ana"], ["phone"])
    assert [run.journey for run in profile.runs] == ["cart"]


def test_two_profiles_merge_with_all_they_have(engine: Engine, world: Any) -> None:
    engine.feed(world.customer("ana", 0), 0)
    for at in (1, 2):
        engine.feed(world.event("Product Viewed", "ana", at), at)
    engine.feed(world.event("Product Viewed", at=3, anonymous="phone"), 3)
    engine.feed(world.event("Signed In", "ana", 4, anonymous="phone"), 4)
    profile = only_profile(engine)
    assert "keen" in profile.segments
    assert len(engine.store.history(profile.id)) == 5


def test_a_merge_inside_one_batch_keeps_both_halves(engine: Engine, world: Any) -> None:
    answers = engine.feed_all(
        [
            world.event("Product Viewed", "ana", 1),
            world.event("Product Viewed", at=1, anonymous="phone"),
            world.event("Product Added", at=1, anonymous="phone"),
            world.event("Signed In", "ana", 1, anonymous="phone"),
            world.event("Product Viewed", at=1, anonymous="phone"),
        ],
        1,
    )
    assert {one.status for one in answers} == {"accepted"}
    profile = only_profile(engine)
    assert len(engine.store.history(profile.id)) == 5
    assert sorted(run.journey for run in profile.runs) == ["cart", "greet"]
    assert "keen" in profile.segments


def test_a_late_input_for_an_absorbed_profile_finds_its_heir(engine: Engine, world: Any) -> None:
    guest = engine.feed(world.event("Product Viewed", at=1, anonymous="phone"), 1).profile
    engine.feed(world.event("Product Viewed", "ana", 2), 2)
    engine.feed(world.event("Signed In", "ana", 3, anonymous="phone"), 3)
    late = Arrival(input=Called(id="c", journey="cart"), profile=guest)
    assert engine.feed(late, 4).profile == only_profile(engine).id
    answer = engine.feed(world.event("Product Viewed", at=1, anonymous="phone"), 5)
    assert answer.profile == only_profile(engine).id


def test_users_on_a_shared_device_stay_apart(engine: Engine, world: Any) -> None:
    engine.feed(world.event("Signed In", "ana", 1, anonymous="tablet"), 1)
    engine.feed(world.event("Signed In", "ben", 2, anonymous="tablet"), 2)
    ben = engine.feed(world.event("Product Viewed", at=3, anonymous="tablet"), 3).profile
    assert engine.store.counts().profiles == 2
    assert engine.feed(world.event("Product Viewed", "ben", 4), 4).profile == ben


def test_an_alias_joins_two_customers_in_the_middle_of_a_journey(
    engine: Engine, world: Any, provider: Any
) -> None:
    engine.feed(world.customer("old", 0), 0)
    engine.feed(world.event("Product Added", "old", 1_000), 1_000)
    kept = engine.feed(world.customer("new", 2_000), 2_000).profile
    engine.feed(world.alias("old", "new", 3_000), 3_000)
    engine.feed(world.event("Order Completed", "new", 4_000), 4_000)
    engine.advance(Instant(60_000))
    assert only_profile(engine).id == kept
    assert provider.got == []


# ── P8 ──


def poisoned(monkeypatch: pytest.MonkeyPatch, hit: Callable[[object], bool]) -> None:
    """Let the kernel fail half-way through some inputs, after it has changed the profile."""
    real = batch.step

    def step(program: Any, profile: Profile, given: Any, *rest: Any) -> Any:
        answer = real(program, profile, given, *rest)
        if hit(given):
            profile.traits["half"] = "done"
            raise KeyError("a bug")
        return answer

    monkeypatch.setattr(batch, "step", step)


def test_a_bug_in_one_input_sets_it_aside_and_leaves_the_rest_as_if_it_never_came(
    engine: Engine, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned(monkeypatch, lambda given: isinstance(given, Event) and given.name == "Poison")
    answers = engine.feed_all(
        [
            world.event("Poison", "new", 1),
            world.event("Product Viewed", "ana", 1),
            world.event("Poison", "ana", 1),
            world.event("Product Viewed", "ana", 1),
            world.event("Product Viewed", "ben", 1),
        ],
        1,
    )
    accepted = ["set_aside", "accepted", "set_aside", "accepted", "accepted"]
    assert [one.status for one in answers] == accepted
    assert [line.event.name for line in engine.store.log()] == ["Product Viewed"] * 3
    assert all("half" not in profile.traits for profile in engine.store.profiles())
    kept = [bad for _, bad in engine.store.set_aside()]
    assert {bad.code for bad in kept} == {"SEG301"}
    assert all(b"Poison" in bad.body for bad in kept)


def test_a_batch_that_is_answered_again_because_of_a_bug_gives_its_questions_the_same_ids(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned(monkeypatch, lambda given: isinstance(given, Event) and given.name == "Poison")
    found: list[list[str]] = []
    for name in ("Poison", "Product Viewed"):
        engine = Engine(patterns=world.patterns)
        engine.publish("shop-1", world.body)
        asked = [world.asked("ana"), world.event(name, "ana", 1), world.asked("ana")]
        answers = engine.feed_all(asked, 1)
        found.append([answers[0].question, answers[2].question])
        found.append([engine.feed(world.asked("ana"), 1).question])
    assert found[:2] == found[2:]
    assert len({*found[0], *found[1]}) == 3


def test_a_bug_in_a_known_profiles_input_restores_what_was_saved(
    engine: Engine, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.feed(world.customer("ana", 0), 0)
    before = only_profile(engine)
    poisoned(monkeypatch, lambda given: isinstance(given, Event) and given.name == "Poison")
    engine.feed(world.event("Poison", "ana", 1), 1)
    assert only_profile(engine) == before
    assert engine.feed(world.event("Product Viewed", "ana", 2), 2).status == "accepted"


def test_a_wake_up_that_fails_does_not_come_at_once_again(
    engine: Engine, world: Any, provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.feed(world.customer("ana", 0), 0)
    engine.feed(world.event("Product Added", "ana", 1_000), 1_000)
    with monkeypatch.context() as patch:
        poisoned(patch, lambda given: isinstance(given, Woke))
        engine.advance(Instant(11_000))
        assert only_profile(engine).wake_at == 71_000
    engine.advance(Instant(80_000))
    assert len(provider.got) == 1


def test_a_merge_that_fails_leaves_two_profiles_and_the_event_counts(
    engine: Engine, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.feed(world.event("Product Viewed", "ana", 1), 1)
    engine.feed(world.event("Product Viewed", at=1, anonymous="phone"), 1)
    poisoned(monkeypatch, lambda given: isinstance(given, Merged))
    answer = engine.feed(world.event("Signed In", "ana", 2, anonymous="phone"), 2)
    assert answer.status == "accepted"
    assert engine.store.counts().profiles == 2
    assert engine.store.counts().events == 3


def test_what_can_not_be_stored_is_set_aside_and_its_batch_is_saved(
    engine: Engine, world: Any
) -> None:
    answers = engine.feed_all(
        [
            world.event("Product Viewed", "ana", 1),
            world.event("Profile Identified", "ben", 1, traits={"huge": 1 << 70}),
            world.event("Product Viewed", "cy", 1),
        ],
        1,
    )
    assert [one.status for one in answers] == ["accepted", "set_aside", "accepted"]
    assert engine.store.counts().events == 2
    assert engine.store.counts().set_aside == 1


# ── programs ──


def test_without_a_program_nothing_runs(store: Store, world: Any) -> None:
    with pytest.raises(NoProgram):
        Engine(store, patterns=world.patterns).feed(world.event("x", "ana"), 1)


def test_a_plan_that_can_not_be_read_leaves_the_program_in_force(
    engine: Engine, world: Any
) -> None:
    with pytest.raises(PlanUnreadable):
        engine.publish("broken", b'{"workspace": 7}')
    assert engine.program.name == "shop-1"
    assert engine.store.current_program() == "shop-1"


def test_a_run_goes_on_in_the_program_in_which_it_entered(
    engine: Engine, world: Any, provider: Any
) -> None:
    engine.feed(world.customer("ana", 0), 0)
    engine.feed(world.event("Product Added", "ana", 1_000), 1_000)
    without = msgspec.structs.replace(world.plan, journeys=(), segments=())
    engine.publish("shop-2", msgspec.json.encode(without))
    engine.advance(Instant(60_000))
    assert [one.effect.program for one in provider.got] == ["shop-1"]


def test_a_new_segment_is_computed_from_history_when_it_is_adopted(
    store: Store, world: Any
) -> None:
    bare = msgspec.structs.replace(world.plan, segments=(), journeys=())
    engine = Engine(store, patterns=world.patterns)
    engine.publish("bare", msgspec.json.encode(bare))
    for at in range(3):
        engine.feed(world.event("Product Viewed", "ana", at), at)
    assert only_profile(engine).trails == {}
    engine.publish("shop-1", world.body)
    engine.adopt_all()
    assert "keen" in only_profile(engine).segments
    assert only_profile(engine).program == "shop-1"


def test_a_program_that_counts_nothing_new_reads_no_history(
    engine: Engine, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(3):
        engine.feed(world.event("Product Viewed", "ana", at), at)
    longer = msgspec.structs.replace(
        world.plan, workspace=msgspec.structs.replace(world.plan.workspace, currency="EUR")
    )
    monkeypatch.setattr(engine.store, "history", lambda profile: pytest.fail("history was read"))
    engine.publish("shop-2", msgspec.json.encode(longer))
    engine.adopt_all()
    profile = only_profile(engine)
    assert (profile.program, list(profile.segments)) == ("shop-2", ["keen"])


# ── equality of stores ──


def test_every_store_ends_with_the_same_profiles_log_and_outbox(
    store: Store, world: Any, provider: Any
) -> None:
    """P6: the same inputs over another store. Merges, retries, refusals and expiries included."""
    ends: list[object] = []
    for one in (store, QuickStore()):
        world.count = 0
        courier = world.Provider()
        courier.answer = lambda d: Outcome(
            result=("accepted", "try_later", "refused", "unknown")[(len(d.id) + d.attempt) % 4]
        )
        engine = Engine(one, courier, patterns=world.patterns)
        engine.publish("shop-1", world.body)
        for at in range(0, 400_000, 3_700):
            user = f"u{at % 7}"
            engine.feed(world.customer(user, at), at)
            engine.feed(world.event("Product Viewed", user, at, anonymous=f"a{at % 5}"), at)
            engine.feed(world.event("Product Added", at=at, anonymous=f"a{at % 11}"), at)
            if at % 13 == 0:
                engine.feed(world.alias(f"u{at % 3}", user, at), at)
        engine.advance(Instant(10 * 3_600_000))
        ends.append(
            (
                one.profiles(limit=1_000),
                one.log(limit=10_000),
                sorted(one.outbox(limit=1_000), key=lambda row: (row.profile, row.id)),
                [one.traces(p.id) for p in one.profiles(limit=1_000)],
                one.counts(),
            )
        )
        assert one.counts().set_aside == 0
    assert ends[0] == ends[1]


def test_a_segment_that_holds_of_somebody_new_is_entered_at_the_first_event(
    store: Store, world: Any
) -> None:
    """Nobody ordered yet: `count(...) == 0` holds from the start, though no event touches it."""
    orders = Aggregate("count", Stream(("Order Completed",)))
    new = plan.Segment(name="never ordered", when=Compare("==", orders, Literal(0)))
    engine = Engine(store, patterns=world.patterns)
    with_it = msgspec.structs.replace(world.plan, segments=(new,))
    engine.publish("shop-3", msgspec.json.encode(with_it))
    engine.feed(world.event("Product Viewed", "ana", 1_000), 1_000)
    assert "never ordered" in only_profile(engine).segments

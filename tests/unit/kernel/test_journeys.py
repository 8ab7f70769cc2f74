"""Goal: every step of a journey does what its definition says, and exits reach a run anywhere."""

import pytest

from segue.kernel import plan
from segue.kernel.effects import AssignTask, CallWebhook, ChangeAudience, Emit
from segue.kernel.expression import Aggregate, Compare, InSegment, Literal, Path, Stream
from segue.kernel.inputs import Adopted, Called
from segue.kernel.trace import Drawn, RunChanged
from segue.kernel.values import Instant, Millis
from tests.unit.kernel.customers import (
    DAY,
    HOUR,
    MINUTE,
    MORNING,
    NEVER,
    Customer,
    at_least,
    equals,
    journey,
    message,
    program,
    prop,
    send,
    show,
    trait,
)

HELLO = message("hello")
REMINDER = message("reminder")
BANNER = message("banner", "web")
BIG = message("big", "web", priority=60)


def wait(step_id: str, span: int, then: str) -> plan.Wait:
    return plan.Wait(id=step_id, next=then, for_ms=Millis(span))


# ── entry ──


def test_an_event_enters_and_the_message_is_queued_at_once() -> None:
    ana = Customer(program(journey("j", send("hi", "hello")), messages=(HELLO,)))
    ana.does("Started")
    assert ana.sent == ["hello/email"]
    assert ana.story == ["j entered"]


def test_an_entry_condition_that_does_not_hold_keeps_out() -> None:
    entry = plan.OnEvent(events=("Started",), when=at_least(prop("value"), 50))
    ana = Customer(program(journey("j", send("hi", "hello"), entries=(entry,)), messages=(HELLO,)))
    ana.does("Started", value=49.0)
    assert ana.runs == []
    ana.does("Started", value=50)
    assert ana.sent == ["hello/email"]


def test_entering_a_segment_enters_a_journey_at_that_very_event() -> None:
    keen = plan.Segment(name="keen", when=Compare(">=", count("Viewed"), Literal(3)))
    entry = plan.OnSegment(segment="keen", change="entered")
    ana = Customer(
        program(
            journey("j", send("hi", "hello"), entries=(entry,)),
            messages=(HELLO,),
            segments=(keen,),
        )
    )
    ana.does("Viewed")
    ana.does("Viewed")
    assert ana.sent == []
    ana.does("Viewed")
    assert ana.sent == ["hello/email"]


def test_leaving_a_segment_by_time_alone_enters_a_journey_at_that_very_instant() -> None:
    busy = plan.Segment(name="busy", when=Compare(">=", count("Viewed", within=HOUR), Literal(2)))
    entry = plan.OnSegment(segment="busy", change="left")
    ana = Customer(
        program(
            journey("j", send("hi", "hello"), entries=(entry,)),
            messages=(HELLO,),
            segments=(busy,),
        )
    )
    ana.does("Viewed")
    ana.passes(10 * MINUTE)
    ana.does("Viewed")
    ana.passes(50 * MINUTE - 1)
    assert ana.sent == []
    ana.passes(1)
    assert ana.sent == ["hello/email"]


def test_a_call_enters_a_journey_that_allows_it_and_no_other() -> None:
    called = journey("called", send("hi", "hello"), entries=(plan.OnCall(),))
    other = journey("other", send("hi", "hello"))
    ana = Customer(program(called, other, messages=(HELLO,)))
    ana.say(Called(id="c1", journey="other"))
    assert ana.runs == []
    ana.say(Called(id="c2", journey="called", properties={"plan": "pro"}))
    assert ana.runs[0].entry == {"plan": "pro"}


def test_one_run_per_key_and_several_keys_at_once() -> None:
    made = journey("j", wait("w", HOUR, plan.END), key=prop("cart"))
    ana = Customer(program(made))
    for cart in ("a", "b", "a", 7, 7.0, None, True):
        ana.does("Started", cart=cart)
    assert [run.key for run in ana.runs] == ["a", "b", "7", "7.0", ""]


@pytest.mark.parametrize(
    ("reentry", "again"), [(Millis(-1), False), (Millis(0), True), (Millis(2 * HOUR), False)]
)
def test_reentry_never_always_and_after_a_time(reentry: Millis, again: bool) -> None:
    ana = Customer(program(journey("j", wait("w", MINUTE, plan.END), reentry_ms=reentry)))
    ana.does("Started")
    ana.passes(HOUR)
    assert ana.runs == []
    ana.does("Started")
    assert bool(ana.runs) is again
    if reentry == 2 * HOUR:
        assert ana.story[-1] == "j refused reentry"
        ana.passes(HOUR)
        ana.does("Started")
        assert ana.runs


def test_no_more_live_runs_than_the_journey_allows() -> None:
    ana = Customer(program(journey("j", wait("w", HOUR, plan.END), key=prop("k"), runs_max=2)))
    for key in ("a", "b", "c"):
        ana.does("Started", k=key)
    assert [run.key for run in ana.runs] == ["a", "b"]
    assert ana.story[-1] == "j refused runs_max"


def test_journeys_that_exclude_one_another_do_not_run_together() -> None:
    first = journey("first", wait("w", HOUR, plan.END))
    second = journey("second", wait("w", HOUR, plan.END), on="Other")
    apart = plan.Exclusion(name="apart", journeys=("first", "second"))
    ana = Customer(program(first, second, policies=(apart,)))
    ana.does("Started")
    ana.does("Other")
    assert ana.story == ["first entered", "second refused excluded_journey"]
    ana.passes(HOUR)
    ana.does("Other")
    assert ana.runs[0].journey == "second"


@pytest.mark.parametrize("state", ["draft", "paused", "draining", "archived"])
def test_only_a_live_journey_is_entered(state: str) -> None:
    ana = Customer(program(journey("j", send("hi", "hello"), state=state), messages=(HELLO,)))
    ana.does("Started")
    assert ana.story == []


# ── exits and goals ──

LATE = (wait("w", HOUR, "s"), send("s", "reminder"))


def test_an_exit_ends_a_run_in_the_middle_of_a_wait() -> None:
    made = journey("j", *LATE, exits=(plan.Watch(events=("Order Completed",), reason="bought"),))
    ana = Customer(program(made, messages=(REMINDER,)))
    ana.does("Started")
    ana.passes(HOUR - 1)
    ana.does("Order Completed")
    ana.passes(DAY)
    assert ana.sent == []
    assert ana.story == ["j entered", "j ended exit"]


def test_an_exit_condition_ends_a_run_at_the_instant_at_which_time_makes_it_true() -> None:
    quiet = Compare("==", count("Viewed", within=Millis(30 * MINUTE)), Literal(0))
    made = journey("j", *LATE, exits=(plan.Watch(when=quiet),))
    ana = Customer(program(made, messages=(REMINDER,)))
    ana.does("Viewed")
    ana.does("Started")
    ana.passes(30 * MINUTE - 1)
    assert ana.runs
    ana.passes(1)
    assert not ana.runs
    assert ana.now == MORNING + 30 * MINUTE


def test_an_exit_withdraws_a_send_that_is_still_queued_even_after_the_last_step() -> None:
    made = journey("j", send("s", "reminder"), exits=(plan.Watch(events=("Order Completed",)),))
    ana = Customer(program(made, messages=(REMINDER,)))
    ana.does("Started")
    ana.does("Order Completed")
    assert ana.withdrawn == ["ana/j//1:s:1"]
    assert ana.profile.ledger[0].state == "cancelled"
    assert ana.story == ["j entered", "j ended exit"]


def test_what_a_provider_has_taken_is_not_withdrawn_and_the_run_is_then_completed() -> None:
    made = journey("j", send("s", "reminder"), exits=(plan.Watch(events=("Order Completed",)),))
    ana = Customer(program(made, messages=(REMINDER,)))
    ana.does("Started")
    ana.delivers()
    ana.does("Order Completed")
    assert ana.withdrawn == []
    assert ana.story == ["j entered", "j ended completed"]


def test_a_deferred_send_is_back_in_the_queue_and_can_be_withdrawn() -> None:
    made = journey("j", send("s", "reminder"), exits=(plan.Watch(events=("Order Completed",)),))
    ana = Customer(program(made, messages=(REMINDER,)))
    ana.does("Started")
    ana.reports("ana/j//1:s:1", "claimed")
    ana.reports("ana/j//1:s:1", "deferred")
    ana.does("Order Completed")
    assert ana.withdrawn == ["ana/j//1:s:1"]


def test_a_goal_reached_in_time_ends_the_run_and_names_its_value() -> None:
    goal = plan.Goal(
        watch=plan.Watch(events=("Order Completed",)), within_ms=HOUR, value=prop("total")
    )
    ana = Customer(program(journey("j", wait("w", DAY, plan.END), goal=goal)))
    ana.does("Started")
    ana.does("Order Completed", total=12.5)
    reached = ana.all(RunChanged)[1]
    assert (reached.change, reached.detail) == ("goal", "12.5")
    assert ana.story[-1] == "j ended goal"


def test_a_goal_after_its_deadline_does_not_count() -> None:
    goal = plan.Goal(watch=plan.Watch(events=("Order Completed",)), within_ms=HOUR)
    ana = Customer(program(journey("j", wait("w", DAY, plan.END), goal=goal)))
    ana.does("Started")
    ana.passes(HOUR + 1)
    ana.does("Order Completed")
    assert ana.story == ["j entered"]


def test_a_goal_that_does_not_end_the_run_is_noted_once() -> None:
    goal = plan.Goal(watch=plan.Watch(events=("Order Completed",)), within_ms=HOUR, ends=False)
    ana = Customer(program(journey("j", wait("w", DAY, plan.END), goal=goal)))
    ana.does("Started")
    ana.does("Order Completed")
    ana.does("Order Completed")
    assert ana.story == ["j entered", "j goal"]


# ── waits ──


def test_a_wait_ends_at_its_instant_and_not_before() -> None:
    ana = Customer(program(journey("j", *LATE), messages=(REMINDER,)))
    ana.does("Started")
    ana.passes(HOUR - 1)
    assert ana.sent == []
    ana.passes(1)
    assert ana.sent == ["reminder/email"]


def test_what_time_made_due_comes_before_an_event_that_arrives_late() -> None:
    made = journey("j", *LATE, exits=(plan.Watch(events=("Order Completed",)),))
    ana = Customer(program(made, messages=(REMINDER,)))
    ana.does("Started")
    ana.now = Instant(MORNING + HOUR + 5)
    ana.does("Order Completed")
    assert ana.sent == ["reminder/email"]
    assert len(ana.withdrawn) == 1


def test_waiting_for_an_event_takes_one_path_when_it_comes_and_another_when_it_does_not() -> None:
    until = plan.WaitUntil(
        id="w",
        watch=plan.Watch(events=("Viewed",), when=equals(prop("id"), "x")),
        timeout_ms=HOUR,
        met="yes",
        timed_out="no",
    )
    made = journey("j", until, send("yes", "hello"), send("no", "reminder"))
    under = program(made, messages=(HELLO, REMINDER))
    ana = Customer(under)
    ana.does("Started")
    ana.does("Viewed", id="y")
    assert ana.sent == []
    ana.does("Viewed", id="x")
    assert ana.sent == ["hello/email"]
    ben = Customer(under, name="ben")
    ben.does("Started")
    ben.passes(HOUR)
    assert ben.sent == ["reminder/email"]


def test_waiting_for_a_condition_passes_at_once_where_it_holds() -> None:
    until = plan.WaitUntil(
        id="w",
        watch=plan.Watch(when=equals(trait("tier"), "gold")),
        timeout_ms=HOUR,
        met="yes",
        timed_out=plan.END,
    )
    under = program(journey("j", until, send("yes", "hello")), messages=(HELLO,))
    ana = Customer(under)
    ana.identify(tier="gold")
    ana.does("Started")
    assert ana.sent == ["hello/email"]
    ben = Customer(under, name="ben")
    ben.does("Started")
    assert ben.sent == []
    ben.identify(tier="gold")
    assert ben.sent == ["hello/email"]


def test_waiting_for_a_window_stands_still_until_it_opens_in_local_time() -> None:
    window = plan.WaitWindow(id="w", next="s", start=20 * 60, end=22 * 60)
    ana = Customer(program(journey("j", window, send("s", "hello")), messages=(HELLO,)))
    ana.does("Started")
    assert ana.runs[0].due_at == MORNING + 11 * HOUR
    ana.passes(11 * HOUR)
    assert ana.sent == ["hello/email"]


def test_waiting_for_a_window_passes_at_once_inside_it() -> None:
    window = plan.WaitWindow(id="w", next="s", start=8 * 60, end=10 * 60)
    ana = Customer(program(journey("j", window, send("s", "hello")), messages=(HELLO,)))
    ana.does("Started")
    assert ana.sent == ["hello/email"]


def test_waiting_for_a_date_uses_its_offset_passes_if_it_is_over_and_knows_a_missing_one() -> None:
    date = plan.WaitDate(
        id="w", next="s", date=trait("renews_at"), offset_ms=Millis(-HOUR), missing="m"
    )
    made = journey("j", date, send("s", "hello"), send("m", "reminder"))
    under = program(made, messages=(HELLO, REMINDER))
    ana = Customer(under)
    ana.identify(renews_at=MORNING + 3 * HOUR)
    ana.does("Started")
    assert ana.runs[0].due_at == MORNING + 2 * HOUR
    ben = Customer(under, name="ben")
    ben.identify(renews_at=MORNING)
    ben.does("Started")
    assert ben.sent == ["hello/email"]
    cem = Customer(under, name="cem")
    cem.does("Started")
    assert cem.sent == ["reminder/email"]


# ── branches ──


def test_a_branch_takes_the_first_way_that_holds() -> None:
    ways = (
        plan.Way(name="big", when=at_least(Path("entry", ("value",)), 100), next="big"),
        plan.Way(name="some", when=at_least(Path("entry", ("value",)), 10), next="some"),
    )
    branch = plan.Branch(id="b", ways=ways, otherwise="none")
    made = journey("j", branch, send("big", "hello"), send("some", "reminder"), plan.End(id="none"))
    under = program(made, messages=(HELLO, REMINDER))
    results = {}
    for value in (150, 50, 5):
        one = Customer(under, name=f"c{value}")
        one.does("Started", value=value)
        results[value] = one.sent
    assert results == {150: ["hello/email"], 50: ["reminder/email"], 5: []}


def adaptive(*, both_ways: bool = False, timeout: int = HOUR) -> plan.Journey:
    """Weak: a banner; strong: a bigger one. Watched by the session's views."""
    views = Path("session", ("views",))
    adapt = plan.Adapt(
        id="a",
        ways=(
            plan.Way(name="weak", when=at_least(views, 2), next="weak"),
            plan.Way(name="strong", when=at_least(views, 4), next="strong"),
        ),
        timeout_ms=Millis(timeout),
        otherwise="none",
        both_ways=both_ways,
    )
    return journey(
        "j",
        adapt,
        show("weak", "banner"),
        show("strong", "big"),
        plan.End(id="none", reason="no interest"),
        exits=(plan.Watch(events=("Order Completed",)),),
        within={"weak": (plan.Placed("a", 0),), "strong": (plan.Placed("a", 1),)},
    )


def test_a_run_moves_to_the_stronger_path_mid_session_and_takes_back_what_was_not_sent() -> None:
    ana = Customer(program(adaptive(), messages=(BANNER, BIG)))
    ana.does("Started")
    ana.does("Product Viewed")
    assert ana.asks() == []
    ana.does("Product Viewed")
    assert [s.message for s in ana.asks()] == ["banner"]
    ana.does("Product Viewed")
    assert [(s.message, s.again) for s in ana.asks()] == [("banner", True)]
    ana.does("Product Viewed")
    assert [s.message for s in ana.asks()] == ["big"]
    assert ana.withdrawn == ["ana/j//1:weak:1@1"]
    assert "j moved stronger_path" in ana.story


def test_an_adaptive_branch_takes_the_strongest_way_that_holds_at_once() -> None:
    ana = Customer(program(adaptive(), messages=(BANNER, BIG)))
    for _ in range(5):
        ana.does("Product Viewed")
    ana.does("Started")
    assert [s.message for s in ana.asks()] == ["big"]


def test_an_adaptive_branch_in_which_nothing_holds_times_out() -> None:
    ana = Customer(program(adaptive(), messages=(BANNER, BIG)))
    ana.does("Started")
    ana.passes(HOUR)
    assert ana.story == ["j entered", "j ended completed"]


def test_a_run_lingers_while_its_offer_stands_and_an_exit_still_takes_it_back() -> None:
    ana = Customer(program(adaptive(), messages=(BANNER, BIG)))
    ana.does("Started")
    ana.does("Product Viewed")
    ana.does("Product Viewed")
    ana.asks()
    ana.does("Order Completed")
    assert ana.profile.offers == []
    assert ana.withdrawn == ["ana/j//1:weak:1@1"]
    assert ana.story[-1] == "j ended exit"


def test_an_offer_that_expires_lets_the_run_go_on_to_its_end() -> None:
    ana = Customer(program(adaptive(), messages=(BANNER, BIG)))
    ana.does("Started")
    ana.does("Product Viewed")
    ana.does("Product Viewed")
    ana.passes(HOUR)
    assert ana.profile.offers == []
    assert ana.runs == []


def test_a_way_commits_and_is_watched_no_longer() -> None:
    made = adaptive()
    committing = journey(
        "j",
        made.steps[0],
        plan.Commit(id="c", next="weak", adapt="a"),
        *made.steps[1:],
        within={**made.within, "c": (plan.Placed("a", 0),)},
    )
    ways = committing.steps[0]
    assert isinstance(ways, plan.Adapt)
    first = plan.Way(name="weak", when=ways.ways[0].when, next="c")
    adapt = plan.Adapt(id="a", ways=(first, ways.ways[1]), timeout_ms=HOUR, otherwise="none")
    under = program(
        journey("j", adapt, *committing.steps[1:], within=committing.within),
        messages=(BANNER, BIG),
    )
    ana = Customer(under)
    ana.does("Started")
    for _ in range(6):
        ana.does("Product Viewed")
    assert [s.message for s in ana.asks()] == ["banner"]


def test_a_split_is_sticky_reproducible_and_near_its_weights() -> None:
    split = plan.Split(
        id="x",
        stream="exp",
        variants=(
            plan.Variant(name="a", weight=3, next="a"),
            plan.Variant(name="b", weight=1, next="b"),
        ),
    )
    made = journey("j", split, send("a", "hello"), send("b", "reminder"))
    under = program(made, messages=(HELLO, REMINDER))
    taken = []
    for number in range(400):
        one = Customer(under, name=f"c{number}")
        one.does("Started")
        one.delivers()
        one.does("Started")
        assert len(one.sent) == 2
        assert one.sent[0] == one.sent[1]
        taken.append(one.sent[0])
    assert 0.68 < taken.count("hello/email") / 400 < 0.82
    drawn = Customer(under)
    drawn.does("Started")
    assert drawn.all(Drawn)[0].options == {"a": 750_000, "b": 250_000}


def test_choose_takes_the_most_valuable_option_that_the_guardrails_admit() -> None:
    options = (
        plan.Option(name="gift", message="big", channels=("email",), value=Literal(9.0)),
        plan.Option(name="note", message="hello", channels=("email",), value=Literal(5.0)),
        plan.Option(name="nothing", value=Literal(1.0)),
    )
    made = journey("j", plan.Choose(id="c", options=options))
    big = message("big", when=equals(trait("vip"), True))
    under = program(made, messages=(big, HELLO))
    ana = Customer(under)
    ana.does("Started")
    assert ana.sent == ["hello/email"]
    ben = Customer(under, name="ben")
    ben.identify(vip=True)
    ben.does("Started")
    assert ben.sent == ["big/email"]
    cem = Customer(under, name="cem")
    cem.consents("email", "*", "denied")
    cem.does("Started")
    assert cem.sent == []
    assert cem.all(Drawn)[0].choice == "nothing"


# ── acts ──


def test_set_emit_audience_call_and_assign_do_their_work_under_derived_ids() -> None:
    steps = (
        plan.SetTrait(
            id="set",
            next="emit",
            traits={"seen": Literal(True), "email": Literal(None)},
            vars={"n": Literal(1)},
        ),
        plan.Emit(id="emit", next="aud", event="Nudged", properties={"n": Path("vars", ("n",))}),
        plan.Audience(id="aud", next="call", audience="lookalike", change="add"),
        plan.Call(id="call", next="task", webhook="erp", body={"n": Path("vars", ("n",))}),
        plan.Assign(id="task", next=plan.END, title="Call them", to="sales"),
    )
    other = journey("k", send("hi", "hello", "sms"), on="Nudged")
    ana = Customer(program(journey("j", *steps), other, messages=(message("hello", "sms"),)))
    ana.does("Started")
    assert ana.profile.traits["seen"] is True
    assert "email" not in ana.profile.traits
    assert ana.all(Emit)[0].event.properties == {"n": 1}
    assert ana.all(Emit)[0].event.id == "ana/j//1:emit:1"
    assert ana.all(ChangeAudience)[0].data == {"phone": "+4912345"}
    assert ana.all(CallWebhook)[0].body == {"n": 1}
    assert ana.all(AssignTask)[0].to == "sales"
    assert ana.sent == ["hello/sms"]


def test_a_trait_that_a_journey_sets_moves_segments_in_the_same_input() -> None:
    gold = plan.Segment(name="gold", when=equals(trait("tier"), "gold"))
    up = journey("up", plan.SetTrait(id="s", next=plan.END, traits={"tier": Literal("gold")}))
    thanks = journey(
        "thanks", send("hi", "hello"), entries=(plan.OnSegment(segment="gold", change="entered"),)
    )
    ana = Customer(program(up, thanks, messages=(HELLO,), segments=(gold,)))
    ana.does("Started")
    assert "gold" in ana.profile.segments
    assert ana.sent == ["hello/email"]


def test_a_repeat_is_bounded_and_counts_afresh_when_it_is_reached_again() -> None:
    steps = (
        plan.Repeat(id="r", body="s", next="again", times=2),
        send("s", "hello", then="w"),
        wait("w", HOUR, "r"),
        plan.Repeat(id="again", body="r", next=plan.END, times=1),
    )
    ana = Customer(program(journey("j", *steps), messages=(HELLO,)))
    ana.does("Started")
    for _ in range(10):
        ana.delivers()
        ana.passes(HOUR)
    assert len(ana.sent) == 4
    assert len({line.id for line in ana.profile.ledger}) == 4
    assert ana.runs == []


def test_an_endless_walk_is_stopped_and_said() -> None:
    steps = (
        plan.Branch(id="b", ways=(), otherwise="c"),
        plan.Branch(id="c", ways=(), otherwise="b"),
    )
    ana = Customer(program(journey("j", *steps)))
    ana.does("Started")
    assert ana.story == ["j entered", "j ended endless"]


# ── derived events, sessions ──


def test_a_silence_makes_an_event_happen_at_its_end_unless_it_is_broken() -> None:
    abandoned = plan.Derived(
        name="Cart Abandoned",
        on=("Product Added",),
        silence_ms=Millis(30 * MINUTE),
        unless=("Order Completed",),
        properties={"cart": prop("cart")},
    )
    made = journey("j", send("s", "reminder"), on="Cart Abandoned", key=prop("cart"))
    under = program(made, messages=(REMINDER,), derived=(abandoned,))
    ana = Customer(under)
    ana.does("Product Added", cart="c1")
    ana.passes(20 * MINUTE)
    ana.does("Product Added", cart="c2")
    ana.passes(30 * MINUTE - 1)
    assert ana.sent == []
    ana.passes(1)
    assert ana.sent == ["reminder/email"]
    assert ana.runs[0].key == "c2"
    ben = Customer(under, name="ben")
    ben.does("Product Added", cart="c1")
    ben.does("Order Completed")
    ben.passes(DAY)
    assert ben.sent == []


def test_a_session_starts_and_ends_as_events_for_those_who_listen() -> None:
    hello = journey("a", send("s", "hello"), on="Session Started")
    bye = journey("b", send("s", "reminder"), on="Session Ended")
    ana = Customer(program(hello, bye, messages=(HELLO, REMINDER)))
    ana.does("Page Viewed")
    assert ana.sent == ["hello/email"]
    ana.passes(30 * MINUTE - 1)
    assert ana.sent == ["hello/email"]
    ana.passes(1)
    assert ana.sent == ["hello/email", "reminder/email"]
    assert ana.profile.session is None


def test_nobody_listens_so_no_session_event_is_made() -> None:
    ana = Customer(program())
    ana.does("Page Viewed")
    ana.passes(HOUR)
    assert ana.all(Emit) == []
    assert ana.profile.wake_at == NEVER


# ── versions ──


def test_a_run_goes_on_in_the_program_in_which_it_entered() -> None:
    old = program(journey("j", wait("w", HOUR, "s"), send("s", "hello")), messages=(HELLO,))
    ana = Customer(old)
    ana.does("Started")
    ana.program = program(
        journey("j", wait("w", HOUR, "s"), send("s", "reminder")),
        messages=(REMINDER,),
        name="p2",
        older=(("p1", old.plan),),
    )
    ana.does("Started")
    ana.passes(HOUR)
    assert ana.sent == ["hello/email"]
    ana.delivers()
    ana.does("Started")
    ana.passes(HOUR)
    assert ana.sent == ["hello/email", "reminder/email"]


def test_a_run_whose_program_is_gone_ends_and_says_so() -> None:
    ana = Customer(program(journey("j", wait("w", HOUR, plan.END))))
    ana.does("Started")
    ana.program = program(name="p2")
    ana.passes(HOUR)
    assert ana.story[-1] == "j ended step_gone"


def count(event: str, *, within: Millis | None = None) -> Aggregate:
    return Aggregate("count", Stream((event,)), within)


def test_in_segment_and_in_journey_can_be_asked() -> None:
    gold = plan.Segment(name="gold", when=equals(trait("tier"), "gold"))
    entry = plan.OnEvent(events=("Started",), when=InSegment("gold"))
    ana = Customer(
        program(
            journey("j", send("s", "hello"), entries=(entry,)), messages=(HELLO,), segments=(gold,)
        )
    )
    ana.does("Started")
    ana.identify(tier="gold")
    ana.does("Started")
    assert ana.sent == ["hello/email"]


def test_a_new_program_drains_migrates_or_exits_the_runs_of_the_old_one() -> None:
    steps = (wait("w", HOUR, "s"), send("s", "hello"))
    for mode, story in (
        ("drain", ["hello/email"]),
        ("migrate", ["reminder/email"]),
        ("exit", []),
    ):
        old = program(journey("j", *steps), messages=(HELLO,))
        ana = Customer(old)
        ana.does("Started")
        ana.program = program(
            journey("j", steps[0], send("s", "reminder")),
            messages=(REMINDER,),
            name="p2",
            older=(("p1", old.plan),),
        )
        ana.say(Adopted(history=(), runs={"j": mode}))  # type: ignore[dict-item]
        ana.passes(HOUR)
        assert ana.sent == story


def test_migrating_to_a_journey_without_the_step_ends_the_run_and_names_it() -> None:
    old = program(journey("j", wait("w", HOUR, plan.END)))
    ana = Customer(old)
    ana.does("Started")
    ana.program = program(
        journey("j", wait("v", HOUR, plan.END)), name="p2", older=(("p1", old.plan),)
    )
    ana.say(Adopted(history=(), runs={"j": "migrate"}))
    assert ana.all(RunChanged)[-1].reason == "step_gone"
    assert ana.all(RunChanged)[-1].detail == "w"


@pytest.mark.parametrize("goes_on", [True, False])
def test_waits_of_a_paused_journey_go_on_or_stand_still(goes_on: bool) -> None:
    steps = (
        wait("w", HOUR, "set"),
        plan.SetTrait(id="set", next=plan.END, traits={"done": Literal(True)}),
    )
    old = program(journey("j", *steps))
    ana = Customer(old)
    ana.does("Started")
    paused = journey("j", *steps, state="paused", waits_go_on=goes_on)
    ana.program = program(paused, name="p2", older=(("p1", old.plan),))
    ana.say(Adopted(history=()))
    ana.passes(2 * HOUR)
    assert ("done" in ana.profile.traits) is goes_on
    ana.program = program(journey("j", *steps), name="p3", older=(("p1", old.plan),))
    ana.say(Adopted(history=()))
    assert ana.profile.traits["done"] is True


# ── dates and schedules ──


def dated(**more: object) -> plan.OnDate:
    return plan.OnDate(trait="born", **more)  # type: ignore[arg-type]


def test_a_date_in_a_trait_enters_at_its_instant_moved_by_the_offset() -> None:
    made = journey("j", send("s", "hello"), entries=(dated(offset_ms=Millis(-HOUR)),))
    ana = Customer(program(made, messages=(HELLO,)))
    ana.identify(born="2025-10-09T12:00:00Z")
    ana.passes(2 * HOUR - 1)
    assert ana.sent == []
    ana.passes(1)
    assert ana.sent == ["hello/email"]
    ana.passes(400 * DAY)
    assert len(ana.sent) == 1


def test_a_date_that_changes_or_goes_away_is_followed() -> None:
    made = journey("j", send("s", "hello"), entries=(dated(),))
    ana = Customer(program(made, messages=(HELLO,)))
    ana.identify(born=MORNING + HOUR)
    ana.identify(born=MORNING + 3 * HOUR)
    ana.passes(2 * HOUR)
    assert ana.sent == []
    ana.identify(**{"$unset": ["born"]})
    ana.passes(DAY)
    assert ana.sent == []
    ana.identify(born="2020-01-01")
    assert ana.profile.scheduled == {}


def test_a_birthday_comes_every_year_at_a_minute_of_the_local_day() -> None:
    made = journey("j", send("s", "hello"), entries=(dated(yearly=True, at=8 * 60),))
    ana = Customer(program(made, messages=(HELLO,)))
    ana.identify(born="1988-10-10")
    ana.passes(23 * HOUR)
    assert ana.sent == ["hello/email"]
    ana.delivers()
    ana.passes(365 * DAY)
    ana.delivers()
    assert len(ana.sent) == 2


def test_a_leap_day_comes_in_leap_years_alone() -> None:
    made = journey("j", send("s", "hello"), entries=(dated(yearly=True),))
    ana = Customer(program(made, messages=(HELLO,)))
    ana.identify(born="1988-02-29")
    assert ana.profile.scheduled == {"j#0": 1_835_395_200_000}  # 2028-02-29


def test_a_schedule_enters_the_members_of_its_segment_at_their_local_time() -> None:
    gold = plan.Segment(name="gold", when=equals(trait("tier"), "gold"))
    weekly = plan.OnSchedule(segment="gold", at=10 * 60, weekdays=(5,))
    made = journey("j", send("s", "hello"), entries=(weekly,))
    under = program(made, messages=(HELLO,), segments=(gold,))
    ana = Customer(under)
    ana.identify(tier="gold")
    ana.passes(25 * HOUR - 1)
    assert ana.sent == []
    ana.passes(1)
    assert ana.sent == ["hello/email"]
    ana.delivers()
    ana.passes(7 * DAY)
    assert len(ana.sent) == 2
    ana.identify(tier="silver")
    assert ana.profile.scheduled == {}


def test_a_monthly_schedule_names_days_of_the_month() -> None:
    gold = plan.Segment(name="gold", when=equals(trait("tier"), "gold"))
    monthly = plan.OnSchedule(segment="gold", at=0, days=(1,))
    under = program(
        journey("j", send("s", "hello"), entries=(monthly,)), messages=(HELLO,), segments=(gold,)
    )
    ana = Customer(under)
    ana.identify(tier="gold")
    assert ana.profile.scheduled == {"j#0": 1_761_955_200_000}  # 2025-11-01


def test_an_event_that_is_both_goal_and_exit_counts_as_the_goal() -> None:
    made = journey(
        "j",
        *LATE,
        exits=(plan.Watch(events=("Order Completed",)),),
        goal=plan.Goal(watch=plan.Watch(events=("Order Completed",)), within_ms=DAY),
    )
    ana = Customer(program(made, messages=(REMINDER,)))
    ana.does("Started")
    ana.does("Order Completed")
    assert ana.story == ["j entered", "j goal", "j ended goal"]


def test_two_since_compared_wake_nobody() -> None:
    """Found by a replay that woke every profile with a cart once a millisecond."""

    def since(name: str, within: Millis | None = None) -> Aggregate:
        return Aggregate("since", Stream((name,)), within)

    cart = plan.Segment(name="cart", when=Compare("<", since("Added", HOUR), since("Ordered")))
    ana = Customer(program(segments=(cart,)))
    ana.does("Ordered")
    ana.passes(2 * HOUR)
    ana.does("Added")
    assert "cart" in ana.profile.segments
    assert ana.profile.segments_due == {"cart": ana.now + HOUR}
    ana.passes(HOUR)
    assert "cart" not in ana.profile.segments
    assert ana.profile.wake_at == NEVER


def test_a_wait_of_nothing_and_an_adaptive_branch_without_patience_pass_at_once() -> None:
    never = plan.Way(name="never", when=Literal(False), next=plan.END)
    adapt = plan.Adapt(id="a", ways=(never,), timeout_ms=Millis(0), otherwise="s")
    ana = Customer(
        program(journey("j", wait("w", 0, "a"), adapt, send("s", "hello")), messages=(HELLO,))
    )
    ana.does("Started")
    assert ana.sent == ["hello/email"]


def test_an_adaptive_branch_reached_again_is_watched_again() -> None:
    views = Path("session", ("views",))
    steps = (
        plan.Repeat(id="r", body="a", next=plan.END, times=2),
        plan.Adapt(
            id="a",
            ways=(
                plan.Way(name="weak", when=at_least(views, 1), next="c"),
                plan.Way(name="strong", when=at_least(views, 3), next="strong"),
            ),
            timeout_ms=HOUR,
            otherwise=plan.END,
        ),
        plan.Commit(id="c", next="w", adapt="a"),
        wait("w", MINUTE, "r"),
        send("strong", "hello", then="r"),
    )
    within = {step: (plan.Placed("a", 0),) for step in ("c", "w")}
    within["strong"] = (plan.Placed("a", 1),)
    ana = Customer(program(journey("j", *steps, within=within), messages=(HELLO,)))
    ana.does("Product Viewed")
    ana.does("Started")
    for _ in range(3):
        ana.does("Product Viewed")
    assert ana.sent == []
    ana.passes(MINUTE)
    assert ana.sent == ["hello/email"]


def test_a_branch_that_goes_both_ways_comes_back_down() -> None:
    rate = trait("mood")
    adapt = plan.Adapt(
        id="a",
        ways=(
            plan.Way(name="weak", when=at_least(rate, 1), next="weak"),
            plan.Way(name="strong", when=at_least(rate, 2), next="strong"),
        ),
        timeout_ms=HOUR,
        otherwise=plan.END,
        both_ways=True,
    )
    made = journey(
        "j",
        adapt,
        show("weak", "banner"),
        show("strong", "big"),
        within={"weak": (plan.Placed("a", 0),), "strong": (plan.Placed("a", 1),)},
    )
    ana = Customer(program(made, messages=(BANNER, BIG)))
    ana.does("Started")
    seen = []
    for mood in (1, 2, 1):
        ana.identify(mood=mood)
        seen += [shown.message for shown in ana.asks()]
    assert seen == ["banner", "big", "banner"]


def test_an_exit_condition_that_holds_already_lets_nobody_stand() -> None:
    made = journey(
        "j", *LATE, exits=(plan.Watch(when=equals(trait("tier"), "gold"), reason="gold"),)
    )
    ana = Customer(program(made, messages=(REMINDER,)))
    ana.identify(tier="gold")
    ana.does("Started")
    assert ana.story == ["j entered", "j ended exit"]


def test_a_goal_that_holds_already_is_reached_at_once() -> None:
    goal = plan.Goal(watch=plan.Watch(when=equals(trait("tier"), "gold")), within_ms=HOUR)
    ana = Customer(program(journey("j", *LATE, goal=goal), messages=(REMINDER,)))
    ana.identify(tier="gold")
    ana.does("Started")
    assert ana.story == ["j entered", "j goal", "j ended goal"]


def test_a_journey_whose_condition_does_not_hold_is_not_entered_and_says_so() -> None:
    made = journey("j", *LATE, when=equals(trait("tier"), "gold"))
    ana = Customer(program(made, messages=(REMINDER,)))
    ana.does("Started")
    assert ana.story == ["j refused journey_not_eligible"]


def test_a_schedule_and_a_date_whose_condition_does_not_hold_enter_nobody() -> None:
    gold = plan.Segment(name="gold", when=equals(trait("tier"), "gold"))
    no = Literal(False)
    entries = (
        plan.OnSchedule(segment="gold", at=10 * 60, when=no),
        dated(when=no),
        plan.OnSegment(segment="gold", change="entered", when=no),
        plan.OnCall(when=no),
        plan.OnEvent(events=("Started",), when=no),
    )
    made = journey("j", send("s", "hello"), entries=entries)
    ana = Customer(program(made, messages=(HELLO,), segments=(gold,)))
    ana.identify(tier="gold", born=MORNING + HOUR)
    ana.does("Started")
    ana.say(Called(id="c", journey="j"))
    ana.passes(2 * HOUR)
    assert ana.story == []
    ana.program = program(name="p2")
    ana.now = Instant(MORNING + 26 * HOUR)
    ana.does("Page Viewed")
    assert ana.profile.scheduled == {}

"""Goal: exits and goals reach a run anywhere, waits end at their instant, versions keep to theirs."""

import pytest

from segue.kernel import plan
from segue.kernel.effects import Emit
from segue.kernel.expression import Aggregate, Compare, InSegment, Literal, Path, Stream
from segue.kernel.inputs import Adopted, Woke
from segue.kernel.trace import RunChanged
from segue.kernel.values import Instant, Millis
from tests.unit.kernel.customers import (
    DAY,
    HOUR,
    MINUTE,
    MORNING,
    NEVER,
    Customer,
    at_least,
    count,
    equals,
    journey,
    message,
    program,
    prop,
    send,
    show,
    trait,
    wait,
)

HELLO = message("hello")
REMINDER = message("reminder")


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


def test_a_claim_is_known_before_what_is_due_since_could_withdraw_the_send() -> None:
    """Between a claim and its telling time may have ended the run; the message is gone out."""
    again = send("t", "reminder", otherwise="exit")
    made = journey("j", send("s", "reminder", then="w"), wait("w", 10 * MINUTE, "t"), again)
    cap = plan.Cap(name="once", most=1, per="month", then="deny")
    ana = Customer(program(made, messages=(REMINDER,), policies=(cap,)))
    ana.does("Started")
    ana.now = Instant(ana.now + 10 * MINUTE)
    assert ana.profile.wake_at == ana.now
    ana.reports("ana/j//1:s:1", "claimed")
    assert ana.profile.wake_at == ana.now, "what is due is answered by the input that follows"
    ana.say(Woke())
    assert ana.story[-1] == "j ended denied"
    assert ana.withdrawn == []
    assert [line.state for line in ana.profile.ledger] == ["claimed"]


def test_a_deferred_send_is_back_in_the_queue_and_can_be_withdrawn() -> None:
    made = journey("j", send("s", "reminder"), exits=(plan.Watch(events=("Order Completed",)),))
    ana = Customer(program(made, messages=(REMINDER,)))
    ana.does("Started")
    ana.reports("ana/j//1:s:1", "claimed")
    ana.reports("ana/j//1:s:1", "deferred")
    ana.does("Order Completed")
    assert ana.withdrawn == ["ana/j//1:s:1"]


def test_what_went_stale_at_a_provider_that_puts_it_off_does_not_go_again() -> None:
    made = journey("j", send("s", "reminder"), exits=(plan.Watch(events=("Order Completed",)),))
    for goes_stale, reason in (
        (lambda ana: ana.does("Order Completed"), "exit"),
        (lambda ana: ana.consents("email", "*", "denied"), "no_consent"),
    ):
        ana = Customer(program(made, messages=(REMINDER,)))
        ana.does("Started")
        ana.reports("ana/j//1:s:1", "claimed")
        goes_stale(ana)
        assert ana.withdrawn == [], "it is out of our hands"
        (line,) = ana.profile.ledger
        assert (line.state, line.recalled) == ("claimed", reason)
        ana.reports("ana/j//1:s:1", "deferred")
        assert ana.withdrawn == ["ana/j//1:s:1"]
        assert line.state == "cancelled"


def test_what_went_stale_is_taken_or_fails_as_anything_else_yet_falls_back_to_no_channel() -> None:
    both = send("s", "reminder", "email", "sms", then="w")
    made = journey("j", both, wait("w", DAY, plan.END))
    ana = Customer(program(made, messages=(REMINDER,)))
    ana.does("Started")
    ana.reports("ana/j//1:s:1", "claimed")
    ana.consents("email", "*", "denied")
    ana.reports("ana/j//1:s:1", "failed")
    assert [line.state for line in ana.profile.ledger] == ["failed"]
    assert ana.profile.proposals == []


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


SESSIONS = (
    plan.Derived(name="Session Started", moment="session_started"),
    plan.Derived(name="Session Ended", moment="session_ended"),
)


def test_a_session_starts_and_ends_as_events_where_the_plan_says_so() -> None:
    hello = journey("a", send("s", "hello"), on="Session Started")
    bye = journey("b", send("s", "reminder"), on="Session Ended")
    ana = Customer(program(hello, bye, messages=(HELLO, REMINDER), derived=SESSIONS))
    ana.does("Page Viewed")
    assert ana.sent == ["hello/email"]
    ana.passes(30 * MINUTE - 1)
    assert ana.sent == ["hello/email"]
    ana.passes(1)
    assert ana.sent == ["hello/email", "reminder/email"]
    assert ana.profile.session is None


def test_what_nobody_defined_never_happens() -> None:
    ana = Customer(program(journey("b", send("s", "reminder"), on="Session Ended")))
    ana.does("Page Viewed")
    ana.passes(HOUR)
    assert ana.all(Emit) == []
    assert ana.profile.wake_at == NEVER


def test_a_session_that_ends_is_still_seen_by_the_conditions_of_its_event() -> None:
    browsed = plan.Derived(
        name="Visit Over",
        moment="session_ended",
        when=at_least(Path("session", ("views",)), 2),
        properties={"views": Literal("many"), "looked_at": Path("session", ("products",))},
    )
    ana = Customer(program(derived=(browsed,)))
    ana.does("Product Viewed", product_id="a")
    ana.passes(HOUR)
    ana.does("Product Viewed", product_id="a")
    ana.does("Product Viewed", product_id="b")
    begun = ana.now
    ana.passes(2 * HOUR)
    (one,) = [effect.event for effect in ana.all(Emit)]
    assert (one.id, one.name) == ("ana/Visit Over/2", "Visit Over")
    assert one.at == begun + 30 * MINUTE
    assert one.properties["views"] == "many"
    assert one.properties["looked_at"] == ["a", "b"]
    assert one.properties["number"] == 2


def test_several_events_of_one_moment_happen_each_by_its_own_condition() -> None:
    first = plan.Derived(
        name="First Visit", moment="session_started", when=equals(Path("session", ("number",)), 1)
    )
    ana = Customer(program(derived=(first, *SESSIONS)))
    ana.does("Page Viewed")
    ana.passes(HOUR)
    ana.does("Page Viewed")
    names = [effect.event.name for effect in ana.all(Emit)]
    assert names == ["First Visit", "Session Started", "Session Ended", "Session Started"]


def test_the_session_of_a_profile_that_is_merged_ends_as_its_own() -> None:
    seen = plan.Derived(
        name="Session Ended",
        moment="session_ended",
        when=equals(Path("profile", ("id",)), "ben"),
    )
    under = program(derived=(seen,))
    ana, ben = Customer(under), Customer(under, name="ben")
    ben.does("Page Viewed")
    ana.passes(HOUR)
    ana.absorbs(ben)
    (one,) = [effect.event for effect in ana.all(Emit)]
    assert one.id == "ben/Session Ended/1"


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


def test_a_step_that_has_become_one_of_another_kind_is_taken_anew_by_a_run_that_migrates() -> None:
    old = program(journey("j", wait("w", HOUR, plan.END)))
    ana = Customer(old)
    ana.does("Started")
    ana.program = program(
        journey("j", send("w", "hello")), messages=(HELLO,), name="p2", older=(("p1", old.plan),)
    )
    ana.say(Adopted(history=(), runs={"j": "migrate"}))
    assert ana.sent == ["hello/email"]
    ana.passes(2 * HOUR)
    assert ana.profile.wake_at > ana.now


def test_a_run_that_lingers_before_a_step_that_is_gone_ends_when_it_migrates() -> None:
    banner = message("banner", "web")
    branch = plan.Adapt(
        id="a",
        ways=(plan.Way(name="only", when=Literal(True), next="s"),),
        timeout_ms=Millis(HOUR),
        otherwise=plan.END,
    )
    inside = {"s": (plan.Placed("a", 0),)}
    steps = (branch, show("s", "banner", then="w"), wait("w", HOUR, plan.END))
    old = program(journey("j", *steps, within=inside), messages=(banner,))
    ana = Customer(old)
    ana.does("Started")
    assert ana.profile.runs[0].lingers_to == "w"
    ana.program = program(
        journey("j", branch, show("s", "banner"), within=inside),
        messages=(banner,),
        name="p2",
        older=(("p1", old.plan),),
    )
    ana.say(Adopted(history=(), runs={"j": "migrate"}))
    assert ana.all(RunChanged)[-1].reason == "step_gone"
    assert ana.profile.offers == []


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

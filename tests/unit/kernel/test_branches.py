"""Goal: a run takes the path its conditions, its intent or its draw say, and acts under derived ids."""

from segue.kernel import plan
from segue.kernel.effects import AssignTask, CallWebhook, ChangeAudience, Emit
from segue.kernel.expression import Literal, Path
from segue.kernel.trace import Drawn
from segue.kernel.values import Millis
from tests.unit.kernel.customers import (
    HOUR,
    MINUTE,
    Customer,
    at_least,
    equals,
    journey,
    message,
    program,
    send,
    show,
    trait,
    wait,
)

HELLO = message("hello")
REMINDER = message("reminder")
BANNER = message("banner", "web")
BIG = message("big", "web", priority=60)


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


def test_what_makes_an_outer_way_stronger_begins_no_inner_path_of_the_weaker_one() -> None:
    views = Path("session", ("views",))
    outer = plan.Adapt(
        id="outer",
        ways=(
            plan.Way(name="weak", when=at_least(views, 1), next="inner"),
            plan.Way(name="strong", when=at_least(views, 3), next="big"),
        ),
        timeout_ms=Millis(HOUR),
        otherwise="none",
    )
    inner = plan.Adapt(
        id="inner",
        ways=(plan.Way(name="deeper", when=at_least(views, 3), next="mail"),),
        timeout_ms=Millis(HOUR),
        otherwise="none",
    )
    weak = (plan.Placed("outer", 0),)
    made = journey(
        "j",
        outer,
        inner,
        send("mail", "hello"),
        show("big", "big"),
        plan.End(id="none"),
        within={
            "inner": weak,
            "mail": (*weak, plan.Placed("inner", 0)),
            "big": (plan.Placed("outer", 1),),
        },
    )
    ana = Customer(program(made, messages=(HELLO, BIG)))
    ana.does("Started")
    ana.does("Product Viewed")
    ana.does("Product Viewed")
    ana.does("Product Viewed")
    assert ana.sent == []
    assert [s.message for s in ana.asks()] == ["big"]


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

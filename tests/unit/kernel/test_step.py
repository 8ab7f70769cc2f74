"""Goal: the transition settles whatever an input sets off, bounds it, and forgives what is late."""

from segue.kernel import limits, plan
from segue.kernel.effects import Emit, Withdraw
from segue.kernel.expression import Compare, Literal, Path
from segue.kernel.inputs import Adopted, Consented, Event, Reported
from segue.kernel.step import wake_at
from segue.kernel.trace import Ended, Remarked, Scored, SegmentChanged, Settled
from segue.kernel.values import NEVER, Instant, Millis, equal, kind
from tests.unit.kernel.customers import (
    DAY,
    HOUR,
    MINUTE,
    MORNING,
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
)

HELLO = message("hello")
BANNER = message("banner", "web")


def remarks(one: Customer) -> list[str]:
    return [note.what for note in one.all(Remarked)]


# ── who it is ──


def test_ids_and_zone_are_remembered_and_bounded() -> None:
    ana = Customer(program(), known=False)
    for number in range(limits.IDENTITIES_MAX + 5):
        ana.say(
            Event(
                id=f"e{number}",
                name="Page Viewed",
                kind="page",
                at=ana.now,
                user_id="ana",
                anonymous_id=f"a{number}",
                context={"timezone": "Nowhere/Here"},
            )
        )
    assert ana.profile.user_ids == ["ana"]
    assert len(ana.profile.anonymous_ids) == limits.IDENTITIES_MAX
    assert ana.profile.zone == ""


def test_a_null_leaves_a_trait_and_the_later_saying_wins_whichever_came_first() -> None:
    ana = Customer(program(), known=False)
    ana.now = Instant(MORNING + HOUR)

    def says(at: int, **traits: object) -> None:
        ana.say(
            Event(
                id=f"t{at}",
                name="Profile Identified",
                kind="identify",
                at=Instant(at),
                traits=traits,
            )  # type: ignore[arg-type]
        )

    says(MORNING + 5, city="Rome", pet="cat")
    says(MORNING + 4, city="Oslo", pet=None, **{"$unset": ["pet", 7]})
    assert ana.profile.traits == {"city": "Rome", "pet": "cat"}
    says(MORNING + 6, **{"$unset": ["pet"]})
    assert ana.profile.traits == {"city": "Rome"}
    says(MORNING + 7, **{"$unset": "city"})
    assert ana.profile.traits == {"city": "Rome"}


def test_no_more_traits_than_the_limit_and_the_refused_one_is_named() -> None:
    ana = Customer(program(), known=False)
    ana.identify(**{f"t{number}": number for number in range(limits.TRAITS_MAX)})
    ana.identify(one_more=1, t0=2)
    assert "one_more" not in ana.profile.traits
    assert ana.profile.traits["t0"] == 2
    assert ana.all(Remarked)[-1].detail == {"trait": "one_more"}


# ── settling ──


def test_events_that_set_off_events_are_bounded_and_said() -> None:
    echo = plan.Derived(name="Echo", on=("Echo", "Shout"))
    ana = Customer(program(derived=(echo,)))
    ana.does("Shout")
    assert len(ana.all(Emit)) == limits.EMITTED_PER_INPUT_MAX
    assert "emitted_max" in remarks(ana)


def test_conditions_that_chase_each_other_are_stopped_and_said() -> None:
    flip = plan.Segment(name="flip", when=Compare("!=", trait("on"), Literal(True)))
    on, off = (
        journey(
            name,
            plan.SetTrait(id="s", next=plan.END, traits={"on": Literal(value)}),
            entries=(plan.OnSegment(segment="flip", change=change),),  # type: ignore[arg-type]
        )
        for name, value, change in (("on", True, "entered"), ("off", None, "left"))
    )
    ana = Customer(program(on, off, segments=(flip,)))
    assert "rounds_max" in remarks(ana)
    assert ana.profile.wake_at == NEVER


def test_segment_changes_are_events_where_the_plan_says_so() -> None:
    gold = plan.Segment(name="gold", when=equals(trait("tier"), "gold"))
    joined = journey("joined", send("s", "hello"), on="Segment Entered", key=prop("segment"))
    gone = journey("gone", send("s", "hello"), on="Segment Left", key=prop("segment"))
    events = (
        plan.Derived(name="Segment Entered", moment="segment_entered"),
        plan.Derived(name="Segment Left", moment="segment_left"),
    )
    ana = Customer(program(joined, gone, messages=(HELLO,), segments=(gold,), derived=events))
    ana.identify(tier="gold")
    ana.identify(tier="tin")
    assert [run.id for run in ana.runs] == ["ana/joined/gold/1", "ana/gone/gold/1"]


def test_an_event_of_one_segment_happens_at_its_changes_alone() -> None:
    gold = plan.Segment(name="gold", when=equals(trait("tier"), "gold"))
    known = plan.Segment(name="known", when=Compare("!=", trait("tier"), Literal(None)))
    left = plan.Derived(
        name="Gold Lost",
        moment="segment_left",
        segment="gold",
        when=equals(trait("tier"), "tin"),
        properties={"tier": trait("tier"), "segment": Literal("our best")},
    )
    ana = Customer(program(segments=(gold, known), derived=(left,)))
    for tier in ("gold", "silver", "gold", "tin"):
        ana.identify(tier=tier)
    said = [effect.event for effect in ana.all(Emit)]
    assert [(one.name, one.properties) for one in said] == [
        ("Gold Lost", {"segment": "our best", "tier": "tin"})
    ]
    assert said[0].id == f"ana/Gold Lost/gold/{ana.now}"


def test_a_derived_event_without_silence_happens_at_once_if_its_condition_holds() -> None:
    dear = plan.Derived(
        name="Dear Viewed",
        on=("Product Viewed",),
        when=Compare(">=", prop("price"), Literal(100)),
        properties={"price": prop("price")},
    )
    ana = Customer(program(derived=(dear,)))
    ana.does("Product Viewed", price=99)
    ana.does("Product Viewed", price=100)
    assert [effect.event.properties for effect in ana.all(Emit)] == [{"price": 100}]


def test_a_silence_whose_condition_fails_at_its_end_makes_no_event() -> None:
    quiet = plan.Derived(
        name="Quiet",
        on=("Product Viewed",),
        silence_ms=HOUR,
        when=Compare("!=", trait("tier"), Literal("gold")),
    )
    ana = Customer(program(derived=(quiet,)))
    ana.does("Product Viewed")
    ana.identify(tier="gold")
    ana.passes(HOUR)
    assert ana.all(Emit) == []


def test_a_silence_of_a_program_that_is_gone_is_forgotten() -> None:
    quiet = plan.Derived(name="Quiet", on=("Product Viewed",), silence_ms=HOUR)
    ana = Customer(program(derived=(quiet,)))
    ana.does("Product Viewed")
    ana.program = program(name="p2")
    ana.passes(HOUR)
    assert ana.profile.silences == {}
    assert ana.all(Emit) == []


# ── scores ──


def test_a_score_is_noted_when_it_moves_into_another_tenth_and_no_oftener() -> None:
    card = plan.Scorecard(
        name="intent",
        target="conversion",
        bins=(plan.Bins("views", (1, 2, 3, 4, 5)),),
        tables=(plan.Table(("views",), (0, 1, 2, 3, 4, 5), "looking"),),
        base=0.0,
        scale=((0.0, 0.0), (20.0, 1.0)),
    )
    ana = Customer(program(models=(card,)))
    for _ in range(5):
        ana.does("Product Viewed")
    assert [note.probability for note in ana.all(Scored)] == [0.05, 0.1, 0.2]
    assert ana.all(Scored)[-1].reasons == {"looking": 4.0}


# ── reports ──


def sent(**more: object) -> Customer:
    """A customer to whom one message is queued."""
    ana = Customer(program(journey("j", send("s", "hello")), messages=(HELLO,)), **more)  # type: ignore[arg-type]
    ana.does("Started")
    return ana


def test_a_report_on_something_unknown_changes_nothing() -> None:
    ana = sent()
    before = len(ana.notes)
    ana.reports("nobody's", "failed")
    ana.reports("nobody's", "complained")
    assert len(ana.notes) == before


def test_reports_that_come_late_or_twice_never_move_a_line_back() -> None:
    ana = sent()
    line = ana.profile.ledger[0]
    ana.reports(line.id, "delivered")
    for late in ("accepted", "claimed", "unknown", "failed", "deferred"):
        ana.reports(line.id, late)
    assert line.state == "delivered"
    assert [note.state for note in ana.all(Settled)] == ["delivered"]


def test_a_complaint_ends_the_channel_and_an_unsubscribe_its_topic() -> None:
    ana = sent()
    ana.reports(ana.profile.ledger[0].id, "unsubscribed")
    assert ana.profile.consents["email/offers"].state == "denied"
    ana.reports(ana.profile.ledger[0].id, "complained")
    assert ana.profile.consents["email/*"].state == "denied"


def test_what_failed_for_another_reason_than_the_channel_tries_no_other() -> None:
    both = message("both", "email", "sms")
    under = program(journey("j", send("s", "both", "email", "sms")), messages=(both,))
    for said in (
        Reported(send_id="ana/j//1:s:1", outcome="failed", reason="expired"),
        Reported(send_id="ana/j//1:s:1", outcome="failed", reason="template", permanent=False),
    ):
        ana = Customer(under)
        ana.does("Started")
        ana.say(said)
        assert ana.sent == ["both/email"]
        assert ana.runs == []


def test_a_failure_after_the_message_expired_or_the_run_ended_tries_no_other() -> None:
    both = message("both", "email", "sms", expires_ms=HOUR)
    made = journey(
        "j", send("s", "both", "email", "sms"), exits=(plan.Watch(events=("Order Completed",)),)
    )
    under = program(made, messages=(both,))
    late = Customer(under)
    late.does("Started")
    late.reports("ana/j//1:s:1", "claimed")
    late.now = Instant(MORNING + HOUR)
    late.reports("ana/j//1:s:1", "failed", "refused")
    assert late.sent == ["both/email"]
    over = Customer(under)
    over.does("Started")
    over.reports("ana/j//1:s:1", "claimed")
    over.does("Order Completed")
    over.reports("ana/j//1:s:1", "failed", "refused")
    assert over.sent == ["both/email"]


def test_a_choice_that_fails_at_its_provider_is_not_made_again() -> None:
    option = plan.Option(name="one", message="hello", channels=("email",), value=Literal(1.0))
    made = journey("j", plan.Choose(id="c", options=(option,)))
    ana = Customer(program(made, messages=(HELLO,)))
    ana.does("Started")
    ana.reports("ana/j//1:c:1", "failed", "refused")
    assert len(ana.sent) == 1


def test_choose_ends_where_no_option_is_admitted() -> None:
    option = plan.Option(name="one", message="hello", channels=("email",))
    made = journey("j", plan.Choose(id="c", options=(option,)))
    ana = Customer(program(made, messages=(HELLO,)), known=False)
    ana.does("Started")
    assert ana.story == ["j entered", "j ended completed"]


def test_choose_explores_at_its_rate() -> None:
    options = (
        plan.Option(name="best", message="hello", channels=("email",), value=Literal(9.0)),
        plan.Option(name="nothing"),
    )
    made = journey("j", plan.Choose(id="c", options=options, explore=500_000))
    under = program(made, messages=(HELLO,))
    quiet = 0
    for number in range(200):
        one = Customer(under, name=f"c{number}")
        one.does("Started")
        quiet += not one.sent
    assert 30 < quiet < 75


def test_clicks_and_dismissals_are_dated_once_and_a_dismissed_offer_may_stand() -> None:
    made = journey("j", show("s", "banner", ends_on=("clicked",), lasts_ms=DAY))
    ana = Customer(program(made, messages=(BANNER,)))
    ana.does("Started")
    shown = ana.asks()[0].id
    ana.reports(shown, "opened")
    ana.reports(shown, "dismissed")
    line = ana.profile.ledger[0]
    assert line.dismissed_at == MORNING
    assert ana.profile.offers[0].shown_at == NEVER
    ana.now = Instant(MORNING + MINUTE)
    ana.reports(shown, "dismissed")
    assert line.dismissed_at == MORNING
    assert [again.again for again in ana.asks()] == [True]
    ana.reports(shown, "clicked")
    ana.reports(shown, "clicked")
    assert line.clicked_at == MORNING + MINUTE
    assert ana.profile.offers == []


# ── consent ──


def test_the_later_word_on_consent_wins_and_of_two_at_once_the_stricter() -> None:
    ana = Customer(program())

    def said(state: str, at: int) -> str:
        ana.say(Consented(channel="email", topic="*", state=state, at=Instant(at)))  # type: ignore[arg-type]
        return ana.profile.consents["email/*"].state

    assert said("granted", MORNING) == "granted"
    assert said("denied", MORNING) == "denied"
    assert said("granted", MORNING) == "denied"
    assert said("granted", MORNING - 1) == "denied"
    assert said("granted", MORNING + 1) == "granted"


# ── limits ──


def test_the_ledger_forgets_its_oldest_settled_line() -> None:
    night = plan.Workspace(name="shop", ledger_ms=Millis(400 * DAY))
    made = journey("j", send("s", "hello"), key=prop("k"))
    ana = Customer(program(made, messages=(HELLO,), workspace=night))
    for number in range(limits.LEDGER_MAX + 3):
        ana.does("Started", k=number)
        if number:
            ana.delivers()
    assert len(ana.profile.ledger) == limits.LEDGER_MAX
    assert "ledger_max" in remarks(ana)


def test_the_ledger_forgets_what_no_rule_looks_back_to() -> None:
    shop = plan.Workspace(name="shop", ledger_ms=DAY)
    ana = Customer(program(journey("j", send("s", "hello")), messages=(HELLO,), workspace=shop))
    ana.does("Started")
    ana.delivers()
    ana.now = Instant(MORNING + DAY)
    ana.does("Page Viewed")
    assert ana.profile.ledger == []


def test_the_least_recently_entered_key_and_the_oldest_offer_are_forgotten() -> None:
    made = journey("j", show("s", "banner", lasts_ms=DAY), key=prop("k"), runs_max=1_000)
    ana = Customer(program(made, messages=(BANNER,)))
    for number in range(limits.OFFERS_MAX + 1):
        ana.does("Started", k=number)
    assert len(ana.profile.offers) == limits.OFFERS_MAX
    assert [note.reason for note in ana.all(Ended)] == ["offers_max"]
    short = journey("k", plan.End(id="e"), key=prop("k"))
    ben = Customer(program(short), name="ben")
    for number in range(limits.KEYS_MAX + 1):
        ben.does("Started", k=number)
    assert len(ben.profile.entered) == limits.KEYS_MAX
    assert "k/0" not in ben.profile.entered


def test_products_bought_are_remembered_to_a_bound_whatever_form_their_ids_have() -> None:
    ana = Customer(program())
    listed = [{"sku": f"s{number}"} for number in range(limits.BOUGHT_MAX)]
    ana.does("Order Completed", products=[*listed, {"product_id": True}, {}, "nonsense"])
    ana.does("Order Completed", product_id=7)
    assert len(ana.profile.bought) == limits.BOUGHT_MAX
    assert list(ana.profile.bought)[-1] == "7"
    assert "s0" not in ana.profile.bought


# ── programs ──


def test_what_a_new_program_does_not_know_is_forgotten() -> None:
    gold = plan.Segment(name="gold", when=equals(trait("tier"), "gold"))
    ana = Customer(program(segments=(gold,)))
    ana.identify(tier="gold")
    ana.program = program(name="p2")
    ana.say(Adopted(history=()))
    assert ana.profile.segments == {}
    assert ana.profile.program == "p2"


def test_a_run_of_a_journey_that_is_gone_ends_and_lets_go_of_what_it_had_queued() -> None:
    ana = sent()
    ana.program = program(name="p2", messages=(HELLO,))
    ana.does("Page Viewed")
    assert [effect.id for effect in ana.all(Withdraw)] == ["ana/j//1:s:1"]
    assert ana.story[-1] == "j ended step_gone"


def test_carrying_over_to_a_program_without_the_journey_ends_the_run() -> None:
    old = program(journey("j", plan.Wait(id="w", next=plan.END, for_ms=HOUR)))
    ana = Customer(old)
    ana.does("Started")
    ana.program = program(name="p2", older=(("p1", old.plan),))
    ana.say(Adopted(history=(), runs={"j": "migrate"}))
    assert ana.story[-1] == "j ended step_gone"


def test_a_new_programs_conditions_are_asked_before_what_carrying_over_emits() -> None:
    gold = plan.Segment(name="gold", when=equals(trait("tier"), "gold"))
    old = program(
        journey("j", plan.Wait(id="w", next=plan.END, for_ms=HOUR)),
        segments=(gold,),
    )
    ana = Customer(old)
    ana.identify(tier="gold")
    ana.does("Started")
    nudged = plan.Segment(name="gold", when=at_least(count("Nudged"), 1))
    ana.program = program(
        journey("j", plan.Emit(id="w", next=plan.END, event="Nudged")),
        segments=(nudged,),
        name="p2",
        older=(("p1", old.plan),),
    )
    ana.say(Adopted(history=(), runs={"j": "migrate"}))
    changes = [(one.segment, one.change) for one in ana.all(SegmentChanged)]
    assert changes == [("gold", "entered"), ("gold", "left"), ("gold", "entered")]


def test_the_wake_up_of_a_profile_of_which_nothing_changes_by_time_is_never() -> None:
    ana = Customer(program())
    assert wake_at(ana.program, ana.profile) == NEVER


# ── values ──


def test_values_of_different_kinds_are_unequal_and_nulls_alike_only_inside() -> None:
    assert [kind(value) for value in (None, True, 1.5, "", {}, [])] == [
        "missing",
        "boolean",
        "number",
        "text",
        "record",
        "list",
    ]
    assert equal(1, 1.0)
    assert not equal(True, 1)
    assert not equal("1", 1)
    assert not equal(None, None)
    assert equal([None, {"a": 1}], [None, {"a": 1.0}])
    assert not equal([1], [1, 2])
    assert not equal({"a": 1}, {"b": 1})
    assert Path("event").keys == ()

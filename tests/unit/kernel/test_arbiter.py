"""Goal: each of the nine checks stops what it must, lets through what it must, and says why."""

import pytest

from segue.kernel import plan
from segue.kernel.effects import Send
from segue.kernel.expression import Compare, Literal, Path
from segue.kernel.inputs import Adopted
from segue.kernel.trace import CHECKS, REASONS, Considered
from segue.kernel.values import Millis
from tests.unit.kernel.customers import (
    DAY,
    HOUR,
    MINUTE,
    MORNING,
    Customer,
    equals,
    journey,
    message,
    program,
    send,
    sends,
    show,
    trait,
)

HELLO = message("hello")
BANNER = message("banner", "web")


def test_every_check_and_reason_in_a_trace_is_one_of_the_tables() -> None:
    ana = Customer(program(sends("hello"), messages=(HELLO,)))
    ana.does("Started")
    considered = ana.all(Considered)[0]
    assert tuple(check.check for check in considered.checks) == CHECKS
    assert all(check.reason in {"", *REASONS} for check in considered.checks)


# ── 1 wanted ──


def test_a_held_message_expires_and_is_then_denied() -> None:
    night = plan.QuietHours(name="night", start=8 * 60, end=20 * 60)
    day = message("day", expires_ms=Millis(12 * HOUR))
    short = message("short", expires_ms=HOUR)
    ana = Customer(program(sends("day"), sends("short"), messages=(day, short), policies=(night,)))
    ana.does("Started")
    assert ana.verdicts == ["day held quiet_hours", "short denied quiet_hours"]
    assert ana.profile.proposals[0].retry_at == MORNING + 11 * HOUR
    ana.passes(11 * HOUR)
    assert ana.sent == ["day/email"]


def test_a_paused_journey_holds_its_messages() -> None:
    live = sends("hello")
    quiet = plan.QuietHours(name="q", start=8 * 60, end=10 * 60)
    old = program(live, messages=(HELLO,), policies=(quiet,))
    ana = Customer(old)
    ana.does("Started")
    paused = journey("j-hello", *live.steps, key=live.key, state="paused")
    ana.program = program(paused, messages=(HELLO,), name="p2", older=(("p1", old.plan),))
    ana.passes(HOUR)
    assert ana.verdicts[-1] == "hello held journey_paused"
    ana.passes(DAY)
    assert ana.verdicts[-1] == "hello denied expired"
    assert ana.sent == []


# ── 2 holdout ──


def test_a_holdout_is_sticky_near_its_share_and_never_holds_out_what_is_transactional() -> None:
    receipt = message("receipt", purpose="transactional")
    out = plan.Holdout(name="global", share=200_000)
    under = program(sends("hello"), sends("receipt"), messages=(HELLO, receipt), policies=(out,))
    held = 0
    for number in range(400):
        one = Customer(under, name=f"c{number}")
        one.does("Started", k=1)
        one.does("Started", k=2)
        hellos = one.sent.count("hello/email")
        assert hellos in (0, 2)
        assert one.sent.count("receipt/email") == 2
        held += hellos == 0
    assert 0.14 < held / 400 < 0.26


# ── 3 eligible ──


def test_eligibility_is_asked_again_when_a_hold_ends() -> None:
    night = plan.QuietHours(name="night", start=8 * 60, end=10 * 60)
    gold = message("gold", when=equals(trait("tier"), "gold"))
    ana = Customer(program(sends("gold"), messages=(gold,), policies=(night,)))
    ana.identify(tier="gold")
    ana.does("Started")
    ana.identify(tier="silver")
    ana.passes(HOUR)
    assert ana.verdicts == ["gold held quiet_hours", "gold denied message_not_eligible"]


def test_a_journey_that_is_no_longer_meant_for_the_customer_sends_nothing() -> None:
    made = journey(
        "j",
        plan.Wait(id="w", next="s", for_ms=HOUR),
        send("s", "hello"),
        when=Compare("!=", trait("tier"), Literal("gold")),
    )
    ana = Customer(program(made, messages=(HELLO,)))
    ana.does("Started")
    ana.identify(tier="gold")
    ana.passes(HOUR)
    assert ana.verdicts == ["hello denied journey_not_eligible"]


# ── 4 reachable and consented ──


def test_the_first_channel_with_an_address_and_consent_is_used() -> None:
    both = message("both", "email", "sms")
    under = program(sends("both", "email", "sms"), messages=(both,))
    ana = Customer(under)
    ana.does("Started")
    assert ana.sent == ["both/email"]
    ben = Customer(under, name="ben")
    ben.consents("email", "*", "denied")
    ben.does("Started")
    assert ben.sent == ["both/sms"]
    assert [s.address for s in ben.all(Send)] == ["+4912345"]
    cem = Customer(under, name="cem", known=False)
    cem.does("Started")
    assert cem.verdicts == ["both denied no_address"]


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        ([], True),
        ([("email", "offers", "denied")], False),
        ([("email", "*", "denied"), ("email", "offers", "granted")], False),
        ([("*", "offers", "denied")], False),
        ([("*", "*", "denied")], False),
        ([("sms", "*", "denied")], True),
        ([("email", "news", "denied")], True),
        ([("email", "offers", "pending")], False),
    ],
)
def test_the_strictest_consent_wins(said: list[tuple[str, str, str]], allowed: bool) -> None:
    ana = Customer(program(sends("hello"), messages=(HELLO,)))
    for channel, topic, state in said:
        ana.consents(channel, topic, state)
    ana.does("Started")
    assert bool(ana.sent) is allowed


def test_where_nothing_was_said_the_workspace_decides() -> None:
    shop = plan.Workspace(name="shop", consent_default={"email": "denied"})
    ana = Customer(program(sends("hello"), messages=(HELLO,), workspace=shop))
    ana.does("Started")
    ana.consents("email", "offers", "granted")
    ana.does("Started", k=2)
    assert ana.verdicts == ["hello denied no_consent", "hello admitted"]


def test_transactional_messages_never_pass_consent() -> None:
    receipt = message("receipt", purpose="transactional")
    ana = Customer(program(sends("receipt"), messages=(receipt,)))
    ana.consents("email", "*", "denied")
    ana.does("Started")
    assert ana.verdicts == ["receipt denied no_consent"]


def test_withdrawn_consent_cancels_what_is_queued() -> None:
    ana = Customer(program(sends("hello"), messages=(HELLO,)))
    ana.does("Started")
    ana.consents("email", "offers", "denied")
    assert len(ana.withdrawn) == 1


def test_consent_is_asked_for_the_topic_that_the_message_had_when_its_run_entered() -> None:
    old = program(sends("hello"), messages=(HELLO,), name="p1")
    news = message("hello", topic="news")
    new = program(sends("hello"), messages=(news,), name="p2", older=(("p1", old.plan),))
    for topic, withdrawn in (("news", 0), ("offers", 1)):
        ana = Customer(old)
        ana.does("Started")
        ana.program = new
        ana.say(Adopted(()))
        ana.consents("email", topic, "denied")
        assert len(ana.withdrawn) == withdrawn


def test_a_refusal_at_the_provider_moves_to_the_next_channel_under_another_id() -> None:
    both = message("both", "email", "sms")
    ana = Customer(program(sends("both", "email", "sms"), messages=(both,)))
    ana.does("Started", k="x")
    ana.reports("ana/j-both/x/1:s:1", "claimed")
    ana.reports("ana/j-both/x/1:s:1", "failed", "refused")
    assert ana.sent == ["both/email", "both/sms"]
    assert [s.id for s in ana.all(Send)][1] == "ana/j-both/x/1:s:1~1"
    ana.reports("ana/j-both/x/1:s:1~1", "failed", "refused")
    assert len(ana.sent) == 2
    assert ana.runs == []


def test_a_bounced_address_is_not_used_again_until_it_changes() -> None:
    ana = Customer(program(sends("hello"), messages=(HELLO,)))
    ana.does("Started", k="x")
    ana.reports("ana/j-hello/x/1:s:1", "accepted")
    ana.reports("ana/j-hello/x/1:s:1", "bounced")
    ana.does("Started", k="y")
    assert ana.verdicts[-1] == "hello denied bounced"
    ana.identify(email="new@example.com")
    ana.does("Started", k="z")
    assert ana.verdicts[-1] == "hello admitted"


# ── 5 suppressed ──

OPEN_SITE = plan.Suppression(
    name="open site", rule="on_site_active", reach=plan.Reach(channels=plan.OUTBOUND)
)
BOUGHT = plan.Suppression(name="bought", rule="bought", then="deny")


def test_email_is_held_while_an_intervention_on_the_site_is_open() -> None:
    banner = journey("b", show("s", "banner"), on="Browsed")
    ana = Customer(program(banner, sends("hello"), messages=(BANNER, HELLO), policies=(OPEN_SITE,)))
    ana.does("Browsed")
    assert ana.asks()
    ana.does("Started")
    assert ana.verdicts[-1] == "hello held on_site_active"
    ana.reports(ana.profile.offers[0].shown_as, "dismissed")
    assert ana.sent == ["hello/email"]


def test_the_end_of_the_session_closes_what_was_open_on_the_site() -> None:
    banner = journey("b", show("s", "banner", lasts_ms=DAY), on="Browsed")
    ana = Customer(program(banner, sends("hello"), messages=(BANNER, HELLO), policies=(OPEN_SITE,)))
    ana.does("Browsed")
    ana.asks()
    ana.does("Started")
    ana.passes(30 * MINUTE)
    assert ana.sent == ["hello/email"]


def test_a_purchase_cancels_promotions_of_what_was_bought_and_no_others() -> None:
    promo = message("promo", about=Path("entry", ("product_id",)))
    night = plan.QuietHours(name="night", start=8 * 60, end=10 * 60)
    ana = Customer(program(sends("promo"), messages=(promo,), policies=(BOUGHT, night)))
    ana.does("Started", k=1, product_id="shoe")
    ana.does("Started", k=2, product_id="hat")
    ana.does("Order Completed", products=[{"product_id": "shoe"}])
    ana.passes(HOUR)
    assert sorted(ana.verdicts) == [
        "promo admitted",
        "promo denied bought",
        "promo held quiet_hours",
        "promo held quiet_hours",
    ]


def test_a_purchase_withdraws_queued_and_standing_promotions_of_what_was_bought() -> None:
    promo = message("promo", "email", "web", about=Path("entry", ("product_id",)))
    both = journey("j", show("w", "promo", then="s"), send("s", "promo"))
    ana = Customer(program(both, messages=(promo,), policies=(BOUGHT,)))
    ana.does("Started", product_id=7)
    ana.does("Order Completed", products=[{"product_id": 7}])
    assert ana.profile.offers == []
    assert ana.withdrawn == ["ana/j//1:s:1"]


def test_of_two_orders_of_one_instant_each_takes_back_what_it_bought_itself() -> None:
    promo = message("promo", "web", about=Path("entry", ("product_id",)))
    ana = Customer(program(journey("j", show("w", "promo")), messages=(promo,), policies=(BOUGHT,)))
    ana.does("Order Completed", products=[{"product_id": "shoe"}])
    ana.does("Started", product_id="shoe")
    ana.does("Order Completed", products=[{"product_id": "hat"}])
    assert [offer.message for offer in ana.profile.offers] == ["promo"]


def test_a_rule_of_the_workspace_suppresses_while_it_holds() -> None:
    angry = plan.Suppression(name="complaint open", when=equals(trait("complaint"), True))
    ana = Customer(program(sends("hello"), messages=(HELLO,), policies=(angry,)))
    ana.identify(complaint=True)
    ana.does("Started")
    assert ana.verdicts == ["hello held suppressed"]
    ana.identify(complaint=False)
    assert ana.sent == ["hello/email"]


# ── 6 excluded ──


def deal(name: str, worth: float, group: str = "discount", **more: object) -> plan.Message:
    return message(
        name,
        incentive=plan.Incentive(name=name, group=group, worth=worth, lasts_ms=HOUR, **more),  # type: ignore[arg-type]
    )


def test_two_incentives_of_one_group_are_never_both_alive() -> None:
    deals = (deal("ten", 10), deal("five", 5))
    ana = Customer(program(sends("ten"), sends("five", on="Later"), messages=deals))
    ana.does("Started")
    ana.does("Later")
    assert ana.sent == ["ten/email"]
    assert ana.verdicts[-1] == "five held competing_incentive"
    ana.passes(HOUR)
    assert ana.sent == ["ten/email", "five/email"]


def test_redeeming_an_incentive_lets_the_next_one_come() -> None:
    ten = deal("ten", 10, redeemed_by=("Order Completed",))
    ana = Customer(
        program(sends("ten"), sends("five", on="Later"), messages=(ten, deal("five", 5)))
    )
    ana.does("Started")
    ana.does("Later")
    ana.does("Order Completed")
    assert ana.sent == ["ten/email", "five/email"]


def test_a_coupon_code_redeems_its_own_incentive_alone() -> None:
    ten = deal("ten", 10, code="TEN")
    ana = Customer(program(sends("ten"), messages=(ten,)))
    ana.does("Started")
    ana.does("Checkout Started", coupon="TEN")
    ana.does("Order Completed", coupon="OTHER")
    assert ana.profile.grants[0].redeemed_at > ana.now
    ana.does("Order Completed", coupon="TEN")
    assert ana.profile.grants[0].redeemed_at == ana.now


def test_nobody_is_offered_a_better_deal_while_another_journeys_lesser_one_is_alive() -> None:
    small, large = deal("small", 5, group="a"), deal("large", 20, group="b")
    under = program(sends("small"), sends("large", on="Later"), messages=(small, large))
    ana = Customer(under)
    ana.does("Started")
    ana.does("Later")
    assert ana.verdicts[-1] == "large held better_deal"


def test_groups_named_in_one_exclusion_compete() -> None:
    apart = plan.Exclusion(name="one at a time", groups=("a", "b"))
    large, small = deal("large", 20, group="a"), deal("small", 5, group="b")
    ana = Customer(
        program(
            sends("large"), sends("small", on="Later"), messages=(small, large), policies=(apart,)
        )
    )
    ana.does("Started")
    ana.does("Later")
    assert ana.verdicts[-1] == "small held competing_incentive"


def test_an_incentive_that_was_never_delivered_is_given_back() -> None:
    ana = Customer(
        program(
            sends("ten"), sends("five", on="Later"), messages=(deal("ten", 10), deal("five", 5))
        )
    )
    ana.does("Started")
    ana.reports(ana.profile.ledger[0].id, "failed", "refused")
    ana.does("Later")
    assert ana.sent == ["ten/email", "five/email"]


# ── 9 priority ──


def test_the_more_relevant_message_takes_the_last_place() -> None:
    low, high = message("low", priority=10), message("high", priority=90)
    cap = plan.Cap(name="one", most=1, per="window", window_ms=DAY)
    ana = Customer(program(sends("low"), sends("high"), messages=(low, high), policies=(cap,)))
    ana.does("Started")
    assert ana.sent == ["high/email"]


def test_value_decides_between_equal_priorities() -> None:
    poor = message("poor", value=Literal(1.0))
    rich = message("rich", value=Path("entry", ("worth",)))
    cap = plan.Cap(name="one", most=1, per="window", window_ms=DAY)
    ana = Customer(program(sends("poor"), sends("rich"), messages=(poor, rich), policies=(cap,)))
    ana.does("Started", worth=5)
    assert ana.sent == ["rich/email"]


def test_in_a_checkout_only_what_is_checkout_critical_passes() -> None:
    critical = message("fail", checkout_critical=True)
    ana = Customer(program(sends("hello"), sends("fail"), messages=(HELLO, critical)))
    ana.does("Checkout Started")
    ana.does("Started")
    assert ana.sent == ["fail/email"]
    assert "hello held checkout" in ana.verdicts
    ana.does("Order Completed")
    assert ana.sent == ["fail/email", "hello/email"]


# ── placements ──


def test_the_most_relevant_offer_takes_the_placement_and_the_other_is_told() -> None:
    small, large = message("small", "web", priority=10), message("large", "web", priority=90)
    ana = Customer(
        program(
            journey("a", show("s", "small")),
            journey("b", show("s", "large")),
            messages=(small, large),
        )
    )
    ana.does("Started")
    assert [s.message for s in ana.asks()] == ["large"]
    assert ana.verdicts == ["large admitted", "small denied outranked"]
    assert ana.asks("sidebar") == []


def test_a_reload_counts_no_second_time_and_a_new_session_does() -> None:
    cap = plan.Cap(name="two", most=2, per="window", window_ms=DAY)
    made = journey("a", show("s", "banner", lasts_ms=DAY))
    ana = Customer(program(made, messages=(BANNER,), policies=(cap,)))
    ana.does("Started")
    assert [s.again for s in ana.asks()] == [False]
    assert [s.again for s in ana.asks()] == [True]
    ana.passes(HOUR)
    ana.does("Page Viewed")
    assert [s.again for s in ana.asks()] == [False]
    ana.passes(HOUR)
    ana.does("Page Viewed")
    assert ana.asks() == []
    assert len(ana.profile.ledger) == 2


@pytest.mark.parametrize("ending", ["clicked", "dismissed"])
def test_an_offer_ends_when_it_is_clicked_or_dismissed(ending: str) -> None:
    ana = Customer(program(journey("a", show("s", "banner")), messages=(BANNER,)))
    ana.does("Started")
    shown = ana.asks()[0]
    ana.reports(shown.id, ending)
    assert ana.asks() == []
    assert ana.runs == []


def test_an_offer_ends_by_an_event_that_it_names() -> None:
    made = journey("a", show("s", "banner", until=("Cart Viewed",)))
    ana = Customer(program(made, messages=(BANNER,)))
    ana.does("Started")
    ana.does("Cart Viewed")
    assert ana.asks() == []


# ── what the step does with a denial ──


def test_a_denial_skips_exits_or_tries_again() -> None:
    more = plan.End(id="end", reason="went on")
    gold = message("gold", when=equals(trait("tier"), "gold"))
    for otherwise, story in (
        ("skip", "j ended completed"),
        ("exit", "j ended denied"),
    ):
        step = send("s", "gold", then="end", otherwise=otherwise)
        ana = Customer(program(journey("j", step, more), messages=(gold,)))
        ana.does("Started")
        assert ana.story[-1] == story
    step = send("s", "gold", then="end", otherwise="retry", retry_ms=HOUR)
    ana = Customer(program(journey("j", step, more), messages=(gold,)))
    ana.does("Started")
    ana.passes(HOUR)
    ana.identify(tier="gold")
    assert ana.sent == []
    ana.passes(HOUR)
    assert ana.sent == ["gold/email"]


def test_retries_end_with_the_messages_expiry() -> None:
    gold = message("gold", when=equals(trait("tier"), "gold"), expires_ms=Millis(90 * MINUTE))
    step = send("s", "gold", otherwise="retry", retry_ms=HOUR)
    ana = Customer(program(journey("j", step), messages=(gold,)))
    ana.does("Started")
    ana.passes(DAY)
    assert len(ana.verdicts) == 2
    assert ana.runs == []


# ── edges ──


def test_a_send_without_channels_and_one_whose_run_is_gone_are_denied() -> None:
    night = plan.QuietHours(name="night", start=8 * 60, end=10 * 60)
    nowhere = plan.Send(id="s", next=plan.END, message="hello", channels=())
    ana = Customer(program(journey("j", nowhere), messages=(HELLO,)))
    ana.does("Started")
    assert ana.verdicts == ["hello denied no_channel"]
    ben = Customer(program(sends("hello"), messages=(HELLO,), policies=(night,)), name="ben")
    ben.does("Started")
    ben.profile.runs.clear()
    ben.passes(HOUR)
    assert ben.verdicts == ["hello held quiet_hours", "hello denied run_over"]


def test_of_two_channels_that_are_held_the_sooner_is_waited_for() -> None:
    caps = tuple(
        plan.Cap(
            name=channel,
            most=1,
            per="window",
            window_ms=Millis(hours * HOUR),
            reach=plan.Reach(channels=(channel,)),
        )
        for channel, hours in (("email", 6), ("sms", 3))
    )
    both = message("both", "email", "sms")
    ana = Customer(program(sends("both", "email", "sms"), messages=(both,), policies=caps))
    for number in range(3):
        ana.does("Started", k=number)
    assert ana.profile.proposals[0].retry_at == MORNING + 3 * HOUR
    ana.passes(3 * HOUR)
    assert ana.sent == ["both/email", "both/sms", "both/sms"]


def test_journeys_that_come_to_exclude_one_another_let_the_older_one_speak() -> None:
    wait = plan.Wait(id="w", next="s", for_ms=HOUR)
    first = journey("first", wait, send("s", "hello"))
    second = journey("second", wait, send("s", "hello"), on="Other")
    old = program(first, second, messages=(HELLO,))
    ana = Customer(old)
    ana.does("Started")
    ana.passes(1)
    ana.does("Other")
    apart = plan.Exclusion(name="apart", journeys=("first", "second"))
    ana.program = program(
        first, second, messages=(HELLO,), policies=(apart,), name="p2", older=(("p1", old.plan),)
    )
    ana.passes(HOUR)
    assert ana.verdicts == ["hello admitted", "hello held excluded_journey"]
    ana.delivers()
    assert ana.verdicts[-1] == "hello admitted"

"""Goal: a merge loses nothing, keeps the strictest word, and its order does not matter (P7)."""

from itertools import permutations

import msgspec
import pytest

from segue.kernel import plan
from segue.kernel.calendar import Zone
from segue.kernel.effects import Withdraw
from segue.kernel.expression import Aggregate, Compare, Literal, Path, Stream
from segue.kernel.inputs import Adopted
from segue.kernel.profile import Profile
from segue.kernel.program import link
from segue.kernel.values import Instant, Millis
from tests.unit.kernel.customers import (
    DAY,
    HOUR,
    MINUTE,
    MORNING,
    Customer,
    journey,
    message,
    program,
    prop,
    search,
    send,
    show,
)

HELLO = message("hello")
KEEN = plan.Segment(
    name="keen", when=Compare(">=", Aggregate("count", Stream(("Viewed",)), HOUR), Literal(3))
)
SPENT = plan.Segment(
    name="spent",
    when=Compare(">", Aggregate("sum", Stream(("Paid",), None, prop("total"))), Literal(0.59)),
)


def encoded(profile: Profile, *, but: tuple[str, ...] = ("id",)) -> bytes:
    """A profile as bytes, without what depends on who absorbed whom."""
    known = msgspec.to_builtins(profile)
    for name in but:
        known.pop(name, None)
    return msgspec.json.encode(known, order="sorted")


def test_counters_add_and_a_segment_that_only_both_together_reach_is_entered() -> None:
    under = program(segments=(KEEN, SPENT))
    ana, ben = Customer(under), Customer(under, name="ben")
    ana.does("Viewed")
    ben.now = Instant(MORNING + MINUTE)
    ben.does("Viewed")
    ben.does("Viewed")
    ana.does("Paid", total=0.1)
    ana.does("Paid", total=0.2)
    ben.does("Paid", total=0.3)
    ana.now = ben.now
    ana.absorbs(ben)
    assert set(ana.profile.segments) == {"keen", "spent"}
    ana.passes(HOUR - MINUTE)
    assert set(ana.profile.segments) == {"spent"}


def test_ledgers_unite_so_a_cap_counts_what_either_received() -> None:
    cap = plan.Cap(name="two", most=2, per="window", window_ms=DAY)
    made = journey("j", send("s", "hello"), key=prop("k"))
    under = program(made, messages=(HELLO,), policies=(cap,))
    ana, ben = Customer(under), Customer(under, name="ben")
    ana.does("Started", k=1)
    ben.does("Started", k=2)
    ana.absorbs(ben)
    ana.does("Started", k=3)
    assert ana.verdicts == ["hello admitted", "hello denied cap"]


def test_a_session_cap_counts_what_either_received_in_its_live_session() -> None:
    cap = plan.Cap(name="one", most=1, per="session")
    made = journey("j", send("s", "hello"), key=prop("k"))
    under = program(made, messages=(HELLO,), policies=(cap,))
    ana, ben = Customer(under), Customer(under, name="ben")
    ana.does("Viewed")
    ben.does("Started", k=1)
    ana.absorbs(ben)
    ana.does("Started", k=2)
    assert ana.sent == []
    ana.passes(30 * MINUTE)
    assert len(ana.sent) == 1


def test_the_strictest_consent_wins_whenever_it_was_said() -> None:
    under = program()
    ana, ben = Customer(under), Customer(under, name="ben")
    ben.consents("email", "*", "denied")
    ana.now = Instant(MORNING + HOUR)
    ana.consents("email", "*", "granted")
    ana.absorbs(ben)
    assert ana.profile.consents["email/*"].state == "denied"


def test_the_later_trait_wins_and_removals_count() -> None:
    under = program()
    ana, ben = Customer(under, known=False), Customer(under, name="ben", known=False)
    ana.identify(city="Rome", tier="gold", pet="cat")
    ben.now = Instant(MORNING + 1)
    ben.identify(city="Oslo")
    ben.identify(**{"$unset": ["tier"]})
    ana.now = ben.now
    ana.absorbs(ben)
    assert ana.profile.traits == {"city": "Oslo", "pet": "cat"}


def test_runs_go_on_and_of_two_in_one_journey_and_key_the_older_does() -> None:
    wait = plan.Wait(id="w", next="s", for_ms=HOUR)
    made = journey("j", wait, send("s", "hello"), key=prop("k"))
    under = program(made, messages=(HELLO,))
    ana, ben = Customer(under), Customer(under, name="ben")
    ben.does("Started", k="same")
    ben.does("Started", k="other")
    ana.now = Instant(MORNING + MINUTE)
    ana.does("Started", k="same")
    ana.absorbs(ben)
    assert [run.id for run in ana.runs] == ["ben/j/other/1", "ben/j/same/1"]
    assert ana.story[-1] == "j ended merged"
    ana.passes(HOUR)
    assert len(ana.sent) == 2


def test_what_the_younger_run_had_queued_is_withdrawn() -> None:
    under = program(journey("j", send("s", "hello")), messages=(HELLO,))
    ana, ben = Customer(under), Customer(under, name="ben")
    ana.does("Started")
    ben.now = Instant(MORNING + MINUTE)
    ben.does("Started")
    ana.now = ben.now
    ana.absorbs(ben)
    assert [effect.id for effect in ana.all(Withdraw)] == ["ben/j//1:s:1"]


def test_offers_and_held_messages_of_both_stand() -> None:
    night = plan.QuietHours(name="night", start=8 * 60, end=10 * 60)
    one = journey("a", show("s", "banner"))
    two = journey("b", send("s", "hello"), on="Other")
    under = program(one, two, messages=(HELLO, message("banner", "web")), policies=(night,))
    ana, ben = Customer(under), Customer(under, name="ben")
    ana.does("Other")
    ben.does("Started")
    ana.absorbs(ben)
    assert [shown.message for shown in ana.asks()] == ["banner"]
    ana.passes(HOUR)
    assert ana.sent == ["hello/email"]


def test_whoever_of_both_was_held_out_stays_held_out() -> None:
    out = plan.Holdout(name="global", share=500_000)
    under = program(
        journey("j", send("s", "hello"), key=prop("k")), messages=(HELLO,), policies=(out,)
    )
    customers = [Customer(under, name=f"c{number}") for number in range(20)]
    for one in customers:
        one.does("Started", k=1)
    held = next(one for one in customers if not one.sent)
    free = next(one for one in customers if one.sent)
    free.absorbs(held)
    free.does("Started", k=2)
    assert len(free.sent) == 1


def test_reentry_remembers_the_entries_of_both() -> None:
    made = journey("j", send("s", "hello"), reentry_ms=Millis(-1))
    under = program(made, messages=(HELLO,))
    ana, ben = Customer(under), Customer(under, name="ben")
    ben.does("Started")
    ben.delivers()
    ana.absorbs(ben)
    ana.does("Started")
    assert ana.story[-1] == "j refused reentry"


@pytest.mark.parametrize("later", [MINUTE, HOUR], ids=["live sessions", "ended sessions"])
def test_the_order_of_merges_does_not_matter(later: int) -> None:
    split = plan.Split(
        id="x",
        stream="exp",
        variants=tuple(
            plan.Variant(name=name, weight=1, next="s") for name in ("a", "b", "c", "d")
        ),
    )
    under = program(
        journey("j", split, send("s", "hello"), key=prop("k")),
        messages=(HELLO,),
        segments=(KEEN, SPENT),
    )

    def person(number: int) -> Customer:
        one = Customer(under, name=f"p{number}", now=Instant(MORNING + number))
        one.now = Instant(MORNING + 10 * number)
        one.does("Viewed")
        one.does("Product Viewed", product_id=f"x{number % 2}", price=0.1)
        one.does("Paid", total=0.1 * number)
        one.does("Started", k=number % 2)
        one.identify(city=f"city{number}")
        one.consents("sms", "*", ("granted", "pending", "denied")[number % 3])
        one.now = Instant(MORNING + later)
        return one

    results = set()
    for order in permutations(range(4)):
        first, *rest = [person(number) for number in order]
        for other in rest:
            first.absorbs(other)
        results.add(encoded(first.profile, but=("id",)))
    left, right = person(0), person(2)
    left.absorbs(person(1))
    right.absorbs(person(3))
    left.absorbs(right)
    results.add(encoded(left.profile))
    assert len(results) == 1


def test_after_a_merge_hours_are_those_of_the_zone_that_was_seen_last() -> None:
    late = Compare(">=", Path("local", ("hour",)), Literal(12))
    made = plan.Plan(
        workspace=plan.Workspace(name="shop"), segments=(plan.Segment(name="late", when=late),)
    )
    east = Zone("Asia/Tokyo", (-(1 << 53),), (9 * HOUR,))
    under = link(made, name="p", patterns=search, zones={"Asia/Tokyo": east})
    ana, ben = Customer(under), Customer(under, name="ben")
    ben.now = ana.now = Instant(MORNING + MINUTE)
    ben.identify(timezone="Asia/Tokyo")
    assert not ana.profile.segments
    ana.absorbs(ben)
    assert ana.profile.zone == "Asia/Tokyo"
    assert set(ana.profile.segments) == {"late"}


def test_what_one_has_queued_is_withdrawn_where_the_other_had_said_no() -> None:
    under = program(journey("j", send("s", "hello")), messages=(HELLO,))
    ana, ben = Customer(under), Customer(under, name="ben")
    ana.does("Started")
    ben.now = ana.now
    ben.consents("email", "*", "denied")
    ana.absorbs(ben)
    assert [effect.id for effect in ana.all(Withdraw)] == ["ana/j//1:s:1"]
    assert ana.profile.ledger[0].state == "cancelled"


def test_what_is_queued_is_withdrawn_where_a_new_program_asks_for_consent_first() -> None:
    under = program(journey("j", send("s", "hello")), messages=(HELLO,))
    ana = Customer(under)
    ana.does("Started")
    stricter = msgspec.structs.replace(
        under.plan,
        workspace=msgspec.structs.replace(
            under.plan.workspace, consent_default={"email": "denied"}
        ),
    )
    ana.program = link(stricter, name="p2", patterns=search, older=(("p1", under.plan),))
    ana.say(Adopted(history=()))
    assert [effect.id for effect in ana.all(Withdraw)] == ["ana/j//1:s:1"]

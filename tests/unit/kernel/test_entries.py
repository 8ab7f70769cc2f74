"""Goal: a run enters when its definition says, by event, segment, call, date or schedule, and
not otherwise."""

import pytest

from segue.kernel import plan
from segue.kernel.expression import Compare, Literal
from segue.kernel.inputs import Adopted, Called
from segue.kernel.values import Instant, Millis
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
    trait,
    wait,
)

HELLO = message("hello")
REMINDER = message("reminder")


def dated(**more: object) -> plan.OnDate:
    return plan.OnDate(trait="born", **more)  # type: ignore[arg-type]


LATE = (wait("w", HOUR, "s"), send("s", "reminder"))


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


def test_a_program_that_schedules_nothing_leaves_nothing_scheduled() -> None:
    """Else what it dropped would come when a later program has an entry of the same name."""
    ana = Customer(program(journey("j", send("s", "hello"), entries=(dated(),)), messages=(HELLO,)))
    ana.identify(born=MORNING + DAY)
    assert ana.profile.scheduled == {"j#0": MORNING + DAY}
    ana.program = program(journey("j", send("s", "hello")), messages=(HELLO,), name="p2")
    ana.say(Adopted(history=()))
    assert ana.profile.scheduled == {}


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

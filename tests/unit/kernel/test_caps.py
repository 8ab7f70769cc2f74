"""Goal: quiet hours and caps hold for exactly as long as they must, give back, and say why."""

import pytest

from segue.kernel import plan
from segue.kernel.trace import Considered
from segue.kernel.values import Instant, Millis
from tests.unit.kernel.customers import (
    DAY,
    HOUR,
    MINUTE,
    MORNING,
    Customer,
    message,
    program,
    sends,
)

HELLO = message("hello")
BANNER = message("banner", "web")


# ── 7 quiet hours ──


def test_quiet_hours_hold_to_their_end_and_transactional_passes_and_says_so() -> None:
    night = plan.QuietHours(name="night", start=8 * 60, end=10 * 60)
    receipt = message("receipt", purpose="transactional")
    ana = Customer(
        program(sends("hello"), sends("receipt"), messages=(HELLO, receipt), policies=(night,))
    )
    ana.does("Started")
    assert ana.sent == ["receipt/email"]
    assert any(
        check.reason == "transactional"
        for note in ana.all(Considered)
        for check in note.checks
        if check.check == "quiet_hours"
    )
    ana.passes(HOUR)
    assert ana.sent == ["receipt/email", "hello/email"]


def test_a_hold_that_ends_for_many_is_paced() -> None:
    night = plan.QuietHours(name="night", start=8 * 60, end=10 * 60, pace_ms=HOUR)
    under = program(sends("hello"), messages=(HELLO,), policies=(night,))
    ends = []
    for number in range(50):
        one = Customer(under, name=f"c{number}")
        one.does("Started")
        ends.append(one.profile.proposals[0].retry_at)
    assert min(ends) >= MORNING + HOUR
    assert max(ends) < MORNING + 2 * HOUR
    assert len(set(ends)) > 40


# ── 8 caps ──


def test_a_rolling_cap_frees_a_place_at_the_very_instant() -> None:
    cap = plan.Cap(name="two a day", most=2, per="window", window_ms=Millis(6 * HOUR))
    ana = Customer(program(sends("hello"), messages=(HELLO,), policies=(cap,)))
    ana.does("Started", k=1)
    ana.passes(HOUR)
    ana.does("Started", k=2)
    ana.does("Started", k=3)
    assert ana.profile.proposals[0].retry_at == MORNING + 6 * HOUR
    ana.until(Instant(MORNING + 6 * HOUR - 1))
    assert len(ana.sent) == 2
    ana.passes(1)
    assert len(ana.sent) == 3


@pytest.mark.parametrize(
    ("per", "release"),
    [("day", 15 * HOUR), ("week", 3 * DAY + 15 * HOUR), ("month", 22 * DAY + 15 * HOUR)],
)
def test_calendar_caps_end_with_the_local_period(per: str, release: int) -> None:
    cap = plan.Cap(name="one", most=1, per=per)  # type: ignore[arg-type]
    long = message("hello", expires_ms=Millis(60 * DAY))
    ana = Customer(program(sends("hello"), messages=(long,), policies=(cap,)))
    ana.does("Started", k=1)
    ana.does("Started", k=2)
    assert ana.profile.proposals[0].retry_at == MORNING + release
    ana.until(Instant(MORNING + release))
    assert len(ana.sent) == 2


def test_a_session_cap_ends_with_the_session() -> None:
    cap = plan.Cap(name="one a session", most=1, per="session")
    ana = Customer(program(sends("hello"), messages=(HELLO,), policies=(cap,)))
    ana.does("Started", k=1)
    ana.does("Started", k=2)
    assert len(ana.sent) == 1
    ana.passes(30 * MINUTE)
    assert len(ana.sent) == 2


def test_a_cap_of_one_channel_lets_another_channel_through() -> None:
    cap = plan.Cap(
        name="mail", most=1, per="window", window_ms=DAY, reach=plan.Reach(channels=("email",))
    )
    both = message("both", "email", "sms")
    ana = Customer(program(sends("both", "email", "sms"), messages=(both,), policies=(cap,)))
    ana.does("Started", k=1)
    ana.does("Started", k=2)
    assert ana.sent == ["both/email", "both/sms"]


@pytest.mark.parametrize(
    ("reach", "stopped"),
    [
        (plan.Reach(tags=("news",)), {"paper", "letter"}),
        (plan.Reach(journeys=("j-letter",)), {"letter"}),
        (plan.Reach(messages=("paper", "note")), {"paper", "note"}),
        (plan.Reach(channels=("sms", "push")), {"note"}),
        (plan.Reach(channels=("email", "sms")), {"paper", "letter", "note"}),
        (plan.Reach(channels=("email",), tags=("news",), messages=("paper",)), {"paper"}),
        (plan.Reach(), {"paper", "letter", "note"}),
    ],
)
def test_a_cap_counts_what_it_reaches_and_nothing_else(
    reach: plan.Reach, stopped: set[str]
) -> None:
    cap = plan.Cap(name="one", most=1, per="window", window_ms=DAY, reach=reach, then="deny")
    paper = message("paper", tags=("news", "weekly"))
    letter = message("letter", tags=("news",))
    note = message("note", "sms")
    for one in (paper, letter, note):
        ana = Customer(
            program(
                sends(one.name, *one.contents, on="First"),
                messages=(one,),
                policies=(cap,),
            )
        )
        ana.does("First", k=1)
        ana.does("First", k=2)
        assert (len(ana.sent) == 1) == (one.name in stopped), one.name


def test_a_cap_over_several_channels_counts_them_together() -> None:
    reach = plan.Reach(channels=("email", "sms"))
    cap = plan.Cap(name="one", most=1, per="window", window_ms=DAY, reach=reach, then="deny")
    note = message("note", "sms")
    ana = Customer(
        program(sends("hello"), sends("note", "sms"), messages=(HELLO, note), policies=(cap,))
    )
    ana.does("Started", k=1)
    assert len(ana.sent) == 1
    assert sorted(ana.verdicts) == ["hello admitted", "note denied cap"]


def test_a_cap_gives_back_what_was_never_delivered_and_a_waiting_message_takes_the_place() -> None:
    cap = plan.Cap(name="one", most=1, per="window", window_ms=Millis(6 * HOUR))
    ana = Customer(program(sends("hello"), messages=(HELLO,), policies=(cap,)))
    ana.does("Started", k=1)
    ana.does("Started", k=2)
    assert len(ana.sent) == 1
    ana.reports(ana.profile.ledger[0].id, "failed", "refused")
    assert len(ana.sent) == 2


def test_a_cap_that_outlasts_the_message_denies_it_at_once() -> None:
    cap = plan.Cap(name="one", most=1, per="window", window_ms=Millis(2 * DAY))
    ana = Customer(program(sends("hello"), messages=(HELLO,), policies=(cap,)))
    ana.does("Started", k=1)
    ana.does("Started", k=2)
    assert ana.verdicts == ["hello admitted", "hello denied cap"]


def test_what_is_unknown_counts_for_ever() -> None:
    cap = plan.Cap(name="one", most=1, per="window", window_ms=DAY)
    ana = Customer(program(sends("hello"), messages=(HELLO,), policies=(cap,)))
    ana.does("Started", k=1)
    ana.reports(ana.profile.ledger[0].id, "unknown")
    ana.does("Started", k=2)
    assert len(ana.sent) == 1


def test_the_strictest_of_several_caps_is_named() -> None:
    caps = (
        plan.Cap(name="hour", most=1, per="window", window_ms=HOUR),
        plan.Cap(name="day", most=1, per="window", window_ms=Millis(DAY - 1)),
        plan.Gap(name="gap", least_ms=Millis(2 * HOUR)),
    )
    ana = Customer(program(sends("hello"), messages=(HELLO,), policies=caps))
    ana.does("Started", k=1)
    ana.does("Started", k=2)
    assert ana.all(Considered)[-1].checks[-1].detail == "day"


def test_a_gap_is_kept_and_a_cap_that_denies_denies() -> None:
    gap = plan.Gap(name="gap", least_ms=HOUR)
    under = program(sends("hello"), messages=(HELLO,), policies=(gap,))
    ana = Customer(under)
    ana.does("Started", k=1)
    ana.does("Started", k=2)
    assert ana.profile.proposals[0].retry_at == MORNING + HOUR
    hard = plan.Cap(name="hard", most=1, per="day", then="deny")
    ben = Customer(program(sends("hello"), messages=(HELLO,), policies=(hard,)), name="ben")
    ben.does("Started", k=1)
    ben.does("Started", k=2)
    assert ben.verdicts == ["hello admitted", "hello denied cap"]


def test_transactional_messages_pass_caps_and_count() -> None:
    receipt = message("receipt", purpose="transactional")
    cap = plan.Cap(name="one", most=1, per="day")
    ana = Customer(
        program(
            sends("hello", on="Later"), sends("receipt"), messages=(HELLO, receipt), policies=(cap,)
        )
    )
    ana.does("Started", k=1)
    ana.does("Started", k=2)
    ana.does("Later")
    assert ana.sent == ["receipt/email", "receipt/email"]

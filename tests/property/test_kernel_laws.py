"""Goal: whatever happens in whatever order, the kernel's laws hold.

Method: random lives of one customer under a program with every kind of guardrail, time moved by
the profile's own wake-ups, and recounts that share nothing with the kernel's look-ups.
"""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path as File

import msgspec
from hypothesis import given, settings, strategies as st

from segue.kernel import plan
from segue.kernel.effects import Send, Withdraw
from segue.kernel.expression import (
    Aggregate,
    All,
    Compare,
    Expression,
    InSegment,
    Literal,
    Not,
    Path,
    Sequence,
    Stream,
)
from segue.kernel.inputs import Adopted, Event, Woke
from segue.kernel.profile import create
from segue.kernel.step import step
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
    send,
    show,
)

NAMES = ("Product Viewed", "Product Added", "Order Completed", "Checkout Started", "Article Read")


def count(name: str, within: int, least: int) -> Expression:
    return Compare(">=", Aggregate("count", Stream((name,)), Millis(within)), Literal(least))


SEGMENTS = (
    plan.Segment(name="busy", when=count("Product Viewed", HOUR, 2)),
    plan.Segment(
        name="spender",
        when=Compare(
            ">",
            Aggregate("sum", Stream(("Order Completed",), None, prop("total")), Millis(2 * HOUR)),
            Literal(50),
        ),
    ),
    plan.Segment(
        name="hesitant",
        when=Sequence(
            stages=(Stream(("Product Added",)), Stream(("Product Viewed",))),
            within_ms=Millis(30 * MINUTE),
            over_ms=HOUR,
            without=(Stream(("Order Completed",)),),
        ),
    ),
    plan.Segment(
        name="wavering", when=All((InSegment("busy"), Not(count("Product Added", HOUR, 1))))
    ),
    plan.Segment(name="at night", when=Compare(">=", Path("local", ("hour",)), Literal(20))),
)

HOURLY = plan.Cap(name="hourly", most=2, per="window", window_ms=HOUR)
MAILS = plan.Cap(name="mails", most=3, per="day", reach=plan.Reach(channels=("email",)))
NIGHT = plan.QuietHours(name="night", start=22 * 60, end=7 * 60)
GAP = plan.Gap(name="gap", least_ms=Millis(5 * MINUTE), reach=plan.Reach(channels=("email",)))

POLICIES = (
    HOURLY,
    MAILS,
    NIGHT,
    GAP,
    plan.Suppression(name="site", rule="on_site_active", reach=plan.Reach(channels=plan.OUTBOUND)),
)

JOURNEYS = (
    journey(
        "cart",
        plan.Wait(id="w", next="s", for_ms=Millis(10 * MINUTE)),
        send("s", "reminder", "email", "sms"),
        on="Product Added",
        exits=(plan.Watch(events=("Order Completed",)),),
        key=prop("cart"),
    ),
    journey("read", send("s", "note", "email"), on="Article Read", key=prop("cart")),
    journey("look", show("o", "banner"), on="Product Viewed"),
    journey(
        "busy",
        send("s", "note", "sms", "email"),
        entries=(plan.OnSegment(segment="busy", change="entered"),),
    ),
)

UNDER = program(
    *JOURNEYS,
    messages=(
        message("reminder", "email", "sms", expires_ms=Millis(4 * HOUR)),
        message("note", "email", "sms", expires_ms=DAY),
        message("banner", "web"),
    ),
    policies=POLICIES,
    segments=SEGMENTS,
)

HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 1_000, MINUTE, 5 * MINUTE, 29 * MINUTE, HOUR, 5 * HOUR]),
        st.sampled_from([*NAMES, "ask", "dismiss", "deliver", "fail", "late"]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=40,
)


def live(happenings: list[tuple[int, str, int]]) -> tuple[Customer, list[tuple[Event, Instant]]]:
    """Let a customer live through them; also returns the event log."""
    ana = Customer(UNDER)
    log: list[tuple[Event, Instant]] = []
    for span, what, number in happenings:
        ana.passes(span)
        queued = [line.id for line in ana.profile.ledger if line.state == "queued"]
        open_now = [offer.shown_as for offer in ana.profile.offers if offer.shown_as]
        if what == "ask":
            ana.asks()
        elif what == "dismiss" and open_now:
            ana.reports(open_now[0], "dismissed")
        elif what == "deliver":
            ana.delivers()
        elif what == "fail" and queued:
            ana.reports(queued[0], "failed", "refused")
        elif what in NAMES or what == "late":
            name = NAMES[number] if what == "late" else what
            ago = 20 * MINUTE * number if what == "late" else 0
            event = Event(
                id=f"e{len(log)}",
                name=name,
                at=Instant(ana.now - ago),
                properties={"cart": number, "total": 20.5 * number, "product_id": f"p{number}"},
            )
            log.append((event, ana.now))
            ana.say(event)
    return ana, log


@given(HAPPENINGS)
@settings(max_examples=150, deadline=None)
def test_membership_equals_what_recomputing_from_the_log_gives(
    happenings: list[tuple[int, str, int]],
) -> None:
    """P5."""
    ana, log = live(happenings)
    for span in (0, 10 * MINUTE, 50 * MINUTE, 11 * HOUR):
        ana.passes(span)
        fresh = create(ana.profile.id, ana.now)
        step(UNDER, fresh, Adopted(history=tuple(log)), ana.now)
        assert set(ana.profile.segments) == set(fresh.segments)


@given(HAPPENINGS)
@settings(max_examples=150, deadline=None)
def test_no_guardrail_is_ever_broken(happenings: list[tuple[int, str, int]]) -> None:
    """P2, by a recount of what was admitted and not given back."""
    ana, _ = live(happenings)
    ana.passes(2 * DAY)
    counted = [line for line in ana.profile.ledger if line.state not in {"failed", "cancelled"}]
    instants = sorted(line.at for line in counted)
    for first, third in zip(instants, instants[2:], strict=False):
        assert third - first >= HOUR, "three within an hour"
    mails = sorted(line.at for line in counted if line.channel == "email")
    for earlier, later in pairwise(mails):
        assert later - earlier >= 5 * MINUTE
    for day in {at // DAY for at in mails}:
        assert sum(at // DAY == day for at in mails) <= 3
    for line in counted:
        if line.channel in plan.OUTBOUND:
            minute = line.at % DAY // MINUTE
            assert 7 * 60 <= minute < 22 * 60, "in quiet hours"


@given(HAPPENINGS)
@settings(max_examples=100, deadline=None)
def test_each_send_has_an_identity_of_its_own_and_is_withdrawn_at_most_once(
    happenings: list[tuple[int, str, int]],
) -> None:
    """P4."""
    ana, _ = live(happenings)
    sends = [effect.id for effect in ana.all(Send)]
    assert len(sends) == len(set(sends))
    gone = [effect.id for effect in ana.all(Withdraw) if effect.id in sends]
    assert len(gone) == len(set(gone))


@given(HAPPENINGS)
@settings(max_examples=60, deadline=None)
def test_waking_a_profile_that_is_not_due_changes_nothing(
    happenings: list[tuple[int, str, int]],
) -> None:
    """Rule 3 of `step`: hosts deliver at least once."""
    ana, _ = live(happenings)
    before = msgspec.msgpack.encode(ana.profile)
    answer = ana.say(Woke())
    assert answer.effects == ()
    assert answer.trace == ()
    assert msgspec.msgpack.encode(ana.profile) == before


LIFE = [
    (MINUTE * number, (*NAMES, "ask", "late", "deliver")[number * 7 % 8], number % 4)
    for number in range(60)
]


def test_two_interpreters_with_different_hash_seeds_give_the_same_bytes() -> None:
    """P6."""
    root = File(__file__).parents[2]
    script = (
        "import msgspec, sys\n"
        "from tests.property.test_kernel_laws import LIFE, live\n"
        "ana, _ = live(LIFE)\n"
        "print(msgspec.json.encode([ana.profile, ana.effects, ana.notes]).decode())\n"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            cwd=root,
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(answers) == 1
    assert len(next(iter(answers))) > 10_000


def test_time_starts_where_the_customers_start() -> None:
    """The recounts above rely on days that start at midnight UTC."""
    assert MORNING % DAY == 9 * HOUR

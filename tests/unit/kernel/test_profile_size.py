"""Goal: a profile is bounded by policy: a customer who never does the same thing twice, and of whom
everything that may be kept is kept, weighs as much after a long life as after half of it.
"""

import msgspec

from segue.kernel import limits, plan
from segue.kernel.expression import Aggregate, Compare, Literal, Stream
from segue.kernel.values import DAY, MINUTE, Millis
from tests.unit.kernel.customers import Customer, journey, message, program, prop, send, show, wait

PROFILE_BYTES_MAX = 2_000_000
"""With every bound reached at once; the median is about 2 KB."""


def hostile() -> Customer:
    """A program that has every kind of thing counted, kept and sent, by keys without end."""
    viewed = Stream(("Viewed",), of=prop("product_id"))
    folds = [
        Aggregate("distinct", viewed),
        Aggregate("distinct", viewed, Millis(9_000 * DAY)),
        Aggregate("repeats", viewed, Millis(9_000 * DAY)),
        Aggregate("count", viewed, Millis(9_000 * DAY)),
        Aggregate("last", viewed),
    ]
    segments = tuple(
        plan.Segment(name=f"s{n}", when=Compare(">", fold, Literal(3)))
        for n, fold in enumerate(folds)
    )
    steps = (
        send("mail", "hello", then="offer"),
        show("offer", "banner", then="rest"),
        wait("rest", 9_000 * DAY, plan.END),
    )
    many = journey("j", *steps, on="Viewed", key=prop("product_id"), runs_max=50)
    short = journey("k", wait("w", 1, plan.END), on="Viewed", key=prop("product_id"))
    return Customer(
        program(
            many,
            short,
            messages=(message("hello", "email"), message("banner", "web")),
            segments=segments,
        )
    )


def weight(customer: Customer) -> int:
    return len(msgspec.msgpack.encode(customer.profile))


def test_a_long_life_weighs_no_more_than_half_of_it() -> None:
    ana = hostile()
    half = limits.TRAIL_ENTRIES_MAX + 100
    weights: list[int] = []
    for life in range(2):
        for n in range(life * half, life * half + half):
            ana.passes(MINUTE)
            ana.identify(**{f"trait{n:06}": f"value{n:06}"})
            ana.does("Viewed", product_id=f"p{n:06}")
            ana.does("Order Completed", products=[{"product_id": f"p{n:06}"}])
        weights.append(weight(ana))
    assert weights[1] <= weights[0] * 1.02
    assert weights[1] < PROFILE_BYTES_MAX
    profile = ana.profile
    assert len(profile.runs) <= limits.RUNS_MAX
    assert len(profile.traits) == limits.TRAITS_MAX
    assert len(profile.entered) == limits.KEYS_MAX
    assert len(profile.ledger) <= limits.LEDGER_MAX

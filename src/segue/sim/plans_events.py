"""Random definitions of events that a program makes happen itself: after others, after silence,
and at the moments of sessions and segments.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from segue.kernel import expression as ex, plan
from segue.kernel.expression import TRUE
from segue.kernel.values import Millis
from segue.sim.plans_conditions import HOUR, MINUTE, PRODUCTS

MOMENTS: Mapping[str, plan.Moment] = {
    "Session Started": "session_started",
    "Session Ended": "session_ended",
    "Segment Entered": "segment_entered",
    "Segment Left": "segment_left",
}
"""Events that a program which listens to its own defines, and when they happen."""

MARKED = "Marked"
"""What happens when a certain segment is entered, or left."""


def derived(
    chance: Random, more: Random, seldom: Callable[[], ex.Expression], segments: Sequence[str]
) -> tuple[plan.Derived, ...]:
    """Definitions; those of moments too, drawn from `more`, if segments are given."""
    made = [
        plan.Derived(
            name="Cart Abandoned",
            on=("Product Added",),
            silence_ms=Millis(chance.choice((3, 25, 90)) * MINUTE),
            unless=("Order Completed",),
            when=seldom(),
            properties={"product_id": ex.Path("properties", ("product_id",))},
        )
    ]
    if chance.random() < 0.4:
        often = ex.Aggregate("count", ex.Stream(("Help Read",)), Millis(HOUR))
        when = ex.Compare(">=", often, ex.Literal(2))
        made.append(plan.Derived(name="Help Needed", on=("Help Read",), when=when))
    if segments:
        made += [_at_moment(more, name, moment) for name, moment in MOMENTS.items()]
        made.append(_of_segment(more, more.choice(segments)))
    return tuple(made)


def _at_moment(chance: Random, name: str, moment: plan.Moment) -> plan.Derived:
    """Now and then with a condition, or with a property in the place of what the moment tells."""
    views = ex.Path("session", ("views",))
    own: dict[str, ex.Expression] = {"number": ex.Path("traits", ("plan",)), "seen": views}
    gold = ex.Compare("==", ex.Path("traits", ("plan",)), ex.Literal("gold"))
    when = chance.choice((TRUE, TRUE, ex.Compare(">=", views, ex.Literal(2)), gold))
    chosen = {key: path for key, path in own.items() if chance.random() < 0.3}
    return plan.Derived(name=name, moment=moment, when=when, properties=chosen)


def _of_segment(chance: Random, segment: str) -> plan.Derived:
    """One of a single segment. No segment counts it: one that fed itself would come and go for
    ever, at each end of its window.
    """
    moments: tuple[plan.Moment, ...] = ("segment_entered", "segment_left")
    product = ex.Literal(chance.choice(PRODUCTS))
    return plan.Derived(
        name=MARKED,
        moment=chance.choice(moments),
        segment=segment,
        properties={"product_id": product},
    )

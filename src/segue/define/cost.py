"""What asking an expression costs, before it is ever asked.

Rule 1: counted in comparisons of two plain values (about 0.1 µs), from the tree alone; an
    upper estimate, for every part is counted as if it were always asked.
Rule 2: beyond `EXPRESSION_COST_MAX` it is refused, and so is a workspace that looks at more
    of history than `LOOKS_MAX` different ways: what it remembers weighs on every profile.
"""

from collections.abc import Iterable
from typing import assert_never

from segue.define.limits import LOOKS_MAX
from segue.define.scopes import Reference
from segue.kernel import expression as ex

FOLD = 4
"""A fold over all time: one look-up of a tally."""

WINDOW = 12
"""A fold over a window: two halvings of a trail and what lies between them."""

STAGE = 30
"""A stage of a sequence: the search walks the trails side by side."""

SEARCH = 15
"""A regular expression on a text of usual length."""

ITEM = 3
"""An item or a group of a ranking: two look-ups."""

LEDGER = 15
"""A look through what was sent."""


def cost(tree: ex.Expression) -> int:
    """The cost of asking once, everything inside included."""
    match tree:
        case ex.Literal() | ex.Path() | ex.InSegment() | ex.InJourney() | ex.Consented():
            return 1
        case ex.Holds():
            return 2
        case ex.Item(id=asked) | ex.Ranked(group=asked):
            return ITEM + cost(asked)
        case ex.Touched():
            return LEDGER
        case ex.Aggregate(stream=stream, within_ms=within):
            return (FOLD if within is None else WINDOW) + _arriving(stream)
        case ex.Sequence(stages=stages, without=without):
            both = (*stages, *without)
            return STAGE * len(both) + sum(map(_arriving, both))
        case ex.Pattern(text=text):
            return SEARCH + cost(text)
        case ex.Not(part=part):
            return 1 + cost(part)
        case ex.Part(of=of):
            return 1 + cost(of)
        case ex.Many(items=items):
            return sum(map(cost, items))
        case ex.All(parts=parts) | ex.Any(parts=parts):
            return 1 + sum(map(cost, parts))
        case ex.Function(args=args):
            return 2 + sum(map(cost, args))
        case ex.Compare(left=left, right=right) | ex.Arithmetic(left=left, right=right):
            return 1 + cost(left) + cost(right)
        case ex.Choice(when=when, then=then, otherwise=otherwise):
            return 1 + cost(when) + cost(then) + cost(otherwise)
        case _:
            assert_never(tree)


def _arriving(stream: ex.Stream) -> int:
    """What deciding about one event costs, when it arrives."""
    where = cost(stream.where) if stream.where is not None else 0
    return where + (cost(stream.of) if stream.of is not None else 0)


def too_many(looks: Iterable[Reference]) -> Reference | None:
    """The first event looked at in history beyond the limit; None where all is well."""
    seen = 0
    for each in looks:
        seen += each.what == "look"
        if seen > LOOKS_MAX:
            return each
    return None

"""Random conditions for simulated programs: every aggregate and comparison that is audited.

Rule: as in `plans.py`: everything is drawn from the `Random`s that are handed in. What was drawn
first is drawn from `chance`; what was added later from `more`, so that a seed that once found
a bug keeps most of its world.
"""

from random import Random
from typing import Literal as OneOf, TypeAlias

from segue.kernel import expression as ex
from segue.kernel.expression import TRUE
from segue.kernel.values import Millis

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

EVENTS = (
    "Product Viewed",
    "Product Added",
    "Checkout Started",
    "Order Completed",
    "Help Read",
    "Page Viewed",
    "Nudged",
)
CHANNELS = ("email", "sms", "push", "webhook")
PLACEMENTS = (("top", "web"), ("till", "checkout"), ("card", "inapp"))
TOPICS = ("news", "carts")
GROUPS = ("discount", "shipping")
POOLS = ("P", "Q")
MODELS = ("intent", "conversion")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe")
PRODUCTS = ("p1", "p2", "p3")
PLANS = ("gold", "tin")
Op: TypeAlias = OneOf["==", "!=", "<", "<=", ">", ">="]
State: TypeAlias = OneOf["received", "shown", "clicked", "dismissed"]


class Conditions:
    """Draws conditions over a profile."""

    def __init__(self, chance: Random, more: Random, size: int) -> None:
        self.chance = chance
        self.more = more
        self.size = size
        self.segments: list[str] = []
        self.models: tuple[str, ...] = ()

    def span(self) -> int:
        """A minute to some days."""
        chance = self.chance
        return chance.choice((1, 5, 20, 45)) * MINUTE * chance.choice((1, 1, 6, 60))

    def _stream(self, *, of: str = "") -> ex.Stream:
        chance = self.chance
        where = None
        if chance.random() < 0.3:
            where = ex.Compare(">=", ex.Path("properties", ("price",)), ex.Literal(50))
        events = tuple(chance.sample(EVENTS, chance.choice((1, 1, 2))))
        return ex.Stream(events, where, ex.Path("properties", (of,)) if of else None)

    def _aggregate(self) -> ex.Expression:
        chance = self.chance
        within = Millis(self.span()) if chance.random() < 0.8 else None
        fold = chance.choice(("count", "count", "count", "sum", "max", "distinct", "last"))
        match fold:
            case "count":
                bound = chance.choice((1, 2, 3))
                ops: tuple[Op, ...] = (">=", ">=", ">", "<", "==", "!=")
                op = chance.choice(ops)
                return ex.Compare(op, ex.Aggregate("count", self._stream(), within), literal(bound))
            case "sum" | "max":
                taken = ex.Aggregate(fold, self._stream(of="price"), within)
                some: tuple[Op, ...] = (">", ">=", "<")
                return ex.Compare(chance.choice(some), taken, literal(60))
            case "distinct" if self.more.random() < 0.5:
                often = ex.Aggregate(
                    "repeats", self._stream(of="product_id"), within or Millis(HOUR)
                )
                some = (">=", "==", "<")
                return ex.Compare(self.more.choice(some), often, literal(2))
            case "distinct":
                taken = ex.Aggregate(fold, self._stream(of="product_id"), within)
                return ex.Compare(">=", taken, literal(2))
            case _:
                taken = ex.Aggregate("last", self._stream(of="product_id"), within)
                return ex.Compare("==", taken, ex.Literal("p1"))

    def _sequence(self) -> ex.Expression:
        chance = self.chance
        first, second, between = (ex.Stream((name,)) for name in chance.sample(EVENTS, 3))
        within = self.span()
        return ex.Sequence(
            (first, second),
            Millis(within),
            Millis(within * chance.choice((1, 3))),
            (between,) if chance.random() < 0.5 else (),
        )

    def _since(self) -> ex.Expression:
        chance = self.chance
        within = Millis(self.span()) if chance.random() < 0.3 else None
        taken = ex.Aggregate("since", ex.Stream((chance.choice(EVENTS),)), within)
        ops: tuple[Op, ...] = (">", ">=", "<", "<=")
        return ex.Compare(chance.choice(ops), taken, literal(self.span()))

    def condition(self, *, depth: int = 1, segments: bool = True) -> ex.Expression:
        """A condition over a profile: any time, any run."""
        made = self._drawn(depth, segments)
        if self.models and self.more.random() < 0.2:
            op: Op = self.more.choice((">=", ">=", "<"))
            likely = ex.Path("session", (self.more.choice(self.models),))
            return ex.Compare(op, likely, literal(self.more.choice((0.25, 0.5, 0.6))))
        return made

    def _drawn(self, depth: int, segments: bool) -> ex.Expression:
        chance = self.chance
        made: ex.Expression
        roll = chance.random()
        if depth > 0 and roll < 0.3:
            parts = (
                self.condition(depth=depth - 1, segments=segments),
                self.condition(depth=depth - 1, segments=segments),
            )
            made = ex.All(parts) if chance.random() < 0.5 else ex.Any(parts)
        elif roll < 0.6:
            made = self._aggregate()
        elif roll < 0.68:
            made = self._sequence()
        elif roll < 0.74:
            made = self._since()
        elif roll < 0.79 and segments and self.segments:
            made = ex.InSegment(chance.choice(self.segments))
        elif roll < 0.86:
            made = ex.Compare(
                ">=", ex.Path("session", (chance.choice(("views", "carts")),)), literal(2)
            )
        elif roll < 0.91:
            made = ex.Compare("==", ex.Path("traits", ("plan",)), ex.Literal("gold"))
        elif roll < 0.94:
            made = ex.Compare("<", ex.Path("local", ("hour",)), literal(chance.choice((9, 17))))
        elif roll < 0.97:
            within = Millis(self.span()) if chance.random() < 0.7 else None
            states: tuple[State, ...] = ("received", "shown", "clicked", "dismissed")
            state = chance.choice(states)
            made = ex.Compare(">=", ex.Touched(state, within_ms=within), literal(1))
        else:
            made = ex.Holds(chance.choice(GROUPS))
        return ex.Not(made) if chance.random() < 0.12 else made

    def seldom(self, share: float = 0.2) -> ex.Expression:
        """Mostly no condition at all."""
        return self.condition() if self.chance.random() < share else TRUE


def literal(number: float) -> ex.Literal:
    """A number."""
    return ex.Literal(number)

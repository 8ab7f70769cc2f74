"""Table models: a probability as a sum of points, with its reasons beside it.

Rule 1: a model is an artefact, named `name@hash`; a score says which one it was made with, so
    a replay knows what was in force.
Rule 2: a feature is cut into bins; bin `bisect_right(cuts, value)`. While no bin changes, the
    score stands, and telling that costs one look at each feature.
Rule 3: when a bin changes, points are added anew from the tables' entries, in the tables'
    order: never the difference to the old points, which would drift. So what was reached
    step by step equals what is computed at once, to the last bit.
Rule 4: plain floats, no numeric library, no transcendental function.
"""

from bisect import bisect_right
from collections.abc import Callable
from hashlib import blake2b
from itertools import takewhile
from math import ceil
from operator import getitem, itemgetter

import msgspec

from segue.kernel.plan import Scorecard
from segue.kernel.profile import Profile, Score, Session
from segue.kernel.values import DAY, NEVER, Instant

NEVER_ORDERED = -1.0
"""Days since the last order of a profile that has none: cut at 0 to give it its own bin."""

FEATURES: dict[str, str] = {
    "views": "products viewed in this session",
    "distinct_products": "different products viewed",
    "repeats": "views of a product already viewed in this session",
    "searches": "searches in this session",
    "tempo": "events per minute, over one minute at least",
    "seconds": "length of the session so far",
    "carts": "products added to the cart",
    "cart_value": "what the cart is worth",
    "in_checkout": "1 in checkout, else 0",
    "converted": "1 after a conversion in this session, else 0",
    "value_per_view": "mean price of the products viewed: the price level",
    "orders_before": "conversions of the profile, known before this session began",
    "days_since_order": "days since the last conversion; -1 where there is none",
    "sessions_before": "sessions before this one",
}
"""What a model may look at, in the order in which `measure` gives it."""

_WHOLE = frozenset(FEATURES) - {
    "tempo",
    "seconds",
    "cart_value",
    "value_per_view",
    "days_since_order",
}
"""Features that are whole numbers."""


def measure(session: Session, profile: Profile, now: int) -> tuple[float, ...]:
    """The value of every feature, in the order of `FEATURES`; one call, for speed."""
    views = session.views
    active_ms = session.last_at - session.started_at
    ordered_at = profile.ordered_at
    return (
        views,
        len(session.products),
        session.repeats,
        session.searches,
        session.events / (active_ms / 60_000 if active_ms > 60_000 else 1.0),
        active_ms / 1_000,
        session.carts,
        session.cart_value,
        session.checkout_at != NEVER,
        session.converted_at != NEVER,
        session.value / views if views else 0.0,
        profile.orders - session.orders,
        max(now - ordered_at, 0) / DAY if ordered_at else NEVER_ORDERED,
        profile.sessions - 1,
    )


class LinkedModel:
    """A scorecard with its features found and its tables flattened."""

    __slots__ = (
        "base",
        "cuts",
        "id",
        "levels",
        "lone",
        "lone_at",
        "name",
        "pairs",
        "pick",
        "points_at",
        "reasons",
        "target",
    )

    def __init__(self, card: Scorecard) -> None:
        content = msgspec.json.encode(card, order="sorted")
        self.name = card.name
        self.target = card.target
        self.id = f"{card.name}@{blake2b(content, digest_size=4).hexdigest()}"
        self.base = card.base
        order = list(FEATURES)
        self.cuts = tuple(_comparable(bins.feature, bins.cuts) for bins in card.bins)
        self.pick = _picker([order.index(bins.feature) for bins in card.bins])
        where = {bins.feature: index for index, bins in enumerate(card.bins)}
        sizes = [len(bins.cuts) + 1 for bins in card.bins]
        constant = len(card.bins)  # score() appends a bin that is always 0
        tables: list[tuple[int, int, int, tuple[float, ...]]] = []
        for table in card.tables:
            first = where[table.features[0]]
            second = where[table.features[1]] if len(table.features) > 1 else constant
            size = sizes[second] if second != constant else 1
            assert len(table.points) == sizes[first] * size, f"{card.name}: a table's size"
            tables.append((first, second, size, table.points))
        lone = list(takewhile(lambda table: table[1] == constant, tables))
        self.lone = tuple(points for _, _, _, points in lone)
        """The points of the tables of one feature with which the tables begin."""
        self.lone_at = tuple(first for first, _, _, _ in lone)
        """Which bin each of them looks at."""
        self.pairs = tuple(tables[len(lone) :])
        """All tables after them."""
        self.reasons = tuple(table.reason or " × ".join(table.features) for table in card.tables)
        self.points_at = tuple(points for points, _ in card.scale)
        self.levels = tuple(level for _, level in card.scale)


def _comparable(feature: str, cuts: tuple[float, ...]) -> tuple[float, ...]:
    """Cuts of the feature's own kind: comparing whole numbers with floats takes thrice as long."""
    return tuple(map(ceil, cuts)) if feature in _WHOLE else cuts


def _picker(places: list[int]) -> Callable[[tuple[float, ...]], tuple[float, ...]]:
    """Takes the values at these places out of a tuple."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple(values[place] for place in places)


def link(card: Scorecard) -> LinkedModel:
    """Make a scorecard ready to run."""
    return LinkedModel(card)


def score(profile: Profile, model: LinkedModel, now: Instant) -> Score:
    """What the model says of the live session now; kept in the session under its name.

    The very same object as before means that nothing changed.
    """
    session = profile.session
    assert session is not None, "a score is of a live session"
    values = measure(session, profile, now)
    bins = list(map(bisect_right, model.cuts, model.pick(values)))
    known = session.scores.get(model.name)
    if known is not None and known.bins == bins and known.model == model.id:
        return known
    points = model.base
    for given in _given(model, bins):
        points += given
    fresh = Score(model.id, bins, points, probability(model, points))
    session.scores[model.name] = fresh
    return fresh


def probability(model: LinkedModel, points: float) -> float:
    """Points on the model's scale, between two of its marks in proportion."""
    marks, levels = model.points_at, model.levels
    index = bisect_right(marks, points)
    if index == 0:
        return levels[0]
    if index == len(marks):
        return levels[-1]
    low, high = marks[index - 1], marks[index]
    share = (points - low) / (high - low)
    return levels[index - 1] + (levels[index] - levels[index - 1]) * share


def reasons(model: LinkedModel, known: Score) -> dict[str, float]:
    """The points that each table gave, by its reason; tables that gave none are left out."""
    found: dict[str, float] = {}
    for reason, points in zip(model.reasons, _given(model, known.bins), strict=True):
        if points:
            found[reason] = found.get(reason, 0.0) + points
    return found


def _given(model: LinkedModel, bins: list[int]) -> list[float]:
    """What each table gives, in the tables' order."""
    given = list(map(getitem, model.lone, map(bins.__getitem__, model.lone_at)))
    look = [*bins, 0]
    for first, second, size, table in model.pairs:
        given.append(table[look[first] * size + look[second]])
    return given

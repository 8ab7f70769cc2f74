"""How shoppers behave: numbers fitted on real sessions, and draws from them.

The model, chosen because it reproduces the marginals that journeys look at (session length,
event mix, conversion, tempo, prices) with a few hundred numbers, and so that `fit` can be read:

- what follows an event (view, cart, purchase, end) depends on the event and on how deep in the
  session it stands; a plain Markov chain would give geometric lengths, and real ones have
  many visits of one page and a long tail;
- the time between two events is drawn from the quantiles of its kind of pair;
- a view returns to the product before it, stays in its category, or goes anywhere;
- prices are drawn from the quantiles of their category.

`behaviour.json` holds the numbers, fitted on the first 170 minutes of REES46 Open CDP
(eCommerce behavior data from multi category store, October 2019; REES46 Marketing Platform) by
`python -m segue.sim.behaviour FILE`. None of the data itself is in it.

Rule: every draw comes from the `Random` that the caller hands in; the same seed gives the
same shoppers on every machine.
"""

import sys
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from importlib import resources
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Literal as OneOf, TypeAlias

import msgspec

from segue.connectors.files import Source
from segue.connectors.rows import Imported
from segue.kernel.values import Millis
from segue.sim.limits import SESSION_EVENTS_MAX, SESSION_GAP_MAX_MS

Act: TypeAlias = OneOf["view", "cart", "purchase"]
ACTS: dict[str, Act] = {
    "Product Viewed": "view",
    "Product Added": "cart",
    "Order Completed": "purchase",
}
DEPTHS: dict[str, tuple[int, ...]] = {
    # Where a bin begins; rare acts have too few cases for more than one.
    "view": (1, 2, 3, 4, 5, 7, 10, 15, 25),
    "cart": (1,),
    "purchase": (1,),
}
GAP_POINTS = 21
PRICE_POINTS = 11
CATEGORIES_KEPT = 40


class Category(msgspec.Struct, frozen=True):
    """A category's share of the views, and the quantiles of its prices."""

    code: str
    share: float
    prices: tuple[float, ...]


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """The fitted numbers."""

    fitted_on: str
    sessions: int
    events: int
    follows: dict[str, tuple[dict[str, float], ...]]
    """By act, then by depth: the probability of each next act, or of `end`."""
    gaps: dict[str, tuple[int, ...]]
    """By `act>act`: quantiles of the milliseconds between."""
    same_product: float
    same_category: float
    categories: tuple[Category, ...]


class Deed(msgspec.Struct, frozen=True):
    """One act of a session, and the time since the one before."""

    act: Act
    after_ms: Millis


def load() -> Behaviour:
    """The packaged numbers."""
    text = (resources.files("segue.sim") / "behaviour.json").read_bytes()
    return msgspec.json.decode(text, type=Behaviour)


def session(rng: Random, behaviour: Behaviour, eagerness: float = 1.0) -> list[Deed]:
    """Draw one session; `eagerness` multiplies the odds of cart and purchase."""
    deeds = [Deed("view", Millis(0))]
    while len(deeds) < SESSION_EVENTS_MAX:
        act = deeds[-1].act
        follows = behaviour.follows[act][bisect_right(DEPTHS[act], len(deeds)) - 1]
        following = _drawn(rng, follows, eagerness)
        if following == "end":
            break
        after = _quantile(rng, behaviour.gaps[f"{act}>{following}"])
        deeds.append(Deed(ACTS[_NAMES[following]], Millis(int(after))))
    return deeds


_NAMES: dict[str, str] = {act: name for name, act in ACTS.items()}


def _drawn(rng: Random, chances: dict[str, float], eagerness: float) -> str:
    weights = [
        chance * eagerness if act in ("cart", "purchase") else chance
        for act, chance in chances.items()
    ]
    return rng.choices(list(chances), weights)[0]


def price(rng: Random, category: Category) -> float:
    """Draw a price of the category, to the cent."""
    return round(_quantile(rng, category.prices), 2)


def _quantile(rng: Random, points: tuple[float, ...] | tuple[int, ...]) -> float:
    """A draw by the inverse of a distribution known at equally spaced quantiles."""
    place = rng.random() * (len(points) - 1)
    low = int(place)
    return points[low] + (points[low + 1] - points[low]) * (place - low)


# ── fitting ─────────────────────────────────────────────────────────────────────────


def fit(arrivals: Iterable[Imported], fitted_on: str) -> Behaviour:
    """The numbers of a log of sessions: events with `session_id`, `category`, `price`."""
    sessions: dict[str, list[Imported]] = defaultdict(list)
    for one in arrivals:
        if one.event.name in ACTS:
            sessions[str(one.event.properties.get("session_id"))].append(one)
    follows: dict[str, list[Counter[str]]] = {
        act: [Counter() for _ in starts] for act, starts in DEPTHS.items()
    }
    gaps: dict[str, list[int]] = defaultdict(list)
    moves: Counter[str] = Counter()
    for events in sessions.values():
        acts = [ACTS[one.event.name] for one in events]
        for depth, (act, following) in enumerate(zip(acts, [*acts[1:], "end"], strict=True), 1):
            follows[act][bisect_right(DEPTHS[act], depth) - 1][following] += 1
        for one, two in pairwise(events):
            gap = two.event.at - one.event.at
            pair = f"{ACTS[one.event.name]}>{ACTS[two.event.name]}"
            gaps[pair].append(min(gap, SESSION_GAP_MAX_MS))
            if pair == "view>view":
                moves[_move(one, two)] += 1
    return Behaviour(
        fitted_on=fitted_on,
        sessions=len(sessions),
        events=sum(map(len, sessions.values())),
        follows={act: tuple(map(_shares, bins)) for act, bins in follows.items()},
        gaps={
            f"{one}>{two}": tuple(
                int(point) for point in _points(gaps.get(f"{one}>{two}") or [0], GAP_POINTS)
            )
            for one in DEPTHS
            for two in DEPTHS
        },
        same_product=round(moves["product"] / moves.total(), 4),
        same_category=round(moves["category"] / (moves.total() - moves["product"]), 4),
        categories=_categories(sessions.values()),
    )


def _move(one: Imported, two: Imported) -> str:
    before, after = one.event.properties, two.event.properties
    if before.get("product_id") == after.get("product_id"):
        return "product"
    return "category" if before.get("category") == after.get("category") else "elsewhere"


def _shares(counts: Counter[str]) -> dict[str, float]:
    total = counts.total()
    return {act: round(counts[act] / total, 5) for act in sorted(counts)}


def _points(values: list[int] | list[float], count: int) -> list[float]:
    """Equally spaced quantiles, the least and the greatest among them."""
    ordered = sorted(values)
    last = len(ordered) - 1
    points: list[float] = []
    for step in range(count):
        place = step * last / (count - 1)
        low = int(place)
        high = min(low + 1, last)
        points.append(round(ordered[low] + (ordered[high] - ordered[low]) * (place - low), 2))
    return points


def _categories(sessions: Iterable[list[Imported]]) -> tuple[Category, ...]:
    """The categories most looked at; the rest is left out, and the shares are of what is kept."""
    prices: dict[str, list[float]] = defaultdict(list)
    for events in sessions:
        for one in events:
            found = one.event.properties.get("price")
            if ACTS[one.event.name] == "view" and isinstance(found, int | float) and found > 0:
                prices[str(one.event.properties.get("category") or "")].append(float(found))
    kept = sorted(prices.items(), key=lambda item: (-len(item[1]), item[0]))[:CATEGORIES_KEPT]
    total = sum(len(found) for _, found in kept)
    return tuple(
        Category(code, round(len(found) / total, 5), tuple(_points(found, PRICE_POINTS)))
        for code, found in kept
    )


def main() -> None:
    """Refit the packaged numbers from a file of REES46 events."""
    source = Source(sys.argv[1], "rees46")
    numbers = fit(source, "REES46 Open CDP, 2019-10-01 00:00 to 02:50 UTC")
    text = msgspec.json.format(msgspec.json.encode(numbers), indent=1)
    Path(__file__).with_name("behaviour.json").write_bytes(text + b"\n")


if __name__ == "__main__":
    main()

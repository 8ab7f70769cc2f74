"""Sessions, and what models say of them, counted from the events of the session each time.

Rule 1: a visit keeps its events; every feature is counted from them anew, and never kept. Only
    what the cart is worth goes step by step, for it depends on the order of what happened.
Rule 2: a model's points are added in the order in which it lists its tables. Simulated models
    have binary fractions for points and marks, so a sum has one answer in any order.
"""

from typing import TYPE_CHECKING

from segue.kernel import plan
from segue.kernel.inputs import Event
from segue.kernel.values import Record, Value
from segue.sim.auditor_calendar import DAY
from segue.sim.auditor_events import at_moment
from segue.sim.auditor_life import Life, Visit
from segue.sim.auditor_rules import session_end

if TYPE_CHECKING:
    from segue.sim.auditor_tick import Tick

_TENTHS = 10
TOLD = ("number", "seconds", "events", "views", "value", "carts", "cart_value", "converted")
"""What the end of a session tells of it, beside what models said last."""


class Visits:
    """The sessions of one customer in one input."""

    def __init__(self, tick: "Tick") -> None:
        self.tick = tick
        self.life = tick.life

    def happen(self, event: Event) -> None:
        """The customer's own client's activity makes the session."""
        life, space, now = self.life, self.life.workspace, self.tick.now
        if life.session is not None and session_end(life) <= now:
            self.end(life)
        if event.emitted:
            return
        converts = event.name in space.conversions
        fresh = event.at > now - space.session_ms
        active = fresh and event.live and event.kind in ("track", "page", "screen")
        starts = active and life.session is None
        if starts:
            life.sessions += 1
            life.session = Visit(life.sessions, now, now)
        visit = life.session
        if converts:
            life.conversions.append((event.at, now, products(event.properties)))
        if visit is None or not fresh or not (active or converts):
            return
        if active:
            visit.last_at = now
            visit.acts.append(event)
        if converts:
            visit.orders += 1
            visit.checkout, visit.cart_value = False, 0.0
        elif active:
            self._fill_cart(visit, event)
        self.score()
        if starts:
            told: Record = {"number": visit.number}
            at_moment(self.tick, "session_started", told, str(visit.number), life, now)

    def _fill_cart(self, visit: Visit, event: Event) -> None:
        space, said = self.life.workspace, event.properties
        if event.name == "Product Removed":
            visit.cart_value = max(0.0, visit.cart_value - _amount(said, "price"))
        if event.name in space.cart:
            visit.cart_value += _amount(said, "price")
        if event.name in space.checkout:
            visit.checkout = True
            visit.cart_value = _amount(said, "value") or visit.cart_value

    def end(self, life: Life) -> None:
        """Silence has ended it."""
        visit = life.session
        assert visit is not None
        ended_at = visit.last_at + life.workspace.session_ms
        told = {**visit.seen(life.workspace.cart), "value": _worth(visit)}
        told = {key: one for key, one in told.items() if key in TOLD or key in visit.scores}
        at_moment(self.tick, "session_ended", told, str(visit.number), life, ended_at)
        life.session = None
        for offer in life.offers:
            offer.open_as = ""

    def score(self) -> None:
        """What each model of today says of the visit now; a change of tenth is told."""
        visit = self.life.session
        for card in self.tick.book.today.models if visit is not None else ():
            assert visit is not None
            before = visit.scores.get(card.name)
            after = probability(card, _features(visit, self.life, self.tick.now))
            visit.scores[card.name] = after
            if before is None or int(before * _TENTHS) != int(after * _TENTHS):
                self.tick.met["scores that moved to another tenth"] += 1
                self.tick.out.notes.append(("scored", card.name, after))


def probability(card: plan.Scorecard, features: dict[str, float]) -> float:
    """The points of the bins that the features lie in, on the card's scale."""
    cuts = {bins.feature: bins.cuts for bins in card.bins}
    lies = {name: sum(cut <= features[name] for cut in cuts[name]) for name in cuts}
    points = card.base
    for table in card.tables:
        first, *second = table.features
        width = len(cuts[second[0]]) + 1 if second else 1
        points += table.points[lies[first] * width + (lies[second[0]] if second else 0)]
    below = [mark for mark in card.scale if mark[0] <= points]
    above = [mark for mark in card.scale if mark[0] > points]
    if not below or not above:
        return above[0][1] if above else below[-1][1]
    (low, at_low), (high, at_high) = below[-1], above[0]
    return at_low + (at_high - at_low) * ((points - low) / (high - low))


def _features(visit: Visit, life: Life, now: int) -> dict[str, float]:
    views = [one.properties for one in visit.acts if one.name == "Product Viewed"]
    named = [str(one["product_id"]) for one in views if one.get("product_id")]
    lasted_ms = visit.last_at - visit.started_at
    ordered_at = max((at for at, _, _ in life.conversions), default=0)
    return {
        "views": len(views),
        "distinct_products": len(set(named)),
        "repeats": len(named) - len(set(named)),
        "searches": sum(one.name == "Products Searched" for one in visit.acts),
        "tempo": len(visit.acts) / max(lasted_ms / 60_000, 1),
        "seconds": lasted_ms / 1000,
        "carts": sum(one.name in life.workspace.cart for one in visit.acts),
        "cart_value": visit.cart_value,
        "in_checkout": visit.checkout,
        "converted": visit.orders > 0,
        "value_per_view": _worth(visit) / max(len(views), 1),
        "orders_before": len(life.conversions) - visit.orders,
        "days_since_order": max(now - ordered_at, 0) / DAY if ordered_at else -1,
        "sessions_before": life.sessions - 1,
    }


def _worth(visit: Visit) -> float:
    """What was looked at, added up."""
    seen = [one for one in visit.acts if one.name == "Product Viewed"]
    return sum((_amount(one.properties, "price") for one in seen), 0.0)


def _amount(said: Record, name: str) -> float:
    found: Value = said.get(name)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else 0.0


def products(properties: Record) -> tuple[str, ...]:
    """The product ids that a conversion names."""
    listed = properties.get("products")
    found = (
        [one.get("product_id") for one in listed if isinstance(one, dict)]
        if isinstance(listed, list | tuple)
        else []
    )
    found.append(properties.get("product_id"))
    return tuple(str(one) for one in found if isinstance(one, str | int) and one != "")

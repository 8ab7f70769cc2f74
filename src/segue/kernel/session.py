"""The live session: a run of activity, ended by silence.

Rule 1: a `track`, `page` or `screen` that the customer's own client reports (`live`), that Segue
    did not emit, and that happened within the last `session_ms`, is activity. It starts a
    session or lengthens the live one. What a server or a file reports is none, and so is
    what arrives too late.
Rule 2: activity is timed by its arrival, so that the session's end is known in advance: it
    ends at `last_at + session_ms`, whether or not anybody looks then.
Rule 3: whoever folds an event ends an expired session first.
Rule 4: a conversion ends the checkout and empties the cart, whoever reports it: an order
    confirmed by the shop's server must stop what was meant to win it.

Names of events and properties are those of the Segment spec, ecommerce version 2.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Literal as OneOf, TypeAlias

import msgspec

from segue.kernel.functions import spelled
from segue.kernel.inputs import Event
from segue.kernel.limits import NUMBER_MAX, SESSION_PRODUCTS_MAX
from segue.kernel.plan import Workspace
from segue.kernel.profile import Profile, Session
from segue.kernel.values import NEVER, Instant, Record, Value, number

VIEWED = "Product Viewed"
REMOVED = "Product Removed"
SEARCHED = "Products Searched"

_ACTIVITY = ("track", "page", "screen")

Folded: TypeAlias = OneOf["ignored", "counted", "started"]
"""What an event did: nothing, it counted in the live session, or it started one."""


class Rules(msgspec.Struct, frozen=True):
    """What the workspace says of sessions."""

    session_ms: int
    conversions: frozenset[str]
    checkout: frozenset[str]
    cart: frozenset[str]


def link(workspace: Workspace) -> Rules:
    """The workspace's rules, ready to look up."""
    return Rules(
        workspace.session_ms,
        frozenset(workspace.conversions),
        frozenset(workspace.checkout),
        frozenset(workspace.cart),
    )


# ── start and end ───────────────────────────────────────────────────────────────────


def end_at(profile: Profile, rules: Rules) -> Instant:
    """When the live session ends if nothing more happens; NEVER where there is none."""
    if profile.session is None:
        return NEVER
    return Instant(profile.session.last_at + rules.session_ms)


def expired(profile: Profile, rules: Rules, now: Instant) -> bool:
    """Whether the silence has lasted long enough by now."""
    return profile.session is not None and profile.session.last_at + rules.session_ms <= now


def end(profile: Profile) -> None:
    """Close the live session."""
    profile.session = None


def started(session: Session) -> Record:
    """What a session's start tells of itself."""
    return {"number": session.number}


def ended(session: Session) -> Record:
    """What a session's end tells of itself; each model's probability goes by the model's name."""
    summary: Record = {
        "number": session.number,
        "seconds": _seconds(session),
        "events": session.events,
        "views": session.views,
        "value": session.value,
        "carts": session.carts,
        "cart_value": session.cart_value,
        "converted": session.converted_at != NEVER,
    }
    for name, score in session.scores.items():
        summary.setdefault(name, score.probability)
    return summary


# ── one event ───────────────────────────────────────────────────────────────────────


def fold(profile: Profile, event: Event, now: Instant, rules: Rules) -> Folded:
    """Let the event count in the live session, or start one."""
    if event.emitted:
        return "ignored"
    converts = event.name in rules.conversions
    if converts:
        profile.orders += 1
        profile.ordered_at = max(profile.ordered_at, event.at)
    fresh = event.at > now - rules.session_ms
    if not fresh or not event.live or event.kind not in _ACTIVITY:
        if converts and fresh and profile.session is not None:
            _convert(profile.session, now)
            return "counted"
        return "ignored"
    outcome: Folded = "counted"
    session = profile.session
    if session is None:
        outcome = "started"
        profile.sessions += 1
        session = profile.session = Session(profile.sessions, now, now)
    session.last_at = now
    session.events += 1
    if converts:
        _convert(session, now)
    else:
        _count(session, event, now, rules)
    return outcome


def _convert(session: Session, now: Instant) -> None:
    session.orders += 1
    session.converted_at = now
    session.checkout_at = NEVER
    session.cart_value = 0.0


def _count(session: Session, event: Event, now: Instant, rules: Rules) -> None:
    name, properties = event.name, event.properties
    if name == VIEWED:
        session.views += 1
        session.value = _added(session.value, _usable(properties.get("price")))
        product = spelled(properties.get("product_id"))
        if product:
            _remember(session, product)
    elif name == SEARCHED:
        session.searches += 1
    elif name == REMOVED:
        session.cart_value = max(0.0, _added(session.cart_value, -_line(properties)))
    if name in rules.cart:
        session.carts += 1
        session.cart_value = _added(session.cart_value, _line(properties))
    if name in rules.checkout:
        if session.checkout_at == NEVER:
            session.checkout_at = now
        session.cart_value = _amount(properties, "value", "total", "revenue") or session.cart_value


def _remember(session: Session, product: str) -> None:
    if product in session.products:
        session.repeats += 1
    elif len(session.products) < SESSION_PRODUCTS_MAX:
        session.products.append(product)


def _amount(properties: Record, *names: str) -> float:
    """The first of these that is a usable number; 0 where none is."""
    for name in names:
        found = number(properties.get(name))
        if found is not None and abs(found) <= NUMBER_MAX:
            return float(found)
    return 0.0


def _usable(value: Value) -> float:
    """The value if it is a usable number, else 0."""
    found = number(value)
    return float(found) if found is not None and abs(found) <= NUMBER_MAX else 0.0


def _line(properties: Record) -> float:
    """What a line of the cart is worth: its price times its quantity, else its value."""
    price = _amount(properties, "price")
    if not price:
        return _amount(properties, "value")
    return _product(price, _amount(properties, "quantity") or 1.0)


def _product(left: float, right: float) -> float:
    """A product that stays a usable amount; 0 where it would not."""
    found = left * right
    return found if abs(found) <= NUMBER_MAX else 0.0


def _added(total: float, amount: float) -> float:
    """A sum that stays a usable amount; what would overflow it is passed over."""
    found = total + amount
    return found if abs(found) <= NUMBER_MAX else total


# ── what expressions and models see ─────────────────────────────────────────────────


def _seconds(session: Session) -> float:
    return (session.last_at - session.started_at) / 1_000


def _tempo(session: Session) -> float:
    """Events per minute, over one minute at least."""
    return session.events / max((session.last_at - session.started_at) / 60_000, 1.0)


class Field(msgspec.Struct, frozen=True):
    """One field of a root: the kind of its value, and how it is read."""

    kind: str
    read: Callable[[Session], Value]


SESSION_READERS: dict[str, Field] = {
    "number": Field("number", attrgetter("number")),
    "started_at": Field("number", attrgetter("started_at")),
    "last_at": Field("number", attrgetter("last_at")),
    "seconds": Field("number", _seconds),
    "events": Field("number", attrgetter("events")),
    "tempo": Field("number", _tempo),
    "views": Field("number", attrgetter("views")),
    "value": Field("number", attrgetter("value")),
    "products": Field("list", attrgetter("products")),
    "distinct_products": Field("number", lambda s: len(s.products)),
    "repeats": Field("number", attrgetter("repeats")),
    "searches": Field("number", attrgetter("searches")),
    "carts": Field("number", attrgetter("carts")),
    "cart_value": Field("number", attrgetter("cart_value")),
    "in_checkout": Field("boolean", lambda s: s.checkout_at != NEVER),
    "converted": Field("boolean", lambda s: s.converted_at != NEVER),
    "orders": Field("number", attrgetter("orders")),
}

SESSION_FIELDS: dict[str, str] = {
    **{name: field.kind for name, field in SESSION_READERS.items()},
    "intent": "number",
    "conversion": "number",
}
"""Fields of `session`, with their kinds. Beside these, every model's name is a number."""

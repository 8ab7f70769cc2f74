"""Which events come at all: what a workspace may rely on, and what it only seems to.

Rule 1: known are the ecommerce specification's events (version 2), the protocol's own, what
    the workspace emits, derives or `expects`, and what its history has seen.
Rule 2: a shop's own events are nobody's fault: without `expects` or a history only a name
    that is all but another one is remarked, be it one that only a service's specification has.
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from segue.define.compile import Compiled
from segue.define.diagnostics import Place, Sink
from segue.define.workspace import Written
from segue.kernel import incentives, plan
from segue.kernel.values import Millis

ECOMMERCE = (
    "Products Searched",
    "Product List Viewed",
    "Product List Filtered",
    "Promotion Viewed",
    "Promotion Clicked",
    "Product Clicked",
    "Product Viewed",
    "Product Added",
    "Product Removed",
    "Cart Viewed",
    "Checkout Started",
    "Checkout Step Viewed",
    "Checkout Step Completed",
    "Payment Info Entered",
    "Order Completed",
    "Order Updated",
    "Order Refunded",
    "Order Cancelled",
    "Coupon Entered",
    "Coupon Applied",
    "Coupon Denied",
    "Coupon Removed",
    "Product Added to Wishlist",
    "Product Removed from Wishlist",
    "Wishlist Product Added to Cart",
    "Product Shared",
    "Cart Shared",
    "Product Reviewed",
)
"""The events of the ecommerce specification, version 2."""

ACCOUNTS = (
    "Account Created",
    "Account Deleted",
    "Account Added User",
    "Account Removed User",
    "Signed Up",
    "Signed In",
    "Signed Out",
    "Invite Sent",
    "Trial Started",
    "Trial Ended",
)
"""The events of the specification for services that are subscribed to."""

OWN = (
    "Page Viewed",
    "Screen Viewed",
    "Profile Identified",
    "Group Joined",
    "Profile Aliased",
    *incentives.EVENTS,
)
"""What the other calls of the protocol become, and what Segue tells of itself."""

MADE: Mapping[str, str] = {
    "Session Started": "{at: session started}",
    "Session Ended": "{at: session ended}",
    "Segment Entered": "{at: segment entered}",
    "Segment Left": "{at: segment left}",
    "Cart Abandoned": "{on: Product Added, silence: 30m, unless: [Order Completed]}",
    "Price Dropped": "{catalog: products, when: item.price < before.price,"
    " to: [Product Viewed], within: 30d}",
    "Back In Stock": "{catalog: products, when: item.stock > 0 and before.stock <= 0,"
    " to: [Product Viewed], within: 30d}",
}
"""Events of well-known names, and how a file defines them: none is made without that."""

ALIKE = 0.88
"""Names at least so alike differ in a letter or two. Tried: 0.8 took "Order Updated" for
"Order Created"; 0.95 let "Order Complete" pass."""

LETTERS = 2
"""Names that are longer or shorter by more than this are other names."""


class Reached(msgspec.Struct, frozen=True):
    """How many entered a journey, and how many of them reached its goal."""

    entered: int
    goals: int


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What a store remembers, as far as a checker cares."""

    events: dict[str, int] = {}
    """How often each event came."""
    span_ms: Millis = Millis(0)
    """From the first event to the last."""
    journeys: dict[str, Reached] = {}


def check_feeds(written: Written, compiled: Compiled, sink: Sink, history: History | None) -> None:
    """Report used segments that no event feeds, and names that look mistyped."""
    known = _known(written, compiled.plan)
    if history is not None and history.events:
        known |= set(history.events)
    form = written.workspace
    told = bool(form and form.expects) or bool(history and history.events)
    unknown: dict[str, str] = {}
    for name in sorted({each.name for each in compiled.references if each.what == "event"}):
        if name not in known:
            unknown[name] = "" if name in ACCOUNTS else _alike(name, known.union(ACCOUNTS))
    used = {each.name for each in compiled.references if each.what == "segment"}
    starved = _undefined(compiled, known, sink)
    for segment in compiled.plan.segments:
        fed_by = _events(msgspec.to_builtins(segment.when))
        if segment.name not in used or not fed_by:
            continue
        if not _seen(fed_by, known, unknown, history, told=told):
            starved.update(fed_by)
            form_of = written.segments[segment.name]
            with sink.waiving(form_of.waive):
                _report(segment.name, fed_by, form_of.when.place, unknown, sink)
    for each in compiled.references:
        near = unknown.get(each.name, "") if each.what == "event" else ""
        if near and each.name not in starved:
            message = f"no event {each.name!r} is known"
            sink.report("SEG-W706", each.place, message, f"did you mean {near!r}?")


def _undefined(compiled: Compiled, known: set[str], sink: Sink) -> set[str]:
    """Report each well-known event that is listened to and that no file defines."""
    found: set[str] = set()
    for each in compiled.references:
        lines = MADE.get(each.name) if each.what == "event" else None
        if lines is None or each.name in known or each.name in found:
            continue
        found.add(each.name)
        hint = f"add to events.yaml, under `events:`\n  {each.name}: {lines}"
        sink.report("SEG-E417", each.place, f"nothing makes the event {each.name!r}", hint)
    return found


def _report(
    name: str, fed_by: Sequence[str], place: Place, unknown: Mapping[str, str], sink: Sink
) -> None:
    listed = ", ".join(repr(each) for each in fed_by)
    near = next((unknown[each] for each in fed_by if unknown.get(each)), "")
    hint = f"did you mean {near!r}?" if near else ""
    sink.report("SEG-E415", place, f"segment {name!r} is used, and nobody sends {listed}", hint)


def _seen(
    fed_by: Sequence[str],
    known: set[str],
    unknown: Mapping[str, str],
    history: History | None,
    *,
    told: bool,
) -> bool:
    """Whether one of these events comes, as far as anybody can tell."""
    if history is not None and history.events:
        # What a specification knows has had its chance to come; what is new here has not.
        return any(name in known and name not in ECOMMERCE for name in fed_by) or any(
            name in history.events for name in fed_by
        )
    if told:
        return any(name in known for name in fed_by)
    return any(not unknown.get(name) for name in fed_by)


def _known(written: Written, found: plan.Plan) -> set[str]:
    names = {*ECOMMERCE, *OWN}
    names.update(each.name for each in found.derived)
    names.update(found.workspace.conversions, found.workspace.checkout, found.workspace.cart)
    for journey in found.journeys:
        names.update(node.event for node in journey.steps if isinstance(node, plan.Emit))
    if written.workspace is not None:
        names.update(each.text for each in written.workspace.expects)
    return names


def _alike(name: str, known: set[str]) -> str:
    """The known name that this one is all but; empty where there is none."""
    # "Trial Extended" is alike enough to "Trial Ended", and three letters longer.
    close_in_length = (each for each in sorted(known) if abs(len(each) - len(name)) <= LETTERS)
    by_folded = {each.lower(): each for each in close_in_length}
    close = difflib.get_close_matches(name.lower(), by_folded, n=1, cutoff=ALIKE)
    return by_folded[close[0]] if close else ""


def _events(tree: object) -> list[str]:
    """The events that an expression looks at."""
    if isinstance(tree, tuple | list):
        nodes = cast("Sequence[object]", tree)
        return sorted({name for each in nodes for name in _events(each)})
    if not isinstance(tree, dict):
        return []
    node = cast("dict[str, object]", tree)
    found = {name for each in node.values() for name in _events(each)}
    if "events" in node:
        found.update(cast("Sequence[str]", node["events"]))
    return sorted(found)

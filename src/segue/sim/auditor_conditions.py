"""The auditor's own reading of conditions: every one recounted from the whole log, each time.

Rule 1: nothing is folded or indexed. An aggregate looks at every event of the customer's log that
    its stream takes; which those are is remembered, and what comes of them never.
Rule 2: missing values, comparisons and windows as `docs/concepts/semantics.md` says, written a
    second time; the shapes of `kernel/expression.py` are read as data.
Rule 3: what this reader does not know raises, so that no world is passed unread.
"""

import operator
from collections.abc import Callable, Iterator, Sequence
from math import fsum
from typing import TYPE_CHECKING, Any, cast

import msgspec

from segue.kernel import expression as ex
from segue.kernel.inputs import Event
from segue.kernel.values import Record, Value
from segue.sim import auditor_calendar as calendar

if TYPE_CHECKING:
    from segue.sim.auditor_life import Life
    from segue.sim.auditor_shelves import Shelves

HANDED = ("accepted", "delivered", "unknown", "shown")


class View:
    """What a condition sees: a life at an instant, what happened, and for which run."""

    __slots__ = (
        "before",
        "context",
        "entry",
        "event",
        "item",
        "life",
        "message",
        "now",
        "shelves",
        "vars",
    )

    def __init__(self, life: "Life", now: int, event: Event | None = None) -> None:
        self.life = life
        self.now = now
        self.event = event
        self.context: Record = event.context if event is not None else {}
        self.entry: Record = {}
        self.vars: Record = {}
        self.message: Record = {}
        self.item: Record = {}
        self.before: Record = {}
        self.shelves: Shelves | None = None


def holds(one: ex.Expression, view: View) -> bool:
    """Only `true` holds."""
    return value_of(one, view) is True


def value_of(one: ex.Expression, view: View) -> Value:
    """What an expression comes to."""
    life, now = view.life, view.now
    match one:
        case ex.Literal(value=value):
            return value
        case ex.Part(of=of, keys=keys):
            return _at(value_of(of, view), keys)
        case ex.Compare(op=op, left=left, right=right):
            return _compared(op, value_of(left, view), value_of(right, view))
        case ex.Aggregate():
            return _aggregate(one, life, now)
        case ex.Path(root=root, keys=keys):
            return _at(_root(root, view), keys)
        case ex.All(parts=parts):
            return all(holds(part, view) for part in parts)
        case ex.Any(parts=parts):
            return any(holds(part, view) for part in parts)
        case ex.Not(part=part):
            return not holds(part, view)
        case ex.Many(items=items):
            return [value_of(item, view) for item in items]
        case ex.Choice(when=when, then=then, otherwise=otherwise):
            return value_of(then if holds(when, view) else otherwise, view)
        case ex.Arithmetic(op=op, left=left, right=right):
            return _combined(op, value_of(left, view), value_of(right, view))
        case ex.Sequence():
            return _sequence(one, life, now)
        case ex.InSegment(segment=segment):
            return segment in life.segments
        case ex.InJourney(journey=journey):
            return any(run.journey == journey for run in life.runs)
        case ex.Touched():
            return sum(1 for _ in touches(one, life, now))
        case ex.Consented(channel=channel, topic=topic):
            return life.consent(channel, topic) == "granted"
        case ex.Holds(group=group):
            return any(g.group == group and g.alive(now) for g in life.grants)
        case ex.Item(catalog=catalog, id=of, keys=keys) if view.shelves is not None:
            return _at(view.shelves.item(catalog, value_of(of, view)), keys)
        case ex.Ranked(ranking=name, group=group) if view.shelves is not None:
            return view.shelves.ranked(name, value_of(group, view))
        case ex.Function() | ex.Pattern() | ex.Item() | ex.Ranked():
            raise NotImplementedError(f"the auditor does not read {type(one).__name__}")


def _root(root: str, view: View) -> Value:
    life, now, event = view.life, view.now, view.event
    match root:
        case "properties":
            return event.properties if event else None
        case "event":
            return {"name": event.name, "kind": event.kind, "live": event.live} if event else None
        case "traits":
            return life.traits
        case "context":
            return view.context
        case "entry":
            return view.entry
        case "vars":
            return view.vars
        case "message":
            return view.message
        case "item":
            return view.item
        case "before":
            return view.before
        case "profile":
            return {
                "known": bool(life.users),
                "sessions": life.sessions,
                "orders": life.orders,
            }
        case "session":
            return life.session.seen(life.workspace.cart) if life.session else None
        case "local":
            wall = calendar.shown(life.tz(), now)
            return {
                "hour": wall.hour,
                "weekday": wall.isoweekday(),
                "day": wall.day,
                "month": wall.month,
            }
        case _:
            raise NotImplementedError(f"the auditor does not read {root}")


def _at(value: Value, keys: Sequence[str | int]) -> Value:
    for key in keys:
        if isinstance(value, dict) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, list | tuple) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value


def _sort(value: Value) -> str:
    """Its kind: only values of one kind are compared."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__


def same(left: Value, right: Value) -> bool:
    """Equal, of one kind, and neither missing."""
    return left is not None and right is not None and _sort(left) == _sort(right) and left == right


def _compared(op: str, left: Value, right: Value) -> bool:
    match op:
        case "==":
            return same(left, right)
        case "!=":
            return not same(left, right)
        case "in" | "not in":
            inside = left is not None and (
                (isinstance(right, str) and isinstance(left, str) and left in right)
                or (isinstance(right, list | tuple) and any(same(left, one) for one in right))
            )
            return inside == (op == "in")
        case _:
            pass
    numbers = _sort(left) == _sort(right) == "number"
    texts = isinstance(left, str) and isinstance(right, str)
    return _ORDER[op](left, right) if numbers or texts else False


_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _combined(op: str, left: Value, right: Value) -> Value:
    if _sort(left) != "number" or _sort(right) != "number":
        return None
    assert isinstance(left, int | float)
    assert isinstance(right, int | float)
    match op:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            if right == 0:
                return None
            return left / right if op == "/" else left // right if op == "//" else left % right


# ── history ─────────────────────────────────────────────────────────────────────────


def matching(stream: ex.Stream, life: "Life") -> list[tuple[int, Value]]:
    """The stream's events of the whole log: when each happened, and the value taken of it.

    A log that has only grown is walked on from where it ended; after a merge from its start.
    """
    length, found = life.walked.get(id(stream), (0, []))
    if length < len(life.log):
        found = [*found, *_walk(stream, life, length)]
        life.walked[id(stream)] = (len(life.log), found)
    return found


def _walk(stream: ex.Stream, life: "Life", since: int) -> Iterator[tuple[int, Value]]:
    for event, arrived_at in life.log[since:]:
        if stream.events and event.name not in stream.events:
            continue
        view = View(life, arrived_at, event)
        if stream.where is not None and not holds(stream.where, view):
            continue
        taken: Value = None
        if stream.of is not None:
            taken = value_of(stream.of, view)
            if not isinstance(taken, bool | int | float | str):
                continue
        yield event.at, taken


def _aggregate(one: ex.Aggregate, life: "Life", now: int) -> Value:
    found = matching(one.stream, life)
    if one.within_ms is not None:
        found = [(at, value) for at, value in found if now - one.within_ms < at <= now]
    match one.fold:
        case "count":
            return len(found)
        case "since":
            return now - max(at for at, _ in found) if found else None
        case "distinct":
            return len({(_sort(value), value) for _, value in found})
        case "first" | "last":
            if not found:
                return None
            edge = (min if one.fold == "first" else max)(at for at, _ in found)
            if one.stream.of is None:
                return edge
            # At one instant the value with the larger JSON is both first and last.
            return max((value for at, value in found if at == edge), key=_canonical)
        case _:
            numbers = [float(v) for _, v in found if _sort(v) == "number"]  # type: ignore[arg-type]
    match one.fold:
        case "repeats":
            said = [value for _, value in found]
            return max((sum(same(each, other) for other in said) for each in said), default=0)
        case "sum":
            return fsum(numbers) if numbers else 0
        case "avg":
            return fsum(numbers) / len(numbers) if numbers else None
        case "min":
            return min(numbers, default=None)
        case _:
            return max(numbers, default=None)


def _canonical(value: Value) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _sequence(one: ex.Sequence, life: "Life", now: int) -> bool:
    """Try every choice of events, one per stage."""
    lines = [
        sorted(at for at, _ in matching(stage, life) if now - one.over_ms < at)
        for stage in one.stages
    ]
    between = [at for stream in one.without for at, _ in matching(stream, life)]

    def follow(place: int, first: int, at: int) -> bool:
        if place == len(lines):
            return at - first <= one.within_ms and not any(first < b < at for b in between)
        return any(follow(place + 1, first, later) for later in lines[place] if later > at)

    return any(follow(1, first, first) for first in lines[0])


def touches(one: ex.Touched, life: "Life", now: int) -> Iterator[int]:
    """When messages reached the customer, as the condition counts it."""
    for line in life.lines:
        if one.messages and line.message not in one.messages:
            continue
        if one.channels and line.channel not in one.channels:
            continue
        match one.state:
            case "received":
                at = line.at if line.state in HANDED else None
            case "shown":
                at = line.at if line.state == "shown" else None
            case "clicked":
                at = line.clicked_at
            case _:
                at = line.dismissed_at
        if at is not None and (one.within_ms is None or now - one.within_ms < at <= now):
            yield at


# ── when an answer may change by time alone ─────────────────────────────────────────


def spans(one: object) -> Iterator[int]:
    """How long after an event, or a line of the ledger, an answer may change."""
    match one:
        case ex.Compare(
            left=ex.Aggregate(fold="since") as left, right=ex.Literal(value=int(bound))
        ):
            yield from (bound, bound + 1)
            yield from spans(left)
            return
        case ex.Aggregate(within_ms=int(within_ms)) | ex.Touched(within_ms=int(within_ms)):
            yield within_ms
        case ex.Sequence(over_ms=over_ms):
            yield over_ms
        case _:
            pass
    for part in parts(one):
        yield from spans(part)


def reads_clock(one: object) -> bool:
    """Whether a condition looks at the wall clock."""
    if isinstance(one, ex.Path) and one.root == "local":
        return True
    return any(reads_clock(part) for part in parts(one))


def parts(one: object) -> Iterator[object]:
    """What a definition is made of, one level down."""
    if isinstance(one, tuple | list):
        yield from cast("Sequence[object]", one)
    elif isinstance(one, dict):
        yield from cast("dict[object, object]", one).values()
    elif isinstance(one, msgspec.Struct):
        for name in one.__struct_fields__:
            part = getattr(one, name)
            if isinstance(part, tuple | list | dict | msgspec.Struct):
                yield cast("object", part)

"""What customers might do: candidates for a searched life, from the literals of conditions.

Rule 1: a candidate is only a proposal: whether it leads anywhere the kernel decides
    (`witness.py`). So this may guess freely, and never has to be complete.
Rule 2: every guess comes from the plan: names of events, keys of properties and traits with
    values on both sides of what they are compared with, thresholds as repetitions, windows
    and waits as spans of time. The order is fixed.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TypeAlias, assert_never, cast

import msgspec

from segue.define.limits import WITNESS_MOVES_MAX, WITNESS_REPEATS_MAX
from segue.kernel import plan
from segue.kernel.logic import FLIPPED
from segue.kernel.session import SEARCHED, VIEWED
from segue.kernel.values import DAY, HOUR, MINUTE, Instant, Millis, Record, Value


class Does(msgspec.Struct, frozen=True):
    """An event, once or several times, a second apart."""

    event: str
    properties: Record
    times: int = 1


class Becomes(msgspec.Struct, frozen=True):
    """Traits are learnt."""

    traits: Record


class Waits(msgspec.Struct, frozen=True):
    """Time passes; 0 means until something falls due."""

    ms: Millis


class Asks(msgspec.Struct, frozen=True):
    """A page asks for a placement."""

    placement: str


class Calls(msgspec.Struct, frozen=True):
    """A journey is entered by API."""

    journey: str


Move: TypeAlias = Does | Becomes | Waits | Asks | Calls

_COMMON: Record = {"product_id": "p1", "price": 100, "quantity": 1, "order_id": "o1", "total": 100}
"""What an event of a shop carries, where no condition says otherwise."""

Tree: TypeAlias = Mapping[str, object]


def moves(found: plan.Plan, journeys: Iterable[plan.Journey], now: Instant) -> list[Move]:
    """What may be worth trying so that these journeys come to their incentives."""
    return _Vocabulary(found, list(journeys), now).moves()[:WITNESS_MOVES_MAX]


def trees(value: object) -> Iterator[Tree]:
    """Every mapping inside, the outer ones first."""
    if isinstance(value, dict):
        node = cast("dict[str, object]", value)
        yield node
        for each in node.values():
            yield from trees(each)
    elif isinstance(value, list | tuple):
        for each in cast("list[object]", value):
            yield from trees(each)


class _Vocabulary:
    """What the conditions around some journeys speak of."""

    def __init__(self, found: plan.Plan, journeys: list[plan.Journey], now: Instant) -> None:
        self.plan = found
        self.journeys = journeys
        self.now = now
        self.events: dict[str, None] = {}
        self.fields: dict[str, list[Value]] = {}
        self.traits: dict[str, list[Value]] = {}
        self.repeats: dict[int, None] = {1: None}
        self.spans: dict[int, None] = {}
        self.scored = False
        self.seen: set[str] = set()
        self.by_segment = {each.name: each for each in found.segments}
        for journey in journeys:
            self.entries(journey)
            self.read(msgspec.to_builtins(journey.steps))
            self.read(msgspec.to_builtins(journey.when))
            for message in found.messages:
                if any(_uses(node, message.name) for node in journey.steps):
                    self.read(msgspec.to_builtins(message.when))

    def entries(self, journey: plan.Journey) -> None:
        for entry in journey.entries:
            self.read(msgspec.to_builtins(entry.when))
            match entry:
                case plan.OnEvent(events=events):
                    self.happens(events)
                case plan.OnSegment(segment=segment) | plan.OnSchedule(segment=segment):
                    self.segment(segment)
                    self.spans[DAY] = None
                case plan.OnDate(trait=trait, offset_ms=offset):
                    due = datetime.fromtimestamp((self.now + DAY - offset) / 1_000, UTC)
                    self.traits.setdefault(trait, []).append(due.isoformat())
                    self.spans[2 * DAY] = None
                case _:
                    pass  # A call needs nothing but itself.

    def happens(self, names: Iterable[str]) -> None:
        """These events, or what brings them about where Segue makes them itself."""
        derived = {each.name: each for each in self.plan.derived}
        for name in names:
            one = derived.get(name)
            if one is None or one.moment == "item_changed" or f"event:{name}" in self.seen:
                self.events[name] = None
                continue
            self.seen.add(f"event:{name}")
            self.happens(one.on)
            self.read(msgspec.to_builtins(one.when))
            if one.silence_ms:
                self.spans[one.silence_ms + 1_000] = None
            self.moment(one)

    def moment(self, one: plan.Derived) -> None:
        """What brings about an event that starts with no event."""
        match one.moment:
            case "session_started" | "session_ended":
                self.events[VIEWED] = None
                self.spans[self.plan.workspace.session_ms + 1_000] = None
            case "segment_entered" | "segment_left":
                for name in (one.segment,) if one.segment else self.by_segment:
                    self.segment(name)
            case "event" | "item_changed":
                pass
            case _:
                assert_never(one.moment)

    def segment(self, name: str) -> None:
        if name not in self.seen:
            self.seen.add(name)
            self.read(msgspec.to_builtins(self.by_segment[name].when))

    def read(self, value: object) -> None:
        for node in trees(value):
            match node.get("type"):
                case "compare":
                    self.compare(node)
                case "in_segment":
                    self.segment(str(node["segment"]))
                case "path" if node["root"] == "session":
                    self.scored = True
                case _:
                    pass
            if "events" in node:
                self.happens(cast("list[str]", node["events"]))
            for key in ("within_ms", "over_ms", "for_ms", "timeout_ms"):
                if isinstance(span := node.get(key), int):
                    self.spans[span + 1_000] = None

    def compare(self, node: Tree) -> None:
        left, right = cast("Tree", node["left"]), cast("Tree", node["right"])
        op = str(node["op"])
        if left.get("type") == "literal":
            left, right, op = right, left, FLIPPED.get(op, op)
        values = _around(op, right)
        if left.get("type") == "aggregate":
            self.threshold(left, values)
        keys = cast("list[str]", left.get("keys") or [])
        if left.get("type") != "path" or len(keys) != 1:
            return
        if left["root"] in ("properties", "entry"):
            self.fields.setdefault(keys[0], []).extend(values)
        elif left["root"] == "traits":
            self.traits.setdefault(keys[0], []).extend(values)
        elif left["root"] == "session":
            self.count(values)

    def threshold(self, aggregate: Tree, values: list[Value]) -> None:
        """How often an event is counted up to, how much is summed up to, how long ago it was."""
        stream = cast("Tree", aggregate["stream"])
        of = cast("Tree", stream.get("of") or {})
        keys = cast("list[str]", of.get("keys") or [])
        if aggregate["fold"] == "since":
            self.spans |= dict.fromkeys(
                int(v) + 1_000 for v in values if isinstance(v, int | float) and v > 0
            )
        elif of.get("type") == "path" and len(keys) == 1 and aggregate["fold"] != "repeats":
            self.fields.setdefault(keys[0], []).extend(values)
        else:
            self.count(values)

    def count(self, values: list[Value]) -> None:
        for value in values:
            if isinstance(value, int | float) and 1 < value <= WITNESS_REPEATS_MAX:
                self.repeats[int(value)] = None

    # ── moves ───────────────────────────────────────────────────────────────────────

    def moves(self) -> list[Move]:
        found: list[Move] = [Waits(Millis(0))]
        found += [Calls(each.name) for each in self.journeys if _is_called(each)]
        for journey in self.journeys:
            for node in journey.steps:
                if isinstance(node, plan.Show) and Asks(node.placement) not in found:
                    found.append(Asks(node.placement))
        if self.scored:
            self.events |= dict.fromkeys((VIEWED, *self.plan.workspace.cart, SEARCHED))
            self.repeats |= {3: None, 8: None}
        usual: Record = {**_COMMON, **{key: each[0] for key, each in self.fields.items() if each}}
        repeats = sorted(self.repeats)
        found += [Does(event, usual, times) for times in repeats for event in self.events]
        for key, values in sorted(self.fields.items()):
            for value in values[1:]:
                found += [Does(event, {**usual, key: value}) for event in self.events]
        for trait, values in sorted(self.traits.items()):
            found += [Becomes({trait: value}) for value in values]
        spans = sorted({*self.spans, MINUTE, HOUR})
        found += [Waits(Millis(ms)) for ms in spans]
        return list({repr(each): each for each in found}.values())


def _uses(node: plan.Node, message: str) -> bool:
    match node:
        case plan.Send(message=name) | plan.Show(message=name):
            return name == message
        case plan.Choose(options=options):
            return any(option.message == message for option in options)
        case _:
            return False


def _is_called(journey: plan.Journey) -> bool:
    return any(isinstance(entry, plan.OnCall) for entry in journey.entries)


def _around(op: str, right: Tree) -> list[Value]:
    """Values for which a comparison holds, and then one for which it does not."""
    if right.get("type") == "list":
        items = cast("list[Tree]", right["items"])
        inside = [cast("Value", each.get("value")) for each in items[:3]]
        return [*inside, "else"] if op == "in" else ["else", *inside]
    if right.get("type") != "literal":
        return []
    value = cast("Value", right["value"])
    if isinstance(value, bool) or not isinstance(value, int | float):
        other: Value = (not value) if isinstance(value, bool) else "else"
        return [value, other] if op in ("==", "in") else [other, value]
    match op:
        case "!=" | ">":
            return [value + 1, value]
        case ">=":
            return [value, value - 1]
        case "<":
            return [value - 1, value]
        case _:
            return [value, value + 1]

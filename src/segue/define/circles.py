"""Definitions that chase themselves: their own answer changes what they ask.

Rule 1: a segment asks neither for itself nor counts what happens when it changes, also not
    through others: such a definition has no one answer.
Rule 2: an adaptive branch that goes both ways comes to rest. What is looked for are two ways
    that both change, before any wait and while the run still stands in them, what the branch's
    conditions look at. What time, or a customer, must do in between is no circle.
Rule 3: what is remarked can happen; it is not proved that it will. So rule 2 can be waived.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import msgspec

from segue.define.compile import Compiled
from segue.define.diagnostics import Sink
from segue.define.graph import ahead_of, at_once, on_a_circle
from segue.define.steps import Flat
from segue.define.workspace import Written
from segue.kernel import plan
from segue.kernel.expression import Expression, Literal

Tree = Mapping[str, object]
"""An expression as builtins: every node is a mapping with its `type`."""

PARKS = (
    plan.Send,
    plan.Show,
    plan.Choose,
    plan.Adapt,
    plan.Wait,
    plan.WaitUntil,
    plan.WaitWindow,
    plan.WaitDate,
)
"""Steps at which a run may stand."""

_SEGMENT_MOMENTS = ("segment_entered", "segment_left")
_AT_HAND = ("event", "properties")
_EVERY = "*"


# ── segments ────────────────────────────────────────────────────────────────────────


def check_segments(written: Written, compiled: Compiled, sink: Sink) -> None:
    """Report segments that, perhaps through others, ask for themselves or count their changes."""
    trees = {each.name: _nodes(each.when) for each in compiled.plan.segments}
    asks = {
        name: [str(node["segment"]) for node in nodes if node.get("type") == "in_segment"]
        for name, nodes in trees.items()
    }
    circular = on_a_circle(asks)
    for name in circular:
        message = f"segment {name!r} asks, perhaps through others, for itself"
        sink.report("SEG-E407", written.segments[name].place, message)
    told_by = _told_by(compiled.plan)
    hears = {
        name: [*asks[name], *_heard(nodes, told_by, list(trees))] for name, nodes in trees.items()
    }
    for name in on_a_circle(hears):
        if name not in circular:
            form = written.segments[name]
            message = f"segment {name!r} counts, perhaps through others, its own changes"
            with sink.waiving(form.waive):
                sink.report("SEG-E420", form.when.place, message)


def _told_by(found: plan.Plan) -> Mapping[str, frozenset[str]]:
    """By event: the segments whose changes make it happen at once; "" stands for any."""
    told: dict[str, frozenset[str]] = {}
    for one in found.derived:
        if one.moment in _SEGMENT_MOMENTS:
            told[one.name] = told.get(one.name, frozenset()) | {one.segment}
    for _ in found.derived:
        for one in found.derived:
            if one.moment == "event" and one.silence_ms <= 0:
                heard = frozenset[str]().union(*(told.get(name, frozenset()) for name in one.on))
                if heard:
                    told[one.name] = told.get(one.name, frozenset()) | heard
    return told


def _heard(
    nodes: Sequence[Tree], told_by: Mapping[str, frozenset[str]], segments: Sequence[str]
) -> Iterator[str]:
    """The segments whose changes the streams of an expression look at."""
    for node in nodes:
        if "events" not in node:
            continue
        only = _only_segment(node.get("where"))
        for event in cast("Sequence[str]", node["events"]) or tuple(told_by):
            for segment in told_by.get(event, frozenset()):
                for name in (segment,) if segment else segments:
                    if only in ("", name):
                        yield name


def _only_segment(where: object) -> str:
    """The one segment whose changes pass a stream's `where`; empty where any may."""
    if not isinstance(where, dict):
        return ""
    node = cast("Tree", where)
    if node["type"] == "and":
        parts = cast("Sequence[object]", node["parts"])
        return next((name for name in map(_only_segment, parts) if name), "")
    if node["type"] != "compare" or node["op"] != "==":
        return ""
    sides = (cast("Tree", node["left"]), cast("Tree", node["right"]))
    for side, other in (sides, sides[::-1]):
        if side.get("root") == "properties" and [*cast("Sequence[str]", side["keys"])] == [
            "segment"
        ]:
            return str(other.get("value", ""))
    return ""


# ── adaptive branches ───────────────────────────────────────────────────────────────


class _Change(msgspec.Struct, frozen=True):
    """Something that a step changes at once: a trait, a variable, or what has happened."""

    step: str
    what: str
    to: Expression | None = None

    @property
    def stirs(self) -> bool:
        """Whether the run is asked again for it: a variable alone is looked at when it is."""
        return not self.what.startswith("vars.")


def check_adaptive(journey: plan.Journey, flat: Flat, compiled: Compiled, sink: Sink) -> None:
    """Report branches that go both ways and may go to and fro within one input."""
    for node in journey.steps:
        if not isinstance(node, plan.Adapt) or not node.both_ways:
            continue
        reads = frozenset(
            what for way in node.ways for what in _reads(way.when, compiled.plan, frozenset())
        )
        ways = [_changes(journey, node, at, compiled.plan) for at in range(len(node.ways))]
        restless = {
            way.name: moved
            for at, way in enumerate(node.ways)
            if any(_is_read(each.what, reads) and each.stirs for each in ways[at])
            and (moved := [each.what for each in ways[at] if _moves(each, at, ways, reads)])
        }
        if len(restless) > 1:
            names = " and ".join(map(repr, restless))
            what = ", ".join(
                sorted({_spelled(each) for moved in restless.values() for each in moved})
            )
            message = f"{names} of {node.id!r} both change what its conditions look at: {what}"
            sink.report("SEG-E516", flat.places[node.id], message)


def _moves(
    change: _Change, at: int, ways: Sequence[Sequence[_Change]], reads: frozenset[str]
) -> bool:
    """Whether a change of way `at` can make another one's reason come or go again and again."""
    if not _is_read(change.what, reads):
        return False
    if not isinstance(change.to, Literal):
        return True
    # Set to one value by all who set it, it changes once, and that is all.
    others = [each for index, way in enumerate(ways) if index != at for each in way]
    return any(each.what == change.what and each.to != change.to for each in others)


def _is_read(what: str, reads: frozenset[str]) -> bool:
    where, _, _ = what.partition(".")
    return bool(reads & {what, f"{where}.{_EVERY}"})


def _changes(
    journey: plan.Journey, branch: plan.Adapt, at: int, found: plan.Plan
) -> tuple[_Change, ...]:
    """What a way changes before any wait, where the run may still stand in it afterwards."""
    nodes = {each.id: each for each in journey.steps}
    inside = {
        step
        for step, placed in journey.within.items()
        if plan.Placed(branch.id, at) in placed and step in nodes
    }
    parks = {step for step in inside if isinstance(nodes[step], PARKS)}
    shows = any(isinstance(nodes[step], plan.Show) for step in inside)
    seen: set[str] = set()
    ahead = [branch.ways[at].next]
    changes: list[_Change] = []
    while ahead:
        step = ahead.pop()
        node = nodes.get(step)
        if node is None or step in seen or step not in inside:
            continue
        seen.add(step)
        if isinstance(node, plan.Commit) and node.adapt == branch.id:
            continue
        ahead += at_once(node)
        if shows or parks & ahead_of(journey, step):
            changes += _done_by(node, found)
    return tuple(changes)


def _done_by(node: plan.Node, found: plan.Plan) -> Iterator[_Change]:
    match node:
        case plan.SetTrait(id=step, traits=traits, vars=variables):
            for key, to in traits.items():
                yield _Change(step, f"traits.{key}", to)
            for key, to in variables.items():
                yield _Change(step, f"vars.{key}", to)
        case plan.Emit(id=step, event=event):
            for name in _happens(event, found):
                yield _Change(step, f"event.{name}")
        case _:
            return


def _happens(event: str, found: plan.Plan) -> frozenset[str]:
    """An event, and those that a file derives from it at once."""
    names = {event}
    for _ in found.derived:
        for one in found.derived:
            if one.moment == "event" and one.silence_ms <= 0 and names & {*one.on}:
                names.add(one.name)
    return frozenset(names)


def _reads(when: Expression, found: plan.Plan, inside: frozenset[str]) -> Iterator[str]:
    """What an expression looks at that a step could change; segments are looked into."""
    for node in _nodes(when):
        if "events" in node:
            events = cast("Sequence[str]", node["events"]) or (_EVERY,)
            yield from (f"event.{name}" for name in events)
        match node.get("type"):
            case "path" if node["root"] in ("traits", "vars"):
                keys = cast("Sequence[object]", node["keys"])
                yield f"{node['root']}.{keys[0] if keys else _EVERY}"
            case "path" if node["root"] in _AT_HAND:
                yield f"event.{_EVERY}"
            case "in_segment" if (name := str(node["segment"])) not in inside:
                for segment in found.segments:
                    if segment.name == name:
                        yield from _reads(segment.when, found, inside | {name})
            case _:
                pass


def _spelled(what: str) -> str:
    where, _, name = what.partition(".")
    return repr(name) if where == "event" else what


def _nodes(tree: Expression) -> list[Tree]:
    """All parts of an expression, streams among them, but not what a stream asks of an event."""
    found: list[Tree] = []
    ahead: list[object] = [msgspec.to_builtins(tree)]
    while ahead:
        each = ahead.pop()
        if isinstance(each, dict):
            node = cast("Tree", each)
            found.append(node)
            if "events" not in node:
                ahead += node.values()
        elif isinstance(each, tuple | list):
            ahead += cast("Sequence[object]", each)
    return found

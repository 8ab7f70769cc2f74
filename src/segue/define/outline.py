"""A journey drawn: as an indented outline for terminals, and as a Mermaid flowchart for docs.

Rule: drawn from the plan, so what is shown is what runs, jumps and joins included.
"""

from collections.abc import Iterator
from typing import assert_never

from segue.define.words import UNITS_MS, WEEKDAYS
from segue.kernel import plan

_END = "end"


def spell_time(ms: int) -> str:
    """A length of time as an author would write it."""
    if ms < 0:
        return "-" + spell_time(-ms)
    parts: list[str] = []
    for unit, size in UNITS_MS.items():
        many, ms = divmod(ms, size)
        if many:
            parts.append(f"{many}{unit}")
    return "".join(parts) or "0"


def spell_minute(minute: int) -> str:
    """Minutes after midnight as a time of day."""
    return f"{minute // 60:02}:{minute % 60:02}"


def spell_step(node: plan.Node) -> str:
    """A step in a few words."""
    match node:
        case plan.Send():
            return f"send {node.message} by {', '.join(node.channels)}"
        case plan.Show():
            return f"show {node.message} at {node.placement} for {spell_time(node.lasts_ms)}"
        case plan.Wait():
            return f"wait {spell_time(node.for_ms)}"
        case plan.WaitUntil():
            what = " or ".join(node.watch.events) or "a condition"
            return f"wait until {what}, at most {spell_time(node.timeout_ms)}"
        case plan.WaitWindow():
            days = "".join(f" {WEEKDAYS[day - 1]}" for day in node.weekdays)
            return f"wait until {spell_minute(node.start)}-{spell_minute(node.end)}{days}"
        case plan.WaitDate():
            offset = f" {spell_time(node.offset_ms)}" if node.offset_ms else ""
            return f"wait until a date{offset}"
        case plan.Branch():
            return "branch"
        case plan.Adapt():
            return f"adapt, at most {spell_time(node.timeout_ms)}"
        case plan.Commit():
            return f"commit to this way of {node.adapt}"
        case plan.Split():
            return f"experiment {node.experiment}" if node.experiment else "split"
        case plan.Choose():
            return "choose"
        case plan.SetTrait():
            names = [f"traits.{key}" for key in node.traits] + [f"vars.{key}" for key in node.vars]
            return "set " + ", ".join(names)
        case plan.Emit():
            return f"emit {node.event}"
        case plan.Audience():
            return f"{node.change} in audience {node.audience}"
        case plan.Call():
            return f"call {node.webhook}"
        case plan.Assign():
            return f"assign {node.title}"
        case plan.Repeat():
            return f"repeat at most {node.times} times"
        case plan.End():
            return f"end: {node.reason}"
        case _:
            assert_never(node)


def paths(node: plan.Node) -> tuple[tuple[str, str], ...]:
    """Where a step leads: the name of each path, empty for the only one, and its first step."""
    match node:
        case plan.WaitUntil():
            return (("met", node.met), ("timed out", node.timed_out))
        case plan.WaitDate():
            return (("", node.next), ("no date", node.missing))
        case plan.Branch() | plan.Adapt():
            named = tuple((way.name, way.next) for way in node.ways)
            return (*named, ("otherwise", node.otherwise))
        case plan.Split():
            return tuple((each.name, each.next) for each in node.variants)
        case plan.Choose():
            return tuple((each.name, each.next) for each in node.options)
        case plan.Repeat():
            return (("again", node.body), ("done", node.next))
        case plan.End():
            return ()
        case _:
            return (("", node.next),)


def outline(journey: plan.Journey) -> str:
    """An indented outline; a step that stands elsewhere already is named with an arrow."""
    nodes = {node.id: node for node in journey.steps}
    out = [journey.name + (f": {journey.title}" if journey.title else "")]
    seen: set[str] = set()
    # A stack and not recursion: the outline of the longest journey must not be too deep.
    ahead: list[tuple[str, int, str]] = [(journey.start, 1, "")]
    while ahead:
        at, depth, label = ahead.pop()
        pad = "  " * depth
        if label:
            out.append(f"{pad}{label}:")
            depth += 1
            pad += "  "
        if at not in nodes or at in seen:
            out.append(f"{pad}→ {at or _END}")
            continue
        seen.add(at)
        node = nodes[at]
        out.append(f"{pad}{spell_step(node)}  [{at}]")
        onward = paths(node)
        inner = depth + 1 if len(onward) > 1 else depth
        ahead += [(target, inner, name) for name, target in reversed(onward)]
    return "\n".join(out) + "\n"


def mermaid(journey: plan.Journey) -> str:
    """A Mermaid flowchart."""
    numbers = {node.id: f"s{at}" for at, node in enumerate(journey.steps)}
    out = ["flowchart TD", *_entries(journey, numbers.get(journey.start, _END))]
    ends = not journey.steps
    for node in journey.steps:
        out.append(f"  {numbers[node.id]}{_boxed(node)}")
        for label, target in paths(node):
            ends = ends or target not in numbers
            arrow = f"-->|{_quoted(label)}|" if label else "-->"
            out.append(f"  {numbers[node.id]} {arrow} {numbers.get(target, _END)}")
    if ends:
        out.append(f"  {_END}([completed])")
    return "\n".join(out) + "\n"


def _entries(journey: plan.Journey, start: str) -> Iterator[str]:
    for at, entry in enumerate(journey.entries):
        yield f"  e{at}([{_quoted(spell_entry(entry))}]) --> {start}"


def spell_entry(entry: plan.Entry) -> str:
    """A way into a journey in a few words."""
    match entry:
        case plan.OnEvent():
            return "on " + " or ".join(entry.events)
        case plan.OnSegment():
            return f"{entry.change} {entry.segment}"
        case plan.OnDate():
            return f"at {entry.trait}" + (
                f" {spell_time(entry.offset_ms)}" if entry.offset_ms else ""
            )
        case plan.OnSchedule():
            return f"at {spell_minute(entry.at)} for {entry.segment}"
        case plan.OnCall():
            return "by API"
        case _:
            assert_never(entry)


def _boxed(node: plan.Node) -> str:
    words = _quoted(spell_step(node))
    if len(paths(node)) > 1:
        return "{" + words + "}"
    return f"([{words}])" if isinstance(node, plan.End) else f"[{words}]"


def _quoted(words: str) -> str:
    """Mermaid takes any text in quotes once its own quotes and brackets are spelled out."""
    escaped = words.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;")
    return f'"{escaped.replace(">", "#gt;")}"'

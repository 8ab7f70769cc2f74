"""The program in force, in the words and shapes in which the live page draws it."""

from typing import assert_never

from segue.kernel import plan
from segue.kernel.program import Program
from segue.kernel.values import DAY, HOUR, MINUTE, SECOND

_LOOP = "again"


def outline(program: Program) -> dict[str, object]:
    """Everything the page shows of a program."""
    found = program.plan
    return {
        "name": program.name,
        "workspace": found.workspace.name,
        "zone": found.workspace.zone,
        "segments": [{"name": s.name, "title": s.title} for s in found.segments],
        "derived": [
            {"name": d.name, "on": d.on, "moment": d.moment, "of": d.segment or d.catalog}
            for d in found.derived
        ],
        "messages": [
            {
                "name": m.name,
                "title": m.title,
                "topic": m.topic,
                "purpose": m.purpose,
                "channels": sorted(m.contents),
                "incentive": m.incentive.name if m.incentive else "",
            }
            for m in found.messages
        ],
        "policies": [
            {"name": p.name, "kind": str(p.__struct_config__.tag), "text": policy(p)}
            for p in found.policies
        ],
        "journeys": [journey(j) for j in found.journeys],
        "models": [{"name": m.name, "target": m.target} for m in found.models],
    }


def journey(found: plan.Journey) -> dict[str, object]:
    """A journey as a list of boxes with labelled arrows; "" is its end."""
    return {
        "name": found.name,
        "title": found.title,
        "state": found.state,
        "entries": [entry(e) for e in found.entries],
        "goal": _watch(found.goal.watch) if found.goal else "",
        "goal_within": span(found.goal.within_ms) if found.goal else "",
        "exits": [watch.reason or _watch(watch) for watch in found.exits],
        "start": found.start,
        "steps": [
            {"id": node.id, "kind": _kind(node), "text": text(node), "next": arrows(node)}
            for node in found.steps
        ],
    }


def _kind(node: plan.Node) -> str:
    return str(node.__struct_config__.tag)


def entry(found: plan.Entry) -> str:
    """What lets a profile in, in a few words."""
    match found:
        case plan.OnEvent(events=events):
            return " or ".join(events)
        case plan.OnSegment(segment=segment, change=change):
            return f"{change} {segment}"
        case plan.OnDate(trait=trait):
            return f"date in {trait}"
        case plan.OnSchedule(segment=segment, at=at):
            return f"{segment}, at {at // 60:02}:{at % 60:02}"
        case plan.OnCall():
            return "API call"
        case _:
            assert_never(found)


def text(node: plan.Node) -> str:
    """A step in a few words."""
    match node:
        case plan.Send(message=message, channels=channels):
            return f"{message} by {', else '.join(channels)}"
        case plan.Show(message=message, placement=placement):
            return f"{message} in {placement}"
        case plan.Wait(for_ms=for_ms):
            return span(for_ms)
        case plan.WaitUntil(watch=watch, timeout_ms=timeout_ms):
            return f"{_watch(watch)}, at most {span(timeout_ms)}"
        case plan.WaitWindow(start=start, end=end):
            return f"until {_clock(start)} to {_clock(end)}"
        case plan.WaitDate():
            return "until a date"
        case plan.Branch():
            return "first that holds"
        case plan.Adapt(timeout_ms=timeout_ms):
            return f"strongest that holds, watched for {span(timeout_ms)}"
        case plan.Commit():
            return "stay on this path"
        case plan.Split(experiment=experiment):
            return experiment or "draw"
        case plan.Choose():
            return "most valuable that is allowed"
        case plan.SetTrait(traits=traits, vars=variables):
            return ", ".join([*traits, *variables])
        case plan.Emit(event=event):
            return event
        case plan.Audience(audience=audience, change=change):
            return f"{change} {audience}"
        case plan.Call(webhook=webhook):
            return webhook
        case plan.Assign(title=title):
            return title
        case plan.Repeat(times=times):
            return f"up to {times} times"
        case plan.End(reason=reason):
            return reason
        case _:
            assert_never(node)


def arrows(node: plan.Node) -> list[dict[str, str]]:
    """Where a step leads: label and step id."""
    match node:
        case plan.WaitUntil(met=met, timed_out=timed_out):
            return [_arrow("met", met), _arrow("timed out", timed_out)]
        case plan.WaitDate(next=after, missing=missing):
            return [_arrow("", after), _arrow("no date", missing)]
        case (
            plan.Branch(ways=ways, otherwise=otherwise) | plan.Adapt(ways=ways, otherwise=otherwise)
        ):
            return [_arrow(way.name, way.next) for way in ways] + [_arrow("otherwise", otherwise)]
        case plan.Split(variants=variants):
            whole = sum(variant.weight for variant in variants) or 1
            return [_arrow(f"{v.name} {v.weight / whole:.0%}", v.next) for v in variants]
        case plan.Choose(options=options):
            return [_arrow(option.name, option.next) for option in options]
        case plan.Repeat(body=body, next=after):
            return [_arrow(_LOOP, body), _arrow("", after)]
        case plan.End():
            return []
        case (
            plan.Send(next=after)
            | plan.Show(next=after)
            | plan.Wait(next=after)
            | plan.WaitWindow(next=after)
            | plan.Commit(next=after)
            | plan.SetTrait(next=after)
            | plan.Emit(next=after)
            | plan.Audience(next=after)
            | plan.Call(next=after)
            | plan.Assign(next=after)
        ):
            return [_arrow("", after)]
        case _:
            assert_never(node)


def policy(found: plan.Policy) -> str:
    """A guardrail in a few words."""
    match found:
        case plan.Cap(most=most, per=per, window_ms=window_ms):
            return f"at most {most} per {span(window_ms) if per == 'window' else per}"
        case plan.Gap(least_ms=least_ms):
            return f"at least {span(least_ms)} apart"
        case plan.QuietHours(start=start, end=end):
            return f"quiet from {_clock(start)} to {_clock(end)}"
        case plan.Suppression(rule=rule, then=then):
            return f"{then} while {rule.replace('_', ' ')}"
        case plan.Exclusion(groups=groups, journeys=journeys):
            return f"one of {', '.join((*groups, *journeys))} at a time"
        case plan.Holdout(share=share):
            return f"{share / 10_000:g} % get none"
        case _:
            assert_never(found)


def _arrow(label: str, to: str) -> dict[str, str]:
    return {"label": label, "to": to}


def _watch(watch: plan.Watch) -> str:
    return " or ".join(watch.events) or watch.reason or "a condition holds"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def span(length: int) -> str:
    """A length of time as people say it: the two largest units."""
    parts: list[str] = []
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")):
        if length >= unit and len(parts) < 2:
            parts.append(f"{length // unit} {name}")
            length %= unit
    return " ".join(parts) or "0 s"

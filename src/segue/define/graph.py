"""Where steps lead: the graph of a journey, for whoever has to follow it.

Rule: `match` over every kind of node, so that a new one is handled here before anything
else looks at a path.
"""

from collections.abc import Mapping, Sequence

from segue.kernel import plan


def leads_to(node: plan.Node) -> tuple[str, ...]:
    """The steps that may come after one; "" is the end."""
    match node:
        case plan.WaitUntil(met=met, timed_out=timed_out):
            return (met, timed_out)
        case plan.WaitDate(next=onward, missing=missing):
            return (onward, missing)
        case plan.Branch(ways=ways, otherwise=otherwise):
            return (*(way.next for way in ways), otherwise)
        case plan.Adapt(ways=ways, otherwise=otherwise):
            return (*(way.next for way in ways), otherwise)
        case plan.Split(variants=variants):
            return tuple(variant.next for variant in variants)
        case plan.Choose(options=options):
            return tuple(option.next for option in options)
        case plan.Repeat(body=body, next=onward):
            return (body, onward)
        case plan.End():
            return ()
        case _:
            return (node.next,)


def at_once(node: plan.Node) -> tuple[str, ...]:
    """Steps that may come after one in no time. A repeat's body is bounded by its count."""
    match node:
        case plan.Wait():
            return ()
        case plan.WaitUntil(watch=watch, met=met):
            # Only an event that is still to come makes it wait for sure.
            return () if watch.events else (met,)
        case plan.Repeat(next=onward):
            return (onward,)
        case _:
            return leads_to(node)


def reachable(journey: plan.Journey) -> frozenset[str]:
    """The ids of all steps that some path from the start leads to."""
    return _from(journey, [journey.start])


def ahead_of(journey: plan.Journey, step: str) -> frozenset[str]:
    """The ids of all steps that some path from a step leads to, itself only by a loop."""
    node = next(each for each in journey.steps if each.id == step)
    return _from(journey, list(leads_to(node)))


def _from(journey: plan.Journey, ahead: list[str]) -> frozenset[str]:
    nodes = {node.id: node for node in journey.steps}
    seen: set[str] = set()
    while ahead:
        at = ahead.pop()
        if at in nodes and at not in seen:
            seen.add(at)
            ahead += leads_to(nodes[at])
    return frozenset(seen)


def steps_to(journey: plan.Journey, step: str) -> Mapping[str, int]:
    """For each step from which one can be reached: over how many others."""
    before: dict[str, list[str]] = {}
    for node in journey.steps:
        for onward in leads_to(node):
            before.setdefault(onward, []).append(node.id)
    found = {step: 0}
    ahead = [step]
    while ahead:
        following: list[str] = []
        for at in ahead:
            for one in before.get(at, ()):
                if one not in found:
                    found[one] = found[at] + 1
                    following.append(one)
        ahead = following
    return found


def on_a_circle(edges: Mapping[str, Sequence[str]]) -> list[str]:
    """Names from which one comes back to them; each looks no further than it must."""
    found: list[str] = []
    for start in edges:
        seen: set[str] = set()
        ahead = list(edges[start])
        while ahead:
            at = ahead.pop()
            if at not in seen:
                seen.add(at)
                ahead += edges.get(at, ())
        if start in seen:
            found.append(start)
    return found

"""Two journeys whose incentives may meet: proved apart, shown by a witness, or said to be unknown.

Rule 1: competing are incentives of different groups that no exclusion names together; those
    of one group the arbiter keeps apart by itself.
Rule 2: an error needs a witness (`witness.py`), silence needs a proof; between the two
    stands an honest note.
"""

from collections.abc import Iterator
from itertools import combinations

from segue.define.compile import Compiled
from segue.define.diagnostics import Sink
from segue.define.limits import WITNESS_PAIRS_MAX
from segue.define.witness import Deal, search
from segue.define.workspace import Written
from segue.kernel import plan
from segue.kernel.expression import All, Expression, Holds, Literal, Not


def check_conflicts(written: Written, compiled: Compiled, sink: Sink) -> None:
    """Report pairs of journeys for which a customer can hold two competing incentives."""
    found = compiled.plan
    deals = list(_deals(found))
    apart = [each for each in found.policies if isinstance(each, plan.Exclusion)]
    told: set[tuple[str, str]] = set()
    searched = 0
    for one, other in combinations(deals, 2):
        pair = (one.journey.name, other.journey.name)
        if one.journey.name == other.journey.name or pair in told or not _may(one, other, apart):
            continue
        searched += 1
        witness = search(found, one, other) if searched <= WITNESS_PAIRS_MAX else None
        if witness is not None:
            told.add(pair)
        _report(one, other, written, sink, witness.lines if witness else ())


def _report(one: Deal, other: Deal, written: Written, sink: Sink, witness: tuple[str, ...]) -> None:
    form = written.messages[other.message.name]
    waive = (
        *form.waive,
        *written.messages[one.message.name].waive,
        *written.journeys[one.journey.name].waive,
        *written.journeys[other.journey.name].waive,
    )
    said = (
        f"{one.message.name!r} of journey {one.journey.name!r} ({one.incentive.group}) and"
        f" {other.message.name!r} of {other.journey.name!r} ({other.incentive.group})"
    )
    place = form.at_key("incentive")
    with sink.waiving(waive):
        if witness:
            sink.report("SEG-E607", place, f"{said} can be held at once", witness=witness)
        else:
            sink.report("SEG-N802", place, f"{said}: whether both can be held is not known")


def _deals(found: plan.Plan) -> Iterator[Deal]:
    """Every step that gives an incentive, of journeys that anyone can enter."""
    messages = {each.name: each for each in found.messages}
    for journey in found.journeys:
        if journey.state in ("draft", "archived", "draining"):
            continue
        for node in journey.steps:
            for name in _said(node):
                message = messages.get(name)
                if message is not None and message.incentive is not None:
                    yield Deal(journey, node.id, message, message.incentive)


def _said(node: plan.Node) -> tuple[str, ...]:
    match node:
        case plan.Send(message=name) | plan.Show(message=name):
            return (name,)
        case plan.Choose(options=options):
            return tuple(option.message for option in options if option.message)
        case _:
            return ()


# ── proofs ──────────────────────────────────────────────────────────────────────────


def _may(one: Deal, other: Deal, apart: list[plan.Exclusion]) -> bool:
    """Whether nothing written rules out that both are alive."""
    groups = {one.incentive.group, other.incentive.group}
    if len(groups) == 1 or any(groups <= set(policy.groups) for policy in apart):
        return False
    if any(_never(deal) for deal in (one, other)):
        return False
    return _after(one, other) or _after(other, one)


def _after(first: Deal, second: Deal) -> bool:
    """Whether the second may be given while the first is alive.

    The arbiter holds a better deal while a lesser one of another journey is alive; and a
    condition may ask that no incentive of the other's group is held.
    """
    if first.incentive.worth < second.incentive.worth:
        return False
    asked = [*_conjuncts(second.message.when), *_conjuncts(second.journey.when)]
    return Not(Holds(first.incentive.group)) not in asked


def _never(deal: Deal) -> bool:
    """Whether a condition can never hold."""
    asked = [*_conjuncts(deal.message.when), *_conjuncts(deal.journey.when)]
    entries = [_conjuncts(entry.when) for entry in deal.journey.entries]
    impossible = Literal(False)
    return impossible in asked or all(impossible in each for each in entries)


def _conjuncts(when: Expression) -> list[Expression]:
    if isinstance(when, All):
        return [each for part in when.parts for each in _conjuncts(part)]
    return [when]

"""Cost per event against the number of policies: 12, 100 and 500.

Workload: the clickstream through the realistic program and one journey more, which proposes a
marketing email at each view, with the program's own 12 policies and with copies of them. Two
kinds of copies, for they cost differently: *elsewhere* reach a journey that does not exist, so
that no proposal concerns them; *everywhere* reach what the first ones reach and allow a little
more, so that each is asked of each proposal and none changes what is decided. The programs are
run in turn, so that they share the machine's noise.
"""

import statistics

import msgspec

from benchmarks import machine, step
from benchmarks.machine import Figure
from segue import define
from segue.kernel.plan import (
    Cap,
    End,
    Exclusion,
    Gap,
    Holdout,
    Journey,
    OnEvent,
    Policy,
    QuietHours,
    Reach,
    Send,
    Suppression,
)
from segue.kernel.values import Millis

EVENTS = 1_500
NUMBERS = (12, 100, 500)
RUNS = 3


def guarded(number: int, *, everywhere: bool) -> define.Loaded:
    """The realistic program with so many policies."""
    loaded = machine.program()
    assert loaded.plan is not None
    own = loaded.plan.policies
    more = tuple(_copy(own[n % len(own)], n, everywhere) for n in range(number - len(own)))
    message = next(
        one
        for one in loaded.plan.messages
        if one.purpose == "marketing" and "email" in one.contents
    )
    eager = Journey(
        name="eager",
        entries=(OnEvent(events=("Product Viewed",)),),
        steps=(
            Send(id="send", next="end", message=message.name, channels=("email",)),
            End(id="end"),
        ),
        start="send",
        reentry_ms=Millis(0),
    )
    plan = msgspec.structs.replace(
        loaded.plan, policies=(*own, *more), journeys=(*loaded.plan.journeys, eager)
    )
    return msgspec.structs.replace(loaded, plan=plan)


def _copy(policy: Policy, number: int, everywhere: bool) -> Policy:
    name = f"{policy.name}-{number}"
    if isinstance(policy, Exclusion):
        return msgspec.structs.replace(policy, name=name, groups=(f"elsewhere-{number}",))
    if not everywhere:
        reach = Reach(journeys=(f"elsewhere-{number}",))
        return msgspec.structs.replace(policy, name=name, reach=reach)
    match policy:
        case Cap():
            return msgspec.structs.replace(policy, name=name, most=policy.most + 1 + number)
        case Gap():
            less = Millis(max(policy.least_ms - 1 - number, 1))
            return msgspec.structs.replace(policy, name=name, least_ms=less)
        case QuietHours() | Suppression():
            return msgspec.structs.replace(policy, name=name)
        case Holdout():
            return msgspec.structs.replace(policy, name=name, share=0)


def main() -> None:
    count = machine.sized(EVENTS)
    programs = {
        (number, everywhere): guarded(number, everywhere=everywhere)
        for number in NUMBERS
        for everywhere in (False, True)
        if everywhere is False or number > NUMBERS[0]
    }
    views: dict[tuple[int, bool], list[float]] = {key: [] for key in programs}
    deciding: dict[tuple[int, bool], list[float]] = {key: [] for key in programs}
    told = ""
    for _ in range(RUNS):
        for key, loaded in programs.items():
            told, taken = step.run(count, loaded)
            views[key].append(statistics.median(taken["Product Viewed"]) / 1000)
            deciding[key].append(statistics.median(taken["deciding"]) / 1000)
    figures: list[Figure] = []
    for what, found in (
        ("a view", views),
        ("a step that decides about a message", deciding),
    ):
        usual = statistics.median(found[NUMBERS[0], False])
        figures.append(Figure(what=f"{what}: {NUMBERS[0]} policies", value=usual, unit="us CPU"))
        for (number, everywhere), runs in found.items():
            if number > NUMBERS[0]:
                figures.append(
                    Figure(
                        what=f"  {number} policies, {'everywhere' if everywhere else 'elsewhere'}",
                        value=statistics.median(runs) / usual,
                        unit="x",
                        budget=None if everywhere else 1.25,
                        runs=[one / usual for one in runs],
                    )
                )
    machine.keep("policies", told, figures)


if __name__ == "__main__":
    main()

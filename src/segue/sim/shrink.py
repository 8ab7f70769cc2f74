"""A failing world made small: fewer lines, a simpler program, the same broken promise.

Rule: what is left still fails in the same way; nothing else is kept. A smaller script that can't
run at all does not count.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import msgspec

from segue.kernel.plan import Plan
from segue.sim.limits import SHRINK_ROUNDS_MAX, SHRINK_TRIES_MAX
from segue.sim.script import Script

T = TypeVar("T")

Fails = Callable[[Script], bool]


def shrink(one: Script, fails: Fails, until: int) -> Script:
    """The smallest script found that still fails, within a bounded number of tries.

    What comes after the violation (at `until`) is left out first.
    """
    fails = _patient(fails)
    lines = tuple(line for line in one.lines if line.at <= until)
    if fails(shorter := replace(one, lines=lines, end=min(one.end, until))):
        one = shorter
    for _ in range(SHRINK_ROUNDS_MAX):
        before = one
        one = _fewer_lines(one, fails)
        if len(one.plans) > 1 and fails(shorter := replace(one, plans=one.plans[:1])):
            one = shorter
        one = _simpler_plans(one, fails)
        if one == before:
            break
    return one


def _patient(fails: Fails) -> Fails:
    """After enough tries nothing more is left out."""
    tries = 0

    def asked(one: Script) -> bool:
        nonlocal tries
        tries += 1
        return tries <= SHRINK_TRIES_MAX and fails(one)

    return asked


def _fewer_lines(one: Script, fails: Fails) -> Script:
    kept = least(one.lines, lambda lines: fails(replace(one, lines=tuple(lines))))
    return replace(one, lines=tuple(kept))


def _simpler_plans(one: Script, fails: Fails) -> Script:
    """Without a segment, policy, journey, derived event at a time."""
    for place in range(len(one.plans)):
        for name in ("policies", "journeys", "segments", "derived", "models"):
            one = _without(one, place, name, fails)
    return one


def _without(one: Script, place: int, name: str, fails: Fails) -> Script:
    def smaller(parts: Sequence[object]) -> Script:
        plans = list(one.plans)
        plans[place] = _with(plans[place], name, tuple(parts))
        return replace(one, plans=tuple(plans))

    return smaller(least(getattr(one.plans[place], name), lambda found: fails(smaller(found))))


def _with(plan: Plan, name: str, parts: tuple[object, ...]) -> Plan:
    return msgspec.structs.replace(plan, **{name: parts})


def least(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """Leave out ever smaller parts while what remains fails: `n log n` tries at best."""
    kept = list(items)
    size = max(len(kept) // 2, 1)
    while kept:
        place, left_out = 0, False
        while place < len(kept):
            fewer = kept[:place] + kept[place + size :]
            if fails(fewer):
                kept, left_out = fewer, True
            else:
                place += size
        if size == 1 and not left_out:
            break
        size = max(size // 2, 1)
    return kept

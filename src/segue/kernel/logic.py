"""How conditions join, and how values compare: the closures behind `and`, `or` and `<`.

Rule 1: comparing follows `values.py`: a missing side, or sides of two kinds, compare false, and
    `!=` true.
Rule 2: joining keeps `until` as late as it can be. Only the part at which an `and` (or `or`)
    stopped decides how long its answer holds; the parts before it do not matter any more.
Rule 3: a side that is constant is looked at once, when linking.
"""

import operator
from collections.abc import Callable, Mapping
from typing import assert_never, cast

from segue.kernel.features import Ask
from segue.kernel.history import Op
from segue.kernel.scene import Scene
from segue.kernel.values import NEVER, Value, equal

FLIPPED: Mapping[str, Op] = {
    "==": "==",
    "!=": "!=",
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
}
"""The comparison that says the same with its sides exchanged."""

COMBINE: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda left, right: left / right,
    "//": lambda left, right: left // right,
    "%": operator.mod,
}

_NUMBERS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TEXTS: Mapping[str, Callable[[str, str], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def chain(plain: tuple[Ask, ...], timed: tuple[Ask, ...], stops_at: bool) -> Ask:
    """Ask until a part's truth is `stops_at`; only that part then decides `until`."""
    goes_on = not stops_at
    if len(timed) == 2 and not plain:
        return _timed_pair(timed[0], timed[1], stops_at)
    if len(timed) > 1:
        return _timed_chain(plain, timed, stops_at)
    asks = (*plain, *timed)
    if len(asks) == 1:
        only = asks[0]
        return lambda scene: only(scene) is True
    if len(asks) == 2:
        first, second = asks
        if stops_at:
            return lambda scene: first(scene) is True or second(scene) is True
        return lambda scene: first(scene) is True and second(scene) is True

    def ask(scene: Scene) -> Value:
        for part in asks:
            if (part(scene) is True) is stops_at:
                return stops_at
        return goes_on

    return ask


def _timed_pair(first: Ask, second: Ask, stops_at: bool) -> Ask:
    """The commonest of chains, as `_timed_chain` but without its loops."""
    goes_on = not stops_at

    def ask(scene: Scene) -> Value:
        before, scene.until = scene.until, NEVER
        if (first(scene) is True) is stops_at:
            if before < scene.until:  # noqa: PLR1730 - `min` takes four times as long
                scene.until = before
            return stops_at
        soonest, scene.until = scene.until, NEVER
        stopped = (second(scene) is True) is stops_at
        if not stopped and soonest < scene.until:
            scene.until = soonest
        if before < scene.until:  # noqa: PLR1730 - the same
            scene.until = before
        return stops_at if stopped else goes_on

    return ask


def _timed_chain(plain: tuple[Ask, ...], timed: tuple[Ask, ...], stops_at: bool) -> Ask:
    goes_on = not stops_at

    def ask(scene: Scene) -> Value:
        for part in plain:
            if (part(scene) is True) is stops_at:
                return stops_at
        before = scene.until
        soonest: int = NEVER
        for part in timed:
            scene.until = NEVER
            if (part(scene) is True) is stops_at:
                if before < scene.until:  # noqa: PLR1730 - `min` takes four times as long
                    scene.until = before
                return stops_at
            if scene.until < soonest:  # noqa: PLR1730 - the same
                soonest = scene.until
        scene.until = min(before, soonest)
        return goes_on

    return ask


def against(op: Op, asked: Ask, bound: Value, *, numeric: bool = False) -> Ask:
    """Compare with a constant, whose kind is known; `numeric` is never else than a number."""
    if isinstance(bound, str):
        return _against_text(op, asked, bound)
    if isinstance(bound, int | float) and not isinstance(bound, bool):
        ordered = _number_against_number(op, asked, bound) if numeric else None
        return ordered or _against_number(op, asked, bound)
    return compare(op, asked, lambda _scene: bound)


def _against_text(op: Op, asked: Ask, bound: str) -> Ask:
    if op == "==":
        return lambda scene: asked(scene) == bound
    if op == "!=":
        return lambda scene: asked(scene) != bound
    decide = _TEXTS[op]

    def ask(scene: Scene) -> Value:
        one = asked(scene)
        return isinstance(one, str) and decide(one, bound)

    return ask


def _against_number(op: Op, asked: Ask, bound: float) -> Ask:
    # A boolean is an int to Python, and no number to us.
    if op == "==":
        return lambda scene: (one := asked(scene)) == bound and one is not True and one is not False
    if op == "!=":
        return lambda scene: (one := asked(scene)) != bound or one is True or one is False
    decide = _NUMBERS[op]

    def ask(scene: Scene) -> Value:
        one = asked(scene)
        if type(one) is int or type(one) is float:
            return decide(one, bound)
        return False

    return ask


def _number_against_number(op: Op, asked: Ask, bound: float) -> Ask | None:
    """The order of a number, or of nothing, and a constant; None where order is not asked for."""
    asked_number = cast("Callable[[Scene], float | int | None]", asked)
    match op:
        case "<":
            return lambda scene: (one := asked_number(scene)) is not None and one < bound
        case "<=":
            return lambda scene: (one := asked_number(scene)) is not None and one <= bound
        case ">":
            return lambda scene: (one := asked_number(scene)) is not None and one > bound
        case ">=":
            return lambda scene: (one := asked_number(scene)) is not None and one >= bound
        case "==" | "!=":
            return None
        case _:
            assert_never(op)


def compare(op: Op, first: Ask, second: Ask) -> Ask:
    """Compare two sides of any kind."""
    if op == "==":
        return lambda scene: equal(first(scene), second(scene))
    if op == "!=":
        return lambda scene: not equal(first(scene), second(scene))
    by_number, by_text = _NUMBERS[op], _TEXTS[op]

    def ask(scene: Scene) -> Value:
        one, other = first(scene), second(scene)
        if isinstance(one, str):
            return isinstance(other, str) and by_text(one, other)
        if (type(one) is int or type(one) is float) and (
            type(other) is int or type(other) is float
        ):
            return by_number(one, other)
        return False

    return ask

"""How far back a plan looks at each stream of events.

Rule: a plan keeps one trail of a stream, for the longest window in which anything of it looks.
    That follows from the whole plan and from nothing else: the same plan finds what it kept,
    whatever is linked beside it, and whether it is the one in force or an older one.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, cast

import msgspec

from segue.kernel import expression as ex
from segue.kernel.features import Taken, stream_key
from segue.kernel.history import taken
from segue.kernel.plan import Plan

Kept: TypeAlias = tuple[str, Taken]
"""A stream by name, and what is taken of its events."""


def kept(stream: ex.Stream, what: Taken) -> tuple[ex.Stream, Kept]:
    """The stream as it is kept, and its name: where only events are taken, values are none."""
    if what == "event":
        stream = ex.Stream(stream.events, stream.where)
    return stream, (stream_key(stream), what)


def longest(plan: Plan) -> dict[Kept, int]:
    """The longest window, in milliseconds, in which a plan looks at each stream."""
    found: dict[Kept, int] = {}
    for node in _aggregates(plan):
        looks: list[tuple[ex.Stream, Taken]]
        match node:
            case ex.Aggregate(fold=fold, stream=stream, within_ms=window_ms):
                looks = [(stream, taken(fold, has_of=stream.of is not None))]
            case ex.Sequence(stages=stages, without=without, over_ms=window_ms):
                looks = [(stage, "event") for stage in (*stages, *without)]
        for stream, what in looks:
            _, name = kept(stream, what)
            found[name] = max(found.get(name, 0), window_ms or 0)
    return found


def _aggregates(whole: object) -> Iterable[ex.Aggregate | ex.Sequence]:
    """All that look at history, wherever in the plan they stand."""
    waiting: list[Any] = [whole]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ex.Aggregate | ex.Sequence):
            yield part
        if isinstance(part, msgspec.Struct):
            waiting.extend(getattr(part, field) for field in part.__struct_fields__)
        elif isinstance(part, dict):
            waiting.extend(cast("dict[str, Any]", part).values())
        elif isinstance(part, tuple | list):
            waiting.extend(cast("Sequence[Any]", part))

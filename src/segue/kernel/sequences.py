"""Whether events happened one after another, and until when that holds.

Rule 1: the stages happen strictly one after another; two events of one instant are in no order.
Rule 2: what must not come between is looked for strictly between the first and the last.
"""

from bisect import bisect_right
from collections.abc import Sequence

from segue.kernel.features import Ask, LinkedStream
from segue.kernel.history import times_of
from segue.kernel.scene import Scene
from segue.kernel.values import Value


def sequence(
    stages: Sequence[LinkedStream],
    without: Sequence[LinkedStream],
    within_ms: int,
    over_ms: int,
) -> Ask:
    """Whether the stages happened one strictly after another, with none of `without` between.

    For each first event, latest first, the others follow as early as they can: that makes the
    span as short and the gap as narrow as any choice does. The first that fits is also the
    last to leave, so the answer holds until it does; time alone never makes it true.
    """
    stage_times = tuple(times_of(stream) for stream in stages)
    between_times = tuple(times_of(stream) for stream in without)

    def ask(scene: Scene) -> Value:
        lines = [times(scene) for times in stage_times]
        if not all(lines):
            return False
        between = [times for times_of in between_times if (times := times_of(scene))]
        firsts = lines[0]
        for index in range(bisect_right(firsts, lines[-1][-1]) - 1, -1, -1):
            first = firsts[index]
            if first + over_ms <= scene.now:
                return False
            last = _follow(lines, first)
            if last is None or last - first > within_ms:
                continue
            if any(_strictly_inside(times, first, last) for times in between):
                continue
            scene.until = min(scene.until, first + over_ms)
            return True
        return False

    return ask


def _follow(lines: Sequence[Sequence[int]], first: int) -> int | None:
    """When the last stage happens at the earliest, if the first happens then."""
    at = first
    for times in lines[1:]:
        index = bisect_right(times, at)
        if index == len(times):
            return None
        at = times[index]
    return at


def _strictly_inside(times: Sequence[int], first: int, last: int) -> bool:
    index = bisect_right(times, first)
    return index < len(times) and times[index] < last

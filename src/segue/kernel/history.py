"""What aggregates answer, and the instant at which each answer next changes by time alone.

Rule 1: windows are half-open, `(now - w, now]`: an event at t leaves at now == t + w. Entries are
    sorted, so the oldest inside is found by bisection.
Rule 2: nothing but leaving changes a window by time, so a count only falls. A count compared
    with a constant therefore changes its truth at one instant: when the entry leaves that
    stands just beyond the constant, counted from the newest. No other leaving matters.
Rule 3: time since an event grows all the time, so where it is compared the answer lowers
    `until` to the crossing, and where it is not, to the next millisecond.
Rule 4: each closure lowers `scene.until` to that instant and never raises it.
"""

import operator
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from math import ceil, floor, fsum
from typing import Any, Literal as OneOf, TypeAlias, assert_never

from segue.kernel import exact
from segue.kernel.expression import Fold, Touched
from segue.kernel.features import Ask, LinkedStream, Taken
from segue.kernel.profile import Sent, Tally, Trail
from segue.kernel.scene import Scene
from segue.kernel.values import NEVER, Value, number

Op: TypeAlias = OneOf["==", "!=", "<", "<=", ">", ">="]

COMPARE: Mapping[Op, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""Comparisons of two numbers."""
Times: TypeAlias = Callable[[Scene], Sequence[int]]
"""Instants in rising order."""

_HANDED_OVER = ("accepted", "delivered", "unknown", "shown")


def taken(fold: Fold, *, has_of: bool) -> Taken:
    """What a fold needs of each event."""
    match fold:
        case "sum" | "avg" | "min" | "max":
            return "number"
        case "distinct" | "repeats":
            return "different"
        case "first" | "last":
            return "value" if has_of else "event"
        case "count" | "since":
            return "event"
        case _:
            assert_never(fold)


# ── all time ────────────────────────────────────────────────────────────────────────


def over_all_time(fold: Fold, stream: LinkedStream) -> Ask:
    """The aggregate over everything that ever happened."""
    read = _READ[fold]
    empty = 0 if fold in ("count", "sum", "distinct") else None
    if fold == "since":
        return since(last_of(stream, 0))

    def ask(scene: Scene) -> Value:
        tally = scene.profile.tallies.get(stream.tally_key)
        return empty if tally is None else read(tally)

    return ask


def _first(tally: Tally) -> Value:
    return tally.first_at if tally.first is None else tally.first


def _last(tally: Tally) -> Value:
    return tally.last_at if tally.last is None else tally.last


_READ: dict[Fold, Callable[[Tally], Value]] = {
    "count": lambda tally: tally.count,
    "sum": lambda tally: exact.total(tally.parts),
    "avg": lambda tally: exact.total(tally.parts) / tally.count,
    "min": lambda tally: tally.low,
    "max": lambda tally: tally.high,
    "distinct": lambda tally: len(tally.different or ()),
    "first": _first,
    "last": _last,
    "since": lambda tally: tally.last_at,
}


# ── windows ─────────────────────────────────────────────────────────────────────────


def over_window(fold: Fold, stream: LinkedStream, window_ms: int) -> Ask:
    """The aggregate over `(now - window_ms, now]`."""
    if fold == "count":
        return count(times_of(stream), window_ms)
    if fold == "since":
        return since(last_of(stream, window_ms))
    empty = 0 if fold in ("sum", "distinct", "repeats") else None
    if fold in ("sum", "avg"):
        return _over_numbers(fsum if fold == "sum" else _mean, empty, stream, window_ms)
    look = _LOOK[fold]

    def ask(scene: Scene) -> Value:
        trail = scene.profile.trails.get(stream.trail_key)
        if trail is None:
            return empty
        times = trail.times
        inside = bisect_right(times, scene.now - window_ms)
        if inside == len(times):
            return empty
        value, leaver = look(trail, inside)
        leaves_at = times[leaver] + window_ms
        if leaves_at < scene.until:  # noqa: PLR1730 - `min` takes four times as long
            scene.until = leaves_at
        return value

    return ask


def _over_numbers(
    total: Callable[[list[float]], float], empty: Value, stream: LinkedStream, window_ms: int
) -> Ask:
    """A total of all the numbers inside: it may change when the oldest of them leaves."""

    def ask(scene: Scene) -> Value:
        trail = scene.profile.trails.get(stream.trail_key)
        if trail is None:
            return empty
        times, edge = trail.times, scene.now - window_ms
        inside = 0 if times[0] > edge else bisect_right(times, edge)
        if inside == len(times):
            return empty
        leaves_at = times[inside] + window_ms
        if leaves_at < scene.until:  # noqa: PLR1730 - `min` takes four times as long
            scene.until = leaves_at
        return total(_numbers(trail, inside))

    return ask


def _mean(numbers: list[float]) -> float:
    return fsum(numbers) / len(numbers)


def _min_inside(trail: Trail, inside: int) -> tuple[Value, int]:
    numbers = _numbers(trail, inside)
    return _extreme(numbers, min(numbers), inside)


def _max_inside(trail: Trail, inside: int) -> tuple[Value, int]:
    numbers = _numbers(trail, inside)
    return _extreme(numbers, max(numbers), inside)


def _extreme(numbers: list[float], found: float, inside: int) -> tuple[Value, int]:
    """An extreme stays until the newest of those that reach it leaves."""
    return float(found), inside + len(numbers) - 1 - numbers[::-1].index(found)


def _distinct_inside(trail: Trail, inside: int) -> tuple[Value, int]:
    """The number falls when the newest of any one value leaves."""
    values = _values(trail)[inside:]
    if bool not in set(map(type, values)):
        newest = dict(zip(values, range(inside, inside + len(values)), strict=True))
        return len(newest), min(newest.values())
    # To Python true is 1, to us it is another value.
    told = {(type(value) is bool, value): index for index, value in enumerate(values, inside)}
    return len(told), min(told.values())


def _repeats_inside(trail: Trail, inside: int) -> tuple[Value, int]:
    """The number falls when each of the values that come so often has lost its oldest."""
    often: dict[tuple[bool, Value], int] = {}
    oldest: dict[tuple[bool, Value], int] = {}
    for index, value in enumerate(_values(trail)[inside:], inside):
        told = (type(value) is bool, value)
        often[told] = often.get(told, 0) + 1
        oldest.setdefault(told, index)
    most = max(often.values())
    return most, max(oldest[told] for told, times in often.items() if times == most)


def _first_inside(trail: Trail, inside: int) -> tuple[Value, int]:
    """Of several at one instant, the one with the larger JSON stands last."""
    at = trail.times[inside]
    if trail.values is None:
        return at, inside
    return trail.values[bisect_right(trail.times, at) - 1], inside


def _last_inside(trail: Trail, _inside: int) -> tuple[Value, int]:
    newest = len(trail.times) - 1
    return (trail.times if trail.values is None else trail.values)[newest], newest


_LOOK: dict[Fold, Callable[[Trail, int], tuple[Value, int]]] = {
    "min": _min_inside,
    "max": _max_inside,
    "distinct": _distinct_inside,
    "repeats": _repeats_inside,
    "first": _first_inside,
    "last": _last_inside,
}
"""Each gives its value and the index of the entry whose leaving may change it."""


def _values(trail: Trail) -> Sequence[Value]:
    return trail.values or ()


def _numbers(trail: Trail, inside: int) -> list[float]:
    """The values inside; a stream that takes numbers keeps nothing else (`features.Taken`)."""
    values: Any = trail.values
    numbers: list[float] = values[inside:] if inside else values
    return numbers


# ── counts ──────────────────────────────────────────────────────────────────────────


def times_of(stream: LinkedStream) -> Times:
    """When the stream's events happened, as far as its trail knows."""

    def times(scene: Scene) -> Sequence[int]:
        trail = scene.profile.trails.get(stream.trail_key)
        return trail.times if trail else ()

    return times


def count(times_of: Times, window_ms: int) -> Ask:
    """How many lie inside the window."""

    def ask(scene: Scene) -> Value:
        times = times_of(scene)
        inside = bisect_right(times, scene.now - window_ms)
        if inside < len(times) and times[inside] + window_ms < scene.until:
            scene.until = times[inside] + window_ms
        return len(times) - inside

    return ask


def compare_count(op: Op, times_of: Times, window_ms: int, bound: float) -> Ask:
    """A count inside the window, compared with a constant."""
    match op:
        case ">=":
            return _more(times_of, window_ms, ceil(bound) - 1, True)
        case ">":
            return _more(times_of, window_ms, floor(bound), True)
        case "<":
            return _more(times_of, window_ms, ceil(bound) - 1, False)
        case "<=":
            return _more(times_of, window_ms, floor(bound), False)
        case "==":
            return _exactly(times_of, window_ms, bound, True)
        case "!=":
            return _exactly(times_of, window_ms, bound, False)
        case _:
            assert_never(op)


def least(op: Op, bound: float) -> int:
    """How many there must be at least for a number of them to compare so; 0 where none need be."""
    match op:
        case ">=" | "==":
            return max(ceil(bound), 0)
        case ">":
            return max(floor(bound) + 1, 0)
        case "<" | "<=" | "!=":
            return 0
        case _:
            assert_never(op)


def compare_trail(op: Op, stream: LinkedStream, window_ms: int, bound: float) -> Ask:
    """A count of a stream's events, compared with a constant: the commonest condition of all."""
    few = ceil(bound) - 1 if op in (">=", "<") else floor(bound)
    if op in ("==", "!=") or few < 0:
        return compare_count(op, times_of(stream), window_ms, bound)
    answer = op in (">=", ">")
    from_end = -1 - few

    def ask(scene: Scene) -> Value:
        # As `_more`, with one call less.
        trail = scene.profile.trails.get(stream.trail_key)
        if trail is None or len(times := trail.times) <= few:
            return not answer
        leaves_at = times[from_end] + window_ms
        if leaves_at <= scene.now:
            return not answer
        if leaves_at < scene.until:  # noqa: PLR1730 - `min` takes four times as long
            scene.until = leaves_at
        return answer

    return ask


def _more(times_of: Times, window_ms: int, few: int, answer: bool) -> Ask:
    """`answer` while more than `few` lie inside."""
    if few < 0:
        return lambda _scene: answer
    from_end = -1 - few

    def ask(scene: Scene) -> Value:
        times = times_of(scene)
        if len(times) <= few:
            return not answer
        leaves_at = times[from_end] + window_ms
        if leaves_at <= scene.now:
            return not answer
        if leaves_at < scene.until:  # noqa: PLR1730 - `min` takes four times as long
            scene.until = leaves_at
        return answer

    return ask


def _exactly(times_of: Times, window_ms: int, bound: float, answer: bool) -> Ask:
    """`answer` while exactly `bound` lie inside."""
    if bound < 0 or bound != floor(bound):
        return lambda _scene: not answer
    wanted = int(bound)

    def ask(scene: Scene) -> Value:
        times = times_of(scene)
        found = len(times) - bisect_right(times, scene.now - window_ms)
        leaver = wanted if found > wanted else wanted - 1
        if found >= wanted and leaver >= 0 and times[-1 - leaver] + window_ms < scene.until:
            scene.until = times[-1 - leaver] + window_ms
        return answer if found == wanted else not answer

    return ask


# ── sums and kinds against a constant ───────────────────────────────────────────────


def compare_sum(op: Op, stream: LinkedStream, window_ms: int, bound: float) -> Ask | None:
    """A sum inside the window, compared with a constant by order.

    Of amounts of which none is negative it only falls, so its truth changes once at most: when
    so many have left that it crosses the constant. Else it is asked whenever one leaves.
    """
    if op in ("==", "!="):
        return None
    holds = COMPARE[op]
    at_last = holds(0, bound)

    def ask(scene: Scene) -> Value:
        trail = scene.profile.trails.get(stream.trail_key)
        if trail is None:
            return at_last
        times, edge = trail.times, scene.now - window_ms
        inside = 0 if times[0] > edge else bisect_right(times, edge)
        if inside == len(times):
            return at_last
        numbers = _numbers(trail, inside)
        found = holds(fsum(numbers), bound)
        leaver = 0
        if min(numbers) >= 0:
            if found is at_last:
                return found
            leaver = _last_before(numbers, lambda rest: holds(fsum(rest), bound) is at_last)
        leaves_at = times[inside + leaver] + window_ms
        if leaves_at < scene.until:  # noqa: PLR1730 - `min` takes four times as long
            scene.until = leaves_at
        return found

    return ask


def _last_before(numbers: list[float], fallen: Callable[[list[float]], bool]) -> int:
    """The last number without whose leaving the rest has not fallen; nothing at all has."""
    low, high = 0, len(numbers)
    while high - low > 1:
        middle = (low + high) // 2
        if fallen(numbers[middle:]):
            high = middle
        else:
            low = middle
    return low


def compare_distinct(op: Op, stream: LinkedStream, window_ms: int, bound: float) -> Ask | None:
    """How many different values lie inside the window, compared with a constant.

    The n newest of them are all inside until the oldest of these leaves, and time brings no
    new one. So truth changes when the value leaves that is one too many, or the last needed.
    """
    exact = op in ("==", "!=")
    wanted = ceil(bound) if exact or op in (">=", "<") else floor(bound) + 1
    if wanted <= 0 or (exact and wanted != bound):
        return None
    answer = op in (">=", ">", "==")

    def ask(scene: Scene) -> Value:
        # No call but what Python has built in: most segments of this kind are asked at each view.
        trail = scene.profile.trails.get(stream.trail_key)
        if trail is None:
            return not answer
        times, values, edge = trail.times, trail.values or [], scene.now - window_ms
        if times[0] <= edge:
            values = values[bisect_right(times, edge) :]
        if len(values) < wanted:
            return not answer
        newest: list[Any] = values[::-1]
        different = list(dict.fromkeys(newest))
        if True in different or False in different:
            # To Python true is 1, to us it is another value.
            newest = [(type(one) is bool, one) for one in newest]
            different = list(dict.fromkeys(newest))
        if len(different) < wanted:
            return not answer
        too_many = exact and len(different) > wanted
        leaver = newest.index(different[wanted if too_many else wanted - 1])
        leaves_at = times[-1 - leaver] + window_ms
        if leaves_at < scene.until:  # noqa: PLR1730 - `min` takes four times as long
            scene.until = leaves_at
        return answer is not too_many

    return ask


# ── time since ──────────────────────────────────────────────────────────────────────


def last_of(stream: LinkedStream, window_ms: int) -> Callable[[Scene], int | None]:
    """When the stream's last event happened; a window of 0 is all time."""

    def ever(scene: Scene) -> int | None:
        tally = scene.profile.tallies.get(stream.tally_key)
        return None if tally is None else tally.last_at

    def lately(scene: Scene) -> int | None:
        trail = scene.profile.trails.get(stream.trail_key)
        if trail is None or (leaves_at := trail.times[-1] + window_ms) <= scene.now:
            return None
        if leaves_at < scene.until:  # noqa: PLR1730 - `min` takes four times as long
            scene.until = leaves_at
        return trail.times[-1]

    return lately if window_ms else ever


def since(last_of: Callable[[Scene], int | None]) -> Ask:
    """Milliseconds since the last event."""

    def ask(scene: Scene) -> Value:
        last = last_of(scene)
        if last is None:
            return None
        scene.until = min(scene.until, scene.now + 1)
        return scene.now - last

    return ask


def compare_since(op: Op, last_of: Callable[[Scene], int | None], bound_of: Ask) -> Ask:
    """Milliseconds since the last event, compared with anything."""
    inclusive = op in (">=", "<")
    point = op in ("==", "!=")
    later = op in (">=", ">")

    def ask(scene: Scene) -> Value:
        last, bound = last_of(scene), number(bound_of(scene))
        if last is None or bound is None:
            return op == "!="
        crosses_at = last + (ceil(bound) if inclusive or point else floor(bound) + 1)
        if point and crosses_at == scene.now:
            scene.until = min(scene.until, scene.now + 1)
            return (bound == floor(bound)) == (op == "==")
        if scene.now < crosses_at < scene.until:
            scene.until = crosses_at
        if point:
            return op == "!="
        return (scene.now >= crosses_at) == later

    return ask


def compare_since_constant(op: Op, last_of: Callable[[Scene], int | None], bound: float) -> Ask:
    """Milliseconds since the last event, compared with a constant: it is crossed once."""
    if op in ("==", "!="):
        return compare_since(op, last_of, lambda _scene: bound)
    takes_ms = ceil(bound) if op in (">=", "<") else floor(bound) + 1
    later = op in (">=", ">")

    def ask(scene: Scene) -> Value:
        last = last_of(scene)
        if last is None:
            return False
        crosses_at = last + takes_ms
        if crosses_at <= scene.now:
            return later
        if crosses_at < scene.until:  # noqa: PLR1730 - `min` takes four times as long
            scene.until = crosses_at
        return not later

    return ask


def compare_lasts(
    op: Op, last_of: Callable[[Scene], int | None], other_of: Callable[[Scene], int | None]
) -> Ask:
    """Compare when two streams last happened.

    What two `since` of one instant say of each other does not change as time goes by, but
    for the end of a window.
    """
    decide = COMPARE[op]

    def ask(scene: Scene) -> Value:
        last, other = last_of(scene), other_of(scene)
        if last is None or other is None:
            return op == "!="
        return decide(last, other)

    return ask


# ── messages ────────────────────────────────────────────────────────────────────────


def touches(node: Touched) -> Times:
    """When messages reached the profile so, in rising order."""
    messages, channels = frozenset(node.messages), frozenset(node.channels)
    instant = _TOUCHED_AT[node.state]

    def times(scene: Scene) -> Sequence[int]:
        return sorted(
            at
            for line in scene.profile.ledger
            if (not messages or line.message in messages)
            and (not channels or line.channel in channels)
            and (at := instant(line)) != NEVER
        )

    return times


_TOUCHED_AT: dict[str, Callable[[Sent], int]] = {
    "received": lambda line: line.at if line.state in _HANDED_OVER else NEVER,
    "shown": lambda line: line.at if line.state == "shown" else NEVER,
    "clicked": lambda line: line.clicked_at,
    "dismissed": lambda line: line.dismissed_at,
}

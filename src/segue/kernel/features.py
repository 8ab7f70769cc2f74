"""History folded as it happens: what each event leaves behind for the aggregates.

Rule 1: a stream is looked at once per event, when it arrives: its `where` and `of` see only
    the event. What it leaves is a *tally* (all time) or an entry in a *trail* (a window).
Rule 2: the order of arrival leaves no trace. Events are placed by when they happened; at one
    instant the value with the larger canonical JSON comes later in a trail, and is both
    `first` and `last` in a tally. So a late event counts where it belongs, and merging
    commutes, associates and loses nothing.
Rule 3: an event whose `of` is missing is not in the stream. `of` keeps plain values only:
    lists and records are missing, long texts are cut, whole floats are whole numbers.
Rule 4: what is kept is named by all that decides its content: the stream, what is taken, and
    for a trail its window, the longest in which the plan looks (`windows.py`). So another
    program either finds exactly what it needs, or nothing, and then `rebuild` computes it
    from the log.
Rule 5: an entry is dropped once it has left the longest window, `TRAIL_ENTRIES_MAX` are kept,
    and a tally knows `DIFFERENT_MAX` different values: those with the smallest digests.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from operator import itemgetter
from typing import Literal as OneOf, NamedTuple, TypeAlias

import msgspec

from segue.kernel import exact
from segue.kernel.calendar import UTC, Zone
from segue.kernel.expression import Stream
from segue.kernel.inputs import Event
from segue.kernel.limits import DIFFERENT_MAX, NUMBER_MAX, TRAIL_ENTRIES_MAX, VALUE_TEXT_MAX
from segue.kernel.profile import Profile, Tally, Trail
from segue.kernel.scene import Scene
from segue.kernel.values import Instant, Scalar, Value

Ask: TypeAlias = Callable[[Scene], Value]
"""A compiled expression."""

Taken: TypeAlias = OneOf["event", "number", "value", "different"]
"""What is taken of each event: nothing, a number to add up, a value, or that it differs."""

_WHOLE_BITS = 63
_canonical = msgspec.json.Encoder(order="sorted").encode


def digest(what: object) -> str:
    """A short name for a value: twelve hexadecimal digits of its canonical JSON's hash."""
    return blake2b(_canonical(what), digest_size=6).hexdigest()


def stream_key(stream: Stream) -> str:
    """The stream's name; the order of its events' names makes no difference."""
    return digest(msgspec.structs.replace(stream, events=tuple(sorted(set(stream.events)))))


FORGOT = 1
"""A bit beside those of what conditions read (`predicate.Linker`): a trail has dropped entries."""

NOT_IN: Value = ("not in the stream",)
"""In place of what a stream takes: it is not concerned."""


def _taker(taken: Taken, where: Ask | None, of: Ask | None) -> Ask | None:
    """What a stream takes of the scene's event, or `NOT_IN`; None where it always takes nothing."""
    if of is None:
        return None if where is None else lambda scene: None if where(scene) is True else NOT_IN
    kept = _amount if taken == "number" else plain

    def take(scene: Scene) -> Value:
        if where is not None and where(scene) is not True:
            return NOT_IN
        value = kept(of(scene))
        return NOT_IN if value is None else value

    return take


class LinkedStream:
    """A stream with its closures, and the names under which a profile keeps what it leaves."""

    __slots__ = (
        "bit",
        "events",
        "key",
        "of",
        "take",
        "taken",
        "tally_key",
        "trail_key",
        "where",
        "window_ms",
    )

    def __init__(
        self, stream: Stream, taken: Taken, bit: int, where: Ask | None, of: Ask | None
    ) -> None:
        self.key = stream_key(stream)
        self.events = frozenset(stream.events)
        self.taken = taken
        self.bit = bit
        self.where = where
        self.of = of
        self.take = _taker(taken, where, of)
        """What it takes of the scene's event; None where every event counts and gives nothing."""
        self.tally_key = ""
        """Empty where no aggregate looks at all time."""
        self.trail_key = ""
        """Empty where no aggregate looks at a window."""
        self.window_ms = 0

    def keep_all(self) -> None:
        """An aggregate looks at all time."""
        self.tally_key = digest(("tally", self.key, self.taken))

    def keep_within(self, window_ms: int) -> None:
        """Keep what lies in a window of this length; another length is another stream."""
        if window_ms > self.window_ms:
            self.window_ms = window_ms
            self.trail_key = digest(("trail", self.key, self.taken, window_ms))


class Floor(NamedTuple):
    """So many entries at least in the trail of a stream."""

    stream: LinkedStream
    entries: int


class Streams:
    """All streams of a program, found by the names of their events."""

    __slots__ = ("by_event", "keys", "wild", "windows")

    def __init__(self, streams: Iterable[LinkedStream]) -> None:
        every = tuple(streams)
        names = sorted({name for stream in every for name in stream.events})
        self.wild = tuple(stream for stream in every if not stream.events)
        """The streams of every event."""
        self.by_event: Mapping[str, tuple[LinkedStream, ...]] = {
            name: tuple(s for s in every if not s.events or name in s.events) for name in names
        }
        self.windows = {s.trail_key: s.window_ms for s in every if s.trail_key}
        self.keys = frozenset(self.windows) | {s.tally_key for s in every if s.tally_key}
        """The names of all that a profile keeps for this program."""


# ── what an event leaves ────────────────────────────────────────────────────────────


def fold(profile: Profile, event: Event, streams: Streams, scene: Scene) -> int:
    """Let the event leave its mark; the bits of the streams whose aggregates may have changed."""
    dirty, at, now, trails = 0, event.at, scene.now, profile.trails
    for stream in streams.by_event.get(event.name, streams.wild):
        take = stream.take
        value = None if take is None else take(scene)
        if value is NOT_IN:
            continue
        if stream.tally_key:
            _count(profile.tallies, stream, at, value)
            dirty |= stream.bit
        if stream.trail_key:
            dirty |= _trace(trails, stream, at, value, now)
    return dirty


def rebuild(
    profile: Profile,
    streams: Streams,
    history: Iterable[tuple[Event, Instant]],
    keys: Iterable[str],
    zone: Zone = UTC,
) -> None:
    """Compute what is kept under these names from the log: events with their arrival."""
    wanted = frozenset(keys)
    for key in wanted:
        profile.tallies.pop(key, None)
        profile.trails.pop(key, None)
    for event, arrived_at in history:
        scene = Scene(profile, arrived_at, zone, event)
        for stream in streams.by_event.get(event.name, streams.wild):
            tallied, trailed = stream.tally_key in wanted, stream.trail_key in wanted
            if not tallied and not trailed:
                continue
            value = None if stream.take is None else stream.take(scene)
            if value is NOT_IN:
                continue
            if tallied:
                _count(profile.tallies, stream, event.at, value)
            if trailed:
                _trace(profile.trails, stream, event.at, value, arrived_at)


def prune(profile: Profile, streams: Streams, now: Instant) -> None:
    """Drop what has left every window, and what no stream of the program keeps."""
    for key in [key for key in profile.tallies if key not in streams.keys]:
        del profile.tallies[key]
    for key, trail in list(profile.trails.items()):
        window_ms = streams.windows.get(key)
        gone = bisect_right(trail.times, now - window_ms) if window_ms else len(trail.times)
        if gone == len(trail.times):
            del profile.trails[key]
        else:
            _drop(trail, gone)


def plain(value: Value) -> Scalar:
    """The value as it is kept: one form for each plain value, None for what is not plain."""
    if isinstance(value, str):
        return value[:VALUE_TEXT_MAX]
    if isinstance(value, float):
        if value - value != 0:
            return None
        return int(value) if value.is_integer() and abs(value) < 1 << 53 else value
    if isinstance(value, int):
        if value.bit_length() <= _WHOLE_BITS:
            return value
        return float(value) if abs(value) <= NUMBER_MAX else None
    return None


def _amount(value: Value) -> float | int | None:
    """The value as it is kept, if it can be added up."""
    kept = plain(value)
    if (type(kept) is int or type(kept) is float) and -NUMBER_MAX <= kept <= NUMBER_MAX:
        return kept
    return None


def _count(tallies: dict[str, Tally], stream: LinkedStream, at: Instant, value: Value) -> None:
    tally = tallies.get(stream.tally_key)
    if tally is None:
        tally = tallies[stream.tally_key] = Tally()
    tally.count += 1
    if stream.taken == "number" and isinstance(value, int | float):
        amount = float(value)
        tally.parts = exact.add(tally.parts, amount)
        tally.low = amount if tally.low is None else min(tally.low, amount)
        tally.high = amount if tally.high is None else max(tally.high, amount)
    elif stream.taken == "different":
        _distinguish(tally, value)
    kept = value if stream.taken == "value" else None
    if at < tally.first_at or (at == tally.first_at and _larger(kept, tally.first)):
        tally.first_at, tally.first = at, kept
    if at > tally.last_at or (at == tally.last_at and _larger(kept, tally.last)):
        tally.last_at, tally.last = at, kept


def _distinguish(tally: Tally, value: Value) -> None:
    mark = blake2b(_canonical(value), digest_size=5).hexdigest()
    known = tally.different
    if known is None:
        known = tally.different = []
    index = bisect_left(known, mark)
    if index == len(known) or known[index] != mark:
        known.insert(index, mark)
        del known[DIFFERENT_MAX:]


def _larger(left: Value, right: Value) -> bool:
    return left is not None and _canonical(left) > _canonical(right)


def _trace(
    trails: dict[str, Trail], stream: LinkedStream, at: Instant, value: Value, now: Instant
) -> int:
    """Enter the event by when it happened, unless every window is over; the bits it touched."""
    edge = now - stream.window_ms
    if at <= edge:
        return 0
    trail = trails.get(stream.trail_key)
    if trail is None:
        trails[stream.trail_key] = Trail([at], None if stream.of is None else [value])
        return stream.bit
    times, values = trail.times, trail.values
    if times and times[-1] < at:
        times.append(at)
        if values is not None:
            values.append(value)
    else:
        index = bisect_right(times, at)
        if values is not None:
            rank = _canonical(value)
            while index and times[index - 1] == at and _canonical(values[index - 1]) > rank:
                index -= 1
        times.insert(index, at)
        if values is not None:
            values.insert(index, value)
    if times[0] > edge and len(times) <= TRAIL_ENTRIES_MAX:
        return stream.bit
    _drop(trail, max(bisect_right(times, edge), len(times) - TRAIL_ENTRIES_MAX))
    return stream.bit | FORGOT


def _drop(trail: Trail, entries: int) -> None:
    """Drop the oldest entries."""
    del trail.times[:entries]
    if trail.values is not None:
        del trail.values[:entries]


# ── merging ─────────────────────────────────────────────────────────────────────────


def merge_tally(left: Tally, right: Tally) -> Tally:
    """What one tally would be had it seen the events of both."""
    first = max((left, right), key=lambda one: (-one.first_at, _rank(one.first)))
    last = max((left, right), key=lambda one: (one.last_at, _rank(one.last)))
    lows = [one.low for one in (left, right) if one.low is not None]
    highs = [one.high for one in (left, right) if one.high is not None]
    different: list[str] | None = None
    if left.different is not None or right.different is not None:
        both = {*(left.different or ()), *(right.different or ())}
        different = sorted(both)[:DIFFERENT_MAX]
    return Tally(
        count=left.count + right.count,
        parts=exact.merge(left.parts, right.parts),
        low=min(lows, default=None),
        high=max(highs, default=None),
        first_at=first.first_at,
        first=first.first,
        last_at=last.last_at,
        last=last.last,
        different=different,
    )


def merge_trail(left: Trail, right: Trail) -> Trail:
    """What one trail would be had it seen the events of both."""
    if left.values is None or right.values is None:
        return Trail(sorted(left.times + right.times)[-TRAIL_ENTRIES_MAX:])
    entries = [
        (at, _canonical(value), value)
        for trail in (left, right)
        for at, value in zip(trail.times, trail.values or (), strict=True)
    ]
    entries.sort(key=itemgetter(0, 1))
    del entries[:-TRAIL_ENTRIES_MAX]
    return Trail([at for at, _, _ in entries], [value for _, _, value in entries])


def _rank(value: Value) -> bytes:
    return b"" if value is None else _canonical(value)

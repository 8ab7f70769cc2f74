"""Memberships kept live: who is in which segment, since when, and when that may change.

Rule 1: a segment is asked again only when something it reads has changed (its `needs` meet the
    dirty bits) or the instant has come at which time alone may change its answer.
Rule 2: segments may read segments. They are asked in an order in which each comes after those
    it reads; a change sets the segment's bit, and whoever reads it is asked in the same pass.
Rule 3: `segments_due` holds finite instants only. An event that leaves a window ends a
    membership at that very instant: hosts wake the profile then, nobody polls.
Rule 4: what an event does not touch costs nothing: which segments to ask is found by one
    look-up per dirty bit, however many segments there are.
Rule 5: a segment that needs so many entries of a trail (its floor) is not asked while there
    are fewer: it has no member then, and no time changes that. Nor was it otherwise before, as
    an event only adds to a trail. Where a trail has forgotten entries (`FORGOT`), or a
    membership is due, all are asked, so that nothing is kept of those that fell below.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from segue.kernel.calendar import UTC
from segue.kernel.features import FORGOT, Ask, Floor
from segue.kernel.plan import Segment
from segue.kernel.predicate import Linker
from segue.kernel.profile import Profile, Trail, create
from segue.kernel.remembered import Remembered
from segue.kernel.scene import Scene
from segue.kernel.trace import SegmentChanged
from segue.kernel.values import NEVER, Instant, ProfileId, Value

EVERYTHING = -1
"""As dirty bits: ask every segment."""


class Asked(NamedTuple):
    """A segment as it is asked."""

    place: int
    name: str
    ask: Ask


class Ladder(NamedTuple):
    """Segments that need entries of one trail, by how many they need (rule 5)."""

    trail_key: str
    needed: tuple[int, ...]
    """Rising."""
    asked: tuple[tuple[Asked, ...], ...]
    """Whom to ask, by how many of `needed` the trail reaches."""


class Inquiry(NamedTuple):
    """Segments to ask: those that need no trail, and those that wait for one to be long enough."""

    free: tuple[Asked, ...]
    ladders: tuple[Ladder, ...]


class LinkedSegment:
    """A segment with its closure."""

    __slots__ = ("ask", "ask_above", "bit", "floor", "mask", "name", "needs")

    def __init__(self, segment: Segment, linker: Linker, mask: int) -> None:
        self.name = segment.name
        condition = linker.compile(segment.when)
        self.floor = max(reversed(condition.floors), key=lambda one: one.entries, default=None)
        """What its members have in one trail at least: of several the highest, else the last."""
        self.ask_above = condition.ask
        """The question where the trail is known to reach the floor."""
        self.ask = condition.ask if self.floor is None else _above(self.floor, condition.ask)
        self.needs = condition.needs
        self.bit = linker.bit(f"segment:{segment.name}")
        self.mask = mask
        """The bit of its place in the order of asking."""


class Segments:
    """All segments in the order of asking, and who reads what."""

    __slots__ = (
        "_inquiries",
        "at",
        "every",
        "inside",
        "newborn",
        "ordered",
        "readers",
        "reading",
    )

    def __init__(self, ordered: Iterable[Segment], linker: Linker) -> None:
        self.ordered = tuple(
            LinkedSegment(segment, linker, 1 << place) for place, segment in enumerate(ordered)
        )
        self.inside = {segment.name: segment.mask for segment in self.ordered}
        """Each segment's place, as a bit."""
        self.every = (1 << len(self.ordered)) - 1
        self.readers: dict[int, int] = {}
        """For each bit of `needs`: the places of the segments that read it."""
        self.newborn = linker.bit("newborn")
        """What is dirty in a profile of which nothing is known yet (see `_open_at_birth`)."""
        self.readers[self.newborn] = _open_at_birth(self.ordered, linker.bit("event"))
        self.reading: Mapping[int, int] = Remembered(self._reading)
        """By dirty bits: the places of the segments that read one of them."""
        self.at: Mapping[int, tuple[Asked, ...]] = Remembered(self._at)
        """By their places: segments in the order of asking."""
        self._inquiries = Remembered(self._inquiry)

    def within_reach(self, places: int, trails: Mapping[str, Trail]) -> list[Asked]:
        """Those of these segments that trails of such a length allow, in the order of asking."""
        free, ladders = self._inquiries[places]
        waiting = list(free)
        for trail_key, needed, asked in ladders:
            trail = trails.get(trail_key)
            if trail is not None:
                waiting += asked[bisect_right(needed, len(trail.times))]
        waiting.sort()  # by their places, of which no two are alike
        return waiting

    def _reading(self, dirty: int) -> int:
        if dirty == EVERYTHING:
            return self.every
        places = 0
        for bit in _bits(dirty):
            places |= self.readers.get(bit, 0)
        return places

    def _at(self, places: int) -> tuple[Asked, ...]:
        chosen = (bit.bit_length() - 1 for bit in _bits(places))
        return tuple(Asked(at, self.ordered[at].name, self.ordered[at].ask) for at in chosen)

    def _inquiry(self, places: int) -> Inquiry:
        free: list[Asked] = []
        waiting: dict[str, list[tuple[int, Asked]]] = {}
        for place, name, ask in self.at[places]:
            segment = self.ordered[place]
            if segment.floor is None:
                free.append(Asked(place, name, ask))
            else:
                stream, entries = segment.floor
                one = Asked(place, name, segment.ask_above)
                waiting.setdefault(stream.trail_key, []).append((entries, one))
        return Inquiry(tuple(free), tuple(_ladder(key, each) for key, each in waiting.items()))


def _ladder(trail_key: str, waiting: list[tuple[int, Asked]]) -> Ladder:
    needed = tuple(sorted({entries for entries, _ in waiting}))
    asked = (
        tuple(one for entries, one in waiting if entries <= reached) for reached in (0, *needed)
    )
    return Ladder(trail_key, needed, tuple(asked))


def _above(floor: Floor, ask: Ask) -> Ask:
    """Ask only what the trail is long enough for."""
    stream, entries = floor

    def above(scene: Scene) -> Value:
        trail = scene.profile.trails.get(stream.trail_key)
        return trail is not None and len(trail.times) >= entries and ask(scene)

    return above


def _open_at_birth(ordered: Iterable[LinkedSegment], event_bit: int) -> int:
    """The places of the segments that a new profile may be in, or come to be in by time alone.

    The others answer no for every blank profile until something that they read has changed,
    and then they are asked for that. So what a program has of them costs a newcomer nothing.
    """
    scene = Scene(create(ProfileId(""), Instant(0)), Instant(0), UTC)
    places = 0
    for segment in ordered:
        scene.until = NEVER
        if segment.ask(scene) is True or scene.until < NEVER or segment.needs & event_bit:
            places |= segment.mask
    return places


def link(segments: Iterable[Segment], linker: Linker) -> Segments:
    """Order the segments and find out who reads what. They must not read in a circle."""
    by_name = {segment.name: segment for segment in segments}
    needs = {name: linker.compile(segment.when).needs for name, segment in by_name.items()}
    bits = {name: linker.bit(f"segment:{name}") for name in by_name}
    ordered: list[Segment] = []
    waiting = list(by_name)
    unplaced = 0
    for bit in bits.values():
        unplaced |= bit
    while waiting:
        ready = [name for name in waiting if not needs[name] & unplaced]
        assert ready, f"segments read each other in a circle: {waiting}"
        for name in ready:
            ordered.append(by_name[name])
            unplaced &= ~bits[name]
        waiting = [name for name in waiting if name not in ready]
    linked = Segments(ordered, linker)
    for segment in linked.ordered:
        for bit in _bits(needs[segment.name]):
            linked.readers[bit] = linked.readers.get(bit, 0) | segment.mask
    return linked


def refresh(
    profile: Profile, segments: Segments, scene: Scene, dirty: int
) -> tuple[list[SegmentChanged], int]:
    """Ask again what may have changed; the changes, and the bits of the segments that did."""
    changes: list[SegmentChanged] = []
    changed = 0
    due = profile.segments_due
    asked = segments.reading[dirty]
    now = scene.now
    only_grown = not dirty & FORGOT
    if due and min(due.values()) <= now:
        only_grown = False
        for name, at in due.items():
            if at <= now:
                asked |= segments.inside.get(name, 0)
    if not asked:
        return changes, changed
    before = scene.until
    members, readers = profile.segments, segments.readers
    waiting: Sequence[Asked] = (
        segments.within_reach(asked, profile.trails) if only_grown else segments.at[asked]
    )
    while waiting:
        further = 0
        for place, name, ask in waiting:
            scene.until = NEVER
            member = ask(scene) is True
            if (until := scene.until) < NEVER:
                due[name] = until
            elif name in due:
                del due[name]
            if member is (name in members):
                continue
            if member:
                members[name] = now
            else:
                del members[name]
            changes.append(SegmentChanged(segment=name, change="entered" if member else "left"))
            bit = segments.ordered[place].bit
            changed |= bit
            if further := readers.get(bit, 0) & ~asked:
                # Those that were to come anyway still come; the new ones take their place.
                asked |= further
                further = asked & (-2 << place)
                break
        waiting = segments.at[further]
    scene.until = before
    return changes, changed


def next_due(profile: Profile) -> Instant:
    """The earliest instant at which a membership may change by time alone."""
    return Instant(min(profile.segments_due.values(), default=NEVER))


def _bits(mask: int) -> Iterable[int]:
    while mask:
        bit = mask & -mask
        mask ^= bit
        yield bit

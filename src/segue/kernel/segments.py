"""Memberships kept live: who is in which segment, since when, and when that may change.

Rule 1: a segment is asked again only when something it reads has changed (its `needs` meet the
    dirty bits) or the instant has come at which time alone may change its answer.
Rule 2: segments may read segments. They are asked in an order in which each comes after those
    it reads; a change sets the segment's bit, and whoever reads it is asked in the same pass.
Rule 3: `segments_due` holds finite instants only. An event that leaves a window ends a
    membership at that very instant: hosts wake the profile then, nobody polls.
Rule 4: what an event does not touch costs nothing: which segments to ask is found by one
    look-up per dirty bit, however many segments there are.
"""

from collections.abc import Iterable
from typing import TypeAlias, TypeVar

from segue.kernel.calendar import UTC
from segue.kernel.features import Ask
from segue.kernel.limits import REMEMBERED_MAX
from segue.kernel.plan import Segment
from segue.kernel.predicate import Linker
from segue.kernel.profile import Profile, create
from segue.kernel.scene import Scene
from segue.kernel.trace import SegmentChanged
from segue.kernel.values import NEVER, Instant, ProfileId

EVERYTHING = -1
"""As dirty bits: ask every segment."""

Asked: TypeAlias = tuple[int, str, Ask]
_Known = TypeVar("_Known")


def _remember(known: dict[int, _Known], key: int, value: _Known) -> None:
    """Keep what follows from the program alone; forgetting it costs time only."""
    if len(known) >= REMEMBERED_MAX:
        known.clear()
    known[key] = value


class LinkedSegment:
    """A segment with its closure."""

    __slots__ = ("ask", "bit", "mask", "name", "needs")

    def __init__(self, segment: Segment, linker: Linker, mask: int) -> None:
        self.name = segment.name
        condition = linker.compile(segment.when)
        self.ask = condition.ask
        self.needs = condition.needs
        self.bit = linker.bit(f"segment:{segment.name}")
        self.mask = mask
        """The bit of its place in the order of asking."""


class Segments:
    """All segments in the order of asking, and who reads what."""

    __slots__ = ("_lists", "_reading", "every", "inside", "newborn", "ordered", "readers")

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
        self._reading: dict[int, int] = {}
        self._lists: dict[int, tuple[Asked, ...]] = {}

    def reading(self, dirty: int) -> int:
        """The places of the segments that read one of these bits; remembered, for they recur."""
        if dirty == EVERYTHING:
            return self.every
        places = self._reading.get(dirty)
        if places is None:
            places = 0
            for bit in _bits(dirty):
                places |= self.readers.get(bit, 0)
            _remember(self._reading, dirty, places)
        return places

    def at(self, places: int) -> "tuple[Asked, ...]":
        """Place, name and question of these segments, in the order of asking."""
        found = self._lists.get(places)
        if found is None:
            found = tuple(
                (place, self.ordered[place].name, self.ordered[place].ask)
                for place in (bit.bit_length() - 1 for bit in _bits(places))
            )
            _remember(self._lists, places, found)
        return found


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
    asked = segments.reading(dirty)
    if due and min(due.values()) <= scene.now:
        for name, at in due.items():
            if at <= scene.now:
                asked |= segments.inside.get(name, 0)
    if not asked:
        return changes, changed
    before = scene.until
    members, readers = profile.segments, segments.readers
    waiting = segments.at(asked)
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
                members[name] = scene.now
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
        waiting = segments.at(further)
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

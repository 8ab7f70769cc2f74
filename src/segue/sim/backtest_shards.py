"""A log cut into shards by customer, so that every core can answer one in virtual time.

Rule 1: `step` needs one profile, so customers may be answered in any order; but ids that may
    turn out to be one customer stay together. A first pass over the log unites all ids that
    ever stand in one event, and events that have one id, whosever they are.
Rule 2: how a log is cut depends on the log alone, never on the machine, and no result depends
    on how it was cut.
Rule 3: memory holds the ids, not the events: those lie in files, in order of arrival.
"""

import heapq
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from segue.connectors.files import Source
from segue.connectors.rows import Imported
from segue.kernel import identity
from segue.kernel.inputs import Consented, Event, Reported
from segue.kernel.values import NEVER, Instant
from segue.sim.limits import (
    EVENTS_PER_SHARD,
    PROFILES_PER_LOOK_MAX,
    SHARD_EVENTS_MIN,
    SHARD_FILES_OPEN_MAX,
    SHARDS_AT_LEAST,
    SHARDS_MAX,
)
from segue.stores.ports import Store

_LINES_PER_LOOK = 1_000
_FRAME = 8
"""Bytes before each entry: the number of its first name, and its length."""
_PARTS = 256
"""Parts in which repeated event ids are looked for, one after another."""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """What arrived at one instant for one customer, and where in which source it stood."""

    source: int
    line: int
    arrived_at: Instant
    inputs: tuple[Event | Consented | Reported, ...]
    user_id: str = ""
    anonymous_id: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


# ── where entries come from ─────────────────────────────────────────────────────────


def entry(one: Imported, source: int = 0) -> Entry:
    """What was read from a file."""
    event = one.event
    return Entry(
        source, one.line, one.arrived_at, (event, *one.also), event.user_id, event.anonymous_id
    )


def of_files(sources: Sequence[Source]) -> Iterator[Entry]:
    """Several files as one log, in order of arrival."""

    def entries(number: int, source: Source) -> Iterator[Entry]:
        return (entry(one, number) for one in source)

    return heapq.merge(*(entries(at, one) for at, one in enumerate(sources)), key=_when)


def of_store(store: Store, seen: Callable[[int], None] = lambda _: None) -> Iterator[Entry]:
    """What a store's event log holds, without what Segue itself made happen.

    A store keeps the last word on each consent and when it was said, not the earlier ones; so
    each is said at its instant. `seen` is told how many lines were read.
    """
    return heapq.merge(_logged(store, seen), _consents(store), key=_when)


def _logged(store: Store, seen: Callable[[int], None]) -> Iterator[Entry]:
    after, latest = 0, Instant(0)
    while lines := store.log(after, _LINES_PER_LOOK):
        for line in lines:
            event = line.event
            latest = max(latest, line.arrived_at)
            if not event.emitted:
                yield Entry(0, line.sequence, latest, (event,), event.user_id, event.anonymous_id)
        after = lines[-1].sequence
        seen(after)


def _consents(store: Store) -> Iterator[Entry]:
    said: list[Entry] = []
    after = ""
    while profiles := store.profiles(after, PROFILES_PER_LOOK_MAX):
        for profile in profiles:
            user = profile.user_ids[0] if profile.user_ids else ""
            anonymous = "" if user else next(iter(profile.anonymous_ids), "")
            for name, consent in profile.consents.items():
                channel, _, topic = name.partition("/")
                one = Consented(
                    channel=channel,
                    topic=topic,
                    state=consent.state,
                    at=consent.at,
                    source=consent.source,
                )
                if user or anonymous:
                    said.append(Entry(0, 0, consent.at, (one,), user, anonymous))
        after = profiles[-1].id
    said.sort(key=_when)
    return iter(said)


def _when(one: Entry) -> Instant:
    return one.arrived_at


# ── cutting ─────────────────────────────────────────────────────────────────────────


class Shard(msgspec.Struct, frozen=True):
    """A file of entries, in order of arrival."""

    path: str
    entries: int

    def __iter__(self) -> Iterator[Entry]:
        with Path(self.path).open("rb") as file:
            while head := file.read(_FRAME):
                yield _decode(file.read(int.from_bytes(head[4:], "little")))


class Cutter:
    """Takes a log entry by entry, and cuts it once all of it is known."""

    def __init__(self, folder: Path, shards: int | None = None) -> None:
        """`shards` is how many are cut, if the log itself is not to say."""
        self._folder = folder
        self._shards = shards
        self._names: dict[str, int] = {}
        self._parents = array("L")
        self._ids = [array("Q") for _ in range(_PARTS)]
        self._owners = [array("L") for _ in range(_PARTS)]
        self._spill = (folder / "log").open("wb", buffering=1 << 20)
        self.entries = 0
        self.first_at = NEVER
        self.last_at = Instant(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._spill.close()

    def add(self, one: Entry) -> None:
        """Keep an entry, and unite the ids that stand in it."""
        owner = -1
        if one.user_id:
            owner = self._named(f"u{one.user_id}")
        if one.anonymous_id:
            owner = self._unite(owner, self._named(f"a{one.anonymous_id}"))
        for said in one.inputs:
            if isinstance(said, Event):
                previous = identity.previous_id(said)
                if previous:
                    for name in (f"u{previous}", f"a{previous}"):
                        owner = self._unite(owner, self._named(name))
                self._note(said.id, max(owner, 0))
        body = _encode(one)
        head = max(owner, 0).to_bytes(4, "little") + len(body).to_bytes(4, "little")
        self._spill.write(head + body)
        self.entries += 1
        self.first_at = min(self.first_at, one.arrived_at)
        self.last_at = one.arrived_at

    def _named(self, name: str) -> int:
        number = self._names.setdefault(name, len(self._parents))
        if number == len(self._parents):
            self._parents.append(number)
        return number

    def _root(self, number: int) -> int:
        parents = self._parents
        while (parent := parents[number]) != number:
            parents[number] = number = parents[parent]
        return number

    def _unite(self, one: int, other: int) -> int:
        """The earlier of two is the root of both; -1 is nobody."""
        if one < 0:
            return other
        one, other = self._root(one), self._root(other)
        if one != other:
            one, other = min(one, other), max(one, other)
            self._parents[other] = one
        return one

    def _note(self, event_id: str, owner: int) -> None:
        data = event_id.encode("utf-8", "surrogatepass")
        digest = int.from_bytes(blake2b(data, digest_size=8).digest(), "little")
        self._ids[digest % _PARTS].append(digest)
        self._owners[digest % _PARTS].append(owner)

    def cut(self) -> list[Shard]:
        """Write the shards; the largest come first, so that no core waits long for the last."""
        self._spill.close()
        self._names.clear()
        self._unite_repeats()
        count = self._shards or shards_for(self.entries)
        places = self._places(count)
        shards: list[Shard] = []
        for first in range(0, count, SHARD_FILES_OPEN_MAX):
            shards += self._write(places, range(first, min(count, first + SHARD_FILES_OPEN_MAX)))
        (self._folder / "log").unlink()
        shards.sort(key=lambda one: (-one.entries, one.path))
        return [one for one in shards if one.entries]

    def _unite_repeats(self) -> None:
        """An event that comes twice counts once, also where the two name different customers."""
        if not self._parents:
            return
        for ids, owners in zip(self._ids, self._owners, strict=True):
            first: dict[int, int] = {}
            for digest, owner in zip(ids, owners, strict=True):
                before = first.setdefault(digest, owner)
                if before != owner:
                    self._unite(before, owner)
        self._ids.clear()
        self._owners.clear()

    def _places(self, count: int) -> "array[int]":
        """The shard of every name: united ones are dealt out in the order of their first."""
        places = array("L")
        dealt = 0
        for number, parent in enumerate(self._parents):
            if parent == number:
                places.append(dealt % count)
                dealt += 1
            else:
                places.append(places[self._root(number)])
        return places

    def _write(self, places: "array[int]", these: range) -> list[Shard]:
        paths = [self._folder / f"shard-{number:04d}" for number in these]
        counts = [0] * len(paths)
        files = [path.open("wb", buffering=1 << 16) for path in paths]
        try:
            with (self._folder / "log").open("rb", buffering=1 << 20) as log:
                for head, body in _frames(log):
                    owner = int.from_bytes(head[:4], "little")
                    place = places[owner] if places else 0
                    if place in these:
                        files[place - these.start].write(head + body)
                        counts[place - these.start] += 1
        finally:
            for file in files:
                file.close()
        return [Shard(str(path), many) for path, many in zip(paths, counts, strict=True)]


def _frames(log: BinaryIO) -> Iterable[tuple[bytes, bytes]]:
    while head := log.read(_FRAME):
        yield head, log.read(int.from_bytes(head[4:], "little"))


def shards_for(entries: int) -> int:
    """Into how many shards a log is cut (rule 2)."""
    wanted = -(-entries // EVENTS_PER_SHARD)
    several = min(SHARDS_AT_LEAST, -(-entries // SHARD_EVENTS_MIN))
    return max(1, min(SHARDS_MAX, max(wanted, several)))

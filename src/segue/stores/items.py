"""The catalog and who is interested in what, of the stores that live in memory.

Rule 1: an item that is put as it is already makes no line; equal means equal bytes.
Rule 2: an interest keeps the first and the last instant at which it was shown, so a merge of
    two, or another order of the same events, comes to the same.
Rule 3: `told` only rises: what a profile, or one that it absorbed, was told of it is not told
    of again.
"""

from collections.abc import Iterator, Sequence

import msgspec

from segue.kernel.catalog import Interest
from segue.kernel.values import NEVER, Instant, ProfileId, Record
from segue.stores import codec
from segue.stores.ports import Audience, Hearing, Item, ItemLine, Told

Key = tuple[str, str]
"""Catalog and item."""


class _Version(msgspec.Struct, frozen=True):
    """An item as it is."""

    number: int
    at: Instant
    body: bytes


class _Line(msgspec.Struct, frozen=True):
    """A line of the item log."""

    at: Instant
    key: Key
    before: bytes | None
    body: bytes | None


class _Shown(msgspec.Struct):
    """When an interest was shown, and what was told for it."""

    first_at: Instant
    at: Instant
    told: str = ""


class Items:
    """Every catalog, its log, and the interests of everyone."""

    def __init__(self) -> None:
        self._items: dict[Key, _Version] = {}
        self._log: list[_Line] = []
        self._interests: dict[Key, dict[ProfileId, dict[str, _Shown]]] = {}
        self._keys_of: dict[ProfileId, set[Key]] = {}

    def put(self, changes: Sequence[tuple[str, str, Record | None]], at: Instant) -> list[ItemLine]:
        """Change items; returns a line for each that is not as it was."""
        encoded = [
            ((catalog, name), None if fields is None else codec.items.encode(fields, name))
            for catalog, name, fields in changes
        ]
        first = len(self._log)
        for key, body in encoded:
            known = self._items.get(key)
            before = known.body if known else None
            if body == before:
                continue
            self._log.append(_Line(at, key, before, body))
            if body is None:
                del self._items[key]
            else:
                self._items[key] = _Version(len(self._log), at, body)
        return self.log(first, len(self._log))

    def item(self, catalog: str, name: str) -> Item | None:
        """An item as it is."""
        version = self._items.get((catalog, name))
        return None if version is None else _item((catalog, name), version)

    def page(self, catalog: str, after: str, limit: int) -> list[Item]:
        """Items of a catalog in order of id."""
        names = sorted(name for of, name in self._items if of == catalog and name > after)
        return [_item((catalog, name), self._items[catalog, name]) for name in names[:limit]]

    def catalogs(self) -> dict[str, int]:
        """How many items each catalog has."""
        counts: dict[str, int] = {}
        for catalog, _ in self._items:
            counts[catalog] = counts.get(catalog, 0) + 1
        return dict(sorted(counts.items()))

    def number(self) -> int:
        """The last line of the log."""
        return len(self._log)

    def log(self, after: int, limit: int) -> list[ItemLine]:
        """Changes in their order."""
        lines = self._log[after : after + limit]
        return [
            ItemLine(
                number, line.at, *line.key, before=_fields(line.before), fields=_fields(line.body)
            )
            for number, line in enumerate(lines, after + 1)
        ]

    # ── interests ──

    def show(self, profile: ProfileId, interests: Sequence[Interest]) -> None:
        """Note what a profile is interested in."""
        for one in interests:
            names = self._of(profile, (one.catalog, one.item))
            shown = names.get(one.name)
            if shown is None:
                names[one.name] = _Shown(one.at, one.at)
            else:
                shown.first_at = min(shown.first_at, one.at)
                shown.at = max(shown.at, one.at)

    def tell(self, profile: ProfileId, told: Sequence[Told]) -> None:
        """Note what a profile was told of."""
        for one in told:
            if (one.catalog, one.item) in self._keys_of.get(profile, ()):
                for shown in self._of(profile, (one.catalog, one.item)).values():
                    shown.told = max(shown.told, one.mark)

    def _of(self, profile: ProfileId, key: Key) -> dict[str, _Shown]:
        self._keys_of.setdefault(profile, set()).add(key)
        return self._interests.setdefault(key, {}).setdefault(profile, {})

    def absorb(self, absorbed: ProfileId, heir: ProfileId) -> None:
        """Give the heir what the absorbed profile is interested in."""
        for key in self._keys_of.pop(absorbed, ()):
            mine = self._of(heir, key)
            for name, shown in self._interests[key].pop(absorbed).items():
                other = mine.setdefault(name, shown)
                other.first_at = min(other.first_at, shown.first_at)
                other.at = max(other.at, shown.at)
                other.told = max(other.told, shown.told)

    def interested(self, audience: Audience, after: ProfileId, limit: int) -> list[ProfileId]:
        """Profiles of an audience, in order of id."""
        everyone = self._interests.get((audience.catalog, audience.item), {})
        return sorted(
            profile
            for profile, shown in everyone.items()
            if profile > after and _is_among(audience, shown)
        )[:limit]

    def forget(
        self, heard: Sequence[Hearing], most: int, after: ProfileId, limit: int
    ) -> ProfileId | None:
        """Drop what nothing asks for, of a page of profiles in order of id."""
        since = {(one.catalog, one.name): one.since for one in heard}
        page = sorted(one for one in self._keys_of if one > after)[:limit]
        for profile in page:
            rows = [
                (-shown.at, key, name)
                for key in self._keys_of[profile]
                for name, shown in self._interests[key][profile].items()
            ]
            rows.sort()
            kept = 0
            for at, key, name in rows:
                asked = since.get((key[0], name), NEVER)
                if -at > asked and kept < most:
                    kept += 1
                else:
                    self._drop(profile, key, name)
        return page[-1] if len(page) == limit else None

    def _drop(self, profile: ProfileId, key: Key, name: str) -> None:
        mine = self._interests[key][profile]
        del mine[name]
        if not mine:
            del self._interests[key][profile]
            self._keys_of[profile].discard(key)
        if not self._keys_of[profile]:
            del self._keys_of[profile]
        if not self._interests[key]:
            del self._interests[key]

    # ── the whole ──

    def rows(self) -> Iterator[tuple[str, *tuple[object, ...]]]:
        """Every row, each with its table's name first, in a fixed order."""
        for key, version in sorted(self._items.items()):
            yield ("item", *key, version.number, version.at, version.body)
        for number, line in enumerate(self._log, 1):
            yield ("item_line", number, *line.key, line.at, line.body)
        for profile, keys in sorted(self._keys_of.items()):
            for key in sorted(keys):
                for name, shown in sorted(self._interests[key][profile].items()):
                    said = (shown.first_at, shown.at, shown.told)
                    yield ("interest", profile, *key, name, *said)


def _is_among(audience: Audience, shown: dict[str, _Shown]) -> bool:
    if any(one.told >= audience.mark for one in shown.values()):
        return False
    return any(
        name in audience.names and one.at > audience.since and one.first_at <= audience.until
        for name, one in shown.items()
    )


def _fields(body: bytes | None) -> Record | None:
    return None if body is None else codec.items.decode(body)


def _item(key: Key, version: _Version) -> Item:
    return Item(*key, version.number, version.at, codec.items.decode(version.body, key[1]))

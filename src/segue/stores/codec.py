"""Versioned bytes: how profiles, events, effects, notes and plans are written down.

Rule 1: the first byte is the version of what follows; the rest is MessagePack.
Rule 2: what was ever written can be read for ever. A change that old bytes do not decode
    under (anything but a new field with a default) raises the version and adds an upcaster
    from the one before; `tests/golden/codec` holds bytes of every version.
Rule 3: equal facts give equal bytes. Keys of records and other mappings are sorted, because
    a merge, or another order of the same inputs, may insert them in another order. Sorting
    costs nothing that can be measured (docs/internals/storage.md has the numbers).
Rule 4: bytes that can't be read raise `StoreDamaged`, bytes of a later release `StoreTooNew`,
    and a value with no stored form `Unstorable`. Nothing else leaves this module.
"""

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import msgspec

from segue.errors import StoreDamaged, StoreTooNew, Unstorable
from segue.kernel.effects import Effect
from segue.kernel.inputs import Event
from segue.kernel.plan import Plan
from segue.kernel.profile import Profile
from segue.kernel.trace import Note
from segue.kernel.values import Record

Fact = TypeVar("Fact")
Upcaster = Callable[[object], object]
"""From plain values (dicts, lists, texts, numbers) of one version to those of the next."""

_encoder = msgspec.msgpack.Encoder(order="deterministic")
_plain = msgspec.msgpack.Decoder()


class Codec(Generic[Fact]):
    """Reads and writes one kind of fact; `upcasters` holds one function per older version."""

    def __init__(
        self,
        kind: str,
        decoder: "msgspec.msgpack.Decoder[Fact]",
        version: int = 1,
        upcasters: Mapping[int, Upcaster] | None = None,
    ) -> None:
        self.kind = kind
        self.version = version
        self._prefix = bytes([version])
        self._decoder = decoder
        self._upcasters = dict(upcasters or {})
        assert sorted(self._upcasters) == list(range(1, version)), "each step needs an upcaster"

    def encode(self, fact: Fact, of: str = "") -> bytes:
        """Write a fact down; `of` names the profile in case it can't be."""
        try:
            return self._prefix + _encoder.encode(fact)
        except (OverflowError, TypeError, ValueError, RecursionError) as error:
            raise Unstorable(of, f"{self.kind}: {error}") from None

    def decode(self, data: bytes, of: str = "") -> Fact:
        """Read what any release up to this one wrote."""
        version = data[0] if data else 0
        if version == self.version:
            try:
                return self._decoder.decode(memoryview(data)[1:])
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                raise self._damaged(of, str(error)) from None
        if version > self.version:
            raise StoreTooNew(
                f"{self.kind} of {of!r} has version {version}: this release reads "
                f"versions up to {self.version}"
            )
        return self._upcast(data, version, of)

    def _upcast(self, data: bytes, version: int, of: str) -> Fact:
        if version == 0:
            raise self._damaged(of, "no version")
        try:
            value: object = _plain.decode(memoryview(data)[1:])
            for step in range(version, self.version):
                value = self._upcasters[step](value)
            return self._decoder.decode(_encoder.encode(value))
        except (
            msgspec.MsgspecError,
            ArithmeticError,
            AssertionError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            raise self._damaged(of, str(error)) from None

    def _damaged(self, of: str, reason: str) -> StoreDamaged:
        return StoreDamaged(f"{self.kind} of {of!r} can't be read: {reason}")


profiles: Codec[Profile] = Codec("profile", msgspec.msgpack.Decoder(Profile))
events: Codec[Event] = Codec("event", msgspec.msgpack.Decoder(Event))
effects: Codec[Effect] = Codec("effect", msgspec.msgpack.Decoder(Effect))
notes: Codec[tuple[Note, ...]] = Codec("notes", msgspec.msgpack.Decoder(tuple[Note, ...]))
plans: Codec[Plan] = Codec("plan", msgspec.msgpack.Decoder(Plan))
items: Codec[Record] = Codec("item", msgspec.msgpack.Decoder(Record))
fields: Codec[dict[str, str]] = Codec("fields", msgspec.msgpack.Decoder(dict[str, str]))


def row(table: str, *values: object) -> bytes:
    """One row of a snapshot."""
    return _encoder.encode((table, *values))

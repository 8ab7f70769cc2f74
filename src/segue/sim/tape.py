"""What a world's tape holds: all that went in and all that came out, in order, as plain facts.

The recorder (`faults.py`) writes it, the auditor reads it; neither knows the other. Of a saved
profile only its id is on the tape: what the host believes is no evidence.
"""

from typing import TypeAlias

import msgspec

from segue.kernel.effects import CouponMove, Effect
from segue.kernel.inputs import Asked, Called, Consented, Event, Reported
from segue.kernel.plan import Plan
from segue.kernel.trace import Note
from segue.kernel.values import Record

Input: TypeAlias = Event | Asked | Reported | Consented | Called


class Given(msgspec.Struct, frozen=True):
    """One arrival: what was said, and whose it was said to be."""

    said: Input
    profile: str = ""
    user_id: str = ""
    anonymous_id: str = ""


class Kept(msgspec.Struct, frozen=True):
    """What one commit saved for one customer."""

    profile: str
    absorbed: tuple[str, ...]
    events: tuple[Event, ...]
    effects: tuple[Effect, ...]
    notes: tuple[Note, ...]
    moves: tuple[CouponMove, ...] = ()


class Published(msgspec.Struct, frozen=True):
    """A program came into force; `modes` says what becomes of the runs of older ones."""

    at: int
    name: str
    plan: Plan
    modes: dict[str, str] = {}


class Filled(msgspec.Struct, frozen=True):
    """Codes were imported into a coupon pool."""

    at: int
    pool: str
    codes: tuple[str, ...]


class Stocked(msgspec.Struct, frozen=True):
    """Items (catalog, id) became what these records say, or are there no more."""

    at: int
    items: tuple[tuple[str, str, Record | None], ...]


class Committed(msgspec.Struct, frozen=True):
    """One commit: what it answered, and what it saved."""

    at: int
    wakes: tuple[str, ...]
    adopts: tuple[str, ...]
    given: tuple[Given, ...]
    kept: tuple[Kept, ...]
    set_aside: int
    tells: tuple[tuple[str, str], ...] = ()
    """Who was told of an item: (profile, event id) each."""


class Claimed(msgspec.Struct, frozen=True):
    """Sends left the queue."""

    at: int
    sends: tuple[tuple[str, str], ...]
    """(profile, send id) each."""


class Handed(msgspec.Struct, frozen=True):
    """A provider got a message, and what it answered; `safe` says that it knows repeated keys."""

    at: int
    send: str
    channel: str
    outcome: str
    safe: bool


class Down(msgspec.Struct, frozen=True):
    """The host stood still (crashed, or its disk was full) from one instant to another."""

    since: int
    until: int
    why: str


class Told(msgspec.Struct, frozen=True):
    """A client's event was answered."""

    at: int
    event: str
    status: str


class Looked(msgspec.Struct, frozen=True):
    """Memberships as the store held them at an instant, by customer."""

    at: int
    members: dict[str, frozenset[str]]


class Ended(msgspec.Struct, frozen=True):
    """The end of a world: what the store's log and queue hold."""

    at: int
    log: tuple[tuple[str, str], ...]
    """(event id, profile) of each accepted event, emitted ones aside."""
    open_sends: tuple[str, ...]
    pools: dict[str, tuple[int, int]] = {}
    """Of each coupon pool: how many codes are free, and how many are handed out."""


Entry: TypeAlias = (
    Published | Filled | Stocked | Committed | Claimed | Handed | Down | Told | Looked | Ended
)


class Tape(msgspec.Struct):
    """A world's record, and what it was sent."""

    entries: list[Entry] = []
    sent: dict[str, bool] = {}
    """Every event id that a client sent: whether it can be stored at all."""

"""A batch as rows: what `commit` writes, grouped so that each statement runs over many.

Rule 1: everything is encoded before the lock is taken, so what can't be encoded costs no
    other writer anything.
Rule 2: each statement that could be stale counts what it changed; a count that is short
    means that the batch is refused, and only then is it asked whose fault it was.
Rule 3: the outcome is that of taking one `Saved` after another and its effects in order.
"""

import sqlite3
from collections.abc import Sequence

import msgspec

from segue.kernel.effects import Effect, Withdraw
from segue.kernel.profile import Profile
from segue.kernel.values import Instant, ProfileId
from segue.stores import codec
from segue.stores.outbox import address_of, place
from segue.stores.ports import Saved
from segue.stores.slots import of_coupon, of_identifier, slot_of

Row = tuple[object, ...]


class Stale(Exception):
    """Something of the batch did not match; the transaction must be rolled back."""


class Batch:
    """The rows of one commit."""

    def __init__(self, saved: Sequence[Saved]) -> None:
        self.saved = saved
        self._absorbed: list[tuple[int, ProfileId, int, int, ProfileId]] = []
        self._new: list[Row] = []
        self._changed: list[Row] = []
        self._pins: list[Row] = []
        self._links: list[Row] = []
        self._events: list[Row] = []
        self._traces: list[Row] = []
        self._told: list[Row] = []
        self._moves: list[tuple[str, Row]] = []
        self._interests: list[Row] = []
        self._told_of: list[Row] = []
        self._effects: list[tuple[list[Row], list[Row]]] = []
        """Rows to queue, then rows to withdraw; usually one pair, see `_effect`."""
        self._withdrawn: set[tuple[str, str]] = set()
        for each in saved:
            self._add(each)

    def _add(self, saved: Saved) -> None:
        profile = saved.profile
        heir = profile.id
        slot = slot_of(heir)
        for absorbed, version in zip(saved.absorbed, saved.absorbed_versions, strict=True):
            self._absorbed.append((slot_of(absorbed), absorbed, version, slot, heir))
        body = codec.profiles.encode(profile, heir)
        pins = _pins(profile)
        if saved.seen_version:
            seen = saved.seen_version
            self._changed.append((profile.wake_at, profile.program, body, slot, heir, seen))
            self._pins.append((pins, slot, heir))
        else:
            self._new.append((slot, heir, profile.wake_at, profile.program, pins, body))
        for link in saved.links:
            self._links.append((of_identifier(link), link.kind, link.value, heir))
        for event, at in saved.events:
            body = codec.events.encode(event, heir)
            self._events.append((slot, heir, at, event.id, event.emitted, body))
        for at, cause, notes in saved.traces:
            if notes:
                self._traces.append((slot, heir, at, cause, codec.notes.encode(notes, heir)))
        self._told += [(slot, heir, claim) for claim in saved.known_claims]
        for one in saved.interests:
            self._interests.append((slot, heir, one.catalog, one.item, one.name, one.at))
        self._told_of += [(one.mark, slot, heir, one.catalog, one.item) for one in saved.told]
        for move in saved.moves:
            statement = "hand_coupon" if move.change == "handed" else "return_coupon"
            code_slot = of_coupon(move.pool, move.code)
            self._moves.append((statement, (move.source, code_slot, move.pool, move.code)))
        for effect, at in saved.effects:
            self._effect(slot, heir, effect, at)

    def _effect(self, slot: int, profile: ProfileId, effect: Effect, at: Instant) -> None:
        if not self._effects:
            self._effects.append(([], []))
        queued, withdrawn = self._effects[-1]
        if isinstance(effect, Withdraw):
            withdrawn.append((at, effect.reason, slot, profile, effect.id))
            self._withdrawn.add((profile, effect.id))
            return
        new = place(effect, at)
        if new is None:
            return
        if (profile, new.id) in self._withdrawn:
            # What was withdrawn first and queued after must not be withdrawn after all.
            queued = list[Row]()
            self._effects.append((queued, []))
        body = codec.effects.encode(effect, profile)
        row = (slot, profile, new.id, new.channel, at, new.due_at, new.told, body)
        queued.append((*row, address_of(effect)))

    def save(self, db: sqlite3.Connection, sql: dict[str, str]) -> None:
        """Write every row inside the caller's transaction, or raise `Stale`."""
        for absorbed in self._absorbed:
            _absorb(db, sql, absorbed)
        _all(db, sql["insert_profile"], self._new)
        _all(db, sql["update_profile"], self._changed)
        _many(db, sql["update_pins"], self._pins)
        _many(db, sql["link"], self._links)
        try:
            _many(db, sql["insert_event"], self._events)
        except sqlite3.IntegrityError:
            raise Stale from None
        _many(db, sql["insert_trace"], self._traces)
        _many(db, sql["tell_claims"], self._told)
        _many(db, sql["insert_interest"], self._interests)
        _many(db, sql["tell_interest"], self._told_of)
        for statement, row in self._moves:
            if db.execute(sql[statement], row).rowcount != 1 and statement == "hand_coupon":
                raise Stale
        for queued, withdrawn in self._effects:
            _many(db, sql["queue"], queued)
            for row in withdrawn:
                if db.execute(sql["untold"], row[2:]).fetchone():
                    raise Stale
            _many(db, sql["withdraw"], withdrawn)


def stale(db: sqlite3.Connection, sql: dict[str, str], saved: Saved, back: set[str]) -> bool:
    """Whether something that this was decided from holds no longer; `back` are sends that the
    same commit would have put back into the queue.
    """
    seen = [(saved.profile.id, saved.seen_version)]
    seen += zip(saved.absorbed, saved.absorbed_versions, strict=True)
    for profile, version in seen:
        key = (slot_of(profile), profile)
        row = db.execute(sql["version"], key).fetchone()
        if (row[0] if row else 0) != version or db.execute(sql["heir"], key).fetchone():
            return True
    for event, _ in saved.events:
        if not event.emitted and db.execute(sql["seen"], (event.id,)).fetchone():
            return True
    for move in saved.moves:
        code = (of_coupon(move.pool, move.code), move.pool, move.code)
        row = db.execute(sql["coupon_source"], code).fetchone()
        if move.change == "handed" and (row is None or row[0] not in ("", move.source)):
            return True
    withdrawn = {effect.id for effect, _ in saved.effects if isinstance(effect, Withdraw)}
    for each in withdrawn.difference(saved.known_claims):
        for profile in (saved.profile.id, *saved.absorbed):
            row = db.execute(sql["untold"], (slot_of(profile), profile, each)).fetchone()
            if row and not (each in back and row[0] == "claimed"):
                return True
    return False


def _absorb(
    db: sqlite3.Connection, sql: dict[str, str], row: tuple[int, ProfileId, int, int, ProfileId]
) -> None:
    """Give the heir all that the absorbed profile has."""
    slot, absorbed, version, heir_slot, heir = row
    if version:
        _all(db, sql["absorb_profile"], [(slot, absorbed, version)])
    elif db.execute(sql["version"], (slot, absorbed)).fetchone():
        raise Stale
    db.execute(sql["move_heirs"], (heir, absorbed))
    try:
        db.execute(sql["insert_heir"], (slot, absorbed, heir))
    except sqlite3.IntegrityError:
        raise Stale from None
    db.execute(sql["move_links"], (heir, absorbed))
    move = (heir_slot, heir, slot, absorbed)
    for name in ("move_events", "move_traces", "move_outbox", "move_kept", "move_interests"):
        db.execute(sql[name], move)
    for name in ("drop_outbox", "drop_kept", "drop_interests"):
        db.execute(sql[name], (slot, absorbed))


def _pins(profile: Profile) -> str:
    """How many live runs are pinned to which program, as JSON; empty for none."""
    if not profile.runs:
        return ""
    pins: dict[str, int] = {}
    for run in profile.runs:
        pins[run.program] = pins.get(run.program, 0) + 1
    return msgspec.json.encode(pins, order="deterministic").decode()


def _many(db: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> None:
    if rows:
        db.executemany(statement, rows)


def _all(db: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> None:
    """Run a statement that changes one row each time, or is stale."""
    if rows:
        try:
            if db.executemany(statement, rows).rowcount != len(rows):
                raise Stale
        except sqlite3.IntegrityError:
            raise Stale from None

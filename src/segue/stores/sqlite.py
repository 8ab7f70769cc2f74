"""The embedded store: one SQLite file.

Rule 1: `commit` writes its whole batch in one transaction; nothing is decided here, the rows
    are made in `sqlite_batch`, the statements stand in `sql/sqlite`.
Rule 2: reads use connections of their own and never wait for a writer.
Rule 3: the store may be open in several processes (a host, and someone who asks why): what
    one commits, another sees, and a stale commit of either is refused.
"""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from segue.errors import StaleCommit
from segue.kernel.inputs import Reported
from segue.kernel.profile import Profile
from segue.kernel.values import NEVER, Instant, ProfileId, Record
from segue.stores import codec, migrate
from segue.stores.connections import Connections
from segue.stores.limits import FREE_BYTES_MIN, WAL_BYTES_MAX
from segue.stores.outbox import once
from segue.stores.ports import (
    Audience,
    Counts,
    CouponPool,
    Hearing,
    Identifier,
    Item,
    ItemLine,
    KeptMessage,
    Loaded,
    LoggedEvent,
    QueuedSend,
    Saved,
    SetAside,
    Settlement,
    TraceLine,
)
from segue.stores.slots import of_coupon, of_identifier, slot_of
from segue.stores.sqlite_batch import Batch, Stale, stale
from segue.stores.statements import queries

Value = TypeVar("Value")
_SQL = queries("sqlite")
_BY_STATE = {state: f"outbox_{state}" for state in ("queued", "claimed", "dead", "unknown")}


class SqliteStore:
    """Keeps everything in one SQLite file; upgrades an older file when it opens it."""

    def __init__(self, path: str | Path) -> None:
        self._files = Connections(Path(path))
        try:
            with self._files.alone() as db:
                migrate.recognise(db)
            self._files.log_ahead()
            with self._files.alone() as db:
                migrate.upgrade(db)
        except BaseException:
            self._files.close()
            raise

    # ── profiles ──

    def resolve(self, identifiers: Sequence[Identifier]) -> dict[Identifier, ProfileId]:
        found: dict[Identifier, ProfileId] = {}
        with self._files.reading() as db:
            for each in identifiers:
                key = (of_identifier(each), each.kind, each.value)
                for (profile,) in db.execute(_SQL["resolve"], key):
                    found[each] = profile
        return found

    def load(self, ids: Sequence[ProfileId]) -> dict[ProfileId, Loaded]:
        found: dict[ProfileId, Loaded] = {}
        profile_sql, claims_sql = _SQL["load_profile"], _SQL["load_claims"]
        with self._files.reading() as db:
            for each in ids:
                key = (slot_of(each), each)
                row = db.execute(profile_sql, key).fetchone()
                if row is not None:
                    version, body = row
                    claims = tuple(
                        Reported(send_id=send_id, outcome="claimed")
                        for (send_id,) in db.execute(claims_sql, key)
                    )
                    found[each] = Loaded(codec.profiles.decode(body, each), claims, version)
        return found

    def forward(self, ids: Sequence[ProfileId]) -> dict[ProfileId, ProfileId]:
        with self._files.reading() as db:
            heirs = {each: _heir(db, each) for each in ids}
        return {each: heir for each, heir in heirs.items() if heir != each}

    def seen(self, event_ids: Sequence[tuple[ProfileId, str]]) -> set[str]:
        statement = _SQL["seen"]
        with self._files.reading() as db:
            return {
                event_id
                for _, event_id in event_ids
                if db.execute(statement, (event_id,)).fetchone()
            }

    def commit(
        self,
        saved: Sequence[Saved],
        set_aside: Sequence[SetAside] = (),
        meta: dict[str, str] | None = None,
        settlements: Sequence[Settlement] = (),
    ) -> None:
        profiles: set[str] = set()
        events: set[str] = set()
        for each in saved:
            once(each, profiles, events)
        batch = Batch(saved)
        aside = [(each.at, each.source, each.code, each.reason, each.body) for each in set_aside]
        try:
            with self._files.writing() as db:
                for settlement in settlements:
                    _settle(db, settlement)
                batch.save(db, _SQL)
                if aside:
                    db.executemany(_SQL["insert_aside"], aside)
                if meta:
                    db.executemany(_SQL["set_meta"], meta.items())
        except Stale:
            raise self._refusal(saved, settlements) from None

    def _refusal(self, saved: Sequence[Saved], settlements: Sequence[Settlement]) -> StaleCommit:
        """Say whose state was stale. If that has changed again by now, suspect everyone."""
        back = {each.id for each in settlements if each.state == "queued"}
        with self._files.reading() as db:
            suspects = tuple(each.profile.id for each in saved if stale(db, _SQL, each, back))
        return StaleCommit(suspects or tuple(each.profile.id for each in saved))

    def due(self, now: Instant, limit: int) -> list[ProfileId]:
        return [profile for (profile,) in self._rows("due", now, limit)]

    def next_due(self) -> Instant:
        return self._one("next_due", NEVER)

    def outdated(self, program: str, after: ProfileId, limit: int) -> list[ProfileId]:
        return [profile for (profile,) in self._rows("outdated", after, program, limit)]

    def profiles(self, after: str = "", limit: int = 100) -> list[Profile]:
        rows = self._rows("profiles", after, limit)
        return [codec.profiles.decode(body, profile) for profile, body in rows]

    # ── the log ──

    def history(self, profile: ProfileId) -> list[LoggedEvent]:
        return [_line(row) for row in self._rows("history", slot_of(profile), profile)]

    def log(self, after: int = 0, limit: int = 1000) -> list[LoggedEvent]:
        return [_line(row) for row in self._rows("log", after, limit)]

    def traces(self, profile: ProfileId, limit: int = 1000) -> list[TraceLine]:
        rows = self._rows("traces", slot_of(profile), profile, limit)
        return [
            TraceLine(number, of, at, cause, codec.notes.decode(body, of))
            for number, of, at, cause, body in reversed(rows)
        ]

    # ── the outbox ──

    def claim(
        self, now: Instant, limit: int, by: str, channels: Sequence[str] | None = None
    ) -> list[QueuedSend]:
        if self.next_queued() > now:
            return []  # Most looks find nothing, and need no lock.
        with self._files.writing() as db:
            if channels is None:
                due = db.execute(_SQL["claimable"], (now, limit)).fetchall()
            else:
                names = msgspec.json.encode(list(channels)).decode()
                due = db.execute(_SQL["claimable_on"], (now, names, limit)).fetchall()
            db.executemany(_SQL["claim"], [(by, now, number) for (number,) in due])
            rows = [db.execute(_SQL["row"], number).fetchone() for number in due]
            return [_send(row) for row in rows]

    def settle(self, settlements: Sequence[Settlement]) -> None:
        if not settlements:
            return
        with self._files.writing() as db:
            for each in settlements:
                _settle(db, each)

    def abandoned(self, by: str) -> list[QueuedSend]:
        return [_send(row) for row in self._rows("abandoned", by)]

    def next_queued(self) -> Instant:
        return self._one("next_queued", NEVER)

    def outbox(
        self, state: str | None = None, profile: ProfileId | None = None, limit: int = 100
    ) -> list[QueuedSend]:
        if profile is not None:
            rows = self._rows("outbox_of_profile", slot_of(profile), profile, state, limit)
        elif state in _BY_STATE:
            rows = self._rows(_BY_STATE[state], limit)
        else:
            rows = self._rows("outbox", state, limit)
        return [_send(row) for row in rows]

    def sends_named(self, provider_ids: Sequence[str]) -> dict[str, tuple[ProfileId, str]]:
        found: dict[str, tuple[ProfileId, str]] = {}
        with self._files.reading() as db:
            for name in dict.fromkeys(provider_ids):
                row = db.execute(_SQL["sends_named"], (name,)).fetchone()
                if row is not None:
                    found[name] = (row[0], row[1])
        return found

    def reached(self, channel: str, address: str) -> list[ProfileId]:
        return [profile for (profile,) in self._rows("reached", address, channel)]

    def retry(self, ids: Sequence[str], now: Instant) -> int:
        if not ids:
            return 0
        with self._files.writing() as db:
            rows = [(now, each) for each in dict.fromkeys(ids)]
            return db.executemany(_SQL["retry"], rows).rowcount

    # ── coupons ──

    def add_coupons(self, pool: str, codes: Sequence[str], at: Instant) -> int:
        rows = [(of_coupon(pool, code), pool, code, at) for code in codes]
        with self._files.writing() as db:
            before = db.total_changes
            db.executemany(_SQL["add_coupon"], rows)
            return db.total_changes - before

    def free_coupons(self, pool: str, limit: int) -> list[str]:
        return [code for (code,) in self._rows("free_coupons", pool, limit)]

    def coupon_pools(self) -> list[CouponPool]:
        return [CouponPool(*row) for row in self._rows("coupon_pools")]

    # ── the catalog ──

    def put_items(
        self, changes: Sequence[tuple[str, str, Record | None]], at: Instant
    ) -> list[ItemLine]:
        encoded = [
            (catalog, name, None if fields is None else codec.items.encode(fields, name))
            for catalog, name, fields in changes
        ]
        with self._files.writing() as db:
            lines = [_put_item(db, *each, at) for each in encoded]
        return [_item_line(row) for row in lines if row is not None]

    def item(self, catalog: str, name: str) -> Item | None:
        return next(map(_item, self._rows("item", catalog, name)), None)

    def items(self, catalog: str, after: str = "", limit: int = 1000) -> list[Item]:
        return [_item(row) for row in self._rows("items", catalog, after, limit)]

    def catalogs(self) -> dict[str, int]:
        return dict(self._rows("catalogs"))

    def item_number(self) -> int:
        return self._one("item_number", 0)

    def item_log(self, after: int = 0, limit: int = 1000) -> list[ItemLine]:
        return [_item_line(row) for row in self._rows("item_log", after, limit)]

    def interested(self, audience: Audience, after: ProfileId, limit: int) -> list[ProfileId]:
        names = msgspec.json.encode(audience.names).decode()
        of = (audience.catalog, audience.item, after, names)
        when = (audience.since, audience.until, audience.mark)
        return [profile for (profile,) in self._rows("interested", *of, *when, limit)]

    def forget_interests(
        self, heard: Sequence[Hearing], most: int, after: ProfileId, limit: int
    ) -> ProfileId | None:
        asked = msgspec.json.encode([(one.catalog, one.name, one.since) for one in heard]).decode()
        before = (slot_of(after), after) if after else (-1, "")
        page = list(self._rows("profiles_with_interests", *before, limit))
        with self._files.writing() as db:
            db.executemany(_SQL["forget_interests"], [(*one[:2], asked) for one in page])
            for *whose, many in page:
                if many > most:
                    older = db.execute(_SQL["older_interests"], (*whose, most)).fetchall()
                    db.executemany(_SQL["forget_interest"], older)
        return ProfileId(page[-1][1]) if len(page) == limit else None

    # ── programs, the sandbox, what was set aside ──

    def save_program(self, name: str, plan: bytes, at: Instant) -> None:
        with self._files.writing() as db:
            db.execute(_SQL["save_program"], (name, at, plan))

    def program(self, name: str) -> bytes | None:
        nothing: bytes | None = None
        return self._one("program", nothing, name)

    def current_program(self) -> str:
        return self._one("current_program", "")

    def programs_in_use(self) -> dict[str, int]:
        runs: dict[str, int] = {}
        for pins, profiles in self._rows("pinned"):
            for program, count in msgspec.json.decode(pins, type=dict[str, int]).items():
                runs[program] = runs.get(program, 0) + count * profiles
        return dict(sorted(runs.items()))

    def keep(self, messages: Sequence[KeptMessage]) -> None:
        if not messages:
            return
        with self._files.writing() as db:
            for each in messages:
                heir = _heir(db, each.profile)
                fields = codec.fields.encode(each.fields, each.profile)
                said = (each.at, each.channel, each.address, each.message, fields)
                db.execute(_SQL["keep"], (slot_of(heir), heir, each.id, *said, each.simulated))

    def kept(self, profile: ProfileId | None = None, limit: int = 100) -> list[KeptMessage]:
        if profile is None:
            rows = self._rows("kept", limit)
        else:
            rows = self._rows("kept_of_profile", slot_of(profile), profile, limit)
        return [_message(row) for row in rows]

    def set_aside(self, limit: int = 100) -> list[tuple[int, SetAside]]:
        return [_aside(row) for row in self._rows("aside", limit)]

    # ── the whole ──

    def meta(self, name: str) -> str:
        return self._one("meta", "", name)

    def counts(self) -> Counts:
        (row,) = self._rows("counts")
        return Counts(**dict(zip(Counts.__struct_fields__, row, strict=True)))

    def snapshot(self) -> Iterator[bytes]:
        with self._files.reading() as db:
            db.execute("BEGIN")
            try:
                yield from _snapshot(db)
            finally:
                db.execute("COMMIT")

    def check(self) -> list[str]:
        """What is wrong with the file or close to it, in sentences; empty if all is well."""
        path = self._files.path
        with self._files.reading() as db:
            found = [text for (text,) in db.execute("PRAGMA integrity_check") if text != "ok"]
            version = migrate.version(db)
        if version != migrate.VERSION:
            found.append(f"the schema is version {version}, this release has {migrate.VERSION}")
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size > 10 * WAL_BYTES_MAX:
            found.append(f"{wal} has {wal.stat().st_size >> 20} MB: a reader holds it open")
        free = shutil.disk_usage(path.parent).free
        if free < FREE_BYTES_MIN:
            found.append(f"{free >> 20} MB are free on the disk of {path}")
        return found

    def close(self) -> None:
        """Let go of the file; nothing committed is lost."""
        self._files.close()

    def _rows(self, name: str, *values: object) -> list[Any]:
        with self._files.reading() as db:
            return db.execute(_SQL[name], values).fetchall()

    def _one(self, name: str, default: Value, *values: object) -> Value:
        """The one value that a statement gives, or the default; the schema vouches for its type."""
        with self._files.reading() as db:
            row = db.execute(_SQL[name], values).fetchone()
        return default if row is None else cast(Value, row[0])


def _heir(db: sqlite3.Connection, profile: ProfileId) -> ProfileId:
    row = db.execute(_SQL["heir"], (slot_of(profile), profile)).fetchone()
    return cast(ProfileId, row[0]) if row else profile


def _settle(db: sqlite3.Connection, each: Settlement) -> None:
    profile = _heir(db, each.profile)
    key = (slot_of(profile), profile, each.id)
    said = (each.detail, each.provider_id)
    if each.state == "queued":
        db.execute(_SQL["settle_again"], (*said, each.due_at, *key))
    else:
        db.execute(_SQL["settle"], (each.state, each.at, *said, *key))


def _put_item(
    db: sqlite3.Connection, catalog: str, name: str, body: bytes | None, at: Instant
) -> Any:
    """Change one item; the row of its line, or None where it is so already."""
    known = db.execute(_SQL["item_body"], (catalog, name)).fetchone()
    before = known[0] if known else None
    if body == before:
        return None
    number = db.execute(_SQL["insert_item_line"], (catalog, name, at, body)).lastrowid
    if body is None:
        db.execute(_SQL["delete_item"], (catalog, name))
    else:
        db.execute(_SQL["put_item"], (catalog, name, number, at, body))
    return number, at, catalog, name, before, body


def _item(row: Any) -> Item:
    catalog, name, number, at, body = row
    return Item(catalog, name, number, at, codec.items.decode(body, name))


def _item_line(row: Any) -> ItemLine:
    number, at, catalog, name, before, body = row
    return ItemLine(number, at, catalog, name, _fields(before, name), _fields(body, name))


def _fields(body: bytes | None, of: str) -> Record | None:
    return None if body is None else codec.items.decode(body, of)


def _line(row: Any) -> LoggedEvent:
    sequence, profile, arrived_at, body = row
    return LoggedEvent(sequence, profile, arrived_at, codec.events.decode(body, profile))


def _send(row: Any) -> QueuedSend:
    send_id, profile, body, state, queued_at, due_at, attempts, by, claimed_at, *rest = row
    settled_at, detail, provider_id = rest
    return QueuedSend(
        id=send_id,
        profile=profile,
        effect=codec.effects.decode(body, profile),
        state=state,
        queued_at=queued_at,
        due_at=due_at,
        attempts=attempts,
        claimed_by=by,
        claimed_at=claimed_at,
        settled_at=settled_at,
        detail=detail,
        provider_id=provider_id,
    )


def _message(row: Any) -> KeptMessage:
    message_id, profile, at, channel, address, message, fields, simulated = row
    return KeptMessage(
        id=message_id,
        profile=profile,
        at=at,
        channel=channel,
        address=address,
        message=message,
        fields=codec.fields.decode(fields, profile),
        simulated=bool(simulated),
    )


def _aside(row: Any) -> tuple[int, SetAside]:
    number, at, source, code, reason, body = row
    return number, SetAside(at=at, source=source, code=code, reason=reason, body=body)


def _snapshot(db: sqlite3.Connection) -> Iterator[bytes]:
    for table in ("profile", "heir", "link", "event", "trace"):
        for row in _everything(db, table):
            yield codec.row(table, *row)
    for row in _everything(db, "outbox"):
        *shown, channel, told = row
        yield codec.row("outbox", _send(shown), channel, told, row[2])
    for row in _everything(db, "coupon"):
        yield codec.row("coupon", *row)
    for table in ("item", "item_line", "interest"):
        for row in _everything(db, table):
            yield codec.row(table, *row)
    for name, at, plan, current in _everything(db, "program"):
        yield codec.row("program", name, at, plan, bool(current))
    for row in _everything(db, "kept"):
        yield codec.row("kept", _message(row))
    for row in _everything(db, "aside"):
        number, aside = _aside(row)
        yield codec.row("aside", number, aside)
    for row in _everything(db, "meta"):
        yield codec.row("meta", *row)


def _everything(db: sqlite3.Connection, table: str) -> Iterable[Any]:
    plural = {"outbox": "outbox", "kept": "kept", "aside": "aside", "meta": "meta"}
    return db.execute(_SQL[f"all_{plural.get(table, table + 's')}"])

"""The oracle: everything in dictionaries, every answer by looking at everything.

Rule 1: nothing here is fast and everything is plain; other stores must agree with it.
Rule 2: profiles, events, effects and notes are kept as bytes, so nobody can change what was
    saved through an alias, and what has no stored form is refused here too.
Rule 3: `commit` looks at everything that could refuse a batch before it changes anything.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from segue.errors import StaleCommit
from segue.kernel.effects import Effect, Withdraw
from segue.kernel.inputs import Reported
from segue.kernel.profile import Profile
from segue.kernel.values import NEVER, Instant, ProfileId, Record
from segue.stores import codec
from segue.stores.coupons import Coupons
from segue.stores.items import Items
from segue.stores.outbox import UNTOLD, address_of, on_claim, on_known, on_return, once, place
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

Line = TypeVar("Line")


class _Row(msgspec.Struct):
    """A row of the outbox; its effect as bytes."""

    send: QueuedSend
    effect: bytes
    channel: str
    told: int


class _Line(msgspec.Struct, frozen=True):
    """A line of the log."""

    profile: ProfileId
    arrived_at: Instant
    id: str
    emitted: bool
    body: bytes


class _Trace(msgspec.Struct, frozen=True):
    """A line of the traces."""

    profile: ProfileId
    at: Instant
    cause: str
    body: bytes


class _Encoded(msgspec.Struct, frozen=True):
    """One `Saved`, its facts as bytes."""

    saved: Saved
    profile: bytes
    events: list[_Line]
    effects: list[tuple[Effect, Instant, bytes]]
    traces: list[_Trace]


class MemoryStore:
    """Keeps everything in memory, for tests, for replays, and as the measure of other stores."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._profiles: dict[ProfileId, tuple[int, bytes]] = {}
        self._heirs: dict[ProfileId, ProfileId] = {}
        self._links: dict[Identifier, ProfileId] = {}
        self._log: list[_Line] = []
        self._traces: list[_Trace] = []
        self._outbox: list[_Row] = []
        self._programs: dict[str, tuple[Instant, bytes]] = {}
        self._current = ""
        self._kept: list[KeptMessage] = []
        self._aside: list[SetAside] = []
        self._meta: dict[str, str] = {}
        self._coupons = Coupons()
        self._items = Items()

    # ── profiles ──

    def resolve(self, identifiers: Sequence[Identifier]) -> dict[Identifier, ProfileId]:
        with self._lock:
            return {each: self._links[each] for each in identifiers if each in self._links}

    def load(self, ids: Sequence[ProfileId]) -> dict[ProfileId, Loaded]:
        with self._lock:
            return {each: self._loaded(each) for each in ids if each in self._profiles}

    def _loaded(self, profile: ProfileId) -> Loaded:
        version, body = self._profiles[profile]
        claims = tuple(
            Reported(send_id=row.send.id, outcome="claimed")
            for row in self._outbox
            if row.send.profile == profile and row.told == UNTOLD
        )
        return Loaded(codec.profiles.decode(body, profile), claims, version)

    def forward(self, ids: Sequence[ProfileId]) -> dict[ProfileId, ProfileId]:
        with self._lock:
            return {each: self._heirs[each] for each in ids if each in self._heirs}

    def seen(self, event_ids: Sequence[tuple[ProfileId, str]]) -> set[str]:
        with self._lock:
            known = {line.id for line in self._log if not line.emitted}
            return {event_id for _, event_id in event_ids if event_id in known}

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
        batch = [_encode(each) for each in saved]
        with self._lock:
            back = {each.id for each in settlements if each.state == "queued"}
            stale = tuple(each.profile.id for each in saved if self._stale(each, back))
            if not stale and self._coupons.refuses([m for each in saved for m in each.moves]):
                stale = tuple(each.profile.id for each in saved if each.moves)
            if stale:
                raise StaleCommit(stale)
            self.settle(settlements)
            for encoded in batch:
                self._save(encoded)
            self._aside += set_aside
            self._meta |= meta or {}

    def _stale(self, saved: Saved, back: set[str]) -> bool:
        """Whether something that this was decided from holds no longer; `back` are sends that
        this commit puts back into the queue.
        """
        seen = [(saved.profile.id, saved.seen_version)]
        seen += zip(saved.absorbed, saved.absorbed_versions, strict=True)
        for profile, version in seen:
            if profile in self._heirs or self._version(profile) != version:
                return True
        known = {line.id for line in self._log if not line.emitted}
        if any(event.id in known and not event.emitted for event, _ in saved.events):
            return True
        withdrawn = {effect.id for effect, _ in saved.effects if isinstance(effect, Withdraw)}
        return any(
            row.send.profile in (saved.profile.id, *saved.absorbed)
            and row.told == UNTOLD
            and row.send.id in withdrawn - set(saved.known_claims)
            and not (row.send.id in back and row.send.state == "claimed")
            for row in self._outbox
        )

    def _version(self, profile: ProfileId) -> int:
        return self._profiles[profile][0] if profile in self._profiles else 0

    def _save(self, encoded: _Encoded) -> None:
        saved = encoded.saved
        heir = saved.profile.id
        for absorbed in saved.absorbed:
            self._absorb(absorbed, heir)
        self._profiles[heir] = (saved.seen_version + 1, encoded.profile)
        for identifier in saved.links:
            self._links[identifier] = heir
        self._log += encoded.events
        self._traces += encoded.traces
        for row in self._outbox:
            if row.send.profile == heir and row.send.id in saved.known_claims:
                row.told = on_known(row.told)
        self._coupons.apply(saved.moves)
        self._items.show(heir, saved.interests)
        self._items.tell(heir, saved.told)
        for effect, at, body in encoded.effects:
            if isinstance(effect, Withdraw):
                self._withdraw(heir, effect, at)
            else:
                self._queue(heir, effect, at, body)

    def _queue(self, profile: ProfileId, effect: Effect, at: Instant, body: bytes) -> None:
        new = place(effect, at)
        if new is None or self._row(profile, new.id) is not None:
            return
        send = QueuedSend(
            id=new.id,
            profile=profile,
            effect=codec.effects.decode(body, profile),
            state="queued",
            queued_at=at,
            due_at=new.due_at,
        )
        self._outbox.append(_Row(send, body, new.channel, new.told))

    def _withdraw(self, profile: ProfileId, effect: Withdraw, at: Instant) -> None:
        row = self._row(profile, effect.id)
        if row is not None and row.send.state == "queued":
            row.send = msgspec.structs.replace(
                row.send, state="cancelled", settled_at=at, detail=effect.reason
            )

    def _row(self, profile: ProfileId, send_id: str) -> _Row | None:
        for row in self._outbox:
            if row.send.profile == profile and row.send.id == send_id:
                return row
        return None

    def _absorb(self, absorbed: ProfileId, heir: ProfileId) -> None:
        """Give the heir all that the absorbed profile has."""
        self._profiles.pop(absorbed, None)
        self._items.absorb(absorbed, heir)
        self._heirs = {k: heir if v == absorbed else v for k, v in self._heirs.items()}
        self._heirs[absorbed] = heir
        self._links = {k: heir if v == absorbed else v for k, v in self._links.items()}
        self._log = [_moved(line, absorbed, heir) for line in self._log]
        self._traces = [_moved(line, absorbed, heir) for line in self._traces]
        had = {kept.id for kept in self._kept if kept.profile == heir}
        self._kept = [
            _moved(kept, absorbed, heir)
            for kept in self._kept
            if kept.profile != absorbed or kept.id not in had
        ]
        theirs = {row.send.id for row in self._outbox if row.send.profile == heir}
        self._outbox = [
            row for row in self._outbox if row.send.profile != absorbed or row.send.id not in theirs
        ]
        for row in self._outbox:
            row.send = _moved(row.send, absorbed, heir)

    def due(self, now: Instant, limit: int) -> list[ProfileId]:
        with self._lock:
            waiting = sorted((p.wake_at, p.id) for p in self._decoded() if p.wake_at <= now)
            return [profile for at, profile in waiting if at < NEVER][:limit]

    def next_due(self) -> Instant:
        with self._lock:
            return min((p.wake_at for p in self._decoded()), default=NEVER)

    def outdated(self, program: str, after: ProfileId, limit: int) -> list[ProfileId]:
        with self._lock:
            return [p.id for p in self._decoded() if p.id > after and p.program != program][:limit]

    def profiles(self, after: str = "", limit: int = 100) -> list[Profile]:
        with self._lock:
            return [p for p in self._decoded() if p.id > after][:limit]

    def _decoded(self) -> list[Profile]:
        """All profiles, in order of id."""
        ids = sorted(self._profiles)
        return [codec.profiles.decode(self._profiles[each][1], each) for each in ids]

    # ── the log ──

    def history(self, profile: ProfileId) -> list[LoggedEvent]:
        return [line for line in self.log(0, len(self._log)) if line.profile == profile]

    def log(self, after: int = 0, limit: int = 1000) -> list[LoggedEvent]:
        with self._lock:
            lines = list(enumerate(self._log, 1))[after : after + limit]
        return [
            LoggedEvent(n, line.profile, line.arrived_at, codec.events.decode(line.body))
            for n, line in lines
        ]

    def traces(self, profile: ProfileId, limit: int = 1000) -> list[TraceLine]:
        with self._lock:
            lines = [(n, t) for n, t in enumerate(self._traces, 1) if t.profile == profile]
        return [
            TraceLine(n, t.profile, t.at, t.cause, codec.notes.decode(t.body))
            for n, t in _newest(lines, limit)
        ]

    # ── the outbox ──

    def claim(
        self, now: Instant, limit: int, by: str, channels: Sequence[str] | None = None
    ) -> list[QueuedSend]:
        with self._lock:
            due = [
                row
                for row in self._outbox
                if row.send.state == "queued"
                and row.send.due_at <= now
                and (channels is None or row.channel in channels)
            ]
            due.sort(key=lambda row: row.send.due_at)
            for row in due[:limit]:
                row.told = on_claim(row.told)
                row.send = msgspec.structs.replace(
                    row.send,
                    state="claimed",
                    claimed_by=by,
                    claimed_at=now,
                    attempts=row.send.attempts + 1,
                )
            return [_read(row) for row in due[:limit]]

    def settle(self, settlements: Sequence[Settlement]) -> None:
        with self._lock:
            for each in settlements:
                profile = self._heirs.get(each.profile, each.profile)
                row = self._row(profile, each.id)
                if row is not None and row.send.state == "claimed":
                    _settle(row, each)

    def abandoned(self, by: str) -> list[QueuedSend]:
        return self._rows(lambda row: row.send.state == "claimed" and row.send.claimed_by != by)

    def next_queued(self) -> Instant:
        queued = self._rows(lambda row: row.send.state == "queued")
        return min((send.due_at for send in queued), default=NEVER)

    def outbox(
        self, state: str | None = None, profile: ProfileId | None = None, limit: int = 100
    ) -> list[QueuedSend]:
        rows = self._rows(
            lambda row: (
                (state is None or row.send.state == state)
                and (profile is None or row.send.profile == profile)
            )
        )
        return rows[::-1][:limit]

    def sends_named(self, provider_ids: Sequence[str]) -> dict[str, tuple[ProfileId, str]]:
        wanted = set(filter(None, provider_ids))
        found = self._rows(lambda row: row.send.provider_id in wanted)
        return {send.provider_id: (send.profile, send.id) for send in found}

    def reached(self, channel: str, address: str) -> list[ProfileId]:
        found = self._rows(lambda row: bool(address) and row.channel == channel)
        return sorted({send.profile for send in found if address_of(send.effect) == address})

    def _rows(self, wanted: Callable[[_Row], bool]) -> list[QueuedSend]:
        with self._lock:
            return [_read(row) for row in self._outbox if wanted(row)]

    def retry(self, ids: Sequence[str], now: Instant) -> int:
        with self._lock:
            dead = [r for r in self._outbox if r.send.state == "dead" and r.send.id in ids]
            for row in dead:
                row.told = on_return(row.told)
                row.send = msgspec.structs.replace(
                    row.send, state="queued", due_at=now, attempts=0, settled_at=None
                )
            return len(dead)

    # ── coupons ──

    def add_coupons(self, pool: str, codes: Sequence[str], at: Instant) -> int:
        with self._lock:
            return self._coupons.add(pool, codes, at)

    def free_coupons(self, pool: str, limit: int) -> list[str]:
        with self._lock:
            return self._coupons.free(pool, limit)

    def coupon_pools(self) -> list[CouponPool]:
        with self._lock:
            return self._coupons.counted()

    # ── the catalog ──

    def put_items(
        self, changes: Sequence[tuple[str, str, Record | None]], at: Instant
    ) -> list[ItemLine]:
        with self._lock:
            return self._items.put(changes, at)

    def item(self, catalog: str, name: str) -> Item | None:
        with self._lock:
            return self._items.item(catalog, name)

    def items(self, catalog: str, after: str = "", limit: int = 1000) -> list[Item]:
        with self._lock:
            return self._items.page(catalog, after, limit)

    def catalogs(self) -> dict[str, int]:
        with self._lock:
            return self._items.catalogs()

    def item_number(self) -> int:
        with self._lock:
            return self._items.number()

    def item_log(self, after: int = 0, limit: int = 1000) -> list[ItemLine]:
        with self._lock:
            return self._items.log(after, limit)

    def interested(self, audience: Audience, after: ProfileId, limit: int) -> list[ProfileId]:
        with self._lock:
            return self._items.interested(audience, after, limit)

    def forget_interests(
        self, heard: Sequence[Hearing], most: int, after: ProfileId, limit: int
    ) -> ProfileId | None:
        with self._lock:
            return self._items.forget(heard, most, after, limit)

    # ── programs, the sandbox, what was set aside ──

    def save_program(self, name: str, plan: bytes, at: Instant) -> None:
        with self._lock:
            self._programs.setdefault(name, (at, plan))
            self._current = name

    def program(self, name: str) -> bytes | None:
        with self._lock:
            return self._programs[name][1] if name in self._programs else None

    def current_program(self) -> str:
        return self._current

    def programs_in_use(self) -> dict[str, int]:
        with self._lock:
            runs = sorted(run.program for profile in self._decoded() for run in profile.runs)
            return {name: runs.count(name) for name in dict.fromkeys(runs)}

    def keep(self, messages: Sequence[KeptMessage]) -> None:
        with self._lock:
            for message in messages:
                heir = self._heirs.get(message.profile, message.profile)
                known = {kept.id for kept in self._kept if kept.profile == heir}
                if message.id not in known:
                    fields = dict(message.fields)
                    self._kept.append(msgspec.structs.replace(message, profile=heir, fields=fields))

    def kept(self, profile: ProfileId | None = None, limit: int = 100) -> list[KeptMessage]:
        with self._lock:
            messages = [m for m in self._kept if profile is None or m.profile == profile]
        return messages[::-1][:limit]

    def set_aside(self, limit: int = 100) -> list[tuple[int, SetAside]]:
        with self._lock:
            return list(enumerate(self._aside, 1))[::-1][:limit]

    # ── the whole ──

    def meta(self, name: str) -> str:
        with self._lock:
            return self._meta.get(name, "")

    def counts(self) -> Counts:
        with self._lock:
            states = [row.send.state for row in self._outbox]
            return Counts(
                profiles=len(self._profiles),
                events=len(self._log),
                waiting=sum(p.wake_at < NEVER for p in self._decoded()),
                queued=states.count("queued"),
                claimed=states.count("claimed"),
                dead=states.count("dead"),
                set_aside=len(self._aside),
                kept=len(self._kept),
                items=sum(self._items.catalogs().values()),
            )

    def snapshot(self) -> Iterator[bytes]:
        with self._lock:
            rows = list(self._snapshot())
        yield from rows

    def _snapshot(self) -> Iterator[bytes]:
        for profile, (version, body) in sorted(self._profiles.items()):
            yield codec.row("profile", profile, version, body)
        for absorbed, heir in sorted(self._heirs.items()):
            yield codec.row("heir", absorbed, heir)
        for identifier, profile in sorted(self._links.items()):
            yield codec.row("link", identifier.kind, identifier.value, profile)
        for number, line in enumerate(self._log, 1):
            yield codec.row("event", number, line.profile, line.arrived_at, line.id, line.body)
        for number, trace in enumerate(self._traces, 1):
            yield codec.row("trace", number, trace.profile, trace.at, trace.cause, trace.body)
        for row in self._outbox:
            yield codec.row("outbox", row.send, row.channel, row.told, row.effect)
        for coupon in self._coupons.rows():
            yield codec.row("coupon", *coupon)
        for values in self._items.rows():
            yield codec.row(*values)
        for name, (at, plan) in sorted(self._programs.items()):
            yield codec.row("program", name, at, plan, name == self._current)
        for message in self._kept:
            yield codec.row("kept", message)
        for number, aside in enumerate(self._aside, 1):
            yield codec.row("aside", number, aside)
        for name, value in sorted(self._meta.items()):
            yield codec.row("meta", name, value)

    def close(self) -> None:
        """Nothing to let go of."""


def _encode(saved: Saved) -> _Encoded:
    profile = saved.profile.id
    return _Encoded(
        saved=saved,
        profile=codec.profiles.encode(saved.profile, profile),
        events=[
            _Line(profile, at, event.id, event.emitted, codec.events.encode(event, profile))
            for event, at in saved.events
        ],
        effects=[(e, at, codec.effects.encode(e, profile)) for e, at in saved.effects],
        traces=[
            _Trace(profile, at, cause, codec.notes.encode(notes, profile))
            for at, cause, notes in saved.traces
            if notes
        ],
    )


def _moved(item: Line, absorbed: ProfileId, heir: ProfileId) -> Line:
    """The same line, with its heir if it was the absorbed profile's."""
    if getattr(item, "profile") != absorbed:  # noqa: B009
        return item
    return msgspec.structs.replace(item, profile=heir)  # type: ignore[type-var]


def _settle(row: _Row, by: Settlement) -> None:
    again = by.state == "queued"
    if again:
        row.told = on_return(row.told)
    row.send = msgspec.structs.replace(
        row.send,
        state=by.state,
        due_at=by.due_at if again else row.send.due_at,
        settled_at=None if again else by.at,
        detail=by.detail,
        provider_id=by.provider_id,
    )


def _read(row: _Row) -> QueuedSend:
    return msgspec.structs.replace(row.send, effect=codec.effects.decode(row.effect, row.send.id))


def _newest(items: list[Line], limit: int) -> list[Line]:
    return items[-limit:] if limit else []

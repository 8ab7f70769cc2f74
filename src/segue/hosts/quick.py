"""A store for virtual time: in memory, indexed, gone when the process ends.

Rule 1: it answers as `MemoryStore`, the oracle, does; a test feeds both the same world.
Rule 2: profiles are kept as bytes, so that nothing decided and not committed is in here;
    facts that are frozen are kept as they are.
Rule 3: one thread. What is rarely asked (a merge's rows, a search by state) may look at
    everything; what every event asks may not.
"""

import heapq
from collections import deque
from collections.abc import Iterator, Sequence

import msgspec

from segue.errors import StaleCommit, Unstorable
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

_encode = msgspec.msgpack.Encoder().encode
_encode_into = msgspec.msgpack.Encoder().encode_into
_scratch = bytearray()
"""Where what is only tried is written."""
_decode = msgspec.msgpack.Decoder(Profile).decode


class _Row:
    """A row of the outbox."""

    __slots__ = ("channel", "number", "send", "told")

    def __init__(self, number: int, send: QueuedSend, channel: str, told: int) -> None:
        self.number = number
        self.send = send
        self.channel = channel
        self.told = told


class QuickStore:
    """Keeps a replay's world: everything indexed, nothing durable."""

    def __init__(self) -> None:
        self._profiles: dict[ProfileId, tuple[int, bytes]] = {}
        self._programs_of: dict[ProfileId, tuple[str, tuple[str, ...]]] = {}
        self._wakes: list[tuple[Instant, ProfileId]] = []
        self._wake_at: dict[ProfileId, Instant] = {}
        self._heirs: dict[ProfileId, ProfileId] = {}
        self._links: dict[Identifier, ProfileId] = {}
        self._log: list[LoggedEvent] = []
        self._seen: set[str] = set()
        self._lines_of: dict[ProfileId, list[int]] = {}
        self._traces: list[TraceLine] = []
        self._traces_of: dict[ProfileId, list[int]] = {}
        self._rows: dict[tuple[ProfileId, str], _Row] = {}
        self._rows_of: dict[ProfileId, list[_Row]] = {}
        self._queue: list[tuple[Instant, int, _Row]] = []
        self._kept: dict[str, KeptMessage] = {}
        self._aside: list[SetAside] = []
        self._programs: dict[str, tuple[Instant, bytes]] = {}
        self._current = ""
        self._meta: dict[str, str] = {}
        self._coupons = Coupons()
        self._items = Items()
        self._numbers = 0

    # ── profiles ──

    def resolve(self, identifiers: Sequence[Identifier]) -> dict[Identifier, ProfileId]:
        return {one: self._links[one] for one in identifiers if one in self._links}

    def load(self, ids: Sequence[ProfileId]) -> dict[ProfileId, Loaded]:
        loaded: dict[ProfileId, Loaded] = {}
        for profile in ids:
            kept = self._profiles.get(profile)
            if kept is not None:
                claims = tuple(
                    Reported(send_id=row.send.id, outcome="claimed")
                    for row in self._rows_of.get(profile, ())
                    if row.told == UNTOLD
                )
                loaded[profile] = Loaded(_decode(kept[1]), claims, kept[0])
        return loaded

    def forward(self, ids: Sequence[ProfileId]) -> dict[ProfileId, ProfileId]:
        return {one: self._heirs[one] for one in ids if one in self._heirs}

    def seen(self, event_ids: Sequence[tuple[ProfileId, str]]) -> set[str]:
        return {event for _, event in event_ids if event in self._seen}

    def commit(
        self,
        saved: Sequence[Saved],
        set_aside: Sequence[SetAside] = (),
        meta: dict[str, str] | None = None,
        settlements: Sequence[Settlement] = (),
    ) -> None:
        profiles: set[str] = set()
        events: set[str] = set()
        for one in saved:
            once(one, profiles, events)
        back = {one.id for one in settlements if one.state == "queued"}
        if stale := tuple(one.profile.id for one in saved if self._stale(one, back)):
            raise StaleCommit(stale)
        if self._coupons.refuses([move for one in saved for move in one.moves]):
            raise StaleCommit(tuple(one.profile.id for one in saved if one.moves))
        bodies = [_body(one) for one in saved]
        self.settle(settlements)
        for one, body in zip(saved, bodies, strict=True):
            self._save(one, body)
        self._aside.extend(set_aside)
        self._meta |= meta or {}

    def _stale(self, saved: Saved, back: set[str]) -> bool:
        profile = saved.profile.id
        if self._version(profile) != saved.seen_version or profile in self._heirs:
            return True
        absorbed = zip(saved.absorbed, saved.absorbed_versions, strict=True)
        for other, version in absorbed if saved.absorbed else ():
            if self._version(other) != version or other in self._heirs:
                return True
        for event, _ in saved.events:
            if event.id in self._seen and not event.emitted:
                return True
        for effect, _ in saved.effects:
            if isinstance(effect, Withdraw):
                row = self._row(profile, effect.id, saved.absorbed)
                if row is None or row.told != UNTOLD or effect.id in saved.known_claims:
                    continue
                if effect.id not in back or row.send.state != "claimed":
                    return True
        return False

    def _version(self, profile: ProfileId) -> int:
        kept = self._profiles.get(profile)
        return kept[0] if kept else 0

    def _row(
        self, profile: ProfileId, send_id: str, absorbed: Sequence[ProfileId] = ()
    ) -> _Row | None:
        for one in (profile, *absorbed):
            if row := self._rows.get((one, send_id)):
                return row
        return None

    def _save(self, saved: Saved, body: bytes) -> None:
        profile = saved.profile
        for other in saved.absorbed:
            self._absorb(other, profile.id)
        self._profiles[profile.id] = (saved.seen_version + 1, body)
        runs = tuple([run.program for run in profile.runs])
        self._programs_of[profile.id] = (profile.program, runs)
        if self._wake_at.get(profile.id) != profile.wake_at:
            self._wake_at[profile.id] = profile.wake_at
            if profile.wake_at < NEVER:
                heapq.heappush(self._wakes, (profile.wake_at, profile.id))
        for identifier in saved.links:
            self._links[identifier] = profile.id
        for event, at in saved.events:
            self._log.append(LoggedEvent(len(self._log) + 1, profile.id, at, event))
            self._lines_of.setdefault(profile.id, []).append(len(self._log) - 1)
            if not event.emitted:
                self._seen.add(event.id)
        for at, cause, notes in saved.traces:
            if notes:
                number = len(self._traces) + 1
                self._traces.append(TraceLine(number, profile.id, at, cause, notes))
                self._traces_of.setdefault(profile.id, []).append(number - 1)
        for send_id in saved.known_claims:
            if row := self._rows.get((profile.id, send_id)):
                row.told = on_known(row.told)
        if saved.moves:
            self._coupons.apply(saved.moves)
        if saved.interests:
            self._items.show(profile.id, saved.interests)
        if saved.told:
            self._items.tell(profile.id, saved.told)
        for effect, at in saved.effects:
            if isinstance(effect, Withdraw):
                self._withdraw(profile.id, effect, at)
            else:
                self._enqueue(profile.id, effect, at)

    def _enqueue(self, profile: ProfileId, effect: Effect, at: Instant) -> None:
        new = place(effect, at)
        if new is None or (profile, new.id) in self._rows:
            return
        send = QueuedSend(
            id=new.id,
            profile=profile,
            effect=effect,
            state="queued",
            queued_at=at,
            due_at=new.due_at,
        )
        self._numbers += 1
        row = _Row(self._numbers, send, new.channel, new.told)
        self._rows[profile, new.id] = row
        self._rows_of.setdefault(profile, []).append(row)
        heapq.heappush(self._queue, (new.due_at, row.number, row))

    def _withdraw(self, profile: ProfileId, effect: Withdraw, at: Instant) -> None:
        row = self._rows.get((profile, effect.id))
        if row is not None and row.send.state == "queued":
            row.send = msgspec.structs.replace(
                row.send, state="cancelled", settled_at=at, detail=effect.reason
            )

    def _absorb(self, other: ProfileId, heir: ProfileId) -> None:
        self._profiles.pop(other, None)
        self._programs_of.pop(other, None)
        self._wake_at.pop(other, None)
        self._items.absorb(other, heir)
        for name, one in self._heirs.items():
            if one == other:
                self._heirs[name] = heir
        self._heirs[other] = heir
        for identifier, one in self._links.items():
            if one == other:
                self._links[identifier] = heir
        for index in self._lines_of.get(other, ()):
            self._log[index] = msgspec.structs.replace(self._log[index], profile=heir)
        for index in self._traces_of.get(other, ()):
            self._traces[index] = msgspec.structs.replace(self._traces[index], profile=heir)
        for index_of in (self._lines_of, self._traces_of):
            if theirs := index_of.pop(other, None):
                index_of[heir] = sorted([*index_of.get(heir, ()), *theirs])
        for message in [one for one in self._kept.values() if one.profile == other]:
            self._kept[message.id] = msgspec.structs.replace(message, profile=heir)
        for row in self._rows_of.pop(other, ()):
            del self._rows[other, row.send.id]
            if (heir, row.send.id) in self._rows:
                row.send = msgspec.structs.replace(row.send, state="cancelled")
                continue
            row.send = msgspec.structs.replace(row.send, profile=heir)
            self._rows[heir, row.send.id] = row
            self._rows_of.setdefault(heir, []).append(row)

    def due(self, now: Instant, limit: int) -> list[ProfileId]:
        if self.next_due() <= now < NEVER and all(one[0] > now for one in self._wakes[1:3]):
            return [self._wakes[0][1]]  # the heap's next are later, so all others are
        found: list[tuple[Instant, ProfileId]] = []
        while self._wakes and self._wakes[0][0] <= now and len(found) < limit:
            at, profile = heapq.heappop(self._wakes)
            if self._wake_at.get(profile) == at and (at, profile) not in found[-1:]:
                found.append((at, profile))
        # They are due until a commit says otherwise, so they stay in the heap.
        for one in found:
            heapq.heappush(self._wakes, one)
        return [profile for _, profile in found]

    def next_due(self) -> Instant:
        while self._wakes and self._wake_at.get(self._wakes[0][1]) != self._wakes[0][0]:
            heapq.heappop(self._wakes)
        return self._wakes[0][0] if self._wakes else NEVER

    def outdated(self, program: str, after: ProfileId, limit: int) -> list[ProfileId]:
        ids = (one for one, (name, _) in self._programs_of.items() if name != program)
        return heapq.nsmallest(limit, (one for one in ids if one > after))

    def profiles(self, after: str = "", limit: int = 100) -> list[Profile]:
        ids = heapq.nsmallest(limit, (one for one in self._profiles if one > after))
        return [_decode(self._profiles[one][1]) for one in ids]

    # ── the log ──

    def history(self, profile: ProfileId) -> list[LoggedEvent]:
        return [self._log[index] for index in self._lines_of.get(profile, ())]

    def log(self, after: int = 0, limit: int = 1000) -> list[LoggedEvent]:
        return self._log[after : after + limit]

    def traces(self, profile: ProfileId, limit: int = 1000) -> list[TraceLine]:
        lines = [self._traces[index] for index in self._traces_of.get(profile, ())]
        return lines[-limit:] if limit else []

    # ── the outbox ──

    def claim(
        self, now: Instant, limit: int, by: str, channels: Sequence[str] | None = None
    ) -> list[QueuedSend]:
        claimed: list[QueuedSend] = []
        passed: list[tuple[Instant, int, _Row]] = []
        while self.next_queued() <= now and len(claimed) < limit:
            entry = heapq.heappop(self._queue)
            row = entry[2]
            if channels is not None and row.channel not in channels:
                passed.append(entry)
                continue
            row.told = on_claim(row.told)
            row.send = msgspec.structs.replace(
                row.send,
                state="claimed",
                claimed_by=by,
                claimed_at=now,
                attempts=row.send.attempts + 1,
            )
            claimed.append(row.send)
        for entry in passed:
            heapq.heappush(self._queue, entry)
        return claimed

    def settle(self, settlements: Sequence[Settlement]) -> None:
        for one in settlements:
            profile = self._heirs.get(one.profile, one.profile)
            row = self._rows.get((profile, one.id))
            if row is None or row.send.state != "claimed":
                continue
            again = one.state == "queued"
            if again:
                row.told = on_return(row.told)
            row.send = msgspec.structs.replace(
                row.send,
                state=one.state,
                due_at=one.due_at if again else row.send.due_at,
                settled_at=None if again else one.at,
                detail=one.detail,
                provider_id=one.provider_id,
            )
            if again:
                heapq.heappush(self._queue, (one.due_at, row.number, row))

    def abandoned(self, by: str) -> list[QueuedSend]:
        rows = (row.send for row in self._rows.values())
        return [send for send in rows if send.state == "claimed" and send.claimed_by != by]

    def next_queued(self) -> Instant:
        queue = self._queue
        while queue and (
            queue[0][2].send.state != "queued" or queue[0][2].send.due_at != queue[0][0]
        ):
            heapq.heappop(queue)
        return queue[0][0] if queue else NEVER

    def outbox(
        self, state: str | None = None, profile: ProfileId | None = None, limit: int = 100
    ) -> list[QueuedSend]:
        rows = self._rows.values() if profile is None else self._rows_of.get(profile, [])
        found = [row for row in rows if state is None or row.send.state == state]
        found.sort(key=lambda row: -row.number)
        return [row.send for row in found[:limit]]

    def sends_named(self, provider_ids: Sequence[str]) -> dict[str, tuple[ProfileId, str]]:
        wanted = set(filter(None, provider_ids))
        rows = [row for row in self._rows.values() if row.send.provider_id in wanted]
        rows.sort(key=lambda row: row.number)
        return {row.send.provider_id: (row.send.profile, row.send.id) for row in rows}

    def reached(self, channel: str, address: str) -> list[ProfileId]:
        found = (row for row in self._rows.values() if address and row.channel == channel)
        return sorted({row.send.profile for row in found if address_of(row.send.effect) == address})

    def retry(self, ids: Sequence[str], now: Instant) -> int:
        dead = [r for r in self._rows.values() if r.send.state == "dead" and r.send.id in ids]
        for row in dead:
            row.told = on_return(row.told)
            row.send = msgspec.structs.replace(
                row.send, state="queued", due_at=now, attempts=0, settled_at=None
            )
            heapq.heappush(self._queue, (now, row.number, row))
        return len(dead)

    # ── coupons ──

    def add_coupons(self, pool: str, codes: Sequence[str], at: Instant) -> int:
        return self._coupons.add(pool, codes, at)

    def free_coupons(self, pool: str, limit: int) -> list[str]:
        return self._coupons.free(pool, limit)

    def coupon_pools(self) -> list[CouponPool]:
        return self._coupons.counted()

    # ── the catalog ──

    def put_items(
        self, changes: Sequence[tuple[str, str, Record | None]], at: Instant
    ) -> list[ItemLine]:
        return self._items.put(changes, at)

    def item(self, catalog: str, name: str) -> Item | None:
        return self._items.item(catalog, name)

    def items(self, catalog: str, after: str = "", limit: int = 1000) -> list[Item]:
        return self._items.page(catalog, after, limit)

    def catalogs(self) -> dict[str, int]:
        return self._items.catalogs()

    def item_number(self) -> int:
        return self._items.number()

    def item_log(self, after: int = 0, limit: int = 1000) -> list[ItemLine]:
        return self._items.log(after, limit)

    def interested(self, audience: Audience, after: ProfileId, limit: int) -> list[ProfileId]:
        return self._items.interested(audience, after, limit)

    def forget_interests(
        self, heard: Sequence[Hearing], most: int, after: ProfileId, limit: int
    ) -> ProfileId | None:
        return self._items.forget(heard, most, after, limit)

    # ── programs, the sandbox, what was set aside ──

    def save_program(self, name: str, plan: bytes, at: Instant) -> None:
        self._programs.setdefault(name, (at, plan))
        self._current = name

    def program(self, name: str) -> bytes | None:
        return self._programs[name][1] if name in self._programs else None

    def current_program(self) -> str:
        return self._current

    def programs_in_use(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for _, runs in self._programs_of.values():
            for name in runs:
                counts[name] = counts.get(name, 0) + 1
        return dict(sorted(counts.items()))

    def keep(self, messages: Sequence[KeptMessage]) -> None:
        for one in messages:
            heir = self._heirs.get(one.profile, one.profile)
            self._kept.setdefault(one.id, msgspec.structs.replace(one, profile=heir))

    def kept(self, profile: ProfileId | None = None, limit: int = 100) -> list[KeptMessage]:
        messages = deque(
            (one for one in self._kept.values() if profile is None or one.profile == profile),
            maxlen=limit,
        )
        return list(messages)[::-1]

    def set_aside(self, limit: int = 100) -> list[tuple[int, SetAside]]:
        return list(enumerate(self._aside, 1))[::-1][:limit]

    # ── the whole ──

    def meta(self, name: str) -> str:
        return self._meta.get(name, "")

    def counts(self) -> Counts:
        states = [row.send.state for row in self._rows.values()]
        return Counts(
            profiles=len(self._profiles),
            events=len(self._log),
            waiting=sum(at < NEVER for at in self._wake_at.values()),
            queued=states.count("queued"),
            claimed=states.count("claimed"),
            dead=states.count("dead"),
            set_aside=len(self._aside),
            kept=len(self._kept),
            items=sum(self._items.catalogs().values()),
        )

    def snapshot(self) -> Iterator[bytes]:
        for profile, (version, body) in sorted(self._profiles.items()):
            stored = codec.profiles.encode(_decode(body), profile)
            yield codec.row("profile", profile, version, stored)
        for other, heir in sorted(self._heirs.items()):
            yield codec.row("heir", other, heir)
        for identifier, named in sorted(self._links.items()):
            yield codec.row("link", identifier.kind, identifier.value, named)
        for line in self._log:
            event = codec.events.encode(line.event, line.profile)
            yield codec.row(
                "event", line.sequence, line.profile, line.arrived_at, line.event.id, event
            )
        for trace in self._traces:
            notes = codec.notes.encode(trace.notes, trace.profile)
            yield codec.row("trace", trace.sequence, trace.profile, trace.at, trace.cause, notes)
        for row in sorted(self._rows.values(), key=lambda row: row.number):
            effect = codec.effects.encode(row.send.effect, row.send.profile)
            yield codec.row("outbox", row.send, row.channel, row.told, effect)
        for coupon in self._coupons.rows():
            yield codec.row("coupon", *coupon)
        for values in self._items.rows():
            yield codec.row(*values)
        for name, (at, plan) in sorted(self._programs.items()):
            yield codec.row("program", name, at, plan, name == self._current)
        for message in self._kept.values():
            yield codec.row("kept", message)
        for number, bad in enumerate(self._aside, 1):
            yield codec.row("aside", number, bad)
        for name, value in sorted(self._meta.items()):
            yield codec.row("meta", name, value)

    def close(self) -> None:
        """Nothing to let go of."""


def _body(saved: Saved) -> bytes:
    """The profile as bytes; what is saved beside it must have a stored form as well."""
    try:
        body = _encode(saved.profile)
        if saved.events or saved.effects or saved.traces:
            _encode_into((saved.events, saved.effects, saved.traces), _scratch)
    except (OverflowError, TypeError, ValueError) as error:
        raise Unstorable(saved.profile.id, f"{_unstorable(saved)}: {error}") from error
    return body


def _unstorable(saved: Saved) -> str:
    """What of it has no stored form."""
    parts = {"profile": saved.profile, "event": saved.events, "effect": saved.effects}
    for kind, part in parts.items():
        try:
            _encode(part)
        except (OverflowError, TypeError, ValueError):
            return kind
    return "notes"

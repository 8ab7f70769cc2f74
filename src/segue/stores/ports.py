"""What is remembered, as a role.

Rule 1: one `commit` saves the inputs, the profiles after them, their effects, wake-ups and
    traces together or not at all.
Rule 2: every row carries its profile's *slot*, a fixed hash, and no transaction needs two
    slots except a merge.
Rule 3: a claim is a transaction that also looks whether the send was cancelled; a withdrawal
    of what is claimed already takes nothing back, and `load` tells the kernel of the claim.
Rule 4: a store never reads a clock and never draws; instants come in as arguments.
Rule 5: a store that can't save raises `StoreUnavailable` and has saved nothing.
Rule 6: a stale commit saves nothing. What a batch was decided from must still hold when it
    is saved: the versions of its profiles, the claims they knew of, the newness of its
    events. Where it does not, `commit` raises `StaleCommit` with the profiles concerned; the
    host asks `seen` and `load` again for those and steps again. So caps stay exact, whether
    one host writes or many.

`memory.MemoryStore` is the oracle: simple, slow, obviously right. Every other store must
pass the same contract suite (`tests/contract/test_store.py`).
"""

from collections.abc import Iterator, Sequence
from typing import Literal as OneOf, Protocol

import msgspec

from segue.kernel.catalog import Interest
from segue.kernel.effects import CouponMove, Effect
from segue.kernel.inputs import Event, Reported
from segue.kernel.profile import Profile
from segue.kernel.trace import Note
from segue.kernel.values import Instant, ProfileId, Record


class Identifier(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Something that names a customer: kind `user`, `anonymous`, or an external id's kind."""

    kind: str
    value: str


class Loaded(msgspec.Struct, frozen=True):
    """A profile as it was saved, and the claims of its sends that it does not know of yet."""

    profile: Profile
    claims: tuple[Reported, ...] = ()
    version: int = 0
    """Rises by one with every commit of the profile; goes back as `Saved.seen_version`."""


class LoggedEvent(msgspec.Struct, frozen=True):
    """A line of the event log: the event, the profile it went to, when it arrived, its order.

    `sequence` rises with every accepted event of the store; `profile` is the profile as of
    today (a merge moves the lines of the absorbed one).
    """

    sequence: int
    profile: ProfileId
    arrived_at: Instant
    event: Event


class TraceLine(msgspec.Struct, frozen=True):
    """The notes that one input left: what it was (`cause`), when it was answered."""

    sequence: int
    profile: ProfileId
    at: Instant
    cause: str
    notes: tuple[Note, ...]


class Item(msgspec.Struct, frozen=True):
    """An item of a catalog as it is: `number` is the line of the item log that made it so."""

    catalog: str
    id: str
    number: int
    at: Instant
    fields: Record


class ItemLine(msgspec.Struct, frozen=True):
    """A line of the item log: what an item was, and what it became; None where it was not."""

    number: int
    at: Instant
    catalog: str
    id: str
    before: Record | None
    fields: Record | None


class Audience(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a change of an item is told to: who did one of `names` with the item, last after
    `since` and not first after `until`, and was not told of this or a later `mark` yet.
    """

    catalog: str
    item: str
    names: tuple[str, ...]
    since: Instant
    until: Instant
    mark: str


class Hearing(msgspec.Struct, frozen=True):
    """Interests that may still be asked for: of a catalog, by an event, shown after `since`."""

    catalog: str
    name: str
    since: Instant


class Told(msgspec.Struct, frozen=True):
    """What a profile was told of an item; marks rise in the order of the item log."""

    catalog: str
    item: str
    mark: str


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """All that one profile's inputs in a batch came to."""

    profile: Profile
    events: tuple[tuple[Event, Instant], ...] = ()
    """Accepted events (also emitted ones) with their instants of arrival, in order."""
    effects: tuple[tuple[Effect, Instant], ...] = ()
    """Effects with the instant at which they were decided, in order."""
    traces: tuple[tuple[Instant, str, tuple[Note, ...]], ...] = ()
    """(instant, cause, notes) per input that left notes."""
    known_claims: tuple[str, ...] = ()
    """Send ids whose claim the profile has now been told of."""
    absorbed: tuple[ProfileId, ...] = ()
    """Profiles merged into this one: their lines, sends and links move here."""
    absorbed_versions: tuple[int, ...] = ()
    """`Loaded.version` of each absorbed profile, in their order; 0 for one never saved."""
    links: tuple[Identifier, ...] = ()
    """Identifiers that name this profile from now on, whomever they named before."""
    seen_version: int = 0
    """`Loaded.version` of what was stepped; 0 for a profile that is new."""
    moves: tuple[CouponMove, ...] = ()
    """Coupon codes handed out and given back, in order."""
    interests: tuple[Interest, ...] = ()
    """Items that the profile's events name; those of absorbed profiles move here by themselves."""
    told: tuple[Told, ...] = ()
    """Changes of items that the profile was told of."""


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """A bad input, kept with the reason."""

    at: Instant
    source: str
    code: str
    reason: str
    body: bytes


class QueuedSend(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the outbox: an effect that is carried out away from the commit.

    queued     waits until `due_at`
    claimed    in the hands of the dispatcher `claimed_by`; can't be withdrawn
    done       the provider took it
    dead       it was refused, or tried too often; can be looked at and retried
    cancelled  withdrawn before it was claimed, or left to another channel after it
    unknown    it was claimed when the process died, and the channel can't tell
    """

    id: str
    profile: ProfileId
    effect: Effect
    state: OneOf["queued", "claimed", "done", "dead", "cancelled", "unknown"]
    queued_at: Instant
    due_at: Instant
    attempts: int = 0
    claimed_by: str = ""
    claimed_at: Instant | None = None
    settled_at: Instant | None = None
    detail: str = ""
    provider_id: str = ""


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a claimed row: a last state, or back to `queued` for another try."""

    id: str
    profile: ProfileId
    state: OneOf["queued", "done", "dead", "unknown", "cancelled"]
    at: Instant
    due_at: Instant = Instant(0)
    detail: str = ""
    provider_id: str = ""


class KeptMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that the sandbox channel keeps to be looked at."""

    id: str
    profile: ProfileId
    at: Instant
    channel: str
    address: str
    message: str
    fields: dict[str, str]
    simulated: bool = False


class CouponPool(msgspec.Struct, frozen=True):
    """How many codes of a pool are left, and how many were handed out."""

    pool: str
    free: int
    handed: int


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How much a store holds."""

    profiles: int = 0
    events: int = 0
    waiting: int = 0
    """Profiles with a wake-up to come."""
    queued: int = 0
    claimed: int = 0
    dead: int = 0
    set_aside: int = 0
    kept: int = 0
    items: int = 0


class Store(Protocol):
    """Keeps one state per profile, the event log, the outbox and the traces."""

    # ── profiles ──

    def resolve(self, identifiers: Sequence[Identifier]) -> dict[Identifier, ProfileId]:
        """The profile each known identifier names today; unknown ones are left out."""
        ...

    def load(self, ids: Sequence[ProfileId]) -> dict[ProfileId, Loaded]:
        """The profiles that exist. An absorbed id loads nothing: `forward` knows its heir."""
        ...

    def forward(self, ids: Sequence[ProfileId]) -> dict[ProfileId, ProfileId]:
        """For absorbed profiles among `ids`: the profile that lives on."""
        ...

    def seen(self, event_ids: Sequence[tuple[ProfileId, str]]) -> set[str]:
        """Which of these event ids have been accepted before (by whichever profile).

        Emitted events are not looked at: their ids are derived, and no sender may stop
        one by guessing its id.
        """
        ...

    def commit(
        self,
        saved: Sequence[Saved],
        set_aside: Sequence[SetAside] = (),
        meta: dict[str, str] | None = None,
        settlements: Sequence[Settlement] = (),
    ) -> None:
        """Save everything or nothing.

        `settlements` are applied first, as `settle` does: what became of a send and what its
        profile makes of it stand or fall together.

        Raises `StaleCommit`, naming the profiles, and saves nothing if
        - a profile, or one that it absorbs, is not at the version that was seen, or was
          absorbed by another meanwhile;
        - a send that it withdraws was claimed, and the profile was never told (neither in
          `known_claims` nor before): what was decided on "withdrawn" would not be true;
        - an event's id was accepted meanwhile;
        - a coupon code that it hands out is not free, unless the same source has it already.
        Raises `Unstorable`, naming the profile, and saves nothing if a value has no stored
        form. A profile stands in a batch once, as itself or as absorbed, and an event id once.

        `Send`, `ChangeAudience`, `CallWebhook` and `AssignTask` become queued rows, due at
        the later of their instant and `pace_at`; `Withdraw` cancels a row that is still
        queued (also one that is back in the queue for another try) and is no error
        otherwise; `Show` stands in the notes and `Emit` in `events`, so neither makes a row.
        A row whose id the profile has already is left as it is. `meta` sets named values.
        """
        ...

    def due(self, now: Instant, limit: int) -> list[ProfileId]:
        """Profiles whose wake-up instant has come, the earliest first."""
        ...

    def next_due(self) -> Instant:
        """The earliest wake-up instant of all profiles; `NEVER` if there is none."""
        ...

    def outdated(self, program: str, after: ProfileId, limit: int) -> list[ProfileId]:
        """Profiles that have not adopted this program, in order of id, from `after` on."""
        ...

    def profiles(self, after: str = "", limit: int = 100) -> list[Profile]:
        """Profiles in order of id, from `after` on."""
        ...

    # ── the log ──

    def history(self, profile: ProfileId) -> list[LoggedEvent]:
        """All events of a profile, oldest arrival first."""
        ...

    def log(self, after: int = 0, limit: int = 1000) -> list[LoggedEvent]:
        """Events of everyone in order of `sequence`, from `after` on."""
        ...

    def traces(self, profile: ProfileId, limit: int = 1000) -> list[TraceLine]:
        """What was decided for a profile and why, oldest first, the newest `limit` lines."""
        ...

    # ── the outbox ──

    def claim(
        self, now: Instant, limit: int, by: str, channels: Sequence[str] | None = None
    ) -> list[QueuedSend]:
        """Move due rows from queued to claimed and return them, the earliest first.

        A row past its `not_after` is claimed too: the dispatcher reports it expired.
        `attempts` counts this claim already.
        """
        ...

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Say what became of claimed rows; a row that is not claimed is left as it is.

        A row of a profile absorbed since the claim is found with its heir. What goes back to
        `queued` can be withdrawn again and its next claim is told again; the profile learns
        it as `deferred`, in the same commit (`settlements`), or goes on to take it for gone.
        """
        ...

    def abandoned(self, by: str) -> list[QueuedSend]:
        """Rows claimed by someone other than `by`: their process is gone (embedded store)."""
        ...

    def next_queued(self) -> Instant:
        """When the next queued row falls due; `NEVER` if there is none."""
        ...

    def outbox(
        self, state: str | None = None, profile: ProfileId | None = None, limit: int = 100
    ) -> list[QueuedSend]:
        """Rows, the newest first."""
        ...

    def sends_named(self, provider_ids: Sequence[str]) -> dict[str, tuple[ProfileId, str]]:
        """The send that a provider knows by each of these names: its profile and its id.

        Names that nothing was settled with are left out; of several sends the newest counts.
        """
        ...

    def reached(self, channel: str, address: str) -> list[ProfileId]:
        """Profiles to whom anything was ever queued for this address, in order of id."""
        ...

    def retry(self, ids: Sequence[str], now: Instant) -> int:
        """Queue dead rows again, their attempts forgotten; returns how many were dead."""
        ...

    # ── coupons ──

    def add_coupons(self, pool: str, codes: Sequence[str], at: Instant) -> int:
        """Add codes to a pool, in their order; returns how many it did not know yet."""
        ...

    def free_coupons(self, pool: str, limit: int) -> list[str]:
        """Codes that nobody has, those added first first."""
        ...

    def coupon_pools(self) -> list[CouponPool]:
        """Every pool, by name."""
        ...

    # ── the catalog ──

    def put_items(
        self, changes: Sequence[tuple[str, str, Record | None]], at: Instant
    ) -> list[ItemLine]:
        """Make items (catalog, id) what these records say, or gone where there is none.

        All of it or nothing is saved. Returns the lines that the item log got: none for an item
        that is so already. Raises `Unstorable`, naming the item, and saves nothing if a value
        has no stored form.
        """
        ...

    def item(self, catalog: str, name: str) -> Item | None:
        """An item by its id."""
        ...

    def items(self, catalog: str, after: str = "", limit: int = 1000) -> list[Item]:
        """Items of a catalog in order of id, from `after` on."""
        ...

    def catalogs(self) -> dict[str, int]:
        """How many items each catalog has, by name."""
        ...

    def item_number(self) -> int:
        """The number of the item log's last line; 0 where there is none."""
        ...

    def item_log(self, after: int = 0, limit: int = 1000) -> list[ItemLine]:
        """Changes of items in their order, from `after` on."""
        ...

    def interested(self, audience: Audience, after: ProfileId, limit: int) -> list[ProfileId]:
        """Profiles whom a change is to be told to, in order of id, from `after` on.

        A profile has the interests, and was told what was told, of those that it absorbed.
        """
        ...

    def forget_interests(
        self, heard: Sequence[Hearing], most: int, after: ProfileId, limit: int
    ) -> ProfileId | None:
        """Drop the interests that none of `heard` has, or than which a profile has `most` newer.

        Looks at `limit` profiles, in an order of the store's own, from `after` on. Returns the
        last one; None if there are no more.
        """
        ...

    # ── programs, the sandbox, what was set aside ──

    def save_program(self, name: str, plan: bytes, at: Instant) -> None:
        """Keep a plan under its hash; saving it again changes nothing."""
        ...

    def program(self, name: str) -> bytes | None:
        """A plan by its hash."""
        ...

    def current_program(self) -> str:
        """The hash of the plan saved or re-published last; empty if there is none."""
        ...

    def programs_in_use(self) -> dict[str, int]:
        """How many live runs are pinned to each program."""
        ...

    def keep(self, messages: Sequence[KeptMessage]) -> None:
        """Keep sandbox messages; an id that the profile has already is left as it is."""
        ...

    def kept(self, profile: ProfileId | None = None, limit: int = 100) -> list[KeptMessage]:
        """Sandbox messages, the newest first."""
        ...

    def set_aside(self, limit: int = 100) -> list[tuple[int, SetAside]]:
        """Bad inputs with their numbers, the newest first."""
        ...

    # ── the whole ──

    def meta(self, name: str) -> str:
        """A named value; empty where it was never set."""
        ...

    def counts(self) -> Counts:
        """How much there is."""
        ...

    def snapshot(self) -> Iterator[bytes]:
        """Every row as canonical bytes, in a fixed order: equal stores give equal bytes."""
        ...

    def close(self) -> None:
        """Let go of files and connections; nothing committed is lost."""
        ...

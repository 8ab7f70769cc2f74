"""The one live state of a customer: what is known, and what is under way.

Rule 1: the profile and the execution state are the same thing. What is not in here does
    not influence a decision.
Rule 2: the kernel owns the profile it was handed and may change it in place; hosts never
    keep an alias, and save it only together with the answer it came with.
Rule 3: everything in here is bounded. Each list names its limit in `limits.py`, and what
    is dropped at the limit.
Rule 4: stored bytes are a promise. Fields are added with defaults at the end; records that
    are `array_like` grow at the end only.
"""

from typing import Literal as OneOf

import msgspec

from segue.kernel.values import NEVER, Instant, ProfileId, Record, Value


class Tally(msgspec.Struct, array_like=True):
    """A stream folded over all time. `parts` sum exactly (see `exact.py`), in any order."""

    count: int = 0
    parts: list[float] = []
    low: float | None = None
    high: float | None = None
    first_at: Instant = NEVER
    first: Value = None
    last_at: Instant = Instant(-1)
    last: Value = None
    different: list[str] | None = None
    """Digests of the different values, sorted; None where nothing asks for them."""


class Trail(msgspec.Struct, array_like=True):
    """A stream's events inside its longest window, by event time; `values` if it has `of`."""

    times: list[int] = []
    values: list[Value] | None = None


class Session(msgspec.Struct, array_like=True):
    """The live session: a run of activity, ended by silence."""

    number: int
    started_at: Instant
    last_at: Instant
    events: int = 0
    views: int = 0
    value: float = 0.0
    """Sum of the prices of the products viewed."""
    products: list[str] = []
    """Different products viewed, oldest first."""
    repeats: int = 0
    """Views of a product already viewed in this session."""
    searches: int = 0
    carts: int = 0
    cart_value: float = 0.0
    checkout_at: Instant = NEVER
    converted_at: Instant = NEVER
    scores: "dict[str, Score]" = {}
    orders: int = 0


class Score(msgspec.Struct, array_like=True):
    """What a model says of the live session, and with which model it was said."""

    model: str
    bins: list[int]
    points: float
    probability: float


class Consent(msgspec.Struct, array_like=True):
    """What the customer said of a topic on a channel, when, and through what."""

    state: OneOf["granted", "denied", "pending"]
    at: Instant
    source: str = ""


class Run(msgspec.Struct, array_like=True):
    """One trip through a journey. `id` is journey, key and count, so it is never drawn."""

    id: str
    journey: str
    program: str
    key: str
    step: str
    entered_at: Instant
    stepped_at: Instant
    due_at: Instant = NEVER
    """When the wait it stands in ends by time."""
    check_at: Instant = NEVER
    """When a condition it watches may change by time alone."""
    goal_until: Instant = NEVER
    entry: Record = {}
    vars: Record = {}
    visits: dict[str, int] = {}
    """How often each step was reached: the occurrence in effect ids, and the loop's count."""
    committed: list[str] = []
    reached_at: Instant = NEVER
    """When the goal was reached, for a run that goes on after it."""
    lingers_to: str | None = None
    """The step it goes on to when what it still has open (see `journeys.py`) is settled."""


class Proposal(msgspec.Struct, array_like=True):
    """A message that a run wants out and that is not admitted yet."""

    id: str
    run: str
    step: str
    message: str
    proposed_at: Instant
    expires_at: Instant
    retry_at: Instant
    reason: str
    tried: list[str] = []
    """Channels that failed at the provider."""
    event: Record = {}
    """Properties of the event that led here, for the templates."""
    option: str = ""
    """The option of a `Choose` that it comes from."""
    about: list[str] = []
    """The products it promotes."""


class Offer(msgspec.Struct, array_like=True):
    """A message that may be shown on a placement, or is being shown there."""

    id: str
    run: str
    step: str
    message: str
    placement: str
    channel: str
    offered_at: Instant
    expires_at: Instant
    until: list[str] = []
    ends_on: list[str] = []
    event: Record = {}
    shown_at: Instant = NEVER
    """When it was last put into an answer; from then on it is an active intervention."""
    shown_as: str = ""
    """The ledger's id of that showing."""
    about: list[str] = []


class Sent(msgspec.Struct, array_like=True):
    """A line of the ledger: one admitted send or show, and what became of it.

    It counts for caps from `at` on, unless its state is `failed` or `cancelled`.
    """

    id: str
    message: str
    channel: str
    journey: str
    run: str
    step: str
    at: Instant
    session: int
    state: OneOf[
        "queued",
        "claimed",
        "accepted",
        "delivered",
        "failed",
        "cancelled",
        "unknown",
        "shown",
    ] = "queued"
    tags: list[str] = []
    clicked_at: Instant = NEVER
    dismissed_at: Instant = NEVER
    placement: str = ""
    about: list[str] = []
    bounds: list[int] = []
    """[proposed_at, expires_at]: the bounds that a fallback send inherits."""
    tried: list[str] = []
    event: Record = {}
    recalled: str = ""
    """Why it must not go again, should the provider that has it in its hands put it off."""


class Grant(msgspec.Struct, array_like=True):
    """An incentive held: alive from the offer to its redemption or expiry."""

    name: str
    group: str
    worth: float
    source: str
    """The id of the send or offer that carried it."""
    journey: str
    offered_at: Instant
    expires_at: Instant
    code: str = ""
    redeemed_at: Instant = NEVER
    told_at: Instant = NEVER
    """When its expiry was told: once."""
    pool: str = ""
    """The coupon pool that its code is from."""


class Silence(msgspec.Struct, array_like=True):
    """A derived event in the making: it happens at `due_at` unless something comes first."""

    due_at: Instant
    properties: Record


class Entered(msgspec.Struct, array_like=True):
    """How often a journey (or one key of it) was entered, and when last."""

    count: int
    last_at: Instant


class Profile(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Everything known of one customer."""

    id: ProfileId
    draw_key: str
    """What draws are keyed by: the first id that any part of this profile ever had."""
    program: str = ""
    first_seen_at: Instant = NEVER
    last_seen_at: Instant = Instant(0)
    user_ids: list[str] = []
    anonymous_ids: list[str] = []
    traits: Record = {}
    traits_at: dict[str, int] = {}
    zone: str = ""
    consents: dict[str, Consent] = {}
    """By `channel/topic`; `*` stands for all of them."""
    unreachable: dict[str, str] = {}
    """Channels that bounced for good: the address that did."""
    session: Session | None = None
    sessions: int = 0
    tallies: dict[str, Tally] = {}
    trails: dict[str, Trail] = {}
    segments: dict[str, int] = {}
    """Memberships: since when."""
    segments_due: dict[str, int] = {}
    """When a segment's answer may change by time alone."""
    silences: dict[str, Silence] = {}
    runs: list[Run] = []
    entered: dict[str, Entered] = {}
    """By journey, and by `journey/key`."""
    proposals: list[Proposal] = []
    offers: list[Offer] = []
    ledger: list[Sent] = []
    grants: list[Grant] = []
    assignments: dict[str, str] = {}
    """Variants and holdouts drawn, by stream."""
    bought: dict[str, int] = {}
    """Products bought, and when last."""
    scheduled: dict[str, int] = {}
    """When the entries on a date or a schedule come next, by `journey#place of the entry`."""
    wake_at: Instant = NEVER
    orders: int = 0
    """Conversions, whoever reported them."""
    ordered_at: Instant = Instant(0)
    """When the last of them happened; 0 where there is none."""
    simulated: bool = False
    """Nobody real is behind it: its first event said so. What it leads to never leaves."""


def create(profile_id: ProfileId, now: Instant) -> Profile:
    """A profile of which nothing is known."""
    return Profile(id=profile_id, draw_key=profile_id, first_seen_at=now)

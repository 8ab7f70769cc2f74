"""One customer as the auditor knows them: what was said, done, sent and seen, and nothing else.

Rule 1: a plain record. What can be counted again from the log is never kept as a count.
Rule 2: the order of two merges makes no difference; each line of `unite` says which choice
    `docs/concepts/semantics.md` makes where only one of two can stay.
"""

import msgspec
from msgspec.structs import replace

from segue.kernel import plan
from segue.kernel.inputs import Event
from segue.kernel.values import Record, Value
from segue.sim import auditor_calendar as calendar
from segue.sim.auditor_calendar import NEVER

STRICT = ("granted", "pending", "denied")
ADDRESS = {
    "email": "email",
    "sms": "phone",
    "whatsapp": "phone",
    "push": "push_token",
    "ads": "email",
}
"""The trait that holds a channel's address."""

RANK = {
    "queued": 0,
    "claimed": 1,
    "unknown": 2,
    "accepted": 3,
    "failed": 4,
    "delivered": 5,
    "cancelled": 6,
    "shown": 6,
}
"""Reports come late and out of order: one may only move a line up."""


class Visit(msgspec.Struct):
    """A live session, and what the customer's own client did in it."""

    number: int
    started_at: int
    last_at: int
    acts: list[Event] = []
    orders: int = 0
    checkout: bool = False
    cart_value: float = 0.0
    scores: dict[str, float] = {}
    """What each model said of it last."""

    def seen(self, cart: tuple[str, ...]) -> Record:
        """What conditions see of it."""
        return {
            **self.scores,
            "number": self.number,
            "events": len(self.acts),
            "views": sum(one.name == "Product Viewed" for one in self.acts),
            "carts": sum(one.name in cart for one in self.acts),
            "cart_value": self.cart_value,
            "orders": self.orders,
            "in_checkout": self.checkout,
            "converted": self.orders > 0,
            "seconds": (self.last_at - self.started_at) / 1000,
        }


class Trip(msgspec.Struct):
    """A run."""

    id: str
    journey: str
    program: str
    key: str
    step: str
    entered_at: int
    goal_until: int
    entry: Record
    due_at: int = NEVER
    vars: Record = {}
    visits: dict[str, int] = {}
    committed: list[str] = []
    reached: bool = False
    lingers_to: str | None = None


class Wish(msgspec.Struct):
    """A proposal, or a standing offer (with a placement)."""

    id: str
    run: str
    step: str
    message: str
    since: int
    expires_at: int
    retry_at: int = 0
    reason: str = ""
    tried: tuple[str, ...] = ()
    option: str = ""
    about: tuple[str, ...] = ()
    placement: str = ""
    channel: str = ""
    until: tuple[str, ...] = ()
    ends_on: tuple[str, ...] = ()
    open_as: str = ""
    """The id of its showing, while it is open on a page."""
    shown_as: str = ""


class Line(msgspec.Struct):
    """One admitted send or show."""

    id: str
    message: str
    channel: str
    journey: str
    run: str
    step: str
    at: int
    session: int
    state: str
    tags: tuple[str, ...]
    placement: str = ""
    about: tuple[str, ...] = ()
    since: int = 0
    expires_at: int = 0
    tried: tuple[str, ...] = ()
    clicked_at: int | None = None
    dismissed_at: int | None = None
    stale: str = ""
    """Why it may not leave the queue again, should its provider give it back."""

    @property
    def counts(self) -> bool:
        """A cap gives back what was never delivered."""
        return self.state not in ("failed", "cancelled")


class Promise(msgspec.Struct):
    """An incentive held."""

    name: str
    group: str
    worth: float
    source: str
    journey: str
    offered_at: int
    expires_at: int
    code: str
    pool: str = ""
    redeemed: bool = False
    told: bool = False
    """That its time is over has been said."""

    def alive(self, now: int) -> bool:
        """Whether it can still be redeemed."""
        return not self.redeemed and now < self.expires_at


class Life(msgspec.Struct):
    """All of one customer."""

    id: str
    first_seen_at: int
    draw_key: str
    program: str
    workspace: plan.Workspace
    zones: frozenset[str]
    fresh: bool = True
    """Nothing was asked of it yet, so time alone can't have made anything due."""
    last_seen_at: int = 0
    users: set[str] = set()
    traits: Record = {}
    traits_at: dict[str, int] = {}
    zone: str = ""
    consents: dict[str, tuple[str, int, str]] = {}
    unreachable: dict[str, str] = {}
    session: Visit | None = None
    sessions: int = 0
    log: list[tuple[Event, int]] = []
    walked: dict[int, tuple[int, list[tuple[int, Value]]]] = {}
    """What each stream found in the log, and how long the log was then."""
    segments: set[str] = set()
    silences: dict[str, tuple[int, Record]] = {}
    runs: list[Trip] = []
    entered: dict[str, tuple[int, int]] = {}
    wishes: list[Wish] = []
    offers: list[Wish] = []
    lines: list[Line] = []
    grants: list[Promise] = []
    drawn: dict[str, str] = {}
    scheduled: dict[str, int] = {}
    conversions: list[tuple[int, int, tuple[str, ...]]] = []
    """(when it happened, when it arrived, what was bought)."""

    @property
    def orders(self) -> int:
        """Conversions, whoever reported them."""
        return len(self.conversions)

    def bought_at(self, product: str) -> int:
        """When the arrival of its last purchase was; -1 if never."""
        return max((at for _, at, products in self.conversions if product in products), default=-1)

    def tz(self) -> str:
        """The zone of days and hours."""
        return self.zone if self.zone in self.zones else self.workspace.zone

    def consent(self, channel: str, topic: str) -> str:
        """The strictest of all that was said; else the workspace's default."""
        keys = (f"{channel}/{topic}", f"{channel}/*", f"*/{topic}", "*/*")
        said = [self.consents[key][0] for key in keys if key in self.consents]
        default = self.workspace.consent_default.get(channel, "granted")
        return max(said, key=STRICT.index) if said else default

    def address(self, channel: str) -> str:
        """Where the channel reaches the customer."""
        found = self.traits.get(ADDRESS[channel]) if channel in ADDRESS else ""
        return found if isinstance(found, str) else ""

    def line(self, send_id: str) -> Line | None:
        """The newest line with this id."""
        return next((one for one in reversed(self.lines) if one.id == send_id), None)

    def run(self, run_id: str) -> Trip | None:
        """The live run with this id."""
        return next((one for one in self.runs if one.id == run_id), None)


def unite(mine: Life, other: Life) -> list[Trip]:
    """Two lives are one; returns the runs that another run of the same journey and key ended."""
    mine.walked = {}
    mine.log = sorted([*mine.log, *other.log], key=lambda row: (row[1], row[0].id))
    mine.users |= other.users
    mine.zone = _later_zone(mine, other)
    _unite_traits(mine, other)
    for key, said in other.consents.items():
        had = mine.consents.get(key)
        mine.consents[key] = said if had is None else stricter(had, said)
    for channel, address in other.unreachable.items():
        mine.unreachable[channel] = max(address, mine.unreachable.get(channel, ""))
    _unite_sessions(mine, other)
    mine.segments |= other.segments
    for name, silence in other.silences.items():
        if name not in mine.silences or mine.silences[name][0] < silence[0]:
            mine.silences[name] = silence
    for key, (count, at) in other.entered.items():
        before = mine.entered.get(key, (0, 0))
        mine.entered[key] = (before[0] + count, max(before[1], at))
    for stream, variant in other.drawn.items():
        mine.drawn[stream] = _variant(stream, mine.drawn.get(stream, variant), variant)
    mine.wishes = sorted(mine.wishes + other.wishes, key=lambda one: one.id)
    mine.offers = sorted(mine.offers + other.offers, key=lambda one: (one.since, one.id))
    mine.lines = sorted(mine.lines + other.lines, key=lambda one: (one.at, one.id))
    mine.grants = sorted(mine.grants + other.grants, key=lambda one: (one.offered_at, one.source))
    mine.conversions += other.conversions
    elder = min((mine.first_seen_at, mine.draw_key), (other.first_seen_at, other.draw_key))
    mine.first_seen_at, mine.draw_key = elder
    mine.last_seen_at = max(mine.last_seen_at, other.last_seen_at)
    both = sorted(mine.runs + other.runs, key=lambda one: (one.entered_at, one.id))
    mine.runs = []
    ended: list[Trip] = []
    for run in both:
        twin = any((run.journey, run.key) == (one.journey, one.key) for one in mine.runs)
        (ended if twin else mine.runs).append(run)
    mine.scheduled = {}
    return ended


def stricter(one: tuple[str, int, str], two: tuple[str, int, str]) -> tuple[str, int, str]:
    """Denied before pending before granted; of two alike, the earlier said."""
    return min(one, two, key=lambda said: (-STRICT.index(said[0]), said[1], said[2]))


def _later_zone(mine: Life, other: Life) -> str:
    later = max((mine.last_seen_at, mine.zone), (other.last_seen_at, other.zone))[1]
    return later or mine.zone or other.zone


def _unite_traits(mine: Life, other: Life) -> None:
    """Of a trait that both have, the later saying; a removal is one."""
    for name, at in other.traits_at.items():
        had = mine.traits_at.get(name)
        newer = (at, _mark(other.traits.get(name)))
        if had is not None and newer <= (had, _mark(mine.traits.get(name))):
            continue
        mine.traits_at[name] = at
        mine.traits.pop(name, None)
        if name in other.traits:
            mine.traits[name] = other.traits[name]


def _mark(value: Value) -> str:
    """A total order of values, for ties."""
    import hashlib

    return hashlib.blake2b(msgspec.json.encode(value, order="sorted"), digest_size=6).hexdigest()


def _unite_sessions(mine: Life, other: Life) -> None:
    """One live session of the two; what was sent in either was sent in it."""
    number = mine.sessions + other.sessions
    for life in (mine, other):
        for line in life.lines:
            if life.session is not None and line.session == life.session.number:
                line.session = number
    one, two = mine.session, other.session
    if one is not None and two is not None:
        one = replace(
            one,
            started_at=min(one.started_at, two.started_at),
            last_at=max(one.last_at, two.last_at),
            acts=one.acts + two.acts,
            cart_value=one.cart_value + two.cart_value,
            orders=one.orders + two.orders,
            checkout=one.checkout or two.checkout,
            scores={},
        )
    mine.session = one or two
    if mine.session is not None:
        mine.session.number = number
    mine.sessions = number


def _variant(stream: str, one: str, two: str) -> str:
    """A holdout of either stays; else the one that a keyed draw puts first."""
    if stream.startswith("holdout:") and "out" in (one, two):
        return "out"
    return min((one, two), key=lambda variant: (calendar.draw(stream, variant), variant))

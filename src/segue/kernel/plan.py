"""The program as data: every definition of a workspace, checked, flat and immutable.

Rule 1: a plan holds facts only. `program.link` turns it into closures and indices; the
    same plan gives the same program on every machine.
Rule 2: a plan is named by the blake2b hash of its canonical JSON, so renaming a field
    here changes every program's name. Add fields with defaults instead.
Rule 3: the checker (`define`) has proved what the kernel relies on: names resolve, step ids
    are unique in a journey, every `next` exists, loops contain a wait, weights are positive.
"""

from typing import Literal as OneOf, TypeAlias

import msgspec

from segue.kernel.expression import TRUE, Expression
from segue.kernel.shelves import CatalogPlan
from segue.kernel.values import Instant, Millis

Channel: TypeAlias = str
"""email, sms, push, web, checkout, inapp, ads, webhook, task; `sandbox` stands in for any."""

ON_SITE = ("web", "checkout", "inapp")
OUTBOUND = ("email", "sms", "push", "whatsapp", "ads")

StepId: TypeAlias = str
END: StepId = ""
"""As a `next`: the run is completed."""


# ── segments, derived events, models ────────────────────────────────────────────────


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A named condition whose membership is kept live."""

    name: str
    when: Expression
    title: str = ""


Moment: TypeAlias = OneOf[
    "event", "session_started", "session_ended", "segment_entered", "segment_left", "item_changed"
]


class Derived(msgspec.Struct, frozen=True, kw_only=True):
    """An event that Segue emits by itself, at a `moment`, if `when` holds then.

    event            one of `on` happened and then, for `silence_ms`, neither another of `on`
                     nor one of `unless`; a silence of 0 emits at once
    session_started, session_ended   the live session began, or silence has ended it
    segment_entered, segment_left    of `segment`; of any where it is empty
    item_changed     of `catalog`, an item with which one of `on` was done in `within_ms`

    The event has what the moment tells of itself, and `properties`; the latter win.
    """

    name: str
    on: tuple[str, ...] = ()
    moment: Moment = "event"
    segment: str = ""
    catalog: str = ""
    within_ms: Millis = Millis(0)
    silence_ms: Millis = Millis(0)
    unless: tuple[str, ...] = ()
    when: Expression = TRUE
    properties: dict[str, Expression] = {}


class Bins(msgspec.Struct, frozen=True, array_like=True):
    """A session feature cut into bins: value v lies in bin `bisect_right(cuts, v)`."""

    feature: str
    cuts: tuple[float, ...]


class Table(msgspec.Struct, frozen=True, array_like=True):
    """Points for one bin, or for a pair of bins (row-major), added into a score."""

    features: tuple[str, ...]
    points: tuple[float, ...]
    reason: str = ""


class Scorecard(msgspec.Struct, frozen=True, kw_only=True):
    """A table model: the sum of `base` and one entry of each table, mapped to [0, 1].

    `scale` is a list of (points, probability) pairs in rising order; between two pairs the
    probability is interpolated linearly, outside them it is the nearest one's. No
    transcendental function, so every machine gives the same bytes.
    """

    name: str
    target: str
    bins: tuple[Bins, ...]
    tables: tuple[Table, ...]
    base: float
    scale: tuple[tuple[float, float], ...]


# ── messages ────────────────────────────────────────────────────────────────────────


class Incentive(msgspec.Struct, frozen=True, kw_only=True):
    """What an offer gives: `group` competes with itself, `worth` says which deal is better.

    `code` is the same for everybody; `coupons` names a pool of codes, each handed out once.
    """

    name: str
    group: str
    worth: float
    lasts_ms: Millis
    code: str = ""
    redeemed_by: tuple[str, ...] = ()
    coupons: str = ""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Content with a purpose.

    `contents` maps a channel to its fields (`define.channels`), each a Liquid template. `about`
    gives the product or products it promotes, so that a purchase can cancel it. `expires_ms`
    counts from the proposal, and every reason to wait respects it.
    """

    name: str
    topic: str
    contents: dict[Channel, dict[str, str]]
    expires_ms: Millis
    purpose: OneOf["marketing", "transactional"] = "marketing"
    checkout_critical: bool = False
    priority: int = 50
    value: Expression | None = None
    tags: tuple[str, ...] = ()
    when: Expression = TRUE
    about: Expression | None = None
    incentive: Incentive | None = None
    title: str = ""


# ── policies ────────────────────────────────────────────────────────────────────────


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Which proposals a policy concerns; every empty field means all."""

    channels: tuple[Channel, ...] = ()
    tags: tuple[str, ...] = ()
    journeys: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    placements: tuple[str, ...] = ()


class Cap(msgspec.Struct, frozen=True, kw_only=True, tag="cap"):
    """At most `most` admitted in a session, a rolling window, or a local calendar period."""

    name: str
    most: int
    per: OneOf["session", "window", "day", "week", "month"]
    window_ms: Millis = Millis(0)
    reach: Reach = Reach()
    then: OneOf["hold", "deny"] = "hold"


class Gap(msgspec.Struct, frozen=True, kw_only=True, tag="gap"):
    """At least `least_ms` between two admitted."""

    name: str
    least_ms: Millis
    reach: Reach = Reach()
    then: OneOf["hold", "deny"] = "hold"


class QuietHours(msgspec.Struct, frozen=True, kw_only=True, tag="quiet_hours"):
    """No outbound from `start` to `end`, minutes after local midnight; may span midnight.

    `weekdays` (Monday 1) says on which days the quiet time starts; empty means every day.
    A hold that ends is spread over `pace_ms` by a keyed draw, so that not all leave at once.
    """

    name: str
    start: int
    end: int
    weekdays: tuple[int, ...] = ()
    reach: Reach = Reach(channels=OUTBOUND)
    pace_ms: Millis = Millis(0)


class Suppression(msgspec.Struct, frozen=True, kw_only=True, tag="suppression"):
    """While `when` holds, what it reaches is held or denied.

    Two rules need no expression and are on unless the workspace turns them off:
    `on_site_active` (an intervention on the site is open) and `bought` (what the message
    is about has been bought since it was proposed, or in `lookback_ms` before).
    """

    name: str
    when: Expression = TRUE
    rule: OneOf["when", "on_site_active", "bought"] = "when"
    reach: Reach = Reach()
    then: OneOf["hold", "deny"] = "hold"
    lookback_ms: Millis = Millis(0)


class Exclusion(msgspec.Struct, frozen=True, kw_only=True, tag="exclusion"):
    """Of these incentive groups (or journeys), at most one is alive for a profile."""

    name: str
    groups: tuple[str, ...] = ()
    journeys: tuple[str, ...] = ()


class Holdout(msgspec.Struct, frozen=True, kw_only=True, tag="holdout"):
    """A share of profiles, drawn once by keyed hash, that gets none of what it reaches.

    `share` is in parts per million. Transactional messages are never held out.
    """

    name: str
    share: int
    reach: Reach = Reach()


Policy: TypeAlias = Cap | Gap | QuietHours | Suppression | Exclusion | Holdout


# ── journeys ────────────────────────────────────────────────────────────────────────


class OnEvent(msgspec.Struct, frozen=True, kw_only=True, tag="on_event"):
    """Entry when one of these events arrives and `when` holds."""

    events: tuple[str, ...]
    when: Expression = TRUE


class OnSegment(msgspec.Struct, frozen=True, kw_only=True, tag="on_segment"):
    """Entry when the profile enters or leaves a segment and `when` holds."""

    segment: str
    change: OneOf["entered", "left"]
    when: Expression = TRUE


class OnDate(msgspec.Struct, frozen=True, kw_only=True, tag="on_date"):
    """Entry at a date held in a trait, plus an offset; `yearly` repeats it (birthdays).

    `at` is the minute of the local day; -1 keeps the time of the date itself.
    """

    trait: str
    offset_ms: Millis = Millis(0)
    at: int = -1
    yearly: bool = False
    when: Expression = TRUE


class OnSchedule(msgspec.Struct, frozen=True, kw_only=True, tag="on_schedule"):
    """Entry of a segment's members at a local time of day, on some weekdays or month days."""

    segment: str
    at: int
    weekdays: tuple[int, ...] = ()
    days: tuple[int, ...] = ()
    when: Expression = TRUE


class OnCall(msgspec.Struct, frozen=True, kw_only=True, tag="on_call"):
    """Entry by API."""

    when: Expression = TRUE


Entry: TypeAlias = OnEvent | OnSegment | OnDate | OnSchedule | OnCall


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """Something waited for: one of `events` arriving while `when` holds, or `when` alone."""

    events: tuple[str, ...] = ()
    when: Expression = TRUE
    reason: str = ""


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome a journey is for, and until when after entry it counts."""

    watch: Watch
    within_ms: Millis
    ends: bool = True
    value: Expression | None = None


class Send(msgspec.Struct, frozen=True, kw_only=True, tag="send"):
    """Propose a message by the first of `channels` that is allowed.

    The run stands here until the message is admitted, denied for good or expired. Then:
    admitted goes to `next`; otherwise `otherwise` says: `skip` to `next`, `exit` the run,
    or `retry` every `retry_ms` until the message expires.
    """

    id: StepId
    next: StepId
    message: str
    channels: tuple[Channel, ...]
    otherwise: OneOf["skip", "exit", "retry"] = "skip"
    retry_ms: Millis = Millis(0)


class Show(msgspec.Struct, frozen=True, kw_only=True, tag="show"):
    """Make a message a candidate for a placement, and go on at once.

    It stands until `lasts_ms` have passed, one of `until` arrives, it is dismissed or
    clicked (`ends_on`), the run ends or leaves for a stronger path.
    """

    id: StepId
    next: StepId
    message: str
    placement: str
    channel: Channel = "web"
    lasts_ms: Millis
    until: tuple[str, ...] = ()
    ends_on: tuple[OneOf["shown", "clicked", "dismissed"], ...] = ("clicked", "dismissed")


class Wait(msgspec.Struct, frozen=True, kw_only=True, tag="wait"):
    """Stand still for a time."""

    id: StepId
    next: StepId
    for_ms: Millis


class WaitUntil(msgspec.Struct, frozen=True, kw_only=True, tag="wait_until"):
    """Stand still until something happens or holds, at most `timeout_ms`."""

    id: StepId
    watch: Watch
    timeout_ms: Millis
    met: StepId
    timed_out: StepId


class WaitWindow(msgspec.Struct, frozen=True, kw_only=True, tag="wait_window"):
    """Stand still until the local time lies in a window; passes at once inside it."""

    id: StepId
    next: StepId
    start: int
    end: int
    weekdays: tuple[int, ...] = ()


class WaitDate(msgspec.Struct, frozen=True, kw_only=True, tag="wait_date"):
    """Stand still until a date (an expression) plus an offset; `missing` where there is none."""

    id: StepId
    next: StepId
    date: Expression
    offset_ms: Millis
    missing: StepId


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One path of a branch."""

    name: str
    when: Expression
    next: StepId


class Branch(msgspec.Struct, frozen=True, kw_only=True, tag="branch"):
    """Take the first way whose condition holds."""

    id: StepId
    ways: tuple[Way, ...]
    otherwise: StepId


class Adapt(msgspec.Struct, frozen=True, kw_only=True, tag="adapt"):
    """A branch that is watched on every event until a way commits; ways rise in strength.

    The run takes the strongest way that holds. While it stands in a way (see `Placed`), a
    stronger one that comes to hold takes over, and what the weaker had not yet sent is
    withdrawn; a weaker one only if `both_ways`. If none holds the run stands here for
    `timeout_ms`, then takes `otherwise`.
    """

    id: StepId
    ways: tuple[Way, ...]
    timeout_ms: Millis
    otherwise: StepId
    both_ways: bool = False


class Commit(msgspec.Struct, frozen=True, kw_only=True, tag="commit"):
    """From here on the adaptive branch around it is no longer watched."""

    id: StepId
    next: StepId
    adapt: StepId


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One arm of a split or experiment; `weight` is relative."""

    name: str
    weight: int
    next: StepId


class Split(msgspec.Struct, frozen=True, kw_only=True, tag="split"):
    """Draw a variant by keyed hash of (stream, profile): sticky and reproducible.

    `experiment` and `control` are set where the split is an experiment, so that exposure is
    recorded and lift can be computed.
    """

    id: StepId
    stream: str
    variants: tuple[Variant, ...]
    experiment: str = ""
    control: str = ""


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that `Choose` may do; no message means *do nothing*."""

    name: str
    message: str = ""
    channels: tuple[Channel, ...] = ()
    value: Expression | None = None
    next: StepId = END


class Choose(msgspec.Struct, frozen=True, kw_only=True, tag="choose"):
    """Next best action: the most valuable option that the guardrails admit now.

    `explore` (parts per million) draws among the admitted options instead; the probability
    of each is logged either way.
    """

    id: StepId
    options: tuple[Option, ...]
    explore: int = 0


class SetTrait(msgspec.Struct, frozen=True, kw_only=True, tag="set"):
    """Set traits or run variables; a missing value removes one."""

    id: StepId
    next: StepId
    traits: dict[str, Expression] = {}
    vars: dict[str, Expression] = {}


class Emit(msgspec.Struct, frozen=True, kw_only=True, tag="emit"):
    """Make an event happen for this profile, now."""

    id: StepId
    next: StepId
    event: str
    properties: dict[str, Expression] = {}


class Audience(msgspec.Struct, frozen=True, kw_only=True, tag="audience"):
    """Add the profile to an ad audience, or remove it."""

    id: StepId
    next: StepId
    audience: str
    change: OneOf["add", "remove"]


class Call(msgspec.Struct, frozen=True, kw_only=True, tag="call"):
    """Call a webhook with a body of expressions."""

    id: StepId
    next: StepId
    webhook: str
    body: dict[str, Expression] = {}


class Assign(msgspec.Struct, frozen=True, kw_only=True, tag="assign"):
    """Hand a person at the company a task."""

    id: StepId
    next: StepId
    title: str
    to: str = ""
    details: dict[str, Expression] = {}


class Repeat(msgspec.Struct, frozen=True, kw_only=True, tag="repeat"):
    """Take `body` up to `times` while `when` holds, then `next`; the body leads back here."""

    id: StepId
    body: StepId
    next: StepId
    times: int
    when: Expression = TRUE


class End(msgspec.Struct, frozen=True, kw_only=True, tag="end"):
    """The run is completed, for this reason."""

    id: StepId
    reason: str = "completed"


Node: TypeAlias = (
    Send
    | Show
    | Wait
    | WaitUntil
    | WaitWindow
    | WaitDate
    | Branch
    | Adapt
    | Commit
    | Split
    | Choose
    | SetTrait
    | Emit
    | Audience
    | Call
    | Assign
    | Repeat
    | End
)


class Placed(msgspec.Struct, frozen=True, array_like=True):
    """Where a step stands: inside way `way` of adaptive branch `adapt`."""

    adapt: StepId
    way: int


class Journey(msgspec.Struct, frozen=True, kw_only=True):
    """A definition that runs profiles through steps towards a goal.

    `steps` is flat; `start` is the first. `within` says, outermost first, in which ways of
    which adaptive branches a step stands. `reentry_ms` -1 is never, 0 is always, else the
    time that must have passed since the last entry with the same key.
    """

    name: str
    entries: tuple[Entry, ...]
    steps: tuple[Node, ...]
    start: StepId
    exits: tuple[Watch, ...] = ()
    goal: Goal | None = None
    key: Expression | None = None
    when: Expression = TRUE
    reentry_ms: Millis = Millis(-1)
    runs_max: int = 10
    priority: int = 50
    state: OneOf["draft", "live", "paused", "draining", "archived"] = "live"
    waits_go_on: bool = True
    within: dict[StepId, tuple[Placed, ...]] = {}
    title: str = ""


class Workspace(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for all definitions."""

    name: str
    zone: str = "UTC"
    session_ms: Millis = Millis(30 * 60_000)
    currency: str = "USD"
    conversions: tuple[str, ...] = ("Order Completed",)
    """Events that count as a conversion; `products[].product_id` or `product_id` say of what."""
    checkout: tuple[str, ...] = ("Checkout Started", "Checkout Step Viewed")
    """Events that put the session into checkout, until a conversion or the session's end."""
    cart: tuple[str, ...] = ("Product Added",)
    consent_default: dict[Channel, OneOf["granted", "denied"]] = {}
    """Where a profile has said nothing; a channel that is not named here is granted."""
    ledger_ms: Millis = Millis(90 * 86_400_000)
    require_consent: str = ""
    """What a browser must be allowed before it keeps or sends anything; `any` category will do."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled workspace; `parts` are what templates may put in by name."""

    workspace: Workspace
    segments: tuple[Segment, ...] = ()
    derived: tuple[Derived, ...] = ()
    messages: tuple[Message, ...] = ()
    policies: tuple[Policy, ...] = ()
    journeys: tuple[Journey, ...] = ()
    models: tuple[Scorecard, ...] = ()
    catalogs: tuple[CatalogPlan, ...] = ()
    published_at: Instant = Instant(0)
    """Not part of the hash."""
    parts: dict[str, str] = {}

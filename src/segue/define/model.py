"""The authored form: what may stand in a workspace file, as structs.

Rule 1: these structs are the only list of keys; the reader (`shape`), the editor schema
    (`schema`) and the reference page are all made from them. An unknown key is an error.
Rule 2: where one of several forms may stand, the first field without a default is the
    form's keyword: `send:` makes a step a send.
Rule 3: `tuple` means one or many: a single thing may stand where a list may.
Rule 4: `shorthand` names the field that a bare word or list stands for.
"""

from typing import ClassVar, Literal as OneOf, TypeAlias

import msgspec

from segue.define.diagnostics import Place
from segue.define.words import (
    Body,
    Currency,
    Days,
    Expr,
    Hours,
    Minute,
    Name,
    Offset,
    Period,
    Share,
    Span,
    Text,
)


class Authored(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something written as a mapping. `place` and `spots` are where, and never written."""

    place: Place = Place("")
    spots: dict[str, Place] = {}

    shorthand: ClassVar[str] = ""

    def at_key(self, name: str) -> Place:
        """Where the value of a field was written; the whole thing's place if it was not."""
        return self.spots.get(name, self.place)


class Definition(Authored, frozen=True, kw_only=True):
    """Something with a name of its own; `waive` lists checks that it may fail."""

    title: Text | None = None
    waive: tuple[Text, ...] = ()


# ── workspace, segments, events, models ─────────────────────────────────────────────


class Bought(Authored, frozen=True, kw_only=True):
    """How far back a purchase cancels the promotion of what was bought."""

    lookback: Span


class Defaults(Authored, frozen=True, kw_only=True):
    """The guardrails that are on without being written."""

    on_site_active: OneOf["on", "off"] = "on"
    bought: OneOf["on", "off"] | Bought = "on"


class WorkspaceForm(Definition, frozen=True, kw_only=True):
    """What holds for all definitions."""

    name: Name
    zone: Text | None = None
    session: Span | None = None
    currency: Currency | None = None
    conversions: tuple[Text, ...] | None = None
    checkout: tuple[Text, ...] | None = None
    cart: tuple[Text, ...] | None = None
    consent: dict[str, OneOf["granted", "denied"]] = {}
    require_consent: Text | None = None
    """The category that a browser's customer must allow before anything is kept or sent;
    `any` is satisfied by whichever they allow."""
    ledger: Span | None = None
    expects: tuple[Text, ...] = ()
    """Events of the shop's own that will come; the ecommerce specification's need no word."""
    defaults: Defaults = Defaults()


class SegmentForm(Definition, frozen=True, kw_only=True):
    """A named condition whose membership is kept live."""

    when: Expr

    shorthand: ClassVar[str] = "when"


class FeatureForm(Authored, frozen=True, kw_only=True):
    """A session feature cut into bins, and the points of each bin."""

    cuts: tuple[float, ...]
    points: tuple[float, ...] | None = None
    reason: Text | None = None


class RowForm(Authored, frozen=True, kw_only=True):
    """Points for each bin of the second feature, at one bin of the first."""

    points: tuple[float, ...]

    shorthand: ClassVar[str] = "points"


class PairForm(Authored, frozen=True, kw_only=True):
    """Points for two features together: a row for each bin of the first."""

    features: tuple[Name, ...]
    points: tuple[RowForm, ...]
    reason: Text | None = None


class ModelForm(Definition, frozen=True, kw_only=True):
    """A scorecard: points added up and mapped to a probability.

    It is read by its own name, `session.<name>`; `target` says what it is the probability of.
    """

    target: Name
    features: dict[str, FeatureForm]
    scale: dict[str, float]
    base: float = 0.0
    pairs: tuple[PairForm, ...] = ()


# ── messages ────────────────────────────────────────────────────────────────────────


class ContentForm(Authored, frozen=True, kw_only=True):
    """One field of a message: a Liquid template, here or in a file beside this one."""

    text: Body | None = None
    file: Text | None = None

    shorthand: ClassVar[str] = "text"


class IncentiveForm(Authored, frozen=True, kw_only=True):
    """What an offer gives."""

    name: Name
    group: Name
    worth: float
    lasts: Span
    code: Text | None = None
    coupons: Name | None = None
    redeemed_by: tuple[Text, ...] = ()


class MessageForm(Definition, frozen=True, kw_only=True):
    """Content with a purpose, for one channel or several."""

    contents: dict[str, dict[str, ContentForm]]
    topic: Name | None = None
    expires: Span | None = None
    purpose: OneOf["marketing", "transactional"] = "marketing"
    checkout_critical: bool = False
    priority: int = 50
    value: Expr | None = None
    tags: tuple[Name, ...] = ()
    when: Expr | None = None
    about: Expr | None = None
    incentive: IncentiveForm | None = None


# ── policies ────────────────────────────────────────────────────────────────────────


class Reaching(Definition, frozen=True, kw_only=True):
    """A guardrail, and what it reaches: all that is left out means everything."""

    channels: tuple[Name, ...] = ()
    tags: tuple[Name, ...] = ()
    journeys: tuple[Name, ...] = ()
    messages: tuple[Name, ...] = ()
    placements: tuple[Name, ...] = ()


class CapForm(Reaching, frozen=True, kw_only=True):
    """At most so many in a session, a rolling window or a calendar period."""

    cap: int
    per: Period
    then: OneOf["hold", "deny"] = "hold"


class GapForm(Reaching, frozen=True, kw_only=True):
    """At least so much time between two."""

    gap: Span
    then: OneOf["hold", "deny"] = "hold"


class QuietForm(Reaching, frozen=True, kw_only=True):
    """Hours in which nothing goes out, in the customer's own time."""

    quiet: Hours
    weekdays: tuple[Days, ...] = ()
    pace: Span | None = None


class SuppressForm(Reaching, frozen=True, kw_only=True):
    """While a condition holds, nothing of what this reaches goes out."""

    suppress: Expr
    then: OneOf["hold", "deny"] = "hold"


class Rivals(Authored, frozen=True, kw_only=True):
    """What is never alive together for one customer."""

    groups: tuple[Name, ...] = ()
    journeys: tuple[Name, ...] = ()


class ExcludeForm(Definition, frozen=True, kw_only=True):
    """Of these incentive groups or journeys, at most one at a time."""

    exclude: Rivals


class HoldoutForm(Reaching, frozen=True, kw_only=True):
    """A share of customers, drawn once, that gets none of what this reaches."""

    holdout: Share


PolicyForm: TypeAlias = CapForm | GapForm | QuietForm | SuppressForm | ExcludeForm | HoldoutForm


# ── journeys: entry, exit, goal ─────────────────────────────────────────────────────


class WatchForm(Authored, frozen=True, kw_only=True):
    """Something watched for: events, a condition, or events under a condition."""

    on: tuple[Text, ...] = ()
    when: Expr | None = None
    reason: Text | None = None

    shorthand: ClassVar[str] = "on"


class EnterOn(Authored, frozen=True, kw_only=True):
    """Entry on an event."""

    on: tuple[Text, ...]
    when: Expr | None = None


class EnterDate(Authored, frozen=True, kw_only=True):
    """Entry on a date in a trait."""

    date: Text
    offset: Offset | None = None
    at: Minute | None = None
    yearly: bool = False
    when: Expr | None = None


class EnterSchedule(Authored, frozen=True, kw_only=True):
    """Entry of a segment's members at a time of day."""

    schedule: Minute
    segment: Name
    weekdays: tuple[Days, ...] = ()
    days: tuple[int, ...] = ()
    when: Expr | None = None


class EnterSegment(Authored, frozen=True, kw_only=True):
    """Entry on entering or leaving a segment."""

    segment: Name
    change: OneOf["entered", "left"] = "entered"
    when: Expr | None = None


class EnterCall(Authored, frozen=True, kw_only=True):
    """Entry by API."""

    api: OneOf["on"]
    when: Expr | None = None


EnterForm: TypeAlias = EnterOn | EnterDate | EnterSchedule | EnterSegment | EnterCall


class After(Authored, frozen=True, kw_only=True):
    """Re-entry once this much time has passed since the last entry."""

    after: Span


class GoalForm(Authored, frozen=True, kw_only=True):
    """The outcome a journey is for, and until when after entry it counts."""

    within: Span
    on: tuple[Text, ...] = ()
    when: Expr | None = None
    ends: bool = True
    value: Expr | None = None


# ── journeys: steps ─────────────────────────────────────────────────────────────────


class Step(Authored, frozen=True, kw_only=True):
    """What every step may have: an id that keeps runs in place, and where to go next."""

    id: Name | None = None
    next: Name | None = None


class Retry(Authored, frozen=True, kw_only=True):
    """Try again at this interval until the message expires."""

    retry: Span


class SendStep(Step, frozen=True, kw_only=True):
    """Send a message by the first channel that is reachable and allowed."""

    send: Name
    by: tuple[Name, ...] = ()
    otherwise: OneOf["skip", "exit"] | Retry = "skip"


class ShowStep(Step, frozen=True, kw_only=True):
    """Offer a message to a placement, and go on at once."""

    show: Name
    at: Name
    # `for` is a word of Python; the reader takes the key from `rename`.
    for_: Span = msgspec.field(name="for")
    channel: OneOf["web", "checkout", "inapp"] = "web"
    until: tuple[Text, ...] = ()
    ends_on: tuple[OneOf["shown", "clicked", "dismissed"], ...] = ("clicked", "dismissed")


class UntilWait(Authored, frozen=True, kw_only=True):
    """Until something happens or holds, but not for ever."""

    until: WatchForm
    at_most: Span
    met: "tuple[StepForm, ...]" = ()
    timed_out: "tuple[StepForm, ...]" = ()


class WindowWait(Authored, frozen=True, kw_only=True):
    """Until the customer's local time lies in a window."""

    window: Hours
    weekdays: tuple[Days, ...] = ()


class DateWait(Authored, frozen=True, kw_only=True):
    """Until a date, or some time before or after it."""

    date: Expr
    offset: Offset | None = None
    missing: "tuple[StepForm, ...]" = ()


class WaitStep(Step, frozen=True, kw_only=True):
    """Stand still: for a time, until something, until a window, until a date."""

    wait: Span | UntilWait | WindowWait | DateWait


class WayForm(Authored, frozen=True, kw_only=True):
    """One path and its condition."""

    when: Expr
    name: Name | None = None
    steps: "tuple[StepForm, ...]" = ()


class OtherwiseForm(Authored, frozen=True, kw_only=True):
    """The path for all others."""

    otherwise: "tuple[StepForm, ...]"


class BranchStep(Step, frozen=True, kw_only=True):
    """Take the first path whose condition holds."""

    branch: tuple[WayForm | OtherwiseForm, ...]


class AdaptStep(Step, frozen=True, kw_only=True):
    """Paths that rise in strength, watched on every event until one commits."""

    adapt: tuple[WayForm, ...]
    at_most: Span
    otherwise: "tuple[StepForm, ...]" = ()
    both_ways: bool = False


class CommitStep(Step, frozen=True, kw_only=True):
    """From here on the adaptive branch around is no longer watched."""

    commit: Name | None


class VariantForm(Authored, frozen=True, kw_only=True):
    """One arm of a split or experiment."""

    name: Name
    weight: int = 1
    steps: "tuple[StepForm, ...]" = ()


class SplitStep(Step, frozen=True, kw_only=True):
    """Draw a path by weights, once for each customer."""

    split: tuple[VariantForm, ...]
    stream: Name | None = None


class TrafficForm(Authored, frozen=True, kw_only=True):
    """What an experiment counts on: from it follows whether it can be decided in its time."""

    baseline: Share
    """The share that reaches the goal in the control."""
    detect: Share
    """The share in a variant that is worth telling from it."""
    daily: float
    """Customers who come by in a day."""
    lasts: Span
    confidence: Share | None = None
    power: Share | None = None


class ExperimentStep(Step, frozen=True, kw_only=True):
    """A split whose lift is measured against a control."""

    experiment: Name
    variants: tuple[VariantForm, ...]
    control: Name
    expects: TrafficForm | None = None


class OptionForm(Authored, frozen=True, kw_only=True):
    """One thing that a choice may do; without `send` it is to do nothing."""

    name: Name
    send: Name | None = None
    by: tuple[Name, ...] = ()
    value: Expr | None = None
    steps: "tuple[StepForm, ...]" = ()


class ChooseStep(Step, frozen=True, kw_only=True):
    """Next best action: the most valuable option that the guardrails admit."""

    choose: tuple[OptionForm, ...]
    explore: Share | None = None


class SetForm(Authored, frozen=True, kw_only=True):
    """Traits of the profile and variables of the run."""

    traits: dict[str, Expr] = {}
    vars: dict[str, Expr] = {}


class SetStep(Step, frozen=True, kw_only=True):
    """Set traits or variables; a missing value removes one."""

    set: SetForm


class EmitStep(Step, frozen=True, kw_only=True):
    """Make an event happen."""

    emit: Text
    properties: dict[str, Expr] = {}


class AudienceStep(Step, frozen=True, kw_only=True):
    """Add to an ad audience, or remove."""

    audience: Name
    change: OneOf["add", "remove"]


class CallStep(Step, frozen=True, kw_only=True):
    """Call a webhook."""

    call: Name
    body: dict[str, Expr] = {}


class AssignStep(Step, frozen=True, kw_only=True):
    """Hand a person at the company a task."""

    assign: Text
    to: Text | None = None
    details: dict[str, Expr] = {}


class RepeatStep(Step, frozen=True, kw_only=True):
    """Do some steps again, at most so many times, while a condition holds."""

    repeat: int
    steps: "tuple[StepForm, ...]"
    # `while` is a word of Python.
    while_: Expr | None = msgspec.field(name="while", default=None)


class GotoStep(Step, frozen=True, kw_only=True):
    """Go on at another step."""

    goto: Name


class EndStep(Step, frozen=True, kw_only=True):
    """The run is completed, for this reason."""

    end: Text | None


StepForm: TypeAlias = (
    SendStep
    | ShowStep
    | WaitStep
    | BranchStep
    | AdaptStep
    | CommitStep
    | SplitStep
    | ExperimentStep
    | ChooseStep
    | SetStep
    | EmitStep
    | AudienceStep
    | CallStep
    | AssignStep
    | RepeatStep
    | GotoStep
    | EndStep
)


class JourneyForm(Definition, frozen=True, kw_only=True):
    """Runs profiles through steps towards a goal."""

    enter: tuple[EnterForm, ...]
    steps: tuple[StepForm, ...]
    exit: tuple[WatchForm, ...] = ()
    goal: GoalForm | None = None
    key: Expr | None = None
    when: Expr | None = None
    reenter: OneOf["never", "always"] | After = "never"
    runs_max: int = 10
    priority: int = 50
    state: OneOf["draft", "live", "paused", "draining", "archived"] = "live"
    waits_go_on: bool = True

"""Tests as they are written in YAML, beside the journeys that they are about.

    tests:
      A cart left alone brings one reminder:
        customer: {email: ana@example.com}
        steps:
          - {does: Product Added, with: {cart_id: c1, price: 80}}
          - waits: 31m
          - expect: {messages: [cart-reminder by email]}

Rule 1: a test is read and checked like any definition: keys, names, reasons, each with its
    place; what it means is `segue.testing`'s business.
Rule 2: tests are no part of the plan: adding one publishes nothing anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal as OneOf, TypeAlias

import msgspec

from segue.define.channels import CHANNELS
from segue.define.diagnostics import Place, Sink, nearest
from segue.define.limits import STEPS_MAX
from segue.define.model import Authored
from segue.define.words import Days, Minute, Name, Span, Text
from segue.kernel import plan
from segue.kernel.shelves import PRODUCTS
from segue.kernel.trace import REASONS

NOTHING = "nothing"
"""What is seen on an empty placement, and said of a message or journey that never was."""

SENT = "sent"
"""What is said of a message that went out, in place of a reason."""

BY = " by "
"""Between a message and its channel: `cart-reminder by email`."""


class DoesForm(Authored, frozen=True, kw_only=True):
    """The customer does something, once or several times."""

    does: Text
    with_: dict[str, object] = msgspec.field(name="with", default={})
    times: int = 1
    every: Span | None = None


class WaitsForm(Authored, frozen=True, kw_only=True):
    """Time passes."""

    waits: Span


class AtForm(Authored, frozen=True, kw_only=True):
    """Time passes until it is this time of day, perhaps of that weekday, where they are."""

    at: Minute
    weekday: Days | None = None


class BecomesForm(Authored, frozen=True, kw_only=True):
    """Something is learnt of the customer: an `identify` with these traits."""

    becomes: dict[str, object]


class AsksForm(Authored, frozen=True, kw_only=True):
    """Their page asks what belongs in a placement, and they see it."""

    asks: Name
    sees: Text | None = None


class ClicksForm(Authored, frozen=True, kw_only=True):
    """They click the message that they got or saw last under this name."""

    clicks: Name


class DismissesForm(Authored, frozen=True, kw_only=True):
    """They close it."""

    dismisses: Name


class ReportsForm(Authored, frozen=True, kw_only=True):
    """The provider reports what became of a message."""

    reports: OneOf["delivered", "bounced", "complained", "unsubscribed", "failed", "opened"]
    of: Name


class AllowsForm(Authored, frozen=True, kw_only=True):
    """They allow a topic on a channel: `email/offers`, or all topics: `email`."""

    allows: Text


class ForbidsForm(Authored, frozen=True, kw_only=True):
    """They forbid it."""

    forbids: Text


class CallsForm(Authored, frozen=True, kw_only=True):
    """A journey is entered by API."""

    calls: Name
    with_: dict[str, object] = msgspec.field(name="with", default={})


class FailsForm(Authored, frozen=True, kw_only=True):
    """From here on the provider of this channel refuses everything."""

    fails: Name


class WorksForm(Authored, frozen=True, kw_only=True):
    """The provider of this channel works again."""

    works: Name


class ItemBecomesForm(Authored, frozen=True, kw_only=True):
    """An item of a catalog changes: what is not named of it stays; or it is there no more."""

    catalog: dict[str, object]
    of: Name | None = None
    gone: bool = False


class ExpectForm(Authored, frozen=True, kw_only=True):
    """What must be so by now."""

    messages: tuple[Text, ...] | None = None
    """All that went out since the test began, in order: `name`, or `name by channel`."""
    held: tuple[Name, ...] | None = None
    reasons: dict[str, Text] = {}
    """By message: why it was held or denied when it was looked at last."""
    in_segments: tuple[Name, ...] = ()
    not_in_segments: tuple[Name, ...] = ()
    runs: dict[str, Text] = {}
    """By journey: the step where a run stands, else how the last one ended, else `nothing`."""
    incentives: tuple[Name, ...] | None = None
    traits: dict[str, object] = {}


class ExpectsForm(Authored, frozen=True, kw_only=True):
    """A look at what has happened by now."""

    expect: ExpectForm


CaseStep: TypeAlias = (
    DoesForm
    | WaitsForm
    | AtForm
    | BecomesForm
    | AsksForm
    | ClicksForm
    | DismissesForm
    | ReportsForm
    | AllowsForm
    | ForbidsForm
    | CallsForm
    | FailsForm
    | WorksForm
    | ItemBecomesForm
    | ExpectsForm
)


class CaseForm(Authored, frozen=True, kw_only=True):
    """One customer's life, and what must come of it."""

    steps: tuple[CaseStep, ...]
    customer: dict[str, object] = {}
    starts: Text | None = None
    zone: Text | None = None
    consent: dict[str, OneOf["granted", "denied", "pending"]] = {}
    draws: dict[str, Name] = {}
    """The variants that the customer is to draw, by experiment or stream."""


# ── checks ──────────────────────────────────────────────────────────────────────────


class Known(msgspec.Struct, frozen=True):
    """What a test may name, as far as everything could be read."""

    messages: Sequence[str]
    journeys: Mapping[str, Sequence[str]]
    """With the ids of their steps."""
    segments: Sequence[str]
    placements: Sequence[str]
    zones: frozenset[str] | None
    catalogs: Sequence[str]
    whole: bool
    """Whether every definition could be read, so that what is not there does not exist."""


def check_cases(cases: Mapping[str, CaseForm], known: Known, sink: Sink) -> None:
    """Report tests that name what there is not, and those that expect nothing."""
    for name, case in cases.items():
        if not any(map(_looks, case.steps)):
            sink.report("SEG-E801", case.place, f"{name!r} expects nothing")
        if len(case.steps) > STEPS_MAX:
            sink.report("SEG-E105", case.place, f"a test of more than {STEPS_MAX} steps")
        if case.zone is not None and known.zones is not None:
            _named(case.zone, known.zones, "SEG-E411", "zone", sink)
        for key in case.consent:
            _channel(key, case.at_key("consent"), sink)
        for step in case.steps:
            _step(step, known, sink)


def _looks(step: CaseStep) -> bool:
    return isinstance(step, ExpectsForm) or (isinstance(step, AsksForm) and step.sees is not None)


def _step(step: CaseStep, known: Known, sink: Sink) -> None:
    match step:
        case DoesForm(times=times):
            if not 1 <= times <= 1_000:
                sink.report("SEG-E207", step.at_key("times"), "1 to 1,000 times")
        case AsksForm(asks=placement, sees=sees):
            if known.whole:
                _named(placement, known.placements, "SEG-E416", "placement", sink)
            if sees is not None and sees.text != NOTHING:
                _message(sees, known, sink)
        case (
            ClicksForm(clicks=message) | DismissesForm(dismisses=message) | ReportsForm(of=message)
        ):
            _message(message, known, sink)
        case AllowsForm(allows=topic) | ForbidsForm(forbids=topic):
            _channel(topic.text, topic.place, sink)
        case FailsForm(fails=channel) | WorksForm(works=channel):
            _channel(channel.text, channel.place, sink)
        case CallsForm(calls=journey):
            _named(journey, known.journeys, "SEG-E402", "journey", sink)
        case ItemBecomesForm(catalog=fields, of=of):
            if not isinstance(fields.get("id"), str | int) or isinstance(fields["id"], bool):
                place = step.at_key("catalog")
                sink.report("SEG-E202", place, "which item? its `id` is missing here")
            if of is not None and of.text != PRODUCTS:
                _named(of, known.catalogs, "SEG-E418", "catalog", sink)
        case ExpectsForm(expect=expected):
            _expected(expected, known, sink)
        case _:
            pass


def _expected(form: ExpectForm, known: Known, sink: Sink) -> None:
    if not set(form.spots):
        sink.report("SEG-E801", form.place, "nothing is expected here")
    for message in form.messages or ():
        _message(message, known, sink)
    for held in form.held or ():
        _message(held, known, sink)
    for name, reason in form.reasons.items():
        if name not in known.messages:
            place = form.at_key("reasons")
            sink.report("SEG-E403", place, f"there is no message {name!r}", _near(name, known))
        if reason.text not in (*REASONS, NOTHING, SENT):
            hint = nearest(reason.text, REASONS, "the page of reasons lists them")
            sink.report("SEG-E204", reason.place, f"there is no reason {reason.text!r}", hint)
    for segment in (*form.in_segments, *form.not_in_segments):
        _named(segment, known.segments, "SEG-E401", "segment", sink)
    for name in form.runs:
        if name not in known.journeys:
            place = form.at_key("runs")
            hint = nearest(name, known.journeys)
            sink.report("SEG-E402", place, f"there is no journey {name!r}", hint)


def _near(name: str, known: Known) -> str:
    return nearest(name, known.messages)


def _message(word: Text | Name, known: Known, sink: Sink) -> None:
    """A message, perhaps with its channel."""
    name, by, channel = word.text.partition(BY)
    if name not in known.messages:
        sink.report("SEG-E403", word.place, f"there is no message {name!r}", _near(name, known))
    if by:
        _channel(channel, word.place, sink)


def _channel(topic: str, place: Place, sink: Sink) -> None:
    name = topic.partition("/")[0]
    if name not in CHANNELS:
        hint = nearest(name, CHANNELS)
        sink.report("SEG-E405", place, f"there is no channel {name!r}", hint)


def _named(word: Text | Name, known: Iterable[str], code: str, what: str, sink: Sink) -> None:
    names = list(known)
    if word.text not in names:
        hint = nearest(word.text, names)
        sink.report(code, word.place, f"there is no {what} {word.text!r}", hint)


def known_of(
    found: plan.Plan,
    names: Mapping[str, Mapping[str, object]],
    zones: Iterable[str] | None,
    *,
    whole: bool,
) -> Known:
    """What tests may name: everything that has a name, readable or not."""
    steps = {each.name: [node.id for node in each.steps] for each in found.journeys}
    return Known(
        messages=list(names["messages"]),
        journeys={name: steps.get(name, ()) for name in names["journeys"]},
        segments=list(names["segments"]),
        placements=[
            node.placement
            for each in found.journeys
            for node in each.steps
            if isinstance(node, plan.Show)
        ],
        zones=None if zones is None else frozenset(zones),
        catalogs=list(names["catalogs"]),
        whole=whole,
    )

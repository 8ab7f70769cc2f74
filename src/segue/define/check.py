"""What must hold before a workspace may run, beyond that each part can be read.

Rule 1: the kernel relies on what is proved here: names resolve, every loop has a wait or a
    bound, weights are positive, every step is reached.
Rule 2: what a guardrail of good sense asks (an exit, a goal, a topic, an expiry) is an error
    too, and can be waived by name, in the definition that it concerns.
"""

from collections.abc import Iterable, Mapping, Sequence

from segue.define import model
from segue.define.cases import check_cases, known_of
from segue.define.channels import CHANNELS
from segue.define.circles import check_adaptive, check_segments
from segue.define.codes import CODES
from segue.define.compile import Compiled
from segue.define.conflicts import check_conflicts
from segue.define.contents import Content, check_contents
from segue.define.cost import too_many
from segue.define.diagnostics import Place, Sink, nearest
from segue.define.experiments import check_experiments
from segue.define.feeds import History, check_feeds
from segue.define.graph import at_once, on_a_circle, reachable
from segue.define.limits import LOOKS_MAX
from segue.define.prudence import check_prudence
from segue.define.scopes import Reference
from segue.define.steps import Flat
from segue.define.untold import check_untold
from segue.define.workspace import Written
from segue.kernel import plan
from segue.kernel.expression import TRUE, All, Any, Compare, Expression, Touched
from segue.kernel.models import FEATURES
from segue.kernel.session import SESSION_READERS
from segue.kernel.shelves import PRODUCTS

ACTIVITIES = (
    "Email Opened",
    "Email Link Clicked",
    "Email Delivered",
    "Push Notification Opened",
    "Push Notification Tapped",
    "Message Shown",
    "Message Clicked",
    "Message Opened",
    "Message Sent",
    "Message Delivered",
    "Message Dismissed",
)
"""Events that say what messages did, not what customers wanted; compared without case."""

_ACTIVITIES = frozenset(name.lower() for name in ACTIVITIES)
_UNUSED = "SEG-W701"
_UNREAD = ("SEG-E1", "SEG-E2", "SEG-E403")
"""After these it can't be told which message no step uses: a step may just not have been read."""
_UNKNOWN: Mapping[str, tuple[str, str]] = {
    "segment": ("SEG-E401", "segments"),
    "journey": ("SEG-E402", "journeys"),
    "message": ("SEG-E403", "messages"),
}


def check(
    written: Written,
    compiled: Compiled,
    sink: Sink,
    *,
    zones: Iterable[str] | None = None,
    content: Content | None = None,
    history: History | None = None,
) -> None:
    """Report everything that must not be launched."""
    unread = any(each.code.startswith("SEG-E1") for each in sink.found)
    if not written.workspaces and not unread:
        sink.report("SEG-E413", Place("workspace.yaml"), "no file says `workspace:`")
    _workspace(written, sink, zones)
    _references(written, compiled, sink)
    check_segments(written, compiled, sink)
    for card in compiled.plan.models:
        _model(card, written.models[card.name], sink)
    for message in compiled.plan.messages:
        form = written.messages[message.name]
        with sink.waiving(form.waive):
            _message(message, form, compiled.plan.parts, sink, content)
    for journey in compiled.plan.journeys:
        form_of = written.journeys[journey.name]
        with sink.waiving(form_of.waive):
            _journey(journey, form_of, compiled.flats[journey.name], written, sink)
            check_adaptive(journey, compiled.flats[journey.name], compiled, sink)
            check_experiments(journey.name, form_of, history, sink)
    over = too_many(compiled.references)
    if over is not None:
        said = f"more than {LOOKS_MAX:,} looks at history in one workspace"
        sink.report("SEG-E307", over.place, said)
    check_feeds(written, compiled, sink, history)
    if not any(each.code.startswith(("SEG-E1", "SEG-E2", "SEG-E4")) for each in sink.found):
        check_prudence(written, compiled, sink)
        check_untold(written, compiled, sink)
    known = known_of(compiled.plan, written.names, zones, whole=_everything_read(written))
    check_cases(written.tests, known, sink)
    if not any(each.severity == "error" for each in sink.found):
        # Only a plan on which the kernel may rely can be lived in.
        check_conflicts(written, compiled, sink)
    everything = not any(each.code.startswith(_UNREAD) for each in sink.found)
    if everything:
        _unused(written, compiled, sink)
    _waivers(written, sink, everything=everything)


def _workspace(written: Written, sink: Sink, zones: Iterable[str] | None) -> None:
    form = written.workspace
    if form is None:
        return
    if form.zone is not None and zones is not None and form.zone.text not in (known := set(zones)):
        hint = nearest(form.zone.text, known, "write it like Europe/Berlin")
        sink.report("SEG-E411", form.zone.place, f"there is no zone {form.zone.text!r}", hint)
    for channel in form.consent:
        if channel not in CHANNELS:
            place = form.at_key("consent")
            sink.report("SEG-E405", place, f"there is no channel {channel!r}", _channel(channel))


def _channel(name: str) -> str:
    return nearest(name, CHANNELS)


# ── names ───────────────────────────────────────────────────────────────────────────


def _references(written: Written, compiled: Compiled, sink: Sink) -> None:
    groups = {m.incentive.group for m in compiled.plan.messages if m.incentive}
    tags = {tag for message in compiled.plan.messages for tag in message.tags}
    scores = {card.name for card in compiled.plan.models}
    rankings = {one.name for catalog in compiled.plan.catalogs for one in catalog.rankings}
    for each in compiled.references:
        match each.what:
            case "segment" | "journey" | "message":
                code, section = _UNKNOWN[each.what]
                _known(each, written.names[section], code, sink)
            case "channel":
                _known(each, CHANNELS, "SEG-E405", sink)
            case "tag" if _all_read(written, "messages"):
                _known(each, tags, "SEG-E414", sink)
            case "group" if _all_read(written, "messages"):
                _known(each, groups, "SEG-E406", sink)
            case "catalog" if _all_read(written, "catalogs"):
                _known(each, {PRODUCTS, *written.catalogs}, "SEG-E418", sink)
            case "ranking" if _all_read(written, "catalogs"):
                _known(each, rankings, "SEG-E419", sink)
            case "score" if _all_read(written, "models"):
                _known(each, scores, "SEG-E410", sink)
            case _:
                pass  # Events come from outside, and any page may have any placement.


def _everything_read(written: Written) -> bool:
    """Whether every journey could be read, so that what no step does is never done."""
    return _all_read(written, "journeys")


def _all_read(written: Written, section: str) -> bool:
    """Whether every definition could be read, so that what is not there does not exist."""
    return len(written.names[section]) == len(getattr(written, section))


def _known(each: Reference, known: Iterable[str], code: str, sink: Sink) -> None:
    names = list(known)
    if each.name not in names:
        what = "model's score" if each.what == "score" else each.what
        message = f"there is no {what} {each.name!r}"
        none = "" if names else f"the workspace has none yet: define it under `{each.what}s:`"
        hint = nearest(each.name, names, none if each.what in _UNKNOWN else "")
        sink.report(code, each.place, message, hint)


def _model(card: plan.Scorecard, form: model.ModelForm, sink: Sink) -> None:
    for bins in card.bins:
        if bins.feature not in FEATURES:
            place = form.features[bins.feature].place
            message = f"there is no feature {bins.feature!r}"
            sink.report("SEG-E409", place, message, nearest(bins.feature, FEATURES))
    if card.name in SESSION_READERS:
        message = f"session.{card.name} is what was counted, and no score"
        sink.report("SEG-E408", form.place, message)


# ── messages ────────────────────────────────────────────────────────────────────────


def _message(
    message: plan.Message,
    form: model.MessageForm,
    parts: Mapping[str, str],
    sink: Sink,
    content: Content | None,
) -> None:
    given = form.incentive
    if given is not None and given.code is not None and given.coupons is not None:
        told = f"message {message.name!r} has the code {given.code.text!r} and a pool of codes"
        sink.report("SEG-E609", given.at_key("coupons"), told)
    check_contents(message, form, parts, sink, content)


# ── journeys ────────────────────────────────────────────────────────────────────────


def _journey(
    journey: plan.Journey, form: model.JourneyForm, flat: Flat, written: Written, sink: Sink
) -> None:
    name = journey.name
    if not form.steps:
        sink.report("SEG-E509", form.place, f"journey {name!r} has no steps")
    if not journey.entries:
        sink.report("SEG-E510", form.place, f"journey {name!r} is entered by nothing")
    if not journey.exits:
        sink.report("SEG-E501", form.place, f"journey {name!r} has no exit")
    _goal(journey, form, sink)
    for node in journey.steps:
        place = flat.carriers.get(node.id, flat.places[node.id])
        _uses(node, place, written, sink)
    reached = reachable(journey)
    for node in journey.steps:
        if node.id not in reached:
            sink.report("SEG-E504", flat.places[node.id], f"step {node.id!r} can't be reached")
    quick = {node.id: at_once(node) for node in journey.steps}
    for step in on_a_circle(quick):
        message = f"step {step!r} leads back to itself without a wait"
        sink.report("SEG-E505", flat.places[step], message)
        break
    _starts_itself(journey, flat, sink)


_CARRIERS = ("email", "sms", "push", "whatsapp", "message", "notification", "promotion", "banner")
_DEEDS = ("opened", "clicked", "tapped", "sent", "delivered", "received", "shown", "dismissed")


def _is_activity(event: str) -> bool:
    """Whether an event says what a message did: one of the list, or of its kind."""
    words = event.lower().replace("-", " ").split()
    return event.lower() in _ACTIVITIES or (
        len(words) > 1 and words[0] in _CARRIERS and words[-1] in _DEEDS
    )


def _goal(journey: plan.Journey, form: model.JourneyForm, sink: Sink) -> None:
    if form.goal is None:
        sink.report("SEG-E502", form.place, f"journey {journey.name!r} has no goal")
        return
    for event in form.goal.on:
        if _is_activity(event.text):
            message = f"{event.text!r} is an activity, not an outcome"
            sink.report("SEG-E503", event.place, message)
    watch = journey.goal.watch if journey.goal else None
    if watch is not None and not watch.events and _touches_only(watch.when):
        message = "whether a message was seen or clicked is an activity, not an outcome"
        sink.report("SEG-E503", form.goal.at_key("when"), message)


def _touches_only(when: Expression) -> bool:
    """Whether a condition asks for nothing but what messages did."""
    match when:
        case All(parts=parts) | Any(parts=parts):
            return all(map(_touches_only, parts))
        case Compare(left=Touched()) | Compare(right=Touched()):
            return True
        case _:
            return False


def _uses(node: plan.Node, place: Place, written: Written, sink: Sink) -> None:
    """Whether a step's message has content for the step's channels."""
    match node:
        case plan.Send(message=name, channels=channels):
            _carried(name, channels, place, written, sink, on_site=False)
        case plan.Show(message=name, channel=channel):
            _carried(name, (channel,), place, written, sink, on_site=True)
        case plan.Choose(options=options):
            for option in options:
                if option.message:
                    _carried(option.message, option.channels, place, written, sink, on_site=None)
        case _:
            pass


def _carried(
    name: str,
    channels: Sequence[str],
    place: Place,
    written: Written,
    sink: Sink,
    *,
    on_site: bool | None,
) -> None:
    message = written.messages.get(name)
    for channel in channels:
        if channel not in CHANNELS:
            sink.report("SEG-E405", place, f"there is no channel {channel!r}", _channel(channel))
            continue
        if on_site is not None and (channel in plan.ON_SITE) is not on_site:
            verb = "shown" if on_site else "sent"
            sink.report("SEG-E606", place, f"{channel} is nothing that is {verb}")
        if message is not None and channel not in message.contents:
            hint = nearest(channel, message.contents)
            sink.report("SEG-E603", place, f"message {name!r} says nothing for {channel}", hint)


def _starts_itself(journey: plan.Journey, flat: Flat, sink: Sink) -> None:
    """An event emitted on which the journey is entered again at once."""
    entered = {
        event
        for entry in journey.entries
        if isinstance(entry, plan.OnEvent) and entry.when == TRUE
        for event in entry.events
    }
    for node in journey.steps:
        if isinstance(node, plan.Emit) and node.event in entered and journey.reentry_ms == 0:
            message = f"emits {node.event!r}, on which the journey is entered again at once"
            sink.report("SEG-E511", flat.places[node.id], message)


# ── what is left over ───────────────────────────────────────────────────────────────


def _unused(written: Written, compiled: Compiled, sink: Sink) -> None:
    used = {(each.what, each.name) for each in compiled.references}
    for name, form in written.messages.items():
        if ("message", name) not in used:
            with sink.waiving(form.waive):
                sink.report(_UNUSED, form.place, f"no step uses message {name!r}")


def _waivers(written: Written, sink: Sink, *, everything: bool) -> None:
    """Waivers of what can't be waived, or that waive nothing of what was looked at."""
    idle = () if everything else (_UNUSED,)
    known = [code for code, rule in CODES.items() if rule.waivable]
    for section in (
        written.segments,
        written.events,
        written.catalogs,
        written.messages,
        written.policies,
        written.models,
        written.journeys,
    ):
        for form in section.values():
            for waiver in form.waive:
                if waiver.text not in known:
                    message = f"{waiver.text!r} can't be waived"
                    hint = nearest(waiver.text, known)
                    sink.report("SEG-E412", waiver.place, message, hint)
                elif (waiver.text, waiver.place) not in sink.used and waiver.text not in idle:
                    message = f"{waiver.text} has nothing to waive here"
                    sink.report("SEG-W702", waiver.place, message)

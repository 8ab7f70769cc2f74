"""What a prudent reader asks before a launch: what can't do its work.

Rule 1: only what holds whatever the customers do is remarked, so that a remark is worth
    reading; what depends on them is what a backtest tells.
Rule 2: nothing here is an error but the follow-up that repeats itself: the rest is suspicious.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import msgspec

from segue.define import model
from segue.define.compile import Compiled
from segue.define.diagnostics import Sink
from segue.define.graph import ahead_of
from segue.define.outline import spell_time
from segue.define.workspace import Written
from segue.kernel import plan
from segue.kernel.values import DAY, HOUR, MINUTE, Millis

SAME_WORDS = 0.9
"""Messages that share so many of their words say the same."""

WORDS_LEAST = 5
"""Fewer words than these tell nothing of sameness."""

_NO_WORDS: frozenset[str] = frozenset()
_DAY_MINUTES = 24 * 60
_WEEK_MINUTES = 7 * _DAY_MINUTES
_MARKUP = re.compile(
    r"<(style|script)\b.*?</\1>|<[^>]*>|{%.*?%}|{{.*?}}", re.DOTALL | re.IGNORECASE
)
_WORD = re.compile(r"\w+")


def check_prudence(written: Written, compiled: Compiled, sink: Sink) -> None:
    """Report what can't do its work."""
    found = compiled.plan
    uses = list(_uses(found))
    for journey in found.journeys:
        with sink.waiving(written.journeys[journey.name].waive):
            _repeats(journey, compiled, sink)
    for policy in found.policies:
        form = written.policies.get(policy.name)
        if form is not None:
            with sink.waiving(form.waive):
                _never_binds(policy, form, found, uses, sink)
    _quiet_for_ever(written, found, uses, sink)
    _too_late(written, compiled, uses, sink)
    _ties(written, compiled, sink)


class _Use(msgspec.Struct, frozen=True):
    """One way in which a message may go out."""

    message: plan.Message
    journey: str
    channel: str
    placement: str
    step: str
    retry_ms: Millis = Millis(0)


def _uses(found: plan.Plan) -> Iterator[_Use]:
    messages = {each.name: each for each in found.messages}
    for journey in found.journeys:
        for node in journey.steps:
            for name, channels, placement, retry in _wanted(node):
                message = messages.get(name)
                for channel in channels if message is not None else ():
                    assert message is not None
                    yield _Use(message, journey.name, channel, placement, node.id, retry)


def _wanted(node: plan.Node) -> Iterator[tuple[str, tuple[str, ...], str, Millis]]:
    match node:
        case plan.Send(message=name, channels=channels, retry_ms=retry):
            yield name, channels, "", retry
        case plan.Show(message=name, channel=channel, placement=placement):
            yield name, (channel,), placement, Millis(0)
        case plan.Choose(options=options):
            for option in options:
                yield option.message, option.channels, "", Millis(0)
        case _:
            return


# ── follow-ups ──────────────────────────────────────────────────────────────────────


def _repeats(journey: plan.Journey, compiled: Compiled, sink: Sink) -> None:
    """Sends that follow another one and say the same on a channel that it had not."""
    sends = {node.id: node for node in journey.steps if isinstance(node, plan.Send)}
    places = compiled.flats[journey.name].places
    messages = {each.name: each for each in compiled.plan.messages}
    for first in sends.values():
        for after in sorted(ahead_of(journey, first.id) & sends.keys()):
            second = sends[after]
            elsewhere = [one for one in second.channels if one not in first.channels]
            if not elsewhere or after == first.id:
                continue
            one, other = messages.get(first.message), messages.get(second.message)
            if one is None or other is None or not _same(one, other):
                continue
            message = f"{second.message!r} says by {elsewhere[0]} what {first.id!r} has said"
            sink.report("SEG-E608", places[after], message)


def _same(one: plan.Message, other: plan.Message) -> bool:
    if one.name == other.name:
        return True
    first, second = _words(one), _words(other)
    if min(len(first), len(second)) < WORDS_LEAST:
        return False
    return len(first & second) >= SAME_WORDS * len(first | second)


def _words(message: plan.Message) -> frozenset[str]:
    """The words that a customer reads, on the channel that says most."""
    said = [
        frozenset(_WORD.findall(_MARKUP.sub(" ", " ".join(fields.values())).lower()))
        for fields in message.contents.values()
    ]
    return max(said, key=lambda words: (len(words), sorted(words)), default=_NO_WORDS)


# ── guardrails ──────────────────────────────────────────────────────────────────────


def _never_binds(
    policy: plan.Policy,
    form: model.PolicyForm,
    found: plan.Plan,
    uses: Sequence[_Use],
    sink: Sink,
) -> None:
    if isinstance(policy, plan.Exclusion):
        return
    reached = [use for use in uses if _reaches(policy.reach, use)]
    if not any(use.message.purpose == "marketing" for use in reached):
        why = "but what passes it anyway (transactional)" if reached else "that any step does"
        message = f"policy {policy.name!r} reaches nothing {why}"
        sink.report("SEG-W703", form.place, message)
        return
    if isinstance(policy, plan.Cap):
        for other in found.policies:
            if isinstance(other, plan.Cap) and _stricter(other, policy):
                message = f"cap {policy.name!r} never binds: {other.name!r} always binds first"
                sink.report("SEG-W703", form.place, message)
                return


def _reaches(reach: plan.Reach, use: _Use) -> bool:
    return (
        (not reach.channels or use.channel in reach.channels)
        and (not reach.tags or bool({*reach.tags} & {*use.message.tags}))
        and (not reach.journeys or use.journey in reach.journeys)
        and (not reach.messages or use.message.name in reach.messages)
        and (not reach.placements or use.placement in reach.placements)
    )


_LONGEST: Mapping[str, int] = {"day": DAY + HOUR, "week": 7 * DAY + HOUR, "month": 31 * DAY + HOUR}
"""Calendar periods at their longest; a clock change may add an hour."""


def _stricter(one: plan.Cap, other: plan.Cap) -> bool:
    """Whether `one` binds whenever `other` would, and not the other way round."""
    if one.name == other.name or one.most > other.most or not _wider(one.reach, other.reach):
        return False
    if (one.per, one.window_ms, one.most, one.reach) == (
        other.per,
        other.window_ms,
        other.most,
        other.reach,
    ):
        return one.name < other.name
    return _longer(one, other)


def _longer(one: plan.Cap, other: plan.Cap) -> bool:
    """Whether the period of `one` always holds that of `other`."""
    if one.per == "window":
        length = other.window_ms if other.per == "window" else _LONGEST.get(other.per)
        return length is not None and one.window_ms >= length
    inside = {"day": ("day",), "week": ("day", "week"), "month": ("day", "month")}
    return other.per in inside.get(one.per, ("session",))


def _wider(one: plan.Reach, other: plan.Reach) -> bool:
    """Whether everything that `other` reaches is reached by `one`."""
    for mine, its in zip(msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True):
        if mine and (not its or not set(its) <= set(mine)):
            return False
    return True


def _quiet_for_ever(written: Written, found: plan.Plan, uses: Sequence[_Use], sink: Sink) -> None:
    """Marketing messages for which quiet hours together leave no minute of the week."""
    policies = [each for each in found.policies if isinstance(each, plan.QuietHours)]
    told: set[frozenset[str]] = set()
    for use in uses:
        if use.message.purpose == "transactional":
            continue
        mine = [each for each in policies if _reaches(each.reach, use)]
        names = frozenset(each.name for each in mine)
        if not mine or names in told or _open_minute(mine):
            continue
        told.add(names)
        form = written.policies[mine[-1].name]
        with sink.waiving(form.waive):
            listed = " and ".join(sorted(map(repr, names)))
            message = f"{listed} leave no minute in which {use.message.name!r} may go by"
            sink.report("SEG-W704", form.place, f"{message} {use.channel}")


def _open_minute(policies: Sequence[plan.QuietHours]) -> bool:
    """Whether some minute of the week is in none of them."""
    quiet = bytearray(_WEEK_MINUTES)
    for each in policies:
        length = (each.end - each.start) % _DAY_MINUTES or _DAY_MINUTES
        for weekday in each.weekdays or range(1, 8):
            start = (weekday - 1) * _DAY_MINUTES + each.start
            for minute in range(start, start + length):
                quiet[minute % _WEEK_MINUTES] = 1
    return not all(quiet)


# ── messages ────────────────────────────────────────────────────────────────────────


def _too_late(written: Written, compiled: Compiled, uses: Sequence[_Use], sink: Sink) -> None:
    """Messages that expire before what may hold them back has ended."""
    told: set[tuple[str, str]] = set()
    for use in uses:
        form = written.messages[use.message.name]
        for name, held_ms in _holds(use, compiled.plan):
            if held_ms < use.message.expires_ms or (use.message.name, name) in told:
                continue
            told.add((use.message.name, name))
            place = form.at_key("expires")
            with sink.waiving(form.waive):
                message = (
                    f"{use.message.name!r} expires within {spell_time(use.message.expires_ms)}"
                )
                sink.report("SEG-W705", place, f"{message}; {name} lasts {spell_time(held_ms)}")


def _holds(use: _Use, found: plan.Plan) -> Iterator[tuple[str, Millis]]:
    if use.retry_ms:
        yield f"the time to the next try of step {use.step!r}", use.retry_ms
    if use.message.purpose == "transactional":
        return
    for policy in found.policies:
        match policy:
            case plan.QuietHours(start=start, end=end) if _reaches(policy.reach, use):
                length = (end - start) % _DAY_MINUTES or _DAY_MINUTES
                yield f"quiet time {policy.name!r}", Millis(length * MINUTE)
            case plan.Gap(least_ms=least, then="hold") if _reaches(policy.reach, use):
                yield f"gap {policy.name!r}", least
            case _:
                pass


class _Wanted(msgspec.Struct, frozen=True):
    """A message that a journey wants on a placement."""

    journey: str
    step: str
    message: plan.Message


def _ties(written: Written, compiled: Compiled, sink: Sink) -> None:
    """Messages of two journeys for one placement, of which none comes first."""
    messages = {each.name: each for each in compiled.plan.messages}
    wanted: dict[str, list[_Wanted]] = {}
    for journey in compiled.plan.journeys:
        for node in journey.steps:
            if isinstance(node, plan.Show) and node.message in messages:
                one = _Wanted(journey.name, node.id, messages[node.message])
                wanted.setdefault(node.placement, []).append(one)
    for placement, several in wanted.items():
        for first, second in combinations(several, 2):
            if first.journey == second.journey or not _tied(first.message, second.message):
                continue
            forms = (written.journeys[first.journey], written.journeys[second.journey])
            with sink.waiving((*forms[0].waive, *forms[1].waive)):
                message = (
                    f"{second.message.name!r} and {first.message.name!r} of journey"
                    f" {first.journey!r} both want {placement!r}"
                )
                place = compiled.flats[second.journey].places[second.step]
                sink.report("SEG-N801", place, message)


def _tied(one: plan.Message, other: plan.Message) -> bool:
    """Whether the arbiter has no reason to prefer one of two messages."""
    if one.name == other.name or one.value is not None or other.value is not None:
        return False
    first = (one.purpose, one.checkout_critical, one.priority)
    return first == (other.purpose, other.checkout_critical, other.priority)

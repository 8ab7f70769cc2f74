"""Whether an experiment can be decided: it varies one thing, and enough customers come by.

Rule 1: every variant is compared with the control. What may differ is one of: *content*
    (which messages), *timing* (the waits), *channel* (by which), *path* (what is done at all).
Rule 2: no number is guessed: traffic and rates are stated in the experiment, or come from a
    history; without either it is said that nobody knows.
"""

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import cast

import msgspec

from segue.define import model
from segue.define.diagnostics import Sink
from segue.define.feeds import History
from segue.define.shape import keyword
from segue.kernel.values import DAY

CONFIDENCE = 0.95
POWER = 0.80
"""The usual ones; a workspace may say otherwise."""

DETECT = 1.2
"""Where only a history tells the rate: a fifth more is worth finding."""


def sample_size(
    baseline: float,
    detect: float,
    *,
    ratio: float = 1.0,
    confidence: float = CONFIDENCE,
    power: float = POWER,
) -> int:
    """Customers needed in the control to tell two rates apart, two-sided.

    The two-proportion test in its normal approximation without continuity correction: J. L.
    Fleiss, B. Levin, M. C. Paik, *Statistical Methods for Rates and Proportions*, 3rd edition
    (2003), section 4.4, with `ratio` variant customers for each of the control.
    """
    assert 0 <= baseline <= 1
    assert 0 <= detect <= 1
    assert baseline != detect
    pooled = (baseline + ratio * detect) / (ratio + 1)
    both = NormalDist().inv_cdf(1 - (1 - confidence) / 2)
    one = NormalDist().inv_cdf(power)
    spread = both * math.sqrt((ratio + 1) * pooled * (1 - pooled))
    spread += one * math.sqrt(ratio * baseline * (1 - baseline) + detect * (1 - detect))
    return math.ceil(spread**2 / (ratio * (detect - baseline) ** 2))


def check_experiments(
    journey: str, form: model.JourneyForm, history: History | None, sink: Sink
) -> None:
    """Report a journey's experiments that can't tell anything."""
    for step in _experiments(form.steps):
        names = {arm.name.text for arm in step.variants}
        if step.control.text not in names or len(names) < 2:
            continue  # Reported already.
        _one_thing(step, sink)
        _enough(journey, step, history, sink)


def _experiments(steps: Sequence[model.StepForm]) -> Iterator[model.ExperimentStep]:
    for step in steps:
        if isinstance(step, model.ExperimentStep):
            yield step
        for inner in _paths(step):
            yield from _experiments(inner)


def _paths(step: model.StepForm) -> list[tuple[model.StepForm, ...]]:
    """The paths inside a step."""
    match step:
        case model.WaitStep(wait=model.UntilWait() as wait):
            return [wait.met, wait.timed_out]
        case model.WaitStep(wait=model.DateWait() as wait):
            return [wait.missing]
        case model.BranchStep(branch=ways):
            return [w.steps if isinstance(w, model.WayForm) else w.otherwise for w in ways]
        case model.AdaptStep(adapt=ways, otherwise=otherwise):
            return [*(way.steps for way in ways), otherwise]
        case model.SplitStep(split=arms) | model.ExperimentStep(variants=arms):
            return [arm.steps for arm in arms]
        case model.ChooseStep(choose=options):
            return [option.steps for option in options]
        case model.RepeatStep(steps=steps):
            return [steps]
        case _:
            return []


# ── one thing ───────────────────────────────────────────────────────────────────────


class _Arm(msgspec.Struct):
    """What a variant does, taken apart."""

    said: list[str]
    by: list[str]
    waits: list[str]
    path: list[str]


def _one_thing(step: model.ExperimentStep, sink: Sink) -> None:
    arms = {each.name.text: _taken_apart(each.steps) for each in step.variants}
    control = arms[step.control.text]
    varied: list[str] = []
    for arm in arms.values():
        varied += [what for what in _differences(control, arm) if what not in varied]
    if len(varied) > 1:
        message = f"experiment {step.experiment.text!r} varies {_listed(varied)}"
        sink.report("SEG-E514", step.experiment.place, message)


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _differences(control: _Arm, arm: _Arm) -> list[str]:
    if control.path == arm.path:
        pairs = {
            "content": control.said != arm.said,
            "timing": control.waits != arm.waits,
            "channel": control.by != arm.by,
        }
        return [what for what, differs in pairs.items() if differs]
    found = ["path"]
    # A path that only adds steps to the other's leaves what both say as it is.
    few, many = sorted((control, arm), key=lambda each: len(each.said))
    if not set(few.said) <= set(many.said):
        found.append("content")
    shared = dict(zip(few.said, few.by, strict=True))
    if any(shared.get(s, b) != b for s, b in zip(many.said, many.by, strict=True)):
        found.append("channel")
    return found


def _taken_apart(steps: Sequence[model.StepForm]) -> _Arm:
    arm = _Arm([], [], [], [])
    for step in steps:
        match step:
            case model.SendStep(send=message, by=by):
                arm.said.append(message.text)
                arm.by.append(" ".join(each.text for each in by))
                arm.path.append("send")
            case model.ShowStep(show=message, at=at, channel=channel):
                arm.said.append(message.text)
                arm.by.append(f"{channel} {at.text}")
                arm.path.append("show")
            case model.WaitStep(wait=wait):
                arm.waits.append(_spelled(wait))
            case _:
                arm.path.append(f"{keyword(type(step))} {_spelled(step)}")
        for inner in _paths(step):
            part = _taken_apart(inner)
            arm.said += part.said
            arm.by += part.by
            arm.waits += part.waits
            arm.path += ["(", *part.path, ")"] if part.path else []
    return arm


def _spelled(form: object) -> str:
    """A step as text by which two can be compared, its place and the paths inside left out."""
    if isinstance(form, tuple):
        inside = cast("tuple[object, ...]", form)
        return " ".join(_spelled(each) for each in inside if not isinstance(each, model.Step))
    if isinstance(form, dict):
        fields = cast("dict[str, object]", form)
        return " ".join(f"{key} {_spelled(value)}" for key, value in sorted(fields.items()))
    if not isinstance(form, msgspec.Struct):
        return str(form)
    skipped = {"place", "spots", "id", "next", "word"}
    if isinstance(form, model.Authored):
        parts = [name for name in form.__struct_fields__ if name not in skipped]
        return " ".join(_spelled(getattr(form, name)) for name in parts)
    values = [getattr(form, name) for name in form.__struct_fields__ if name not in skipped]
    return " ".join(map(str, values))


# ── enough customers ────────────────────────────────────────────────────────────────


class _Traffic(msgspec.Struct, frozen=True):
    """What is expected, stated or from a history."""

    baseline: float
    detect: float
    daily: float
    days: float
    confidence: float = CONFIDENCE
    power: float = POWER


def _enough(journey: str, step: model.ExperimentStep, history: History | None, sink: Sink) -> None:
    name = step.experiment.text
    traffic = _traffic(journey, step, history)
    if traffic is None:
        message = f"whether {name!r} can be decided, and when, is not known"
        sink.report("SEG-N803", step.experiment.place, message)
        return
    place = step.at_key("expects") if step.expects else step.experiment.place
    if not 0 < traffic.baseline < 1 or traffic.baseline == traffic.detect or traffic.daily <= 0:
        message = "rates lie between 0 and 1 and differ, and customers come by"
        sink.report("SEG-E207", place, message)
        return
    if not (0.5 < traffic.confidence < 1 and 0.5 < traffic.power < 1):
        sink.report("SEG-E207", place, "confidence and power lie between 50 % and 100 %")
        return
    needed = _needed(step, traffic)
    come = math.floor(traffic.daily * traffic.days)
    if come < needed:
        took = math.ceil(needed / traffic.daily)
        message = (
            f"{name!r} needs {needed:,} customers to tell {traffic.detect:.2%} from"
            f" {traffic.baseline:.2%}; {come:,} come by in {traffic.days:g} days"
        )
        hint = f"it takes {took:,} days at this traffic; or look for a larger difference"
        sink.report("SEG-E515", place, message, hint)


def _traffic(journey: str, step: model.ExperimentStep, history: History | None) -> _Traffic | None:
    stated = step.expects
    if stated is not None:
        return _Traffic(
            stated.baseline.ppm / 1e6,
            stated.detect.ppm / 1e6,
            stated.daily,
            stated.lasts.ms / DAY,
            stated.confidence.ppm / 1e6 if stated.confidence else CONFIDENCE,
            stated.power.ppm / 1e6 if stated.power else POWER,
        )
    past = history.journeys.get(journey) if history is not None else None
    if history is None or past is None or not past.entered or history.span_ms < DAY:
        return None
    days = history.span_ms / DAY
    rate = past.goals / past.entered
    # As much time again as the history covers: an experiment without an end has no other.
    return _Traffic(rate, min(rate * DETECT, 1.0), past.entered / days, days)


def _needed(step: model.ExperimentStep, traffic: _Traffic) -> int:
    """Customers in all, so that each variant can be told from the control.

    Several comparisons share what may go wrong evenly (Bonferroni).
    """
    weights = {each.name.text: max(each.weight, 1) for each in step.variants}
    whole = sum(weights.values())
    control = weights.pop(step.control.text)
    confidence = 1 - (1 - traffic.confidence) / len(weights)
    sizes: list[int] = []
    for weight in weights.values():
        size = sample_size(
            traffic.baseline,
            traffic.detect,
            ratio=weight / control,
            confidence=confidence,
            power=traffic.power,
        )
        sizes.append(math.ceil(size * whole / control))
    return max(sizes)

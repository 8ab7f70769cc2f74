"""Nested steps made flat: every step gets an id, and knows where it leads.

Rule 1: a step without an id gets one from its place: its number and kind, below the id of the
    step around it and the name of the path (`worth.big.1-send`). Moving such a step renames
    it, so an id of its own is what keeps live runs in place when a journey is published anew.
Rule 2: a path that ends leads on to what follows the step that opened it.
Rule 3: `goto` and `next` are the same thing: no node is made for a jump.
"""

from collections.abc import Iterator, Sequence
from typing import TypeAlias, assert_never

import msgspec

from segue.define import model
from segue.define.diagnostics import Place, Sink, nearest
from segue.define.expressions import check as read_expression
from segue.define.limits import STEPS_MAX, WAYS_MAX
from segue.define.scopes import STEP, WATCH, Kind, Reference, Scope
from segue.define.shape import keyword
from segue.define.words import Days, Expr, Name, Text
from segue.kernel import plan
from segue.kernel.expression import TRUE, Expression, Literal
from segue.kernel.values import Millis

MISSING = Literal(None)
"""Stands in for an expression that was reported; no plan with it is ever used."""


class Flat(msgspec.Struct):
    """A journey's steps made flat, and where each was written."""

    start: str
    nodes: list[plan.Node]
    within: dict[str, tuple[plan.Placed, ...]]
    places: dict[str, Place]
    carriers: dict[str, Place]
    """Where steps say their channels; those that leave them to the message are not here."""


class _Laid(msgspec.Struct):
    """A step with its id and, by the names of its paths, the steps inside it."""

    form: model.StepForm
    id: str
    inside: dict[str, "list[_Laid]"]


_Doing: TypeAlias = (
    model.SendStep
    | model.ShowStep
    | model.WaitStep
    | model.BranchStep
    | model.AdaptStep
    | model.CommitStep
    | model.SplitStep
    | model.ExperimentStep
    | model.ChooseStep
    | model.SetStep
    | model.EmitStep
    | model.AudienceStep
    | model.CallStep
    | model.AssignStep
    | model.RepeatStep
    | model.EndStep
)
"""Every step but a jump, which is no node."""


def texts(words: Sequence[Text | Name]) -> tuple[str, ...]:
    """What was written, without its places."""
    return tuple(each.text for each in words)


def weekdays(days: Sequence[Days]) -> tuple[int, ...]:
    """Weekday numbers, in order and each once."""
    return tuple(sorted({number for each in days for number in each.numbers}))


def flatten(form: model.JourneyForm, sink: Sink, references: list[Reference]) -> Flat:
    """Make a journey's steps flat; what is wrong is reported and left out."""
    work = _Flattener(sink, references)
    laid = work.lay(form.steps, "")
    flat = work.flat
    flat.start = work.path(laid, plan.END, ())
    order = {step: at for at, step in enumerate(flat.places)}
    flat.nodes.sort(key=lambda node: order[node.id])
    return flat


class _Flattener:
    """Lays out ids first, so that jumps may lead forward, and then makes the nodes."""

    def __init__(self, sink: Sink, references: list[Reference]) -> None:
        self.sink = sink
        self.references = references
        self.flat = Flat(plan.END, [], {}, {}, {})
        self.jumps: dict[str, Name] = {}

    # ── ids ─────────────────────────────────────────────────────────────────────────

    def lay(self, steps: Sequence[model.StepForm], prefix: str) -> list[_Laid]:
        laid: list[_Laid] = []
        for number, form in enumerate(steps, 1):
            step_id = form.id.text if form.id else f"{prefix}{number}-{keyword(type(form))}"
            place = form.id.place if form.id else form.place
            if step_id in self.flat.places:
                first = self.flat.places[step_id].line
                hint = f"the other one is in line {first}"
                self.sink.report("SEG-E506", place, f"two steps have the id {step_id!r}", hint)
                continue
            if len(self.flat.places) >= STEPS_MAX:
                self.sink.report("SEG-E105", place, f"a journey of more than {STEPS_MAX} steps")
                return laid
            self.flat.places[step_id] = place
            spot = form.spots.get("by") or form.spots.get("channel")
            if spot is not None:
                self.flat.carriers[step_id] = spot
            if isinstance(form, model.GotoStep):
                self.jumps[step_id] = form.goto
            inside = {
                label: self.lay(nested, f"{step_id}.{label}.") for label, nested in self.paths(form)
            }
            laid.append(_Laid(form, step_id, inside))
        return laid

    def paths(self, form: model.StepForm) -> Iterator[tuple[str, tuple[model.StepForm, ...]]]:
        """The paths inside a step, by names that differ."""
        match form:
            case model.WaitStep(wait=model.UntilWait() as wait):
                yield "met", wait.met
                yield "timed_out", wait.timed_out
            case model.WaitStep(wait=model.DateWait() as wait):
                yield "missing", wait.missing
            case model.BranchStep(branch=ways):
                yield from self.ways(ways, form.at_key("branch"))
            case model.AdaptStep(adapt=ways):
                yield from self.ways(ways, form.at_key("adapt"))
                yield "otherwise", form.otherwise
            case model.SplitStep(split=variants):
                yield from self.arms(variants, form.at_key("split"))
            case model.ExperimentStep(variants=variants):
                yield from self.arms(variants, form.at_key("variants"))
            case model.ChooseStep(choose=options):
                yield from self.arms(options, form.at_key("choose"))
            case model.RepeatStep():
                yield "again", form.steps
            case _:
                return

    def ways(
        self, ways: Sequence[model.WayForm | model.OtherwiseForm], place: Place
    ) -> Iterator[tuple[str, tuple[model.StepForm, ...]]]:
        self.bounded(len(ways), place)
        seen: set[str] = set()
        for number, way in enumerate(ways, 1):
            if isinstance(way, model.OtherwiseForm):
                label, steps = "otherwise", way.otherwise
                if number < len(ways):
                    message = "`otherwise` must stand last: what follows is never looked at"
                    self.sink.report("SEG-E513", way.place, message)
            else:
                label, steps = (way.name.text if way.name else str(number)), way.steps
            if label in seen:
                self.twice(label, way.place)
                continue
            seen.add(label)
            yield label, steps

    def arms(
        self, arms: Sequence[model.VariantForm | model.OptionForm], place: Place
    ) -> Iterator[tuple[str, tuple[model.StepForm, ...]]]:
        self.bounded(len(arms), place)
        seen: set[str] = set()
        for arm in arms:
            if arm.name.text in seen:
                self.twice(arm.name.text, arm.name.place)
                continue
            seen.add(arm.name.text)
            yield arm.name.text, arm.steps

    def bounded(self, count: int, place: Place) -> None:
        if not 1 <= count <= WAYS_MAX:
            self.sink.report("SEG-E207", place, f"1 to {WAYS_MAX} paths may stand here")

    def twice(self, label: str, place: Place) -> None:
        self.sink.report("SEG-E208", place, f"two paths are called {label!r}")

    # ── where steps lead ────────────────────────────────────────────────────────────

    def path(self, laid: list[_Laid], after: str, within: tuple[plan.Placed, ...]) -> str:
        """Make the nodes of a list of steps; answer the id it starts with."""
        starts = [self.first(laid, at, after) for at in range(len(laid) + 1)]
        for at, step in enumerate(laid):
            form = step.form
            if isinstance(form, model.GotoStep):
                continue
            if within:
                self.flat.within[step.id] = within
            onward = self.target(form.next) if form.next else starts[at + 1]
            if isinstance(form, model.EndStep) and form.next:
                self.sink.report("SEG-E512", form.next.place, "`end` leads nowhere")
            self.flat.nodes.append(self.node(form, step, onward, within))
        return starts[0]

    def first(self, laid: list[_Laid], at: int, after: str) -> str:
        if at == len(laid):
            return after
        form = laid[at].form
        return self.target(form.goto) if isinstance(form, model.GotoStep) else laid[at].id

    def target(self, name: Name) -> str:
        """The step that a jump leads to, through other jumps."""
        at, passed = name, set[str]()
        while at.text in self.jumps:
            if at.text in passed:
                self.sink.report("SEG-E505", name.place, "these jumps lead in a circle")
                return plan.END
            passed.add(at.text)
            at = self.jumps[at.text]
        if at.text not in self.flat.places:
            hint = nearest(at.text, self.flat.places, "give the step that you mean an id")
            self.sink.report("SEG-E404", at.place, f"there is no step {at.text!r}", hint)
            return plan.END
        return at.text

    # ── expressions ─────────────────────────────────────────────────────────────────

    def read(self, expr: Expr | None, scope: Scope = STEP, want: Kind = "boolean") -> Expression:
        if expr is None:
            return TRUE
        found = read_expression(expr, scope, self.sink, self.references, want)
        return MISSING if found is None else found

    def values(self, exprs: dict[str, Expr]) -> dict[str, Expression]:
        return {name: self.read(expr, want="any") for name, expr in sorted(exprs.items())}

    def message(self, name: Name) -> str:
        self.references.append(Reference("message", name.text, name.place))
        return name.text

    # ── nodes ───────────────────────────────────────────────────────────────────────

    def node(
        self, form: _Doing, step: _Laid, onward: str, within: tuple[plan.Placed, ...]
    ) -> plan.Node:
        """Make one step's node, and those inside it."""
        at = step.id
        match form:
            case model.SendStep():
                return self.send(form, at, onward)
            case model.ShowStep():
                return plan.Show(
                    id=at,
                    next=onward,
                    message=self.message(form.show),
                    placement=form.at.text,
                    channel=form.channel,
                    lasts_ms=form.for_.ms,
                    until=texts(form.until),
                    ends_on=form.ends_on,
                )
            case model.WaitStep():
                return self.wait(form, step, onward, within)
            case model.BranchStep() | model.AdaptStep():
                return self.fork(form, step, onward, within)
            case model.SplitStep() | model.ExperimentStep() | model.ChooseStep():
                return self.draw(form, step, onward, within)
            case model.CommitStep():
                return plan.Commit(id=at, next=onward, adapt=self.adapt(form, within))
            case model.RepeatStep():
                body = self.path(step.inside["again"], at, within)
                if not 1 <= form.repeat <= 100:
                    self.sink.report("SEG-E207", form.at_key("repeat"), "repeat 1 to 100 times")
                when = self.read(form.while_)
                return plan.Repeat(id=at, body=body, next=onward, times=form.repeat, when=when)
            case model.EndStep():
                reason = form.end.text if form.end else "completed"
                return plan.End(id=at, reason=reason)
            case _:
                return self.act(form, at, onward)

    def act(
        self,
        form: (
            model.SetStep | model.EmitStep | model.AudienceStep | model.CallStep | model.AssignStep
        ),
        at: str,
        onward: str,
    ) -> plan.Node:
        """Steps that do one thing and go on."""
        match form:
            case model.SetStep(set=what):
                if not what.traits and not what.vars:
                    self.sink.report("SEG-E202", form.place, "nothing is set: traits or vars")
                traits, variables = self.values(what.traits), self.values(what.vars)
                return plan.SetTrait(id=at, next=onward, traits=traits, vars=variables)
            case model.EmitStep():
                fields = self.values(form.properties)
                return plan.Emit(id=at, next=onward, event=form.emit.text, properties=fields)
            case model.AudienceStep():
                name = form.audience.text
                return plan.Audience(id=at, next=onward, audience=name, change=form.change)
            case model.CallStep():
                body = self.values(form.body)
                return plan.Call(id=at, next=onward, webhook=form.call.text, body=body)
            case model.AssignStep():
                return plan.Assign(
                    id=at,
                    next=onward,
                    title=form.assign.text,
                    to=form.to.text if form.to else "",
                    details=self.values(form.details),
                )
            case _:
                assert_never(form)

    def send(self, form: model.SendStep, at: str, onward: str) -> plan.Send:
        retry = form.otherwise if isinstance(form.otherwise, model.Retry) else None
        return plan.Send(
            id=at,
            next=onward,
            message=self.message(form.send),
            channels=texts(form.by),
            otherwise="retry" if isinstance(form.otherwise, model.Retry) else form.otherwise,
            retry_ms=retry.retry.ms if retry else Millis(0),
        )

    def wait(
        self, form: model.WaitStep, step: _Laid, onward: str, within: tuple[plan.Placed, ...]
    ) -> plan.Node:
        match form.wait:
            case model.UntilWait(until=until, at_most=at_most):
                return plan.WaitUntil(
                    id=step.id,
                    watch=self.watch(until),
                    timeout_ms=at_most.ms,
                    met=self.path(step.inside["met"], onward, within),
                    timed_out=self.path(step.inside["timed_out"], onward, within),
                )
            case model.WindowWait(window=window, weekdays=days):
                return plan.WaitWindow(
                    id=step.id,
                    next=onward,
                    start=window.start,
                    end=window.end,
                    weekdays=weekdays(days),
                )
            case model.DateWait(date=date, offset=offset):
                return plan.WaitDate(
                    id=step.id,
                    next=onward,
                    date=self.read(date, want="any"),
                    offset_ms=offset.ms if offset else Millis(0),
                    missing=self.path(step.inside["missing"], onward, within),
                )
            case span:
                return plan.Wait(id=step.id, next=onward, for_ms=span.ms)

    def watch(self, form: model.WatchForm) -> plan.Watch:
        """Something watched for; at least an event or a condition."""
        return read_watch(form, self.sink, self.references)

    def fork(
        self,
        form: model.BranchStep | model.AdaptStep,
        step: _Laid,
        onward: str,
        within: tuple[plan.Placed, ...],
    ) -> plan.Node:
        adapts = isinstance(form, model.AdaptStep)
        forms = form.adapt if isinstance(form, model.AdaptStep) else form.branch
        named = [way for way in forms if isinstance(way, model.WayForm)]
        ways: list[plan.Way] = []
        for number, way in enumerate(forms, 1):
            if not isinstance(way, model.WayForm):
                continue
            label = way.name.text if way.name else str(number)
            placed = (*within, plan.Placed(step.id, len(ways))) if adapts else within
            # Two ways of one name have been reported; only the first has its steps.
            start = self.path(step.inside.pop(label, []), onward, placed)
            ways.append(plan.Way(name=label, when=self.read(way.when), next=start))
        if not named:
            self.sink.report("SEG-E202", form.place, "no path here has a condition")
        otherwise = self.path(step.inside.pop("otherwise", []), onward, within)
        if isinstance(form, model.BranchStep):
            return plan.Branch(id=step.id, ways=tuple(ways), otherwise=otherwise)
        return plan.Adapt(
            id=step.id,
            ways=tuple(ways),
            timeout_ms=form.at_most.ms,
            otherwise=otherwise,
            both_ways=form.both_ways,
        )

    def adapt(self, form: model.CommitStep, within: tuple[plan.Placed, ...]) -> str:
        around = [placed.adapt for placed in within]
        if not around:
            self.sink.report("SEG-E507", form.place, "there is no adaptive branch around this")
            return plan.END
        if form.commit is None:
            return around[-1]
        if form.commit.text not in around:
            message = f"no adaptive branch {form.commit.text!r} is around this"
            self.sink.report(
                "SEG-E507", form.commit.place, message, nearest(form.commit.text, around)
            )
        return form.commit.text

    def draw(
        self,
        form: model.SplitStep | model.ExperimentStep | model.ChooseStep,
        step: _Laid,
        onward: str,
        within: tuple[plan.Placed, ...],
    ) -> plan.Node:
        if isinstance(form, model.ChooseStep):
            options = tuple(self.option(each, step, onward, within) for each in form.choose)
            explore = form.explore.ppm if form.explore else 0
            return plan.Choose(id=step.id, options=options, explore=explore)
        arms = form.split if isinstance(form, model.SplitStep) else form.variants
        variants = tuple(
            plan.Variant(
                name=arm.name.text,
                weight=arm.weight,
                next=self.path(step.inside.pop(arm.name.text, []), onward, within),
            )
            for arm in arms
        )
        for arm in arms:
            if not 1 <= arm.weight <= 1_000_000:
                where = arm.at_key("weight")
                self.sink.report(
                    "SEG-E508", where, "a weight is a whole number from 1 to 1,000,000"
                )
        if len(arms) < 2:
            self.sink.report("SEG-E508", form.place, "a draw needs at least two variants")
        if isinstance(form, model.SplitStep):
            stream = form.stream.text if form.stream else ""
            return plan.Split(id=step.id, stream=stream, variants=variants)
        if form.control.text not in {arm.name.text for arm in arms}:
            hint = nearest(form.control.text, [arm.name.text for arm in arms])
            self.sink.report("SEG-E508", form.control.place, "the control is no variant", hint)
        name = form.experiment.text
        return plan.Split(
            id=step.id, stream=name, variants=variants, experiment=name, control=form.control.text
        )

    def option(
        self,
        form: model.OptionForm,
        step: _Laid,
        onward: str,
        within: tuple[plan.Placed, ...],
    ) -> plan.Option:
        return plan.Option(
            name=form.name.text,
            message=self.message(form.send) if form.send else "",
            channels=texts(form.by),
            value=self.read(form.value, want="number") if form.value else None,
            next=self.path(step.inside.pop(form.name.text, []), onward, within),
        )


def read_watch(
    form: model.WatchForm | model.GoalForm, sink: Sink, references: list[Reference]
) -> plan.Watch:
    """Something watched for; it needs an event or a condition."""
    if not form.on and form.when is None:
        sink.report("SEG-E202", form.place, "nothing is watched for: `on` or `when`")
    when: Expression = TRUE
    if form.when is not None:
        found = read_expression(form.when, WATCH, sink, references)
        when = MISSING if found is None else found
    references.extend(Reference("event", event.text, event.place) for event in form.on)
    reason = form.reason.text if isinstance(form, model.WatchForm) and form.reason else ""
    return plan.Watch(events=texts(form.on), when=when, reason=reason)

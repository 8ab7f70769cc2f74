"""From definitions as written to the kernel's plan: every short form spelled out.

Rule 1: the plan depends on what is defined, never on how it is cut into files or in which
    order it stands: definitions are sorted by name, mappings by key.
Rule 2: what is wrong is reported and something harmless put in its place; a plan with an
    error anywhere is never handed out (`load.load`).
Rule 3: the two guardrails that need not be written are added here, unless turned off.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal as OneOf, TypeAlias, assert_never, cast

import msgspec

from segue.define import model, moments, scopes
from segue.define.diagnostics import Place, Sink
from segue.define.expressions import check as read_expression
from segue.define.limits import RANKED_MAX
from segue.define.scopes import Kind, Reference, Scope, What
from segue.define.steps import MISSING, Flat, flatten, read_watch, texts, weekdays
from segue.define.words import Expr, Name, Text
from segue.define.workspace import Written
from segue.kernel import plan
from segue.kernel.expression import TRUE, Expression
from segue.kernel.shelves import EVERYTHING, CatalogPlan, Ranking
from segue.kernel.values import DAY, Instant, Millis

_Per: TypeAlias = OneOf["session", "window", "day", "week", "month"]

ON_SITE_ACTIVE = "on_site_active"
BOUGHT = "bought"
BOUGHT_LOOKBACK = DAY
"""How far back a purchase counts where the workspace does not say: alternatives considered
were none (an order just before the journey's entry slipped through) and a week (too long for
groceries)."""

EXPIRY = Millis(7 * DAY)
"""The expiry of a message that waived having one."""


UNREAD = "?"
"""Stands in for content that was reported, so that nobody says it is missing too."""


class Compiled(msgspec.Struct):
    """The plan, and what the checks need beside it."""

    plan: plan.Plan
    references: list[Reference]
    flats: dict[str, Flat]


def plan_hash(of: plan.Plan) -> str:
    """The plan's name: blake2b of its canonical JSON, its publication left out."""
    bare = msgspec.structs.replace(of, published_at=Instant(0))
    encoded = msgspec.json.encode(bare, order="sorted")
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()


def compile_workspace(written: Written, sink: Sink) -> Compiled:
    """Spell out every definition."""
    return _Compiler(written, sink).compile()


class _Compiler:
    """Compiles one workspace; keeps the references that expressions and names make."""

    def __init__(self, written: Written, sink: Sink) -> None:
        self.written = written
        self.sink = sink
        self.references: list[Reference] = []
        self.flats: dict[str, Flat] = {}
        self.rankings: dict[str, str] = {}
        """The catalog of each ranking, by the ranking's name."""

    def compile(self) -> Compiled:
        written = self.written
        waivable = self.sink.waiving
        segments: list[plan.Segment] = []
        for name, segment in sorted(written.segments.items()):
            with waivable(segment.waive):
                segments.append(self.segment(name, segment))
        derived: list[plan.Derived] = []
        for name, event in sorted(written.events.items()):
            with waivable(event.waive):
                derived.append(self.derived(name, event))
        catalogs: list[CatalogPlan] = []
        for name, catalog in sorted(written.catalogs.items()):
            with waivable(catalog.waive):
                catalogs.append(self.catalog(name, catalog))
        messages: list[plan.Message] = []
        for name, message in sorted(written.messages.items()):
            with waivable(message.waive):
                messages.append(self.message(name, message))
        policies: list[plan.Policy] = []
        for name, policy in sorted(written.policies.items()):
            with waivable(policy.waive):
                policies.append(self.policy(name, policy))
        models: list[plan.Scorecard] = []
        for name, card in sorted(written.models.items()):
            with waivable(card.waive):
                models.append(self.scorecard(name, card))
        journeys: list[plan.Journey] = []
        for name, journey in sorted(written.journeys.items()):
            with waivable(journey.waive):
                journeys.append(self.journey(name, journey))
        whole = plan.Plan(
            workspace=self.workspace(),
            segments=tuple(segments),
            derived=tuple(derived),
            messages=tuple(messages),
            policies=(*self.defaults(), *policies),
            journeys=tuple(journeys),
            models=tuple(models),
            parts=dict(sorted(written.parts.items())),
            catalogs=tuple(catalogs),
        )
        return Compiled(whole, self.references, self.flats)

    # ── words ───────────────────────────────────────────────────────────────────────

    def read(self, expr: Expr | None, scope: Scope, want: Kind = "boolean") -> Expression:
        """The expression; TRUE where none was written."""
        return TRUE if expr is None else self.read_maybe(expr, scope, want) or MISSING

    def read_maybe(self, expr: Expr | None, scope: Scope, want: Kind) -> Expression | None:
        return read_expression(expr, scope, self.sink, self.references, want)

    def refer(self, what: What, names: Sequence[Name]) -> tuple[str, ...]:
        self.references.extend(Reference(what, name.text, name.place) for name in names)
        return texts(names)

    def within(
        self, form: model.Authored, name: str, value: float, low: float, high: float
    ) -> None:
        if not low <= value <= high:
            message = f"from {low:,} to {high:,} is expected here"
            self.sink.report("SEG-E207", form.at_key(name), message)

    # ── the workspace and its defaults ──────────────────────────────────────────────

    def workspace(self) -> plan.Workspace:
        form = self.written.workspace
        if form is None:
            return plan.Workspace(name="")
        found = plan.Workspace(
            name=form.name.text, consent_default=dict(sorted(form.consent.items()))
        )
        given: dict[str, object] = {}
        if form.zone:
            given["zone"] = form.zone.text
        if form.session:
            given["session_ms"] = form.session.ms
        if form.currency:
            given["currency"] = form.currency.text
        if form.ledger:
            given["ledger_ms"] = form.ledger.ms
        if form.require_consent:
            given["require_consent"] = form.require_consent.text
        lists = {"conversions": form.conversions, "checkout": form.checkout, "cart": form.cart}
        for key, names in lists.items():
            if names is not None:
                given[key] = texts(names)
        return msgspec.structs.replace(found, **given)

    def defaults(self) -> tuple[plan.Policy, ...]:
        chosen = self.written.workspace.defaults if self.written.workspace else model.Defaults()
        found: list[plan.Policy] = []
        if chosen.on_site_active == "on":
            found.append(
                plan.Suppression(
                    name=ON_SITE_ACTIVE,
                    rule="on_site_active",
                    reach=plan.Reach(channels=plan.OUTBOUND),
                )
            )
        if chosen.bought != "off":
            own = chosen.bought.lookback.ms if isinstance(chosen.bought, model.Bought) else None
            lookback = BOUGHT_LOOKBACK if own is None else own
            found.append(
                plan.Suppression(name=BOUGHT, rule="bought", then="deny", lookback_ms=lookback)
            )
        return tuple(found)

    # ── segments, events, models ────────────────────────────────────────────────────

    def segment(self, name: str, form: model.SegmentForm) -> plan.Segment:
        when = self.read(form.when, scopes.SEGMENT)
        return plan.Segment(name=name, when=when, title=_title(form))

    def derived(self, name: str, form: moments.EventForm) -> plan.Derived:
        found = plan.Derived(name=name)
        match form:
            case moments.EventOnForm():
                if not form.on:
                    self.sink.report("SEG-E202", form.place, "no event starts this one: `on`")
                if name in texts(form.on) and form.silence is None:
                    self.sink.report(
                        "SEG-E505", form.place, f"{name!r} would cause itself for ever"
                    )
                scope = scopes.DERIVED
                found = msgspec.structs.replace(
                    found,
                    on=self.events(form.on),
                    silence_ms=form.silence.ms if form.silence else Millis(0),
                    unless=self.events(form.unless),
                )
            case moments.EventAtForm(at=at):
                scope = scopes.DERIVED if at == "session started" else scopes.MOMENT
                moment = cast("plan.Moment", at.replace(" ", "_"))
                found = msgspec.structs.replace(found, moment=moment)
            case moments.EventOfSegmentForm(segment=segment, change=change):
                scope = scopes.MOMENT
                (of,) = self.refer("segment", (segment,))
                moment = cast("plan.Moment", f"segment_{change}")
                found = msgspec.structs.replace(found, moment=moment, segment=of)
            case moments.EventOfItemForm(catalog=catalog, to=to, within=within):
                if not to:
                    place = form.at_key("to")
                    self.sink.report("SEG-E202", place, "nobody would hear of it: `to` is empty")
                scope = scopes.ITEM
                (of,) = self.refer("catalog", (catalog,))
                found = msgspec.structs.replace(
                    found,
                    moment="item_changed",
                    catalog=of,
                    on=self.events(to),
                    within_ms=within.ms,
                )
            case _:
                assert_never(form)
        properties = {
            key: self.read(expr, scope, "any") for key, expr in sorted(form.properties.items())
        }
        when = self.read(form.when, scope)
        return msgspec.structs.replace(found, when=when, properties=properties)

    def events(self, names: Sequence[Text]) -> tuple[str, ...]:
        self.references.extend(Reference("event", name.text, name.place) for name in names)
        return texts(names)

    def catalog(self, name: str, form: moments.CatalogForm) -> CatalogPlan:
        return CatalogPlan(
            name=name,
            title=_title(form),
            rankings=tuple(
                self.ranking(name, each, ranking) for each, ranking in sorted(form.rankings.items())
            ),
        )

    def ranking(self, catalog: str, name: str, form: moments.RankingForm) -> Ranking:
        first = self.rankings.setdefault(name, catalog)
        if first != catalog:
            hint = f"the first is one of {first!r}; a ranking is called by its name alone"
            self.sink.report("SEG-E208", form.place, f"a second ranking {name!r}", hint)
        self.within(form, "most", form.most, 1, RANKED_MAX)
        group = self.read_maybe(form.group, scopes.RANKING, "any")
        return Ranking(
            name=name,
            catalog=catalog,
            by=self.read(form.by, scopes.RANKING, "number"),
            group=EVERYTHING if group is None else group,
            most=form.most,
            when=self.read(form.when, scopes.RANKING),
        )

    def scorecard(self, name: str, form: model.ModelForm) -> plan.Scorecard:
        bins: list[plan.Bins] = []
        tables: list[plan.Table] = []
        for feature, each in sorted(form.features.items()):
            bins.append(plan.Bins(feature, each.cuts))
            if not _rising(each.cuts):
                self.sink.report("SEG-E408", each.at_key("cuts"), "cuts must rise")
            if each.points is None:
                continue
            self.counted(len(each.points), len(each.cuts) + 1, each.at_key("points"))
            reason = each.reason.text if each.reason else feature
            tables.append(plan.Table((feature,), each.points, reason))
        pairs = sorted(form.pairs, key=lambda one: texts(one.features))
        tables += [self.pair(pair, form.features) for pair in pairs]
        return plan.Scorecard(
            name=name,
            target=form.target.text,
            bins=tuple(bins),
            tables=tuple(tables),
            base=form.base,
            scale=self.scale(form),
        )

    def pair(self, form: model.PairForm, features: Mapping[str, model.FeatureForm]) -> plan.Table:
        names = texts(form.features)
        points = tuple(number for row in form.points for number in row.points)
        found = plan.Table(names, points, form.reason.text if form.reason else " × ".join(names))
        if len(set(names)) != 2 or not set(names) <= set(features):
            place = form.at_key("features")
            self.sink.report("SEG-E408", place, "a pair is of two features that stand above")
            return found
        first, second = (len(features[name].cuts) + 1 for name in names)
        self.counted(len(form.points), first, form.at_key("points"))
        for row in form.points:
            self.counted(len(row.points), second, row.place)
        return found

    def counted(self, found: int, expected: int, place: Place) -> None:
        if found != expected:
            message = f"{expected} points are expected here, one for each bin; these are {found}"
            self.sink.report("SEG-E408", place, message)

    def scale(self, form: model.ModelForm) -> tuple[tuple[float, float], ...]:
        place = form.at_key("scale")
        steps: list[tuple[float, float]] = []
        for text, probability in form.scale.items():
            try:
                points = float(text)
            except ValueError:
                self.sink.report("SEG-E203", place, f"{text[:40]!r} is no number of points")
                continue
            if points - points != 0 or not 0 <= probability <= 1:
                self.sink.report("SEG-E207", place, "a probability is from 0 to 1")
            steps.append((points, probability))
        if len(steps) < 2 or not _rising([points for points, _ in sorted(steps)]):
            self.sink.report("SEG-E408", place, "a scale has at least two different points")
        return tuple(sorted(steps))

    # ── messages ────────────────────────────────────────────────────────────────────

    def message(self, name: str, form: model.MessageForm) -> plan.Message:
        self.within(form, "priority", form.priority, 0, 100)
        if form.topic is None:
            self.sink.report("SEG-E601", form.place, f"message {name!r} has no topic")
        if form.expires is None:
            self.sink.report("SEG-E602", form.place, f"message {name!r} never expires")
        incentive = form.incentive
        return plan.Message(
            name=name,
            topic=form.topic.text if form.topic else "",
            contents={
                channel: {field: self.content(content) for field, content in sorted(fields.items())}
                for channel, fields in sorted(form.contents.items())
            },
            expires_ms=form.expires.ms if form.expires else EXPIRY,
            purpose=form.purpose,
            checkout_critical=form.checkout_critical,
            priority=form.priority,
            value=self.read_maybe(form.value, scopes.MESSAGE, "number"),
            tags=texts(form.tags),
            when=self.read(form.when, scopes.MESSAGE),
            about=self.read_maybe(form.about, scopes.MESSAGE, "any"),
            incentive=self.incentive(incentive) if incentive else None,
            title=_title(form),
        )

    def incentive(self, form: model.IncentiveForm) -> plan.Incentive:
        redeemed_by = texts(form.redeemed_by)
        if not redeemed_by and self.written.workspace and self.written.workspace.conversions:
            redeemed_by = texts(self.written.workspace.conversions)
        return plan.Incentive(
            name=form.name.text,
            group=form.group.text,
            worth=form.worth,
            lasts_ms=form.lasts.ms,
            code=form.code.text if form.code else "",
            redeemed_by=redeemed_by,
            coupons=form.coupons.text if form.coupons else "",
        )

    def content(self, form: model.ContentForm) -> str:
        if form.file is None:
            if form.text is None:
                self.sink.report("SEG-E202", form.place, "a text or a `file` is expected here")
                return UNREAD
            return form.text.text
        if form.text is not None:
            self.sink.report("SEG-E203", form.place, "either a text or a `file`, not both")
        found = self.written.file(form.file.place.file, form.file.text)
        if found is None:
            message = f"there is no file {form.file.text!r} in the workspace"
            hint = "the path starts at the file that names it"
            self.sink.report("SEG-E211", form.file.place, message, hint)
            return UNREAD
        return found

    # ── policies ────────────────────────────────────────────────────────────────────

    def policy(self, name: str, form: model.PolicyForm) -> plan.Policy:
        if isinstance(form, model.ExcludeForm):
            return self.exclusion(name, form)
        reach = plan.Reach(
            channels=self.refer("channel", form.channels),
            tags=self.refer("tag", form.tags),
            journeys=self.refer("journey", form.journeys),
            messages=self.refer("message", form.messages),
            placements=self.refer("placement", form.placements),
        )
        match form:
            case model.CapForm():
                self.within(form, "cap", form.cap, 0, 1_000)
                return plan.Cap(
                    name=name,
                    most=form.cap,
                    per=cast("_Per", form.per.period),
                    window_ms=form.per.ms,
                    reach=reach,
                    then=form.then,
                )
            case model.GapForm():
                return plan.Gap(name=name, least_ms=form.gap.ms, reach=reach, then=form.then)
            case model.QuietForm():
                everything = reach == plan.Reach()
                return plan.QuietHours(
                    name=name,
                    start=form.quiet.start,
                    end=form.quiet.end % (24 * 60),
                    weekdays=weekdays(form.weekdays),
                    reach=plan.Reach(channels=plan.OUTBOUND) if everything else reach,
                    pace_ms=form.pace.ms if form.pace else Millis(0),
                )
            case model.SuppressForm():
                when = self.read(form.suppress, scopes.POLICY)
                return plan.Suppression(name=name, when=when, reach=reach, then=form.then)
            case model.HoldoutForm():
                return plan.Holdout(name=name, share=form.holdout.ppm, reach=reach)
            case _:
                assert_never(form)

    def exclusion(self, name: str, form: model.ExcludeForm) -> plan.Exclusion:
        groups = self.refer("group", form.exclude.groups)
        journeys = self.refer("journey", form.exclude.journeys)
        if not groups and len(journeys) < 2:
            hint = "name incentive groups, or at least two journeys"
            self.sink.report("SEG-E202", form.place, "nothing excludes anything here", hint)
        return plan.Exclusion(name=name, groups=groups, journeys=journeys)

    # ── journeys ────────────────────────────────────────────────────────────────────

    def journey(self, name: str, form: model.JourneyForm) -> plan.Journey:
        self.within(form, "priority", form.priority, 0, 100)
        self.within(form, "runs_max", form.runs_max, 1, 100)
        flat = self.flats[name] = flatten(form, self.sink, self.references)
        reentry = Millis({"never": -1, "always": 0}.get(str(form.reenter), 0))
        if isinstance(form.reenter, model.After):
            reentry = form.reenter.after.ms
        return plan.Journey(
            name=name,
            entries=tuple(self.entry(each) for each in form.enter),
            steps=tuple(self.finished(node, name) for node in flat.nodes),
            start=flat.start,
            exits=tuple(read_watch(each, self.sink, self.references) for each in form.exit),
            goal=self.goal(form.goal) if form.goal else None,
            key=self.read_maybe(form.key, scopes.ENTRY, "any"),
            when=self.read(form.when, scopes.JOURNEY),
            reentry_ms=reentry,
            runs_max=form.runs_max,
            priority=form.priority,
            state=form.state,
            waits_go_on=form.waits_go_on,
            within=dict(sorted(flat.within.items())),
            title=_title(form),
        )

    def finished(self, node: plan.Node, journey: str) -> plan.Node:
        """What needs to know more than the step: a draw's stream, a message's channels."""
        if isinstance(node, plan.Split) and not node.stream:
            return msgspec.structs.replace(node, stream=f"{journey}/{node.id}")
        if isinstance(node, plan.Send) and not node.channels:
            return msgspec.structs.replace(node, channels=self.channels(node.message))
        if isinstance(node, plan.Choose):
            options = tuple(
                msgspec.structs.replace(option, channels=self.channels(option.message))
                if option.message and not option.channels
                else option
                for option in node.options
            )
            return msgspec.structs.replace(node, options=options)
        return node

    def channels(self, message: str) -> tuple[str, ...]:
        """A message's channels, in the order in which its contents were written.

        What stands on a page is shown, never sent.
        """
        form = self.written.messages.get(message)
        contents = form.contents if form else {}
        return tuple(channel for channel in contents if channel not in plan.ON_SITE)

    def goal(self, form: model.GoalForm) -> plan.Goal:
        return plan.Goal(
            watch=read_watch(form, self.sink, self.references),
            within_ms=form.within.ms,
            ends=form.ends,
            value=self.read_maybe(form.value, scopes.WATCH, "number"),
        )

    def entry(self, form: model.EnterForm) -> plan.Entry:
        when = self.read(form.when, scopes.ENTRY)
        match form:
            case model.EnterOn(on=events):
                for event in events:
                    self.references.append(Reference("event", event.text, event.place))
                if not events:
                    self.sink.report("SEG-E202", form.place, "no event is named: `on`")
                return plan.OnEvent(events=texts(events), when=when)
            case model.EnterDate():
                return plan.OnDate(
                    trait=form.date.text.removeprefix("traits."),
                    offset_ms=form.offset.ms if form.offset else Millis(0),
                    at=form.at.minutes if form.at else -1,
                    yearly=form.yearly,
                    when=when,
                )
            case model.EnterSchedule():
                for day in form.days:
                    self.within(form, "days", day, 1, 31)
                return plan.OnSchedule(
                    segment=self.refer("segment", [form.segment])[0],
                    at=form.schedule.minutes,
                    weekdays=weekdays(form.weekdays),
                    days=tuple(sorted(set(form.days))),
                    when=when,
                )
            case model.EnterSegment():
                segment = self.refer("segment", [form.segment])[0]
                return plan.OnSegment(segment=segment, change=form.change, when=when)
            case model.EnterCall():
                return plan.OnCall(when=when)
            case _:
                assert_never(form)


def _title(form: model.Definition) -> str:
    return form.title.text if form.title else ""


def _rising(numbers: Sequence[float]) -> bool:
    return bool(numbers) and all(a < b for a, b in pairwise(numbers))

"""A plan made ready to run: conditions are closures, and every look-up is an index.

Rule 1: `link` is a pure function of its arguments; two links of one plan answer alike.
Rule 2: guardrails, segments and entries are those of the current plan. A run's steps and
    messages are those of the plan in which it entered, so `older` plans are linked beside.
Rule 3: what an event does not touch costs nothing: everything that waits for an event is
    found by its name, everything that reads state by its bit (see `predicate.Linker`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from segue.kernel import choosing, models, plan, segments, session, windows
from segue.kernel.calendar import UTC, Zone
from segue.kernel.expression import Expression
from segue.kernel.policies import ByReach
from segue.kernel.predicate import Condition, Linker

Patterns = Callable[[str], Callable[[str], bool]]
"""Compiles a regular expression with a linear-time engine into a search."""


class LinkedWatch:
    """A watch whose condition is a closure."""

    __slots__ = ("condition", "events", "reason")

    def __init__(self, watch: plan.Watch, linker: Linker) -> None:
        self.events = frozenset(watch.events)
        self.condition = linker.compile(watch.when)
        self.reason = watch.reason


class LinkedNode:
    """A step with the closures of its expressions, in the order its docstring gives."""

    __slots__ = ("choosing", "conditions", "needs", "node", "values", "watch")

    def __init__(self, node: plan.Node, linker: Linker) -> None:
        self.node = node
        self.watch: LinkedWatch | None = None
        self.conditions: tuple[Condition, ...] = ()
        self.values: dict[str, Condition] = {}
        self.choosing: choosing.ChoiceRule | None = None
        self.needs = 0
        """Bits of what the run watches while it stands here."""
        match node:
            case plan.WaitUntil(watch=watch):
                self.watch = LinkedWatch(watch, linker)
                self.needs = self.watch.condition.needs
            case plan.Branch(ways=ways):
                self.conditions = tuple(linker.compile(way.when) for way in ways)
            case plan.Adapt(ways=ways):
                self.conditions = tuple(linker.compile(way.when) for way in ways)
                for condition in self.conditions:
                    self.needs |= condition.needs
            case plan.Repeat(when=when):
                self.conditions = (linker.compile(when),)
            case plan.WaitDate(date=date):
                self.conditions = (linker.compile(date),)
            case plan.Choose(options=options):
                self.choosing = choosing.link(node)
                self.values = _compiled(
                    {o.name: o.value for o in options if o.value is not None}, linker
                )
            case plan.SetTrait(traits=traits, vars=variables):
                self.values = _compiled({f"traits.{k}": v for k, v in traits.items()}, linker)
                self.values |= _compiled({f"vars.{k}": v for k, v in variables.items()}, linker)
            case plan.Emit(properties=fields):
                self.values = _compiled(fields, linker)
            case plan.Call(body=fields):
                self.values = _compiled(fields, linker)
            case plan.Assign(details=fields):
                self.values = _compiled(fields, linker)
            case _:
                pass


def _compiled(fields: Mapping[str, Expression], linker: Linker) -> dict[str, Condition]:
    return {name: linker.compile(value) for name, value in fields.items()}


class LinkedMessage:
    """A message with its closures."""

    __slots__ = ("about", "message", "transactional", "value", "when")

    def __init__(self, message: plan.Message, linker: Linker) -> None:
        self.message = message
        self.transactional = message.purpose == "transactional"
        self.when = linker.compile(message.when)
        self.value = linker.compile(message.value) if message.value is not None else None
        self.about = linker.compile(message.about) if message.about is not None else None


class LinkedJourney:
    """A journey of one program, its steps by id."""

    __slots__ = (
        "exit_events",
        "exits",
        "goal",
        "goal_value",
        "inside",
        "journey",
        "key",
        "name",
        "needs",
        "nodes",
        "program",
        "when",
    )

    def __init__(self, journey: plan.Journey, program: str, linker: Linker) -> None:
        self.journey = journey
        self.name = journey.name
        self.program = program
        self.when = linker.compile(journey.when)
        self.key = linker.compile(journey.key) if journey.key is not None else None
        self.exits = tuple(LinkedWatch(watch, linker) for watch in journey.exits)
        goal = journey.goal
        self.goal = LinkedWatch(goal.watch, linker) if goal else None
        self.goal_value = linker.compile(goal.value) if goal and goal.value else None
        self.nodes = {node.id: LinkedNode(node, linker) for node in journey.steps}
        self.inside: dict[str, frozenset[str]] = {}
        """For each adaptive branch: the steps that stand in its ways."""
        for step, placed in journey.within.items():
            for place in placed:
                self.inside[place.adapt] = self.inside.get(place.adapt, frozenset()) | {step}
        watches = [*self.exits, *([self.goal] if self.goal else [])]
        self.exit_events = frozenset(name for watch in watches for name in watch.events)
        always = 0
        for watch in watches:
            always |= watch.condition.needs
        self.needs = {step: always | self._needs_at(step) for step in self.nodes}

    def _needs_at(self, step: str) -> int:
        needs = self.nodes[step].needs
        for place in self.journey.within.get(step, ()):
            needs |= self.nodes[place.adapt].needs
        return needs


class LinkedEntry:
    """One way into a journey."""

    __slots__ = ("condition", "entry", "journey")

    def __init__(self, entry: plan.Entry, journey: LinkedJourney, linker: Linker) -> None:
        self.entry = entry
        self.journey = journey
        self.condition = linker.compile(entry.when)


def _schedule_bit(entry: plan.OnDate | plan.OnSchedule, linker: Linker) -> int:
    if isinstance(entry, plan.OnDate):
        return linker.bit("traits")
    return linker.bit("traits") | linker.bit(f"segment:{entry.segment}")


class LinkedSuppression:
    """A suppression rule with its closure."""

    __slots__ = ("condition", "policy")

    def __init__(self, policy: plan.Suppression, linker: Linker) -> None:
        self.policy = policy
        self.condition = linker.compile(policy.when)


class LinkedDerived:
    """A derived event with its closures."""

    __slots__ = ("condition", "derived", "properties")

    def __init__(self, derived: plan.Derived, linker: Linker) -> None:
        self.derived = derived
        self.condition = linker.compile(derived.when)
        self.properties = _compiled(derived.properties, linker)


class Program:
    """Everything `step` needs besides the profile. Immutable by convention."""

    def __init__(
        self,
        current: plan.Plan,
        name: str,
        older: Iterable[tuple[str, plan.Plan]],
        zones: Mapping[str, Zone],
        linker: Linker,
    ) -> None:
        self.plan = current
        self.name = name
        self.workspace = current.workspace
        self.zones = zones
        self.zone = zones.get(current.workspace.zone, UTC)
        self.linker = linker
        for one in (current, *(old for _, old in older)):
            # A run of an older program may name a ranking that is defined no more.
            linker.rank(ranking for each in one.catalogs for ranking in each.rankings)
        linker.longest = looks_back = windows.longest(current)
        self.segments = segments.link(current.segments, linker)
        self.models = tuple(models.link(card) for card in current.models)
        self._link_policies(current.policies, linker)
        self._link_derived(current.derived, linker)
        self.messages: dict[tuple[str, str], LinkedMessage] = {}
        self.journeys: dict[tuple[str, str], LinkedJourney] = {}
        for program, old in ((name, current), *older):
            linker.longest = looks_back if old is current else windows.longest(old)
            for message in old.messages:
                self.messages[program, message.name] = LinkedMessage(message, linker)
            for journey in old.journeys:
                self.journeys[program, journey.name] = LinkedJourney(journey, program, linker)
        linker.longest = looks_back
        self._link_entries(current.journeys, linker)
        self.states = {journey.name: journey for journey in current.journeys}
        self.standing = frozenset(
            one.name for one in current.journeys if one.state == "paused" and not one.waits_go_on
        )
        """The journeys that are paused in such a way that their runs' waits stand still."""
        self.rules = session.link(current.workspace)
        self.conversions = frozenset(self.workspace.conversions)
        self.redeemed_by = {
            message.incentive.name: message.incentive.redeemed_by
            for message in current.messages
            if message.incentive is not None
        }
        self.pools = tuple(
            sorted(
                {
                    one.message.incentive.coupons
                    for one in self.messages.values()
                    if one.message.incentive is not None and one.message.incentive.coupons
                }
            )
        )
        """Coupon pools that some message hands codes out of."""
        self.session_bit = linker.bit("session")
        self.traits_bit = linker.bit("traits")
        self.event_bit = linker.bit("event")
        self.runs_bit = linker.bit("runs")
        self.ledger_bit = linker.bit("ledger")
        self.consents_bit = linker.bit("consents")
        self.grants_bit = linker.bit("grants")
        self.streams = linker.index()
        self.listened = frozenset(self._listened())

    def _link_policies(self, policies: Sequence[plan.Policy], linker: Linker) -> None:
        self.holdouts = ByReach((p.reach, p) for p in policies if isinstance(p, plan.Holdout))
        self.quiet_hours = ByReach((p.reach, p) for p in policies if isinstance(p, plan.QuietHours))
        self.caps = ByReach((p.reach, p) for p in policies if isinstance(p, plan.Cap | plan.Gap))
        rules = [p for p in policies if isinstance(p, plan.Suppression)]
        self.suppressions = ByReach((p.reach, LinkedSuppression(p, linker)) for p in rules)
        self.cancels_bought = any(policy.rule == "bought" for policy in rules)
        self.excluding: dict[str, list[plan.Exclusion]] = {}
        """By journey: the exclusions that name it."""
        self.competing: dict[str, set[str]] = {}
        """By group of incentives: the groups that one exclusion names with it."""
        for policy in policies:
            if isinstance(policy, plan.Exclusion):
                for journey in dict.fromkeys(policy.journeys):
                    self.excluding.setdefault(journey, []).append(policy)
                for group in policy.groups:
                    self.competing.setdefault(group, set()).update(policy.groups)

    def _link_derived(self, derived: Iterable[plan.Derived], linker: Linker) -> None:
        self.derived = {one.name: LinkedDerived(one, linker) for one in derived}
        self.starts: dict[str, list[LinkedDerived]] = {}
        self.breaks: dict[str, list[str]] = {}
        self.moments: dict[str, list[LinkedDerived]] = {}
        """The derived events that start with no event, by their moment."""
        for one in self.derived.values():
            if one.derived.moment != "event":
                self.moments.setdefault(one.derived.moment, []).append(one)
                continue
            for event in one.derived.on:
                self.starts.setdefault(event, []).append(one)
            for event in one.derived.unless:
                self.breaks.setdefault(event, []).append(one.derived.name)

        hears: dict[str, set[str]] = {}
        for one in self.moments.get("item_changed", ()):
            for name in one.derived.on:
                hears.setdefault(name, set()).add(one.derived.catalog)
        self.interested = {name: tuple(sorted(found)) for name, found in hears.items()}
        """For each event that makes a profile hear of an item's changes: of which catalogs."""

    def _link_entries(self, journeys: Iterable[plan.Journey], linker: Linker) -> None:
        self.entries: dict[str, list[LinkedEntry]] = {}
        self.segment_entries: dict[tuple[str, str], list[LinkedEntry]] = {}
        self.call_entries: dict[str, list[LinkedEntry]] = {}
        self.scheduled: dict[str, LinkedEntry] = {}
        self.schedule_needs = 0
        """Bits of what decides when the scheduled entries come next."""
        for journey in journeys:
            linked = self.journeys[self.name, journey.name]
            for place, entry in enumerate(journey.entries):
                one = LinkedEntry(entry, linked, linker)
                match entry:
                    case plan.OnEvent(events=events):
                        for event in events:
                            self.entries.setdefault(event, []).append(one)
                    case plan.OnSegment(segment=segment, change=change):
                        self.segment_entries.setdefault((segment, change), []).append(one)
                    case plan.OnCall():
                        self.call_entries.setdefault(journey.name, []).append(one)
                    case plan.OnDate() | plan.OnSchedule():
                        self.scheduled[f"{journey.name}#{place}"] = one
                        self.schedule_needs |= _schedule_bit(entry, linker)

    def _listened(self) -> Iterable[str]:
        """Names of events that something in the program waits for or counts."""
        yield from self.entries
        yield from self.starts
        yield from self.breaks
        yield from self.streams.by_event
        for journey in self.journeys.values():
            yield from journey.exit_events
            for linked in journey.nodes.values():
                if linked.watch:
                    yield from linked.watch.events

    def journey(self, program: str, name: str) -> LinkedJourney | None:
        """A journey as it was in the program in which a run entered."""
        return self.journeys.get((program, name))

    def message(self, program: str, name: str) -> LinkedMessage | None:
        """A message as it was in that program, else as it is today."""
        return self.messages.get((program, name)) or self.messages.get((self.name, name))

    def zone_of(self, name: str) -> Zone:
        """The profile's zone if its table is known, else the workspace's."""
        return self.zones.get(name, self.zone) if name else self.zone


def link(
    current: plan.Plan,
    *,
    name: str,
    patterns: Patterns,
    zones: Mapping[str, Zone] | None = None,
    older: Iterable[tuple[str, plan.Plan]] = (),
) -> Program:
    """Make a plan ready to run; `older` are the plans that live runs are pinned to, by hash."""
    return Program(current, name, tuple(older), zones or {}, Linker(patterns, current.workspace))

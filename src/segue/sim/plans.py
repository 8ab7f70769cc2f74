"""Random programs for simulated worlds: journeys of every kind of step, and guardrails of every
kind, as the compiler would have made them.

Rule 1: everything is drawn from the `Random` that is handed in, so a seed is a program.
Rule 2: times are short (minutes to days) and shares large, so that a small world meets every rule.
Rule 3: what the compiler proves (names resolve, loops wait, steps lead somewhere) is kept.
"""

from random import Random
from typing import Literal as OneOf, TypeAlias

from segue.kernel import expression as ex, plan
from segue.kernel.expression import TRUE
from segue.kernel.values import Millis

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

EVENTS = (
    "Product Viewed",
    "Product Added",
    "Checkout Started",
    "Order Completed",
    "Help Read",
    "Page Viewed",
    "Nudged",
)
BUILT_IN = ("Session Started", "Session Ended", "Segment Entered", "Segment Left")
CHANNELS = ("email", "sms", "push", "webhook")
PLACEMENTS = (("top", "web"), ("till", "checkout"), ("card", "inapp"))
TOPICS = ("news", "carts")
GROUPS = ("discount", "shipping")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe")
PRODUCTS = ("p1", "p2", "p3")
PLANS = ("gold", "tin")
Op: TypeAlias = OneOf["==", "!=", "<", "<=", ">", ">="]
State: TypeAlias = OneOf["received", "shown", "clicked", "dismissed"]


class Programs:
    """Draws one program after another from one `Random`."""

    def __init__(self, chance: Random, size: int) -> None:
        self.chance = chance
        self.size = size
        self.listens = chance.random() < 0.4
        """Whether Segue's own events are waited for: then every version of the program does."""
        self.segments: list[str] = []
        self.journeys = [f"j{n}" for n in range(chance.randint(1, 1 + size))]
        self.messages: list[plan.Message] = []
        self.steps: list[plan.Node] = []
        self.within: dict[str, tuple[plan.Placed, ...]] = {}
        self.count = 0

    # ── the whole ──

    def draw(self) -> plan.Plan:
        """One program."""
        chance = self.chance
        segments = self._segments()
        self.messages = [self._message(n) for n in range(chance.randint(2, 4))]
        return plan.Plan(
            workspace=plan.Workspace(
                name="world",
                zone=chance.choice(ZONES),
                session_ms=Millis(chance.choice((10, 30)) * MINUTE),
                consent_default={"sms": "denied"} if chance.random() < 0.3 else {},
            ),
            segments=segments,
            derived=self._derived(),
            messages=tuple(self.messages),
            policies=self._policies(),
            journeys=tuple(self._journey(name) for name in self.journeys),
        )

    def revise(self, old: plan.Plan) -> plan.Plan:
        """The next version: journeys and guardrails anew, the same names."""
        chance = self.chance
        journeys = [
            self._journey(one.name) if chance.random() < 0.5 else one for one in old.journeys
        ]
        if chance.random() < 0.3:
            journeys[0] = _paused(journeys[0], go_on=chance.random() < 0.5)
        messages = tuple(
            self._message(n) if chance.random() < 0.3 else one for n, one in enumerate(old.messages)
        )
        return plan.Plan(
            workspace=old.workspace,
            segments=old.segments if chance.random() < 0.5 else self._segments(),
            derived=old.derived,
            messages=messages,
            policies=self._policies(),
            journeys=tuple(journeys),
        )

    # ── conditions ──

    def _span(self) -> int:
        chance = self.chance
        return chance.choice((1, 5, 20, 45)) * MINUTE * chance.choice((1, 1, 6, 60))

    def _stream(self, *, of: str = "") -> ex.Stream:
        chance = self.chance
        where = None
        if chance.random() < 0.3:
            where = ex.Compare(">=", ex.Path("properties", ("price",)), ex.Literal(50))
        events = tuple(chance.sample(EVENTS, chance.choice((1, 1, 2))))
        return ex.Stream(events, where, ex.Path("properties", (of,)) if of else None)

    def _aggregate(self) -> ex.Expression:
        chance = self.chance
        within = Millis(self._span()) if chance.random() < 0.8 else None
        fold = chance.choice(("count", "count", "count", "sum", "max", "distinct", "last"))
        match fold:
            case "count":
                bound = chance.choice((1, 2, 3))
                ops: tuple[Op, ...] = (">=", ">=", ">", "<", "==", "!=")
                op = chance.choice(ops)
                return ex.Compare(op, ex.Aggregate("count", self._stream(), within), _n(bound))
            case "sum" | "max":
                taken = ex.Aggregate(fold, self._stream(of="price"), within)
                some: tuple[Op, ...] = (">", ">=", "<")
                return ex.Compare(chance.choice(some), taken, _n(60))
            case "distinct":
                taken = ex.Aggregate(fold, self._stream(of="product_id"), within)
                return ex.Compare(">=", taken, _n(2))
            case _:
                taken = ex.Aggregate("last", self._stream(of="product_id"), within)
                return ex.Compare("==", taken, ex.Literal("p1"))

    def _sequence(self) -> ex.Expression:
        chance = self.chance
        first, second, between = (ex.Stream((name,)) for name in chance.sample(EVENTS, 3))
        within = self._span()
        return ex.Sequence(
            (first, second),
            Millis(within),
            Millis(within * chance.choice((1, 3))),
            (between,) if chance.random() < 0.5 else (),
        )

    def _since(self) -> ex.Expression:
        chance = self.chance
        within = Millis(self._span()) if chance.random() < 0.3 else None
        taken = ex.Aggregate("since", ex.Stream((chance.choice(EVENTS),)), within)
        ops: tuple[Op, ...] = (">", ">=", "<", "<=")
        return ex.Compare(chance.choice(ops), taken, _n(self._span()))

    def condition(self, *, depth: int = 1, segments: bool = True) -> ex.Expression:
        """A condition over a profile: any time, any run."""
        chance = self.chance
        made: ex.Expression
        roll = chance.random()
        if depth > 0 and roll < 0.3:
            parts = (
                self.condition(depth=depth - 1, segments=segments),
                self.condition(depth=depth - 1, segments=segments),
            )
            made = ex.All(parts) if chance.random() < 0.5 else ex.Any(parts)
        elif roll < 0.6:
            made = self._aggregate()
        elif roll < 0.68:
            made = self._sequence()
        elif roll < 0.74:
            made = self._since()
        elif roll < 0.79 and segments and self.segments:
            made = ex.InSegment(chance.choice(self.segments))
        elif roll < 0.86:
            made = ex.Compare(">=", ex.Path("session", (chance.choice(("views", "carts")),)), _n(2))
        elif roll < 0.91:
            made = ex.Compare("==", ex.Path("traits", ("plan",)), ex.Literal("gold"))
        elif roll < 0.94:
            made = ex.Compare("<", ex.Path("local", ("hour",)), _n(chance.choice((9, 17))))
        elif roll < 0.97:
            within = Millis(self._span()) if chance.random() < 0.7 else None
            states: tuple[State, ...] = ("received", "shown", "clicked", "dismissed")
            state = chance.choice(states)
            made = ex.Compare(">=", ex.Touched(state, within_ms=within), _n(1))
        else:
            made = ex.Holds(chance.choice(GROUPS))
        return ex.Not(made) if chance.random() < 0.12 else made

    def _seldom(self, share: float = 0.2) -> ex.Expression:
        """Mostly no condition at all."""
        return self.condition() if self.chance.random() < share else TRUE

    def _segments(self) -> tuple[plan.Segment, ...]:
        self.segments = []
        made: list[plan.Segment] = []
        for n in range(self.chance.randint(1, 1 + self.size)):
            made.append(plan.Segment(name=f"s{n}", when=self.condition()))
            self.segments.append(f"s{n}")
        if self.listens:
            heard = ex.Aggregate("count", ex.Stream(BUILT_IN), Millis(HOUR))
            made.append(plan.Segment(name="heard", when=ex.Compare(">=", heard, _n(2))))
        return tuple(made)

    def _derived(self) -> tuple[plan.Derived, ...]:
        chance = self.chance
        made = [
            plan.Derived(
                name="Cart Abandoned",
                on=("Product Added",),
                silence_ms=Millis(chance.choice((3, 25, 90)) * MINUTE),
                unless=("Order Completed",),
                when=self._seldom(),
                properties={"product_id": ex.Path("properties", ("product_id",))},
            )
        ]
        if chance.random() < 0.4:
            made.append(
                plan.Derived(
                    name="Help Needed",
                    on=("Help Read",),
                    when=ex.Compare(
                        ">=",
                        ex.Aggregate("count", ex.Stream(("Help Read",)), Millis(HOUR)),
                        _n(2),
                    ),
                )
            )
        return tuple(made)

    # ── messages and guardrails ──

    def _message(self, number: int) -> plan.Message:
        chance = self.chance
        incentive = None
        if chance.random() < 0.35:
            incentive = plan.Incentive(
                name=f"i{number}",
                group=chance.choice(GROUPS),
                worth=float(chance.choice((5, 10, 20))),
                lasts_ms=Millis(chance.choice((1, 30)) * HOUR),
                code=chance.choice(("", f"SAVE{number}")),
                redeemed_by=("Order Completed",),
            )
        kind = chance.choice(("marketing", "marketing", "marketing", "transactional"))
        return plan.Message(
            name=f"m{number}",
            topic=chance.choice(TOPICS),
            contents={channel: {} for channel in (*CHANNELS, "web", "checkout", "inapp")},
            expires_ms=Millis(chance.choice((20 * MINUTE, 3 * HOUR, 30 * HOUR))),
            purpose="transactional" if kind == "transactional" else "marketing",
            checkout_critical=chance.random() < 0.2,
            priority=chance.choice((20, 50, 80)),
            value=ex.Aggregate("count", ex.Stream(("Product Viewed",)))
            if chance.random() < 0.2
            else None,
            tags=("promo",) if chance.random() < 0.5 else (),
            when=self._seldom(0.15),
            about=ex.Path("entry", ("product_id",)) if chance.random() < 0.5 else None,
            incentive=incentive,
        )

    def _reach(self) -> plan.Reach:
        chance = self.chance
        roll = chance.random()
        if roll < 0.5:
            return plan.Reach()
        if roll < 0.7:
            return plan.Reach(channels=tuple(chance.sample(CHANNELS, 2)))
        if roll < 0.85:
            return plan.Reach(tags=("promo",))
        return plan.Reach(journeys=(chance.choice(self.journeys),))

    def _cap(self, number: int) -> plan.Cap:
        chance = self.chance
        pers: tuple[OneOf["session", "window", "day", "week", "month"], ...]
        pers = ("session", "window", "day", "week", "month")
        thens: tuple[OneOf["hold", "deny"], ...] = ("hold", "hold", "deny")
        return plan.Cap(
            name=f"cap{number}",
            most=chance.choice((1, 1, 2)),
            per=chance.choice(pers),
            window_ms=Millis(chance.choice((30 * MINUTE, 5 * HOUR, 2 * DAY))),
            reach=self._reach(),
            then=chance.choice(thens),
        )

    def _policies(self) -> tuple[plan.Policy, ...]:
        chance = self.chance
        made: list[plan.Policy] = [self._cap(n) for n in range(chance.choice((0, 1, 1, 2)))]
        if chance.random() < 0.4:
            gap = Millis(chance.choice((10 * MINUTE, 2 * HOUR)))
            made.append(plan.Gap(name="gap", least_ms=gap, reach=self._reach()))
        if chance.random() < 0.5:
            start = chance.choice((0, 8 * 60, 13 * 60 + 30, 21 * 60))
            made.append(
                plan.QuietHours(
                    name="quiet",
                    start=start,
                    end=(start + chance.choice((60, 5 * 60, 10 * 60))) % (24 * 60),
                    weekdays=chance.choice(((), (), (6, 7), (1, 2, 3))),
                    pace_ms=Millis(chance.choice((0, 0, 20 * MINUTE))),
                )
            )
        if chance.random() < 0.8:
            made.append(
                plan.Suppression(
                    name="open", rule="on_site_active", reach=plan.Reach(channels=plan.OUTBOUND)
                )
            )
        if chance.random() < 0.8:
            made.append(plan.Suppression(name="bought", rule="bought", then="deny"))
        if chance.random() < 0.3:
            made.append(plan.Suppression(name="rule", when=self.condition()))
        if chance.random() < 0.5:
            made.append(plan.Exclusion(name="groups", groups=GROUPS))
        if chance.random() < 0.3 and len(self.journeys) > 1:
            made.append(plan.Exclusion(name="journeys", journeys=tuple(self.journeys[:2])))
        if chance.random() < 0.4:
            share = chance.choice((200_000, 500_000))
            made.append(plan.Holdout(name="holdout", share=share, reach=self._reach()))
        # When such a rule ends the auditor does not compute, so it must stop all channels alike.
        return tuple(sorted(made, key=lambda one: one.name != "rule"))

    # ── journeys ──

    def _watch(self, share: float = 0.6) -> plan.Watch:
        chance = self.chance
        if chance.random() < share:
            events = tuple(chance.sample(EVENTS, chance.choice((1, 1, 2))))
            return plan.Watch(events=events, when=self._seldom(0.2))
        return plan.Watch(when=self.condition())

    def _entry(self) -> plan.Entry:
        chance = self.chance
        roll = chance.random()
        if roll < 0.62:
            own = ("Session Ended", "Segment Entered") if self.listens else EVENTS[:2]
            name = chance.choices(
                (*EVENTS[:3], "Help Read", "Cart Abandoned", *own), (5, 3, 1, 1, 2, 1, 1)
            )[0]
            return plan.OnEvent(events=(name,), when=self._seldom(0.15))
        if roll < 0.8:
            changes: tuple[OneOf["entered", "left"], ...] = ("entered", "left")
            change = chance.choice(changes)
            return plan.OnSegment(segment=chance.choice(self.segments), change=change)
        if roll < 0.88:
            return plan.OnCall(when=self._seldom())
        if roll < 0.94:
            return plan.OnDate(
                trait="renewal",
                offset_ms=Millis(chance.choice((-HOUR, 0, HOUR))),
                at=chance.choice((-1, 9 * 60)),
            )
        segment = chance.choice(self.segments)
        return plan.OnSchedule(segment=segment, at=chance.choice((7 * 60, 150)), weekdays=())

    def _journey(self, name: str) -> plan.Journey:
        chance = self.chance
        self.steps, self.within, self.count = [], {}, 0
        start = self._path(plan.END, (), depth=2)
        if start == plan.END:
            start = self._add(plan.Wait(id="only", next=plan.END, for_ms=Millis(self._span())), ())
        goal = None
        if chance.random() < 0.4:
            goal = plan.Goal(
                watch=plan.Watch(events=("Order Completed",)),
                within_ms=Millis(chance.choice((HOUR, DAY))),
                ends=chance.random() < 0.6,
            )
        entries = [self._entry() for _ in range(chance.choice((1, 1, 2)))]
        keyed = chance.random() < 0.3
        return plan.Journey(
            name=name,
            entries=tuple(entries),
            steps=tuple(self.steps),
            start=start,
            exits=tuple(self._watch(0.75) for _ in range(chance.choice((0, 1, 1, 2)))),
            goal=goal,
            key=ex.Path("properties", ("product_id",)) if keyed else None,
            when=self._seldom(0.1),
            reentry_ms=Millis(chance.choice((-1, MINUTE, MINUTE, 20 * MINUTE, 5 * HOUR))),
            runs_max=chance.choice((1, 2, 10)),
            within=self.within,
        )

    def _add(self, node: plan.Node, placed: tuple[plan.Placed, ...]) -> str:
        self.steps.append(node)
        if placed:
            self.within[node.id] = placed
        return node.id

    def _id(self) -> str:
        self.count += 1
        return f"n{self.count}"

    def _path(self, onward: str, placed: tuple[plan.Placed, ...], depth: int) -> str:
        """Some steps in a row that lead to `onward`; returns the first."""
        at = onward
        for _ in range(self.chance.randint(1, 2 + (depth > 1))):
            at = self._step(at, placed, depth)
        return at

    def _step(self, onward: str, placed: tuple[plan.Placed, ...], depth: int) -> str:
        chance = self.chance
        roll = chance.random()
        if roll < 0.3:
            return self._send(onward, placed)
        if roll < 0.42:
            return self._show(onward, placed)
        if roll < 0.6:
            return self._wait(onward, placed, depth)
        if roll < 0.8 and depth > 0:
            return self._fork(onward, placed, depth)
        return self._act(onward, placed)

    def _send(self, onward: str, placed: tuple[plan.Placed, ...]) -> str:
        chance = self.chance
        channels = tuple(chance.sample(CHANNELS, chance.randint(1, 3)))
        return self._add(
            plan.Send(
                id=self._id(),
                next=onward,
                message=chance.choice(self.messages).name,
                channels=channels,
                otherwise=chance.choice(("skip", "skip", "exit", "retry")),
                retry_ms=Millis(chance.choice((5, 40)) * MINUTE),
            ),
            placed,
        )

    def _show(self, onward: str, placed: tuple[plan.Placed, ...]) -> str:
        chance = self.chance
        placement, channel = chance.choice(PLACEMENTS)
        return self._add(
            plan.Show(
                id=self._id(),
                next=onward,
                message=chance.choice(self.messages).name,
                placement=placement,
                channel=channel,
                lasts_ms=Millis(chance.choice((10 * MINUTE, 4 * HOUR))),
                until=chance.choice(((), (), ("Order Completed",))),
                ends_on=chance.choice((("clicked", "dismissed"), ("clicked",), ("shown",))),
            ),
            placed,
        )

    def _wait(self, onward: str, placed: tuple[plan.Placed, ...], depth: int) -> str:
        chance = self.chance
        own = self._id()
        node: plan.Node
        match chance.randint(0, 4):
            case 0 | 1:
                node = plan.Wait(id=own, next=onward, for_ms=Millis(self._span()))
            case 2:
                met = self._path(onward, placed, 0) if depth else onward
                node = plan.WaitUntil(
                    id=own,
                    watch=self._watch(),
                    timeout_ms=Millis(self._span()),
                    met=met,
                    timed_out=onward,
                )
            case 3:
                start = chance.choice((0, 9 * 60, 22 * 60))
                node = plan.WaitWindow(
                    id=own,
                    next=onward,
                    start=start,
                    end=(start + chance.choice((30, 8 * 60))) % (24 * 60),
                    weekdays=chance.choice(((), (1, 2, 3, 4, 5), (7,))),
                )
            case _:
                node = plan.WaitDate(
                    id=own,
                    next=onward,
                    date=ex.Path("traits", ("renewal",)),
                    offset_ms=Millis(chance.choice((-HOUR, 0, 2 * HOUR))),
                    missing=onward,
                )
        return self._add(node, placed)

    def _fork(self, onward: str, placed: tuple[plan.Placed, ...], depth: int) -> str:
        chance = self.chance
        own = self._id()
        node: plan.Node
        match chance.randint(0, 4):
            case 0:
                way = plan.Way(
                    name="a", when=self.condition(), next=self._path(onward, placed, depth - 1)
                )
                node = plan.Branch(id=own, ways=(way,), otherwise=onward)
            case 1 | 2:
                node = self._adapt(own, onward, placed, depth)
            case 3:
                node = plan.Split(
                    id=own,
                    stream=f"split/{own}",
                    variants=(
                        plan.Variant(name="x", weight=1, next=self._path(onward, placed, 0)),
                        plan.Variant(name="y", weight=2, next=onward),
                    ),
                )
            case _:
                wait = self._add(plan.Wait(id=self._id(), next=own, for_ms=Millis(MINUTE)), placed)
                node = plan.Repeat(
                    id=own,
                    body=self._path(wait, placed, 0),
                    next=onward,
                    times=chance.choice((1, 2)),
                    when=self._seldom(0.3),
                )
        return self._add(node, placed)

    def _adapt(
        self, own: str, onward: str, placed: tuple[plan.Placed, ...], depth: int
    ) -> plan.Adapt:
        chance = self.chance
        ways: list[plan.Way] = []
        for place in range(chance.choice((2, 2, 3))):
            inside = (*placed, plan.Placed(own, place))
            last = onward
            if chance.random() < 0.3:
                last = self._add(plan.Commit(id=self._id(), next=onward, adapt=own), inside)
            first = self._path(last, inside, depth - 1)
            ways.append(plan.Way(name=f"w{place}", when=self.condition(), next=first))
        return plan.Adapt(
            id=own,
            ways=tuple(ways),
            timeout_ms=Millis(chance.choice((0, self._span()))),
            otherwise=onward,
            both_ways=chance.random() < 0.2,
        )

    def _act(self, onward: str, placed: tuple[plan.Placed, ...]) -> str:
        chance = self.chance
        own = self._id()
        node: plan.Node
        match chance.randint(0, 6):
            case 0:
                gold: dict[str, ex.Expression] = {"plan": ex.Literal(chance.choice(PLANS))}
                node = plan.SetTrait(id=own, next=onward, traits=gold, vars={"n": _n(1)})
            case 1:
                node = plan.Emit(id=own, next=onward, event="Nudged")
            case 2:
                changes: tuple[OneOf["add", "remove"], ...] = ("add", "remove")
                change = chance.choice(changes)
                node = plan.Audience(id=own, next=onward, audience="look-alikes", change=change)
            case 3:
                body: dict[str, ex.Expression] = {"plan": ex.Path("traits", ("plan",))}
                node = plan.Call(id=own, next=onward, webhook="crm", body=body)
            case 4:
                node = plan.Assign(id=own, next=onward, title="call")
            case 5:
                node = self._choose(own, onward)
            case _:
                node = plan.End(id=own)
        return self._add(node, placed)

    def _choose(self, own: str, onward: str) -> plan.Choose:
        chance = self.chance
        options = [
            plan.Option(
                name=f"o{n}",
                message=chance.choice(self.messages).name,
                channels=tuple(chance.sample(CHANNELS, 2)),
                value=_n(chance.choice((1, 5))),
                next=onward,
            )
            for n in range(2)
        ]
        options.append(plan.Option(name="nothing", value=_n(2), next=onward))
        explore = chance.choice((0, 300_000))
        return plan.Choose(id=own, options=tuple(options), explore=explore)


def _n(number: int) -> ex.Literal:
    return ex.Literal(number)


def _paused(journey: plan.Journey, *, go_on: bool) -> plan.Journey:
    import msgspec

    return msgspec.structs.replace(journey, state="paused", waits_go_on=go_on)

"""Random journeys for simulated programs: every kind of entry, step, exit and goal.

Rules as in `plans.py`.
"""

from random import Random
from typing import Literal as OneOf

from segue.kernel import expression as ex, plan
from segue.kernel.values import Millis
from segue.sim.plans_conditions import (
    CHANNELS,
    DAY,
    EVENTS,
    HOUR,
    MINUTE,
    PLACEMENTS,
    PLANS,
    Conditions,
    literal,
)
from segue.sim.plans_events import MARKED


class Journeys(Conditions):
    """Draws journeys; `messages` and `segments` are there before them."""

    def __init__(self, chance: Random, more: Random, size: int) -> None:
        super().__init__(chance, more, size)
        self.listens = chance.random() < 0.4
        """Whether Segue's own events are waited for: then every version of the program does."""
        self.messages: list[plan.Message] = []
        self.steps: list[plan.Node] = []
        self.within: dict[str, tuple[plan.Placed, ...]] = {}
        self.count = 0

    def _watch(self, share: float = 0.6) -> plan.Watch:
        chance = self.chance
        if chance.random() < share:
            events = tuple(chance.sample(EVENTS, chance.choice((1, 1, 2))))
            return plan.Watch(events=events, when=self.seldom(0.2))
        return plan.Watch(when=self.condition())

    def _entry(self) -> plan.Entry:
        chance = self.chance
        roll = chance.random()
        if roll < 0.62:
            own = ("Session Ended", "Segment Entered") if self.listens else EVENTS[:2]
            if self.listens and self.more.random() < 0.3:
                own = self.more.choice(
                    (("Incentive Expired", "Incentive Redeemed"), (MARKED, MARKED))
                )
            name = chance.choices(
                (*EVENTS[:3], "Help Read", "Cart Abandoned", *own), (5, 3, 1, 1, 2, 1, 1)
            )[0]
            return plan.OnEvent(events=(name,), when=self.seldom(0.15))
        if roll < 0.8:
            changes: tuple[OneOf["entered", "left"], ...] = ("entered", "left")
            change = chance.choice(changes)
            return plan.OnSegment(segment=chance.choice(self.segments), change=change)
        if roll < 0.88:
            return plan.OnCall(when=self.seldom())
        if roll < 0.94:
            return plan.OnDate(
                trait="renewal",
                offset_ms=Millis(chance.choice((-HOUR, 0, HOUR))),
                at=chance.choice((-1, 9 * 60)),
            )
        segment = chance.choice(self.segments)
        return plan.OnSchedule(segment=segment, at=chance.choice((7 * 60, 150)), weekdays=())

    def journey(self, name: str) -> plan.Journey:
        """One journey of this name."""
        chance = self.chance
        self.steps, self.within, self.count = [], {}, 0
        start = self._path(plan.END, (), depth=2)
        if start == plan.END:
            start = self._add(plan.Wait(id="only", next=plan.END, for_ms=Millis(self.span())), ())
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
            when=self.seldom(0.1),
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
                node = plan.Wait(id=own, next=onward, for_ms=Millis(self.span()))
            case 2:
                met = self._path(onward, placed, 0) if depth else onward
                node = plan.WaitUntil(
                    id=own,
                    watch=self._watch(),
                    timeout_ms=Millis(self.span()),
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
                    when=self.seldom(0.3),
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
            timeout_ms=Millis(chance.choice((0, self.span()))),
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
                node = plan.SetTrait(id=own, next=onward, traits=gold, vars={"n": literal(1)})
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
                value=literal(chance.choice((1, 5))),
                next=onward,
            )
            for n in range(2)
        ]
        options.append(plan.Option(name="nothing", value=literal(2), next=onward))
        explore = chance.choice((0, 300_000))
        return plan.Choose(id=own, options=tuple(options), explore=explore)

"""All situations of a world: which can be drawn, and what of them the program gets."""

from random import Random

import msgspec

from segue.kernel import expression as ex, plan
from segue.kernel.expression import TRUE
from segue.kernel.plan import Plan
from segue.kernel.values import Record
from segue.sim import situations_acts, situations_clock, situations_shelves as shelves
from segue.sim.plans_conditions import MINUTE
from segue.sim.script import Fault, Line, Put, Say
from segue.sim.situations import Act, Stage, change_after


def acts(start: int) -> tuple[Act, ...]:
    """Those that fit a world which begins at this instant."""
    clock = situations_clock.ACTS * 2 if change_after(start) else ()
    return (*situations_acts.ACTS, *clock, *shelves.ACTS)


class Situations:
    """What is acted out in one world."""

    def __init__(self, seed: int, start: int, days: int) -> None:
        self.more = Random(f"situations/{seed}")  # noqa: S311 - a seeded world
        count = self.more.choice((1, 2, 2, 3))
        self.stages: list[Stage] = []
        for number, act in enumerate(self.more.sample(acts(start), count)):
            own = Random(f"situations/{seed}/{number}")  # noqa: S311 - a seeded world
            stage = Stage(own, number, start, days)
            act(stage)
            self._goes_wrong(stage)
            self.stages.append(stage)
        self.apart = self.more.random() < 0.6
        """Whether the other guardrails leave these journeys alone."""
        self.start = start
        self.shelves = Random(f"shelves/{seed}")  # noqa: S311 - a seeded world
        self.stocked = any(stage.shelves for stage in self.stages)
        self.first = shelves.everything(self.shelves)
        self.catalogs = shelves.catalogs(self.shelves) if self.stocked else ()
        self.derived = shelves.derived(self.shelves) if self.stocked else ()
        self.eligible = shelves.eligible(self.shelves)

    def lag_ms(self, usual: int) -> int:
        """How far the dispatcher runs behind."""
        if any(stage.lags for stage in self.stages):
            return usual or self.more.choice((1_000, 5 * MINUTE))
        return 0 if any(stage.slow for stage in self.stages) else usual

    def slow_ms(self) -> int:
        """How long providers take at most."""
        if any(stage.slow for stage in self.stages):
            return self.more.choice((5 * MINUTE, 20 * MINUTE))
        return self.more.choice((0, 0, 3_000, 10 * MINUTE))

    @property
    def lines(self) -> list[Line]:
        """What is done in all of them."""
        first: list[Line] = [Put(self.start, tuple(self.first))] if self.stocked else []
        return first + [line for stage in self.stages for line in stage.lines]

    def into(self, base: Plan) -> Plan:
        """The program with all that they need."""
        policies = base.policies
        if self.apart:
            names = tuple(one.name for one in base.journeys)
            policies = tuple(_only(names, one) for one in policies)
        stages = self.stages
        return msgspec.structs.replace(
            base,
            messages=self._messages(base) + tuple(m for s in stages for m in s.messages),
            policies=policies + tuple(p for s in stages for p in s.policies),
            journeys=base.journeys + tuple(j for s in stages for j in s.journeys),
            derived=base.derived + self.derived,
            catalogs=self.catalogs,
        )

    def _messages(self, base: Plan) -> tuple[plan.Message, ...]:
        """Some of the others ask the catalog, too."""
        if not self.stocked:
            return base.messages
        return tuple(
            msgspec.structs.replace(one, when=_both(one.when, self.eligible))
            if place % 3 == 0
            else one
            for place, one in enumerate(base.messages)
        )

    def _goes_wrong(self, stage: Stage) -> None:
        """Requests that come twice, a process that dies, two who turn out to be one."""
        more = stage.more
        says = [line for line in stage.lines if isinstance(line, Say)]
        for line in says:
            if more.random() < 0.06:
                stage.lines.append(Say(line.at + more.choice((0, 1, MINUTE)), line.given))
        if more.random() < 0.2:
            stage.lines.append(
                Fault(more.choice(says).at, more.choice(("before", "after", "stale", "handing")))
            )
        if more.random() < 0.15:
            at = more.choice(says).at + more.choice((1, MINUTE))
            other: Record = {"previousId": more.choice(("u0", "a0.0", "x0", "x1"))}
            stage.say(at, stage.given("Profile Aliased", at, other, kind="alias"))


def _both(one: ex.Expression, two: ex.Expression) -> ex.Expression:
    return two if one == TRUE else ex.All((one, two))


def _only(journeys: tuple[str, ...], policy: plan.Policy) -> plan.Policy:
    """A guardrail of messages that reaches these journeys alone, if it names none."""
    if isinstance(policy, plan.Exclusion) or policy.reach.journeys:
        return policy
    reach = msgspec.structs.replace(policy.reach, journeys=journeys)
    return msgspec.structs.replace(policy, reach=reach)

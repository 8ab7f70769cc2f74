"""Random programs for simulated worlds: journeys of every kind of step, and guardrails of every
kind, as the compiler would have made them.

Rule 1: everything is drawn from the `Random` that is handed in, so a seed is a program.
Rule 2: times are short (minutes to days) and shares large, so that a small world meets every rule.
Rule 3: what the compiler proves (names resolve, loops wait, steps lead somewhere) is kept.
"""

from random import Random
from typing import Literal as OneOf

import msgspec

from segue.hosts.publishing import Mode
from segue.kernel import expression as ex, plan
from segue.kernel.values import Millis
from segue.sim.plans_conditions import (
    CHANNELS,
    DAY,
    GROUPS,
    HOUR,
    MINUTE,
    MODELS,
    POOLS,
    TOPICS,
    ZONES,
    literal,
)
from segue.sim.plans_events import MARKED, MOMENTS, derived
from segue.sim.plans_journeys import Journeys

INCENTIVES = ("Incentive Offered", "Incentive Redeemed", "Incentive Expired")
CUTS: dict[str, tuple[float, ...]] = {
    "views": (1, 2, 4),
    "distinct_products": (1, 2, 3),
    "repeats": (1, 2),
    "searches": (1, 2),
    "tempo": (0.5, 1, 3),
    "seconds": (10, 60, 300),
    "carts": (1, 2),
    "cart_value": (10, 50, 100),
    "in_checkout": (0.5, 1),
    "converted": (0.5, 1),
    "value_per_view": (20, 49.75),
    "orders_before": (1, 2),
    "days_since_order": (0, 0.5),
    "sessions_before": (1, 2),
}
"""Where a feature may be cut."""


class Programs(Journeys):
    """Draws one program after another from one `Random`, and from `more` what came later."""

    def __init__(self, chance: Random, size: int, more: Random | None = None) -> None:
        super().__init__(chance, more if more is not None else Random(size), size)  # noqa: S311
        self.journeys = [f"j{n}" for n in range(chance.randint(1, 1 + size))]

    # ── the whole ──

    def draw(self, zone: str = "") -> plan.Plan:
        """One program; mostly in this zone, if one is named."""
        chance = self.chance
        models = self._models()
        segments = self._segments()
        self.messages = [self._message(n) for n in range(chance.randint(2, 4))]
        anywhere = chance.choice(ZONES)
        return plan.Plan(
            workspace=plan.Workspace(
                name="world",
                zone=zone if zone and self.more.random() < 0.7 else anywhere,
                session_ms=Millis(chance.choice((10, 30)) * MINUTE),
                consent_default={"sms": "denied"} if chance.random() < 0.3 else {},
            ),
            segments=segments,
            derived=derived(
                self.chance, self.more, self.seldom, self.segments if self.listens else []
            ),
            messages=tuple(self.messages),
            policies=self._policies(),
            journeys=tuple(self.journey(name) for name in self.journeys),
            models=models,
        )

    def revise(self, old: plan.Plan) -> plan.Plan:
        """The next version: journeys and guardrails anew, the same names."""
        chance = self.chance
        journeys = [
            self.journey(one.name) if chance.random() < 0.5 else one for one in old.journeys
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
            models=old.models if self.more.random() < 0.5 else self._models(),
        )

    def modes(self) -> tuple[tuple[str, Mode], ...]:
        """What becomes of the runs of the program before."""
        modes: tuple[Mode, ...] = ("drain", "migrate", "migrate", "exit")
        return tuple((name, self.more.choice(modes)) for name in self.journeys)

    # ── models ──

    def _models(self) -> tuple[plan.Scorecard, ...]:
        """Scorecards over a few features; the names stay, so that conditions keep their meaning.

        Points, marks and levels are binary fractions: their sums have one answer in any order.
        """
        if self.more.random() < 0.4 and not self.models:
            return ()
        self.models = MODELS
        return tuple(self._scorecard(name) for name in MODELS)

    def _scorecard(self, name: str) -> plan.Scorecard:
        more = self.more
        names = more.sample(sorted(CUTS), more.choice((1, 2, 3)))
        bins = tuple(
            plan.Bins(one, tuple(sorted(more.sample(CUTS[one], more.choice((1, 2))))))
            for one in names
        )
        tables = [plan.Table((one.feature,), self._points(len(one.cuts) + 1)) for one in bins]
        if len(bins) > 1:
            size = (len(bins[0].cuts) + 1) * (len(bins[1].cuts) + 1)
            pair = (bins[0].feature, bins[1].feature)
            tables.append(plan.Table(pair, self._points(size), "both"))
        return plan.Scorecard(
            name=name,
            target="Order Completed",
            bins=bins,
            tables=tuple(tables),
            base=more.choice((-0.5, 0.0, 0.25)),
            scale=((-2.0, 0.0625), (0.0, 0.25), (2.0, 0.75), (4.0, 0.9375)),
        )

    def _points(self, size: int) -> tuple[float, ...]:
        return tuple(self.more.choice((-1.0, -0.25, 0.0, 0.5, 1.0, 1.75)) for _ in range(size))

    def _segments(self) -> tuple[plan.Segment, ...]:
        self.segments = []
        made: list[plan.Segment] = []
        for n in range(self.chance.randint(1, 1 + self.size)):
            made.append(plan.Segment(name=f"s{n}", when=self.condition()))
            self.segments.append(f"s{n}")
        if self.listens:
            heard = ex.Aggregate("count", ex.Stream((*MOMENTS, *INCENTIVES, MARKED)), Millis(HOUR))
            made.append(plan.Segment(name="heard", when=ex.Compare(">=", heard, literal(2))))
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
            if self.more.random() < 0.5:
                pool = self.more.choice(POOLS)
                incentive = msgspec.structs.replace(incentive, code="", coupons=pool)
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
            when=self.seldom(0.15),
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


def _paused(journey: plan.Journey, *, go_on: bool) -> plan.Journey:
    return msgspec.structs.replace(journey, state="paused", waits_go_on=go_on)

"""What a seed gives: a program, customers and what they do, and all that goes wrong meanwhile.

Rule 1: everything is drawn from the seed, and nothing from what happens (`script.py`).
Rule 2: what customers do and how fast is drawn from the behaviour fitted on real sessions
    (`behaviour.py`); who they are, and how badly their messages travel, by judgement.
Rule 3: half of the worlds lie around a change of clocks in one of their zones.
"""

from functools import cache
from random import Random
from typing import Literal as OneOf

from segue.kernel.inputs import Asked, Called, Consented, Event, Reported
from segue.kernel.plan import Plan
from segue.kernel.values import Instant, Record
from segue.sim.behaviour import Behaviour, load, session
from segue.sim.limits import VISIT_DEEDS_MAX
from segue.sim.plans import Programs
from segue.sim.plans_conditions import DAY, HOUR, MINUTE, PLACEMENTS, POOLS, PRODUCTS, TOPICS, ZONES
from segue.sim.script import Fault, Fill, Line, Look, Publish, Say, Script
from segue.sim.situations_all import Situations
from segue.sim.tape import Given

CHANGES = {
    1_711_756_800_000: "Europe/Berlin",  # 2024-03-30, the day before its clocks go forward
    1_730_505_600_000: "America/New_York",  # 2024-11-02, the day before they go back
    1_729_900_800_000: "Europe/Berlin",  # 2024-10-26, the day before they go back
    1_712_275_200_000: "Australia/Lord_Howe",  # 2024-04-05, before they go back by half an hour
    1_710_028_800_000: "America/New_York",  # 2024-03-10, the day they go forward
}
"""Days before a change of clocks, and where it is."""
STARTS = tuple(CHANGES)
EAGERNESS = 8.0
"""How much likelier than real ones simulated visits lead to a cart and an order."""
POISON = 1 << 80
"""A number with no stored form."""


@cache
def _behaviour() -> Behaviour:
    return load()


def script(seed: int) -> Script:
    """The world of a seed."""
    return _Writer(seed).write()


class _Writer:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = Random(seed)  # noqa: S311 - a seeded world
        self.more = Random(f"more/{seed}")  # noqa: S311 - what was added later, so that
        # a seed that once found a bug keeps most of its world
        self.size = self.chance.choice((1, 1, 2, 2, 3))
        self.start = self._start()
        self.days = self.chance.choice((1, 2, 4))
        self.count = 0
        self.lines: list[Line] = []

    def _start(self) -> int:
        chance = self.chance
        if chance.random() < 0.5:
            return chance.choice(STARTS) + chance.randrange(DAY)
        return 1_704_067_200_000 + chance.randrange(360 * DAY)

    def write(self) -> Script:
        chance = self.chance
        programs = Programs(chance, self.size, self.more)
        plans = [programs.draw(CHANGES.get(self.start // DAY * DAY, ""))]
        for n in range(chance.randint(2, 3 + self.size)):
            self._customer(n)
        end = max((line.at for line in self.lines), default=self.start) + HOUR
        if chance.random() < 0.35:
            self._publish(programs, plans, chance.randint(self.start, end))
        elif self.more.random() < 0.4:
            self._publish(programs, plans, self.start + self.more.randrange(DAY))
        self._travel()
        self._collide(end)
        self._forbid()
        self._fill(end)
        self._faults(end)
        for _ in range(3):
            self.lines.append(Look(chance.randint(self.start, end)))
        end += chance.choice((HOUR, 3 * DAY))
        mood = chance.choice((0, 10, 40))
        lag_ms = self.more.choice((0, 0, 1_000, 5 * MINUTE, 40 * MINUTE))
        self._publish_again(programs, plans)
        acted = Situations(self.seed, self.start, self.days)
        self.lines += acted.lines
        self.lines.sort(key=lambda line: line.at)
        return Script(
            seed=self.seed,
            plans=tuple(map(acted.into, plans)),
            lines=tuple(self.lines),
            start=self.start,
            end=max(end, self.lines[-1].at + HOUR),
            mood=mood,
            lag_ms=acted.lag_ms(lag_ms),
            slow_ms=acted.slow_ms(),
        )

    def _publish(self, programs: Programs, plans: list[Plan], at: int) -> None:
        """A revised program, mostly while somebody is in the middle of something."""
        says = [line.at for line in self.lines if isinstance(line, Say)]
        if says and self.more.random() < 0.7:
            at = self.more.choice(says) + self.more.choice((1, MINUTE, 10 * MINUTE))
        plans.append(programs.revise(plans[0]))
        self.lines.append(Publish(at, 1, programs.modes()))

    def _publish_again(self, programs: Programs, plans: list[Plan]) -> None:
        """Once or twice more, soon or later: the next revision, or back to the one before."""
        later = Random(f"publish/{self.seed}")  # noqa: S311 - a seeded world
        published = [line for line in self.lines if isinstance(line, Publish)]
        if not published or later.random() < 0.5:
            return
        at = published[-1].at
        for _ in range(later.choice((1, 1, 2))):
            at += later.choice((1, MINUTE, 20 * MINUTE, 3 * HOUR, 12 * HOUR))
            back = len(plans) > 1 and later.random() < 0.25
            plans.append(plans[-2] if back else programs.revise(plans[-1]))
            self.lines.append(Publish(at, len(plans) - 1, programs.modes()))

    # ── customers ──

    def _say(self, at: int, *given: Given, good: bool = True) -> None:
        self.lines.append(Say(at, given, good))

    def _event(self, name: str, at: int, user: str, anonymous: str, **more: object) -> Given:
        self.count += 1
        made = Event(
            id=f"e{self.count}",
            name=name,
            at=Instant(at),
            user_id=user,
            anonymous_id=anonymous,
            **more,  # type: ignore[arg-type]
        )
        return Given(made)

    def _customer(self, n: int) -> None:
        """Some visits of one person on one or two devices, anonymous until they sign in."""
        chance = self.chance
        user = f"u{n}" if chance.random() < 0.85 else ""
        known = bool(user) and chance.random() < 0.4
        if known:
            self._identify(self.start + chance.randrange(HOUR), user, "")
        if self.more.random() < 0.6:
            self._reachable(n, user)
        for visit in range(chance.randint(2, 5)):
            device = f"a{n}.{chance.randint(0, 1)}" if chance.random() < 0.9 else "shared"
            at = self.start + chance.randrange(max(self.days * DAY, 1))
            if visit and chance.random() < 0.3:
                at = self.start + chance.randrange(HOUR)
            signs_in = bool(user) and chance.random() < 0.6
            self._visit(at, user, device, known=known, signs_in=signs_in)
            known = known or signs_in
        if user and chance.random() < 0.3:
            self._alias(n, user)
        for _ in range(chance.choice((0, 1, 2))):
            self._consents(user, f"a{n}.0")

    def _identify(self, at: int, user: str, anonymous: str) -> None:
        chance = self.chance
        traits: Record = {}
        if chance.random() < 0.9:
            traits["email"] = f"{user}.{chance.randint(0, 1)}@example.org"
        if chance.random() < 0.6:
            traits["phone"] = "+4930123456"
        if chance.random() < 0.3:
            traits["push_token"] = f"token-{user}"
        if chance.random() < 0.5:
            traits["timezone"] = chance.choice((*ZONES, "Mars/Olympus"))
        if chance.random() < 0.4:
            traits["plan"] = chance.choice(("gold", "tin", None))
        if chance.random() < 0.3:
            traits["renewal"] = at + chance.randrange(2 * DAY)
        if chance.random() < 0.1:
            traits["$unset"] = ["phone", "plan"]
        given = self._event(
            "Profile Identified", at, user, anonymous, kind="identify", traits=traits
        )
        self._say(at, given)

    def _reachable(self, n: int, user: str) -> None:
        """Somebody whom messages reach on every channel, from early on, known or not."""
        at = self.start + self.more.randrange(HOUR)
        traits: Record = {
            "email": f"{n}@example.org",
            "phone": f"+49301234{n}",
            "push_token": f"token-{n}",
            "renewal": at + self.more.randrange(2 * DAY),
        }
        known = user if self.more.random() < 0.7 else ""
        given = self._event(
            "Profile Identified", at, known, f"a{n}.0", kind="identify", traits=traits
        )
        self._say(at, given)

    def _visit(self, at: int, user: str, device: str, *, known: bool, signs_in: bool) -> None:
        chance = self.chance
        names = {
            "view": "Product Viewed",
            "cart": "Product Added",
            "purchase": "Order Completed",
        }
        # Real sessions are short; several in a row give a visit that journeys meet.
        deeds = [
            deed
            for _ in range(chance.choice((1, 2, 3)))
            for deed in session(chance, _behaviour(), EAGERNESS)[:VISIT_DEEDS_MAX]
        ]
        signs_at = chance.randrange(len(deeds) + 1) if signs_in else -1
        for number, deed in enumerate(deeds):
            at += max(int(deed.after_ms), 1)
            if number == signs_at:
                self._identify(at - 1, user, device)
                known = True
            properties = self._product()
            if deed.act == "purchase" and chance.random() < 0.3:
                properties = {"products": [properties], "coupon": f"SAVE{chance.randint(0, 3)}"}
                if self.more.random() < 0.5:
                    properties["coupon"] = f"{self.more.choice(POOLS)}-{self.more.randrange(4)}"
            own = {"context": {"timezone": chance.choice(ZONES)}} if chance.random() < 0.05 else {}
            as_user = user if known and chance.random() < 0.8 else ""
            live = chance.random() < 0.9
            self._say(
                at,
                self._event(
                    names[deed.act], at, as_user, device, properties=properties, live=live, **own
                ),
            )
            self._besides(at, as_user, device)
            if self.more.random() < 0.15:
                name = self.more.choice(("Products Searched", "Product Removed"))
                later = at + self.more.randrange(1, 9_000)
                properties = {"price": self.more.choice((10, 49.5))}
                self._say(later, self._event(name, later, as_user, device, properties=properties))

    def _besides(self, at: int, user: str, device: str) -> None:
        """What a page does besides: asks its placements, starts a checkout, reads help."""
        chance = self.chance
        roll = chance.random()
        if roll < 0.35:
            self._ask(at + chance.randrange(1, 5_000), user, device)
        elif roll < 0.5:
            name = chance.choice(("Checkout Started", "Help Read", "Page Viewed", "Help Read"))
            later = at + chance.randrange(1, 20_000)
            kind = "page" if name == "Page Viewed" else "track"
            self._say(later, self._event(name, later, user, device, kind=kind))
        elif roll < 0.55:
            self.count += 1
            call = Called(id=f"c{self.count}", journey=f"j{chance.randint(0, 2)}")
            self._say(at + 1, Given(call, "", user, device))

    def _ask(self, at: int, user: str, device: str) -> None:
        self.count += 1
        places = tuple(name for name, _ in PLACEMENTS)
        wanted = tuple(self.chance.sample(places, self.chance.randint(1, 3)))
        asked = Asked(id=f"q{self.count}", placements=wanted)
        self._say(at, Given(asked, "", user, device))

    def _product(self) -> Record:
        chance = self.chance
        return {
            "product_id": chance.choice(PRODUCTS),
            "price": chance.choice((10, 49.5, 50, 90)),
        }

    def _alias(self, n: int, user: str) -> None:
        chance = self.chance
        previous = chance.choice((f"u{max(n - 1, 0)}", f"a{n}.1", f"a{max(n - 1, 0)}.0", f"old{n}"))
        at = self.start + chance.randrange(self.days * DAY)
        given = self._event(
            "Profile Aliased", at, user, "", kind="alias", properties={"previousId": previous}
        )
        self._say(at, given)

    def _consents(self, user: str, device: str) -> None:
        chance = self.chance
        at = self.start + chance.randrange(self.days * DAY)
        said = Consented(
            channel=chance.choice(("email", "email", "sms", "push", "*")),
            topic=chance.choice((*TOPICS, "*")),
            state=chance.choice(("granted", "denied", "denied", "pending")),
            at=Instant(at - chance.choice((0, 0, HOUR))),
            source="page",
        )
        self._say(at, Given(said, "", user, device))

    # ── how badly messages travel ──

    def _travel(self) -> None:
        """Duplicates, delays and skewed clocks; batches; one that can't be stored, one nobody's."""
        chance = self.chance
        bad = chance.choice((0.0, 0.1, 0.3))
        for place, line in enumerate(list(self.lines)):
            if not isinstance(line, Say) or chance.random() >= bad:
                continue
            match chance.randint(0, 4):
                case 0 | 1:
                    later = line.at + chance.choice((0, 1, 3 * MINUTE, DAY))
                    self.lines.append(Say(later, line.given))
                case 2:
                    self.lines[place] = Say(line.at + chance.randrange(3 * HOUR), line.given)
                case 3:
                    self.lines[place] = Say(line.at, _skewed(line.given, chance))
                case _:
                    given = (*line.given, self._poison(line.at), *self._others(line.at))
                    self.lines[place] = Say(line.at, given, good=False)

    def _others(self, at: int) -> tuple[Given, ...]:
        """An earlier submission's events, which come a second time."""
        says = [line for line in self.lines if isinstance(line, Say) and line.at <= at]
        return self.chance.choice(says).given

    def _poison(self, at: int) -> Given:
        if self.chance.random() < 0.4:
            return self._event("Product Viewed", at, "", "")
        return self._event(
            "Product Viewed", at, "u0", "", properties={"price": POISON, "poison": True}
        )

    # ── the worst moments ──

    def _collide(self, end: int) -> None:
        """Two turn out to be one just after something was said, or a program published."""
        more = self.more
        says = [line.at for line in self.lines if isinstance(line, Say)]
        published = [line.at for line in self.lines if isinstance(line, Publish)]
        for _ in range(more.choice((0, 1, 2, 3)) if says else 0):
            at = more.choice(published if published and more.random() < 0.5 else says)
            at = min(at + more.choice((0, 1, 1_000, 4 * MINUTE, HOUR)), end)
            user = f"u{more.randint(0, 2)}"
            other = more.choice((f"u{more.randint(0, 3)}", f"a{more.randint(0, 3)}.0", "shared"))
            alias = self._event(
                "Profile Aliased", at, user, "", kind="alias", properties={"previousId": other}
            )
            self._say(at, alias)

    def _forbid(self) -> None:
        """Consent is withdrawn, and given again, while messages are under way."""
        more = self.more
        says = [line.at for line in self.lines if isinstance(line, Say)]
        for _ in range(more.choice((0, 2, 4)) if says else 0):
            at = more.choice(says) + more.choice((1, MINUTE, 4 * MINUTE, 30 * MINUTE))
            channel = more.choice(("email", "sms", "push", "webhook", "*"))
            topic = more.choice((*TOPICS, "*"))
            user = f"u{more.randint(0, 3)}" if more.random() < 0.5 else ""
            device = "" if user else f"a{more.randint(0, 3)}.0"
            words: tuple[tuple[OneOf["granted", "denied"], ...], ...]
            words = (("denied", "granted"), ("denied",), ("granted",))
            for state in more.choice(words):
                said = Consented(
                    channel=channel,
                    topic=topic,
                    state=state,
                    at=Instant(at),
                    source="page",
                )
                self._say(at, Given(said, "", user, device))
                at += more.choice((MINUTE, HOUR))

    def _fill(self, end: int) -> None:
        """Two pools of few codes; one is filled up later, with a code that it has already."""
        more = self.more
        for pool in POOLS:
            count = more.choice((0, 1, 2, 4, 8))
            codes = tuple(f"{pool}-{n}" for n in range(count))
            self.lines.append(Fill(self.start, pool, codes))
            if more.random() < 0.5:
                later = tuple(f"{pool}-{n}" for n in range(max(count - 1, 0), count + 3))
                self.lines.append(Fill(more.randint(self.start, end), pool, later))

    # ── faults ──

    def _faults(self, end: int) -> None:
        chance = self.chance
        says = [line.at for line in self.lines if isinstance(line, Say)]
        if not says:
            return
        kinds: tuple[OneOf["before", "after", "error", "stale", "handing"], ...]
        kinds = ("before", "after", "after", "error", "stale", "handing")
        for _ in range(chance.choice((0, 1, 3, 8))):
            self.lines.append(Fault(chance.choice(says), chance.choice(kinds)))
        if chance.random() < 0.25:
            lasts = chance.choice((MINUTE, 2 * HOUR))
            self.lines.append(Fault(chance.randint(self.start, end), "full", lasts))


def _skewed(given: tuple[Given, ...], chance: Random) -> tuple[Given, ...]:
    """The client's clock is behind: it happened earlier than it says, never later than now."""
    import msgspec

    behind = chance.choice((1, MINUTE, 2 * HOUR))
    return tuple(
        Given(msgspec.structs.replace(one.said, at=Instant(one.said.at - behind)))
        if isinstance(one.said, Event)
        else one
        for one in given
    )


__all__ = ["Reported", "script"]

"""What was promised to customers, and the coupon codes that went with it, kept a second time.

Rule 1: written from `docs/concepts/offers.md`: an incentive is offered, then redeemed, expired,
    or withdrawn because its message was never delivered. Each is said once.
Rule 2: pools belong to the world and not to a customer. A code is handed out in the order of
    import, by one commit, to one source; what comes back is free from the next commit on.
"""

from typing import TYPE_CHECKING

from segue.kernel import plan
from segue.kernel.inputs import Event
from segue.kernel.values import Record
from segue.sim.auditor_calendar import NEVER
from segue.sim.auditor_life import Life, Promise

if TYPE_CHECKING:
    from segue.sim.auditor_tick import Tick

LOOKS_AGAIN_MS = 3_600_000
"""A message that finds its pool empty looks again within the hour."""


class Pools:
    """Every pool's codes in order of import, and who holds each."""

    def __init__(self) -> None:
        self.codes: dict[str, list[str]] = {}
        self.holders: dict[tuple[str, str], str] = {}
        self.returned: list[tuple[str, str]] = []
        """Codes that come back with this commit, and are free after it."""

    def fill(self, pool: str, codes: tuple[str, ...]) -> None:
        """Codes are imported; known ones change nothing."""
        known = self.codes.setdefault(pool, [])
        known += [code for code in codes if code not in known]

    def begin(self) -> None:
        """A new commit."""
        for key in self.returned:
            del self.holders[key]
        self.returned = []

    def free(self, pool: str) -> str:
        """The next code; empty where the pool is dry."""
        codes = self.codes.get(pool, [])
        return next((code for code in codes if (pool, code) not in self.holders), "")

    def left(self) -> dict[str, tuple[int, int]]:
        """Of each pool: how many codes are free, and how many are handed out."""
        self.begin()
        taken = {pool: sum(key[0] == pool for key in self.holders) for pool in self.codes}
        found = {
            pool: (len(codes) - taken[pool], taken[pool]) for pool, codes in self.codes.items()
        }
        return {pool: counts for pool, counts in found.items() if counts != (0, 0)}


def carries(wish: str, source: str) -> bool:
    """Whether a line or incentive came of this wish: itself, a fallback of it, or a showing."""
    return source.replace("@", "~").split("~")[0] == wish.replace("@", "~")


def of_wish(life: Life, wish: str) -> Promise | None:
    """The newest incentive that a wish has brought."""
    return next((one for one in reversed(life.grants) if carries(wish, one.source)), None)


def has_code(life: Life, pools: Pools, given: plan.Incentive | None, wish: str, now: int) -> bool:
    """Whether a message can name a code: its own while that is good, else a free one."""
    if given is None or not given.coupons:
        return True
    mine = of_wish(life, wish)
    if mine is not None and mine.pool:
        return mine.alive(now)
    return bool(pools.free(given.coupons))


class Promises:
    """The incentives of one customer in one input."""

    def __init__(self, tick: "Tick") -> None:
        self.tick = tick
        self.life = tick.life
        self.pools = tick.book.pools

    def give(self, given: plan.Incentive | None, source: str, wish: str, journey: str) -> None:
        """A message that carries one is admitted, or shown for the first time in a session."""
        life, now = self.life, self.tick.now
        if given is None or any(one.source == source for one in life.grants):
            return
        code = given.code
        if given.coupons:
            if of_wish(life, wish) is not None:
                return
            code = self.pools.free(given.coupons)
            self.pools.holders[given.coupons, code] = source
            self.tick.out.moves.append((given.coupons, code, "handed", source))
            self.tick.met["coupon codes handed out"] += 1
        made = Promise(
            name=given.name,
            group=given.group,
            worth=given.worth,
            source=source,
            journey=journey,
            offered_at=now,
            expires_at=now + given.lasts_ms,
            code=code,
            pool=given.coupons,
        )
        life.grants.append(made)
        self._note(made, "offered", until=made.expires_at)
        self._tell(made, "Incentive Offered", now, {"expires_at": made.expires_at})

    def take_back(self, source: str) -> None:
        """What was never delivered was never promised."""
        life = self.life
        for one in [one for one in life.grants if one.source == source and not one.redeemed]:
            life.grants.remove(one)
            if one.pool:
                self.pools.returned.append((one.pool, one.code))
                self.tick.out.moves.append((one.pool, one.code, "returned", source))
                self.tick.met["coupon codes given back"] += 1
            if not one.told:
                self._note(one, "withdrawn")

    def redeem(self, event: Event) -> None:
        """A code is redeemed by a conversion that names it, anything else by its own events."""
        life, now = self.life, self.tick.now
        by_name = {
            message.incentive.name: message.incentive.redeemed_by
            for message in self.tick.book.today.messages
            if message.incentive is not None
        }
        converts = event.name in life.workspace.conversions
        for one in life.grants:
            named = event.name in by_name.get(one.name, ())
            if one.code:
                named = (named or converts) and event.properties.get("coupon") == one.code
            if named and one.alive(now):
                one.redeemed = True
                self._note(one, "redeemed", by=event.name)
                self._tell(one, "Incentive Redeemed", now, {"by": event.name})

    def expire(self) -> None:
        """Say of each whose time is over that it is, once."""
        over = [
            one
            for one in self.life.grants
            if not one.redeemed and not one.told and one.expires_at <= self.tick.now
        ]
        for one in sorted(over, key=lambda one: (one.expires_at, one.source)):
            one.told = True
            self._note(one, "expired")
            self._tell(one, "Incentive Expired", one.expires_at, {})

    def _note(self, one: Promise, change: str, by: str = "", until: int = NEVER) -> None:
        self.tick.met[f"incentives {change}"] += 1
        self.tick.out.notes.append(
            ("incentive", change, one.name, one.source, one.journey, one.code, by, until)
        )

    def _tell(self, one: Promise, name: str, at: int, more: Record) -> None:
        if name not in self.tick.book.listened:
            return
        said: Record = {
            "incentive": one.name,
            "group": one.group,
            "worth": one.worth,
            "code": one.code,
            "journey": one.journey,
            **more,
        }
        self.tick.emit(f"{self.life.id}/{name}/{one.source}", name, said, at)

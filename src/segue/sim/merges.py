"""P7 by trying: three customers lead their lives, then turn out to be one, in every order.

Whatever the order of the aliases, at one instant, what was said, done, sent and promised before
is the same to the byte. What is decided between two of the merges may differ, for there the
customer of two of them really existed: so decisions of that instant are left out.
"""

from itertools import permutations
from random import Random

import msgspec

from segue.hosts.arrivals import Arrival
from segue.hosts.engine import Engine
from segue.kernel.inputs import Consented, Event
from segue.kernel.values import Instant, Record
from segue.sim.auditor import Violation
from segue.sim.plans import Programs
from segue.sim.plans_conditions import HOUR, MINUTE, PRODUCTS
from segue.sim.world import TABLES, no_patterns
from segue.stores.ports import Store

PEOPLE = ("u0", "u1", "u2")
_START = 1_711_846_800_000 - 2 * HOUR


def orders_differ(seed: int) -> str:
    """A violation as text where two orders of merging come to different customers."""
    plan = msgspec.json.encode(Programs(Random(seed), 2).draw())  # noqa: S311 - a seeded world
    lives = _lives(Random(seed + 1))  # noqa: S311 - a seeded world
    end = Instant(lives[-1][0] + MINUTE)
    stores: dict[tuple[str, ...], Store] = {}
    for order in permutations(PEOPLE[:2]):
        engine = Engine(patterns=no_patterns, zones=TABLES, now=_START)
        engine.publish("p", plan)
        for at, arrival in lives:
            engine.feed(arrival, Instant(at))
        engine.advance(end)
        for other in order:
            engine.feed(_alias(other, end), end)
        stores[order] = engine.store
    # A journey that one order lets set a trait then hides what was said of it before.
    decided = {
        name
        for store in stores.values()
        for one in store.profiles()
        for name, at in one.traits_at.items()
        if at >= end
    }
    found = {_outcome(store, end, decided): order for order, store in stores.items()}
    if len(found) > 1:
        return str(Violation("P7", _START, "", f"orders {sorted(found.values())} differ"))
    return ""


def _alias(other: str, at: Instant) -> Arrival:
    return Arrival(
        input=Event(
            id=f"alias/{other}",
            name="Profile Aliased",
            kind="alias",
            at=at,
            user_id=PEOPLE[2],
            properties={"previousId": other},
        )
    )


def _lives(chance: Random) -> list[tuple[int, Arrival]]:
    """What three customers do and say."""
    at = _START
    made: list[tuple[int, Arrival]] = []
    for number in range(chance.randint(12, 40)):
        at += chance.choice((1_000, MINUTE, 20 * MINUTE))
        user = PEOPLE[number] if number < len(PEOPLE) else chance.choice(PEOPLE)
        if chance.random() < 0.1:
            state = chance.choice(("granted", "denied", "pending"))
            said = Consented(
                channel="email",
                topic="news",
                state=state,  # type: ignore[arg-type]
                at=Instant(at),
            )
            made.append((at, Arrival(input=said, user_id=user)))
            continue
        name = chance.choice(("Product Viewed", "Product Added", "Help Read", "Order Completed"))
        traits: Record = {"email": f"{user}@example.org", "plan": chance.choice(("gold", "tin"))}
        identify = number < len(PEOPLE) or chance.random() < 0.1
        event = Event(
            id=f"e{number}",
            name="Profile Identified" if identify else name,
            kind="identify" if identify else "track",
            at=Instant(at),
            user_id=user,
            traits=traits if identify else {},
            properties={"product_id": chance.choice(PRODUCTS), "price": chance.choice((10, 90))},
        )
        made.append((at, Arrival(input=event)))
    return made


def _outcome(store: Store, before: int, decided: set[str]) -> bytes:
    """The customers as bytes, without what the instant of the merges itself decided."""
    found: list[object] = []
    for one in store.profiles():
        said = {name: at for name, at in one.traits_at.items() if name not in decided}
        found.append(
            (
                one.id,
                one.draw_key,
                one.first_seen_at,
                one.last_seen_at,
                sorted(one.user_ids),
                sorted(one.anonymous_ids),
                said,
                {name: one.traits.get(name) for name in said},
                one.zone,
                one.consents,
                one.unreachable,
                one.sessions,
                one.orders,
                one.ordered_at,
                one.bought,
                [(line.id, line.at, line.session) for line in one.ledger if line.at < before],
                sorted(grant.source for grant in one.grants if grant.offered_at < before),
            )
        )
    return msgspec.json.encode(found, order="sorted")

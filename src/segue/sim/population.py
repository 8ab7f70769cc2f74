"""A population of shoppers that use a shop as people do, and say so in Segment's words.

`events` is pure: a seed and a start give the same endless stream of browser-like messages, in
virtual time. `Population` is the thin driver that plays it on a real clock into a callable.

Rule 1: every message says `context.simulated: true`; addresses end in example.com and phone
    numbers are of the range kept for fiction, so that nothing can reach anybody.
Rule 2: what shoppers do when, at what prices, comes from `behaviour.py`, fitted on real
    sessions. By judgement, for the data does not tell: who has an account, who consents, time
    zones, searches, and the checkout steps around a purchase.
Rule 3: at the start some sessions are under way already, so that a page that watches is alive
    at once: what they did before comes first, with its own times.
"""

import heapq
import logging
from collections.abc import Callable, Iterator
from random import Random
from threading import Condition, Thread

import msgspec

from segue.hosts.ports import Clock
from segue.kernel.values import MINUTE, Instant, Millis, Record, Value
from segue.sim.behaviour import Behaviour, Deed, load, session
from segue.sim.shop import Product, Shop, Shopper, iso, people

_log = logging.getLogger("segue.sim")

SEARCHES = 0.10
"""Of the sessions, how many begin with a search."""
RETURNS = 0.35
"""Of the sessions, how many are of somebody who was here lately."""
ACCOUNT_SIGNS_IN = 0.7
"""Of those with an account, how many are recognised when they come."""


class _Step(msgspec.Struct, frozen=True):
    """A message in the making, and how long after the session's start it is sent."""

    after_ms: int
    message: Record


def events(
    seed: int,
    start: Instant,
    *,
    rate: float = 5.0,
    shoppers: int = 2_000,
    under_way: int = 80,
    eagerness: float = 1.0,
    behaviour: Behaviour | None = None,
) -> Iterator[tuple[Instant, Record]]:
    """The population's messages in order of time, without end: (when it is sent, message).

    `rate` is messages per second in the long run; `eagerness` multiplies the odds of carts and
    purchases. Messages of the sessions that were under way come before `start`.
    """
    behaviour = behaviour if behaviour is not None else load()
    world = _World(seed, shoppers, behaviour, eagerness)
    pending: list[tuple[int, int, Record]] = []
    count = 0

    def begin(steps: list[_Step], at: int) -> None:
        nonlocal count
        for step in steps:
            heapq.heappush(pending, (at + step.after_ms, count, step.message))
            count += 1

    for _ in range(under_way):
        steps = world.session(start, least=2)
        passed = world.rng.randrange(steps[-1].after_ms + 1)
        begin(steps, start - passed)
    between = _messages_per_session(behaviour, eagerness) / rate * 1000
    following = float(start)
    told = 0
    while True:
        while not pending or pending[0][0] >= following:
            following += world.rng.expovariate(1 / between)
            begin(world.session(Instant(int(following))), int(following))
        at, _, message = heapq.heappop(pending)
        message["messageId"] = f"sim-{seed}-{start}-{told}"
        told += 1
        yield Instant(at), stamped(message, Instant(at), Instant(max(at, start)))


def stamped(message: Record, at: Instant, sent_at: Instant) -> Record:
    """The message as of that instant, sent then or later."""
    message["timestamp"] = message["originalTimestamp"] = iso(at)
    message["sentAt"] = iso(sent_at)
    return message


def _messages_per_session(behaviour: Behaviour, eagerness: float) -> float:
    """How many on the average, by trying in a world of its own."""
    world = _World(0, 500, behaviour, eagerness)
    tried = 1_000
    return sum(len(world.session(Instant(n * 86_400_000))) for n in range(tried)) / tried


class _World:
    """Who shops what: the state that one session leaves for the next."""

    def __init__(self, seed: int, shoppers: int, behaviour: Behaviour, eagerness: float) -> None:
        self.rng = Random(seed)  # noqa: S311 - a simulation must repeat
        self._behaviour = behaviour
        self._eagerness = eagerness
        self._shop = Shop(self.rng, behaviour)
        self._people = people(self.rng, shoppers)
        self._recent: list[int] = []
        self._busy: dict[int, int] = {}
        self._orders = 10_000

    def session(self, at: Instant, least: int = 1) -> list[_Step]:
        """One session of somebody who has none under way, as its messages."""
        deeds = session(self.rng, self._behaviour, self._eagerness)
        while len(deeds) < least:
            deeds = session(self.rng, self._behaviour, self._eagerness)
        who = self._someone(at)
        self._busy[who] = at + sum(deed.after_ms for deed in deeds) + 31 * MINUTE
        self._recent.append(who)
        del self._recent[:-300]
        visit = _Visit(self._people[who], self._shop, self.rng, self._orders)
        steps = visit.play(deeds)
        self._orders = visit.order
        return steps

    def _someone(self, at: Instant) -> int:
        """An index into the people: lately here, or anyone; not one who is here now."""
        for _ in range(50):
            lately = self._recent and self.rng.random() < RETURNS
            who = self.rng.choice(self._recent) if lately else self.rng.randrange(len(self._people))
            if self._busy.get(who, 0) <= at:
                return who
        self._people.extend(people(self.rng, 1, first=len(self._people)))
        return len(self._people) - 1


class _Visit:
    """One session being played: deeds become messages."""

    def __init__(self, shopper: Shopper, shop: Shop, rng: Random, order: int) -> None:
        self._shopper = shopper
        self._shop = shop
        self._rng = rng
        self.order = order
        self._known = shopper.account and rng.random() < ACCOUNT_SIGNS_IN
        self._path = "/"
        self._after = 0
        self._steps: list[_Step] = []
        self._cart: list[Product] = []

    def play(self, deeds: list[Deed]) -> list[_Step]:
        """All messages of the session, in order."""
        self._say({"type": "page", "name": "Home", "properties": {"path": "/", "title": "Home"}})
        if self._known:
            self._pause(1, 3)
            self._identify()
        product = self._shop.any(self._rng)
        if self._rng.random() < SEARCHES:
            self._pause(3, 9)
            self._track("Products Searched", {"query": product.word})
        for deed in deeds:
            self._after += deed.after_ms
            match deed.act:
                case "view":
                    product = self._shop.after(self._rng, product) if deed.after_ms else product
                    self._path = f"/products/{product.id}"
                    self._track("Product Viewed", product.properties())
                case "cart":
                    self._add(product)
                case "purchase":
                    if not self._cart:
                        self._add(product)
                    self._buy()
        return self._steps

    def _add(self, product: Product) -> None:
        self._cart.append(product)
        self._track("Product Added", {**product.properties(), "quantity": 1})

    def _buy(self) -> None:
        """Checkout, where strangers tell their address, and the order."""
        self._path = "/checkout"
        self._pause(2, 10)
        products: list[Value] = [{**one.properties(), "quantity": 1} for one in self._cart]
        total = round(sum(one.price for one in self._cart), 2)
        asked: Record = {"value": total, "currency": "USD", "products": products}
        self._track("Checkout Started", asked)
        if not self._known:
            self._pause(5, 25)
            self._known = True
            self._identify()
        self._pause(8, 40)
        self.order += 1
        self._track(
            "Order Completed",
            {
                "order_id": str(self.order),
                "total": total,
                "revenue": total,
                "currency": "USD",
                "products": products,
            },
        )
        self._cart = []

    def _identify(self) -> None:
        shopper = self._shopper
        subscriptions: list[Value] = [
            {"key": shopper.phone, "type": "SMS", "status": _status(shopper.sms)}
        ]
        self._say(
            {"type": "identify", "traits": shopper.traits()},
            {
                "consent": {"categoryPreferences": {**shopper.topics}},
                "messaging_subscriptions": subscriptions,
            },
        )

    def _track(self, event: str, properties: Record) -> None:
        self._say({"type": "track", "event": event, "properties": properties})

    def _pause(self, least: int, most: int) -> None:
        self._after += self._rng.randrange(least * 1000, most * 1000)

    def _say(self, message: Record, context: Record | None = None) -> None:
        shopper = self._shopper
        url = f"https://shop.example{self._path}"
        message |= {
            "anonymousId": shopper.anonymous_id,
            "userId": shopper.user_id if self._known else None,
            "context": {
                "simulated": True,
                "library": {"name": "segue-shoppers", "version": "1"},
                "page": {"path": self._path, "url": url, "referrer": "", "search": ""},
                "userAgent": shopper.agent,
                "locale": "en-US",
                "timezone": shopper.zone,
                **(context or {}),
            },
        }
        self._steps.append(_Step(self._after, message))


def _status(allowed: bool) -> str:
    return "SUBSCRIBED" if allowed else "UNSUBSCRIBED"


class Population:
    """Plays a population on a clock into `sink`, from a thread of its own.

    `sink` takes one Segment message; it may block, which slows the shoppers down, and what it
    raises is logged and loses that one message. Paused shoppers stand still: when they go on,
    their times have moved with them.
    """

    def __init__(
        self,
        sink: Callable[[Record], object],
        clock: Clock,
        *,
        seed: int = 1,
        rate: float = 5.0,
        eagerness: float = 4.0,
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._seed = seed
        self._rate = rate
        self._eagerness = eagerness
        self._change = Condition()
        self._stopped = False
        self._paused = False
        self._thread: Thread | None = None
        self.told = 0
        """Messages given to the sink."""

    @property
    def paused(self) -> bool:
        """Whether the shoppers stand still."""
        return self._paused

    @property
    def running(self) -> bool:
        """Whether they were started and not stopped; paused ones run, too."""
        return self._thread is not None and not self._stopped

    def start(self) -> None:
        """Open the shop."""
        assert self._thread is None, "a population is started once"
        self._thread = Thread(target=self._play, name="segue-shoppers", daemon=True)
        self._thread.start()

    def pause(self) -> None:
        """Stand still until `resume`."""
        self._set(paused=True)

    def resume(self) -> None:
        """Go on."""
        self._set(paused=False)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Close the shop, and wait for the thread."""
        with self._change:
            self._stopped = True
            self._change.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _set(self, *, paused: bool) -> None:
        with self._change:
            self._paused = paused
            self._change.notify_all()

    def _play(self) -> None:
        moved = 0
        stream = events(self._seed, self._clock.now(), rate=self._rate, eagerness=self._eagerness)
        for at, message in stream:
            stood = self._wait(Instant(at + moved))
            if stood is None:
                return
            moved += stood
            try:
                self._sink(stamped(message, Instant(at + moved), self._clock.now()))
                self.told += 1
            except Exception:  # noqa: BLE001 - whatever the sink raises, the shop goes on
                _log.exception("a simulated message was not taken")
                if self._wait(Instant(self._clock.now() + 1000)) is None:
                    return

    def _wait(self, until: Instant) -> Millis | None:
        """Wait for an instant; how long the pauses in it lasted, or none when stopped."""
        stood = 0
        with self._change:
            while not self._stopped:
                if self._paused:
                    began = self._clock.now()
                    self._change.wait_for(lambda: self._stopped or not self._paused)
                    stood += self._clock.now() - began
                    continue
                left = until + stood - self._clock.now()
                if left <= 0:
                    return Millis(stood)
                self._change.wait(left / 1000)
        return None

"""Goal: each coupon code reaches one customer, whatever the batch, the crash, or the other host.

The programs run through the real desk; the stores are the real ones.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from segue.errors import StoreUnavailable
from segue.hosts.arrivals import Arrival
from segue.hosts.engine import Engine
from segue.hosts.limits import COUPONS_PER_STEP_MAX, COUPONS_READ_MAX
from segue.hosts.quick import QuickStore
from segue.kernel import plan
from segue.kernel.effects import Send
from segue.kernel.inputs import Event
from segue.kernel.values import HOUR, Instant, Millis
from segue.stores.memory import MemoryStore
from segue.stores.ports import CouponPool, Saved, SetAside, Settlement, Store
from segue.stores.sqlite import SqliteStore

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda folder: MemoryStore(),
    "quick": lambda folder: QuickStore(),
    "sqlite": lambda folder: SqliteStore(folder / "store.sqlite"),
}

VOUCHER = plan.Message(
    name="voucher",
    topic="offers",
    contents={"email": {"subject": "Your code", "text": "{{ incentive.code }}"}},
    expires_ms=Millis(24 * HOUR),
    incentive=plan.Incentive(
        name="voucher", group="g", worth=10.0, lasts_ms=Millis(24 * HOUR), coupons="ten"
    ),
)
PLAN = plan.Plan(
    workspace=plan.Workspace(name="shop"),
    messages=(VOUCHER,),
    journeys=(
        plan.Journey(
            name="thanks",
            entries=(plan.OnEvent(events=("Order Completed",)),),
            steps=(plan.Send(id="send", next="", message="voucher", channels=("email",)),),
            start="send",
        ),
    ),
)


def patterns(_: str) -> Callable[[str], bool]:
    return lambda _text: False


def open_engine(store: Store, *, pools: bool = True) -> Engine:
    engine = Engine(store, patterns=patterns, pools=pools)
    engine.publish("p1", msgspec.json.encode(PLAN, order="sorted"))
    return engine


def buys(who: str, event: str = "") -> list[Arrival]:
    """Two inputs: who they are, and their order."""
    known = Event(
        id=f"i-{who}",
        name="Profile Identified",
        kind="identify",
        at=Instant(1),
        user_id=who,
        traits={"email": f"{who}@example.com"},
    )
    order = Event(id=event or f"o-{who}", name="Order Completed", at=Instant(1), user_id=who)
    return [Arrival(input=known), Arrival(input=order)]


def handed(store: Store) -> dict[str, str]:
    """The code in each customer's letter, by address."""
    found: dict[str, str] = {}
    for row in store.outbox(limit=10_000):
        assert isinstance(row.effect, Send)
        given = row.effect.data["incentive"]
        assert isinstance(given, dict)
        found[row.effect.address] = str(given["code"])
    return found


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()


def codes(many: int) -> list[str]:
    return [f"T-{n:04}" for n in range(many)]


def test_each_customer_of_a_batch_gets_a_code_of_their_own(store: Store) -> None:
    store.add_coupons("ten", codes(20), Instant(0))
    engine = open_engine(store)
    engine.feed_all([one for n in range(10) for one in buys(f"c{n}")], Instant(1))
    assert sorted(handed(store).values()) == codes(10)
    assert store.coupon_pools() == [CouponPool("ten", 10, 10)]


def test_who_finds_the_pool_empty_waits_for_the_next_import(store: Store) -> None:
    store.add_coupons("ten", codes(2), Instant(0))
    engine = open_engine(store)
    for n in range(5):
        engine.feed_all(buys(f"c{n}"), Instant(1 + n))
    assert len(handed(store)) == 2
    store.add_coupons("ten", codes(10), Instant(10))
    engine.advance(Instant(2 * HOUR))
    assert len(handed(store)) == 5
    assert len(set(handed(store).values())) == 5


def test_a_repeated_event_takes_no_second_code(store: Store) -> None:
    store.add_coupons("ten", codes(5), Instant(0))
    engine = open_engine(store)
    for _ in range(3):
        engine.feed_all(buys("ana"), Instant(1))
    assert store.coupon_pools() == [CouponPool("ten", 4, 1)]


def test_a_batch_may_hand_out_more_than_is_read_at_a_time() -> None:
    many = COUPONS_READ_MAX + COUPONS_PER_STEP_MAX + 10
    store = QuickStore()
    store.add_coupons("ten", codes(many), Instant(0))
    engine = open_engine(store)
    engine.feed_all([one for n in range(many) for one in buys(f"c{n}")], Instant(1))
    assert sorted(handed(store).values()) == codes(many)


class Failing(MemoryStore):
    """A store whose disk is full now and then."""

    full = False

    def commit(
        self,
        saved: Sequence[Saved],
        set_aside: Sequence[SetAside] = (),
        meta: dict[str, str] | None = None,
        settlements: Sequence[Settlement] = (),
    ) -> None:
        if self.full:
            raise StoreUnavailable("the disk is full")
        super().commit(saved, set_aside, meta, settlements)


def test_a_commit_that_failed_has_handed_out_nothing() -> None:
    store = Failing()
    store.add_coupons("ten", codes(3), Instant(0))
    engine = open_engine(store)
    store.full = True
    with pytest.raises(StoreUnavailable):
        engine.feed_all(buys("ana"), Instant(1))
    assert store.coupon_pools() == [CouponPool("ten", 3, 0)]
    store.full = False
    engine.feed_all(buys("ana"), Instant(2))
    assert handed(store) == {"ana@example.com": "T-0000"}
    assert store.coupon_pools() == [CouponPool("ten", 2, 1)]


def feed_until_taken(engine: Engine, arrivals: list[Arrival], at: Instant) -> None:
    """As a client does that is told to come again: two hosts may be in each other's way."""
    for _ in range(200):
        try:
            engine.feed_all(arrivals, at)
        except StoreUnavailable:
            continue
        return
    raise AssertionError("never taken")


def test_two_hosts_over_one_file_hand_out_no_code_twice(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with_codes = SqliteStore(path)
    with_codes.add_coupons("ten", codes(60), Instant(0))
    open_engine(with_codes)
    failures: list[BaseException] = []

    def serve(name: str) -> None:
        mine = SqliteStore(path)
        try:
            engine = Engine(mine, patterns=patterns, pools=True)
            for n in range(20):
                feed_until_taken(engine, buys(f"{name}{n}"), Instant(1 + n))
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)
        finally:
            mine.close()

    threads = [threading.Thread(target=serve, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(handed(with_codes)) == len(set(handed(with_codes).values())) == 40
    assert with_codes.coupon_pools() == [CouponPool("ten", 20, 40)]
    with_codes.close()


def test_a_replay_needs_no_pools_and_makes_codes_up() -> None:
    store = QuickStore()
    engine = open_engine(store, pools=False)
    engine.feed_all(buys("ana") + buys("ben"), Instant(1))
    assert len(set(handed(store).values())) == 2
    assert store.coupon_pools() == []

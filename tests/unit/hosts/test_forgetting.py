"""Goal: interests go when nothing can ask for them any more, and whoever is told is told the same
as if none ever went; how many stay is bounded, whatever a customer looks at.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from segue.hosts.clock import ManualClock
from segue.hosts.embedded import Embedded
from segue.hosts.engine import Accepting, Engine
from segue.hosts.forgetting import Forgetter, hearings
from segue.hosts.limits import INTERESTS_MAX, INTERESTS_REST_MS, INTERESTS_SLACK_MS
from segue.hosts.quick import QuickStore
from segue.kernel import plan
from segue.kernel.values import DAY, NEVER, Instant, Millis
from segue.stores.ports import Store
from tests.unit.hosts.test_teller import (
    PLAN,
    STORES,
    body,
    did,
    heard,
    ids,
    open_engine,
    patterns,
    sofa,
)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()


def interests(store: Store) -> int:
    return sum(b"interest" in row for row in store.snapshot())


def forget(engine: Engine) -> None:
    """Look at everyone once."""
    forgetter = Forgetter(engine.store)
    forgetter.look(engine.program, engine.now)
    while forgetter.at < engine.now + INTERESTS_REST_MS:
        engine.advance(forgetter.at)
        forgetter.look(engine.program, engine.now)


def test_what_is_kept_does_not_grow_and_who_is_told_stays_the_same(store: Store) -> None:
    """Half a year of someone who looks at something else every day, beside one who never forgets."""
    engine, oracle = open_engine(store), open_engine(QuickStore())
    most = 0
    for day in range(1, 180):
        at = Instant(day * DAY)
        for each in (engine, oracle):
            each.feed(did("ana", item=f"item{day}", at=at), at)
            if day % 7 == 0:
                each.feed(did("ben", item=f"item{day - 29}", at=at), at)
            back = [
                ("products", f"item{day - ago}", {"price": 900 - day}) for ago in (0, 9, 29, 31)
            ]
            each.put_items(back, Instant(at + 1))
        forget(engine)
        most = max(most, interests(store))
    assert most <= 30 + INTERESTS_SLACK_MS // DAY + 31 // 7 + 2
    told = [line.event.id.split("/", 1)[1] for line in oracle.store.log(limit=10_000)]
    assert [line.event.id.split("/", 1)[1] for line in store.log(limit=10_000)] == told
    assert sum("Price Dropped" in one for one in told) > 200


def test_a_program_that_asks_for_longer_finds_in_the_log_what_was_forgotten(store: Store) -> None:
    engine = open_engine(store)
    engine.put_items([sofa(900)], Instant(5))
    engine.feed(did("ana"), Instant(10))
    engine.advance(Instant(60 * DAY))
    forget(engine)
    assert interests(store) == 0
    longer = msgspec.structs.replace(PLAN.derived[0], within_ms=Millis(90 * DAY))
    engine.publish("p3", body(msgspec.structs.replace(PLAN, derived=(longer,))))
    engine.adopt_all()
    engine.put_items([sofa(800)], Instant(61 * DAY))
    assert heard(store) == ids(engine, "ana")


def test_what_is_asked_for_without_a_limit_stays_and_what_nothing_asks_for_goes() -> None:
    engine = open_engine(QuickStore())
    found = {(one.catalog, one.name): one.since for one in hearings(engine.program, Instant(0))}
    assert found == {
        ("products", "Product Viewed"): -30 * DAY - INTERESTS_SLACK_MS,
        ("products", "Wished"): -NEVER,
    }
    engine.feed_all([did("ana"), did("ana", "Wished")], Instant(10))
    engine.advance(Instant(400 * DAY))
    forget(engine)
    assert interests(engine.store) == 1
    engine.publish("none", body(plan.Plan(workspace=plan.Workspace(name="shop"))))
    forget(engine)
    assert interests(engine.store) == 0


def test_a_robot_that_looks_at_everything_leaves_no_more_than_the_limit(store: Store) -> None:
    engine = open_engine(store)
    robot = [did("robot", item=f"i{n}", at=n) for n in range(1, INTERESTS_MAX + 200)]
    for first in range(0, len(robot), 100):
        engine.feed_all(robot[first : first + 100], Instant(first + 100))
    forget(engine)
    assert interests(store) == INTERESTS_MAX
    engine.put_items([("products", "i1", {"price": 9})], Instant(5_000))
    engine.put_items([("products", "i1100", {"price": 9})], Instant(5_000))
    engine.put_items(
        [("products", "i1", {"price": 8}), ("products", "i1100", {"price": 8})], Instant(5_001)
    )
    assert [
        line.event.properties["product_id"]
        for line in store.log(limit=10_000)
        if line.event.emitted
    ] == ["i1100"]


def test_a_live_host_forgets_by_and_by(tmp_path: Path) -> None:
    store = STORES["sqlite"](tmp_path)
    clock = ManualClock(DAY)
    host = Embedded(store, Accepting(), patterns=patterns, clock=clock)
    host.publish("p2", body(PLAN))
    host.start()
    try:
        host.ask([did("ana", at=DAY)])
        assert interests(store) == 1
        clock.move_to(40 * DAY)
        host.host.nudge()
        end = time.monotonic() + 60
        while interests(store):
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.01)
    finally:
        host.stop()
        store.close()

"""Goal: the main job on real input. A published slice of a real shop's clicks becomes live
memberships that equal a recount of the log, and what is decided live, over HTTP, is what a
replay of the same log decides.
"""

import csv
import gzip
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from segue import define, wiring
from segue.connectors.files import Source
from segue.hosts.arrivals import Arrival
from segue.hosts.clock import ManualClock
from segue.hosts.embedded import Embedded
from segue.hosts.quick import QuickStore
from segue.hosts.zones import Zones
from segue.kernel.inputs import Adopted
from segue.kernel.profile import create
from segue.kernel.step import step
from segue.kernel.values import DAY, HOUR, Instant
from segue.server import app as server
from segue.stores.ports import Store
from segue.stores.sqlite import SqliteStore

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SEGUE_DATA", ROOT.parent / "shared" / "data"))
CLICKS = DATA / "rees46-oct2019-slice" / "2019-Oct-first170min.csv.gz"
NAMES = {"view": "Product Viewed", "cart": "Product Added", "purchase": "Order Completed"}

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not CLICKS.exists(), reason=f"the slice is not at {CLICKS}"),
]


@pytest.fixture(scope="module")
def shop() -> define.Loaded:
    return wiring.read_workspace(ROOT / "examples" / "01_cart_recovery")


# ── memberships ──


@pytest.mark.timeout(900)
def test_memberships_equal_a_recount_of_the_log_for_every_profile(shop: define.Loaded) -> None:
    engine = wiring.engine(QuickStore(), shop)
    for one in Source(CLICKS, "rees46"):
        engine.feed_all(
            [Arrival(input=one.event), *(Arrival(input=said) for said in one.also)],
            one.arrived_at,
        )
    engine.advance(Instant(engine.now + 3 * HOUR))
    profiles = engine.store.profiles(limit=10_000)
    assert len(profiles) == 4_504
    members = 0
    for profile in profiles:
        history = tuple((line.event, line.arrived_at) for line in engine.store.history(profile.id))
        fresh = create(profile.id, Instant(0))
        step(engine.program, fresh, Adopted(history), engine.now)
        assert set(profile.segments) == set(fresh.segments), profile.id
        members += len(profile.segments)
    assert members > 200


# ── live and replayed ──


def chosen(least: int) -> list[dict[str, str]]:
    """The events of the first customers who put something into a cart, in order."""
    with gzip.open(CLICKS, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    users = dict.fromkeys(row["user_id"] for row in rows if row["event_type"] == "cart")
    wanted = set(list(users)[:least])
    return [row for row in rows if row["user_id"] in wanted]


def messages(rows: list[dict[str, str]]) -> Iterator[tuple[Instant, dict[str, Any]]]:
    """The rows in Segment's words, each customer's address said first."""
    known: set[str] = set()
    for number, row in enumerate(rows):
        when = datetime.strptime(row["event_time"], "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
        at = Instant(int(when.timestamp()) * 1_000)
        user = row["user_id"]
        common = {"userId": user, "timestamp": when.isoformat(), "receivedAt": when.isoformat()}
        if user not in known:
            known.add(user)
            traits = {"email": f"{user}@example.com"}
            yield at, {**common, "type": "identify", "messageId": f"i{user}", "traits": traits}
        yield (
            at,
            {
                **common,
                "type": "track",
                "messageId": f"m{number}",
                "event": NAMES[row["event_type"]],
                "properties": {
                    "product_id": row["product_id"],
                    "price": float(row["price"]),
                    "category": row["category_code"],
                },
            },
        )


class Live:
    """A live Segue whose clock is moved by hand, behind its real HTTP door."""

    def __init__(self, store: Store, shop: define.Loaded) -> None:
        self.store = store
        self.clock = ManualClock(1)
        self.host = Embedded(
            store,
            wiring.sandbox(store),
            patterns=wiring.patterns,
            clock=self.clock,
            zones=Zones(),
        )
        self.host.publish(shop.hash, wiring.encoded(shop))
        self.host.start()
        app = server.create_app(
            self.host,
            store,
            server.Settings(write_keys={"wk": "test"}),
            clock=self.clock,
            render=lambda _program, _show: {},
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        self.server = server.server(app, "127.0.0.1", port)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300)
        self.wait(lambda: self.server.started)

    def until(self, at: Instant) -> None:
        """Move time on, letting everything fall due at its own instant."""
        self.wait(self.quiet)
        while (due := self.next()) <= at:
            self.clock.move_to(max(self.clock.now(), due))
            self.host.host.nudge()
            self.wait(self.quiet)
        self.clock.move_to(at)

    def quiet(self) -> bool:
        """Whether nothing is due now and nothing is on its way."""
        return self.next() > self.clock.now() and not self.store.outbox("claimed")

    def next(self) -> Instant:
        return min(self.store.next_due(), self.store.next_queued())

    def post(self, batch: list[dict[str, Any]]) -> None:
        answer = self.client.post("/v1/batch", json={"batch": batch}, auth=("wk", ""))
        assert answer.status_code == 200, answer.text
        self.until(self.clock.now())

    @staticmethod
    def wait(condition: Any, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.001)

    def close(self) -> None:
        self.client.close()
        self.server.should_exit = True
        self.thread.join(timeout=300)
        self.host.stop()


def decisions(store: Store) -> dict[str, Any]:
    """What was decided for whom, when and why; and what everybody's state is in the end."""
    found: dict[str, Any] = {}
    for profile in store.profiles(limit=10_000):
        lines = store.traces(profile.id, limit=100_000)
        found[profile.id] = {
            "notes": [(line.at, msgspec.to_builtins(line.notes)) for line in lines],
            "state": msgspec.to_builtins(profile),
        }
    found["sends"] = sorted(
        (row.id, row.queued_at, row.state) for row in store.outbox(limit=10_000)
    )
    return found


@pytest.mark.timeout(900)
def test_what_is_decided_live_over_http_is_what_a_replay_decides(
    shop: define.Loaded, tmp_path: Path
) -> None:
    said = list(messages(chosen(25)))
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n".join(msgspec.json.encode(message) for _, message in said))
    end = Instant(said[-1][0] + DAY)

    engine = wiring.engine(QuickStore(), shop)
    for one in Source(log):
        engine.feed(Arrival(input=one.event), one.arrived_at)
    engine.advance(end)
    replayed = decisions(engine.store)

    live = Live(SqliteStore(tmp_path / "live.sqlite"), shop)
    try:
        for at, message in said:
            live.until(at)
            live.post([message])
        live.until(end)
        lived = decisions(live.store)
    finally:
        live.close()

    assert lived["sends"] == replayed["sends"]
    assert len(lived["sends"]) > 10
    for who, story in replayed.items():
        assert lived[who] == story

"""Simulated shoppers speak as browsers do, can reach nobody, and stand still when asked to."""

import threading
from itertools import islice
from typing import Any

import msgspec
import pytest

from segue.connectors import segment
from segue.hosts.clock import SystemClock
from segue.kernel.values import Instant
from segue.sim.population import Population, events

START = Instant(1_750_000_000_000)


def drawn(count: int, seed: int = 7, **options: Any) -> list[tuple[Instant, dict[str, Any]]]:
    return list(islice(events(seed, START, **options), count))


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others() -> None:
    encode = msgspec.json.encode
    assert encode(drawn(3000)) == encode(drawn(3000))
    assert encode(drawn(100)) != encode(drawn(100, seed=8))


def test_messages_come_in_order_of_time_each_with_its_own_id() -> None:
    told = drawn(5000)
    times = [at for at, _ in told]
    assert times == sorted(times)
    assert len({message["messageId"] for _, message in told}) == 5000


def test_every_message_is_taken_as_a_segment_message() -> None:
    for at, message in drawn(3000):
        parcel = segment.unpack(msgspec.json.encode(message))
        arrived = Instant(max(at, START))
        taken, refused = segment.Reader(parcel, arrived).read()
        assert refused == []
        assert taken[0].event.at == at
        assert taken[0].event.context["simulated"] is True


def test_nobody_can_be_reached() -> None:
    for _, message in drawn(5000):
        traits = message.get("traits", {})
        assert str(traits.get("email", "@example.com")).endswith("@example.com")
        assert str(traits.get("phone", "+12025550100")).startswith("+120255501")


def test_strangers_become_known_before_they_buy() -> None:
    known: set[str] = set()
    orders = 0
    for _, message in drawn(20_000, eagerness=4):
        if message["type"] == "identify":
            known.add(message["anonymousId"])
        if message.get("event") == "Order Completed":
            orders += 1
            assert message["anonymousId"] in known
            assert message["userId"]
    assert orders > 200


def test_some_put_things_in_the_cart_and_leave() -> None:
    carts: dict[str, int] = {}
    for _, message in drawn(20_000):
        match message.get("event"):
            case "Product Added":
                carts[message["anonymousId"]] = carts.get(message["anonymousId"], 0) + 1
            case "Order Completed":
                carts.pop(message["anonymousId"], None)
            case _:
                pass
    assert len(carts) > 20


def test_nobody_has_two_sessions_at_once() -> None:
    """Homes of one person lie at least the silence that ends a session apart."""
    last: dict[str, int] = {}
    for at, message in drawn(20_000, shoppers=200):
        who = message["anonymousId"]
        if message.get("name") == "Home" and who in last:
            assert at - last[who] > 30 * 60_000
        last[who] = at


@pytest.mark.parametrize("rate", [3.0, 8.0])
def test_the_rate_in_the_long_run_is_the_one_asked_for(rate: float) -> None:
    told = drawn(40_000, rate=rate)
    later = [at for at, _ in told if at > START + 20 * 60_000]
    assert len(later) / ((later[-1] - later[0]) / 1000) == pytest.approx(rate, rel=0.1)


def test_there_is_life_at_once() -> None:
    told = drawn(2000)
    before = [message for at, message in told if at < START]
    assert len({message["anonymousId"] for message in before}) == 80
    soon = [at for at, _ in told if START <= at < START + 10_000]
    assert len(soon) > 15


def test_paused_shoppers_stand_still_and_go_on_later() -> None:
    heard: list[dict[str, Any]] = []
    enough = threading.Event()

    def sink(message: dict[str, Any]) -> None:
        heard.append(message)
        if len(heard) >= 350:
            enough.set()

    shoppers = Population(sink, SystemClock(), rate=200)
    shoppers.start()
    assert enough.wait(10)
    shoppers.pause()
    threading.Event().wait(0.2)
    count = len(heard)
    threading.Event().wait(0.3)
    assert len(heard) == count
    assert shoppers.paused
    shoppers.resume()
    threading.Event().wait(0.5)
    assert len(heard) > count
    shoppers.stop()
    assert not shoppers.running
    count = len(heard)
    threading.Event().wait(0.2)
    assert len(heard) == count == shoppers.told


def test_a_sink_that_raises_does_not_close_the_shop(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[object] = []
    enough = threading.Event()

    def sink(message: object) -> None:
        heard.append(message)
        if len(heard) == 1:
            raise OSError("full")
        if len(heard) > 5:
            enough.set()

    shoppers = Population(sink, SystemClock())
    shoppers.start()
    assert enough.wait(10)
    shoppers.stop()
    assert "was not taken" in caplog.text

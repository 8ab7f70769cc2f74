"""The second example does what its files say, step by step in virtual time, for a few customers."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from segue import define
from segue.connectors.rows import Imported
from segue.hosts.engine import Accepting, Engine
from segue.hosts.ports import Delivery, Outcome
from segue.hosts.zones import Zones
from segue.kernel.effects import Send
from segue.kernel.inputs import Event
from segue.kernel.values import DAY, Instant, Millis
from segue.sim.replay import replay
from segue.wiring import encoded, patterns

EXAMPLE = Path(__file__).parents[3] / "examples" / "02_win_back"
START = datetime(2024, 1, 2, 10, tzinfo=UTC)


class Recording(Accepting):
    """A courier that remembers what left, and when."""

    def __init__(self) -> None:
        self.left: list[tuple[int, str, str]] = []

    def deliver(self, deliveries: list[Delivery]) -> list[Outcome]:
        for one in deliveries:
            assert isinstance(one.effect, Send)
            day = (one.at - START.timestamp() * 1000) / DAY
            self.left.append((int(day), one.effect.address.split("@")[0], one.effect.message))
        return super().deliver(deliveries)


def history(orders: dict[str, list[int]], total: float = 100.0) -> list[Imported]:
    """Orders of customers, by the days on which they ordered."""

    def told() -> Iterator[Imported]:
        for who, days in orders.items():
            for place, day in enumerate(days):
                at = Instant(int((START + timedelta(days=day)).timestamp() * 1000))
                if place == 0:
                    known = Event(
                        id=f"i-{who}",
                        name="Profile Identified",
                        kind="identify",
                        at=at,
                        traits={"email": f"{who}@example.com"},
                        user_id=who,
                    )
                    yield Imported(1, known, at)
                order = Event(
                    id=f"o-{who}-{day}",
                    name="Order Completed",
                    at=at,
                    properties={"order_id": f"{who}-{day}", "total": total},
                    user_id=who,
                    live=False,
                )
                yield Imported(1, order, at)

    return sorted(told(), key=lambda one: one.arrived_at)


def left(
    orders: dict[str, list[int]], days: int = 160, total: float = 100.0
) -> list[tuple[int, str, str]]:
    """What left: (day, to whom, message); customers of the holdout get nothing."""
    loaded = define.load(EXAMPLE)
    assert loaded.plan is not None, define.render(loaded.diagnostics, loaded.sources)
    courier = Recording()
    engine = Engine(courier=courier, patterns=patterns, zones=Zones())
    engine.publish(loaded.hash, encoded(loaded))
    replay(engine, history(orders, total), source="test", then=Millis(days * DAY))
    return courier.left


@pytest.fixture(scope="module")
def silent() -> list[tuple[int, str, str]]:
    """Twenty customers who ordered twice and then never again."""
    return left({f"c{n}": [0, 20] for n in range(20)})


def test_the_workspace_has_no_faults() -> None:
    loaded = define.load(EXAMPLE)
    assert loaded.diagnostics == ()


def test_75_days_of_silence_start_the_journey_and_no_event_is_needed(
    silent: list[tuple[int, str, str]],
) -> None:
    first = [day for day, _, message in silent if message == "we-miss-you"]
    assert len(first) >= 14  # one in ten is held out
    assert all(95 <= day <= 103 for day in first)


def test_the_messages_come_in_order_and_the_better_offer_last(
    silent: list[tuple[int, str, str]],
) -> None:
    for who in {who for _, who, message in silent if message == "we-miss-you"}:
        got = [message for _, to, message in silent if to == who]
        assert got[-4:] == [
            "we-miss-you",
            "ten-percent-back",
            "shall-we-stop",
            "fifteen-percent-back",
        ]


def test_a_tenth_is_held_out_of_winning_back_and_of_nothing_else(
    silent: list[tuple[int, str, str]],
) -> None:
    won_back = {"we-miss-you", "ten-percent-back", "shall-we-stop", "fifteen-percent-back"}
    asked = {who for _, who, message in silent if message in won_back}
    welcomed = {who for _, who, message in silent if message == "how-did-it-sell"}
    assert asked < welcomed
    assert len(welcomed) == 20


def test_an_order_ends_it_at_once() -> None:
    sent = left({f"c{n}": [0, 20, 105] for n in range(10)}, days=30)
    messages = {message for _, _, message in sent}
    assert "we-miss-you" in messages
    assert "ten-percent-back" not in messages


def test_who_spent_much_gets_a_note_from_a_person() -> None:
    sent = left({f"c{n}": [0, 20] for n in range(10)}, days=90, total=1500.0)
    messages = {message for _, _, message in sent}
    assert "personal-note" in messages
    assert "we-miss-you" not in messages


def test_who_ordered_once_is_helped_to_the_second_order_only() -> None:
    sent = left({f"c{n}": [0] for n in range(5)}, days=200)
    assert {message for _, _, message in sent} == {"how-did-it-sell", "what-is-new"}

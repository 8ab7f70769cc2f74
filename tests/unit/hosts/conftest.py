"""A small shop to run hosts over: one journey by event, one by segment, a cap, a placement."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from segue.hosts.arrivals import Arrival
from segue.hosts.ports import Delivery, Outcome
from segue.kernel import plan
from segue.kernel.effects import Effect, Send
from segue.kernel.expression import Aggregate, Compare, Literal, Stream
from segue.kernel.inputs import Asked, Event, Reported
from segue.kernel.values import Instant, Millis

HOUR = 3_600_000


def patterns(pattern: str) -> Callable[[str], bool]:
    found = re.compile(pattern)
    return lambda text: found.search(text) is not None


def viewed_at_least(times: int, within_ms: int) -> Compare:
    views = Aggregate("count", Stream(("Product Viewed",)), Millis(within_ms))
    return Compare(">=", views, Literal(times))


SHOP = plan.Plan(
    workspace=plan.Workspace(name="shop"),
    segments=(plan.Segment(name="keen", when=viewed_at_least(3, 60_000)),),
    messages=(
        plan.Message(
            name="reminder",
            topic="carts",
            contents={"email": {"subject": "Your cart"}, "sms": {"body": "Your cart"}},
            expires_ms=Millis(24 * HOUR),
        ),
        plan.Message(
            name="welcome",
            topic="news",
            contents={"web": {"title": "Hello"}},
            expires_ms=Millis(HOUR),
        ),
    ),
    policies=(plan.Cap(name="two a day", most=2, per="window", window_ms=Millis(24 * HOUR)),),
    journeys=(
        plan.Journey(
            name="cart",
            entries=(plan.OnEvent(events=("Product Added",)),),
            exits=(plan.Watch(events=("Order Completed",), reason="bought"),),
            start="wait",
            reentry_ms=Millis(0),
            runs_max=1,
            steps=(
                plan.Wait(id="wait", next="mail", for_ms=Millis(10_000)),
                plan.Send(id="mail", next="", message="reminder", channels=("email", "sms")),
            ),
        ),
        plan.Journey(
            name="greet",
            entries=(plan.OnSegment(segment="keen", change="entered"),),
            start="show",
            steps=(
                plan.Show(
                    id="show",
                    next="rest",
                    message="welcome",
                    placement="top",
                    lasts_ms=Millis(HOUR),
                ),
                plan.Wait(id="rest", next="", for_ms=Millis(HOUR)),
            ),
        ),
    ),
)


class FakeProvider:
    """A courier that notes what it got and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[Delivery] = []
        self.answer: Callable[[Delivery], Outcome] = lambda _: Outcome(result="accepted")
        self.safe = False

    def deliver(self, deliveries: list[Delivery]) -> list[Outcome]:
        self.got += deliveries
        return [self.answer(one) for one in deliveries]

    def resends_safely(self, effect: Effect) -> bool:
        return self.safe

    @property
    def channels(self) -> list[str]:
        return [one.effect.channel for one in self.got if isinstance(one.effect, Send)]


class World:
    """Builds inputs, and counts their ids."""

    plan = SHOP
    body = msgspec.json.encode(SHOP)
    patterns = staticmethod(patterns)
    Provider = FakeProvider

    def __init__(self) -> None:
        self.count = 0

    def event(
        self, name: str, user: str = "", at: int = 0, *, anonymous: str = "", **more: object
    ) -> Arrival:
        self.count += 1
        kind = "identify" if "traits" in more else "track"
        fields: Any = {"id": f"m{self.count}", "kind": kind, **more}
        return Arrival(
            input=Event(
                name=name,
                at=Instant(at),
                user_id=user,
                anonymous_id=anonymous,
                **fields,
            ),
            source="test",
        )

    def customer(self, user: str, at: int = 0) -> Arrival:
        traits = {"email": f"{user}@example.org", "phone": "+4912345678"}
        return self.event("Profile Identified", user, at, traits=traits)

    def alias(self, previous: str, user: str, at: int = 0) -> Arrival:
        return self.event(
            "Profile Aliased", user, at, kind="alias", properties={"previousId": previous}
        )

    def asked(self, user: str = "", *, anonymous: str = "") -> Arrival:
        return Arrival(
            input=Asked(id="", placements=("top",)), user_id=user, anonymous_id=anonymous
        )

    def reported(self, send_id: str, outcome: Any, user: str = "") -> Arrival:
        return Arrival(input=Reported(send_id=send_id, outcome=outcome), user_id=user)


@pytest.fixture
def world() -> World:
    return World()

"""Goal: a mail provider answers 500 for an hour. Nothing is lost and nothing doubled, the fallback is
used, other channels do not notice, and after the hour mail is used again.

The engine, the courier, its adapters, its breaker and the HTTP in between are the real ones; time is
virtual, also for the breaker, so that an hour passes in seconds.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

import msgspec
import pytest

from segue import wiring
from segue.channels import courier as courier_module, limits
from segue.channels.providers import build_courier
from segue.hosts.arrivals import Arrival
from segue.hosts.engine import Engine
from segue.hosts.quick import QuickStore
from segue.kernel import plan
from segue.kernel.inputs import Event
from segue.kernel.values import DAY, HOUR, MINUTE, SECOND, Instant
from tests.integration.provider import Asked, Provider, journey

START = Instant(1_767_261_600_000)
BROKEN_FROM, BROKEN_TO = 10 * MINUTE, 70 * MINUTE
LASTS, EVERY = 100 * MINUTE, 30 * SECOND


def message(name: str, **contents: dict[str, str]) -> plan.Message:
    return plan.Message(name=name, topic="news", contents=contents, expires_ms=DAY)


def send(at: str, name: str, *channels: str, then: str = "") -> plan.Send:
    return plan.Send(id=at, next=then, message=name, channels=channels)  # type: ignore[arg-type]


MAIL = {"subject": "Hello", "text": "{{ traits.name }}"}
TEXT = {"body": "{{ traits.name }}"}
PLAN = plan.Plan(
    workspace=plan.Workspace(name="shop"),
    messages=(
        message("either", email=MAIL, sms={"body": "either {{ traits.name }}"}),
        message("letter", email={**MAIL, "subject": "Letter"}),
        message("text", sms={"body": "text {{ traits.name }}"}),
    ),
    journeys=(
        journey("one", "Signed Up", send("a", "either", "email", "sms")),
        journey("two", "Signed Up", send("b", "letter", "email")),
        journey("three", "Signed Up", send("c", "text", "sms")),
    ),
)


class World:
    """Customers who sign up in virtual time, and what the provider was asked and when."""

    def __init__(self, provider: Provider) -> None:
        self.store = QuickStore()
        self.taken: list[tuple[int, str, str]] = []
        """When, to whom, what: the letters and texts that the provider took."""
        self.refused: list[int] = []
        provider.answer = self.answer
        self.courier = build_courier(
            {
                "email": {
                    "provider": "postmark",
                    "server_token": "key",
                    "from_address": "shop@shop.example",
                    "base_url": provider.url,
                },
                "sms": {"provider": "http_sms", "url": f"{provider.url}/text"},
            },
            messages=wiring.Contents(self.store),
            keep=self.store.keep,
        )
        self.engine = Engine(self.store, self.courier, patterns=wiring.patterns, now=START)
        self.engine.publish("p", msgspec.json.encode(PLAN, order="sorted"))

    @property
    def passed(self) -> int:
        return self.engine.now - START

    def answer(self, asked: Asked) -> tuple[int, bytes]:
        said = json.loads(asked.body)
        if asked.path == "/text":
            what, name = said["text"].split()
            self.taken.append((self.passed, name, f"{what} by sms"))
            return 200, b'{"id": "t"}'
        if BROKEN_FROM <= self.passed < BROKEN_TO:
            self.refused.append(self.passed)
            return 500, b"<html>Internal Server Error</html>"
        what = "letter" if said["Subject"] == "Letter" else "either"
        self.taken.append((self.passed, said["TextBody"].strip(), f"{what} by email"))
        return 200, b'{"ErrorCode": 0, "MessageID": "m"}'

    def live(self) -> list[str]:
        """All sign up, one after another; then a day goes by."""
        names: list[str] = []
        for at in range(0, LASTS, EVERY):
            name = f"c{at // EVERY:03}"
            names.append(name)
            traits = {
                "name": name,
                "email": f"{name}@shop.example",
                "phone": f"+4915123450{len(names):03}",
            }
            now = Instant(START + at)
            known = Event(id=f"i{name}", name="Profile Identified", kind="identify", at=now, user_id=name, traits=traits)  # fmt: skip
            came = Event(id=f"s{name}", name="Signed Up", at=now, user_id=name)
            self.engine.feed_all([Arrival(input=known), Arrival(input=came)], now)
        self.engine.advance(Instant(START + LASTS + DAY))
        return names


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    now: list[Callable[[], int]] = []

    class Virtual(asyncio.SelectorEventLoop):
        """Its own time, and what has passed in the engine's."""

        def time(self) -> float:
            return super().time() + (now[0]() / SECOND if now else 0)

    monkeypatch.setattr(courier_module.asyncio, "new_event_loop", Virtual)
    with closing(Provider()) as provider:
        made = World(provider)
        now.append(lambda: made.passed)
        yield made
        made.courier.close()


def test_an_hour_of_faults_loses_nothing_doubles_nothing_and_harms_nobody_else(
    world: World,
) -> None:
    names = world.live()
    taken = Counter((name, what) for _, name, what in world.taken)
    came = {name: number * EVERY for number, name in enumerate(names)}
    away = [name for name in names if BROKEN_FROM <= came[name] < BROKEN_TO]

    # Nothing is doubled, nothing lost: each message reached each customer once, by some channel.
    assert set(taken.values()) == {1}
    for name in names:
        assert taken[name, "either by email"] + taken[name, "either by sms"] == 1
        assert taken[name, "letter by email"] == 1
        assert taken[name, "text by sms"] == 1
    assert world.store.counts().dead == 0

    # The fallback was used for who came meanwhile, within minutes, and, until it was tried again,
    # for a few who came just after.
    by_sms = {name: at for at, name, what in world.taken if what == "either by sms"}
    until = BROKEN_TO + limits.BREAKER_SECONDS_MAX * SECOND
    assert all(BROKEN_FROM <= came[name] < until for name in by_sms)
    early = [name for name in away if came[name] < BROKEN_TO - limits.BREAKER_SECONDS_MAX * SECOND]
    assert set(early) <= set(by_sms)
    assert all(by_sms[name] - came[name] <= 10 * MINUTE for name in by_sms)

    # Texts left at once all the time.
    late = [at - came[name] for at, name, what in world.taken if what == "text by sms"]
    assert max(late) <= SECOND

    # It was left alone, and found well again soon; letters that waited went out then.
    assert 0 < len(world.refused) < 60
    after = [(at, name) for at, name, what in world.taken if "email" in what and at >= BROKEN_TO]
    assert min(at for at, _ in after) <= BROKEN_TO + 2 * limits.BREAKER_SECONDS_MAX * SECOND
    assert max(at for at, name in after if name in away) <= BROKEN_TO + HOUR
    last = names[-20:]
    assert all(taken[name, "either by email"] == 1 for name in last)

    # What became of each is told to the customers' ledgers.
    states = Counter(
        line.state for profile in world.store.profiles(limit=1_000) for line in profile.ledger
    )
    assert states == {"accepted": 3 * len(names), "failed": states["failed"]}

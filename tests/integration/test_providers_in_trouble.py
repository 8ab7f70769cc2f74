"""A provider that is away, or slow by its own rule, through the whole of Segue.

The next channel is used once and the first never after all; what is paced stays in the queue,
where an order can still withdraw it.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from segue.channels import limits
from segue.hosts.arrivals import Arrival
from segue.kernel import plan
from segue.kernel.inputs import Consented
from segue.kernel.values import DAY, HOUR
from tests.integration import conftest
from tests.integration.conftest import Segue

HELLO = plan.Message(
    name="hello",
    topic="news",
    contents={"email": {"subject": "Hello", "text": "Hello"}, "sms": {"body": "Hello"}},
    expires_ms=DAY,
)

DEAL = msgspec.structs.replace(
    HELLO,
    name="deal",
    incentive=plan.Incentive(name="ten", group="deals", worth=10, lasts_ms=DAY, code="TEN"),
)


class Texts:
    """An SMS provider; and a mail API that answers 503 for as long as it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, str]] = []
        self.mail_away = False
        self.refused: set[str] = set()
        """What is refused for good: mail, text."""
        texts = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                mail = self.path.startswith("/v3/")
                kind = "mail" if mail else "text"
                status = 503 if mail and texts.mail_away else 202
                status = 400 if kind in texts.refused else status
                texts.asked.append((time.monotonic(), f"{kind} {status}"))
                content = json.dumps({"id": "x"}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    def told(self) -> list[str]:
        return [what for _, what in self.asked]

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def texts() -> Iterator[Texts]:
    with closing(Texts()) as made:
        yield made


@pytest.fixture
def shop(tmp_path: Path, texts: Texts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Segue]:
    monkeypatch.setenv("KEY", "secret")
    (tmp_path / "channels.toml").write_text(f"""
[email]
provider = "sendgrid"
api_key = "env:KEY"
from_address = "shop@shop.example"
base_url = "{texts.url}"

[sms]
provider = "http_sms"
url = "{texts.url}/send"
per_second = 4
""")
    steps = (
        plan.Send(id="say", next="wait", message="hello", channels=CHANNELS),
        plan.Wait(id="wait", next="", for_ms=HOUR),
    )
    journey = plan.Journey(
        name="hello",
        entries=(plan.OnEvent(events=("Signed Up",)),),
        exits=(plan.Watch(events=("Order Completed",)),),
        steps=steps,
        start="say",
    )
    deal = msgspec.structs.replace(
        journey,
        name="deal",
        entries=(plan.OnEvent(events=("Deal Asked",)),),
        steps=(plan.Send(id="say", next="wait", message="deal", channels=("email",)), steps[1]),
    )
    made = msgspec.structs.replace(conftest.PLAN, messages=(HELLO, DEAL), journeys=(journey, deal))
    monkeypatch.setattr(conftest, "PLAN", made)
    running = Segue(tmp_path, deliver="live", channels=str(tmp_path / "channels.toml"))
    yield running
    running.close()


CHANNELS = ("email", "sms")


def signs_up(segue: Segue, who: str, **traits: Any) -> None:
    segue.post("/v1/identify", {"userId": who, "traits": traits})
    segue.post("/v1/track", {"userId": who, "event": "Signed Up"})


def test_while_a_provider_is_down_the_next_channel_is_used_once(
    shop: Segue, texts: Texts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BREAKER_FAULTS_MAX", 1)
    monkeypatch.setattr(limits, "BREAKER_DOWN_SECONDS", 0.5)
    texts.mail_away = True
    signs_up(shop, "ana", email="ana@shop.example", phone="+491512345678")
    signs_up(shop, "ben", email="ben@shop.example")
    whose = shop.wait_for(lambda: shop.profile("user", "ana")).id

    def states() -> list[str]:
        return sorted(row.state for row in shop.store.outbox(None, whose))

    shop.wait_for(lambda: states() == ["cancelled", "done"])
    rows = shop.store.outbox(None, whose)
    assert "another channel" in next(row.detail for row in rows if row.state == "cancelled")
    assert shop.installation.host.retry([row.id for row in rows]).retried == 0
    (alone,) = shop.store.outbox(None, shop.profile("user", "ben").id)
    assert alone.state in {"queued", "claimed"}  # nobody else can carry it: it waits
    texts.mail_away = False
    shop.wait_for(lambda: "mail 202" in texts.told())
    assert texts.told().count("text 202") == 1
    assert texts.told().count("mail 202") == 1


def dead(segue: Segue) -> dict[str, str]:
    """The dead letters, by channel."""
    return {
        msgspec.to_builtins(row.effect)["channel"]: row.id for row in segue.store.outbox("dead")
    }


def test_a_letter_whose_message_went_out_otherwise_is_not_sent_again_by_hand(
    shop: Segue, texts: Texts
) -> None:
    texts.refused = {"mail"}
    signs_up(shop, "ana", email="ana@shop.example", phone="+491512345678")
    shop.wait_for(lambda: "text 202" in texts.told() and shop.store.counts().dead == 1)
    texts.refused = set()
    told = shop.client.post("/api/outbox/retry", json={"ids": [dead(shop)["email"]]}).json()
    assert told == {
        "retried": 0,
        "kept": [{"id": dead(shop)["email"], "why": "its message went out by sms"}],
    }
    assert "mail 202" not in texts.told()


def test_of_several_dead_letters_of_one_message_the_first_alone_returns(
    shop: Segue, texts: Texts
) -> None:
    texts.refused = {"mail", "text"}
    signs_up(shop, "ana", email="ana@shop.example", phone="+491512345678")
    shop.wait_for(lambda: len(dead(shop)) == 2)
    texts.refused = set()
    ids = dead(shop)
    told = shop.installation.host.retry([ids["sms"], ids["email"]])
    assert (told.retried, [one.id for one in told.kept]) == (1, [ids["sms"]])
    shop.wait_for(lambda: "mail 202" in texts.told())
    assert shop.installation.host.retry([ids["sms"]]).retried == 0
    assert "text 202" not in texts.told()


def test_who_has_said_no_since_gets_no_letter_again(shop: Segue, texts: Texts) -> None:
    texts.refused = {"mail"}
    signs_up(shop, "ben", email="ben@shop.example")
    shop.wait_for(lambda: dead(shop))
    whose = shop.profile("user", "ben").id
    no = Consented(
        channel="email", topic="*", state="denied", at=shop.installation.clock.now(), source="test"
    )
    shop.installation.host.ask([Arrival(input=no, profile=whose)])
    (kept,) = shop.installation.host.retry(list(dead(shop).values())).kept
    assert kept.why == "the customer has said no to news by email"


def test_an_offer_that_was_taken_back_is_not_made_again(shop: Segue, texts: Texts) -> None:
    texts.refused = {"mail"}
    shop.post("/v1/identify", {"userId": "eve", "traits": {"email": "eve@shop.example"}})
    shop.post("/v1/track", {"userId": "eve", "event": "Deal Asked"})
    shop.wait_for(lambda: dead(shop) and not shop.profile("user", "eve").grants)
    (kept,) = shop.installation.host.retry(list(dead(shop).values())).kept
    assert kept.why == "the offer that it carries was taken back"


def test_a_pace_is_kept_and_what_waits_can_be_withdrawn(shop: Segue, texts: Texts) -> None:
    for number in range(12):
        signs_up(shop, f"u{number}", phone=f"+4915123456{number:02d}")
    shop.wait_for(lambda: len(texts.asked) >= 4)
    shop.post("/v1/track", {"userId": "u11", "event": "Order Completed"})
    shop.wait_for(lambda: len(texts.asked) >= 11)
    first, last = texts.asked[0][0], texts.asked[10][0]
    assert last - first >= 7 / 4 * 0.9
    time.sleep(0.6)
    assert len(texts.asked) == 11
    (row,) = shop.store.outbox(None, shop.profile("user", "u11").id)
    assert row.state == "cancelled"

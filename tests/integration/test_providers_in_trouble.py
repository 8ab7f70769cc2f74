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
from segue.kernel import plan
from segue.kernel.values import DAY, HOUR
from tests.integration import conftest
from tests.integration.conftest import Segue

HELLO = plan.Message(
    name="hello",
    topic="news",
    contents={"email": {"subject": "Hello", "text": "Hello"}, "sms": {"body": "Hello"}},
    expires_ms=DAY,
)


class Texts:
    """An SMS provider; and a mail API that answers 503 for as long as it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, str]] = []
        self.mail_away = False
        texts = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                mail = self.path.startswith("/v3/")
                status = 503 if mail and texts.mail_away else 202
                texts.asked.append((time.monotonic(), f"{'mail' if mail else 'text'} {status}"))
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
    made = msgspec.structs.replace(conftest.PLAN, messages=(HELLO,), journeys=(journey,))
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
    shop.wait_for(lambda: "text 202" in texts.told())
    rows = shop.store.outbox(None, shop.profile("user", "ana").id)
    assert sorted(row.state for row in rows) == ["cancelled", "done"]
    assert "another channel" in next(row.detail for row in rows if row.state == "cancelled")
    assert shop.installation.host.retry([row.id for row in rows]) == 0
    (alone,) = shop.store.outbox(None, shop.profile("user", "ben").id)
    assert alone.state in {"queued", "claimed"}  # nobody else can carry it: it waits
    texts.mail_away = False
    shop.wait_for(lambda: "mail 202" in texts.told(), 30)
    assert texts.told().count("text 202") == 1
    assert texts.told().count("mail 202") == 1


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

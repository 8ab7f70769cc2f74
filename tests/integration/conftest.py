"""A whole Segue on a free port: SQLite, the real host, the real server; and a door that can
be told to misbehave, before the request is answered or after it was committed.
"""

import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from segue import wiring
from segue.kernel import plan
from segue.kernel.profile import Profile
from segue.kernel.values import DAY, HOUR
from segue.server import app as server
from segue.settings import Settings
from segue.stores.ports import Identifier, LoggedEvent

KEY = "wk_test"

GREETING = plan.Message(
    name="greeting",
    topic="news",
    contents={
        "web": {"title": "Hello {{ traits.name | default: 'you' }}"},
        "email": {"subject": "Hello", "text": "Hello {{ traits.name }}", "html": "<b>Hello</b>"},
    },
    expires_ms=DAY,
)
GREET = plan.Journey(
    name="greet",
    entries=(plan.OnEvent(events=("Product Viewed",)),),
    steps=(
        plan.Show(id="show", next="mail", message="greeting", placement="banner", lasts_ms=HOUR),
        plan.Send(id="mail", next="wait", message="greeting", channels=("email",)),
        plan.Wait(id="wait", next="", for_ms=HOUR),
    ),
    start="show",
)
PLAN = plan.Plan(workspace=plan.Workspace(name="test"), messages=(GREETING,), journeys=(GREET,))


class Door:
    """Lets requests through, unless it was told how to answer the next ones.

    `503` refuses at the door; `-503` lets the request through and then loses the answer, so
    that the client sees 503 for what was committed; `0` cuts the connection in mid-answer.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.script: list[int] = []
        self.seen: list[int] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        ingest = scope["type"] == "http" and scope["method"] == "POST" and "/v1/" in scope["path"]
        if not ingest or not self.script:
            await self.app(scope, receive, send)
            return
        status = self.script.pop(0)
        self.seen.append(status)
        if status < 0:

            async def lost(_message: Any) -> None:
                pass

            await self.app(scope, receive, lost)
        if status == 0:
            cut = [(b"content-length", b"100")]
            await send({"type": "http.response.start", "status": 200, "headers": cut})
            return
        headers = [(b"content-type", b"application/json"), (b"access-control-allow-origin", b"*")]
        if abs(status) == 429:
            headers.append((b"retry-after", b"1"))
        await send({"type": "http.response.start", "status": abs(status), "headers": headers})
        await send({"type": "http.response.body", "body": b'{"code": "T", "message": "scripted"}'})


class Segue:
    """One running installation."""

    def __init__(self, folder: Path, **given: Any) -> None:
        self._open = ExitStack()
        settings = Settings(store=str(folder / "segue.sqlite"), write_keys=f"{KEY}=shop", **given)
        self.installation = self._open.enter_context(wiring.installed(settings, os.environ))
        self.store = self.installation.store
        body = msgspec.json.encode(PLAN, order="sorted")
        self.installation.host.publish(hashlib.blake2b(body, digest_size=16).hexdigest(), body)
        self.installation.host.start()
        self.door = Door(self.installation.app())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = server.server(self.door, "127.0.0.1", self.port)  # type: ignore[arg-type]
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        self.client = httpx.Client(base_url=self.url, timeout=300)
        self.wait_for(lambda: self.server.started)

    def post(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return self.client.post(path, json=body, auth=(KEY, ""), **options)

    def log(self) -> list[LoggedEvent]:
        return [line for line in self.store.log(0, 100_000) if not line.event.emitted]

    def names(self) -> list[str]:
        return sorted(line.event.name for line in self.log())

    def profile(self, kind: str, value: str) -> Profile:
        named = Identifier(kind, value)
        who = self.store.resolve([named])[named]
        return self.store.load([who])[who].profile

    @staticmethod
    def wait_for(condition: Callable[[], Any], seconds: float = 120) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.02)
        return found

    def close(self) -> None:
        self.client.close()
        self.server.should_exit = True
        self.thread.join(timeout=300)
        self._open.close()


@pytest.fixture
def segue(tmp_path: Path) -> Iterator[Segue]:
    running = Segue(tmp_path)
    yield running
    running.close()

"""A provider of HTTP for the tests of the whole: it answers, or misbehaves, as it is told to."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from segue.kernel import plan
from tests.integration import conftest
from tests.integration.conftest import Segue


class Asked(NamedTuple):
    """One request, and when it came."""

    at: float
    method: str
    path: str
    body: bytes


Answer = Callable[[Asked], tuple[int, bytes] | str]
"""A status and a body, or how to misbehave: `reset` or `hang`."""


def fine(_asked: Asked) -> tuple[int, bytes]:
    """What a provider in good health says."""
    return 202, b'{"id": "x", "session_id": "1"}'


class Provider:
    """Whoever is asked over HTTP, on a port of this machine."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answer: Answer = fine
        self.hang_seconds = 3.0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked = Asked(time.monotonic(), self.command, self.path, body)
                provider.asked.append(asked)
                said = provider.answer(asked)
                if said == "hang":
                    time.sleep(provider.hang_seconds)
                if isinstance(said, str):
                    self.close_connection = True
                    return
                self.send_response(said[0])
                self.send_header("Content-Length", str(len(said[1])))
                self.end_headers()
                self.wfile.write(said[1])

            do_DELETE = do_PATCH = do_POST  # noqa: N815 (the library's own names)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    def bodies(self, path: str = "") -> list[dict[str, object]]:
        """What was asked under a path, read as JSON."""
        return [json.loads(one.body) for one in self.asked if one.path.startswith(path)]

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@contextmanager
def shop(
    folder: Path,
    patch: pytest.MonkeyPatch,
    channels: str,
    messages: Sequence[plan.Message],
    journeys: Sequence[plan.Journey],
) -> Iterator[Segue]:
    """A running Segue that delivers for real, with these channels, messages and journeys."""
    (folder / "channels.toml").write_text(channels)
    made = msgspec.structs.replace(
        conftest.PLAN, messages=tuple(messages), journeys=tuple(journeys)
    )
    patch.setattr(conftest, "PLAN", made)
    running = Segue(folder, deliver="live", channels=str(folder / "channels.toml"))
    with closing(running):
        yield running


def journey(name: str, on: str, *steps: plan.Node) -> plan.Journey:
    """A journey that an event enters, as often as it comes."""
    return plan.Journey(
        name=name,
        entries=(plan.OnEvent(events=(on,)),),
        exits=(plan.Watch(events=("Never",)),),
        steps=steps,
        start=steps[0].id,
    )

"""A server on a free port over a host that only remembers: for tests of the wire alone.

What happens behind the host is tested with the real one, in tests/integration.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from segue.errors import HostStopped, QueueFull
from segue.hosts.again import Retried
from segue.hosts.arrivals import Answer, Arrival
from segue.hosts.clock import SystemClock
from segue.hosts.facts import Fact
from segue.kernel.effects import Show
from segue.kernel.inputs import Asked
from segue.kernel.plan import Plan, Workspace
from segue.kernel.values import Instant, ProfileId
from segue.server import app as server
from segue.stores.memory import MemoryStore

KEY = "wk_test"


class RememberingHost:
    """Answers in a thread of its own, as the real host does; remembers what it was given."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.state = "well"
        self.listeners: list[Callable[[Sequence[Fact]], None]] = []
        self.retried: list[str] = []
        self.workspace = Workspace(name="shop")

    def submit(self, arrivals: Sequence[Arrival], done: Callable[[list[Answer]], None]) -> None:
        if self.state == "full":
            raise QueueFull(20_000, 3)
        if self.state == "stopped":
            raise HostStopped("the host is stopping")
        threading.Thread(target=done, args=([self._answer(a) for a in arrivals],)).start()

    def _answer(self, arrival: Arrival) -> Answer:
        at, who = Instant(1), ProfileId("p1")
        if self.state == "unavailable":
            return Answer(status="unavailable", at=at)
        self.arrivals.append(arrival)
        if isinstance(arrival.input, Asked):
            show = Show(
                id="s1",
                message="hello",
                placement=arrival.input.placements[0],
                channel="web",
                program="prog",
                data={"traits": {"name": "Ana"}},
                not_after=Instant(1_700_000_000_000),
            )
            return Answer(status="accepted", at=at, profile=who, shows=(show,), question="q1")
        return Answer(status="accepted", at=at, profile=who)

    def retry(self, ids: Sequence[str]) -> Retried:
        self.retried += ids
        return Retried(retried=len(ids))

    def subscribe(self, listener: Callable[[Sequence[Fact]], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def tell(self, *facts: Fact) -> None:
        for listener in self.listeners:
            listener(facts)

    @property
    def unavailable(self) -> str:
        return "the disk is full" if self.state == "unavailable" else ""

    @property
    def program(self) -> Any:
        return SimpleNamespace(plan=Plan(workspace=self.workspace))

    @property
    def events(self) -> list[Any]:
        return [arrival.input for arrival in self.arrivals]


class Running:
    """A server that runs, and a client for it."""

    def __init__(self, host: RememberingHost, settings: server.Settings) -> None:
        self.host = host
        self.store = MemoryStore()
        self.app = server.create_app(
            host,
            self.store,
            settings,
            clock=SystemClock(),
            render=lambda _program, show: {"title": f"Hello {show.data['traits']['name']}"},  # type: ignore[index]
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.server = server.server(self.app, "127.0.0.1", self.port)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=300)

    def start(self) -> None:
        self.thread.start()
        deadline = time.monotonic() + 120
        while not self.server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        self.client.close()
        self.server.should_exit = True
        self.thread.join(timeout=300)
        assert not self.thread.is_alive()

    def post(self, path: str, **options: Any) -> httpx.Response:
        options.setdefault("auth", (KEY, ""))
        return self.client.post(path, **options)


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def begin(**settings: Any) -> Running:
        settings.setdefault("write_keys", {KEY: "shop"})
        one = Running(RememberingHost(), server.Settings(**settings))
        one.start()
        running.append(one)
        return one

    yield begin
    for one in running:
        one.stop()


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    one = Running(RememberingHost(), server.Settings(write_keys={KEY: "shop"}))
    one.start()
    yield one
    one.stop()


@pytest.fixture
def running(shared: Running) -> Running:
    """The module's server, with nothing remembered."""
    shared.host.state = "well"
    shared.host.arrivals.clear()
    shared.host.retried.clear()
    shared.store = shared.app.state.site.store = MemoryStore()
    return shared

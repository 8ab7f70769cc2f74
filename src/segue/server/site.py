"""What all routes share: the host, the store, the settings, and what is counted."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Protocol, TypeAlias, TypeVar

import msgspec
from starlette.requests import HTTPConnection

from segue.channels.links import Links
from segue.channels.secret import Secret
from segue.connectors.webhook import UserBy
from segue.hosts.ports import Clock
from segue.kernel.effects import Show
from segue.server import limits
from segue.server.bridge import Bridge, Host
from segue.server.fetching import Fetch, fetch
from segue.server.metrics import Metrics
from segue.server.stream import Stream
from segue.server.tokens import Tokens
from segue.stores.ports import SetAside, Store

T = TypeVar("T")

Render: TypeAlias = Callable[[str, Show], Mapping[str, str]]
"""Renders what goes into a placement, with the program it was decided by; raises
`Unrenderable` for a template error."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever runs this installation decides about the server.

    `write_keys` maps each key to the source it names. Without an `admin_token`, /api answers
    on loopback names only. `origins` may call /v1 from a browser; `*` means all.
    `simulated_sources` are marked as simulated wherever they show.
    """

    write_keys: Mapping[str, str]
    admin_token: str = ""
    origins: tuple[str, ...] = ("*",)
    simulated_sources: tuple[str, ...] = ("simulation",)
    public_url: str = ""
    """How the outside reaches this server: providers sign the address they called."""
    hook_secrets: Mapping[str, Secret] = {}
    """By source (`hooks.SOURCES`); a source without a secret is not listened to."""
    receipt_secrets: Mapping[str, Secret] = {}
    """What proves each provider's callbacks; for Amazon the ARNs of its topics."""
    verify_tokens: Mapping[str, Secret] = {}
    """By provider: the word with which it asks whether the callback's address is ours."""
    links: Links | None = None
    """Reads the links of messages; without it none is answered."""
    tokens: Path | None = None
    """Where tokens of callbacks are kept (`tokens.py`); without it a restart forgets them."""
    text_replies: bool = False
    """Whether STOP, START and HELP by text are answered from here."""
    customers_by: UserBy = "id"
    """What a source's customer is known by: its own id, or the email address."""
    marketing_topics: tuple[str, ...] = ("marketing",)
    """The topics that a shop's one switch for marketing stands for."""
    push_key: str = ""
    """The public key that browsers subscribe to Web Push with; empty where there is none."""
    shop: str = ""
    """The folder of the demo storefront; none is served where it is empty."""


Workspace: TypeAlias = Callable[[], tuple[str, bytes]]
"""Reads and checks the installation's workspace: its program's hash, and its plan. Raises
`WorkspaceWrong`."""


class Simulation(Protocol):
    """The simulated shoppers of a new workspace, which can be sent home."""

    @property
    def on(self) -> bool:
        """Whether they are about."""
        ...

    def switch(self, on: bool) -> None:
        """Send them home, or call them back; returns at once."""
        ...


class Site:
    """One running server."""

    def __init__(
        self,
        host: Host,
        store: Store,
        settings: Settings,
        clock: Clock,
        render: Render,
        simulation: Simulation | None,
        fetch: Fetch = fetch,
        workspace: Workspace | None = None,
    ) -> None:
        self.host = host
        self.store = store
        self.settings = settings
        self.clock = clock
        self.render = render
        self.simulation = simulation
        self.fetch = fetch
        self.workspace = workspace
        self.tokens = Tokens(settings.tokens, clock.now())
        self.shelving = Lock()
        """Held while what a shop tells of its items is compared with what is known."""
        self.certificates: dict[str, bytes] = {}
        """Amazon's, by address, once one has proved a callback."""
        self.bridge = Bridge(host)
        self.metrics = Metrics()
        self.stream = Stream(self.metrics, settings.simulated_sources)
        self.started_at = clock.now()
        self._threads = ThreadPoolExecutor(limits.STORE_THREADS_MAX, "segue-server")
        self._minute = 0
        self._kept = 0

    async def away(self, work: Callable[[], T]) -> T:
        """Do blocking work in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def set_aside(self, bad: Sequence[SetAside]) -> None:
        """Keep bad inputs with their reasons; beyond the bound they are counted only."""
        self.metrics.set_aside(bad)
        minute = self.clock.now() // 60_000
        if minute != self._minute:
            self._minute, self._kept = minute, 0
        room = limits.SET_ASIDE_PER_MINUTE_MAX - self._kept
        kept = list(bad)[: max(0, room)]
        self._kept += len(kept)
        if kept:
            await self.away(lambda: self.store.commit((), kept))

    def close(self) -> None:
        """Let go of threads and of the host's facts."""
        self.stream.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


def site_of(request: HTTPConnection) -> Site:
    """The site that answers this request."""
    site: Site = request.app.state.site
    return site

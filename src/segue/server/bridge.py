"""Where the event loop meets the host's thread.

A submission is answered through a future of the loop. The host's thread completes many of them
per commit, so wake-ups of the loop are coalesced: one per commit, not one per request.
"""

import asyncio
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Protocol

from segue.errors import StoreUnavailable
from segue.hosts.again import Retried
from segue.hosts.arrivals import Answer, Arrival
from segue.hosts.facts import Fact
from segue.hosts.publishing import Modes, Outlook
from segue.kernel.program import Program
from segue.kernel.values import Record
from segue.stores.ports import ItemLine


class Host(Protocol):
    """What the server needs of a host: `hosts.loop.Host` and `hosts.embedded.Embedded` have it."""

    def submit(self, arrivals: Sequence[Arrival], done: Callable[[list[Answer]], None]) -> None:
        """Queue arrivals; raises `QueueFull` or `HostStopped`."""
        ...

    def outlook(self, name: str, plan: bytes, modes: Modes) -> tuple[Outlook, ...]:
        """What publishing a plan would mean for the runs that are live."""
        ...

    def publish(self, name: str, plan: bytes, modes: Modes | None = None) -> Program:
        """Put a plan in force; `modes` say what becomes of runs of older ones."""
        ...

    def retry(self, ids: Sequence[str]) -> Retried:
        """Queue dead letters again."""
        ...

    def put_items(self, changes: Sequence[tuple[str, str, Record | None]]) -> list[ItemLine]:
        """Change items of catalogs; whom it concerns is told in the background."""
        ...

    def subscribe(self, listener: Callable[[Sequence[Fact]], None]) -> Callable[[], None]:
        """Tell a listener of every commit; returns how to end it."""
        ...

    @property
    def program(self) -> Program:
        """The program in force."""
        ...

    @property
    def unavailable(self) -> str:
        """Why nothing can be saved just now; empty while all is well."""
        ...


class Bridge:
    """Submits for coroutines."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._lock = Lock()
        self._ready: list[tuple[asyncio.Future[list[Answer]], list[Answer]]] = []

    async def ask(self, arrivals: Sequence[Arrival]) -> list[Answer]:
        """The answers, in order, once all are committed.

        Raises `QueueFull`, `HostStopped`, or `StoreUnavailable` if the store could not save.
        """
        if not arrivals:
            return []
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Answer]] = loop.create_future()
        self._host.submit(arrivals, lambda answers: self._done(loop, future, answers))
        answers = await future
        if any(answer.status == "unavailable" for answer in answers):
            raise StoreUnavailable("the store can't save now; nothing was accepted")
        return answers

    def _done(
        self,
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[list[Answer]],
        answers: list[Answer],
    ) -> None:
        """In the host's thread."""
        with self._lock:
            first = not self._ready
            self._ready.append((future, answers))
        if first:
            try:
                loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:
                pass  # The loop was closed while the host was still answering: nobody waits.

    def _deliver(self) -> None:
        """In the event loop."""
        with self._lock:
            ready, self._ready = self._ready, []
        for future, answers in ready:
            if not future.done():
                future.set_result(answers)

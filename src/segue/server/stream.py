"""Life as it happens: facts from the host, to everyone who watches, as server-sent events.

Rule 1: facts come in the host's listener thread and leave in the event loop; frames are made
    once for all readers.
Rule 2: everything is bounded. A frame carries at most so many facts (plain events give way
    first, and are counted); a reader that lags too far behind is let go.
Rule 3: what came from simulated shoppers says so, and so does all that it led to.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from threading import Lock

import msgspec

from segue.errors import TooManyWatchers
from segue.hosts.facts import Fact
from segue.kernel.values import NEVER, ProfileId
from segue.server import limits
from segue.server.metrics import Metrics
from segue.server.words import because
from segue.stores.ports import Store

_encode = msgspec.json.Encoder().encode


class Shown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A fact as the page gets it."""

    n: int
    kind: str
    at: int
    profile: str
    name: str
    detail: dict[str, object]
    simulated: bool = False


class Stream:
    """Takes facts, hands frames to readers."""

    def __init__(self, metrics: Metrics, simulated_sources: Sequence[str]) -> None:
        self._metrics = metrics
        self._sources = frozenset(simulated_sources)
        self._lock = Lock()
        self._waiting: list[Shown] = []
        self._skipped = 0
        self._recent: deque[Shown] = deque(maxlen=limits.RECENT_FACTS_MAX)
        self._simulated: dict[str, bool] = {}
        self._count = 0
        self._readers: set[asyncio.Queue[bytes | None]] = set()
        self._pump: asyncio.Task[None] | None = None
        self._leave: Callable[[], None] = lambda: None
        self.dropped = 0

    def open(
        self, subscribe: Callable[[Callable[[Sequence[Fact]], None]], Callable[[], None]]
    ) -> None:
        """Start to listen; in the event loop."""
        self._leave = subscribe(self.listen)
        self._pump = asyncio.get_running_loop().create_task(self._run())

    def close(self) -> None:
        """Stop listening and let every reader go."""
        self._leave()
        if self._pump is not None:
            self._pump.cancel()
        for reader in list(self._readers):
            self._dismiss(reader)

    @property
    def watchers(self) -> int:
        """How many read."""
        return len(self._readers)

    def simulated(self, store: Store, profiles: Iterable[str]) -> set[str]:
        """Which of these profiles are simulated shoppers'; in a thread, for it asks the log.

        A profile that has not been heard of since the start is what its first event says.
        """
        found: set[str] = set()
        for profile in dict.fromkeys(profiles):
            with self._lock:
                known = self._simulated.get(profile)
            if known is None:
                log = store.history(ProfileId(profile))[:1]
                known = any(line.event.source in self._sources for line in log)
                with self._lock:
                    self._learn(profile, known)
            if known:
                found.add(profile)
        return found

    def _learn(self, profile: str, simulated: bool) -> None:
        self._simulated[profile] = simulated
        if len(self._simulated) > limits.SIMULATED_PROFILES_MAX:
            del self._simulated[next(iter(self._simulated))]

    def listen(self, facts: Sequence[Fact]) -> None:
        """In the host's listener thread."""
        self._metrics.told(facts)
        with self._lock:
            for fact in facts:
                shown = self._shown(fact)
                self._recent.append(shown)
                if not self._readers:
                    continue
                most = limits.FRAME_FACTS_MAX * (1 if fact.kind == "event" else 2)
                if len(self._waiting) >= most:
                    self._skipped += 1
                else:
                    self._waiting.append(shown)

    def _shown(self, fact: Fact) -> Shown:
        if fact.kind == "event" and not fact.detail.get("emitted"):
            simulated = fact.detail.get("source") in self._sources
            if self._simulated.get(fact.profile) is not simulated:
                self._learn(fact.profile, simulated)
        self._count += 1
        return Shown(
            n=self._count,
            kind=fact.kind,
            at=fact.at,
            profile=fact.profile,
            name=fact.name,
            detail=_detail(fact),
            simulated=self._simulated.get(fact.profile, False),
        )

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(limits.FRAME_MS / 1000)
            with self._lock:
                facts, self._waiting = self._waiting, []
                skipped, self._skipped = self._skipped, 0
            if (facts or skipped) and self._readers:
                self._send(_frame("facts", {"facts": facts, "skipped": skipped}))

    def _send(self, frame: bytes) -> None:
        for reader in list(self._readers):
            try:
                reader.put_nowait(frame)
            except asyncio.QueueFull:
                self.dropped += 1
                self._dismiss(reader)

    def _dismiss(self, reader: asyncio.Queue[bytes | None]) -> None:
        """Let a reader go: what it has not read yet is dropped."""
        self._readers.discard(reader)
        while not reader.empty():
            reader.get_nowait()
        reader.put_nowait(None)

    def admit(self) -> asyncio.Queue[bytes | None]:
        """A place for one more reader, or `TooManyWatchers`."""
        if len(self._readers) >= limits.WATCHERS_MAX:
            raise TooManyWatchers(f"{limits.WATCHERS_MAX} readers watch already")
        reader: asyncio.Queue[bytes | None] = asyncio.Queue(limits.WATCHER_QUEUE_MAX)
        with self._lock:
            recent = list(self._recent)
        reader.put_nowait(_frame("recent", {"facts": recent, "skipped": 0}))
        self._readers.add(reader)
        return reader

    async def read(self, reader: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
        """Frames for one reader until it is let go or goes away."""
        try:
            yield b"retry: 1500\n\n"
            while True:
                try:
                    frame = await asyncio.wait_for(reader.get(), limits.HEARTBEAT_MS / 1000)
                except TimeoutError:
                    frame = b": still here\n\n"
                if frame is None:
                    return
                yield frame
        finally:
            with contextlib.suppress(KeyError):
                self._readers.remove(reader)


def _detail(fact: Fact) -> dict[str, object]:
    """The particulars, with the reason in words beside its code."""
    detail: dict[str, object] = dict(fact.detail)
    if fact.kind in ("decision", "run", "withdraw") and detail.get("reason"):
        detail["text"] = because(str(detail["reason"]))
    if detail.get("until") == NEVER:
        detail["until"] = None
    return detail


def _frame(name: str, data: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), _encode(data))

"""To the open page: that it should ask again, or that an offer was withdrawn.

Rule 1: a page hears of its own customer only, and nothing but that something changed; what
    changed it learns by asking (`POST /v1/decide`), where every guardrail is met.
Rule 2: signals are kept per profile, a few each, and pages read from there: a slow page costs
    no memory, and one that can't be written to is let go.
Rule 3: a page that missed something hears of it by its cursor (`Last-Event-ID`, `after`);
    where that reaches back too far, or to before a restart, it is told to ask again.
"""

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from threading import Lock

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from segue.connectors.limits import ID_CHARS_MAX
from segue.connectors.segment import PLACEHOLDERS
from segue.errors import NobodyNamed, NothingUsable, SegueError, TooManyWatchers
from segue.hosts.facts import Fact
from segue.kernel.values import ProfileId
from segue.server import auth, limits
from segue.server.site import Site, site_of
from segue.stores.ports import Identifier

NOBODY = ProfileId("")
_encode = msgspec.json.Encoder().encode
_CHANGES = frozenset({"entered", "moved"})
"""What a run does when an offer may have begun to stand."""


class Signal(msgspec.Struct, frozen=True):
    """Something for one profile's pages; `withdrawn` is an offer's id, else they should ask."""

    n: int
    at: int
    withdrawn: str


class News(msgspec.Struct, frozen=True):
    """What a page has not heard yet."""

    cursor: str
    decide: bool
    withdrawn: tuple[str, ...]


class Page:
    """One open page that listens."""

    def __init__(self, names: tuple[Identifier, ...]) -> None:
        self.names = names
        self.profile = NOBODY
        self.changed = asyncio.Event()


class Pushes:
    """Takes facts, wakes pages."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = Lock()
        self._signals: OrderedDict[str, deque[Signal]] = OrderedDict()
        self._shown: OrderedDict[str, None] = OrderedDict()
        """By profile and id: ids are unique within a profile only."""
        self._pages: dict[str, set[Page]] = {}
        self._listening = 0
        self._count = 0
        self._forgotten = 0
        """The number of the newest signal that is not kept any more."""
        self._epoch = format(site.clock.now(), "x")
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leave: Callable[[], None] = lambda: None

    def open(
        self, subscribe: Callable[[Callable[[Sequence[Fact]], None]], Callable[[], None]]
    ) -> None:
        """Start to listen; in the event loop."""
        self._loop = asyncio.get_running_loop()
        self._leave = subscribe(self.listen)

    def close(self) -> None:
        """Stop listening, and let every page go: it comes back by itself."""
        leave, self._leave = self._leave, lambda: None
        leave()
        self._closed = True
        with self._lock:
            pages = {page for listening in self._pages.values() for page in listening}
        _wake(pages)

    @property
    def listening(self) -> int:
        """How many pages listen."""
        return self._listening

    # ── facts in: in the host's listener thread ──

    def listen(self, facts: Sequence[Fact]) -> None:
        """Keep what concerns pages, and wake those that are open."""
        woken: set[Page] = set()
        with self._lock:
            for fact in facts:
                if self._takes(fact):
                    woken |= self._pages.get(fact.profile, set())
        if woken and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody listens
                self._loop.call_soon_threadsafe(_wake, woken)

    def _takes(self, fact: Fact) -> bool:
        match fact.kind:
            case "show":
                self._shown[f"{fact.profile} {fact.detail['id']}"] = None
                if len(self._shown) > limits.SHOWN_REMEMBERED_MAX:
                    self._shown.popitem(last=False)
                return False
            case "run" if fact.detail.get("change") in _CHANGES:
                self._keep(fact, "")
            case "withdraw":
                # An email that was withdrawn is no page's business. What we do not remember
                # as shown may have been shown before a restart: the page asks, and sees.
                known = self._shown.pop(f"{fact.profile} {fact.name}", "unknown") is None
                self._keep(fact, fact.name if known else "")
            case _:
                return False
        return True

    def _keep(self, fact: Fact, withdrawn: str) -> None:
        self._count += 1
        kept = self._signals.setdefault(fact.profile, deque())
        kept.append(Signal(self._count, fact.at, withdrawn))
        self._signals.move_to_end(fact.profile)
        if len(kept) > limits.SIGNALS_PER_PROFILE_MAX:
            # It may have been a withdrawal: a page that has not heard of it asks instead.
            kept.popleft()
            kept[0] = Signal(kept[0].n, kept[0].at, "")
        if len(self._signals) > limits.SIGNALLED_PROFILES_MAX:
            _, dropped = self._signals.popitem(last=False)
            self._forgotten = max(self._forgotten, dropped[-1].n)

    # ── news out: in the event loop ──

    def since(self, profile: str, cursor: str) -> News:
        """What a page of this profile has not heard, that heard last of `cursor`.

        A page without a cursor has just asked; what happened meanwhile is a moment ago.
        """
        epoch, _, number = cursor.partition("-")
        seen = int(number) if number.isascii() and number.isdigit() else -1
        with self._lock:
            now = f"{self._epoch}-{self._count}"
            kept = list(self._signals.get(profile, ()))
            lost = epoch != self._epoch or seen < self._forgotten
        if not cursor:
            since = self._site.clock.now() - limits.MOMENT_MS
            kept = [signal for signal in kept if signal.at >= since]
            lost = False
        else:
            kept = [signal for signal in kept if signal.n > seen]
        return News(
            now,
            decide=lost or any(not signal.withdrawn for signal in kept),
            withdrawn=tuple(signal.withdrawn for signal in kept if signal.withdrawn),
        )

    async def named(self, names: Sequence[Identifier]) -> ProfileId:
        """The profile that these identifiers name today, the user's before the browser's."""
        found = await self._site.away(lambda: self._site.store.resolve(names))
        return next((found[name] for name in names if name in found), NOBODY)

    async def frames(self, page: Page, cursor: str) -> AsyncIterator[bytes]:
        """Frames for one page until it goes away."""
        yield b"retry: 2000\n\n"
        await self._attach(page)
        pause = limits.UNKNOWN_RETRY_MS
        told = bool(cursor)
        while not self._closed:
            news = self.since(page.profile, cursor)
            frame = _frames(news) if page.profile else b""
            if not told and not frame:
                frame = b"event: hello\nid: %s\ndata: {}\n\n" % news.cursor.encode()
            # Until it is known whose page it is, it has missed nothing: no cursor yet.
            cursor = news.cursor if page.profile else cursor
            told = told or bool(frame)
            page.changed.clear()
            if frame:
                yield frame
            wait = limits.PAGE_HEARTBEAT_MS if page.profile else pause
            try:
                await asyncio.wait_for(page.changed.wait(), wait / 1000)
                continue
            except TimeoutError:
                pause = min(pause * 2, limits.PAGE_HEARTBEAT_MS)
            if await self._attach(page):
                yield _decide(cursor or news.cursor)
            elif wait == limits.PAGE_HEARTBEAT_MS:
                yield b": still here\n\n"

    async def _attach(self, page: Page) -> bool:
        """Listen for whom the page's ids name today; whether that is another than before."""
        profile = await self.named(page.names)
        before = page.profile
        if profile == before:
            return False
        with self._lock:
            self._detach(page)
            page.profile = profile
            self._pages.setdefault(profile, set()).add(page)
        return before != NOBODY

    def _detach(self, page: Page) -> None:
        pages = self._pages.get(page.profile, set())
        pages.discard(page)
        if not pages:
            self._pages.pop(page.profile, None)

    def admit(self, names: tuple[Identifier, ...]) -> Page:
        """A place for one more page, or `TooManyWatchers`."""
        if self._listening >= limits.PAGES_MAX:
            raise TooManyWatchers(f"{limits.PAGES_MAX:,} pages listen already")
        self._listening += 1
        return Page(names)

    def leave(self, page: Page) -> None:
        """The page is gone."""
        self._listening -= 1
        with self._lock:
            self._detach(page)


def _wake(pages: set[Page]) -> None:
    for page in pages:
        page.changed.set()


def _frames(news: News) -> bytes:
    cursor = news.cursor.encode()
    parts = [
        b"event: withdraw\nid: %s\ndata: %s\n\n" % (cursor, _encode({"id": one}))
        for one in news.withdrawn
    ]
    if news.decide:
        parts.append(_decide(news.cursor))
    return b"".join(parts)


def _decide(cursor: str) -> bytes:
    return b"event: decide\nid: %s\ndata: {}\n\n" % cursor.encode()


class _Line(Response):
    """An open answer. A reader that takes nothing for a while is let go."""

    def __init__(self, pushes: Pushes, page: Page, cursor: str) -> None:
        super().__init__(
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
        del self.headers["content-length"]
        self._pushes = pushes
        self._page = page
        self._cursor = cursor

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        writing = asyncio.ensure_future(self._write(send))
        try:
            gone = asyncio.ensure_future(_gone(receive))
            await asyncio.wait((writing, gone), return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
        finally:
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError, TimeoutError, OSError):
                await writing
            self._pushes.leave(self._page)

    async def _write(self, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": self.raw_headers},
        )
        with contextlib.suppress(SegueError):  # the store is away: the page comes back by itself
            async for frame in self._pushes.frames(self._page, self._cursor):
                body: Message = {"type": "http.response.body", "body": frame, "more_body": True}
                await asyncio.wait_for(send(body), limits.SLOW_PAGE_MS / 1000)
        await send({"type": "http.response.body", "body": b""})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _asked(request: Request) -> tuple[Pushes, tuple[Identifier, ...]]:
    """Who asks, by a known write key: the user's id before the browser's."""
    auth.source_of(auth.header_key(request), site_of(request).settings.write_keys)
    names: list[Identifier] = []
    for kind, parameter in (("user", "userId"), ("anonymous", "anonymousId")):
        value = request.query_params.get(parameter, "").strip()
        if len(value) > ID_CHARS_MAX or "\x00" in value:
            raise NothingUsable(f"{parameter} has more than {ID_CHARS_MAX} characters")
        if value and value.lower() not in PLACEHOLDERS:
            names.append(Identifier(kind, value))
    if not names:
        raise NobodyNamed
    pushes: Pushes = request.app.state.pushes
    return pushes, tuple(names)


async def live(request: Request) -> Response:
    """What concerns an open page, as server-sent events."""
    pushes, names = _asked(request)
    cursor = request.headers.get("last-event-id", "") or request.query_params.get("after", "")
    return _Line(pushes, pushes.admit(names), cursor[: limits.CURSOR_CHARS_MAX])


async def poll(request: Request) -> Response:
    """The same, once, for pages that no stream reaches."""
    pushes, names = _asked(request)
    cursor = request.query_params.get("after", "")[: limits.CURSOR_CHARS_MAX]
    news = pushes.since(await pushes.named(names), cursor)
    headers = {"Cache-Control": "no-store"}
    return Response(_encode(news), headers=headers, media_type="application/json")

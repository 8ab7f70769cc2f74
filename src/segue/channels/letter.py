"""The facts that adapters speak in, and their two roles.

Rule 1: an `Adapter` only translates. It opens nothing, reads no clock, draws nothing: the same
    letter gives the same request.
Rule 2: a `Line` does the I/O for one provider and knows how far a letter had come when
    something broke: before the provider could have taken it (`try_later`), or after (`unknown`).
Rule 3: neither raises for what a provider did. `compose` raises `Unsupported` or `BadAddress`
    for a letter that this provider can't carry.
"""

from collections.abc import Sequence
from typing import Literal as OneOf, Protocol, runtime_checkable

import msgspec

from segue.channels import limits
from segue.hosts.ports import Outcome
from segue.kernel.values import NEVER, Instant


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A rendered message on its way to one address. `id` is the send's, and never changes."""

    id: str
    channel: str
    address: str
    fields: dict[str, str]
    at: Instant
    message: str = ""
    topic: str = ""
    purpose: OneOf["marketing", "transactional"] = "marketing"
    tags: tuple[str, ...] = ()
    profile: str = ""
    unsubscribe_url: str = ""
    expires_at: Instant = NEVER
    """When it is of no use any more."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP request, whole. Its headers may hold secrets, so it is never shown."""

    method: str
    url: str
    headers: dict[str, str] = {}
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url.split('?')[0]})"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came back over HTTP; header names are in lower case."""

    status: int
    headers: dict[str, str] = {}
    body: bytes = b""


class Adapter(Protocol):
    """Translates letters into one provider's HTTP requests, and its replies into outcomes."""

    @property
    def name(self) -> str:
        """The provider, as the feature matrix names it."""
        ...

    @property
    def resends_safely(self) -> bool:
        """Whether the provider recognises a repeated idempotency key."""
        ...

    def compose(self, letter: Letter) -> Request:
        """The request that hands this letter over."""
        ...

    def interpret(self, reply: Reply) -> Outcome:
        """What the provider's reply says of the letter."""
        ...


class Line(Protocol):
    """Carries letters to one provider."""

    @property
    def resends_safely(self) -> bool:
        """Whether a letter may be carried again without the customer getting it twice."""
        ...

    async def carry(self, letter: Letter) -> Outcome:
        """Hand the letter over, and say what became of it."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class Together(Protocol):
    """A line that carries many letters in one request."""

    async def carry_all(self, letters: Sequence[Letter]) -> list[Outcome]:
        """Outcomes in the order of the letters."""
        ...


def accepted(provider_id: str = "", detail: str = "") -> Outcome:
    """The provider took it."""
    return Outcome(result="accepted", provider_id=provider_id, detail=brief(detail))


def try_later(detail: str, after_ms: int = 0) -> Outcome:
    """It was not taken, but may be."""
    return Outcome(result="try_later", detail=brief(detail), after_ms=after_ms)


def in_trouble(name: str, seconds: float, *, down: bool = False) -> Outcome:
    """The provider is left alone for a while (`breaker.py`)."""
    after_ms = max(1, int(seconds * 1000))
    said = try_later(f"{name} is in trouble and left alone", after_ms)
    return msgspec.structs.replace(said, down=down)


def refused(detail: str) -> Outcome:
    """It will never be taken on this channel."""
    return Outcome(result="refused", detail=brief(detail))


def unreachable(detail: str) -> Outcome:
    """The address is dead for good."""
    return Outcome(result="unreachable", detail=brief(detail))


def unrenderable(detail: str) -> Outcome:
    """The message itself is wrong."""
    return Outcome(result="unrenderable", detail=brief(detail))


def unknown(detail: str) -> Outcome:
    """It may have been taken."""
    return Outcome(result="unknown", detail=brief(detail))


def brief(text: str) -> str:
    """A provider's words in one bounded line."""
    line = " ".join(text.split())
    kept = limits.DETAIL_CHARACTERS_MAX
    return line if len(line) <= kept else line[: kept - 1] + "…"


def by_status(reply: Reply, name: str, *, resends_safely: bool = False) -> Outcome:
    """What an HTTP status that is no success says, for providers that keep to its meaning.

    401 and 403 are the operator's keys, and 404 or 405 the operator's address: every letter
    would meet them, so the letter waits for the correction rather than leave by a dearer
    channel. After 504 nobody can say whether the provider behind the gateway took it.
    """
    detail = f"{name}: HTTP {reply.status} {reply.body[:2000].decode(errors='replace')}"
    match reply.status:
        case 408 | 425 | 429 | 500 | 502 | 503:
            return try_later(detail, retry_after_ms(reply))
        case 504:
            return try_later(detail) if resends_safely else unknown(detail)
        case 401 | 403 | 404 | 405:
            return try_later(detail)
        case status if 300 <= status < 400 or status >= 500:
            return try_later(detail)
        case _:
            return refused(detail)


def retry_after_ms(reply: Reply) -> int:
    """`Retry-After` in seconds; a date, or nonsense, counts as not given."""
    said = reply.headers.get("retry-after", "").strip()
    return min(int(said), 86_400) * 1000 if said.isascii() and said.isdigit() else 0

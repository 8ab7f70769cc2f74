"""HTTP lines: one client for all providers, and what a broken exchange means.

Rule 1: what failed while connecting was never sent: `try_later`. What failed after may have
    arrived: `unknown`, unless the provider knows a repeated key; then `try_later` is safe.
Rule 2: redirects are not followed: a letter goes to the address in the settings or nowhere.
Rule 3: a reply is read up to a bound.
Rule 4: where an author chooses the address (webhooks), it is resolved once, every address it
    has is checked by `guard`, and the connection goes to a checked one. A name that resolves
    differently the second time gains nothing.
"""

import asyncio
import functools
import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from segue.channels import limits
from segue.channels.breaker import Breaker
from segue.channels.letter import (
    Adapter,
    Letter,
    Reply,
    Request,
    in_trouble,
    refused,
    retry_after_ms,
    try_later,
    unknown,
    unrenderable,
)
from segue.channels.login import Login, Token
from segue.errors import BadAddress, Unsupported
from segue.hosts.ports import Outcome
from segue.kernel.values import Instant

if TYPE_CHECKING:
    import httpx  # a sixteenth of what starting takes, so it is left until it is used

Resolve = Callable[[str, int], Sequence[str]]


class Forbidden(Exception):
    """The address lies inside the network that Segue runs in."""


class Wire:
    """The HTTP client, opened in the loop that first uses it."""

    def __init__(
        self,
        *,
        answer_seconds: float = limits.ANSWER_SECONDS_MAX,
        connect_seconds: float = limits.CONNECT_SECONDS_MAX,
    ) -> None:
        self._seconds = answer_seconds, connect_seconds
        self._client: httpx.AsyncClient | None = None

    async def exchange(self, request: Request, guard: "Guard | None" = None) -> Reply:
        """Send one request and read its reply. Raises what `httpx` raises, and `Forbidden`."""
        import httpx

        url, headers, extensions = httpx.URL(request.url), dict(request.headers), {}
        if guard is not None:
            host = url.host
            address = await guard.pick(host, url.port or (443 if url.scheme == "https" else 80))
            headers.setdefault("Host", url.netloc.decode("ascii"))
            url = url.copy_with(host=address)
            extensions = {"sni_hostname": host}
        stream = self._open().stream(
            request.method, url, headers=headers, content=request.body, extensions=extensions
        )
        async with stream as response:
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) >= limits.REPLY_BYTES_MAX:
                    break
            names = {name.lower(): value for name, value in response.headers.items()}
            return Reply(
                status=response.status_code,
                headers=names,
                body=bytes(body[: limits.REPLY_BYTES_MAX]),
            )

    async def close(self) -> None:
        """Close kept connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _open(self) -> "httpx.AsyncClient":
        if self._client is None:
            import httpx

            answer, connect = self._seconds
            # It logs every address, and some addresses are secrets (Slack's, for one).
            logging.getLogger("httpx").setLevel(logging.WARNING)
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(answer, connect=connect),
                follow_redirects=False,
                verify=_trusted(),
                trust_env=False,
                limits=httpx.Limits(max_connections=limits.DELIVERIES_AT_ONCE_MAX),
                headers={"User-Agent": "segue"},
            )
        return self._client


class HttpLine:
    """Carries letters to one provider over HTTP."""

    def __init__(
        self,
        adapter: Adapter,
        wire: Wire,
        guard: "Guard | None" = None,
        login: Login | None = None,
    ) -> None:
        self.adapter = adapter
        self._key = Key(login, wire) if login is not None else None
        self._wire = wire
        self._guard = guard
        self._breaker = Breaker()

    @property
    def resends_safely(self) -> bool:
        """As the provider does."""
        return self.adapter.resends_safely

    async def carry(self, letter: Letter) -> Outcome:
        """Rule 1."""
        try:
            request = self.adapter.compose(letter)
        except (BadAddress, Unsupported) as error:
            return refused(str(error))
        except (ValueError, KeyError, TypeError) as error:
            return unrenderable(f"{self.adapter.name}: {type(error).__name__}: {error}")
        answer = await self.exchange(request, letter.at)
        return answer if isinstance(answer, Outcome) else self.interpret(answer)

    async def exchange(self, request: Request, at: Instant) -> Reply | Outcome:
        """Send one request: the provider's reply, or what it means that there is none."""
        import httpx

        now = asyncio.get_running_loop().time
        seconds = self._breaker.wait(now())
        if seconds:
            return in_trouble(self.adapter.name, seconds, down=self._breaker.down(now()))
        try:
            if self._key is not None:
                request = await self._key.used(request, at, now())
        except (httpx.HTTPError, ValueError) as error:
            # No token, so nothing was sent: whoever gives them is away, or our key is wrong.
            self._breaker.failed(now())
            self._breaker.ended()
            return try_later(self._words(error))
        try:
            reply = await self._wire.exchange(request, self._guard)
        except Forbidden as error:
            return refused(str(error))
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            return refused(self._words(error))
        except httpx.PoolTimeout as error:
            return try_later(self._words(error))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            self._breaker.failed(now())
            return try_later(self._words(error))
        except httpx.HTTPError as error:
            self._breaker.failed(now())
            return self._doubtful(self._words(error))
        except asyncio.CancelledError:
            self._breaker.failed(now())
            raise
        else:
            self._noted(reply, now())  # while the letter still is the probe that it went as
            return reply
        finally:
            self._breaker.ended()

    def _noted(self, reply: Reply, now: float) -> None:
        """What the reply says of the provider's health, and of our token."""
        if reply.status == 401 and self._key is not None:
            self._key.forget()
        if reply.status >= 500:
            self._breaker.failed(now)
        else:
            self._breaker.worked()
        after_ms = retry_after_ms(reply) if reply.status in {429, 503} else 0
        if after_ms:
            self._breaker.asked_to_wait(now, after_ms / 1000)

    def interpret(self, reply: Reply) -> Outcome:
        """What the reply says of the letter, also where it is not in the provider's form."""
        try:
            return self.adapter.interpret(reply)
        except (ValueError, KeyError, TypeError) as error:
            # A reply that is not in the provider's form (a proxy's page, say).
            return self._doubtful(f"{self._words(error)}; HTTP {reply.status}")

    async def close(self) -> None:
        """The wire is shared; the courier closes it."""

    def _doubtful(self, detail: str) -> Outcome:
        return try_later(detail) if self.resends_safely else unknown(detail)

    def _words(self, error: Exception) -> str:
        return f"{self.adapter.name}: {type(error).__name__}: {error}"


class Key:
    """A provider's token, asked for when it is needed and kept while it is good."""

    def __init__(self, login: Login, wire: Wire) -> None:
        self._login = login
        self._wire = wire
        self._token: Token | None = None
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def used(self, request: Request, at: Instant, now: float) -> Request:
        """The request with its token. Raises what `httpx` raises, and `ValueError`."""
        async with self._asking:
            if self._token is None or now >= self._until:
                reply = await self._wire.exchange(self._login.compose(at))
                self._token = self._login.interpret(reply)
                self._until = now + max(self._token.seconds - limits.TOKEN_SECONDS_LEFT, 0)
            header = self._token.header.reveal()
        return msgspec.structs.replace(
            request, headers={**request.headers, "Authorization": header}
        )

    def forget(self) -> None:
        """It was refused."""
        self._token = None


class Guard:
    """Keeps calls out of the network that Segue runs in."""

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._allowed = [ipaddress.ip_network(network, strict=False) for network in allowed]

    async def pick(self, host: str, port: int) -> str:
        """An address of the host that may be called. Raises `Forbidden` or a connect error."""
        import httpx

        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{host}: {error}") from error
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            if not self.allows(address):
                raise Forbidden(f"{host} lies in a private network ({address}); it is not allowed")
        if not addresses:
            raise httpx.ConnectError(f"{host} has no address")
        return addresses[0]

    def allows(self, address: str) -> bool:
        """Whether an address is public, or allowed by name."""
        parsed = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
        inner = _embedded(parsed)
        if any(inner in network for network in self._allowed if network.version == inner.version):
            return True
        return inner.is_global and not inner.is_multicast


def _embedded(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address inside an IPv6 one that only wraps it (mapped, 6to4, NAT64)."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Reading the authorities takes a tenth of a second; once is enough."""
    import httpx

    return httpx.create_ssl_context(trust_env=False)

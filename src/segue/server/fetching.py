"""Fetching what a provider names: Amazon's certificates, and the confirmation of a subscription.

Rule: the caller has checked whose address it is. Here it is fetched over TLS, once, without
following redirects, in bounded time and size.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from segue.errors import FetchFailed
from segue.server import limits

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]
"""The body at an address. Raises `FetchFailed`."""


async def fetch(url: str) -> bytes:
    """`Fetch`, over the network."""
    import httpx

    try:
        async with (
            httpx.AsyncClient(
                timeout=limits.FETCH_SECONDS_MAX, follow_redirects=False, trust_env=False
            ) as client,
            client.stream("GET", url) as response,
        ):
            if response.status_code != 200:
                raise FetchFailed(
                    f"{url.split('?', maxsplit=1)[0]} answered {response.status_code}"
                )
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > limits.FETCHED_BYTES_MAX:
                    raise FetchFailed(f"{url.split('?', maxsplit=1)[0]} is too large")
            return bytes(body)
    except httpx.HTTPError as error:
        raise FetchFailed(f"{url.split('?', maxsplit=1)[0]}: {type(error).__name__}") from error

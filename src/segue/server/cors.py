"""Cross-origin answers for the routes that pages of the shop call.

`sendBeacon` and `fetch(keepalive)` send credentials, for which browsers accept no `*`: so the
caller's own origin is given back. Nothing here ever looks at a cookie, so this gives nothing
away. /api gets no such headers: only its own page may read it.
"""

from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PREFIXES = ("/v1/", "/beacon/", "/sourceConfig")


class Cors:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._all = "*" in origins
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_PREFIXES):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        allowed = bool(origin) and (self._all or origin in self._origins)
        if scope["method"] == "OPTIONS":
            await self._preflight(headers, origin if allowed else "", send)
            return
        if not origin:
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                sent.add_vary_header("Origin")
                if allowed:
                    sent["Access-Control-Allow-Origin"] = origin
                    sent["Access-Control-Allow-Credentials"] = "true"
                    sent["Access-Control-Expose-Headers"] = "Retry-After"
            await send(message)

        await self._app(scope, receive, with_headers)

    async def _preflight(self, headers: Headers, origin: str, send: Send) -> None:
        """Answered without asking the route: what is allowed is the same for all."""
        answer: dict[str, str] = {"Vary": "Origin, Access-Control-Request-Headers"}
        if origin:
            wanted = headers.get("access-control-request-headers", "")
            answer |= {
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Allow-Credentials": "true",
                "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
                "Access-Control-Allow-Headers": wanted or "authorization, content-type",
                "Access-Control-Max-Age": "86400",
            }
            if headers.get("access-control-request-private-network") == "true":
                answer["Access-Control-Allow-Private-Network"] = "true"
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.items()]
        await send({"type": "http.response.start", "status": 204, "headers": raw})
        await send({"type": "http.response.body", "body": b""})

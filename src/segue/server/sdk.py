"""The browser SDK's file: `/segue.js`, and the same under an address that never changes.

`/segue.js` is what pages name: caches ask again after five minutes, and are told 304 while it
is the same. `/segue/{tag}/segue.js` names its content, for shops that pin a version (with
`integrity`) and for caches that may keep it for ever; `Content-Location` tells it.
The file is built from web/sdk (docs/adr/0011-built-sdk.md).
"""

import gzip
import hashlib
from functools import cache
from importlib import resources
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segue.errors import NoSuchThing
from segue.server import push

_FRESH: Final = "public, max-age=300, stale-while-revalidate=86400"
_FOREVER: Final = "public, max-age=31536000, immutable"
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Vary": "Accept-Encoding",
}


class _File(msgspec.Struct, frozen=True):
    body: bytes
    packed: bytes
    tag: str


@cache
def _file() -> _File:
    """Read and packed once."""
    body = resources.files("segue.server").joinpath("static/segue.js").read_bytes()
    tag = hashlib.blake2b(body, digest_size=8).hexdigest()
    return _File(body, gzip.compress(body, 9, mtime=0), tag)


async def script(request: Request) -> Response:
    """`/segue.js`: fresh for five minutes, then asked for by its tag."""
    return _respond(request, _FRESH)


async def pinned(request: Request) -> Response:
    """`/segue/{tag}/segue.js`: this content and no other."""
    if request.path_params["tag"] != _file().tag:
        raise NoSuchThing("there is no such version of segue.js; /segue.js is the one of today")
    return _respond(request, _FOREVER)


def _respond(request: Request, caching: str) -> Response:
    file = _file()
    packed = "gzip" in request.headers.get("accept-encoding", "")
    tag = f'"{file.tag}{"-gz" if packed else ""}"'
    headers = {
        **_HEADERS,
        "Cache-Control": caching,
        "ETag": tag,
        "Content-Location": f"/segue/{file.tag}/segue.js",
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
    body = file.packed if packed else file.body
    return Response(body, headers=headers, media_type="text/javascript")


ROUTES: Final = (
    Route("/segue.js", script, methods=["GET"]),
    Route("/segue/{tag}/segue.js", pinned, methods=["GET"]),
    Route("/v1/live", push.live, methods=["GET"]),
    Route("/v1/poll", push.poll, methods=["GET"]),
)
"""What the browser SDK asks for besides events and decisions."""

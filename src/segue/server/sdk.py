"""The browser SDK's files: `/segue.js`, its parts that only some pages load, the service worker.

Rule 1: `/segue.js` is what pages name: caches ask again after five minutes, and are told 304
    while it is the same. `/segue/{tag}/segue.js` names its content, for shops that pin a
    version (with `integrity`) and for caches that may keep it for ever; `Content-Location`
    tells it.
Rule 2: what the workspace asks of every page stands before the script, in the same file: no
    page can miss it, and no other request is needed to know it. It is part of the content, so
    a script that was pinned under other terms is gone.

The files are built from web/sdk (docs/adr/0011-built-sdk.md).
"""

import gzip
import hashlib
from functools import lru_cache
from importlib import resources
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segue.errors import NoSuchThing
from segue.server import auth, limits, push
from segue.server.site import Site, site_of

_FRESH: Final = "public, max-age=300, stale-while-revalidate=300"
_FOREVER: Final = "public, max-age=31536000, immutable"
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Vary": "Accept-Encoding",
}
_SCRIPT: Final = "segue.js"
_WORKER: Final = "segue-sw.js"

ANY: Final = "any"
"""The workspace's word for: some category, whichever."""

_encode = msgspec.json.Encoder().encode


class _File(msgspec.Struct, frozen=True):
    body: bytes
    packed: bytes
    tag: str


@lru_cache(limits.SDK_FILES_MAX)
def _file(name: str, first: bytes = b"") -> _File:
    """Read and packed once; `first` stands before it."""
    body = first + resources.files("segue.server").joinpath(f"static/{name}").read_bytes()
    tag = hashlib.blake2b(body, digest_size=8).hexdigest()
    return _File(body, gzip.compress(body, 9, mtime=0), tag)


def _script(site: Site) -> _File:
    """The script, with what the workspace asks of it."""
    needed = site.host.program.plan.workspace.require_consent
    if not needed:
        return _file(_SCRIPT)
    word = _encode(True if needed == ANY else needed)
    return _file(_SCRIPT, b"(document.currentScript||{}).consent=" + word + b";")


async def script(request: Request) -> Response:
    """`/segue.js`: fresh for five minutes, then asked for by its tag."""
    file = _script(site_of(request))
    return _respond(request, file, _FRESH, {"Content-Location": f"/segue/{file.tag}/{_SCRIPT}"})


async def pinned(request: Request) -> Response:
    """`/segue/{tag}/segue.js`: this content and no other."""
    file = _script(site_of(request))
    if request.path_params["tag"] != file.tag:
        raise NoSuchThing("there is no such version of segue.js; /segue.js is the one of today")
    return _respond(request, file, _FOREVER, {"Content-Location": f"/segue/{file.tag}/{_SCRIPT}"})


async def part(request: Request) -> Response:
    """What the script loads where a page needs it."""
    return _respond(request, _file(request.url.path.removeprefix("/")), _FRESH)


async def worker(request: Request) -> Response:
    """`/segue-sw.js`: the service worker; under a shop's own name it may serve all its pages."""
    return _respond(request, _file(_WORKER), _FRESH, {"Service-Worker-Allowed": "/"})


async def push_key(request: Request) -> Response:
    """`/v1/push/key`: the public key that a browser's subscription is made for."""
    settings = site_of(request).settings
    auth.source_of(auth.header_key(request), settings.write_keys)
    if not settings.push_key:
        raise NoSuchThing("this installation sends no Web Push; docs/channels/webpush.md says how")
    headers = {"Cache-Control": "public, max-age=300"}
    body = _encode({"public_key": settings.push_key})
    return Response(body, headers=headers, media_type="application/json")


def _respond(
    request: Request, file: _File, caching: str, more: dict[str, str] | None = None
) -> Response:
    packed = "gzip" in request.headers.get("accept-encoding", "")
    tag = f'"{file.tag}{"-gz" if packed else ""}"'
    headers = {**_HEADERS, "Cache-Control": caching, "ETag": tag, **(more or {})}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
    body = file.packed if packed else file.body
    return Response(body, headers=headers, media_type="text/javascript")


ROUTES: Final = (
    Route("/segue.js", script, methods=["GET"]),
    Route("/segue/{tag}/segue.js", pinned, methods=["GET"]),
    Route("/segue-push.js", part, methods=["GET"]),
    Route("/segue-signals.js", part, methods=["GET"]),
    Route("/segue-sw.js", worker, methods=["GET"]),
    Route("/v1/push/key", push_key, methods=["GET"]),
    Route("/v1/live", push.live, methods=["GET"]),
    Route("/v1/poll", push.poll, methods=["GET"]),
)
"""What the browser SDK asks for besides events and decisions."""

"""The live page's files, with headers that let nothing foreign in.

The page is hand-written and complete in itself: no build, no font, script or picture from
elsewhere, so the strictest content security policy that can work does.
"""

import hashlib
from functools import cache
from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from segue.errors import NoSuchThing

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Scripts and styles from here only; a message's preview is a sandboxed frame (`srcdoc`)."""

TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    """Every file of the page with its tag; read once."""
    found: dict[str, tuple[bytes, str]] = {}
    for file in resources.files("segue.server").joinpath("live").iterdir():
        if file.is_file() and file.name.rsplit(".", 1)[-1] in TYPES:
            body = file.read_bytes()
            found[file.name] = body, f'"{hashlib.blake2b(body, digest_size=8).hexdigest()}"'
    return found


def _respond(request: Request, name: str) -> Response:
    if name not in _files():
        raise NoSuchThing(f"there is no file {name[:100]!r}")
    body, tag = _files()[name]
    headers = {**HEADERS, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=TYPES[name.rsplit(".", 1)[-1]])


async def index(request: Request) -> Response:
    """The live page."""
    return _respond(request, "index.html")


async def file(request: Request) -> Response:
    """One of its files."""
    return _respond(request, request.path_params["name"])

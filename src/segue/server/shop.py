"""The demo storefront at `/shop`: files of a folder, with the write key put in.

Rule 1: nothing is served unless whoever runs this installation named a folder (`shop`); no
    production run has one.
Rule 2: only files of the kinds named here, and only from that folder, are ever read. An
    address without a file's ending is a page: the storefront's script draws it.
Rule 3: the page runs under the same strict policy as the live page.
"""

import hashlib
import re
from html import escape
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segue.errors import NoSuchThing
from segue.server.pages import HEADERS, TYPES
from segue.server.site import Site, site_of

_NAME: Final = re.compile(rf"(?:[a-z0-9-]{{1,60}}/)?[a-z0-9-]{{1,60}}\.(?:{'|'.join(TYPES)})")
"""What the storefront's files may be called: in the folder, or in one folder of it."""

SHELL: Final = "index.html"
WRITE_KEY: Final = "{{write_key}}"
"""What the shell holds where the write key belongs."""


async def page(request: Request) -> Response:
    """A file of the storefront, or the shell that draws the page of this address."""
    site = site_of(request)
    if not site.settings.shop:
        raise NoSuchThing("this installation has no demo shop; `segue run --shop FOLDER` has")
    name = request.path_params.get("path", "")
    kind = name.rsplit(".", 1)[-1] if "." in name.rsplit("/", 1)[-1] else ""
    body = await site.away(lambda: _read(site, name if kind else SHELL))
    tag = f'"{hashlib.blake2b(body, digest_size=8).hexdigest()}"'
    headers = {**HEADERS, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=TYPES[kind or "html"])


def _read(site: Site, name: str) -> bytes:
    """A file's content. Read each time: whoever works on the storefront reloads and sees it."""
    folder = Path(site.settings.shop).resolve()
    path = folder / name if _NAME.fullmatch(name) else None
    if path is None or not path.is_file() or not path.resolve().is_relative_to(folder):
        raise NoSuchThing(f"the demo shop has no file {name[:100]!r}")
    body = path.read_bytes()
    if name == SHELL:
        simulated = site.settings.simulated_sources
        keys = site.settings.write_keys.items()
        key = next((key for key, source in keys if source not in simulated), "")
        body = body.replace(WRITE_KEY.encode(), escape(key).encode())
    return body


ROUTES: Final = (
    Route("/shop", page, methods=["GET"]),
    Route("/shop/{path:path}", page, methods=["GET"]),
)
"""The demo storefront's addresses."""

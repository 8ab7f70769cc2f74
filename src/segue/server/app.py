"""The door: one Starlette application over one host and its store.

    app = create_app(host, store, Settings(write_keys={"wk_shop": "shop"}),
                     clock=SystemClock(), render=render)
    serve(app, "127.0.0.1", 8000)

Rule 1: `ROUTES` is the whole surface; docs/reference/http.md lists it, and a test says so.
Rule 2: the host is started and stopped by whoever wires it, around the server's life.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from socket import socket
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from segue.errors import SegueError
from segue.hosts.ports import Clock
from segue.server import (
    admin,
    catalog,
    cdn,
    decide,
    hooks,
    importing,
    ingest,
    pages,
    preferences,
    problems,
    publishing,
    receipts,
    sdk,
    shop,
)
from segue.server.bridge import Host
from segue.server.cors import Cors
from segue.server.fetching import Fetch, fetch
from segue.server.push import Pushes
from segue.server.site import Render, Settings, Simulation, Site, Workspace
from segue.stores.ports import Store

__all__ = ["ROUTES", "Render", "Settings", "Simulation", "create_app", "serve", "server"]


def _routes() -> list[Route]:
    taken = [Route(f"/v1/{name}", ingest.receive, methods=["POST"]) for name in ingest.KINDS]
    return [
        *taken,
        Route("/v1/decide", decide.decide, methods=["POST"]),
        Route("/v1/report", decide.report, methods=["POST"]),
        Route("/v1/unsubscribe/{token}", preferences.unsubscribe, methods=["GET", "POST"]),
        Route("/v1/preferences/{token}", preferences.preferences, methods=["GET", "POST"]),
        Route("/v1/r/{token}", preferences.click, methods=["GET"]),
        Route("/v1/o/{token}", preferences.opened, methods=["GET"]),
        Route("/v1/hooks/{source}", hooks.receive, methods=["POST"]),
        Route("/v1/receipts/twilio/text", receipts.text, methods=["POST"]),
        Route("/v1/receipts/{provider}", receipts.receive, methods=["GET", "POST", "HEAD"]),
        Route("/v1/imports/{name}", admin.guarded(importing.imports), methods=["GET", "POST"]),
        Route("/v1/catalog", admin.guarded(catalog.catalogs), methods=["GET"]),
        Route("/v1/catalog/{catalog}/items", admin.guarded(catalog.items), methods=["GET", "PUT"]),
        Route(
            "/v1/catalog/{catalog}/items/{item:path}",
            admin.guarded(catalog.one),
            methods=["GET", "PUT", "DELETE"],
        ),
        Route("/beacon/v1/batch", ingest.receive, methods=["POST"]),
        Route("/v1/m", cdn.ignored, methods=["POST"]),
        Route("/v1/projects/{write_key}/settings", cdn.segment_settings, methods=["GET"]),
        Route("/sourceConfig", cdn.rudder_settings, methods=["GET"]),
        Route("/sourceConfig/", cdn.rudder_settings, methods=["GET"]),
        Route("/api/overview", admin.guarded(admin.overview), methods=["GET"]),
        Route("/api/live", admin.guarded(admin.live), methods=["GET"]),
        Route("/api/profiles", admin.guarded(admin.profiles), methods=["GET"]),
        Route(
            "/api/profiles/{reference:path}/timeline",
            admin.guarded(admin.timeline),
            methods=["GET"],
        ),
        Route("/api/profiles/{reference:path}", admin.guarded(admin.profile), methods=["GET"]),
        Route("/api/messages", admin.guarded(admin.messages), methods=["GET"]),
        Route("/api/outbox", admin.guarded(admin.outbox), methods=["GET"]),
        Route("/api/outbox/retry", admin.guarded(admin.retry), methods=["POST"]),
        Route("/api/set-aside", admin.guarded(admin.set_aside), methods=["GET"]),
        Route(
            "/api/program",
            admin.guarded(publishing.answer),
            methods=["GET", "POST"],
        ),
        Route("/api/simulation", admin.guarded(admin.simulation), methods=["GET", "POST"]),
        Route("/health", admin.health, methods=["GET"]),
        Route("/ready", admin.ready, methods=["GET"]),
        Route("/metrics", admin.guarded(admin.metrics), methods=["GET"]),
        Route("/preview/{sign}/{message:path}", admin.preview, methods=["GET"]),
        Route("/", pages.index, methods=["GET"]),
        Route("/live/{name}", pages.file, methods=["GET"]),
        *sdk.ROUTES,
        *shop.ROUTES,
    ]


ROUTES: Final = tuple(_routes())
"""Every route of the server."""


def create_app(
    host: Host,
    store: Store,
    settings: Settings,
    *,
    clock: Clock,
    render: Render,
    simulation: Simulation | None = None,
    fetch: Fetch = fetch,
    workspace: Workspace | None = None,
) -> Starlette:
    """One server over a started host.

    `render(program, show)` fills what goes into a placement; `simulation` is what the page's
    switch for simulated shoppers acts on; `fetch` gets what a provider names;
    `workspace` reads the workspace that may be published again.
    """
    site = Site(host, store, settings, clock, render, simulation, fetch, workspace)
    pushes = Pushes(site)

    @asynccontextmanager
    async def life(_app: Starlette) -> AsyncGenerator[None]:
        site.stream.open(host.subscribe)
        pushes.open(host.subscribe)
        try:
            yield
        finally:
            pushes.close()
            site.close()

    app = Starlette(
        routes=list(ROUTES),
        lifespan=life,
        middleware=[Middleware(Cors, origins=settings.origins)],
        exception_handlers={
            SegueError: problems.on_error,
            404: problems.on_http,
            405: problems.on_http,
            Exception: problems.on_bug,
        },
    )
    app.router.redirect_slashes = False
    app.state.site = site
    app.state.pushes = pushes
    return app


class _Server(uvicorn.Server):
    """Lets open pages go as soon as it is asked to stop: their streams have no end of their own."""

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        state = getattr(self.config.app, "state", None)
        if state is not None:
            state.pushes.close()
        await super().shutdown(sockets)


def server(app: Starlette, address: str, port: int) -> uvicorn.Server:
    """A server that is not running yet; `run()` it, or `serve()` it in a loop of one's own."""
    config = uvicorn.Config(
        app,
        host=address,
        port=port,
        loop="auto",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )
    return _Server(config)


def serve(app: Starlette, address: str, port: int) -> None:
    """Serve until a signal asks to stop."""
    server(app, address, port).run()

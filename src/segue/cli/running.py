"""`segue run`: check a workspace, start Segue on it, say where to look, follow its changes.

Rule 1: a workspace with errors never replaces a running one; what is wrong is shown, and the
    program in force stays.
Rule 2: a signal stops it gracefully: what was accepted is answered, what is in a courier's
    hands is finished, and the store is closed last.
"""

import errno
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import click
import uvicorn
from rich.console import Console

from segue import catalogs, define, wiring
from segue.cli import asking, publishing
from segue.cli.terminal import own_name, terminal
from segue.cli.workspace import checked
from segue.errors import BadSetting, NotHere, PortTaken, SegueError, StillCarrying
from segue.server import app as server
from segue.settings import Settings, local_url

LOOK_S = 0.5
"""How often the workspace's files are looked at. Alternatives: a notifying library (one more
dependency for a folder of a few dozen files); 2 s (an author waits for it)."""

REJECTED_SHOWN = 5
"""Rejected rows of a workspace's catalog that are shown; `segue catalog import` tells all."""


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option("--host", metavar="ADDRESS", help="The address to listen on.")
@click.option("--port", type=int, help="The port to listen on.")
@click.option("--store", metavar="FILE", help="The SQLite file that remembers everything.")
@click.option("--simulate/--no-simulate", default=None, help="Simulated shoppers, or none.")
@click.option("--watch/--no-watch", default=None, help="Publish the workspace when it changes.")
@click.option("--shop", metavar="FOLDER", help="Serve the demo storefront of FOLDER at /shop.")
@click.option("--deliver", metavar="MODE", help="`sandbox` keeps messages, `live` sends them.")
@click.pass_context
def run(
    ctx: click.Context,
    folder: Path,
    host: str | None,
    port: int | None,
    store: str | None,
    simulate: bool | None,
    watch: bool | None,
    shop: str | None,
    deliver: str | None,
) -> None:
    """Start Segue with the workspace in FOLDER (here, if not named).

    Everything is remembered in `.segue/` of the current folder. Messages are kept to be looked
    at and none is sent, unless you say `--deliver live`.

    \b
    Examples:
      segue run shop
      segue run shop --port 9000 --no-simulate
      segue run examples/shop/workspace --shop examples/shop/site
      SEGUE_SMTP_HOST=mail.example.com SEGUE_EMAIL_FROM=shop@example.com \\
        segue run shop --deliver live
    """
    settings = asking.settings_of(
        ctx,
        host=host,
        port=port,
        store=store,
        simulate=simulate,
        watch=watch,
        shop=shop,
        deliver=deliver,
    )
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    console = terminal()
    loaded = checked(folder)
    _is_free(settings)
    if settings.shop and not (Path(settings.shop) / "index.html").is_file():
        raise BadSetting(f"shop: there is no index.html in {settings.shop}")
    with wiring.installed(settings, os.environ) as segue, _signals() as stopped:
        segue.host.publish(loaded.hash, wiring.encoded(loaded))
        put_catalogs(folder, segue, console)
        segue.host.start()
        address = asking.address_file(settings)
        running = server.server(segue.app(folder), settings.host, settings.port)

        def told() -> None:
            if settings.simulate:
                segue.shoppers.switch(True)
            with suppress(OSError):  # it only spares `--url`
                address.write_text(local_url(settings), encoding="utf-8")
            _say_where(console, settings, segue, loaded)

        stopped.append(lambda: setattr(running, "should_exit", True))
        threads = [_when_started(running, told)]
        if settings.watch:
            threads.append(_follow(folder, loaded.hash, segue, console, running))
        running.run()
        with suppress(OSError):
            address.unlink(missing_ok=True)
        console.print("stopping: what was accepted is being answered", style="dim")
        for thread in threads:
            thread.join(timeout=2.0)
    console.print("stopped; nothing that was accepted is lost", style="dim")


def _is_free(settings: Settings) -> None:
    """Raise before anything is opened if nobody can listen there."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, settings.port))
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE:
            raise PortTaken(f"port {settings.port} of {settings.host} is taken") from problem
        raise NotHere(
            f"can't listen on {settings.host}:{settings.port}: {problem.strerror}",
            "choose an address of this machine with --host, and a port above 1023",
        ) from problem


@contextmanager
def _signals() -> Generator[list[Callable[[], None]]]:
    """Turn signals into calls for as long as it runs: nothing is cut off in the middle."""
    calls: list[Callable[[], None]] = []

    def caught(_number: int, _frame: FrameType | None) -> None:
        for call in calls:
            call()

    before = {each: signal.signal(each, caught) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield calls
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _when_started(running: uvicorn.Server, then: Callable[[], None]) -> threading.Thread:
    """Say where to look once somebody would answer there."""

    def wait() -> None:
        pause = threading.Event()
        while not running.started and not running.should_exit:
            pause.wait(0.02)
        if running.started:
            then()

    thread = threading.Thread(target=wait, name="segue-started", daemon=True)
    thread.start()
    return thread


def _say_where(
    console: Console, settings: Settings, segue: wiring.Installation, loaded: define.Loaded
) -> None:
    url = local_url(settings)
    key = next(iter(segue.keys))
    assert loaded.plan is not None
    workspace = loaded.plan.workspace.name
    console.print(f"\n[bold]Segue runs {workspace}[/bold]  program {loaded.hash[:12]}\n")
    rows = [
        ("look here", f"[bold cyan]{url}/[/]"),
        *([("shop", f"[bold cyan]{url}/shop[/]")] if settings.shop else []),
        ("write key", key),
        (
            "an event",
            f'{own_name()} send "Product Added" --user ana -p product_id=42{_at(settings)}',
        ),
        ("", f"or any Segment SDK, with {url} as its host"),
        ("why", f"{own_name()} why ana{_store(settings)}"),
        ("messages", _messages(settings)),
        ("store", settings.store),
    ]
    if settings.simulate:
        rows.append(("shoppers", "simulated, until a real event comes; off: --no-simulate"))
    for what, where in rows:
        console.print(f"  {what:<10} {where}")
    console.print("\n  Ctrl-C stops it.\n", style="dim")


def _at(settings: Settings) -> str:
    usual = settings.port == Settings().port
    return "" if usual else f" --url {local_url(settings)}"


def _store(settings: Settings) -> str:
    return "" if settings.store == Settings().store else f" --store {settings.store}"


def _messages(settings: Settings) -> str:
    if settings.deliver == "sandbox":
        return "kept on the page above; none leaves this machine"
    return "delivered; those of channels that are not set up are kept"


# ── following the workspace ─────────────────────────────────────────────────────────


def _follow(
    folder: Path,
    name: str,
    segue: wiring.Installation,
    console: Console,
    running: uvicorn.Server,
) -> threading.Thread:
    """Publish the workspace when its files have changed and check clean."""

    def watch() -> None:
        pause = threading.Event()
        seen, in_force, told = _print_of(folder), name, name
        while not running.should_exit:
            pause.wait(LOOK_S)
            found = _print_of(folder)
            if found == seen:
                continue
            pause.wait(LOOK_S / 2)  # an editor may still be writing
            seen = _print_of(folder)
            try:
                put_catalogs(folder, segue, console)
            except SegueError as error:
                console.print(f"{error.code}: {error}", style="yellow")
            try:
                in_force, told = republish(folder, in_force, told, segue, console)
            except StillCarrying:
                seen = ()  # looked at again: the last publication is being carried out

    thread = threading.Thread(target=watch, name="segue-watch", daemon=True)
    thread.start()
    return thread


def put_catalogs(folder: Path, segue: wiring.Installation, console: Console) -> None:
    """Import the workspace's files of items that have changed, and say what was in them."""
    for done, source in catalogs.import_changed(segue.store, segue.host.put_items, folder):
        console.print(f"catalog {done.catalog}: {done.changed:,} of {done.items:,} items changed")
        for one in source.reading.report.rejections[:REJECTED_SHOWN]:
            console.print(f"{done.path}:{one.line}: {one.reason}", style="yellow")
        if done.rejected > REJECTED_SHOWN:
            console.print(f"... {done.rejected:,} rows rejected in all", style="yellow")


def republish(
    folder: Path, in_force: str, told: str, segue: wiring.Installation, console: Console
) -> tuple[str, str]:
    """Rule 1; returns the program that is in force afterwards, and what was told. Raises
    `StillCarrying`.

    What was told is not told again: a log that is kept in the folder changes with each line.

    Runs that are live finish on the program in which they entered; where they stand is told.
    """
    try:
        loaded = wiring.read_workspace(folder)
        said = loaded.hash or define.render(loaded.diagnostics, loaded.sources)
        if said == told:
            return in_force, told
        if loaded.plan is None:
            console.print(said, markup=False)
            console.print(
                f"{folder} has errors: program {in_force[:12]} stays in force", style="yellow"
            )
            return in_force, said
        if loaded.hash == in_force:
            console.print(f"{folder} checks clean; program {in_force[:12]} stays in force")
            return in_force, said
        plan = wiring.encoded(loaded)
        outlook = segue.host.outlook(loaded.hash, plan, {})
        segue.host.publish(loaded.hash, plan)
    except StillCarrying:
        raise
    except SegueError as error:
        console.print(f"{error.code}: {error}; program {in_force[:12]} stays", style="yellow")
        return in_force, ""
    console.print(f"published: program {loaded.hash[:12]} is in force", style="green")
    for line in publishing.drained(outlook):
        console.print(line)
    return loaded.hash, said


def _print_of(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, times and sizes of the workspace's files: equal while nothing was written."""
    found: list[tuple[str, int, int]] = []
    for path in sorted(folder.rglob("*")):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        try:
            facts = path.stat()
        except OSError:
            continue  # gone between the two looks
        if path.is_file():
            found.append((str(path), facts.st_mtime_ns, facts.st_size))
    return tuple(found)

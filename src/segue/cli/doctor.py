"""`segue doctor`: is this installation fit to run? Each finding says what to do about it."""

import os
import platform
import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Literal as OneOf

import click
import msgspec

from segue import settings as setting, wiring
from segue.cli import asking
from segue.cli.terminal import terminal
from segue.errors import SegueError
from segue.hosts.zones import read_zone
from segue.settings import Settings

PYTHON_LEAST = (3, 11)
SQLITE_LEAST = (3, 37, 0)
"""STRICT tables."""

FREE_LEAST_GB = 1.0
CONNECT_S = 0.5


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at: fine, worth knowing, or wrong."""

    what: str
    state: OneOf["fine", "note", "wrong"]
    found: str
    do: str = ""


_MARKS = {"fine": "[green]✓[/]", "note": "[yellow]![/]", "wrong": "[red]✗[/]"}


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), required=False)
@click.option("--store", metavar="FILE", help="The store, if not the one of the settings.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def doctor(ctx: click.Context, folder: Path | None, store: str | None, as_json: bool) -> None:
    """Look over the installation, and the workspace in FOLDER if one is named.

    Exits with 1 if something is wrong. It changes nothing.

    \b
    Examples:
      segue doctor
      segue doctor shop
    """
    settings = asking.settings_of(ctx, store=store)
    found = list(findings(settings, folder))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        console = terminal()
        for each in found:
            console.print(f"{_MARKS[each.state]} {each.what:<10} {each.found}")
            if each.do:
                console.print(f"  {'':<10} → {each.do}", style="dim")
    sys.exit(1 if any(each.state == "wrong" for each in found) else 0)


def findings(settings: Settings, folder: Path | None) -> Iterator[Finding]:
    """Everything that is looked at, in order."""
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python,
        _sqlite,
        _zones,
        lambda: _settings(settings),
        lambda: _disk(settings),
        lambda: _store(settings),
        lambda: _port(settings),
        lambda: _workspace(folder),
    )
    for look in looks:
        try:
            yield from look()
        except SegueError as error:
            yield Finding(what=error.code, state="wrong", found=str(error), do=error.hint)


def _python() -> Iterator[Finding]:
    found = f"{platform.python_version()} ({platform.system()} {platform.machine()})"
    if sys.version_info < PYTHON_LEAST:
        yield Finding(what="python", state="wrong", found=found, do="install Python 3.11 or later")
    else:
        yield Finding(what="python", state="fine", found=f"{found}, segue {version('segue')}")


def _sqlite() -> Iterator[Finding]:
    found = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < SQLITE_LEAST:
        least = ".".join(map(str, SQLITE_LEAST))
        do = f"use a Python that comes with SQLite {least} or later"
        yield Finding(what="sqlite", state="wrong", found=found, do=do)
    else:
        yield Finding(what="sqlite", state="fine", found=found)


def _zones() -> Iterator[Finding]:
    table = read_zone("Europe/Berlin")
    if table is None:
        do = "install it again: pip install --force-reinstall tzdata"
        yield Finding(what="zones", state="wrong", found="tzdata can't be read", do=do)
    else:
        yield Finding(what="zones", state="fine", found=f"tzdata {version('tzdata')}")


def _settings(settings: Settings) -> Iterator[Finding]:
    usual = Settings()
    changed: list[str] = []
    for row in setting.table():
        value = getattr(settings, row.name)
        if value != getattr(usual, row.name):
            changed.append(f"{row.name}={'(set)' if row.secret else value}")
    found = ", ".join(changed) or "all at their defaults"
    yield Finding(what="settings", state="fine", found=found)
    for name in setting.strangers(os.environ):
        do = "docs/reference/settings.md lists those that do"
        yield Finding(what="settings", state="note", found=f"{name} sets nothing", do=do)
    if settings.host not in ("127.0.0.1", "::1", "localhost") and not settings.admin_token:
        yield Finding(
            what="settings",
            state="note",
            found=f"{settings.host} lets other machines in, and no admin_token is set",
            do="set SEGUE_ADMIN_TOKEN, so that they can look at profiles as well",
        )


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = Path(settings.store).absolute().parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    if not os.access(folder, os.W_OK):
        do = "choose another place for the store, or give the right to write there"
        yield Finding(what="disk", state="wrong", found=f"{folder} can't be written", do=do)
    elif free < FREE_LEAST_GB:
        do = "free some; when it is full, Segue answers 503 and loses nothing"
        yield Finding(what="disk", state="wrong", found=f"{free:.1f} GB free", do=do)
    else:
        yield Finding(what="disk", state="fine", found=f"{free:,.0f} GB free at {folder}")


def _store(settings: Settings) -> Iterator[Finding]:
    path = Path(settings.store)
    if not path.exists():
        yield Finding(what="store", state="fine", found=f"none yet; `segue run` makes {path}")
        return
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        try:
            problems = [str(row[0]) for row in db.execute("PRAGMA quick_check(5)")]
        except sqlite3.DatabaseError as error:
            problems = [str(error)]
    db.close()
    if problems != ["ok"]:
        do = "stop Segue, keep the file, restore the last backup"
        found = f"{path} is damaged: {'; '.join(problems)}"
        yield Finding(what="store", state="wrong", found=found, do=do)
        return
    with wiring.stored(path) as store:
        counts, program = store.counts(), store.current_program()
    size = sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*")) / 1e6
    found = f"{path}: {counts.profiles:,} profiles, {counts.events:,} events, {size:,.1f} MB"
    yield Finding(what="store", state="fine", found=found)
    if not program:
        do = "`segue run WORKSPACE` publishes one"
        yield Finding(what="program", state="note", found="none was published yet", do=do)
    if counts.dead:
        do = "`segue dead` lists them, `segue retry --all` tries again"
        yield Finding(what="outbox", state="note", found=f"{counts.dead:,} dead letters", do=do)
    if counts.set_aside:
        do = "the live page shows each with its reason"
        found = f"{counts.set_aside:,} bad inputs were set aside"
        yield Finding(what="inputs", state="note", found=found, do=do)


def _port(settings: Settings) -> Iterator[Finding]:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    try:
        socket.create_connection((host, settings.port), CONNECT_S).close()
    except OSError:
        yield Finding(what="port", state="fine", found=f"{settings.port} is free")
        return
    do = "if that is not your Segue, choose another port: SEGUE_PORT=8401"
    yield Finding(what="port", state="note", found=f"{settings.port} is in use", do=do)


def _workspace(folder: Path | None) -> Iterator[Finding]:
    if folder is None:
        return
    loaded = wiring.read_workspace(folder)
    errors = sum(each.severity == "error" for each in loaded.diagnostics)
    if errors:
        do = f"segue check {folder}"
        yield Finding(what="workspace", state="wrong", found=f"{errors} errors", do=do)
    else:
        warnings = sum(each.severity == "warning" for each in loaded.diagnostics)
        yield Finding(what="workspace", state="fine", found=f"{folder}: {warnings} warnings")

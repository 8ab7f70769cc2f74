"""`segue publish`: put a workspace in force, and decide what becomes of runs under way.

Rule: what would become of them is told first, also when it is then done; a step that has
vanished stops everything.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec
from rich.table import Table

from segue import wiring
from segue.cli import asking
from segue.cli.asking import Running
from segue.cli.terminal import terminal
from segue.cli.workspace import checked
from segue.errors import StoreInUse, UnknownMode
from segue.hosts import publishing
from segue.hosts.publishing import MODES, Mode, Outlook


class _Told(msgspec.Struct):
    """What a running Segue says."""

    program: str
    published: bool
    outlook: tuple[Outlook, ...]


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option("--dry-run", is_flag=True, help="Tell what would become of runs; publish nothing.")
@click.option(
    "--journey",
    "named",
    multiple=True,
    metavar="NAME=MODE",
    help="What becomes of a journey's runs: drain (the default), migrate or exit.",
)
@click.option("--store", metavar="FILE", help="The store, if not the one of the settings.")
@click.option("--url", default="", help="The running Segue to publish to, if it is not found.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_context
def publish(
    ctx: click.Context,
    folder: Path,
    dry_run: bool,
    named: tuple[str, ...],
    store: str | None,
    url: str,
    as_json: bool,
) -> None:
    """Put the workspace in FOLDER in force, and say what becomes of the runs that are under way.

    A run is pinned to the program in which it entered. It drains (finishes on that one), migrates
    (goes on in the new one at the step of the same id) or exits. If a run would migrate from a
    step that does not exist any more, nothing is published. A Segue that runs on the store is
    asked to publish its workspace; else the store is written to.

    \b
    Examples:
      segue publish shop --dry-run
      segue publish shop
      segue publish shop --journey cart-recovery=migrate --journey welcome=exit
    """
    modes = dict(_mode(one) for one in named)
    loaded = checked(folder)
    assert loaded.plan is not None
    settings = asking.settings_of(ctx, store=store)
    running = Running(url, settings)
    asked = {"program": loaded.hash, "modes": modes, "dry_run": dry_run}
    if url:
        told = running.change("/api/program", asked, _Told)
    elif dry_run:
        with wiring.stored(settings.store) as opened:
            found = publishing.standing(publishing.everyone(opened))
        outlook = publishing.outlook(found, loaded.plan, loaded.hash, modes)
        told = _Told(loaded.hash, False, outlook)
    else:
        try:
            with wiring.installed(settings, os.environ) as segue:
                plan = wiring.encoded(loaded)
                outlook = segue.host.outlook(loaded.hash, plan, modes)
                segue.host.publish(loaded.hash, plan, modes)
            told = _Told(loaded.hash, True, outlook)
        except StoreInUse:
            told = running.change("/api/program", asked, _Told)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(told)))
    else:
        _tell(told)
    publishing.refuse_unknown(told.outlook, modes)
    publishing.refuse_vanished(told.outlook)


def _mode(text: str) -> tuple[str, Mode]:
    journey, _, word = text.partition("=")
    for mode in MODES:
        if word == mode and journey:
            return journey, mode
    raise UnknownMode(text, [f"{journey or 'NAME'}={mode}" for mode in MODES])


def _tell(told: _Told) -> None:
    console = terminal()
    table = Table(
        title="Runs under way", title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    for name in ("journey", "state", "program", "step", "runs", "drain", "migrate", "exit"):
        table.add_column(name, justify="right" if name == "runs" else "left")
    for one in told.outlook:
        for at, place in enumerate(one.places):
            first = at == 0
            table.add_row(
                one.journey if first else "",
                (one.state or "gone") if first else "",
                place.program[:12],
                place.where,
                f"{place.runs:,}",
                *_each(one, place.vanished),
            )
    if table.row_count:
        console.print(table)
        console.print("What is decided stands in [brackets].\n", markup=False)
    else:
        console.print("No run of another program is under way.")
    verb = "published: program" if told.published else "nothing was published; this is program"
    console.print(f"{verb} {told.program[:12]}")


def _each(one: Outlook, vanished: bool) -> Iterator[str]:
    """What each mode would do, the one that is decided in brackets."""
    says = {
        "drain": "finish there",
        "migrate": "step is gone" if vanished else "go on here",
        "exit": "end",
    }
    for mode in MODES:
        yield f"\\[{says[mode]}]" if mode == one.mode else says[mode]


def drained(told: Sequence[Outlook]) -> list[str]:
    """What a republished workspace means for runs, in a line for each journey that has any."""
    return [
        f"  {one.journey}: {one.runs:,} runs finish on older programs, at "
        + ", ".join(f"{place.where} ({place.runs:,})" for place in one.places)
        for one in told
        if one.runs
    ]

"""`segue replay`: a real log through the engine in virtual time, and what came of it."""

import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from segue import wiring
from segue.cli.spans import SPAN
from segue.cli.terminal import terminal
from segue.cli.workspace import checked
from segue.connectors.files import Source
from segue.errors import NotHere
from segue.kernel.values import Millis
from segue.sim import report as reports
from segue.sim.replay import Course, replay as run_replay
from segue.stores.ports import Store

_SHOWN_REJECTIONS = 5


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--workspace",
    "-w",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    show_default=True,
    help="The workspace to run it through.",
)
@click.option("--mapping", metavar="NAME|FILE", help="How rows become events; found if left away.")
@click.option(
    "--then",
    type=SPAN,
    default="1d",
    show_default=True,
    metavar="SPAN",
    help="How long time goes on after the last event: 30m, 12h, 7d.",
)
@click.option(
    "--store", "kept", metavar="FILE", help="Keep the result in this file; then `why` can tell."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--markdown", is_flag=True, help="Print the report as a Markdown page.")
@click.option("--quiet", "-q", is_flag=True, help="No progress bar.")
def replay(
    file: Path,
    folder: Path,
    mapping: str | None,
    then: Millis,
    kept: str | None,
    as_json: bool,
    markdown: bool,
    quiet: bool,
) -> None:
    """Run the log in FILE through a workspace in virtual time, all guardrails on, sending nothing.

    FILE is CSV or JSON lines, plain or gzipped: Segment messages, or rows with a mapping.
    The same file and workspace give the same report, byte for byte.

    \b
    Examples:
      segue replay events.jsonl.gz -w shop
      segue replay events.csv -w shop --mapping rees46 --markdown > report.md
      segue replay events.csv -w shop --store replay.sqlite
      segue why 512345 --store replay.sqlite
    """
    if as_json and markdown:
        raise click.UsageError("--json or --markdown, not both.")
    if kept and Path(kept).exists():
        raise NotHere(f"{kept} exists already", "a replay starts from nothing: name a new file")
    loaded = checked(folder)
    assert loaded.plan is not None
    source = Source(file, mapping)
    opened: AbstractContextManager[Store]
    opened = wiring.stored(kept, create=True) if kept else wiring.in_memory()
    started = time.perf_counter()
    with opened as store:
        engine = wiring.engine(store, loaded)
        with _Bar(source, hidden=quiet) as bar:
            course = run_replay(
                engine, source, source=file.name.split(".")[0], then=then, progress=bar.move
            )
            seconds = time.perf_counter() - started
        told = _report(store, source, course, loaded.plan.workspace.name, loaded.hash)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(told)))
    elif markdown:
        click.echo(reports.markdown(told))
    else:
        _print(told)
    _remarks(source, course)
    rate = course.fed / seconds if seconds else 0
    click.echo(f"{course.fed:,} events in {seconds:.1f} s: {rate:,.0f} a second", err=True)


class _Bar:
    """A progress bar over the bytes of the file."""

    def __init__(self, source: Source, *, hidden: bool) -> None:
        self._source = source
        self._progress = Progress(
            TextColumn("replay"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[fed]:,} events"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=hidden or not Console(stderr=True).is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("replay", total=source.total_bytes, fed=0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def move(self, course: Course) -> None:
        self._progress.update(self._task, completed=self._source.read_bytes, fed=course.fed)


def _report(
    store: Store, source: Source, course: Course, workspace: str, name: str
) -> reports.Report:
    return reports.count(
        store,
        reports.Report(
            workspace=workspace,
            program=name,
            first_at=course.first_at,
            last_at=course.last_at,
            until=course.until,
            duplicates=course.duplicates,
            rejected=source.report.rejected + course.refused,
            skipped=dict(source.report.skipped),
        ),
    )


def _print(told: reports.Report) -> None:
    console = terminal()
    for line in reports.headline(told):
        console.print(line)
    for each in reports.tables(told):
        table = Table(title=each.title, title_justify="left", title_style="bold", box=None)
        for at, column in enumerate(each.columns):
            right = at in each.right
            table.add_column(column, justify="right" if right else "left", no_wrap=right)
        for row in each.rows:
            table.add_row(*row)
        console.print()
        console.print(table)


def _remarks(source: Source, course: Course) -> None:
    """What was not read, with its places, for whoever has to mend the file."""
    for rejection in source.report.rejections[:_SHOWN_REJECTIONS]:
        click.echo(f"{source.path}:{rejection.line}: {rejection.reason}", err=True)
    for refusal in course.refusals[:_SHOWN_REJECTIONS]:
        click.echo(f"{source.path}:{refusal.line}: {refusal.reason}", err=True)
    left = source.report.rejected - _SHOWN_REJECTIONS
    if left > 0:
        click.echo(f"... and {left:,} more lines", err=True)
    if source.report.broken:
        click.echo(f"{source.path}: not read to its end: {source.report.broken}", err=True)

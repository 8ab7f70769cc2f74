"""The progress bar of commands that run a log, and what such a run is told to people as."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import click
from rich.table import Table

from segue.cli.rejects import bar
from segue.cli.terminal import terminal
from segue.connectors.files import Source
from segue.errors import NotHere
from segue.sim import report_tables
from segue.sim.backtest import Progress
from segue.sim.backtest_shards import Entry
from segue.sim.report import Report

_SHOWN = 5
"""Lines set aside that a terminal shows; reports list more."""

_READ_TICK = 1_000


class RunBar:
    """A bar for reading the log, then one for answering it."""

    def __init__(self, sources: list[Source], *, hidden: bool) -> None:
        self._sources = sources
        self._bar = bar(hidden=hidden)
        bytes_in_all = sum(source.reading.total_bytes for source in sources) or None
        self._reading = self._bar.add_task("reading", total=bytes_in_all, done="")
        self._answering = self._bar.add_task("answering", total=None, done="", visible=False)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def watched(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The same entries, with the bar moving as they are read."""
        for number, one in enumerate(entries):
            if number % _READ_TICK == 0:
                done = sum(source.reading.read_bytes for source in self._sources)
                self._bar.update(self._reading, completed=done, done=f"{number:,} events")
            yield one

    def move(self, progress: Progress) -> None:
        """Show how far it is."""
        if progress.stage == "answering":
            self._bar.update(self._reading, visible=False)
            self._bar.update(
                self._answering,
                visible=True,
                total=progress.of or 1,
                completed=progress.done,
                done=f"{progress.done:,} of {progress.of:,} events",
            )


def tell(told: Report) -> None:
    """Print a report: sentences, then tables."""
    console = terminal()
    for line in report_tables.headline(told):
        console.print(line)
    for each in report_tables.tables(told):
        print_table(each)


def print_table(each: report_tables.Table) -> None:
    """Print one table."""
    console = terminal()
    table = Table(title=each.title, title_justify="left", title_style="bold", box=None)
    for at, column in enumerate(each.columns):
        right = at in each.right
        table.add_column(column, justify="right" if right else "left", no_wrap=right)
    for row in each.rows:
        table.add_row(*row)
    console.print()
    console.print(table)


def remark(told: Report) -> None:
    """What was not read, with its places, for whoever has to mend the file."""
    for one in told.aside[:_SHOWN]:
        click.echo(f"{one.source}:{one.line}: {one.reason}", err=True)
    left = told.rejected - _SHOWN
    if left > 0:
        click.echo(f"... and {left:,} more lines", err=True)
    for reason in told.broken:
        click.echo(f"not read to its end: {reason}", err=True)


def check_outputs(*paths: str | None) -> None:
    """Raise `NotHere` now rather than after a long run if something can't be written."""
    for path in paths:
        if path and path != "-":
            try:
                Path(path).open("ab").close()
            except OSError as problem:
                raise NotHere(
                    f"{path} can't be written: {problem.strerror}", "name another file"
                ) from problem


def write_out(path: str, body: str | bytes) -> None:
    """Write a result to a file, or to standard output where the path is `-`."""
    data = body.encode() if isinstance(body, str) else body
    if path == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        Path(path).write_bytes(data)

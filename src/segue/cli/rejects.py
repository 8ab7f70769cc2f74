"""What commands that import a file share: the bar, and the report of rejected rows."""

import csv
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from segue.connectors.reading import Reading
from segue.connectors.tables import Rejection
from segue.errors import NotHere

_SHOWN = 5
"""Rejected rows that a terminal shows; a file of them has all."""


def bar(*, hidden: bool) -> Progress:
    """A bar on standard error, only where somebody looks; `done` is what a task has done."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[done]}"),
        TimeRemainingColumn(),
        console=console,
        disable=hidden or not console.is_terminal,
        transient=True,
    )


class FileBar:
    """A bar over the bytes of one file."""

    def __init__(self, file: Reading, what: str, *, hidden: bool) -> None:
        self._file, self._what = file, what
        self._bar = bar(hidden=hidden)
        self._told = False
        self._task = self._bar.add_task("reading", total=file.total_bytes or None, done="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def watch(self) -> None:
        """Show how far it is."""
        self._told = False
        read = f"{self._file.report.events:,} {self._what}"
        self._bar.update(self._task, completed=self._file.read_bytes, done=read)

    def waits(self, why: str) -> None:
        """Say that it goes on later; where there is no bar, once for each interruption."""
        self._bar.update(self._task, done=why)
        if self._bar.disable and not self._told:
            click.echo(why, err=True)
        self._told = True


class Rejects:
    """Rejected rows: a few for the terminal, all of them in a file if one is named."""

    def __init__(self, path: str | None) -> None:
        self._first: list[Rejection] = []
        self.many = 0
        """How many there were."""
        self._files = ExitStack()
        self._write = None
        if path:
            try:
                opened = Path(path).open("w", encoding="utf-8", newline="")  # noqa: SIM115
            except OSError as problem:
                raise NotHere(
                    f"{path} can't be written: {problem.strerror}", "name another file"
                ) from problem
            self._write = csv.writer(self._files.enter_context(opened)).writerow
            self._write(("line", "reason", "row"))
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def add(self, one: Rejection) -> None:
        """A row was rejected."""
        self.many += 1
        if len(self._first) < _SHOWN:
            self._first.append(one)
        if self._write is not None:
            self._write((one.line, one.reason, one.excerpt))

    def tell(self, file: str) -> None:
        """Say which, to whoever has to mend the file."""
        for one in self._first:
            click.echo(f"{file}:{one.line}: {one.reason}", err=True)
        if self.many > len(self._first):
            left = self.many - len(self._first)
            where = f"all are in {self._path}" if self._path else "--rejects FILE lists them all"
            click.echo(f"... and {left:,} more rows; {where}", err=True)

"""`segue backtest`: what a workspace would have done on history, alone or against another."""

import os
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import click
import msgspec

from segue import catalogs, wiring
from segue.cli import asking
from segue.cli.progress import RunBar, check_outputs, print_table, remark, tell, write_out
from segue.cli.spans import SPAN
from segue.cli.workspace import checked
from segue.connectors.files import Source
from segue.connectors.tables import Rejection
from segue.errors import NotHere
from segue.kernel.values import Instant, Millis
from segue.sim import html, report_tables
from segue.sim.backtest import Backtest, Candidate, Order, backtest as run, note_sources
from segue.sim.backtest_shards import Entry, of_files, of_store
from segue.stores.ports import ItemLine, Store


class Moment(click.ParamType[Instant]):
    """A date or an instant; UTC unless it says otherwise."""

    name = "instant"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Instant:
        """Milliseconds since 1970."""
        if isinstance(value, int):
            return Instant(value)
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no date; write 2026-03-01 or 2026-03-01T18:00+01:00", param)
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return Instant(int(at.timestamp() * 1000))


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option("--from", "from_at", type=Moment(), metavar="WHEN", help="Begin to send here.")
@click.option("--to", "to_at", type=Moment(), metavar="WHEN", help="Leave out what came later.")
@click.option(
    "--file",
    "--files",
    "-f",
    "files",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A log to run; several are merged by time. Without one, the store's history is run.",
)
@click.option("--mapping", metavar="NAME|FILE", help="How rows become events; found if left away.")
@click.option("--store", metavar="FILE", help="The store whose history is run.")
@click.option(
    "--against",
    metavar="WORKSPACE|PROGRAM",
    help="Another workspace, or a program of the store: its hash, or `current`.",
)
@click.option(
    "--then",
    type=SPAN,
    default="1d",
    show_default=True,
    metavar="SPAN",
    help="How long time goes on after the last event: 30m, 12h, 7d.",
)
@click.option(
    "--warm-up",
    type=SPAN,
    default="0d",
    show_default=True,
    metavar="SPAN",
    help="How long before --from the journeys run already, uncounted, so that caps are not empty.",
)
@click.option(
    "--ask/--no-ask", default=True, help="Ask for placements at every page view, as pages do."
)
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Processes; as many as cores, if not given."
)
@click.option("--html", "page", metavar="OUT", help="Write a page with charts to this file.")
@click.option("--json", "as_json", metavar="OUT", help="Write the report as JSON; `-` prints it.")
@click.option("--decisions", metavar="OUT", help="Write every decision, as JSON lines.")
@click.option("--differences", metavar="OUT", help="Write every customer who differs, likewise.")
@click.option("--aside", metavar="OUT", help="Write every line set aside, likewise.")
@click.option("--quiet", "-q", is_flag=True, help="No progress bar.")
@click.pass_context
def backtest(
    ctx: click.Context,
    folder: Path,
    from_at: Instant | None,
    to_at: Instant | None,
    files: tuple[Path, ...],
    mapping: str | None,
    store: str | None,
    against: str | None,
    then: Millis,
    warm_up: Millis,
    ask: bool,
    workers: int | None,
    page: str | None,
    as_json: str | None,
    decisions: str | None,
    differences: str | None,
    aside: str | None,
    quiet: bool,
) -> None:
    """Tell what the workspace in FOLDER would have done on history, all guardrails on.

    Nothing is sent. The history is that of the store, or of files; events before --from are
    known to the journeys, yet start none. With --against two programs are compared, customer
    by customer. The same input gives the same bytes, however many workers share the work.

    \b
    Examples:
      segue backtest shop --from 2026-02-01 --to 2026-03-01
      segue backtest shop --from 2026-02-01 --warm-up 14d --html report.html
      segue backtest shop -f events.csv.gz --mapping rees46 --html report.html
      segue backtest shop --against current --html report.html --differences who.jsonl
      segue backtest shop -f events.jsonl --json - | jq '.report.guardrails'
    """
    _refuse(
        ("--file or --store, not both.", files and store),
        ("--mapping says how to read a --file.", mapping and not files),
        ("--warm-up comes before --from, which is missing.", warm_up and from_at is None),
        ("--differences needs --against.", differences and not against),
        ("--from must lie before --to.", from_at and to_at is not None and from_at >= to_at),
    )
    check_outputs(page, as_json, decisions, differences, aside)
    programs = [_candidate(folder)]
    settings = asking.settings_of(ctx, store=store)
    with ExitStack() as stack:
        told_aside = stack.enter_context(_lines(aside))
        sources = [Source(file, mapping, told_aside(file)) for file in files]
        opened: Store | None = None
        if not files or (against and not Path(against).is_dir()):
            opened = stack.enter_context(wiring.stored(settings.store))
        if against:
            programs.append(_against(against, opened))
        order = Order(
            programs=tuple(programs),
            sources=tuple(str(file) for file in files) or (settings.store,),
            from_at=from_at or Instant(0),
            to_at=to_at,
            warm_up=warm_up,
            then=then,
            ask=ask,
            decisions=decisions or "",
            differences=differences or "",
            coupons=_codes(opened),
        )
        entries = of_files(sources) if opened is None or sources else of_store(opened)
        items = catalogs.history(folder, None if sources else opened)
        answer = _run(order, entries, sources, workers, items, quiet=quiet)
    _write(answer, page, as_json)


def _write(answer: Backtest, page: str | None, as_json: str | None) -> None:
    """Write what was asked for, and tell the rest unless something else went to the terminal."""
    if page:
        write_out(page, html.page(answer))
    if as_json:
        write_out(as_json, msgspec.json.format(msgspec.json.encode(answer)) + b"\n")
    if as_json != "-" and page != "-":
        _tell(answer)
    remark(answer.report)


def _refuse(*wrong: tuple[str, object]) -> None:
    """Say what is wrong with the options, the first of it."""
    for why, found in wrong:
        if found:
            raise click.UsageError(why)


def _run(
    order: Order,
    entries: Iterator[Entry],
    sources: list[Source],
    workers: int | None,
    items: Iterator[ItemLine],
    *,
    quiet: bool,
) -> Backtest:
    """Run it with a bar, and tell how fast it went."""
    started = time.perf_counter()
    with RunBar(sources, hidden=quiet) as bar:
        answer = run(
            order,
            bar.watched(entries),
            patterns=wiring.patterns,
            messenger=wiring.rehearsal,
            workers=workers or os.cpu_count() or 1,
            progress=bar.move,
            items=items,
        )
    seconds = time.perf_counter() - started
    fed = len(order.programs) * (answer.report.events + answer.report.before)
    rate = fed / seconds if seconds else 0
    click.echo(f"{fed:,} events in {seconds:.1f} s: {rate:,.0f} a second", err=True)
    return note_sources(answer, sources)


def _codes(store: Store | None) -> dict[str, int]:
    """How many codes the pools of the store have left."""
    return {} if store is None else {one.pool: one.free for one in store.coupon_pools()}


def _candidate(folder: Path) -> Candidate:
    loaded = checked(folder)
    return Candidate(loaded.hash, wiring.encoded(loaded))


def _against(named: str, store: Store | None) -> Candidate:
    """The program to compare with: a workspace's, or one that the store has."""
    if Path(named).is_dir():
        return _candidate(Path(named))
    assert store is not None, "it is opened where a program is named"
    known = [store.current_program(), *store.programs_in_use()]
    name = known[0] if named == "current" else named
    found = [one for one in dict.fromkeys(known) if name and one.startswith(name)]
    plan = store.program(name) or (store.program(found[0]) if len(found) == 1 else None)
    if plan is None:
        raise NotHere(
            f"{named} is neither a workspace's folder nor a program of the store",
            "`segue publish --dry-run` lists the programs that are in use",
        )
    return Candidate(name if store.program(name) else found[0], plan)


@contextmanager
def _lines(path: str | None) -> "Generator[_Told]":
    """Where lines that were set aside are written; nowhere, if nobody asked."""
    if path is None:
        yield _Told(None)
        return
    with Path(path).open("w", encoding="utf-8") as out:
        yield _Told(out)


class _Told:
    """Writes the lines of one source that are set aside."""

    def __init__(self, out: TextIO | None) -> None:
        self._out = out

    def __call__(self, file: Path) -> "_Writer | None":
        return _Writer(self._out, str(file)) if self._out is not None else None


class _Writer:
    """Called for each line."""

    def __init__(self, out: TextIO, source: str) -> None:
        self._out = out
        self._source = source

    def __call__(self, one: Rejection) -> None:
        row = {
            "source": self._source,
            "line": one.line,
            "reason": one.reason,
            "excerpt": one.excerpt,
        }
        self._out.write(msgspec.json.encode(row).decode() + "\n")


def _tell(answer: Backtest) -> None:
    tell(answer.report)
    if answer.comparison is not None and answer.against is not None:
        for table in report_tables.comparison(answer.comparison, answer.against):
            print_table(table)

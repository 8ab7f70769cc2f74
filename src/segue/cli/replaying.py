"""`segue replay`: a real log through one program in virtual time, and what came of it."""

import os
import time
from contextlib import ExitStack
from pathlib import Path

import click
import msgspec

from segue import catalogs, wiring
from segue.cli.progress import RunBar, remark, tell
from segue.cli.spans import SPAN
from segue.cli.workspace import checked
from segue.connectors.files import Source
from segue.errors import NotHere
from segue.kernel.values import Millis
from segue.sim import report_tables
from segue.sim.backtest import Candidate, Order, backtest, note_sources
from segue.sim.backtest_shards import of_files


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
@click.option(
    "--ask/--no-ask", default=True, help="Ask for placements at every page view, as pages do."
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
    ask: bool,
    as_json: bool,
    markdown: bool,
    quiet: bool,
) -> None:
    """Run the log in FILE through a workspace in virtual time, all guardrails on, sending nothing.

    FILE is CSV or JSON lines, plain or gzipped: Segment messages, or rows with a mapping.
    The same file and workspace give the same report, byte for byte. `segue backtest` asks more
    of the same: part of a history, two programs compared, a page with charts.

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
    source = Source(file, mapping)
    order = Order(
        programs=(Candidate(loaded.hash, wiring.encoded(loaded)),),
        sources=(str(file),),
        then=then,
        ask=ask,
    )
    started = time.perf_counter()
    with ExitStack() as stack:
        store = stack.enter_context(wiring.stored(kept, create=True)) if kept else None
        bar = stack.enter_context(RunBar([source], hidden=quiet))
        answer = backtest(
            order,
            bar.watched(of_files([source])),
            patterns=wiring.patterns,
            messenger=wiring.sandbox if kept else wiring.rehearsal,
            workers=os.cpu_count() or 1,
            progress=bar.move,
            store=store,
            items=catalogs.history(folder, None),
        )
    seconds = time.perf_counter() - started
    told = note_sources(answer, [source]).report
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(told)))
    elif markdown:
        click.echo(report_tables.markdown(told))
    else:
        tell(told)
    remark(told)
    fed = told.events + told.duplicates
    rate = fed / seconds if seconds else 0
    click.echo(f"{fed:,} events in {seconds:.1f} s: {rate:,.0f} a second", err=True)

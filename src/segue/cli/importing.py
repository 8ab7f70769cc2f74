"""`segue import`: a file of history into a running Segue, going on where it was cut off."""

from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import click
import msgspec

from segue import catalogs
from segue.cli import asking
from segue.cli.patience import patiently
from segue.cli.rejects import FileBar, Rejects
from segue.cli.spans import SPAN
from segue.connectors import shopify_bulk
from segue.connectors.files import Source
from segue.connectors.tables import Rejection
from segue.errors import ComeLater, NotHere
from segue.kernel.values import SECOND, Millis
from segue.server.importing import Entry
from segue.settings import listed

ENTRIES_AT_ONCE = 500
"""Entries of one request; each request is one durable piece."""


_GOES_ON = "the same command goes on there"


class Reached(msgspec.Struct):
    """How far an import is."""

    reached: int = 0


class RefusedEntry(msgspec.Struct):
    """An entry that was not taken."""

    line: int = 0
    message: str = ""


class Taken(msgspec.Struct):
    """What a running Segue says to a piece."""

    accepted: int = 0
    known_already: int = 0
    items_changed: int = 0
    refused: list[RefusedEntry] = []


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--mapping", metavar="NAME|FILE", help="How rows become events; found if left away.")
@click.option("--rejects", metavar="FILE", help="Write rejected rows there, with the reason.")
@click.option("--url", default="", help="Where Segue runs, if not where the settings say.")
@click.option(
    "--patience",
    type=SPAN,
    default="15m",
    show_default=True,
    metavar="TIME",
    help="How long to wait for a Segue that is busy or gone, before giving up.",
)
@click.option("--quiet", "-q", is_flag=True, help="No progress bar.")
@click.pass_context
def import_events(
    ctx: click.Context,
    file: Path,
    mapping: str | None,
    rejects: str | None,
    url: str,
    patience: Millis,
    quiet: bool,
) -> None:
    """Send the history in FILE to a running Segue: it counts, and opens no session.

    FILE is CSV or JSON lines, plain or gzipped: Segment messages, rows with a mapping, or a bulk
    file of Shopify's Admin API (orders, customers, products). What was imported before, or came
    by webhook, counts once. While Segue is busy, restarts or can't be reached, the import waits and
    then goes on; one that was cut off goes on where it stopped.

    \b
    Examples:
      segue import events.jsonl.gz
      segue import orders.csv --mapping orders.yaml --rejects bad.csv
      segue import bulk-4711.jsonl
    """
    settings = asking.settings_of(ctx)
    running = asking.Running(url, settings)
    with Rejects(rejects) as rejected:
        source: Source | shopify_bulk.BulkFile
        if shopify_bulk.is_bulk(file):
            source = shopify_bulk.BulkFile(
                file,
                user_by=settings.customers_by,
                marketing_topics=listed(settings.marketing_topics),
                on_rejection=rejected.add,
            )
        else:
            source = Source(file, mapping, rejected.add)
        how = msgspec.json.encode((source.how, settings.customers_by, settings.marketing_topics))
        name = blake2b(catalogs.digest_of(file).encode() + how, digest_size=16).hexdigest()
        with FileBar(source.reading, "events", hidden=quiet) as bar:
            sent = _Sending(running, f"/v1/imports/{name}", bar, patience / SECOND)
            try:
                sent.all_of(source, rejected)
            except (KeyboardInterrupt, ComeLater, NotHere):
                click.echo(f"stopped after {sent.reached:,} entries: {_GOES_ON}", err=True)
                raise
        rejected.tell(str(file))
    if sent.before:
        click.echo(f"went on after {sent.before:,} entries that were imported before", err=True)
    click.echo(_summary(sent.total, rejected.many))
    if source.reading.report.broken:
        click.echo(f"not read to its end: {source.reading.report.broken}", err=True)
    if rejected.many or source.reading.report.broken:
        ctx.exit(4)


class _Sending:
    """A file on its way, a piece at a time."""

    def __init__(self, running: asking.Running, path: str, bar: FileBar, lasts_s: float) -> None:
        self._running, self._path, self._bar, self._lasts_s = running, path, bar, lasts_s
        self.total = Taken()
        look = partial(running.look, path, Reached)
        self.before = patiently(look, lasts_s, bar.waits, begun=False).reached
        self.reached = self.before

    def all_of(self, source: Source | shopify_bulk.BulkFile, rejected: Rejects) -> None:
        """Send what was not sent before. A piece that was sent twice counts once."""
        entries = islice(_entries(source), self.before, None)
        while piece := list(islice(entries, ENTRIES_AT_ONCE)):
            reached = self.reached + len(piece)
            body = {"source": source.name, "reached": reached, "entries": piece}
            send = partial(self._running.change, self._path, body, Taken)
            taken = patiently(send, self._lasts_s, self._bar.waits, begun=True)
            self.reached = reached
            self.total.accepted += taken.accepted
            self.total.known_already += taken.known_already
            self.total.items_changed += taken.items_changed
            for one in taken.refused:
                rejected.add(Rejection(one.line, one.message, ""))
            self._bar.watch()


def _entries(source: Source | shopify_bulk.BulkFile) -> Iterator[Entry]:
    if isinstance(source, shopify_bulk.BulkFile):
        for found in source:
            whose = found.consents[0][0] if found.consents else ""
            also = tuple(said for _, said in found.consents)
            for event in found.events:
                yield Entry(found.line, event)
            if also or found.items:
                yield Entry(found.line, None, also, user_id=whose, items=found.items)
        return
    for one in source:
        yield Entry(one.line, one.event, one.also)


def _summary(total: Taken, rejected: int) -> str:
    said = f"{total.accepted:,} accepted"
    said += f", {total.known_already:,} known already" if total.known_already else ""
    said += f", {total.items_changed:,} items changed" if total.items_changed else ""
    return said + (f", {rejected:,} rows rejected" if rejected else "")

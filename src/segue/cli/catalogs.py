"""`segue catalog`: items imported from files, shown and listed."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from rich.table import Table

from segue import catalogs, wiring
from segue.cli import asking
from segue.cli.rejects import FileBar, Rejects
from segue.cli.terminal import terminal
from segue.connectors.items import ItemFile, catalog_of, is_catalog, read_mapping
from segue.errors import CatalogMisnamed, NotHere
from segue.kernel.catalog import PRODUCTS
from segue.stores.ports import Store

_LISTED = 20

_store_option = click.option(
    "--store", metavar="FILE", help="The store, if not the one of the settings."
)


@click.group()
def catalog() -> None:
    """Import the items of catalogs, and look at them.

    A running Segue sees a change within a second, and tells whom it concerns.

    \b
    Examples:
      segue catalog import products.csv
      segue catalog show sofa-3
      segue catalog list
    """


@contextmanager
def _opened(ctx: click.Context, store: str | None, *, create: bool = False) -> Generator[Store]:
    settings = asking.settings_of(ctx, store=store)
    with wiring.stored(settings.store, create=create) as opened:
        yield opened


@catalog.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--catalog", "name", metavar="NAME", help="The catalog, if not that of the file.")
@click.option("--mapping", metavar="FILE", help="Which columns are the id and the fields.")
@click.option("--rejects", metavar="FILE", help="Write rejected rows there, with the reason.")
@click.option("--quiet", "-q", is_flag=True, help="No progress bar.")
@_store_option
@click.pass_context
def import_items(
    ctx: click.Context,
    file: Path,
    name: str | None,
    mapping: str | None,
    rejects: str | None,
    quiet: bool,
    store: str | None,
) -> None:
    """Put the items in FILE into a catalog: `products`, or the one that the file is named for.

    FILE is CSV or JSON lines, plain or gzipped. What is so already changes nothing, and what the
    file does not name stays as it is. An import that was cut off goes on where it stopped.

    \b
    Examples:
      segue catalog import products.csv
      segue catalog import shops.jsonl --catalog stores
      segue catalog import feed.csv --mapping feed.yaml --rejects bad.csv
    """
    into = name or catalog_of(file) or PRODUCTS
    if not is_catalog(into):
        raise CatalogMisnamed(f"{into!r} is no catalog's name")
    how = read_mapping(mapping) if mapping else None
    with Rejects(rejects) as rejected, _opened(ctx, store, create=True) as opened:
        source = ItemFile(file, how, rejected.add)
        with FileBar(source.reading, "items", hidden=quiet) as bar:
            done = catalogs.import_file(
                opened, lambda changes: opened.put_items(changes, wiring.now()), source, into,
                bar.watch,
            )  # fmt: skip
        rejected.tell(str(file))
    if done.resumed_at:
        click.echo(f"went on at line {done.resumed_at:,}", err=True)
    same = done.items - done.changed
    said = f", {same:,} were so already" if same else ""
    said += f", {done.rejected:,} rows rejected" if done.rejected else ""
    click.echo(f"{done.changed:,} items changed in {into}{said}")
    if source.reading.report.broken:
        click.echo(f"not read to its end: {source.reading.report.broken}", err=True)
    if done.rejected or source.reading.report.broken:
        ctx.exit(4)


@catalog.command()
@click.argument("item")
@click.option("--catalog", "name", default=PRODUCTS, show_default=True, metavar="NAME")
@_store_option
@click.pass_context
def show(ctx: click.Context, item: str, name: str, store: str | None) -> None:
    """Print one ITEM as JSON.

    \b
    Examples:
      segue catalog show sofa-3
      segue catalog show 12 --catalog stores
    """
    with _opened(ctx, store) as opened:
        found = opened.item(name, item)
    if found is None:
        raise NotHere(f"there is no item {item!r} in {name}", "`segue catalog list` tells them")
    told = {"id": found.id, **found.fields}
    click.echo(msgspec.json.format(msgspec.json.encode(told)))


@catalog.command("list")
@click.argument("name", required=False)
@click.option("--after", default="", metavar="ID", help="Items after this one.")
@click.option("--limit", default=_LISTED, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, one a line.")
@_store_option
@click.pass_context
def list_items(
    ctx: click.Context, name: str | None, after: str, limit: int, as_json: bool, store: str | None
) -> None:
    """List the catalogs, or the items of the one called NAME in order of id.

    \b
    Examples:
      segue catalog list
      segue catalog list products --after sofa-3
      segue catalog list products --json | jq .price
    """
    with _opened(ctx, store) as opened:
        counts = opened.catalogs()
        items = opened.items(name, after, limit) if name else []
    if name and name not in counts:
        raise NotHere(f"there is no catalog {name!r}", "`segue catalog list` tells them")
    if as_json:
        for one in items:
            click.echo(msgspec.json.encode({"id": one.id, **one.fields}))
        for each, count in counts.items() if not name else ():
            click.echo(msgspec.json.encode({"catalog": each, "items": count}))
        return
    if not counts:
        click.echo("No items.")
        return
    table = Table(*(("id", "item") if name else ("catalog", "items")), box=None)
    for one in items:
        table.add_row(one.id, msgspec.json.encode(one.fields).decode()[:120])
    for each, count in counts.items() if not name else ():
        table.add_row(each, f"{count:,}")
    terminal().print(table)

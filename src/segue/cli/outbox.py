"""`segue dead` and `segue retry`: messages that could not be delivered, and another try."""

from contextlib import suppress

import click
import msgspec
from rich.table import Table

from segue import wiring
from segue.cli import asking
from segue.cli.terminal import terminal
from segue.errors import NotHere
from segue.hosts import again
from segue.hosts.again import Retried
from segue.settings import Settings
from segue.sim.report import moment
from segue.stores.ports import QueuedSend

RETRIED_AT_ONCE = 500

_store_option = click.option(
    "--store", metavar="FILE", help="The store, if not the one of the settings."
)


@click.command()
@_store_option
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, one a line.")
@click.pass_context
def dead(ctx: click.Context, store: str | None, limit: int, as_json: bool) -> None:
    """List dead letters: what a provider refused, or what was tried too often.

    \b
    Examples:
      segue dead
      segue dead --json | jq .detail
    """
    settings = asking.settings_of(ctx, store=store)
    with wiring.stored(settings.store) as opened:
        rows = opened.outbox("dead", None, limit)
    if as_json:
        for row in rows:
            click.echo(msgspec.json.encode(row))
        return
    if not rows:
        click.echo("No dead letters.")
        return
    table = Table("id", "profile", "what", "tried", "when", "why", box=None)
    for row in rows:
        when = moment(row.settled_at) if row.settled_at is not None else ""
        table.add_row(row.id, row.profile, _what(row), str(row.attempts), when, row.detail)
    terminal().print(table)
    click.echo("Try again: segue retry ID, or segue retry --all", err=True)


def _what(row: QueuedSend) -> str:
    record = msgspec.to_builtins(row.effect)
    named = (record.get(name) for name in ("message", "webhook", "title", "audience"))
    what = next((str(name) for name in named if name), "")
    return f"{what} by {record['channel']}" if record.get("channel") else what


@click.command()
@click.argument("ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Retry all of them.")
@_store_option
@click.option("--url", default="", help="Where Segue runs, if not where the settings say.")
@click.pass_context
def retry(
    ctx: click.Context, ids: tuple[str, ...], everything: bool, store: str | None, url: str
) -> None:
    """Queue dead letters again, by their IDS.

    A running Segue is asked to; if none runs, the store itself is changed, and they leave when
    one starts. A message that has expired meanwhile is not sent; one that went out on another
    channel, whose customer has said no since, or whose offer was taken back stays dead.

    \b
    Examples:
      segue retry --all
      segue dead --json | jq -r .id | xargs segue retry
    """
    if everything == bool(ids):
        raise click.UsageError("Name the IDS to retry, or say --all.")
    settings = asking.settings_of(ctx, store=store)
    if everything:
        with wiring.stored(settings.store) as opened:
            ids = tuple(row.id for row in opened.outbox("dead", None, 1_000_000))
    told = _retry(settings, url, ids, here=store is not None)
    many = sum(each.retried for each in told)
    kept = [one for each in told for one in each.kept]
    rest = len(ids) - many - len(kept)
    click.echo(f"{many} queued again" + (f", {rest} were not dead" if rest else ""))
    for one in kept:
        click.echo(f"{one.id} stays dead: {one.why}")


def _retry(settings: Settings, url: str, ids: tuple[str, ...], *, here: bool) -> list[Retried]:
    parts = [ids[at : at + RETRIED_AT_ONCE] for at in range(0, len(ids), RETRIED_AT_ONCE)]
    if not here:
        running = asking.Running(url, settings)
        with suppress(NotHere):
            return [running.change("/api/outbox/retry", {"ids": part}, Retried) for part in parts]
        if url:
            raise NotHere(f"no Segue answers at {url}", "leave --url away to change the store")
    with wiring.stored(settings.store) as opened:
        return [again.retry(opened, part, wiring.now()) for part in parts]

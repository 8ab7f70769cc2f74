"""`segue send`: one event into a running Segue, the way any client sends it."""

import secrets

import click
import msgspec

from segue.cli import asking
from segue.kernel.values import Record


class Refusal(msgspec.Struct):
    """One message that was not taken, and why."""

    message: str = ""
    place: str = ""


class Taken(msgspec.Struct):
    """What a running Segue says to a batch."""

    accepted: int = 0
    refused: list[Refusal] = []


@click.command()
@click.argument("event")
@click.option("--user", metavar="ID", help="The customer's id.")
@click.option("--anonymous", metavar="ID", help="The id of a browser that has not logged in.")
@click.option(
    "--property",
    "-p",
    "properties",
    multiple=True,
    metavar="NAME=VALUE",
    callback=asking.pairs,
    help="A property of the event; JSON values are read as such. Repeatable.",
)
@click.option(
    "--trait",
    "-t",
    "traits",
    multiple=True,
    metavar="NAME=VALUE",
    callback=asking.pairs,
    help="A trait of the customer, sent as an identify before the event. Repeatable.",
)
@click.option("--at", metavar="TIME", help="When it happened, in ISO 8601. Otherwise: now.")
@click.option("--id", "message_id", metavar="ID", help="Its id; the same id counts only once.")
@click.option("--url", default="", help="Where Segue runs, if not where the settings say.")
@click.option("--key", default="", help="The write key, if not the one of the settings.")
@click.pass_context
def send(
    ctx: click.Context,
    event: str,
    user: str | None,
    anonymous: str | None,
    properties: Record,
    traits: Record,
    at: str | None,
    message_id: str | None,
    url: str,
    key: str,
) -> None:
    """Send one EVENT to a running Segue.

    EVENT is the name of a track event, or `identify` to tell traits only.

    \b
    Examples:
      segue send "Product Added" --user ana -p product_id=42 -p price=19.90
      segue send identify --user ana -t email=ana@example.com
      segue send "Order Completed" --user ana -p 'products=[{"product_id": "42"}]'
    """
    if not user and not anonymous:
        raise click.UsageError("Say whose event it is: --user ID or --anonymous ID.")
    settings = asking.settings_of(ctx)
    who = {"userId": user, "anonymousId": anonymous}
    common: Record = {name: given for name, given in who.items() if given}
    if at:
        common["timestamp"] = at
    batch: list[Record] = []
    only_traits = event == "identify"
    mark = message_id or f"segue-send-{secrets.token_hex(8)}"
    if traits or only_traits:
        own = mark if only_traits else f"{mark}-traits"
        told = traits | (properties if only_traits else {})
        batch.append({"type": "identify", "messageId": own, "traits": told, **common})
    if not only_traits:
        named: Record = {"type": "track", "event": event, "properties": properties}
        batch.append({**named, "messageId": mark, **common})
    running = asking.Running(url, settings)
    taken = running.send("/v1/batch", {"batch": batch}, Taken, key or asking.write_key(settings))
    for one in taken.refused:
        place = f"{one.place}: " if one.place else ""
        click.echo(f"refused: {place}{one.message}", err=True)
    if taken.refused:
        ctx.exit(4)
    click.echo(f"accepted: {event} of {user or anonymous}")
    click.echo(f"see what was decided: segue why {user or anonymous}", err=True)

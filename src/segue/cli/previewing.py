"""`segue preview`: what a message would look like to one customer."""

import tempfile
import webbrowser
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.text import Text

from segue import wiring
from segue.channels.preview import Preview, preview as look, sample
from segue.channels.template import Templates
from segue.cli import asking
from segue.cli.terminal import terminal
from segue.cli.workspace import checked
from segue.errors import NoSuchThing, NotHere, Unsupported
from segue.kernel.plan import Channel, Message
from segue.kernel.values import Instant, Record
from segue.server import admin


@click.command()
@click.argument("names", nargs=-1, metavar="[WORKSPACE] [MESSAGE]")
@click.option("--channel", metavar="NAME", help="Only this channel, not all that it has.")
@click.option(
    "--customer",
    default="{}",
    metavar="JSON|ID",
    help="The customer's traits as JSON; or a user id or profile id of the store.",
)
@click.option(
    "--event", default="{}", metavar="JSON", help="Properties of the event that led here."
)
@click.option("--store", metavar="FILE", help="The store, if not the one of the settings.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the email's HTML, or the fields of another channel as JSON, into this file.",
)
@click.option("--open", "opened", is_flag=True, help="Show the email in a browser.")
@click.option("--json", "as_json", is_flag=True, help="Print all fields as JSON.")
@click.pass_context
def preview(
    ctx: click.Context,
    names: tuple[str, ...],
    channel: str | None,
    customer: str,
    event: str,
    store: str | None,
    out: Path | None,
    opened: bool,
    as_json: bool,
) -> None:
    """Show MESSAGE of WORKSPACE (here, if not named) as it would leave.

    Without MESSAGE, the messages are listed. What templates ask for and the customer does not
    have is empty, as it would be.

    \b
    Examples:
      segue preview
      segue preview cart-reminder --customer '{"first_name": "Ana"}'
      segue preview shop cart-reminder --event '{"name": "Lamp", "price": 80}' --open
      segue preview shop cart-reminder --customer ana --channel sms
      segue preview shop cart-reminder --channel email --out letter.html
    """
    folder, name = _named(names)
    plan = checked(folder).plan
    assert plan is not None
    messages = {message.name: message for message in plan.messages}
    if not name:
        for each in plan.messages:
            click.echo(f"{each.name}: {', '.join(each.contents)}")
        return
    message = messages.get(name)
    if message is None:
        raise NotHere(f"{folder} has no message {name!r}", "`segue preview` alone lists them")
    traits = _traits(ctx, customer, store)
    now = wiring.now()
    data = sample(plan.workspace, message, traits, _record(event, "--event"), now)
    templates = Templates(plan.parts)
    seen = _seen(message, channel, templates, data, now)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(seen), indent=2))
    elif out is None and not opened:
        for one in seen:
            _print(one)
        _print_lacking(message, [one.channel for one in seen], templates, data)
    if out is not None or opened:
        _write(seen, out, opened=opened)


def _named(names: tuple[str, ...]) -> tuple[Path, str]:
    if len(names) > 2:
        raise click.UsageError("a workspace and a message are all that it takes")
    if len(names) == 2:
        return Path(names[0]), names[1]
    if names and Path(names[0]).is_dir():
        return Path(names[0]), ""
    return Path(), names[0] if names else ""


def _traits(ctx: click.Context, customer: str, store: str | None) -> Record:
    """Those given, or those of a customer whom the store knows."""
    if customer.lstrip().startswith("{"):
        return _record(customer, "--customer")
    settings = asking.settings_of(ctx, store=store)
    with wiring.stored(settings.store) as kept:
        for name in (customer, f"user:{customer}", f"anonymous:{customer}"):
            with suppress(NoSuchThing):
                return dict(admin.find(kept, name).traits)
    raise NotHere(f"the store knows no customer {customer!r}", "name a user id, or give JSON")


def _record(text: str, option: str) -> Record:
    try:
        told: Record = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise click.BadParameter(f"not a JSON object: {error}", param_hint=option) from error
    return told


def _seen(
    message: Message, channel: str | None, templates: Templates, data: Record, now: Instant
) -> list[Preview]:
    channels = list(message.contents) if channel is None else [channel]
    if channel is not None and channel not in message.contents:
        known = ", ".join(message.contents)
        raise NotHere(f"{message.name!r} has nothing for {channel}", f"it has {known}")
    return [look(message, each, templates, data, now) for each in channels]


def _print(seen: Preview) -> None:
    console = terminal()
    console.print(Text(seen.channel, style="bold"), Text("; ".join(seen.remarks), style="dim"))
    for name, text in sorted(seen.fields.items(), key=lambda each: ("\n" in each[1], each[0])):
        if name == "html" and seen.channel == "email":
            continue  # Nobody reads it in a terminal: `--out` and `--open` show it.
        console.print(Text(f"  {name}: ", style="cyan"), end="")
        lines = text.rstrip().split("\n")
        indent = "" if len(lines) == 1 else "\n    "
        console.print(Text(indent + "\n    ".join(lines)))
    console.print()


_FILLED_BY = {"traits": "--customer", "entry": "--event", "properties": "--event"}


def _print_lacking(
    message: Message, channels: list[Channel], templates: Templates, data: Record
) -> None:
    """Name what the templates ask for and nobody gave: an empty place looks like a mistake."""
    asked = {
        path
        for channel in channels
        for text in message.contents[channel].values()
        for path in templates.asked(text)
    }
    lacking: dict[str, list[str]] = {}
    for root, field in sorted(asked):
        known = data.get(root)
        if root in _FILLED_BY and isinstance(known, Mapping) and field not in known:
            lacking.setdefault(_FILLED_BY[root], []).append(f"{root}.{field}")
    for option, names in lacking.items():
        example = msgspec.json.encode({names[0].partition(".")[2]: "..."}).decode()
        click.echo(f"not given: {', '.join(names)}; try {option} '{example}'", err=True)


def _write(seen: list[Preview], out: Path | None, *, opened: bool) -> None:
    """The first that can be looked at in a browser; else all fields."""
    pages = [
        each.fields["html"] for each in seen if each.channel == "email" and "html" in each.fields
    ]
    if opened and not pages:
        raise Unsupported(seen[0].channel, "a look in the browser: only emails with HTML have one")
    if out is None:
        with tempfile.NamedTemporaryFile(
            "w", suffix=".html", delete=False, encoding="utf-8"
        ) as file:
            file.write(pages[0])
        out = Path(file.name)
    else:
        fields = msgspec.json.format(msgspec.json.encode(seen), indent=2).decode()
        try:
            out.write_text(pages[0] if pages else fields, encoding="utf-8")
        except OSError as error:
            raise NotHere(
                f"{out} can't be written: {error.strerror}", "name another file"
            ) from error
        click.echo(f"Wrote {out}.")
    if opened and not webbrowser.open(out.resolve().as_uri()):
        click.echo(f"There is no browser here; open {out} yourself.", err=True)

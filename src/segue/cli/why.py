"""`segue why`: one customer's timeline in words, with the reason of every decision."""

from contextlib import suppress
from typing import Any
from urllib.parse import quote

import click
import msgspec
from rich.text import Text

from segue import wiring
from segue.cli import asking
from segue.cli.terminal import terminal
from segue.errors import NoSuchThing, NotHere, Refused
from segue.kernel.values import Instant
from segue.server import admin
from segue.server.limits import PAGE_SIZE_MAX, TIMELINE_MAX
from segue.settings import Settings
from segue.sim.report import moment

Entry = dict[str, Any]

_OUTCOME_STYLES = {"admitted": "green", "held": "yellow", "denied": "red"}
_KINDS = ("user", "anonymous")


@click.command()
@click.argument("profile")
@click.option("--store", metavar="FILE", help="The store, if not the one of the settings.")
@click.option("--url", default="", help="Ask a running Segue instead of reading its store.")
@click.option("--last", default=TIMELINE_MAX, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--message", metavar="NAME", help="Only what concerns this message.")
@click.option("--checks/--no-checks", default=True, help="Show each check of each proposal.")
@click.option("--json", "as_json", is_flag=True, help="Print the timeline as JSON.")
@click.pass_context
def why(
    ctx: click.Context,
    profile: str,
    store: str | None,
    url: str,
    last: int,
    message: str | None,
    checks: bool,
    as_json: bool,
) -> None:
    """Tell what happened to PROFILE, what was decided, and why.

    PROFILE is a user id, an anonymous id, or a profile's own id; `user:ana` and
    `anonymous:a-1` say which.

    \b
    Examples:
      segue why ana
      segue why ana --message cart-reminder
      segue why anonymous:b7c1 --json | jq '.entries[0]'
    """
    settings = asking.settings_of(ctx, store=store)
    timeline = _found(settings, profile, url, last)
    if message:
        timeline["entries"] = [
            entry for each in timeline["entries"] if (entry := _only(each, message))
        ]
    if as_json:
        click.echo(msgspec.json.encode(timeline))
        return
    _print(timeline, checks=checks)


def _found(settings: Settings, profile: str, url: str, last: int) -> dict[str, Any]:
    """The timeline of the profile that this names: its own id first, then a user's."""
    names = [profile, *(f"{kind}:{profile}" for kind in _KINDS)]
    if url:
        running = asking.Running(url, settings)
        for name in names:
            path = f"/api/profiles/{quote(name, safe='')}/timeline"
            with suppress(Refused):
                return running.look(f"{path}?limit={min(last, PAGE_SIZE_MAX)}", dict[str, Any])
    else:
        with wiring.stored(settings.store) as opened:
            for name in names:
                with suppress(NoSuchThing):
                    return admin.timeline_of(opened, name, last)
    raise NotHere(
        f"no profile is known as {profile[:200]!r}",
        "ids are case-sensitive; the live page lists the customers it knows",
    )


def _only(entry: Entry, message: str) -> Entry | None:
    """The entry cut down to what concerns a message; None if nothing of it does."""
    notes = [
        note for note in entry.get("notes", []) if message in (note.get("message"), note["name"])
    ]
    return {**entry, "notes": notes} if notes else None


def _print(timeline: dict[str, Any], *, checks: bool) -> None:
    console = terminal()
    console.print(f"[bold]{timeline['name']}[/bold] · profile {timeline['profile']}\n")
    day = ""
    for entry in reversed(timeline["entries"]):
        at = moment(Instant(entry["at"]))
        if at[:10] != day:
            day = at[:10]
            console.print(f"[dim]{day} UTC[/dim]")
        for line in _lines(entry, checks=checks):
            console.print(Text(f"  {at[11:]}  ").append_text(line), soft_wrap=True)
            at = " " * len(at)


def _lines(entry: Entry, *, checks: bool) -> list[Text]:
    if entry["type"] == "event":
        name = Text(entry["name"], style="bold cyan")
        facts = entry["traits"] if entry["kind"] == "identify" else entry["properties"]
        shown = ", ".join(f"{key}={_brief(value)}" for key, value in facts.items())
        by = " (made by Segue)" if entry["emitted"] else ""
        return [name.append(f" {shown}{by}", style="not bold default")]
    lines: list[Text] = []
    for note in entry["notes"]:
        style = _OUTCOME_STYLES.get(note.get("outcome", ""), "")
        lines.append(Text(f"· {note['text']}", style=style))
        until = note.get("until")
        if until:
            lines[-1].append(f", until {moment(Instant(until))}")
        if checks:
            lines += [_check(check) for check in note.get("checks", [])]
    return lines


def _check(check: dict[str, Any]) -> Text:
    mark, style = {"pass": ("✓", "green"), "hold": ("…", "yellow"), "deny": ("✗", "red")}[
        check["verdict"]
    ]
    text = Text("    ").append(mark, style=style).append(f" {check['title']}", style="dim")
    if check["text"]:
        text.append(f": {check['text']}", style="dim")
    return text


def _brief(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."

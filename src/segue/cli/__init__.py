"""The command line: `segue`. Each command lives in a module of its own, loaded when asked for.

Rule 1: an error that someone can act on is one line, a hint, and an exit code; never a traceback.
Rule 2: what a program reads goes to standard output, what a person reads besides to standard
    error, so that `segue ... --json | jq` always works.
Rule 3: every command's help ends with examples, and a test says so.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from segue.errors import DefinitionError, InputError, OperatorError, SegueError
from segue.hosts.interpreter import look_seldom

COMMANDS = {
    "new": ("workspace:new", "Make a workspace to change."),
    "check": ("workspace:check", "Check a workspace, as a compiler does."),
    "preview": ("previewing:preview", "Show a message as it would leave."),
    "test": ("testing:test", "Live the tests written beside a workspace's journeys."),
    "publish": ("publishing:publish", "Put a workspace in force, and say what becomes of runs."),
    "run": ("running:run", "Start Segue with a workspace."),
    "send": ("sending:send", "Send one event to a running Segue."),
    "import": ("importing:import_events", "Send a file of history to a running Segue."),
    "why": ("why:why", "Tell what was decided for a customer, and why."),
    "replay": ("replaying:replay", "Run a log through a workspace in virtual time."),
    "backtest": ("backtesting:backtest", "Try a workspace on history, alone or against another."),
    "dead": ("outbox:dead", "List messages that could not be delivered."),
    "retry": ("outbox:retry", "Queue such messages again."),
    "coupons": ("coupons:coupons", "Add codes to coupon pools, and count them."),
    "vapid": ("vapid:vapid", "Make a key for Web Push."),
    "catalog": ("catalogs:catalog", "Import the items of catalogs, and look at them."),
    "doctor": ("doctor:doctor", "Look over the installation."),
}
"""Every command: where it lives, and what it does."""

OTHERWISE = {
    "init": "new",
    "create": "new",
    "start": "run",
    "serve": "run",
    "up": "run",
    "dev": "run",
    "validate": "check",
    "lint": "check",
    "deploy": "publish",
    "apply": "publish",
    "push": "publish",
    "render": "preview",
    "track": "send",
    "event": "send",
    "explain": "why",
    "simulate": "backtest",
    "status": "doctor",
}
"""What other tools call a command."""

EXIT_CODES = {
    0: "it went well",
    1: "a definition is wrong (or `doctor` found something): correct the workspace",
    2: "the command line itself is wrong: see `--help`",
    3: "the installation is wrong: a setting, a file, the store, a port",
    4: "what was sent was refused",
    70: "a bug in Segue: please report it",
    130: "it was interrupted",
}
"""What `segue` exits with."""


class Commands(click.Group):
    """A group that loads a command when it is asked for: `segue --help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        where = COMMANDS.get(cmd_name)
        if where is None:
            return None
        module, _, name = where[0].partition(":")
        command: click.Command = getattr(import_module(f"segue.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table: listing commands loads none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, does) for name, (_, does) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as wrong:
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            close = [OTHERWISE[args[0]]] if args[0] in OTHERWISE else close
            if close:
                raise click.UsageError(f"{wrong.message} Did you mean {close[0]!r}?", ctx) from None
            raise


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"segue {version('segue')}")
    ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Read settings from this file instead of segue.toml.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version.",
)
@click.pass_context
def segue(ctx: click.Context, settings_file: Path | None) -> None:
    """Segue decides what happens next for each customer, on every channel, and says why.

    A workspace is a folder of YAML files: segments, journeys, messages, policies.
    Three commands take you from nothing to a message:

    \b
      segue new shop              make a workspace to change
      segue run shop              check it, start it, print where to look
      segue send "Product Added" --user ana --property product_id=42

    Then `segue why ana` tells what was decided for her, and each reason.
    """
    ctx.obj = settings_file


def main() -> NoReturn:
    """Run the command line and exit."""
    look_seldom()  # before anything is imported: a twelfth of what starting takes
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; returns the exit code."""
    try:
        answer: Any = segue.main(arguments, prog_name="segue", standalone_mode=False)
        return answer if isinstance(answer, int) else 0
    except (click.Abort, KeyboardInterrupt):
        return 130
    except click.ClickException as wrong:
        wrong.show()
        return wrong.exit_code
    except SegueError as error:
        return _tell(error)
    except BrokenPipeError:
        return 0  # the reader of our output has seen enough


def _tell(error: SegueError) -> int:
    click.secho(f"error[{error.code}]: ", fg="red", bold=True, nl=False, err=True)
    click.echo(str(error), err=True)
    if error.hint:
        click.echo(f"  hint: {error.hint}", err=True)
    match error:
        case DefinitionError():
            return 1
        case OperatorError():
            return 3
        case InputError():
            return 4
        case _:
            return 70

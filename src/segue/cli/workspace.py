"""`segue new` and `segue check`: a workspace's beginning, and the compiler's word on it."""

import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import click

from segue import define, wiring
from segue.errors import NotHere, WorkspaceWrong
from segue.kernel.plan import Policy, Suppression

FOLDER = click.Path(file_okay=False, path_type=Path)


def templates() -> dict[str, Path]:
    """Workspaces to start from, by name: packaged ones, or the examples of a checkout."""
    package = Path(__file__).parents[1]
    for home in (package / "templates", package.parents[1] / "examples"):
        if home.is_dir():
            found = [path.parent for path in sorted(home.glob("*/workspace.yaml"))]
            return {_template_name(path.name): path for path in found}
    return {}


def _template_name(folder: str) -> str:
    """`01_cart_recovery` is offered as `cart-recovery`."""
    return folder.lstrip("0123456789_").replace("_", "-")


@click.command()
@click.argument("name", type=click.Path(path_type=Path))
@click.option(
    "--template",
    default="cart-recovery",
    show_default=True,
    metavar="TEMPLATE",
    help="The workspace to start from; `--template list` lists them.",
)
def new(name: Path, template: str) -> None:
    """Make the folder NAME, a workspace to change.

    \b
    Examples:
      segue new shop
      segue new shop --template cart-recovery
      segue new . --template list
    """
    known = templates()
    if template == "list":
        for each in known:
            click.echo(each)
        return
    if template not in known:
        raise click.BadParameter(
            f"{template!r} is none of: {', '.join(known) or 'none is packaged'}",
            param_hint="--template",
        )
    if name.exists() and (not name.is_dir() or any(name.iterdir())):
        raise NotHere(f"{name} exists already and is not empty", "choose a name that is free")
    try:
        shutil.copytree(
            known[template], name, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*", "__*")
        )
    except OSError as problem:
        raise NotHere(f"{name} can't be made: {problem.strerror}", "choose another") from problem
    click.echo(f"Made {name} from the template {template}.")
    click.echo(f"Next: segue check {name}, then segue run {name}", err=True)


@click.command()
@click.argument("folder", type=FOLDER, default=".")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    show_default=True,
    help="For people; or for programs: one JSON list of diagnostics, or SARIF 2.1.0.",
)
@click.option(
    "--history",
    type=click.Path(path_type=Path),
    metavar="STORE",
    help="Compare with what this store remembers: the events that come, the goals reached.",
)
def check(folder: Path, form: str, history: Path | None) -> None:
    """Check the workspace in FOLDER (here, if not named), as a compiler does.

    Exits with 1 if there is an error; warnings alone are no error.

    \b
    Examples:
      segue check
      segue check shop
      segue check shop --format json | jq '.[].code'
      segue check shop --format sarif > segue.sarif
      segue check shop --history .segue/segue.sqlite
    """
    loaded = wiring.read_workspace(folder, history=_past(history))
    errors = sum(each.severity == "error" for each in loaded.diagnostics)
    warnings = sum(each.severity == "warning" for each in loaded.diagnostics)
    if form == "json":
        click.echo(define.as_json(loaded.diagnostics))
        sys.exit(1 if errors else 0)
    if form == "sarif":
        root = folder.resolve().as_uri()
        click.echo(define.as_sarif(loaded.diagnostics, root=root, version=version("segue")))
        sys.exit(1 if errors else 0)
    text = define.render(loaded.diagnostics, loaded.sources)
    if text:
        click.echo(text)
    if errors:
        raise WorkspaceWrong(f"{folder}: {_many(errors, 'error')}, {_many(warnings, 'warning')}")
    if loaded.plan is not None:
        plan = loaded.plan
        unwritten = sum(_is_default(each) for each in plan.policies)
        parts = (
            _many(len(plan.segments), "segment"),
            _many(len(plan.journeys), "journey"),
            _many(len(plan.messages), "message"),
            _many(len(plan.policies) - unwritten, "policy", "policies")
            + (f" and {_many(unwritten, 'default')}" if unwritten else ""),
        )
        note = f", {_many(warnings, 'warning')}" if warnings else ""
        click.echo(f"{plan.workspace.name} is fine{note}: {', '.join(parts)}.")
        click.echo(f"program {loaded.hash}")


def _past(store: Path | None) -> define.History | None:
    """What a store remembers."""
    if store is None:
        return None
    from segue.cli.past import history_of

    with wiring.stored(store) as opened:
        return history_of(opened)


def checked(folder: Path) -> define.Loaded:
    """A workspace without errors; otherwise they are shown, and `WorkspaceWrong` is raised."""
    loaded = wiring.read_workspace(folder)
    if loaded.plan is None:
        click.echo(define.render(loaded.errors, loaded.sources), err=True)
        raise WorkspaceWrong(f"{folder}: {_many(len(loaded.errors), 'error')}")
    return loaded


def _is_default(policy: Policy) -> bool:
    """Whether it is one of the two guardrails that are on without being written."""
    return isinstance(policy, Suppression) and policy.rule in ("on_site_active", "bought")


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"

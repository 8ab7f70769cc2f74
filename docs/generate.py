"""Write the reference pages that are made from the code: `make docs`.

A test (tests/docs) fails while a page differs from what is made here, so none can grow stale.
"""

import ast
import sys
from pathlib import Path

import click

from segue import cli, errors, settings
from segue.define import diagnostics
from segue.errors import DefinitionError, InputError, OperatorError, SegueError
from segue.kernel.trace import CHECKS, REASONS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "segue"
FOLDER = ROOT / "docs" / "reference"

_BLAME: dict[type[SegueError], str] = {
    DefinitionError: "The author of the workspace can act",
    InputError: "The sender of the data can act",
    OperatorError: "Whoever runs the installation can act",
}


def pages() -> dict[str, str]:
    """Every generated page, by file name."""
    return {
        "cli.md": command_line(),
        "diagnostics.md": diagnostics.reference(),
        "errors.md": error_codes(),
        "limits.md": limits(),
        "reasons.md": reasons(),
        "settings.md": settings.reference(),
    }


def command_line() -> str:
    """`segue` and its commands, as their own help tells them."""
    lines = ["# The command line", "", "This page is made from the commands by `make docs`.", ""]
    lines += ["```text", _help(cli.segue, "segue"), "```", ""]
    lines += ["It exits with", "", "| code | meaning |", "| ---: | --- |"]
    lines += [f"| {code} | {meaning} |" for code, meaning in cli.EXIT_CODES.items()]
    root = click.Context(cli.segue, info_name="segue")
    for name in cli.COMMANDS:
        command = cli.segue.get_command(root, name)
        assert command is not None
        lines += ["", f"## segue {name}", "", "```text", _help(command, f"segue {name}"), "```"]
    return "\n".join(lines) + "\n"


def _help(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name, terminal_width=96, max_content_width=96)
    return command.get_help(context)


def error_codes() -> str:
    """Every error raised on purpose, by who can act."""
    lines = [
        "# Errors",
        "",
        "Every error that Segue raises on purpose has a code whose meaning never changes, and a",
        "hint. Over HTTP it is `{code, message, hint}`. This page is made from",
        "`src/segue/errors.py` by `make docs`.",
    ]
    for branch, title in _BLAME.items():
        lines += ["", f"## {title}", ""]
        status = branch is InputError
        lines.append("| code | name | meaning | what to do |" + (" HTTP |" if status else ""))
        lines.append("| --- | --- | --- | --- |" + (" ---: |" if status else ""))
        for leaf in sorted(leaves(branch), key=lambda each: each.code):
            meaning = (leaf.__doc__ or "").strip().split("\n")[0]
            row = f"| `{leaf.code}` | {leaf.__name__} | {meaning} | {leaf.hint or '-'} |"
            lines.append(row + (f" {leaf.status} |" if issubclass(leaf, InputError) else ""))
    return "\n".join(lines) + "\n"


def leaves(branch: type[SegueError]) -> list[type[SegueError]]:
    """All errors below a branch that are raised: those with a code of their own."""
    found = [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, branch) and each is not branch
    ]
    return [each for each in found if "code" in vars(each)]


def reasons() -> str:
    """Every reason that a trace can give."""
    lines = [
        "# Reasons",
        "",
        "Why a message did or did not go out. The arbiter's checks, in their order, are",
        ", ".join(f"`{check}`" for check in CHECKS) + ".",
        "",
        "This page is made from `src/segue/kernel/trace.py` by `make docs`.",
        "",
        "| reason | in words |",
        "| --- | --- |",
    ]
    lines += [f"| `{code}` | {words} |" for code, words in REASONS.items()]
    return "\n".join(lines) + "\n"


def limits() -> str:
    """Every bound, and what happens at it."""
    lines = [
        "# Limits",
        "",
        "Every queue, batch, loop and payload is bounded. This page is made from the `limits.py`",
        "of each floor by `make docs`.",
    ]
    for path in sorted(SOURCE.glob("*/limits.py")):
        lines += ["", f"## {path.parent.name}", "", "| name | value | what happens |"]
        lines.append("| --- | ---: | --- |")
        lines += [f"| `{name}` | {value} | {words} |" for name, value, words in _limits(path)]
    return "\n".join(lines) + "\n"


def _limits(path: Path) -> list[tuple[str, str, str]]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    found: list[tuple[str, str, str]] = []
    for node, after in zip(body, [*body[1:], None], strict=True):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        words = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            words = " ".join(str(after.value.value).split())
        found.append((node.targets[0].id, ast.unparse(node.value), words))
    return found


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()

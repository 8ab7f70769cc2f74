"""Goal: nothing that a user can meet is undocumented, and no page says what the code does not.

Settings, errors, commands, reasons and limits are generated; routes are written by hand.
"""

import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

import click
import pytest

from segue import cli, errors, settings
from segue.errors import SegueError
from segue.kernel.trace import CHECKS, REASONS
from segue.server.app import ROUTES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATED: dict[str, str] = _generator().pages()


def _commands() -> dict[str, click.Command]:
    context = click.Context(cli.segue)
    found = {name: cli.segue.get_command(context, name) for name in cli.COMMANDS}
    return {name: command for name, command in found.items() if command is not None}


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    path = REFERENCE / name
    assert path.exists(), f"run `make docs`: {name} is missing"
    assert path.read_text("utf-8") == GENERATED[name], f"run `make docs`: {name} is stale"


def test_every_setting_is_documented_with_help() -> None:
    page = (REFERENCE / "settings.md").read_text("utf-8")
    for row in settings.table():
        assert len(row.help) > 10, row.name
        assert f"## {row.name}\n\n{row.help}" in page


def test_every_error_has_a_code_of_its_own_a_meaning_and_a_hint() -> None:
    page = (REFERENCE / "errors.md").read_text("utf-8")
    codes: dict[str, str] = {}
    for name, leaf in vars(errors).items():
        if not isinstance(leaf, type) or not issubclass(leaf, SegueError):
            continue
        if SegueError in (leaf, *leaf.__bases__):
            continue  # the root and its branches are never raised themselves
        assert "code" in vars(leaf), f"{name} has no code of its own"
        assert codes.setdefault(leaf.code, name) == name, f"{name} and {codes[leaf.code]} share"
        assert (leaf.__doc__ or "").strip(), f"{name} says nothing"
        takes_hint = "__init__" in vars(leaf) and "hint" in inspect.signature(leaf).parameters
        assert leaf.hint or takes_hint, f"{name} has no hint"
        assert f"| `{leaf.code}` | {name} |" in page


def test_every_command_is_listed_as_its_own_help_begins() -> None:
    for name, command in _commands().items():
        assert (command.help or "").strip(), name
        assert cli.COMMANDS[name][1].endswith(".")
        assert f"## segue {name}" in GENERATED["cli.md"]


def test_every_option_of_every_command_has_help() -> None:
    silent = [
        f"segue {name} {option.opts[0]}"
        for name, command in _commands().items()
        for option in command.params
        if isinstance(option, click.Option) and not option.help and not option.show_default
    ]
    assert not silent, silent


def test_every_command_shows_examples() -> None:
    for name, command in _commands().items():
        text = command.help or ""
        assert "Examples:" in text and f"segue {name}" in text, f"segue {name} shows no example"


def test_every_route_is_documented() -> None:
    page = (REFERENCE / "http.md").read_text("utf-8")
    for route in ROUTES:
        path = re.sub(r":\w+}", "}", route.path)
        assert f"`{path}`" in page or f" {path}`" in page, f"{route.path} is not in http.md"


def test_every_reason_and_check_is_documented_in_words() -> None:
    page = (REFERENCE / "reasons.md").read_text("utf-8")
    for code, words in REASONS.items():
        assert words and not words.endswith("."), code
        assert f"| `{code}` | {words} |" in page
    for check in CHECKS:
        assert f"`{check}`" in page


def test_every_reason_that_the_code_gives_is_in_the_table() -> None:
    """Literals in places where a reason stands; a code that nobody explains helps nobody."""
    given = re.compile(r"reason=\"([a-z_]+)\"|(?:deny|hold|finish)\([^()]*?\"([a-z_]+)\"\)")
    for path in (ROOT / "src" / "segue" / "kernel").glob("*.py"):
        for found in given.finditer(path.read_text("utf-8")):
            code = found[1] or found[2]
            assert code in REASONS, f"{path.name}: {code!r} is not in trace.REASONS"

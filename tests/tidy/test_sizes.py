"""Goal: one screen is the unit. Modules and functions stay small, or say here why not."""

import ast
from collections.abc import Iterator
from pathlib import Path

from source import SOURCE, files, modules, relative, tree

MODULE_LINES_MAX = 600
TEST_LINES_MAX = 900
"""A story told in many small tests may be longer than a module."""

FUNCTION_LINES_MAX = 70
LINE_LENGTH_MAX = 100
BLOB_BYTES_MAX = 600_000

LONG_MODULES: dict[str, str] = {}
"""Modules over the limit, each with its reason."""

LONG_FUNCTIONS: dict[str, str] = {}
"""`file::function` over the limit, each with its reason."""

LONG_LINES_MAY_STAND_IN = (".md", ".json", ".lock", ".svg", ".txt", ".html", ".csv", ".toml")
BANNED_NAMES = {"utils", "util", "common", "helpers", "helper", "base", "manager", "types", "misc"}


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


def test_a_module_fits_the_head_of_one_reader() -> None:
    wrong = []
    for path in files(".py", ".ts", ".tsx", ".js", ".css"):
        lines = path.read_text(encoding="utf-8").count("\n")
        most = TEST_LINES_MAX if relative(path).startswith("tests/") else MODULE_LINES_MAX
        if lines > most and relative(path) not in LONG_MODULES:
            wrong.append(f"{relative(path)} has {lines} lines: find the seam, or name it here")
    assert not wrong, "\n".join(wrong)


def test_a_function_fits_one_screen() -> None:
    wrong = [
        f"{relative(path)}::{name} has {lines} lines"
        for path in modules()
        for name, lines in _functions(path)
        if lines > FUNCTION_LINES_MAX and f"{relative(path)}::{name}" not in LONG_FUNCTIONS
    ]
    assert not wrong, "\n".join(wrong)


def test_exemptions_are_still_needed() -> None:
    sizes = {relative(path): path.read_text().count("\n") for path in files(".py", ".ts", ".tsx")}
    stale = [name for name in LONG_MODULES if sizes.get(name, 0) <= MODULE_LINES_MAX]
    lengths = {
        f"{relative(path)}::{name}": lines for path in modules() for name, lines in _functions(path)
    }
    stale += [name for name in LONG_FUNCTIONS if lengths.get(name, 0) <= FUNCTION_LINES_MAX]
    assert not stale, f"no longer too long: {stale}"


def test_lines_end_before_the_hundredth_column() -> None:
    wrong = [
        f"{relative(path)}:{number} is {len(line)} columns wide"
        for path in files(".py", ".sql", ".sh", ".ts", ".tsx")
        if not relative(path).startswith("tests/")  # samples of data stand there as they are
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > LINE_LENGTH_MAX and "http" not in line
    ]
    assert not wrong, "\n".join(wrong)


def test_a_module_is_named_after_what_lives_in_it() -> None:
    wrong = [
        relative(path)
        for path in modules()
        for part in (*path.relative_to(SOURCE).parts[:-1], path.stem)
        if part in BANNED_NAMES
    ]
    assert not wrong, f"if a thing has no home, the home is missing: {wrong}"


def test_every_module_says_what_lives_in_it() -> None:
    wrong = [
        relative(path)
        for path in modules()
        if not ast.get_docstring(tree(path)) and path.read_text(encoding="utf-8").strip()
    ]
    assert not wrong, f"no docstring: {wrong}"


def test_nothing_big_is_kept_in_the_repository() -> None:
    wrong = [
        f"{relative(path)} has {path.stat().st_size:,} bytes"
        for path in files()
        if path.stat().st_size > BLOB_BYTES_MAX
    ]
    assert not wrong, "\n".join(wrong)

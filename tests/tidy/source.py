"""What the tidy tests read: the project's files, as git sees them, and what code imports."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "segue"


@cache
def files(*suffixes: str) -> tuple[Path, ...]:
    """Tracked files and new ones that are not ignored; of all kinds if no suffix is named."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
        names = [name for name in listed.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):  # a source archive has no git
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()]
        names = [name for name in names if not name.startswith((".venv/", ".stamps/", "build/"))]
    found = (ROOT / name for name in sorted(set(names)))
    return tuple(p for p in found if p.is_file() and (not suffixes or p.suffix in suffixes))


def modules() -> list[Path]:
    """The package's own Python files."""
    return [path for path in files(".py") if path.is_relative_to(SOURCE)]


@cache
def tree(path: Path) -> ast.Module:
    """A file, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def relative(path: Path) -> str:
    """The name of a file in messages and lists of exemptions."""
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of each import of a file."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module


def dotted(node: ast.expr) -> str:
    """`a.b.c` of an attribute chain; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def names(path: Path) -> dict[str, str]:
    """What each imported name of a file stands for, in full: {"dt": "datetime.datetime"}."""
    known: dict[str, str] = {}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return known


def calls(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of each call of a file, as far as names tell."""
    known = names(path)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and (name := dotted(node.func)):
            first, _, rest = name.partition(".")
            full = known.get(first, first)
            yield node.lineno, f"{full}.{rest}" if rest else full

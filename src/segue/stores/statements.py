"""Reads SQL files: named queries, and scripts cut into statements.

Rule: SQL stands in `.sql` files only. A query there opens with `-- name: ...`, then a line
or more that say what it is for.
"""

import re
import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def folder(dialect: str) -> Traversable:
    """The folder of one database's SQL."""
    return files("segue.stores") / "sql" / dialect


def queries(dialect: str) -> dict[str, str]:
    """The named queries of `queries.sql`, comments left out."""
    return named((folder(dialect) / "queries.sql").read_text(encoding="utf-8"))


def named(text: str) -> dict[str, str]:
    """The queries of a file by their names."""
    parts = _NAME.split(text)[1:]
    found = dict(zip(parts[::2], map(_uncommented, parts[1::2]), strict=True))
    assert len(found) == len(parts) // 2, "two queries have one name"
    return found


def statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one, so that they can share a transaction."""
    statement = ""
    for line in _uncommented(script).splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""
    assert not statement.strip(), "the last statement does not end"


def _uncommented(text: str) -> str:
    lines = text.splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("--")).strip()

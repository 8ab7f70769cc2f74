"""SQL stands in files: every query is named, said what it is for, used, and quick to find rows."""

import re
from contextlib import closing
from pathlib import Path

import pytest

import segue.stores
from segue.stores.sqlite import SqliteStore
from segue.stores.statements import folder, queries, statements

SOURCE = Path(segue.stores.__file__).parent
TEXT = (folder("sqlite") / "queries.sql").read_text(encoding="utf-8")
HEAVY = {"counts", "coupon_pools", "pinned", "schema_tables", "schema_applied"}
"""Statements that look at everything on purpose; those for a snapshot do too."""


def test_every_query_says_what_it_is_for() -> None:
    parts = re.split(r"^-- name: (\w+)$", TEXT, flags=re.MULTILINE)[1:]
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        assert body.strip().startswith("-- "), f"{name} has no sentence"


def test_every_query_is_used() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in SOURCE.glob("*.py"))
    for name in queries("sqlite"):
        assert f'"{name}"' in code or name.startswith(("all_", "outbox_")), f"nobody uses {name}"


def test_statements_of_a_script_are_told_apart() -> None:
    script = "-- a; comment\nSELECT ';';\nSELECT\n  1;\n"
    assert list(statements(script)) == ["SELECT ';';", "SELECT\n  1;"]


def test_a_statement_without_an_end_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        list(statements("SELECT 1"))


SMALL = (
    "SCAN CONSTANT ROW",
    "SCAN json_each",
    "SCAN programs",
    "SCAN named",
    "INDEX outbox_claimed",
)
"""What may be gone through: no table at all, an argument, a handful of rows."""

PAGED = {name for name, sql in queries("sqlite").items() if "ORDER BY" in sql and "LIMIT" in sql}
"""They go along the order that they want, and stop early."""

SOUGHT = [
    name
    for name in queries("sqlite")
    if name not in HEAVY and name not in PAGED and not name.startswith("all_")
]


def plan(name: str, path: Path) -> list[str]:
    """How SQLite finds the rows of a query."""
    sql = queries("sqlite")[name]
    numbered = set(re.findall(r"\?\d", sql))
    values = [None] * (len(numbered) or sql.count("?"))
    with closing(SqliteStore(path)) as store, store._files.alone() as db:
        return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


@pytest.mark.parametrize("name", SOUGHT)
def test_no_query_looks_through_a_whole_table(name: str, tmp_path: Path) -> None:
    for line in plan(name, tmp_path / "store.sqlite"):
        assert not line.startswith("SCAN") or any(small in line for small in SMALL)


@pytest.mark.parametrize("name", sorted(PAGED - {"outbox"}))
def test_no_page_is_sorted_out_of_a_whole_table(name: str, tmp_path: Path) -> None:
    lines = plan(name, tmp_path / "store.sqlite")
    if any("USE TEMP B-TREE" in line for line in lines):
        few = (*SMALL, "SEARCH", "INDEX outbox_", "USE TEMP B-TREE")
        assert all(any(each in line for each in few) for line in lines)

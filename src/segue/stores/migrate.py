"""Brings a SQLite file to the schema of this release.

Rule 1: a new file is made from `schema.sql`; an older one gets the migrations it lacks, in
    order. Both ways end at the same schema, and a test says so.
Rule 2: all of it is one transaction. A process that dies in the middle leaves the file as it
    was, and the next one starts again; two that open at once take turns.
Rule 3: `pre` migrations only add, so that the release before can run on while they are in;
    `post` migrations take away what only it needed. The embedded store applies both at once,
    hosts that are replaced one by one apply `post` when the last old one is gone.
Rule 4: a file of a later release is left alone.
"""

import re
import sqlite3
from typing import Literal as OneOf

import msgspec

from segue.errors import StoreDamaged, StoreTooNew
from segue.stores.statements import folder, queries, statements

VERSION = 5
"""The schema that this release reads and writes."""

APPLICATION = 0x53656775
"""SQLite's application id of our files ("Segu")."""

Kind = OneOf["pre", "post"]
_SQL = queries("sqlite")
_FILE = re.compile(r"^(\d{4})_(pre|post)_\w+\.sql$")


class Migration(msgspec.Struct, frozen=True, order=True):
    """One file of `migrations`; ordered by version, `pre` before `post`."""

    version: int
    last: bool
    script: str

    @property
    def kind(self) -> Kind:
        """Whether the release before can run on with it."""
        return "post" if self.last else "pre"


def migrations(dialect: str = "sqlite") -> list[Migration]:
    """All migrations, in order."""
    found: list[Migration] = []
    for file in (folder(dialect) / "migrations").iterdir():
        name = _FILE.match(file.name)
        if name is not None:
            script = file.read_text(encoding="utf-8")
            found.append(Migration(int(name[1]), name[2] == "post", script))
    return sorted(found)


def upgrade(db: sqlite3.Connection, kinds: tuple[Kind, ...] = ("pre", "post")) -> None:
    """Make or upgrade the schema; nothing is written where there is nothing to do."""
    if _is_current(db, kinds):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        if not _tables(db):
            _create(db)
        elif not _is_current(db, kinds):
            _migrate(db, kinds)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def version(db: sqlite3.Connection) -> int:
    """The schema's version; 0 for an empty file."""
    return max((number for number, _ in _applied(db)), default=0)


def recognise(db: sqlite3.Connection) -> None:
    """Refuse a file that is not ours, or a later release's, before anything is changed."""
    found = version(db)
    if found > VERSION:
        raise StoreTooNew(f"the store has schema {found}; this release reads up to {VERSION}")


def _is_current(db: sqlite3.Connection, kinds: tuple[Kind, ...]) -> bool:
    recognise(db)
    applied = _applied(db)
    return all((VERSION, kind) in applied for kind in kinds)


def _applied(db: sqlite3.Connection) -> set[tuple[int, str]]:
    tables = _tables(db)
    if not tables:
        return set()
    if "schema_version" not in tables:
        raise StoreDamaged("the file is an SQLite database, but not one of Segue's")
    return set(db.execute(_SQL["schema_applied"]))


def _tables(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute(_SQL["schema_tables"])}


def _create(db: sqlite3.Connection) -> None:
    for statement in statements((folder("sqlite") / "schema.sql").read_text(encoding="utf-8")):
        db.execute(statement)
    rows = [(number, kind) for number in range(1, VERSION + 1) for kind in ("pre", "post")]
    db.executemany(_SQL["schema_apply"], rows)
    db.execute(f"PRAGMA application_id = {APPLICATION}")


def _migrate(db: sqlite3.Connection, kinds: tuple[Kind, ...]) -> None:
    applied = _applied(db)
    for migration in migrations():
        if migration.kind in kinds and (migration.version, migration.kind) not in applied:
            for statement in statements(migration.script):
                db.execute(statement)
            db.execute(_SQL["schema_apply"], (migration.version, migration.kind))

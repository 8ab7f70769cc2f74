"""Every release opens what the last one wrote, and harms nothing where it can't.

Goal: a file of schema version 1 (`store_v1.sql`, never changed) is upgraded with everything in
it; a fresh file and an upgraded one have the same schema; a crash in the middle, two that
upgrade at once, a later release's file and a stranger's file are all safe.
"""

import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from segue.errors import StoreDamaged, StoreTooNew
from segue.kernel.catalog import Interest
from segue.kernel.effects import Withdraw
from segue.kernel.values import NEVER, Instant, ProfileId
from segue.stores import migrate
from segue.stores.ports import Audience, Identifier, Saved
from segue.stores.sqlite import SqliteStore

V1 = (Path(__file__).parent / "store_v1.sql").read_text(encoding="utf-8")
ANA, BEN = ProfileId("ana"), ProfileId("ben")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file that the first release left behind."""
    path = tmp_path / "store.sqlite"
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(V1)
    db.close()
    return path


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def shape(path: Path) -> dict[str, object]:
    """Tables, columns and indexes, however the statements that made them were written."""
    db = connect(path)
    found: dict[str, object] = {}
    for name, kind, sql in db.execute("SELECT name, type, sql FROM sqlite_master").fetchall():
        if kind == "table":
            columns = db.execute(f"PRAGMA table_info({name})").fetchall()
            found[name] = (columns, "WITHOUT ROWID" in sql)
        else:
            keys = db.execute(f"PRAGMA index_xinfo({name})").fetchall()
            partial = " ".join(sql.split()).partition(" WHERE ")[2] if sql else ""
            found[name] = (keys, partial, "UNIQUE" in (sql or "UNIQUE"))
    found["versions"] = db.execute("SELECT * FROM schema_version ORDER BY 1, 2").fetchall()
    found["application"] = db.execute("PRAGMA application_id").fetchone()
    db.close()
    return found


def test_a_version_1_file_keeps_everything(old: Path) -> None:
    store = SqliteStore(old)
    loaded = store.load([ANA, BEN])
    assert loaded[ANA].profile.traits["email"] == "ana@example.com"
    assert (loaded[ANA].version, loaded[BEN].version) == (2, 1)
    assert loaded[BEN].profile.traits == {"city": "Köln"}
    assert store.resolve([Identifier("anonymous", "d1")]) == {Identifier("anonymous", "d1"): ANA}
    assert store.forward([ProfileId("old")]) == {ProfileId("old"): "cy"}
    assert [line.event.id for line in store.log()] == ["e1", "e2", "e3"]
    assert store.seen([(ANA, "e3"), (ANA, "e4")]) == {"e3"}
    assert [len(line.notes) for line in store.traces(ANA)] == [8]
    assert (store.due(Instant(60), 10), store.next_due()) == ([BEN], 50)
    assert (store.current_program(), store.program("f00d")) == ("c0ffee", b"\x01\x80")
    assert store.programs_in_use() == {"c0ffee": 1}
    assert [message.fields for message in store.kept()] == [{"subject": "Hi"}]
    assert [aside.body for _, aside in store.set_aside()] == [b"{\xff"]
    assert store.meta("cursor") == "17"
    assert {row.id: (row.state, row.attempts) for row in store.outbox()} == {
        "w1": ("claimed", 1),
        "s1": ("done", 1),
        "s2": ("dead", 1),
        "s3": ("unknown", 1),
        "s4": ("queued", 1),
        "s5": ("queued", 0),
        "s6": ("cancelled", 0),
        "s7": ("queued", 0),
    }
    assert store.check() == []
    store.close()


def test_claims_of_version_1_are_told_once(old: Path) -> None:
    """Nobody knows whether their profiles heard of them; a claim told twice changes nothing."""
    store = SqliteStore(old)
    loaded = store.load([ANA])[ANA]
    assert [claim.send_id for claim in loaded.claims] == ["s1", "s2", "s3"]
    store.commit(
        [
            Saved(
                profile=loaded.profile,
                seen_version=loaded.version,
                known_claims=tuple(claim.send_id for claim in loaded.claims),
                effects=((Withdraw(id="s5", reason="exit"), Instant(40)),),
            )
        ]
    )
    assert store.load([ANA])[ANA].claims == ()
    assert [row.id for row in store.claim(Instant(99), 10, "host-2")] == ["s7", "s4"]
    store.close()


def test_a_version_1_file_takes_a_catalog_and_interests(old: Path) -> None:
    store = SqliteStore(old)
    store.put_items([("products", "sofa", {"price": 900})], Instant(70))
    loaded = store.load([ANA])[ANA]
    store.commit(
        [
            Saved(
                profile=loaded.profile,
                seen_version=loaded.version,
                known_claims=tuple(claim.send_id for claim in loaded.claims),
                interests=(Interest("products", "sofa", "Product Viewed", Instant(60)),),
            )
        ]
    )
    store.close()
    store = SqliteStore(old)
    asked = Audience(
        catalog="products",
        item="sofa",
        names=("Product Viewed",),
        since=Instant(0),
        until=Instant(70),
        mark="1",
    )
    assert store.interested(asked, ProfileId(""), 10) == [ANA]
    assert [line.fields for line in store.item_log()] == [{"price": 900}]
    store.close()


def test_an_upgraded_file_has_the_schema_of_a_new_one(old: Path, tmp_path: Path) -> None:
    SqliteStore(old).close()
    SqliteStore(tmp_path / "new.sqlite").close()
    assert shape(old) == shape(tmp_path / "new.sqlite")


def test_an_upgrade_happens_once(old: Path) -> None:
    SqliteStore(old).close()
    before = old.read_bytes()
    SqliteStore(old).close()
    assert old.read_bytes() == before


def test_the_release_before_goes_on_writing_between_pre_and_post(old: Path) -> None:
    """Its statements, as it had them, on a schema that has had the `pre` migrations."""
    db = connect(old)
    migrate.upgrade(db, ("pre",))
    body = db.execute("SELECT body FROM outbox WHERE id = 's7'").fetchone()[0]
    db.execute(
        "INSERT INTO outbox (slot, profile, id, channel, state, queued_at, due_at, body)"
        " VALUES ((SELECT slot FROM profiles WHERE id = 'ben'), 'ben', 's8', 'email', 'queued',"
        " 1, 1, ?)",
        (body,),
    )
    db.execute("UPDATE profiles SET wake_at = 70, version = version + 1 WHERE id = 'ben'")
    indexed = db.execute("SELECT wake_at FROM profiles INDEXED BY profiles_by_wake").fetchall()
    db.close()
    assert (70,) in indexed
    store = SqliteStore(old)
    assert store.next_due() == 70
    assert [row.id for row in store.claim(Instant(1), 10, "me")] == ["s8"]
    assert [claim.send_id for claim in store.load([BEN])[BEN].claims] == ["s8"]
    store.close()


DIES = """
import os, signal, sqlite3, sys
from segue.stores import migrate

def die(statement):
    if sys.argv[2] in statement:
        os.kill(os.getpid(), signal.SIGKILL)

db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.set_trace_callback(die)
migrate.upgrade(db)
"""


@pytest.mark.parametrize(
    "where", ["ALTER TABLE", "UPDATE outbox", "CREATE INDEX outbox_untold", "DROP INDEX", "COMMIT"]
)
def test_an_upgrade_that_dies_in_the_middle_leaves_the_old_file(old: Path, where: str) -> None:
    before = shape(old)
    died = subprocess.run([sys.executable, "-c", DIES, str(old), where], check=False)
    assert died.returncode == -signal.SIGKILL
    assert shape(old) == before
    store = SqliteStore(old)
    assert store.counts().events == 3
    store.close()


def test_two_that_open_an_old_file_at_once_take_turns(old: Path) -> None:
    failures: list[BaseException] = []
    start = threading.Barrier(4)

    def open_it() -> None:
        start.wait()
        try:
            SqliteStore(old).close()
        except BaseException as error:  # noqa: BLE001 - reported below
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    db = connect(old)
    assert migrate.version(db) == migrate.VERSION
    db.close()


def test_a_later_releases_file_is_left_alone(old: Path) -> None:
    db = connect(old)
    db.execute("INSERT INTO schema_version VALUES (?, 'pre')", (migrate.VERSION + 1,))
    db.close()
    before = shape(old)
    with pytest.raises(StoreTooNew):
        SqliteStore(old)
    assert shape(old) == before


def test_a_strangers_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    db = connect(path)
    db.execute("CREATE TABLE songs (title TEXT)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreDamaged, match="not one of Segue's"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("this is not a database, and long enough to be sure of it\n" * 20)
    before = path.read_bytes()
    with pytest.raises(StoreDamaged):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_migrations_are_numbered_without_gaps_up_to_the_version() -> None:
    assert {each.version for each in migrate.migrations()} == set(range(2, migrate.VERSION + 1))


def test_wake_ups_of_version_1_come_in_their_order(old: Path) -> None:
    store = SqliteStore(old)
    assert store.due(Instant(NEVER), 10) == [BEN, ANA]
    store.close()

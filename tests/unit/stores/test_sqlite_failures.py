"""What goes wrong around a SQLite file: a full disk, a foreign lock, no right to write, a
killed process, damaged pages.

Goal: each is said in the operator's words, nothing is half saved, and work goes on when the
cause is gone. The faults are real: limits of the file's size, locks of another process, signals.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from segue.errors import StaleCommit, StoreDamaged, StoreUnavailable
from segue.kernel.inputs import Event
from segue.kernel.profile import create
from segue.kernel.values import Instant, ProfileId
from segue.stores.ports import Saved
from segue.stores.sqlite import SqliteStore

ANA = ProfileId("ana")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(path)
    yield opened
    opened.close()


def big(name: str, size: int = 200_000) -> Saved:
    """A profile with an event, `size` bytes of both."""
    profile = create(ProfileId(name), Instant(1))
    profile.traits["text"] = "x" * (size // 2)
    event = Event(id=name, name="Viewed", at=Instant(1), properties={"text": "y" * (size // 2)})
    return Saved(profile=profile, events=((event, Instant(1)),))


def whole(store: SqliteStore, names: list[str]) -> bool:
    """Whether exactly these profiles are there, each with its event."""
    ids = [ProfileId(name) for name in names]
    return (
        len(store.load(ids)) == len(ids) == store.counts().profiles
        and store.seen([(each, each) for each in ids]) == set(names)
        and store.counts().events == len(ids)
        and store.check() == []
    )


def fill(store: SqliteStore) -> list[str]:
    """Commit until the store refuses."""
    names: list[str] = []
    for n in range(1_000):
        try:
            store.commit([big(f"p{n}")])
        except StoreUnavailable:
            return names
        names.append(f"p{n}")
    raise AssertionError("the store was never full")


def test_a_full_database_saves_nothing_more_and_recovers(store: SqliteStore) -> None:
    with store._files.alone() as db:
        db.execute("PRAGMA max_page_count = 600")
    names = fill(store)
    assert names
    assert whole(store, names)
    with pytest.raises(StoreUnavailable, match="FULL"):
        store.commit([big("again")])
    with store._files.alone() as db:
        db.execute("PRAGMA max_page_count = 1073741823")
    store.commit([big("again")])
    assert whole(store, [*names, "again"])


FULL = """
import resource, signal, sys
from pathlib import Path
from segue.stores.sqlite import SqliteStore
sys.path.insert(0, sys.argv[2])
from test_sqlite_failures import big, fill, whole

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = SqliteStore(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, resource.RLIM_INFINITY))
names = fill(store)
assert names and whole(store, names)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.commit([big("again")])
assert whole(store, [*names, "again"])
store.close()
print(len(names))
"""


def test_when_the_files_can_not_grow_nothing_is_half_saved_and_it_recovers(path: Path) -> None:
    """The kernel refuses to extend the write-ahead log, as it does on a full disk."""
    ran = child(FULL, path)
    assert ran.returncode == 0, ran.stderr
    store = SqliteStore(path)
    assert whole(store, [*(f"p{n}" for n in range(int(ran.stdout))), "again"])
    store.close()


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if (
        sys.platform != "linux"
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("mounting a file system is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_saves_nothing_more_and_recovers(tiny: Path) -> None:
    ballast = tiny / "ballast"
    ballast.write_bytes(bytes(2_000_000))
    store = SqliteStore(tiny / "store.sqlite")
    names = fill(store)
    assert names
    with pytest.raises(StoreUnavailable):
        store.commit([big("again")])
    assert set(store.load([ProfileId(each) for each in [*names, "again"]])) == set(names)
    assert any("free on the disk" in sentence for sentence in store.check())
    ballast.unlink()
    store.commit([big("again")])
    everyone = [ProfileId(each) for each in [*names, "again"]]
    assert set(store.load(everyone)) == set(everyone)
    assert store.counts().events == len(everyone)
    store.close()


LOCKS = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
db.execute("ROLLBACK")
"""


@pytest.fixture
def locked(store: SqliteStore, path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the write lock until it is sent a line."""
    with subprocess.Popen(
        [sys.executable, "-c", LOCKS, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_a_foreign_lock_is_unavailable_and_then_over(
    store: SqliteStore, locked: "subprocess.Popen[str]"
) -> None:
    with store._files.alone() as db:
        db.execute("PRAGMA busy_timeout = 50")
    with pytest.raises(StoreUnavailable, match="locked"):
        store.commit([big("ana")])
    assert store.load([ANA]) == {}, "readers don't wait for writers"
    assert locked.stdin is not None
    locked.stdin.write("\n")
    locked.stdin.flush()
    locked.wait(10)
    store.commit([big("ana")])
    assert whole(store, ["ana"])


def test_a_short_foreign_lock_is_waited_for(
    store: SqliteStore, locked: "subprocess.Popen[str]"
) -> None:
    assert locked.stdin is not None
    end = threading.Timer(0.2, lambda: (locked.stdin.write("\n"), locked.stdin.flush()))  # type: ignore[union-attr]
    end.start()
    store.commit([big("ana")])
    end.join()
    assert whole(store, ["ana"])


READS = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_sqlite_failures import big
from segue.errors import StoreUnavailable
from segue.stores.sqlite import SqliteStore
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    SqliteStore(Path(sys.argv[1])).commit([big("ben")])
except StoreUnavailable as error:
    print("refused:", error)
"""


def test_a_file_that_may_not_be_written_is_unavailable() -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "store.sqlite"
        store = SqliteStore(path)
        store.commit([big("ana")])
        store.close()
        path.chmod(0o444)
        Path(name).chmod(0o555)
        ran = child(READS, path)
        Path(name).chmod(0o755)
    assert ran.stdout.startswith("refused:"), ran.stderr
    assert "readonly" in ran.stdout


def child(code: str, path: Path) -> "subprocess.CompletedProcess[str]":
    """Run code that may import this module, in a process of its own."""
    arguments = [sys.executable, "-c", code, str(path), str(Path(__file__).parent)]
    return subprocess.run(arguments, capture_output=True, text=True, check=False)


def test_a_folder_that_can_not_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable):
        SqliteStore(tmp_path / "file" / "store.sqlite")


COMMITS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_sqlite_failures import big
from segue.stores.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
for n in range(100_000):
    store.commit([big(f"p{n}-{k}", 3_000) for k in range(3)])
    print(n, flush=True)
"""


@pytest.mark.parametrize("after", [1, 7, 20])
def test_what_was_committed_survives_a_kill_and_batches_stay_whole(path: Path, after: int) -> None:
    arguments = [sys.executable, "-c", COMMITS, str(path), str(Path(__file__).parent)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = -1
        for line in process.stdout:
            told = int(line)
            if told >= after:
                process.send_signal(signal.SIGKILL)
                break
        rest = [int(line) for line in process.stdout]
    told = max([told, *rest])
    store = SqliteStore(path)
    count = store.counts().profiles
    assert count % 3 == 0
    assert count // 3 in (told + 1, told + 2)
    assert whole(store, [f"p{n}-{k}" for n in range(count // 3) for k in range(3)])
    store.close()


def test_two_processes_share_a_file_and_stale_commits_are_refused(
    store: SqliteStore, path: Path
) -> None:
    other = SqliteStore(path)
    store.commit([big("ana")])
    seen = other.load([ANA])[ANA]
    store.commit([Saved(profile=seen.profile, seen_version=seen.version)])
    with pytest.raises(StaleCommit):
        other.commit([Saved(profile=seen.profile, seen_version=seen.version)])
    assert other.load([ANA])[ANA].version == 2
    other.close()


def test_damaged_pages_are_said_to_be_damaged(path: Path) -> None:
    store = SqliteStore(path)
    store.commit([big(f"p{n}", 10_000) for n in range(50)])
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    with pytest.raises(StoreDamaged), closing(SqliteStore(path)) as damaged:
        damaged.load([ProfileId("p1")])


def test_a_damaged_profile_is_named(store: SqliteStore) -> None:
    store.commit([big("ana")])
    with store._files.writing() as db:
        db.execute("UPDATE profiles SET body = x'01c1'")
    with pytest.raises(StoreDamaged, match="'ana'"):
        store.load([ANA])


def test_a_closed_store_is_unavailable(path: Path) -> None:
    store = SqliteStore(path)
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable):
        store.load([ANA])
    with pytest.raises(StoreUnavailable):
        store.commit([big("ana")])


def test_closing_copies_the_log_into_the_file(path: Path) -> None:
    store = SqliteStore(path)
    store.commit([big("ana")])
    store.load([ANA])
    store.close()
    assert not path.with_name(path.name + "-wal").exists()


def test_a_healthy_file_gives_the_doctor_nothing_to_say(store: SqliteStore) -> None:
    store.commit([big("ana")])
    assert store.check() == []


def test_the_doctor_sees_a_broken_index(store: SqliteStore) -> None:
    store.commit([big("ana")])
    with store._files.writing() as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute(
            "UPDATE sqlite_master SET sql = replace(sql, '(id)', '(program)') WHERE name = 'profiles_by_id'"
        )
        db.execute("PRAGMA writable_schema = RESET")
    assert store.check() != []

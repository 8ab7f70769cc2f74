"""Connections to one SQLite file: one that writes, some that read.

Rule 1: one lock guards the writer, and a write takes the database's own lock at its start, so
    a second process is waited for (`BUSY_MS_MAX`) before anything is written.
Rule 2: commits are durable: WAL with synchronous=FULL syncs the log before COMMIT returns.
Rule 3: what SQLite reports becomes one of our errors. A failed write has left nothing, and
    the next may succeed: connections are not given up for a full disk or a foreign lock.
"""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from segue.errors import StoreDamaged, StoreUnavailable
from segue.stores.limits import (
    BUSY_MS_MAX,
    CACHE_KIB_MAX,
    READERS_MAX,
    WAL_BYTES_MAX,
    WAL_PAGES_MAX,
)

STATEMENTS_CACHED = 256
"""Prepared statements kept per connection: more than we have."""


class Connections:
    """The writer and the readers of one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        with told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = _connect(path, CACHE_KIB_MAX)

    def log_ahead(self) -> None:
        """Turn on the write-ahead log. The mode stays with the file, so it is ours by now."""
        with self.alone() as db:
            # To ask is cheap, to change takes the lock.
            if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                db.execute("PRAGMA journal_mode = WAL")

    @contextmanager
    def alone(self) -> Generator[sqlite3.Connection, None, None]:
        """The writer, outside a transaction."""
        with told(self.path), self._lock:
            yield self._writer

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection, None, None]:
        """The writer inside a transaction: committed at the end, rolled back on any error."""
        with told(self.path), self._lock:
            db = self._writer
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection, None, None]:
        """A reader; each statement sees all that was committed before it began."""
        with told(self.path):
            try:
                db = self._idle.pop()
            except IndexError:
                db = self._reader()
            try:
                yield db
            finally:
                if self._closed or len(self._idle) >= READERS_MAX:
                    db.close()
                else:
                    self._idle.append(db)

    def _reader(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreUnavailable(f"{self.path}: the store is closed")
        db = _connect(self.path, CACHE_KIB_MAX // 4)
        db.execute("PRAGMA query_only = ON")
        return db

    def close(self) -> None:
        """Close every connection; the last one to close copies the log into the file."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().close()
            self._writer.close()


def _connect(path: Path, cache_kib: int) -> sqlite3.Connection:
    db = sqlite3.connect(
        path,
        timeout=BUSY_MS_MAX / 1_000,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS_CACHED,
    )
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA cache_size = -{cache_kib}")
    db.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES_MAX}")
    db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
    db.execute("PRAGMA temp_store = MEMORY")
    return db


@contextmanager
def told(path: Path) -> Generator[None, None, None]:
    """Say what SQLite says in our own errors."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except sqlite3.DatabaseError as error:
        raise _ours(path, error) from error
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error}") from error


def _ours(path: Path, error: sqlite3.DatabaseError) -> Exception:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return StoreDamaged(f"{path}: {error}")
    if isinstance(error, sqlite3.OperationalError) and name != "SQLITE_ERROR":
        return StoreUnavailable(f"{path}: {error} ({name})")
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return StoreUnavailable(f"{path}: the store is closed")
    return error

"""Files of items into catalogs: a workspace's own when they changed, and any that is named.

Rule 1: an item that is so already changes nothing, so a file may be imported again. Nothing is
    taken out: what a file does not name stays as it is.
Rule 2: an import that was cut off goes on where it stopped: how far it came is kept in the store
    under the file's content, until it is through.
Rule 3: a workspace's files are `catalog/NAME.csv` or `.jsonl` (or gzipped), named for their
    catalog. They are imported at the start when they are not those of the last import.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias

import msgspec

from segue.connectors.items import ItemFile, ItemRow, catalog_of
from segue.connectors.limits import ITEMS_AT_ONCE_MAX
from segue.errors import CatalogMisnamed
from segue.kernel.values import Instant, Record
from segue.stores.ports import ItemLine, Store

FOLDER = "catalog"
"""Where a workspace keeps the files of its catalogs."""

Change: TypeAlias = tuple[str, str, Record | None]
"""A catalog, an item's id, and what it becomes."""

Put: TypeAlias = Callable[[Sequence[Change]], Sequence[ItemLine]]
"""Changes items, and tells which were not so already."""

_CHUNK = 1 << 20


class Outcome(msgspec.Struct):
    """What became of a file."""

    catalog: str
    path: str
    items: int = 0
    changed: int = 0
    rejected: int = 0
    resumed_at: int = 0
    """The line at which an earlier import of this file had stopped; 0 if none had."""


def digest_of(path: Path) -> str:
    """A file's content, named."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            digest.update(part)
    return digest.hexdigest()


def import_file(
    store: Store,
    put: Put,
    source: ItemFile,
    catalog: str,
    watch: Callable[[], None] = lambda: None,
) -> Outcome:
    """Put a file's items into a catalog (rule 2); `watch` is called now and then.

    Raises `SourceUnreadable` and `StoreUnavailable`; what was put before stays.
    """
    mark = f"import:{catalog}:{digest_of(source.reading.path)}"
    reached = int(store.meta(mark) or 0)
    done = Outcome(catalog, str(source.reading.path), resumed_at=reached)
    for rows in _chunks(source, reached):
        lines = put([(catalog, row.id, row.fields) for row in rows])
        store.commit((), meta={mark: str(rows[-1].line)})
        done.items += len(rows)
        done.changed += len(lines)
        watch()
    store.commit((), meta={mark: ""})
    done.rejected = source.reading.report.rejected
    return done


def _chunks(source: ItemFile, reached: int) -> Iterator[list[ItemRow]]:
    rows: list[ItemRow] = []
    for row in source:
        if row.line < reached:
            continue
        rows.append(row)
        if len(rows) >= ITEMS_AT_ONCE_MAX:
            yield rows
            rows = []
    if rows:
        yield rows


# ── a workspace's own files ─────────────────────────────────────────────────────────


def files_of(folder: Path) -> list[tuple[str, Path]]:
    """The catalogs of a workspace and their files, by name. Raises `CatalogMisnamed`."""
    found: dict[str, Path] = {}
    if not (folder / FOLDER).is_dir():
        return []
    for path in sorted((folder / FOLDER).iterdir()):
        if path.name.startswith((".", "_")) or path.is_dir() or path.suffix in (".md", ".yaml"):
            continue
        name = catalog_of(path)
        if not name:
            raise CatalogMisnamed(f"{path}: neither NAME.csv nor NAME.jsonl of a catalog's name")
        if name in found:
            raise CatalogMisnamed(f"{path}: {found[name].name} holds the catalog {name} already")
        found[name] = path
    return sorted(found.items())


def _nobody(_path: Path, _line: int, _reason: str) -> None:
    """Nobody wants to hear of it."""


def items_of(
    folder: Path, refused: Callable[[Path, int, str], None] = _nobody
) -> Iterator[list[Change]]:
    """All items of a workspace's files, a chunk at a time; `refused` hears of bad lines."""
    for catalog, path in files_of(folder):
        source = ItemFile(path)
        for rows in _chunks(source, 0):
            yield [(catalog, row.id, row.fields) for row in rows]
        for one in source.reading.report.rejections:
            refused(path, one.line, one.reason)


def history(folder: Path, store: Store | None) -> Iterator[ItemLine]:
    """How catalogs came to be, for a run in virtual time: as the store tells, if it has any items,
    else a workspace's files as if they had always been so.
    """
    if store is not None and store.item_number():
        after = 0
        while lines := store.item_log(after, ITEMS_AT_ONCE_MAX):
            yield from lines
            after = lines[-1].number
        return
    number = 0
    for changes in items_of(folder):
        for catalog, name, fields in changes:
            number += 1
            yield ItemLine(number, Instant(0), catalog, name, None, fields)


def import_changed(store: Store, put: Put, folder: Path) -> list[tuple[Outcome, ItemFile]]:
    """Import those of a workspace's files that are not as at the last time (rule 3)."""
    done: list[tuple[Outcome, ItemFile]] = []
    for catalog, path in files_of(folder):
        known, now = f"catalog:{catalog}", digest_of(path)
        if store.meta(known) != now:
            source = ItemFile(path)
            done.append((import_file(store, put, source, catalog), source))
            store.commit((), meta={known: now})
    return done

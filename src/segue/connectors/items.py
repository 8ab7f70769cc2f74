"""Items of a catalog: what one must be, and the files that hold them.

Rule 1: an item is a record of plain data with an id, which is text. What is none is refused with
    the reason, and harms no other.
Rule 2: a file is CSV or JSON lines, plain or gzipped. Without a mapping, the id is the first of
    `ID_COLUMNS` that it has, and all else is the item's.
Rule 3: cells of a CSV file are text. Without a mapping, what is written as a plain number, or is
    `true` or `false`, becomes one, but for columns that are names (`TEXT_COLUMNS`, `…_id`).
Rule 4: a mapping says exactly which fields an item has, and of which type.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal as OneOf, TypeAlias, cast

import msgspec

from segue.connectors.cells import Cell, Unfit, identifier
from segue.connectors.limits import (
    CATALOG_CHARS_MAX,
    ID_CHARS_MAX,
    ITEM_BYTES_MAX,
)
from segue.connectors.lines import Lines
from segue.connectors.mapping import Field, Strict, decoded, field, used
from segue.connectors.reading import Reading
from segue.connectors.rows import Fields
from segue.connectors.segment import REFUSALS, first_flaw
from segue.connectors.tables import (
    Notes,
    Rejection,
    csv_rows,
    json_objects,
    mapped_rows,
)
from segue.errors import MappingWrong, SourceUnreadable
from segue.kernel.functions import spelled
from segue.kernel.values import Record, Value

ID_COLUMNS = ("id", "product_id", "item_id", "sku")
"""Where an item's id is looked for, in this order."""

TEXT_COLUMNS = frozenset(
    {"sku", "barcode", "gtin", "ean", "upc", "mpn", "zip", "postcode", "phone"}
)
"""Columns whose digits are no number."""

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?")
_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")


class ItemMapping(Strict, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the rows of a file become items: `id`, and `fields` by name."""

    id: Field | str
    fields: dict[str, Field | str] = {}
    format: OneOf["csv", "json"] = "csv"
    delimiter: str = ","
    encoding: str = "utf-8"
    each: str = ""

    def columns(self) -> tuple[str, ...]:
        """Every column that the mapping asks for, each once."""
        written = (self.id, *self.fields.values())
        return tuple(dict.fromkeys(name for one in map(field, written) for name in used(one)))


class ItemRow(msgspec.Struct, frozen=True):
    """An item read from a line of a file."""

    line: int
    id: str
    fields: Record


def read_mapping(path: str | Path) -> ItemMapping:
    """A mapping of items from its file. Raises `MappingWrong`."""
    mapping = decoded(path, ItemMapping)
    if len(mapping.delimiter) != 1:
        raise MappingWrong(f"{path}: delimiter: exactly one character")
    if mapping.each and mapping.format != "json":
        raise MappingWrong(f"{path}: each: only a JSON line holds a list of rows")
    for name, written in (("id", mapping.id), *mapping.fields.items()):
        one = field(written)
        if sum((bool(one.column), bool(one.template), one.value is not None)) != 1:
            raise MappingWrong(f"{path}: {name}: say one of `column`, `template`, `value`")
    return mapping


def is_catalog(name: str) -> bool:
    """Whether a catalog may be called this: lower case, digits, `-` and `_`."""
    return len(name) <= CATALOG_CHARS_MAX and _NAME.fullmatch(name) is not None


def catalog_of(path: Path) -> str:
    """The catalog that a file is named for: `products.csv.gz` holds products; empty for none."""
    stem, dot, suffix = path.name.partition(".")
    known = dot + suffix.removesuffix(".gz") in _SUFFIXES
    return stem if known and is_catalog(stem) else ""


def item(name: object, fields: object) -> tuple[str, Record]:
    """An item as it may be kept. Raises `Unfit`."""
    if not isinstance(fields, dict):
        raise Unfit("not an object")
    id_ = "" if isinstance(name, bool) else (spelled(cast(Value, name)) or "").strip()
    if not id_:
        raise Unfit("no id: every item has one")
    if len(id_) > ID_CHARS_MAX:
        raise Unfit(f"id: longer than {ID_CHARS_MAX} characters")
    if not id_.isprintable():
        raise Unfit("id: it has characters that can't be seen")
    record = {key: value for key, value in cast(Record, fields).items() if key != "id"}
    try:
        body = msgspec.json.encode(record)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Unfit(str(error) or "nested too deep") from None
    if len(body) > ITEM_BYTES_MAX:
        raise Unfit(f"larger than {ITEM_BYTES_MAX // 1024} KB")
    if flaw := first_flaw(body):
        code, place = flaw
        raise Unfit(f"{place}: {REFUSALS[code]}" if place else REFUSALS[code])
    return id_, record


_Read: TypeAlias = tuple[Any, int, bytes]
"""A row (of cells, or an object) with its line and its bytes."""

_Make: TypeAlias = Callable[[Any], tuple[object, object]]
"""Id and fields of a row; raises `Unfit`."""


class ItemFile:
    """A file of items: iterate it; watch it for progress and report."""

    def __init__(
        self,
        path: str | Path,
        mapping: ItemMapping | None = None,
        on_rejection: Callable[[Rejection], None] | None = None,
    ) -> None:
        self.reading = Reading(path, on_rejection)
        self.mapping = mapping
        lines = Lines(self.reading.path)
        try:
            first = lines.take()
        except Unfit as unfit:
            raise SourceUnreadable(f"{path}:1: {unfit}") from None
        finally:
            lines.close()
        self._json = first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
        if mapping is not None:
            self._json = mapping.format == "json"
        self._tabs = mapping is None and b"\t" in first and b"," not in first

    def __iter__(self) -> Iterator[ItemRow]:
        """The items from the start of the file, in its order. Raises `SourceUnreadable`."""
        with self.reading.from_start() as (lines, notes):
            rows, make = self._opened(lines, notes)
            for row, line, raw in rows:
                try:
                    id_, fields = item(*make(row))
                except Unfit as unfit:
                    notes.reject(line, str(unfit), raw)
                else:
                    notes.report.events += 1
                    yield ItemRow(line, id_, fields)

    def _opened(self, lines: Lines, notes: Notes) -> tuple[Iterator[_Read], _Make]:
        """The rows, and what makes an id and fields of one."""
        mapping = self.mapping
        if self._json and mapping is None:
            return json_objects(lines, notes), lambda one: (id_in(one), one)
        all_text = True
        if mapping is not None:
            rows, all_text = mapped_rows(lines, self.reading.path, notes, mapping)
        else:
            rows = csv_rows(lines, self.reading.path, notes, (), "\t" if self._tabs else ",")
        header = [str(name) for name in next(rows)[0]]
        if mapping is None:
            return rows, _Plain(header, self.reading.path).read
        return rows, _Mapped(mapping, header, all_text=all_text).read


class _Mapped:
    """Items by a mapping."""

    def __init__(self, mapping: ItemMapping, header: list[str], *, all_text: bool) -> None:
        index = {name: spot for spot, name in enumerate(header)}
        self._id = Fields({"id": mapping.id}, index, all_text)
        self._fields = Fields(mapping.fields, index, all_text)

    def read(self, row: list[Cell]) -> tuple[object, object]:
        """Id and fields of a row."""
        return self._id.read(row).get("id"), self._fields.read(row)


class _Plain:
    """Items of a CSV file without a mapping (rule 3)."""

    def __init__(self, header: list[str], path: Path) -> None:
        found = [name for name in ID_COLUMNS if name in header]
        if not found:
            raise SourceUnreadable(
                f"{path}:1: none of {', '.join(ID_COLUMNS)} among the columns "
                f"{', '.join(header)}; say with a mapping which is the id"
            )
        self._id = header.index(found[0])
        self._columns = [(spot, name, _is_name(name)) for spot, name in enumerate(header) if name]

    def read(self, row: list[Cell]) -> tuple[object, object]:
        """Id and fields of a row."""
        fields: Record = {}
        for spot, name, is_name in self._columns:
            cell = row[spot]
            if spot != self._id and isinstance(cell, str) and cell:
                fields[name] = cell if is_name else _plain(cell)
        return identifier(row[self._id]), fields


def _is_name(column: str) -> bool:
    return column.lower() in TEXT_COLUMNS or column.lower().endswith("_id")


def _plain(cell: str) -> Value:
    if _NUMBER.fullmatch(cell):
        return float(cell) if "." in cell else int(cell)
    return {"true": True, "false": False}.get(cell.lower(), cell)


def id_in(one: object) -> object:
    """What an object says is its id."""
    if not isinstance(one, dict):
        return None
    one = cast(dict[str, object], one)
    return next((one[name] for name in ID_COLUMNS if one.get(name) is not None), None)

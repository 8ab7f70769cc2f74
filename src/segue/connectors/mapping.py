"""What a mapping file says: how the rows of somebody's export become events.

Rule 1: a mapping is data in YAML, decoded into the structs below; an unknown key is an error
    that names its file, line and key.
Rule 2: an empty cell is missing, whatever its type, and a property that is missing is left out.
Rule 3: the id of an event follows from the row alone, so the same file read twice, or read on
    from the middle after a crash, gives the same ids, and nothing counts twice.
Rule 4: packaged mappings (`mappings/*.yaml`) are found by name; anything else is a path.

`rows.py` turns a mapping into a translator, `files.py` feeds it.
"""

import re
from importlib import resources
from pathlib import Path
from typing import Any, Literal as OneOf, TypeVar, cast

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from segue.errors import MappingWrong

T = TypeVar("T")

SUFFIXES = (".yaml", ".yml")


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a mapping: a key that it does not know is an error."""


class Field(Strict, frozen=True, forbid_unknown_fields=True):
    """Where one value comes from: a column, a text with `{column}` in it, or a constant.

    `id` is text, without the `.0` that spreadsheets put behind whole numbers; `list` cuts
    text at `separator`; `absolute` drops the sign of a number (a refund's minus).
    """

    column: str = ""
    template: str = ""
    value: bool | int | float | str | None = None
    type: OneOf["text", "number", "integer", "boolean", "id", "list"] = "text"
    absolute: bool = False
    separator: str = ","


class Time(Strict, frozen=True, forbid_unknown_fields=True):
    """The column of the event's time. `format` is iso, seconds, millis, or strptime's.

    `zone` counts where the text itself names none. `arrived` is an optional column of the
    arrival, in the same format; without it an event arrived when it happened.
    """

    column: str
    format: str = "iso"
    zone: str = "UTC"
    arrived: str = ""


class Named(Strict, frozen=True, forbid_unknown_fields=True):
    """An event's name, and the properties that only this event has."""

    name: str
    properties: dict[str, Field | str] = {}


class Naming(Strict, frozen=True, forbid_unknown_fields=True):
    """Which event a row is: by the value of a column, by how it begins, or always the same.

    `otherwise` is for a value that is not listed: `reject`, `skip`, or the event's name.
    """

    column: str = ""
    names: dict[str, Named | str] = {}
    prefixes: dict[str, Named | str] = {}
    otherwise: str = "reject"


class Skip(Strict, frozen=True, forbid_unknown_fields=True):
    """Rows that are meant to be left out, counted under `reason`."""

    column: str
    reason: str
    empty: bool = False
    equals: tuple[str, ...] = ()


class Group(Strict, frozen=True, forbid_unknown_fields=True):
    """Rows that are lines of one thing (an invoice) become one event.

    Lines belong together by the column `by`, at most `within` seconds apart. `items` is the
    property that lists them, `item` the fields of each, at most `items_max` of them; `count`
    names a property for their number. `totals` sums the product of some columns over all.
    """

    by: str
    within: int = 600
    items: str = "products"
    item: dict[str, Field | str] = {}
    items_max: int = 100
    count: str = ""
    totals: dict[str, tuple[str, ...]] = {}
    absolute: bool = True


class Mapping(Strict, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one kind of file is read.

    `format` is csv or json (lines); `each` names a list in every JSON line whose members are
    the rows, with the line's own keys beside theirs. `order` is `file` where rows come in
    order of time already, else `time`. `identify` are traits told of each customer when the
    file first names them. `live` is false for history: it counts, and opens no session.
    """

    name: str
    time: Time
    event: Naming
    about: str = ""
    format: OneOf["csv", "json"] = "csv"
    delimiter: str = ","
    encoding: str = "utf-8"
    each: str = ""
    order: OneOf["file", "time"] = "time"
    user: Field | str = ""
    anonymous: Field | str = ""
    properties: dict[str, Field | str] = {}
    identify: dict[str, Field | str] = {}
    skip: tuple[Skip, ...] = ()
    group: Group | None = None
    live: bool = True
    path: str = ""
    """Where it was read; never written in the file itself."""

    def columns(self) -> tuple[str, ...]:
        """Every column that the mapping asks for, each once, in a fixed order."""
        found: dict[str, None] = {}
        for name in _columns(self):
            if name:
                found[name] = None
        return tuple(found)


def field(written: Field | str) -> Field:
    """A field as written: text alone is the name of a column."""
    return Field(column=written) if isinstance(written, str) else written


def named(written: Named | str) -> Named:
    """An event as written: text alone is its name."""
    return Named(written) if isinstance(written, str) else written


def places(template: str) -> list[str]:
    """The columns that a template names in braces."""
    return re.findall(r"\{([^{}]+)\}", template)


def used(one: Field) -> list[str]:
    """The columns that a field looks at."""
    return [one.column] if one.column else places(one.template)


def _columns(mapping: Mapping) -> list[str]:
    fields = [mapping.user, mapping.anonymous]
    fields += [*mapping.properties.values(), *mapping.identify.values()]
    for event in (*mapping.event.names.values(), *mapping.event.prefixes.values()):
        fields += named(event).properties.values()
    names = [mapping.time.column, mapping.time.arrived, mapping.event.column]
    names += [rule.column for rule in mapping.skip]
    if mapping.group is not None:
        names.append(mapping.group.by)
        fields += mapping.group.item.values()
        for factors in mapping.group.totals.values():
            names += factors
    for one in map(field, fields):
        names += used(one)
    return names


def packaged() -> list[str]:
    """The names of the mappings that come with Segue."""
    folder = resources.files("segue.connectors") / "mappings"
    return sorted(item.name[:-5] for item in folder.iterdir() if item.name.endswith(".yaml"))


def load(name: str | Path) -> Mapping:
    """The packaged mapping of that name, or the one in that file; raises `MappingWrong`."""
    text = str(name)
    if text in packaged():
        folder = resources.files("segue.connectors") / "mappings"
        return parse((folder / f"{text}.yaml").read_text("utf-8"), f"{text}.yaml")
    path = Path(text)
    if path.suffix not in SUFFIXES:
        known = ", ".join(packaged())
        raise MappingWrong(f"{text}: neither a packaged mapping ({known}) nor a .yaml file")
    mapping = decoded(path, Mapping)
    _check(mapping, text)
    return msgspec.structs.replace(mapping, path=text)


def parse(text: str, path: str) -> Mapping:
    """A mapping from its YAML; raises `MappingWrong` with file, line and key."""
    mapping = _parsed(text, path, Mapping)
    _check(mapping, path)
    return msgspec.structs.replace(mapping, path=path)


def decoded(path: str | Path, shape: type[T]) -> T:
    """What a mapping file of another kind says; raises `MappingWrong`."""
    try:
        return _parsed(Path(path).read_text("utf-8"), str(path), shape)
    except (OSError, UnicodeDecodeError) as error:
        raise MappingWrong(f"{path}: can't be read: {error}") from error


def _parsed(text: str, path: str, shape: type[T]) -> T:
    try:
        tree: Any = cast(Any, YAML(typ="rt")).load(text)
    except MarkedYAMLError as error:
        told = cast(Any, error)
        line = told.problem_mark.line + 1 if told.problem_mark else 1
        raise MappingWrong(f"{path}:{line}: {told.problem or 'not YAML'}") from error
    except YAMLError as error:
        raise MappingWrong(f"{path}:1: {error}") from error
    try:
        return msgspec.convert(tree, shape)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        keys = where.rstrip("`").strip(".")
        unknown = re.search(r"unknown field `(\w+)`", message)
        line = _line(tree, keys, unknown.group(1) if unknown else "")
        place = f"{keys}: " if keys else ""
        raise MappingWrong(f"{path}:{line}: {place}{message}") from error


def _line(tree: Any, keys: str, last: str) -> int:
    """The line of the innermost key on the way that the file has; ruamel counts from 0."""
    line = 1
    here = tree  # ruamel's own lists and dicts, which carry places as `lc`
    for key in [*(re.findall(r"[^.\[\]]+", keys)), *([last] if last else [])]:
        try:
            if key.isdigit():
                line = here.lc.item(int(key))[0] + 1
                here = here[int(key)]
            else:
                line = here.lc.key(key)[0] + 1
                here = here[key]
        except (KeyError, IndexError, ValueError, TypeError, AttributeError):
            break
    return line


def _check(mapping: Mapping, path: str) -> None:
    """What the shapes alone don't say."""

    def refuse(what: str) -> None:
        raise MappingWrong(f"{path}: {what}")

    if not mapping.user and not mapping.anonymous:
        refuse("neither `user` nor `anonymous`: every event belongs to someone")
    naming = mapping.event
    if (naming.names or naming.prefixes) and not naming.column:
        refuse("event: `names` and `prefixes` look at a `column`")
    if not naming.names and not naming.prefixes and naming.otherwise in ("reject", "skip"):
        refuse("event: no event is named; list `names`, or say `otherwise: Its Name`")
    if len(mapping.delimiter) != 1:
        refuse("delimiter: exactly one character")
    if mapping.each and mapping.format != "json":
        refuse("each: only a JSON line holds a list of rows")
    if mapping.path:
        refuse("path: not a key of a mapping file")
    if mapping.group is not None and mapping.group.items_max < 0:
        refuse("group.items_max: can't be negative")
    for name, written in (*mapping.properties.items(), *mapping.identify.items()):
        one = field(written)
        if sum((bool(one.column), bool(one.template), one.value is not None)) != 1:
            refuse(f"{name}: say one of `column`, `template`, `value`")

"""From trees to the structs of `model`: reads, checks kinds, and reports every fault.

Rule 1: a shape is made from a struct's annotations, once; nothing is listed twice.
Rule 2: one fault never hides another: siblings are read on, and what holds a faulty part is
    dropped whole, for it has been reported.
"""

import functools
import types
import typing
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import msgspec

from segue.define.diagnostics import Place, Sink, nearest
from segue.define.limits import NAME_CHARS_MAX
from segue.define.model import Authored
from segue.define.text import Node, Row, Table, Word
from segue.define.words import Leaf
from segue.kernel.values import Value

UNWRITTEN = ("place", "spots")
"""Fields that the reader fills in."""


class Bad:
    """The answer for what was reported."""


BAD = Bad()


class Number(msgspec.Struct, frozen=True):
    """A number, perhaps a whole one."""

    whole: bool


class Truth(msgspec.Struct, frozen=True):
    """true or false."""


class Free(msgspec.Struct, frozen=True):
    """Data of the customer's own: anything."""


class Choice(msgspec.Struct, frozen=True):
    """One of a few words."""

    words: tuple[str, ...]


class Simple(msgspec.Struct, frozen=True):
    """One word, read by its own class."""

    leaf: type[Leaf]


class Several(msgspec.Struct, frozen=True):
    """One or many."""

    item: "Shape"


class Named(msgspec.Struct, frozen=True):
    """Names mapped to things."""

    item: "Shape"


class Form(msgspec.Struct, frozen=True):
    """A struct of `model`."""

    cls: type[Authored]


class Either(msgspec.Struct, frozen=True):
    """One of several shapes; `empty` where nothing may stand too."""

    options: "tuple[Shape, ...]"
    empty: bool


Shape: TypeAlias = Number | Truth | Free | Choice | Simple | Several | Named | Form | Either


class Field(msgspec.Struct, frozen=True):
    """A field of a form: its key in the file, its name in the struct, its shape."""

    key: str
    name: str
    shape: Shape
    required: bool


@functools.cache
def fields(cls: type[Authored]) -> tuple[Field, ...]:
    """The fields of a form that authors write, in their order."""
    hints = typing.get_type_hints(cls)
    return tuple(
        Field(each.encode_name, each.name, shape_of(hints[each.name]), each.required)
        for each in msgspec.structs.fields(cls)
        if each.name not in UNWRITTEN
    )


@functools.cache
def keyword(cls: type[Authored]) -> str:
    """The key that tells a form from its siblings: its first without a default."""
    return next((each.key for each in fields(cls) if each.required), "")


def shape_of(hint: object) -> Shape:
    """The shape of an annotation."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return Choice(tuple(arguments))
    if origin is tuple:
        return Several(shape_of(arguments[0]))
    if origin is dict:
        return Named(shape_of(arguments[1]))
    if origin in (types.UnionType, typing.Union):
        parts = tuple(shape_of(each) for each in arguments if each is not types.NoneType)
        empty = types.NoneType in arguments
        return Either(parts, empty)
    if hint is int or hint is float:
        return Number(hint is int)
    if hint is bool:
        return Truth()
    if hint is object:
        return Free()
    assert isinstance(hint, type)
    if issubclass(hint, Leaf):
        return Simple(hint)
    assert issubclass(hint, Authored), hint
    return Form(hint)


def read(shape: Shape, node: Node, sink: Sink) -> object:
    """Read a node as a shape; `BAD` once what is wrong has been reported."""
    match shape:
        case Number():
            return _number(shape, node, sink)
        case Truth():
            return _truth(node, sink)
        case Free():
            return plain(node)
        case Choice():
            return _choice(shape, node, sink)
        case Simple():
            if not isinstance(node, Word):
                return _unexpected(node, "a single value", sink)
            found = shape.leaf.read(node, sink)
            return BAD if found is None else found
        case Several():
            return _several(shape, node, sink)
        case Named():
            return _named(shape, node, sink)
        case Form():
            return read_form(shape.cls, node, sink)
        case Either():
            return _either(shape, node, sink)
        case _:
            typing.assert_never(shape)


def plain(node: Node) -> Value:
    """A node as plain data."""
    if isinstance(node, Row):
        return [plain(each) for each in node.items]
    if isinstance(node, Table):
        return {key.text: plain(value) for key, value in node.entries}
    return node.value


def _unexpected(node: Node, expected: str, sink: Sink, hint: str = "") -> Bad:
    sink.report("SEG-E203", node.place, f"{expected} is expected here, not {_kind(node)}", hint)
    return BAD


def _kind(node: Node) -> str:
    if isinstance(node, Row):
        return "a list"
    if isinstance(node, Table):
        return "a mapping"
    if node.value is None:
        return "nothing"
    return f"{node.text[:40]!r}"


def _number(shape: Number, node: Node, sink: Sink) -> object:
    if isinstance(node, Word) and not isinstance(node.value, bool):
        if isinstance(node.value, int):
            return node.value if shape.whole else float(node.value)
        if isinstance(node.value, float) and not shape.whole:
            return node.value
    kind = "a whole number" if shape.whole else "a number"
    return _unexpected(node, kind, sink, "write it in digits, without a unit or a sign")


def _truth(node: Node, sink: Sink) -> object:
    if isinstance(node, Word):
        if isinstance(node.value, bool):
            return node.value
        if node.text in ("yes", "on", "no", "off"):
            return node.text in ("yes", "on")
    return _unexpected(node, "true or false", sink)


def _choice(shape: Choice, node: Node, sink: Sink) -> object:
    if isinstance(node, Word):
        text = node.text
        if isinstance(node.value, bool):
            text = "on" if node.value else "off"
        if text in shape.words:
            return text
        said = f"{node.text[:40]!r} is none of the words that may stand here"
        sink.report("SEG-E204", node.place, said, nearest(text, shape.words))
        return BAD
    return _unexpected(node, "one of " + ", ".join(shape.words), sink)


def _several(shape: Several, node: Node, sink: Sink) -> object:
    items = node.items if isinstance(node, Row) else (node,)
    if isinstance(node, Word) and node.value is None:
        return ()
    found = [read(shape.item, each, sink) for each in items]
    return BAD if _any_bad(found) else tuple(found)


def _any_bad(found: Iterable[object]) -> bool:
    return any(each is BAD for each in found)


def _named(shape: Named, node: Node, sink: Sink) -> object:
    if isinstance(node, Word) and node.value is None:
        return {}
    if not isinstance(node, Table):
        return _unexpected(node, "a mapping of names", sink)
    found: dict[str, object] = {}
    for key, value in node.entries:
        if not 0 < len(key.text) <= NAME_CHARS_MAX:
            sink.report("SEG-E209", key.place, f"a name has 1 to {NAME_CHARS_MAX} characters")
            found[key.text] = BAD
            continue
        found[key.text] = read(shape.item, value, sink)
    return BAD if _any_bad(found.values()) else found


def _either(shape: Either, node: Node, sink: Sink) -> object:
    if shape.empty and isinstance(node, Word) and node.value is None:
        return None
    if len(shape.options) == 1:
        return read(shape.options[0], node, sink)
    forms = {keyword(each.cls): each.cls for each in shape.options if isinstance(each, Form)}
    if isinstance(node, Word):
        plain = [each for each in shape.options if not isinstance(each, Form)]
        if plain:
            return read(plain[0], node, sink)
        if node.text in forms:
            return read_form(forms[node.text], Table(node.place, ((node, _nothing(node)),)), sink)
    if not isinstance(node, Table):
        first = next(iter(forms), "")
        event = isinstance(node, Word) and first == "on"
        hint = f"an event is written {{on: {_kind(node)[1:-1]}}}" if event else ""
        return _unexpected(node, "a mapping with one of " + ", ".join(forms), sink, hint)
    keys = {key.text for key, _ in node.entries}
    for word, cls in forms.items():
        if word in keys:
            return read_form(cls, node, sink)
    _report_unclear(node, forms, sink)
    return BAD


def _nothing(word: Word) -> Word:
    return msgspec.structs.replace(word, text="", value=None)


def _report_unclear(node: Table, forms: Mapping[str, object], sink: Sink) -> None:
    for key, _ in node.entries:
        hint = nearest(key.text, forms)
        if hint.startswith("did you mean"):
            sink.report("SEG-E201", key.place, f"the key {key.text!r} is not known here", hint)
            return
    place = node.entries[0][0].place if node.entries else node.place
    sink.report(
        "SEG-E210",
        place,
        "it is not clear what this is",
        "it needs one of these keys: " + ", ".join(forms),
    )


def read_form(
    cls: type[Authored], node: Node, sink: Sink, place: Place | None = None
) -> Authored | Bad:
    """Read a mapping as one form; a bare word or list stands for its `shorthand`."""
    entries: list[tuple[str, Place, Node]]
    if isinstance(node, Table):
        entries = [(key.text, key.place, value) for key, value in node.entries]
    elif cls.shorthand and not (isinstance(node, Word) and node.value is None):
        entries = [(cls.shorthand, node.place, node)]
    else:
        return _unexpected(node, "a mapping", sink)
    known = {each.key: each for each in fields(cls)}
    values: dict[str, object] = {}
    spots: dict[str, Place] = {}
    fine = True
    for key, key_place, value in entries:
        field = known.get(key)
        if field is None:
            undashed = key.removeprefix("-") if key.startswith("-") else ""
            hint = f"put a space after the dash: - {undashed}" if undashed else nearest(key, known)
            sink.report("SEG-E201", key_place, f"the key {key[:40]!r} is not known here", hint)
            fine = False
            continue
        spots[field.name] = value.place
        values[field.name] = found = read(field.shape, value, sink)
        fine = fine and found is not BAD
    for field in known.values():
        if field.required and field.name not in values:
            where = place or node.place
            sink.report("SEG-E202", where, f"the key {field.key!r} is missing here")
            fine = False
    if not fine:
        return BAD
    return cls(place=place or node.place, spots=spots, **values)

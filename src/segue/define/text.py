"""YAML 1.2 as a tree in which every key and every value keeps its place.

Rule 1: nothing raises for what is in the text: what can't be read is reported.
Rule 2: what a plain word means is decided here alone: `true`, `false`, `null`, numbers of
    YAML's core schema; everything else is text. `on`, `off`, `yes` and `09:00` are text.
Rule 3: the tree is built from the parser's events on a stack of our own, so that depth,
    size and aliases are bounded before they can cost anything.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Literal as OneOf, NoReturn, Protocol, TypeAlias, cast

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from segue.define.complaints import Fault, Spot, explain, quoted
from segue.define.diagnostics import Place, Sink
from segue.define.limits import DEPTH_MAX, FILE_BYTES_MAX, NODES_MAX

Style: TypeAlias = OneOf["plain", "quoted", "block", "python"]


class Source(msgspec.Struct, frozen=True):
    """A text and the name of the file that it came from."""

    file: str
    text: str


class Word(msgspec.Struct, frozen=True):
    """A scalar: `value` as YAML's core schema reads it, `text` as it was written.

    `start` and `stop` are its bounds in the source, quotes and block header included.
    """

    place: Place
    text: str
    value: bool | int | float | str | None
    source: Source
    start: int = 0
    stop: int = 0
    style: Style = "plain"
    size: int = 1


class Row(msgspec.Struct, frozen=True):
    """A list."""

    place: Place
    items: "tuple[Node, ...]"
    size: int = 1


class Table(msgspec.Struct, frozen=True):
    """A mapping, in the order in which it was written; keys differ."""

    place: Place
    entries: "tuple[tuple[Word, Node], ...]"
    size: int = 1


Node: TypeAlias = Word | Row | Table

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,300}|[0-9]{1,300}(\.[0-9]{0,300})?)([eE][-+]?[0-9]{1,3})?")
_CONSTANTS: dict[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}

_SIGNED = "write it out plainly; a text that begins with {} stands in quotes"


def scalar(text: str) -> bool | int | float | str | None:
    """What a plain word means by the core schema of YAML 1.2."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def read(source: Source, sink: Sink) -> Node | None:
    """Parse one file; None where there is nothing in it or it can't be read."""
    if len(source.text) > FILE_BYTES_MAX:
        sink.report("SEG-E105", Place(source.file), "this file is larger than 512 KB")
        return None
    try:
        return _Builder(source, sink).build()
    except _Refused:
        return None
    except Exception as error:  # noqa: BLE001 - hostile text finds the parser's own bugs
        place, what, hint = _complaint(source, error)
        sink.report("SEG-E102", place, what, hint)
    return None


def _complaint(source: Source, error: Exception) -> tuple[Place, str, str]:
    """What the parser did not like, where, and what to do."""
    if isinstance(error, MarkedYAMLError):
        marked = cast("_Marked", error)
        mark, since = marked.problem_mark or marked.context_mark, marked.context_mark
        what = " ".join((marked.problem or marked.context or "this is not YAML").split())
        if mark is None:
            return Place(source.file), what, ""
        fault = Fault(
            what,
            Spot(mark.line, mark.column),
            marked.context or "",
            None if since is None else Spot(since.line, since.column),
        )
        slip = explain(source.text, fault)
        return _place(source, slip.at.line, slip.at.column), slip.message, slip.hint
    if isinstance(error, ReaderError):
        at = cast("_AtCharacter", error).position
        line = source.text.count("\n", 0, at)
        column = at - (source.text.rfind("\n", 0, at) + 1)
        return _place(source, line, column), "a character that YAML does not allow", ""
    return Place(source.file), f"this is not YAML ({type(error).__name__})", ""


class _Mark(Protocol):
    """A point in the text, counted from 0."""

    line: int
    column: int
    index: int


class _Marked(Protocol):
    """A complaint of the parser about a point in the text."""

    problem: str | None
    context: str | None
    problem_mark: _Mark | None
    context_mark: _Mark | None


class _AtCharacter(Protocol):
    """A complaint of the parser about one character."""

    position: int


class _Parsed(Protocol):
    """An event of the parser; which of these it has is told by its class."""

    start_mark: _Mark
    end_mark: _Mark
    anchor: str | None
    tag: object
    value: str
    style: str | None


_Parse: TypeAlias = Callable[[str], Iterator[_Parsed]]


class _Refused(Exception):
    """The file has been reported; stop reading it."""


class _Open:
    """A list or mapping whose end has not come yet."""

    def __init__(self, place: Place, anchor: str | None, *, table: bool) -> None:
        self.place = place
        self.anchor = anchor
        self.table = table
        self.items: list[Node] = []
        self.key: Word | None = None
        self.entries: list[tuple[Word, Node]] = []
        self.keys: dict[str, Word] = {}
        self.size = 1


class _Builder:
    """Folds the parser's events into a tree."""

    def __init__(self, source: Source, sink: Sink) -> None:
        self.source = source
        self.sink = sink
        self.stack: list[_Open] = []
        self.anchors: dict[str, Node | None] = {}
        self.root: Node | None = None
        self.documents = 0

    def build(self) -> Node | None:
        parser = YAML(typ="safe", pure=True)
        # The library gives no types; `_Parsed` says what its events are known to have.
        parse = cast("_Parse", parser.parse)  # pyright: ignore[reportUnknownMemberType]
        for event in parse(self.source.text):
            self.take(type(event).__name__, event)
        return self.root

    def take(self, kind: str, event: "_Parsed") -> None:
        match kind:
            case "DocumentStartEvent":
                self.documents += 1
                if self.documents > 1:
                    self.refuse("SEG-E104", self.place(event), "a second document in one file")
            case "AliasEvent":
                self.put(self.alias(event), self.place(event))
            case "ScalarEvent":
                word = self.word(event)
                self.anchor(event.anchor, word)
                self.put(word, word.place)
            case "MappingStartEvent" | "SequenceStartEvent":
                self.open(event, table=kind == "MappingStartEvent")
            case "MappingEndEvent" | "SequenceEndEvent":
                self.close()
            case _:
                pass  # The beginning and the end of the stream and of documents.

    def open(self, event: "_Parsed", *, table: bool) -> None:
        place = self.place(event)
        self.untagged(event, place)
        if len(self.stack) >= DEPTH_MAX:
            self.refuse("SEG-E105", place, f"more than {DEPTH_MAX} levels inside each other")
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        self.stack.append(_Open(place, event.anchor, table=table))

    def close(self) -> None:
        done = self.stack.pop()
        node: Node
        if done.table:
            node = Table(done.place, tuple(done.entries), done.size)
        else:
            node = Row(done.place, tuple(done.items), done.size)
        self.anchor(done.anchor, node)
        self.put(node, done.place)

    def put(self, node: Node, place: Place) -> None:
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        top.size += node.size
        if top.size > NODES_MAX:
            self.refuse("SEG-E105", place, f"more than {NODES_MAX:,} values, aliases followed")
        if not top.table:
            top.items.append(node)
        elif top.key is None:
            if not isinstance(node, Word):
                self.refuse_key(place)
            top.key = node
        else:
            self.pair(top, top.key, node)
            top.key = None

    def refuse_key(self, place: Place) -> NoReturn:
        """Most who write a mapping as a key meant a template and left out its quotes."""
        line = self.source.text.split("\n")[place.line - 1]
        at = line.rfind("{{", 0, place.column + 1)
        if at < 0:
            self.refuse("SEG-E104", place, "a key must be a plain name")
        said = f"put the text in quotes: {line[:at].strip()} {quoted(line[at:])}"
        self.refuse("SEG-E104", place, "a template stands here without quotes", said.strip())

    def pair(self, top: _Open, key: Word, node: Node) -> None:
        first = top.keys.get(key.text)
        if first is not None:
            self.sink.report(
                "SEG-E103",
                key.place,
                f"the key {key.text!r} stands here twice",
                f"the first one is in line {first.place.line}; remove one of the two",
            )
            return
        top.keys[key.text] = key
        top.entries.append((key, node))

    def alias(self, event: "_Parsed") -> Node:
        node = self.anchors.get(event.anchor or "")
        if node is None:
            place = self.place(event)
            said = f"nothing complete is called &{event.anchor} above"
            self.refuse("SEG-E104", place, said, _SIGNED.format("*"))
        return node

    def anchor(self, name: str | None, node: Node) -> None:
        if name is not None:
            self.anchors[name] = node

    def word(self, event: "_Parsed") -> Word:
        place = self.place(event)
        self.untagged(event, place)
        style: Style = "plain"
        if event.style in ("'", '"'):
            style = "quoted"
        elif event.style in ("|", ">"):
            style = "block"
        value = scalar(event.value) if style == "plain" else event.value
        start, stop = event.start_mark.index, event.end_mark.index
        return Word(place, event.value, value, self.source, start, stop, style)

    def untagged(self, event: "_Parsed", place: Place) -> None:
        if event.tag is not None:
            said = "tags (`!name`) have no meaning here"
            self.refuse("SEG-E104", place, said, _SIGNED.format("!"))

    def place(self, event: "_Parsed") -> Place:
        start, end = event.start_mark, event.end_mark
        stop = end.column + 1 if end.line == start.line else 0
        return _place(self.source, start.line, start.column, stop)

    def refuse(self, code: str, place: Place, message: str, hint: str = "") -> NoReturn:
        self.sink.report(code, place, message, hint)
        raise _Refused


def _place(source: Source, line: int, column: int, stop: int = 0) -> Place:
    return Place(source.file, line + 1, column + 1, stop or column + 2)


def locate(word: Word, offset: int, length: int = 1) -> Place:
    """Where the character at `offset` of a scalar's value stands in its file.

    Walks value and source side by side; quotes, escapes, folded lines and indentation are
    what the source has and the value has not.
    """
    if word.style == "python":
        return word.place
    text, at = word.source.text, word.start
    if word.style == "block":
        at = text.find("\n", at) + 1
    elif word.style == "quoted":
        at += 1
    for char in word.text[:offset]:
        if not char.isspace():
            at = text.find(char, at, word.stop) + 1 or at
    if offset < len(word.text):
        at = max(at, text.find(word.text[offset], at, word.stop))
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return Place(word.source.file, line, column, column + max(1, length))

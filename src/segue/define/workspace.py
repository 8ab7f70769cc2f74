"""A folder of files read into definitions by name, before any meaning is looked at.

Rule 1: the order of files and of definitions has no meaning; everything is kept by name.
Rule 2: a definition that could not be read still has a name, so that whoever refers to it is
    not told that it does not exist.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import msgspec

from segue.define import model, moments
from segue.define.cases import CaseForm
from segue.define.diagnostics import Place, Sink, nearest
from segue.define.limits import (
    FILE_BYTES_MAX,
    FILES_MAX,
    NAME_CHARS_MAX,
    TEXT_CHARS_MAX,
    WORKSPACE_BYTES_MAX,
)
from segue.define.sections import Sections
from segue.define.shape import BAD, Either, Form, Named, Shape, fields, read, read_form
from segue.define.text import Node, Source, Table, Word, read as read_text
from segue.define.words import Name
from segue.errors import WorkspaceUnreadable

SUFFIXES = (".yaml", ".yml")
PARTS = "parts"
"""The folder of what templates may put in."""

_SECTIONS = {field.key: field.shape for field in fields(Sections)}


class Written(msgspec.Struct):
    """All definitions of a workspace as they were written, by name."""

    workspace: model.WorkspaceForm | None = None
    workspaces: list[Place] = []
    segments: dict[str, model.SegmentForm] = {}
    events: dict[str, moments.EventForm] = {}
    catalogs: dict[str, moments.CatalogForm] = {}
    messages: dict[str, model.MessageForm] = {}
    policies: dict[str, model.PolicyForm] = {}
    models: dict[str, model.ModelForm] = {}
    journeys: dict[str, model.JourneyForm] = {}
    tests: dict[str, CaseForm] = {}
    names: dict[str, dict[str, Place]] = {}
    """By section, all names, those of definitions that could not be read too."""
    file: "Callable[[str, str], str | None]" = lambda _base, _name: None
    """Reads a file named in a definition, beside the file that names it."""
    parts: dict[str, str] = {}
    """What templates may put in by name, so that letters share a head and a foot."""

    @classmethod
    def empty(cls) -> "Written":
        """Nothing written yet."""
        return cls(names={key: {} for key in _SECTIONS})


class Folder:
    """A workspace's files. Links that lead out of it are not followed."""

    def __init__(self, root: Path, sink: Sink) -> None:
        self.root = root.resolve()
        self.sink = sink
        self.sources: dict[str, str] = {}

    def documents(self) -> Iterator[Source]:
        """The YAML files, in the order of their paths; hidden ones are left out."""
        total = 0
        for at, path in enumerate(self.paths()):
            name = path.relative_to(self.root).as_posix()
            if at >= FILES_MAX:
                self.sink.report("SEG-E105", Place(name), f"more than {FILES_MAX:,} files")
                return
            text = self.text(path, name)
            if text is None:
                self.sources.setdefault(name, "")
                continue
            total += len(text)
            if total > WORKSPACE_BYTES_MAX:
                self.sink.report("SEG-E105", Place(name), "more than 8 MB of YAML in all")
                return
            self.sources[name] = text
            yield Source(name, text)

    def paths(self) -> list[Path]:
        try:
            next(self.root.iterdir(), None)
        except OSError as error:
            raise WorkspaceUnreadable(str(self.root), error.strerror or str(error)) from error
        found = [path for path in self.root.rglob("*") if path.suffix in SUFFIXES]
        return sorted(
            path
            for path in found
            if not any(part.startswith(".") for part in path.relative_to(self.root).parts)
        )

    def text(self, path: Path, name: str) -> str | None:
        """The file's text, or None and a diagnostic."""
        try:
            if not path.resolve().is_relative_to(self.root):
                self.sink.report("SEG-E101", Place(name), "this file leads out of the workspace")
                return None
            with path.open("rb") as stream:
                found = stream.read(FILE_BYTES_MAX + 1)
        except (OSError, RuntimeError) as error:  # Python up to 3.12 raises the latter for loops.
            why = error.strerror if isinstance(error, OSError) else "a link to itself"
            self.sink.report("SEG-E101", Place(name), f"can't be read: {why}")
            return None
        if len(found) > FILE_BYTES_MAX:
            self.sink.report("SEG-E105", Place(name), "this file is larger than 512 KB")
            return None
        try:
            return found.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = found.count(b"\n", 0, error.start) + 1
            self.sink.report("SEG-E101", Place(name, line), "this file is not UTF-8 text")
            return None

    def beside(self, base: str, name: str) -> str | None:
        """The text of a file named in the file `base`; None where there is none."""
        try:
            path = (self.root / base).parent / name
            if not path.is_file() or not path.resolve().is_relative_to(self.root):
                return None
        except (OSError, ValueError, RuntimeError):
            return None
        return self._kept(path, path.resolve().relative_to(self.root).as_posix())

    def parts(self) -> dict[str, str]:
        """What stands in `parts/`, by the files' names without their endings."""
        found: dict[str, str] = {}
        homes: dict[str, str] = {}
        folder = self.root / PARTS
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        for path in paths[:FILES_MAX]:
            inside = path.relative_to(folder)
            file = path.relative_to(self.root).as_posix()
            if path.suffix in SUFFIXES or any(part.startswith(".") for part in inside.parts):
                continue
            name = inside.with_suffix("").as_posix()
            if name in homes:
                hint = f"the first is {homes[name]}"
                self.sink.report("SEG-E208", Place(file), f"a second part named {name!r}", hint)
                continue
            homes[name] = file
            found[name] = self._kept(path, file) or ""
        if len(paths) > FILES_MAX:
            self.sink.report("SEG-E105", Place(PARTS), f"more than {FILES_MAX:,} files")
        return found

    def _kept(self, path: Path, name: str) -> str | None:
        """The file's text, kept for diagnostics that point into it."""
        text = self.text(path, name)
        if text is not None:
            self.sources[name] = text
        return text


def gather(documents: Iterator[Source], sink: Sink) -> Written:
    """Read definitions from files."""
    written = Written.empty()
    for source in documents:
        top = read_text(source, sink)
        if top is not None:
            collect(top, written, sink)
    return written


def collect(top: Node, written: Written, sink: Sink) -> None:
    """Add one file's definitions, or those made in Python."""
    if isinstance(top, Word) and top.value is None:
        return
    if not isinstance(top, Table):
        sections = ", ".join(_SECTIONS)
        sink.report("SEG-E203", top.place, f"a file holds some of: {sections}")
        return
    for key, node in top.entries:
        shape = _SECTIONS.get(key.text)
        if shape is None:
            hint = nearest(key.text, _SECTIONS)
            sink.report("SEG-E201", key.place, f"the key {key.text[:40]!r} is not known here", hint)
        elif isinstance(shape, Named):
            _definitions(key.text, shape.item, node, written, sink)
        else:
            _workspace(key, node, written, sink)


def _workspace(key: Word, node: Node, written: Written, sink: Sink) -> None:
    written.workspaces.append(key.place)
    if len(written.workspaces) > 1:
        first = written.workspaces[0]
        hint = f"the first is in {first.file}, line {first.line}"
        sink.report("SEG-E208", key.place, "a second `workspace`", hint)
        return
    found = read_form(model.WorkspaceForm, node, sink, key.place)
    if isinstance(found, model.WorkspaceForm):
        written.workspace = found


def _definitions(section: str, shape: Shape, node: Node, written: Written, sink: Sink) -> None:
    if isinstance(node, Word) and node.value is None:
        return
    if not isinstance(node, Table):
        sink.report("SEG-E203", node.place, f"`{section}` maps names to definitions")
        return
    names = written.names[section]
    for key, value in node.entries:
        first = names.get(key.text)
        if first is not None:
            hint = f"the first is in {first.file}, line {first.line}"
            sink.report("SEG-E208", key.place, f"{key.text!r} is defined twice", hint)
            continue
        names[key.text] = key.place
        if not _named_well(section, key, sink):
            continue
        found = _definition(shape, key, value, sink)
        if found is not BAD:
            kept = cast("dict[str, object]", getattr(written, section))
            kept[key.text] = found


def _named_well(section: str, key: Word, sink: Sink) -> bool:
    longest = {"events": NAME_CHARS_MAX, "tests": TEXT_CHARS_MAX}.get(section)
    if longest is None:
        return Name.read(key, sink) is not None
    if 0 < len(key.text.strip()) <= longest:
        return True
    what = "an event" if section == "events" else "a test"
    sink.report("SEG-E209", key.place, f"{what}'s name has 1 to {longest} characters")
    return False


def _definition(shape: Shape, key: Word, value: Node, sink: Sink) -> object:
    """Read one definition; its place is its name's."""
    if isinstance(shape, Form):
        return read_form(shape.cls, value, sink, key.place)
    assert isinstance(shape, Either)
    found = read(shape, value, sink)
    if isinstance(found, model.Authored):
        return msgspec.structs.replace(found, place=key.place)
    return found

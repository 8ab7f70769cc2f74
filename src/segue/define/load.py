"""The way in: a folder of files becomes a plan, or diagnostics that say why not.

Rule: nothing an author wrote makes this raise. Only a folder that can't be read does.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from segue.define.cases import CaseForm
from segue.define.check import check
from segue.define.compile import compile_workspace, plan_hash
from segue.define.contents import Content
from segue.define.diagnostics import Diagnostic, Sink
from segue.define.feeds import History
from segue.define.workspace import Folder, Written, gather
from segue.kernel.plan import Plan


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a workspace: a plan unless there are errors, and all that was remarked."""

    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]
    sources: dict[str, str]
    """The texts that diagnostics point into, by file."""
    cases: dict[str, CaseForm] = {}
    """The tests written beside the definitions, by name."""
    folder: str = ""
    """Where it was read; empty for one that was made in Python."""
    dropped: int = 0
    """Diagnostics beyond the limit, which were only counted."""

    @property
    def hash(self) -> str:
        """The plan's name; empty where there is none."""
        return plan_hash(self.plan) if self.plan is not None else ""

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """What keeps the workspace from being used."""
        return tuple(each for each in self.diagnostics if each.severity == "error")


def load(
    folder: Path | str,
    *,
    zones: Iterable[str] | None = None,
    content: Content | None = None,
    history: History | None = None,
) -> Loaded:
    """Read, compile and check a workspace.

    `zones` are the names of known time zones, `content` looks at message templates; without
    them zones and templates are not checked, for this floor knows neither. `history` is what
    a store remembers; with it the checks know which events really come.
    """
    sink = Sink()
    files = Folder(Path(folder), sink)
    written = gather(files.documents(), sink)
    written.file = files.beside
    written.parts = files.parts()
    found = finish(written, sink, files.sources, zones=zones, content=content, history=history)
    return msgspec.structs.replace(found, folder=str(folder))


def finish(
    written: Written,
    sink: Sink,
    sources: dict[str, str],
    *,
    zones: Iterable[str] | None = None,
    content: Content | None = None,
    history: History | None = None,
) -> Loaded:
    """Compile and check what was written, in files or in Python."""
    compiled = compile_workspace(written, sink)
    zones = None if zones is None else list(zones)
    check(written, compiled, sink, zones=zones, content=content, history=history)
    failed = sink.dropped or any(each.severity == "error" for each in sink.found)
    return Loaded(
        plan=None if failed else compiled.plan,
        diagnostics=sink.sorted(),
        sources=sources,
        cases=written.tests,
        dropped=sink.dropped,
    )

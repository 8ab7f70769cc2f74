"""What the checker says to authors: a code, a place, a sentence, a hint.

Rule 1: every diagnostic has a code of the table `codes.CODES`, whose meaning never changes.
Rule 2: it names a place that an author can go to: file, line, column, all counted from 1.
Rule 3: it says what is wrong in the author's words, and the hint says what to do.
"""

import difflib
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal as OneOf, Protocol

import msgspec

from segue.define.codes import CODES
from segue.define.limits import DIAGNOSTICS_MAX, LISTED_MAX


class Place(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Where something was written; `end` is the column after its last character on `line`."""

    file: str
    line: int = 1
    column: int = 1
    end: int = 0


class Diagnostic(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One remark of the checker. Only an `error` keeps a workspace from being used."""

    severity: OneOf["error", "warning", "note", "waived"]
    code: str
    message: str
    place: Place
    hint: str = ""
    witness: tuple[str, ...] = ()
    """What shows that it is so: for instance the life of a customer to whom it happens."""


class Waivable(Protocol):
    """A code that a definition may fail, and where that was written."""

    @property
    def text(self) -> str: ...

    @property
    def place(self) -> Place: ...


class Sink:
    """Where diagnostics go while a workspace is read; bounded, and never twice the same."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []
        self.dropped = 0
        self.used: set[tuple[str, Place]] = set()
        """Waivers that waived something: the code, and where the waiver stands."""
        self._seen: set[tuple[str, Place, str]] = set()
        self._waivers: Mapping[str, Waivable] = {}

    def report(
        self,
        code: str,
        place: Place,
        message: str,
        hint: str = "",
        witness: tuple[str, ...] = (),
    ) -> None:
        """Keep a diagnostic; its severity is the code's."""
        rule = CODES[code]
        seen = (code, place, message)
        if seen in self._seen:
            return
        if len(self.found) >= DIAGNOSTICS_MAX:
            self.dropped += 1
            return
        self._seen.add(seen)
        waiver = self._waivers.get(code) if rule.waivable else None
        if waiver is not None:
            self.used.add((code, waiver.place))
        self.found.append(
            Diagnostic(
                severity=rule.severity if waiver is None else "waived",
                code=code,
                message=message,
                place=place,
                hint=hint or rule.hint,
                witness=witness,
            )
        )

    @contextmanager
    def waiving(self, waive: Sequence[Waivable]) -> Generator[None]:
        """While inside, what these codes allow to be waived is kept as waived."""
        outer, self._waivers = self._waivers, {each.text: each for each in waive}
        try:
            yield
        finally:
            self._waivers = outer

    def sorted(self) -> tuple[Diagnostic, ...]:
        """What was found, in the order in which an author reads."""
        return tuple(sorted(self.found, key=lambda each: (each.place, each.code, each.message)))


def nearest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint that names the known word nearest to a mistyped one, or lists the known ones."""
    names = sorted(known)
    few = len(names) <= LISTED_MAX
    # A short list says more than a poor guess: "archived" is not what "active" meant.
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.75 if few else 0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    if names and few:
        return "known here: " + ", ".join(names)
    return otherwise


def render(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str]) -> str:
    """Print diagnostics as a compiler does: place, message, source line, caret, hint."""
    return "\n".join(_one(each, sources) for each in diagnostics)


def _one(each: Diagnostic, sources: Mapping[str, str]) -> str:
    place = each.place
    head = f"{each.severity}[{each.code}]: {each.message}"
    lines = sources.get(place.file, "").splitlines()
    gutter = " " * len(str(place.line))
    out = [head, f"{gutter}--> {place.file}:{place.line}:{place.column}"]
    if place.line <= len(lines):
        line = lines[place.line - 1]
        shown = line.replace("\t", " ")
        marks = max(1, min(place.end, len(line) + 1) - place.column)
        out += [
            f"{gutter} |",
            f"{place.line} | {shown}",
            f"{gutter} | {' ' * (place.column - 1)}{'^' * marks}",
        ]
    out += [f"{gutter} : {line}" for line in each.witness]
    if each.hint:
        first, *more = each.hint.splitlines()
        out += [f"{gutter} = {first}", *(f"{gutter}   {line}" for line in more)]
    return "\n".join(out) + "\n"


def as_json(diagnostics: Iterable[Diagnostic]) -> bytes:
    """The same as data: one JSON list of objects, for editors and for continuous integration."""
    return msgspec.json.encode(
        [
            {
                "severity": each.severity,
                "code": each.code,
                "message": each.message,
                "hint": each.hint,
                "file": each.place.file,
                "line": each.place.line,
                "column": each.place.column,
                "end": each.place.end,
                "witness": each.witness,
            }
            for each in diagnostics
        ]
    )


PAGE = "docs/reference/diagnostics.md"
"""The page on which every code has its anchor."""


def reference() -> str:
    """The page `docs/reference/diagnostics.md`, made from the table of codes."""
    out = [
        "# Diagnostics",
        "",
        "What `segue check` says, by code. Codes never change their meaning.",
        "This page is generated from `src/segue/define/codes.py`.",
        "",
        "Errors keep a workspace from being used; warnings and notes do not. Codes marked",
        "*waivable* can be waived by name, in the definition that they concern:",
        "`waive: [SEG-E501]`. What they look at, and why, tells the guide to",
        "[checks](../guides/checks.md).",
    ]
    for code, rule in sorted(CODES.items()):
        mark = " · waivable" if rule.waivable else ""
        out += ["", f"## {code}", "", f"*{rule.severity}{mark}* · **{rule.title}**", ""]
        out.append(rule.explanation)
        if rule.hint:
            out += ["", f"What to do: {rule.hint}."]
    return "\n".join(out) + "\n"

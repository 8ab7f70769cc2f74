"""What the YAML parser did not like, in the words of whoever wrote the file.

The parser names its own grammar ("expected <block end>, but found '?'"). An author made one of a
dozen slips, and each leaves its mark in the text around the place: a tab, a line one space off,
a colon inside a text, a text that begins with a sign that means something.

Rule 1: nothing here guesses beyond what the lines show; what fits no slip keeps the parser's words.
Rule 2: a place is counted from 0, as the parser counts; whoever reports it counts from 1.
"""

import re

import msgspec


class Spot(msgspec.Struct, frozen=True):
    """A point in the text: line and column from 0."""

    line: int
    column: int


class Fault(msgspec.Struct, frozen=True):
    """The parser's own words: what it met and where, and what it was reading since where."""

    problem: str
    at: Spot
    context: str = ""
    since: Spot | None = None


class Slip(msgspec.Struct, frozen=True):
    """What an author did: where, what it is, what to do. Without a hint the code's own holds."""

    at: Spot
    message: str
    hint: str = ""


_LEAD = re.compile(r"[^\S\n]*")
_INVISIBLE = re.compile("[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000\ufeff]")
_ENTRY = re.compile(r"\s*(?:- +)*([\w .-]+):(?: +(.*))?$")
_UNSPACED = re.compile(r"\s*(?:- +)*([\w.-]+):(\S.*)$")
_PLAIN = re.compile(r"\s*(?:- +)*[^\s#'\"\[{|>-][^:]*$")
_UNDASHED = re.compile(r"\s*-[A-Za-z]")
_DASHES = re.compile(r"\s*(?:- +)+")
_SHOWN_MAX = 60
_LOOK_BACK = 3
"""How many lines above the parser's place the cause is looked for."""


def explain(text: str, fault: Fault) -> Slip:
    """The slip behind a fault."""
    lines = [*text.splitlines(), ""]
    if max(fault.at.line, fault.since.line if fault.since else 0) >= len(lines):
        return Slip(fault.at, fault.problem)
    found = _blanks(lines, fault)
    if found is None and fault.problem == "mapping values are not allowed here":
        found = _colon(lines, fault.at)
    elif found is None and fault.problem == "could not find expected ':'":
        found = _without_colon(lines, fault.since or fault.at)
    elif found is None and fault.problem.startswith("expected <block end>"):
        found = _block(lines, fault)
    elif found is None and fault.problem.startswith("expected ','"):
        found = _bracket(fault)
    elif found is None:
        found = _sign(lines, fault)
    return found or Slip(fault.at, fault.problem)


def quoted(value: str) -> str:
    """A value as it could be written, cut where it is long."""
    shown = value.strip().strip("'\"")
    shown = shown if len(shown) <= _SHOWN_MAX else shown[:_SHOWN_MAX] + "…"
    return f'"{shown}"' if '"' not in shown else f"'{shown}'"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _blanks(lines: list[str], fault: Fault) -> Slip | None:
    """A tab, or a blank that only looks like one, where a line is indented."""
    for number in range(fault.at.line, max(-1, fault.at.line - _LOOK_BACK - 1), -1):
        lead = _LEAD.match(lines[number])
        assert lead is not None  # it matches nothing, too
        if "\t" in lead[0] and (number == fault.at.line or "\\t" in fault.problem):
            at = Spot(number, lead[0].index("\t"))
            return Slip(
                at,
                "a tab stands here, and YAML is indented by spaces",
                "put spaces for the tab; editors do it for a whole file",
            )
        strange = _INVISIBLE.search(lines[number])
        if strange is not None and strange.start() <= len(lead[0]):
            return Slip(
                Spot(number, strange.start()),
                f"a blank that is no space (U+{ord(strange[0]):04X}) stands here",
                "type the spaces of this line anew: they may come from a web page or a letter",
            )
    if "\\t" in fault.problem:
        return Slip(fault.at, "a tab stands here, where YAML wants a space", "put a space")
    return None


def _colon(lines: list[str], at: Spot) -> Slip | None:
    """A colon after which the parser expected none."""
    line = lines[at.line]
    found = _ENTRY.match(line[: at.column] + ":")
    key, _, value = line.partition(": ")
    if found is None or ":" in line[: at.column]:
        return Slip(
            at,
            'a second ": " in one line',
            f"put a text with a colon in quotes: {key.strip()}: {quoted(value)}",
        )
    above = next((one for one in range(at.line - 1, -1, -1) if lines[one].strip()), None)
    if above is None:
        return None
    if (before := _without_colon(lines, Spot(above, 0))) is not None:
        return before
    indent, wanted = _indent(line), _indent(lines[above])
    if indent > wanted:
        return Slip(
            Spot(at.line, indent),
            "this line is indented further than the one above, which has its value already",
            f"begin it in column {wanted + 1}, as line {above + 1} does",
        )
    return None


def _without_colon(lines: list[str], at: Spot) -> Slip | None:
    """A line that should be `key: value`, and is not."""
    line = lines[at.line]
    start = Spot(at.line, _indent(line))
    if (unspaced := _UNSPACED.match(line)) is not None:
        told = f"{unspaced[1]}: {unspaced[2]}"
        return Slip(start, "there is no space after the colon", f"write `{told[:_SHOWN_MAX]}`")
    if _PLAIN.match(line):
        key, _, value = line.strip().partition(" ")
        told = f"{key}: {value}".strip()
        return Slip(start, "this line has no colon", f"write `{told[:_SHOWN_MAX]}`, or the like")
    return None


def _block(lines: list[str], fault: Fault) -> Slip | None:
    """A line that fits into none of the blocks around it, or a value that ended too early."""
    line, since = lines[fault.at.line], fault.since
    before = line[: fault.at.column].rstrip()
    if "<scalar>" in fault.problem and before:
        return _ended(line, before, fault.at)
    if since is None or fault.at.line == since.line:
        return None
    indent = _indent(line)
    at = Spot(fault.at.line, indent)
    if _UNDASHED.match(line):
        said = f"write `- {line.strip()[1:][:_SHOWN_MAX]}`"
        return Slip(at, "there is no space after the dash", said)
    others = [
        (abs(column - indent), -number, column)
        for number in range(since.line, fault.at.line)
        if (column := _column(lines[number], dashed=_is_entry(line))) not in (None, indent)
    ]
    said = f"this line begins in column {indent + 1}, unlike those it belongs with"
    if not others:
        return Slip(at, said)
    _, number, column = min(others)
    dash = ", with `- `," if _is_entry(line) else ""
    return Slip(
        at, said, f"begin it in column {column + 1}{dash} like what stands in line {1 - number}"
    )


def _is_entry(line: str) -> bool:
    return line.lstrip().startswith("- ")


def _column(line: str, *, dashed: bool) -> int | None:
    """Where a line's dash stands, or what it says after one; None for what is neither."""
    if not line.strip() or line.lstrip().startswith("#"):
        return None
    if dashed:
        return _indent(line) if _is_entry(line) else None
    entry = _DASHES.match(line)
    return entry.end() if entry is not None else _indent(line)


def _ended(line: str, before: str, at: Spot) -> Slip:
    """A text went on where its quote or bracket had closed."""
    key, _, value = line.partition(": ")
    if before.endswith("'"):
        hint = f"put the whole text in double quotes: {key.strip()}: {quoted(value)}"
        return Slip(at, "the text ended at the quote before this", hint)
    if before.endswith('"'):
        hint = 'close the text above, or write \\" for a quote inside it'
        return Slip(at, "a quote closed just before this: one may be missing above", hint)
    hint = f"put the whole text in quotes: {key.strip()}: {quoted(value)}"
    return Slip(at, "what stands before this was already a whole value", hint)


def _bracket(fault: Fault) -> Slip | None:
    if fault.since is None:
        return None
    opened = f"the bracket opened in line {fault.since.line + 1}, column {fault.since.column + 1}"
    closing = "}" if "}" in fault.problem.partition("but")[0] else "]"
    return Slip(
        fault.at,
        f"a comma or the closing {closing} is missing before this",
        f"look at {opened}; a text or condition with , : [ ] {{ }} in it stands in quotes",
    )


def _sign(lines: list[str], fault: Fault) -> Slip | None:
    """A value that begins with a sign that means something, or a quote that never closes."""
    if "quoted scalar" in fault.context and "end of stream" in fault.problem:
        at = fault.since or fault.at
        return Slip(at, "this quote is never closed", "close it at the end of the text")
    if "escape" in fault.problem:
        hint = "write \\\\ for a backslash, or put the text in single quotes"
        return Slip(fault.at, "in double quotes a backslash begins a sign such as \\n", hint)
    start = fault.since if fault.since is not None and "scanning" in fault.context else fault.at
    line = lines[start.line]
    if line[max(0, start.column - 1) :].startswith("{%"):
        start = Spot(start.line, start.column - 1)
    key, value = line[: start.column].strip(), line[start.column :].rstrip()
    if not value or not (key.endswith((":", "-"))) or value[0].isalnum():
        return None
    sign = "{%" if value.startswith("{%") else value[0]
    return Slip(
        start,
        f"a value can't begin with {sign}",
        f"put the text in quotes: {key} {quoted(value)}",
    )

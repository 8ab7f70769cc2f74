"""The expression language: Python's syntax, read by Python's own parser, a short whitelist.

Rule 1: nothing here is ever executed. The parser's tree is walked once; every node that is
    not listed below is refused with its place inside the YAML value.
Rule 2: kinds are checked here, so that at run time nothing raises and nothing is coerced.
    `any` is what customers' data is; it passes everywhere and is decided at run time.
Rule 3: what could be costly is refused here: length, depth, folds, windows, stages.
Rule 4: a text beside a duration is a duration ("30d"), beside an instant a date; both become
    numbers of milliseconds here.
"""

import ast
import io
import math
import re
import tokenize
import warnings
from datetime import UTC, datetime
from typing import Literal as OneOf, NoReturn, TypeAlias, cast

from segue.define import calls
from segue.define.cost import cost
from segue.define.diagnostics import Place, Sink, nearest
from segue.define.limits import (
    EXPRESSION_CHARS_MAX,
    EXPRESSION_COST_MAX,
    EXPRESSION_DEPTH_MAX,
    EXPRESSION_NODES_MAX,
    INTEGER_MAX,
    TEXT_CHARS_MAX,
)
from segue.define.scopes import FIELDS, INSTANTS, OPEN_ROOTS, ROOTS, Kind, Reference, Scope, What
from segue.define.text import Source, Word, locate
from segue.define.words import Expr, span_ms
from segue.kernel import expression as kernel
from segue.kernel.functions import FUNCTIONS
from segue.kernel.session import SESSION_READERS

Typed: TypeAlias = tuple[kernel.Expression, Kind]
_Sign: TypeAlias = OneOf["+", "-", "*", "/", "//", "%"]
_Test: TypeAlias = OneOf["==", "!=", "<", "<=", ">", ">=", "in", "not in"]

_CONSTANTS: dict[str, bool | None] = {
    "true": True,
    "false": False,
    "null": None,
    "missing": None,
}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
}
_KIND_NAMES: dict[Kind, str] = {
    "number": "a number",
    "text": "a text",
    "boolean": "true or false",
    "instant": "an instant",
    "duration": "a length of time",
    "list": "a list",
    "record": "a record",
    "any": "anything",
}


_HOLDERS = ("properties", "item", "entry", "traits")
"""Roots for whose field a bare name may have been meant, the likeliest first."""
_SLIPS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile("[\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb]"),
        'write straight quotes: "..."',
    ),
    (re.compile(r"&&|\bAND\b"), "write `and`, in small letters"),
    (re.compile(r"\|\||\bOR\b"), "write `or`, in small letters"),
    (re.compile(r"\bNOT\b|!(?!=)"), "write `not`, in small letters"),
    (re.compile(r"<>|=!"), "write != for what is not equal"),
    (re.compile(r"=>|=<"), "write >= or <="),
    (re.compile(r"(?<![=<>!])=(?!=)"), "write == to compare"),
    (
        re.compile(r"[$\u20ac\u00a3]\s*[0-9]|[0-9]\s*[%$\u20ac\u00a3]"),
        "write the number alone, without a sign",
    ),
)
"""What other languages write, and what is written here."""


class Refused(Exception):
    """A part has been reported; the expression has no meaning."""


def check(
    expr: Expr | None,
    scope: Scope,
    sink: Sink,
    references: list[Reference],
    want: Kind = "boolean",
) -> kernel.Expression | None:
    """Read an expression of kind `want`; None where there is none or it was reported."""
    if expr is None:
        return None
    reader = Reader(expr.word, scope, sink, references)
    try:
        tree = reader.parse()
        found, kind = reader.read(tree)
        if want == "boolean" and kind not in ("boolean", "any"):
            reader.fail("SEG-E306", tree, f"a condition is expected, this is {_KIND_NAMES[kind]}")
        if want == "number" and kind not in ("number", "duration", "any"):
            reader.fail("SEG-E306", tree, f"a number is expected, this is {_KIND_NAMES[kind]}")
        spent = cost(found)
        if spent > EXPRESSION_COST_MAX:
            message = f"this costs {spent:,} comparisons each time; {EXPRESSION_COST_MAX} may be"
            reader.fail("SEG-E307", tree, message)
    except Refused:
        return None
    return found


def check_expression(
    text: str, scope: Scope, want: Kind = "boolean", file: str = "<expression>"
) -> tuple[kernel.Expression | None, Sink, list[Reference]]:
    """Read an expression that stands alone, for instance one typed into a console."""
    sink, references = Sink(), list[Reference]()
    word = Word(Place(file), text, text, Source(file, text), 0, len(text), "plain")
    return check(Expr(word, text), scope, sink, references, want), sink, references


class Reader:
    """Reads one expression. Its methods raise `Refused` once they have reported."""

    def __init__(self, word: Word, scope: Scope, sink: Sink, references: list[Reference]) -> None:
        self.word = word
        self.scope = scope
        self.sink = sink
        self.references = references
        self.flat = "".join(" " if char.isspace() else char for char in word.text)
        self.lead = len(self.flat) - len(self.flat.lstrip())
        self.depth = 0
        self.nodes = 0
        self.aggregates = 0

    # ── places and faults ───────────────────────────────────────────────────────────

    def place(self, node: ast.expr | ast.keyword) -> Place:
        start = self.offset(node.col_offset)
        stop = self.offset(node.end_col_offset or node.col_offset + 1)
        return locate(self.word, start, stop - start)

    def offset(self, column: int) -> int:
        """From the parser's column, counted in bytes, to the value's characters."""
        text = self.flat[self.lead :]
        if not text.isascii():
            column = len(text.encode()[:column].decode(errors="ignore"))
        return self.lead + column

    def fail(
        self, code: str, node: ast.expr | ast.keyword, message: str, hint: str = ""
    ) -> NoReturn:
        raise self.refused(code, node, message, hint)

    def refused(
        self, code: str, node: ast.expr | ast.keyword, message: str, hint: str = ""
    ) -> Refused:
        self.sink.report(code, self.place(node), message, hint)
        return Refused()

    def refer(self, what: What, name: str, node: ast.expr) -> None:
        self.references.append(Reference(what, name, self.place(node)))

    # ── parsing ─────────────────────────────────────────────────────────────────────

    def parse(self) -> ast.expr:
        if len(self.flat) > EXPRESSION_CHARS_MAX:
            message = f"longer than {EXPRESSION_CHARS_MAX:,} characters"
            self.sink.report("SEG-E307", self.word.place, message)
            raise Refused
        if "#" in self.flat:
            self.refuse_comment()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(self.flat[self.lead :], mode="eval").body
        except SyntaxError as error:
            # An offset of 0 says that the text ended too early.
            column = error.offset - 1 if error.offset else len(self.flat)
            place = locate(self.word, min(self.lead + column, len(self.flat)))
            said = f"this can't be read: {error.msg}"
            self.sink.report("SEG-E301", place, said, self.meant())
        except (ValueError, MemoryError, RecursionError):
            self.sink.report("SEG-E301", self.word.place, "this can't be read")
        raise Refused

    def meant(self) -> str:
        """A hint for what breaks the syntax; texts in quotes are not looked at."""
        bare = re.sub(r"\"[^\"]*\"|'[^']*'", "''", self.flat)
        return next((hint for slip, hint in _SLIPS if slip.search(bare)), "")

    def refuse_comment(self) -> None:
        """A comment would swallow all that follows on the lines below it."""
        try:
            for token in tokenize.generate_tokens(io.StringIO(self.flat).readline):
                if token.type == tokenize.COMMENT:
                    place = locate(self.word, token.start[1])
                    self.sink.report("SEG-E301", place, "a comment inside an expression")
                    raise Refused
        except (tokenize.TokenError, SyntaxError):
            return  # The parser says it better.

    # ── reading ─────────────────────────────────────────────────────────────────────

    def read(self, node: ast.expr) -> Typed:
        self.nodes += 1
        if self.nodes > EXPRESSION_NODES_MAX:
            self.fail("SEG-E307", node, f"more than {EXPRESSION_NODES_MAX} parts")
        if self.depth >= EXPRESSION_DEPTH_MAX:
            self.fail("SEG-E307", node, f"more than {EXPRESSION_DEPTH_MAX} parts inside each other")
        self.depth += 1
        found = self.dispatch(node)
        self.depth -= 1
        return found

    def dispatch(self, node: ast.expr) -> Typed:
        match node:
            case ast.Constant():
                return self.constant(node)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return self.path(node)
            case ast.BoolOp():
                parts = tuple(self.condition(each) for each in node.values)
                joined = kernel.All(parts) if isinstance(node.op, ast.And) else kernel.Any(parts)
                return joined, "boolean"
            case ast.UnaryOp():
                return self.unary(node)
            case ast.BinOp():
                return self.arithmetic(node)
            case ast.Compare():
                return self.compare(node)
            case ast.IfExp():
                return self.choice(node)
            case ast.List() | ast.Tuple():
                return self.many(node), "list"
            case ast.Call():
                return calls.call(self, node)
            case _:
                name = _SPOKEN.get(type(node), "this")
                raise self.refused("SEG-E302", node, f"{name} can't stand in an expression")

    def condition(self, node: ast.expr) -> kernel.Expression:
        found, kind = self.read(node)
        if kind not in ("boolean", "any"):
            hint = "compare it with something" if kind in ("number", "text") else ""
            message = f"a condition is expected here, this is {_KIND_NAMES[kind]}"
            self.fail("SEG-E306", node, message, hint)
        return found

    def constant(self, node: ast.Constant) -> Typed:
        value = node.value
        if value is None:
            return kernel.Literal(None), "any"
        if isinstance(value, bool):
            return kernel.Literal(value), "boolean"
        if isinstance(value, str):
            if any("\ud800" <= char <= "\udfff" for char in value):
                self.fail("SEG-E302", node, "a text with half a character")
            return kernel.Literal(value), "text"
        if isinstance(value, int | float):
            if abs(value) > INTEGER_MAX and isinstance(value, int):
                self.fail("SEG-E307", node, "a number larger than 9,007,199,254,740,991")
            if not math.isfinite(value):
                self.fail("SEG-E307", node, "a number too large")
            return kernel.Literal(value), "number"
        raise self.refused("SEG-E302", node, "this can't stand in an expression")

    def path(self, node: ast.Name | ast.Attribute | ast.Subscript) -> Typed:
        keys: list[str | int] = []
        at: ast.expr = node
        while not isinstance(at, ast.Name):
            if isinstance(at, ast.Attribute):
                keys.insert(0, at.attr)
                at = at.value
            elif isinstance(at, ast.Subscript):
                keys.insert(0, self.key(at.slice))
                at = at.value
            elif isinstance(at, ast.Call):
                return self.part(at, tuple(keys))
            else:
                self.fail("SEG-E302", at, "only data has parts: properties.x, traits.x ...")
            if len(keys) > EXPRESSION_DEPTH_MAX:
                self.fail("SEG-E307", node, f"a path of more than {EXPRESSION_DEPTH_MAX} parts")
        if not keys and at.id in _CONSTANTS:
            value = _CONSTANTS[at.id]
            return kernel.Literal(value), "any" if value is None else "boolean"
        self.root(at)
        root = cast("kernel.Root", at.id)
        return kernel.Path(root, tuple(keys)), self.field(root, keys, node)

    def part(self, node: ast.Call, keys: tuple[str | int, ...]) -> Typed:
        """A place in what a call gives: an item's field, a member of a list."""
        found, kind = self.read(node)
        if kind not in ("record", "list", "any"):
            self.fail("SEG-E302", node, f"this is {_KIND_NAMES[kind]}, without parts")
        if kind == "list" and not isinstance(keys[0], int):
            self.fail("SEG-E302", node, "the members of a list are counted from 0: [0]")
        if kind == "record" and not isinstance(keys[0], str):
            self.fail("SEG-E302", node, "the parts of a record have names: .price")
        if isinstance(found, kernel.Item):
            return kernel.Item(found.catalog, found.id, keys), "any"
        return kernel.Part(found, keys), "any"

    def key(self, node: ast.expr) -> str | int:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value[:TEXT_CHARS_MAX]
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value < 1_000:
            return node.value
        raise self.refused(
            "SEG-E302", node, "a part is named by a text or a small number, counted from 0"
        )

    def root(self, node: ast.Name) -> None:
        if node.id not in ROOTS:
            known = self.scope.roots
            hint = f'a text needs quotes: "{node.id}"'
            if node.id in FUNCTIONS or node.id in calls.NAMES:
                hint = f"{node.id} is a function: {node.id}(...)"
            close = nearest(node.id, known)
            hint = close if close.startswith("did you mean") else hint
            holder = next((each for each in _HOLDERS if each in known), "")
            if hint.startswith("a text") and holder:
                hint += f"; what is known as {node.id} is written {holder}.{node.id}"
            self.fail("SEG-E303", node, f"{node.id!r} is not known here", hint)
        if node.id not in self.scope.roots:
            self.fail(
                "SEG-E309",
                node,
                f"{node.id!r} is always missing in {self.scope.name}",
                "what can be read here: " + ", ".join(sorted(self.scope.roots)),
            )

    def field(self, root: str, keys: list[str | int], node: ast.expr) -> Kind:
        if not keys:
            return "record"
        if root in OPEN_ROOTS:
            return "any"
        known, name = FIELDS[root], str(keys[0])
        if root == "session" and name not in SESSION_READERS:
            # Whether a model gives it is known once all files are read.
            self.refer("score", name, node)
            return "number"
        if name not in known:
            self.fail("SEG-E303", node, f"{root} has no {name!r}", nearest(name, known))
        kind = "instant" if name in INSTANTS else cast("Kind", known[name])
        if len(keys) > 1 and kind not in ("any", "list", "record"):
            self.fail("SEG-E303", node, f"{root}.{name} is {_KIND_NAMES[kind]}, without parts")
        return kind if len(keys) == 1 else "any"

    # ── operators ───────────────────────────────────────────────────────────────────

    def unary(self, node: ast.UnaryOp) -> Typed:
        if isinstance(node.op, ast.Not):
            return kernel.Not(self.condition(node.operand)), "boolean"
        if not isinstance(node.op, ast.USub | ast.UAdd):
            self.fail("SEG-E302", node, "`~` can't stand in an expression", "write `not`")
        found, kind = self.read(node.operand)
        if kind not in ("number", "duration", "any"):
            self.fail("SEG-E306", node, f"a number is expected here, not {_KIND_NAMES[kind]}")
        if isinstance(node.op, ast.UAdd):
            return found, kind
        if isinstance(found, kernel.Literal) and isinstance(found.value, int | float):
            return kernel.Literal(-found.value), kind
        return kernel.Arithmetic("-", kernel.Literal(0), found), kind

    def arithmetic(self, node: ast.BinOp) -> Typed:
        sign = _ARITHMETIC.get(type(node.op))
        if sign is None:
            self.fail("SEG-E302", node, "only + - * / // % combine numbers")
        left, right = self.read(node.left), self.read(node.right)
        left = self.timed(left, "duration", node.left) if right[1] in _TIMES else left
        right = self.timed(right, "duration", node.right) if left[1] in _TIMES else right
        kind = _combined(sign, left[1], right[1])
        if kind is None:
            one, other = _KIND_NAMES[left[1]], _KIND_NAMES[right[1]]
            self.fail("SEG-E306", node, f"{one} and {other} can't be combined with {sign}")
        return kernel.Arithmetic(cast("_Sign", sign), left[0], right[0]), kind

    def timed(self, side: Typed, kind: Kind, node: ast.expr) -> Typed:
        """A text literal read as the length of time or the date that it stands beside."""
        found, was = side
        if was != "text" or not isinstance(found, kernel.Literal):
            return side
        text = str(found.value)
        ms = span_ms(text) if kind == "duration" else _instant(text)
        if ms is None:
            what = "length of time" if kind == "duration" else "date"
            hint = 'write "30m", "1h30m", "7d"' if kind == "duration" else 'write "2026-01-31"'
            self.fail("SEG-E306", node, f"{text[:40]!r} is no {what}", hint)
        return kernel.Literal(ms), kind

    def compare(self, node: ast.Compare) -> Typed:
        sides = [node.left, *node.comparators]
        read = [self.read(each) for each in sides]
        parts: list[kernel.Expression] = []
        for at, op in enumerate(node.ops):
            sign = _COMPARE.get(type(op))
            if sign is None:
                self.fail("SEG-E302", node, "`is` can't stand in an expression", "write == or !=")
            parts.append(self.pair(sign, read[at], read[at + 1], sides[at], sides[at + 1]))
        return (parts[0] if len(parts) == 1 else kernel.All(tuple(parts))), "boolean"

    def pair(
        self, sign: str, left: Typed, right: Typed, left_node: ast.expr, right_node: ast.expr
    ) -> kernel.Compare:
        for side, node in ((left, left_node), (right, right_node)):
            if side[0] == kernel.Literal(None):
                hint = "write missing(x), or not missing(x)"
                self.fail("SEG-E306", node, "nothing equals a missing value", hint)
        if sign in ("in", "not in"):
            if right[1] not in ("list", "text", "record", "any"):
                message = f"a list is expected after `in`, this is {_KIND_NAMES[right[1]]}"
                self.fail("SEG-E306", right_node, message, "write it as [a, b]")
            return kernel.Compare(cast("_Test", sign), left[0], right[0])
        if right[1] in _TIMES:
            left = self.timed(left, right[1], left_node)
        if left[1] in _TIMES:
            right = self.timed(right, left[1], right_node)
        self.comparable(sign, left[1], right[1], right_node)
        return kernel.Compare(cast("_Test", sign), left[0], right[0])

    def comparable(self, sign: str, left: Kind, right: Kind, node: ast.expr) -> None:
        if sign not in ("==", "!="):
            for kind in (left, right):
                if kind in ("boolean", "list", "record"):
                    self.fail("SEG-E306", node, f"{_KIND_NAMES[kind]} has no order")
        if "any" in (left, right) or left == right:
            return
        if {left, right} <= {"number", "duration"} or {left, right} <= {"number", "instant"}:
            return
        one, other = _KIND_NAMES[left], _KIND_NAMES[right]
        self.fail("SEG-E306", node, f"{one} is never {sign} {other}: they are of different kinds")

    def choice(self, node: ast.IfExp) -> Typed:
        when = self.condition(node.test)
        then, first = self.read(node.body)
        otherwise, second = self.read(node.orelse)
        return kernel.Choice(when, then, otherwise), first if first == second else "any"

    def many(self, node: ast.List | ast.Tuple) -> kernel.Many:
        return kernel.Many(tuple(self.read(each)[0] for each in node.elts))


_TIMES = ("duration", "instant")
_SPOKEN: dict[type[ast.expr], str] = {
    ast.Lambda: "a function",
    ast.ListComp: "a loop",
    ast.SetComp: "a loop",
    ast.DictComp: "a loop",
    ast.GeneratorExp: "a loop",
    ast.NamedExpr: "an assignment",
    ast.JoinedStr: "a text with parts in it",
    ast.Dict: "a mapping",
    ast.Set: "a set",
    ast.Starred: "`*`",
}


def _combined(sign: str, left: Kind, right: Kind) -> Kind | None:
    """The kind of two sides combined; None where that means nothing."""
    if "any" in (left, right):
        other = right if left == "any" else left
        return "any" if other in ("number", "any", *_TIMES) else None
    match sign, left, right:
        case (_, "number", "number"):
            return "number"
        case ("+" | "-", "duration", "duration"):
            return "duration"
        case ("-", "instant", "instant"):
            return "duration"
        case ("+" | "-", "instant", "duration") | ("+", "duration", "instant"):
            return "instant"
        case ("*" | "/" | "//" | "%", "duration", "number") | ("*", "number", "duration"):
            return "duration"
        case ("/" | "//", "duration", "duration"):
            return "number"
        case _:
            return None


def _instant(text: str) -> int | None:
    """Milliseconds since 1970 of an ISO date; UTC where it names no offset."""
    try:
        found = datetime.fromisoformat(text)
        found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        return round((found - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
    except (ValueError, OverflowError):
        return None

"""What may be called in an expression: folds over history, questions of state, functions.

Rule 1: names of events, segments, messages and windows are constants in the text, so that
    what an expression costs, and what it depends on, is known before it ever runs.
Rule 2: `where` and `of` see only the event that they are about, so that each is decided
    once, when the event arrives.
"""

import ast
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal as OneOf, TypeAlias, cast, get_args

import re2

from segue.define.diagnostics import nearest
from segue.define.limits import (
    AGGREGATES_MAX,
    PATTERN_BYTES_MAX,
    PATTERN_CHARS_MAX,
    STAGES_MAX,
    TEXT_CHARS_MAX,
    WINDOW_MS_MAX,
    WITHOUT_MAX,
)
from segue.define.scopes import STREAM, Kind
from segue.define.words import span_ms
from segue.kernel import expression as kernel
from segue.kernel.functions import FUNCTIONS
from segue.kernel.shelves import EVERYTHING, PRODUCTS
from segue.kernel.values import Millis

if TYPE_CHECKING:
    from segue.define.expressions import Reader, Typed

_State = OneOf["received", "shown", "clicked", "dismissed"]

FOLDS = get_args(kernel.Fold)
TOUCHES = ("received", "shown", "clicked", "dismissed")
_NEEDS_OF = ("sum", "avg", "min", "max", "distinct", "repeats")
_TAKES_OF = (*_NEEDS_OF, "first", "last")


def call(reader: "Reader", node: ast.Call) -> "Typed":
    """Read a call by its name."""
    if not isinstance(node.func, ast.Name):
        reader.fail("SEG-E302", node.func, "only functions of the language can be called")
    name = node.func.id
    special = _SPECIAL.get(name)
    both = name in FUNCTIONS and not any(each.arg == "of" for each in node.keywords)
    if special is not None and not both:
        return special(reader, node, name)
    if name in FUNCTIONS:
        return _function(reader, node, name)
    known = (*NAMES, *FUNCTIONS)
    raise reader.refused(
        "SEG-E304", node.func, f"there is no function {name!r}", nearest(name, known)
    )


def _keywords(
    reader: "Reader", node: ast.Call, name: str, known: tuple[str, ...]
) -> Mapping[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for each in node.keywords:
        if each.arg is None or each.arg not in known:
            word = each.arg or "**"
            hint = nearest(word, known, f"{name} takes no named arguments")
            reader.fail("SEG-E305", each, f"{name} takes no argument {word!r}", hint)
        if each.arg in found:
            reader.fail("SEG-E305", each, f"{each.arg!r} stands here twice")
        found[each.arg] = each.value
    return found


def _text(reader: "Reader", node: ast.expr, what: str) -> str:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or not node.value:
        reader.fail("SEG-E305", node, f"{what} is expected here, as a text in quotes")
    if len(node.value) > TEXT_CHARS_MAX:
        reader.fail("SEG-E307", node, f"longer than {TEXT_CHARS_MAX} characters")
    return node.value


def _texts(reader: "Reader", node: ast.expr | None, what: str) -> tuple[str, ...]:
    if node is None:
        return ()
    if isinstance(node, ast.List | ast.Tuple):
        return tuple(_text(reader, each, what) for each in node.elts)
    return (_text(reader, node, what),)


def _window(reader: "Reader", node: ast.expr | None) -> Millis | None:
    if node is None:
        return None
    ms = span_ms(_text(reader, node, "a length of time"))
    if ms is None or ms <= 0:
        hint = 'write "30m", "1h30m", "7d" or "2w"'
        reader.fail("SEG-E305", node, "this is no length of time", hint)
    if ms > WINDOW_MS_MAX:
        reader.fail("SEG-E307", node, "a window of more than 400 days")
    return ms


def _inner(reader: "Reader", node: ast.expr | None, *, condition: bool) -> "Typed | None":
    """Read `where` or `of`, which see one event and no history."""
    if node is None:
        return None
    outer, reader.scope = reader.scope, STREAM
    found = (reader.condition(node), "boolean") if condition else reader.read(node)
    reader.scope = outer
    return cast("Typed", found)


def _history(reader: "Reader", node: ast.Call, name: str) -> None:
    if not reader.scope.history:
        reader.fail("SEG-E309", node, f"{name} can't look at history in {reader.scope.name}")
    reader.aggregates += 1
    reader.refer("look", name, node)
    if reader.aggregates > AGGREGATES_MAX:
        reader.fail("SEG-E307", node, f"more than {AGGREGATES_MAX} looks at history")


def _events(reader: "Reader", nodes: list[ast.expr]) -> tuple[str, ...]:
    names: list[str] = []
    for each in nodes:
        for name in _texts(reader, each, "the name of an event"):
            reader.refer("event", name, each)
            if name not in names:
                names.append(name)
    return tuple(sorted(names))


def _fold(reader: "Reader", node: ast.Call, name: str) -> "Typed":
    _history(reader, node, name)
    takes = ("within", "where", "of") if name in _TAKES_OF else ("within", "where")
    given = _keywords(reader, node, name, takes)
    if name in _NEEDS_OF and "of" not in given:
        reader.fail(
            "SEG-E305",
            node,
            f"{name} needs to know what of: of=properties...",
            f'for instance {name}("Order Completed", of=properties.total)',
        )
    if name == "repeats" and "within" not in given:
        hint = 'for instance repeats("Help Article Viewed", of=properties.article_id, within="1d")'
        reader.fail("SEG-E305", node, "repeats needs a window: within=...", hint)
    where = _inner(reader, given.get("where"), condition=True)
    of = _inner(reader, given.get("of"), condition=False)
    if of is not None and name in ("sum", "avg") and of[1] not in ("number", "any"):
        reader.fail("SEG-E306", given["of"], f"{name} adds numbers; this is no number")
    stream = kernel.Stream(
        _events(reader, node.args), where[0] if where else None, of[0] if of else None
    )
    fold = kernel.Aggregate(cast("kernel.Fold", name), stream, _window(reader, given.get("within")))
    return fold, _fold_kind(name, of)


def _fold_kind(name: str, of: "Typed | None") -> Kind:
    if name == "since":
        return "duration"
    if name in ("first", "last"):
        return "instant" if of is None else of[1]
    if name in ("min", "max") and of is not None:
        return of[1]
    return "number"


def _stage(reader: "Reader", node: ast.expr) -> kernel.Stream:
    """One stage: an event's name, a list of names, or `event("name", where=...)`."""
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name) or node.func.id != "event":
            hint = 'write event("Product Viewed", where=...)'
            reader.fail("SEG-E305", node, "this is no stage of a sequence", hint)
        given = _keywords(reader, node, "event", ("where",))
        where = _inner(reader, given.get("where"), condition=True)
        if not node.args:
            reader.fail("SEG-E305", node, "an event's name is missing here")
        return kernel.Stream(_events(reader, node.args), where[0] if where else None)
    return kernel.Stream(_events(reader, [node]))


def _sequence(reader: "Reader", node: ast.Call, name: str) -> "Typed":
    _history(reader, node, name)
    given = _keywords(reader, node, name, ("within", "over", "without"))
    if len(node.args) < 2:
        reader.fail("SEG-E305", node, "a sequence has at least two events")
    if len(node.args) > STAGES_MAX:
        reader.fail("SEG-E307", node, f"a sequence of more than {STAGES_MAX} events")
    within = _window(reader, given.get("within"))
    if within is None:
        hint = 'write within="1h": the time from the first event to the last'
        reader.fail("SEG-E305", node, "a sequence needs `within`", hint)
    over = _window(reader, given.get("over"))
    if over is not None and over < within:
        reader.fail("SEG-E305", given["over"], "`over` is shorter than `within`")
    stages = tuple(_stage(reader, each) for each in node.args)
    between = given.get("without")
    listed = between.elts if isinstance(between, ast.List | ast.Tuple) else [between]
    without = tuple(_stage(reader, each) for each in listed if each is not None)
    if len(without) > WITHOUT_MAX:
        reader.fail("SEG-E307", node, f"more than {WITHOUT_MAX} events that must not come between")
    return kernel.Sequence(stages, within, over or within, without), "boolean"


def _one_name(reader: "Reader", node: ast.Call, name: str, what: str) -> str:
    _keywords(reader, node, name, ())
    if len(node.args) != 1:
        reader.fail("SEG-E305", node, f"{name} takes {what}, and nothing else")
    return _text(reader, node.args[0], what)


def _in_segment(reader: "Reader", node: ast.Call, name: str) -> "Typed":
    segment = _one_name(reader, node, name, "the name of a segment")
    reader.refer("segment", segment, node.args[0])
    return kernel.InSegment(segment), "boolean"


def _in_journey(reader: "Reader", node: ast.Call, name: str) -> "Typed":
    journey = _one_name(reader, node, name, "the name of a journey")
    reader.refer("journey", journey, node.args[0])
    return kernel.InJourney(journey), "boolean"


def _holds(reader: "Reader", node: ast.Call, name: str) -> "Typed":
    group = _one_name(reader, node, name, "the name of an incentive group")
    reader.refer("group", group, node.args[0])
    return kernel.Holds(group), "boolean"


def _touched(reader: "Reader", node: ast.Call, name: str) -> "Typed":
    given = _keywords(reader, node, name, ("channel", "within"))
    messages: list[str] = []
    for each in node.args:
        for message in _texts(reader, each, "the name of a message"):
            reader.refer("message", message, each)
            messages.append(message)
    channels = _texts(reader, given.get("channel"), "the name of a channel")
    within = _window(reader, given.get("within"))
    state = cast("_State", name)
    return kernel.Touched(state, tuple(messages), channels, within), "number"


def _consent(reader: "Reader", node: ast.Call, name: str) -> "Typed":
    given = _keywords(reader, node, name, ("topic",))
    values = [*node.args, *given.values()]
    if len(values) != 2 or not node.args:
        hint = 'write consent("email", topic="offers")'
        reader.fail("SEG-E305", node, "consent takes a channel and a topic", hint)
    channel = _text(reader, values[0], "the name of a channel")
    return kernel.Consented(channel, _text(reader, values[1], "the name of a topic")), "boolean"


def _matches(reader: "Reader", node: ast.Call, name: str) -> "Typed":
    _keywords(reader, node, name, ())
    if len(node.args) != 2:
        hint = 'write matches(properties.url, "^/sale/")'
        reader.fail("SEG-E305", node, "matches takes a text and a pattern", hint)
    text, kind = reader.read(node.args[0])
    if kind not in ("text", "any"):
        reader.fail("SEG-E306", node.args[0], "a text is expected here")
    where = node.args[1]
    if not isinstance(where, ast.Constant) or not isinstance(where.value, str):
        reader.fail("SEG-E305", where, "a pattern is expected here, as a text in quotes")
    if len(where.value) > PATTERN_CHARS_MAX:
        reader.fail("SEG-E307", where, f"a pattern longer than {PATTERN_CHARS_MAX} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_BYTES_MAX
    try:
        _compiled(where.value, options)
    except _PatternError as error:
        reader.fail("SEG-E308", where, f"this pattern can't be read: {_said(error)}")
    except UnicodeError:
        reader.fail("SEG-E308", where, "this pattern can't be read")
    return kernel.Pattern(text, where.value), "boolean"


# The library gives no types.
_Compile: TypeAlias = Callable[[str, object], object]
_compiled = cast("_Compile", re2.compile)  # pyright: ignore[reportUnknownMemberType]
_PatternError = cast("type[Exception]", re2.error)  # pyright: ignore[reportUnknownMemberType]


def _said(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)


def _function(reader: "Reader", node: ast.Call, name: str) -> "Typed":
    """One of the kernel's pure functions, by its table."""
    known = FUNCTIONS[name]
    _keywords(reader, node, name, ())
    if not known.least <= len(node.args) <= known.most:
        many = str(known.least) if known.least == known.most else f"{known.least} to {known.most}"
        hint = f'over history: {name}("Order Completed", of=...)' if name in FOLDS else ""
        reader.fail("SEG-E305", node, f"{name} takes {many} arguments", hint)
    args: list[kernel.Expression] = []
    for at, each in enumerate(node.args):
        found, kind = reader.read(each)
        wanted = known.takes[min(at, len(known.takes) - 1)]
        fits = kind == wanted or "any" in (kind, wanted)
        if not fits and not (wanted == "number" and kind in ("duration", "instant")):
            reader.fail("SEG-E306", each, f"{name} takes a {wanted} here, not a {kind}")
        args.append(found)
    gives = "instant" if name == "date" else known.gives
    return kernel.Function(name, tuple(args)), cast("Kind", gives)


def _asks_catalog(reader: "Reader", node: ast.Call, name: str) -> None:
    if not reader.scope.catalog:
        reader.fail("SEG-E310", node, f"{name} can't look at the catalog in {reader.scope.name}")
    _keywords(reader, node, name, ())
    if not 1 <= len(node.args) <= 2:
        hint = 'item(properties.product_id).price, or item("stores", traits.store).city'
        hint = hint if name == "item" else 'ranked("best-in-category", properties.category)'
        reader.fail("SEG-E305", node, f"{name} takes one or two arguments", hint)


def _keyed(reader: "Reader", node: ast.expr) -> kernel.Expression:
    """What names an item or a group: a text or a number."""
    found, kind = reader.read(node)
    if kind not in ("text", "number", "any"):
        reader.fail("SEG-E306", node, f"a text or a number is expected here, not a {kind}")
    return found


def _item(reader: "Reader", node: ast.Call, name: str) -> "Typed":
    _asks_catalog(reader, node, name)
    catalog = PRODUCTS
    if len(node.args) == 2:
        catalog = _text(reader, node.args[0], "the name of a catalog")
        reader.refer("catalog", catalog, node.args[0])
    return kernel.Item(catalog, _keyed(reader, node.args[-1])), "record"


def _ranked(reader: "Reader", node: ast.Call, name: str) -> "Typed":
    _asks_catalog(reader, node, name)
    ranking = _text(reader, node.args[0], "the name of a ranking")
    reader.refer("ranking", ranking, node.args[0])
    group = _keyed(reader, node.args[1]) if len(node.args) == 2 else EVERYTHING
    return kernel.Ranked(ranking, group), "list"


_Special = Callable[["Reader", ast.Call, str], "Typed"]
_SPECIAL: dict[str, _Special] = {
    **dict.fromkeys(FOLDS, _fold),
    **dict.fromkeys(TOUCHES, _touched),
    "sequence": _sequence,
    "in_segment": _in_segment,
    "in_journey": _in_journey,
    "holds_incentive": _holds,
    "consent": _consent,
    "matches": _matches,
    "item": _item,
    "ranked": _ranked,
}
NAMES = tuple(_SPECIAL)

"""Expressions as data: what segments, branches, entries, exits, policies and goals ask.

Rule 1: an expression is a closed tree of the structs below; `predicate.compile` turns it
    into a closure, and a new node fails type checking there until it is handled.
Rule 2: trees are typed before they arrive here (`define/expressions.py`); at run time
    nothing raises: what has no answer is missing.
Rule 3: a tree is part of the program's hash, so its field names are a promise.
"""

from typing import Literal as OneOf, TypeAlias

import msgspec

from segue.kernel.values import Millis, Scalar

Root: TypeAlias = OneOf[
    "event",  # name, id, at, arrived_at of the input that is being answered
    "properties",  # its properties
    "traits",  # what `identify` said of the profile
    "session",  # views value seconds intent conversion events started ... (see session.py)
    "entry",  # properties of the event by which the run entered
    "vars",  # the run's variables
    "context",  # what the caller supplied: page, device, weather, campaign ...
    "profile",  # id, first_seen_at, last_seen_at, known
    "local",  # hour minute weekday(1-7, Monday 1) day month year time("HH:MM"), profile's zone
    "message",  # inside a message or policy: name purpose topic value priority channel tags
    "item",  # a catalog item as it is, in a ranking or an event of the catalog
    "before",  # the same item as it was before it changed
]


class Literal(msgspec.Struct, frozen=True, tag="literal"):
    """A constant."""

    value: Scalar


class Many(msgspec.Struct, frozen=True, tag="list"):
    """A list of expressions, for `in`."""

    items: "tuple[Expression, ...]"


class Path(msgspec.Struct, frozen=True, tag="path"):
    """A place in the data: `properties.category` is root `properties`, keys `("category",)`."""

    root: Root
    keys: tuple[str | int, ...] = ()


class Part(msgspec.Struct, frozen=True, tag="part"):
    """A place in what an expression gives: `ranked("best", "sofas")[0]`."""

    of: "Expression"
    keys: tuple[str | int, ...]


class Compare(msgspec.Struct, frozen=True, tag="compare"):
    """Two sides compared by the rules in `values.py`; a chain is an `All` of these."""

    op: OneOf["==", "!=", "<", "<=", ">", ">=", "in", "not in"]
    left: "Expression"
    right: "Expression"


class All(msgspec.Struct, frozen=True, tag="and"):
    """True when every part is."""

    parts: "tuple[Expression, ...]"


class Any(msgspec.Struct, frozen=True, tag="or"):
    """True when one part is."""

    parts: "tuple[Expression, ...]"


class Not(msgspec.Struct, frozen=True, tag="not"):
    """True when its part is not true; so true where the part is missing."""

    part: "Expression"


class Choice(msgspec.Struct, frozen=True, tag="if"):
    """`then if when else otherwise`."""

    when: "Expression"
    then: "Expression"
    otherwise: "Expression"


class Arithmetic(msgspec.Struct, frozen=True, tag="arithmetic"):
    """Numbers combined; missing where a side is no number or the divisor is 0."""

    op: OneOf["+", "-", "*", "/", "//", "%"]
    left: "Expression"
    right: "Expression"


class Function(msgspec.Struct, frozen=True, tag="call"):
    """A pure function of its arguments, one of `predicate.FUNCTIONS`."""

    name: str
    args: "tuple[Expression, ...]"


class Pattern(msgspec.Struct, frozen=True, tag="matches"):
    """A text searched with a regular expression in a linear-time engine (RE2 syntax)."""

    text: "Expression"
    pattern: str


class Stream(msgspec.Struct, frozen=True):
    """The events that an aggregate looks at: names, a condition, and the value taken of each.

    `where` and `of` see only the event itself (`event`, `properties`, `context`), so each
    is evaluated once, when the event arrives. No names means every event.
    """

    events: tuple[str, ...]
    where: "Expression | None" = None
    of: "Expression | None" = None


Fold: TypeAlias = OneOf[
    "count", "sum", "avg", "min", "max", "distinct", "repeats", "first", "last", "since"
]


class Aggregate(msgspec.Struct, frozen=True, tag="aggregate"):
    """History folded: over all time, or over the half-open window `(now - within_ms, now]`.

    `since` gives milliseconds since the last event; `first` and `last` give `of`, or the
    event's instant where there is no `of`. `distinct` counts different values of `of`;
    `repeats`, over a window only, counts the value of `of` that comes most often.
    """

    fold: Fold
    stream: Stream
    within_ms: Millis | None = None


class Sequence(msgspec.Struct, frozen=True, tag="sequence"):
    """True when the stages happened one strictly after another, none of `without` between.

    First and last stage lie at most `within_ms` apart; all of them in the window
    `(now - over_ms, now]`.
    """

    stages: tuple[Stream, ...]
    within_ms: Millis
    over_ms: Millis
    without: tuple[Stream, ...] = ()


class InSegment(msgspec.Struct, frozen=True, tag="in_segment"):
    """Whether the profile is a member now."""

    segment: str


class InJourney(msgspec.Struct, frozen=True, tag="in_journey"):
    """Whether the profile has a live run of the journey now."""

    journey: str


class Touched(msgspec.Struct, frozen=True, tag="touched"):
    """How often messages reached the profile, counted in its ledger.

    `state` received counts what was handed to a provider or shown; `messages` empty means any.
    Looks at arrival time over `(now - within_ms, now]`; the ledger keeps `ledger_ms_max`.
    """

    state: OneOf["received", "shown", "clicked", "dismissed"]
    messages: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    within_ms: Millis | None = None


class Consented(msgspec.Struct, frozen=True, tag="consent"):
    """Whether the profile may be sent this topic on this channel now."""

    channel: str
    topic: str


class Holds(msgspec.Struct, frozen=True, tag="holds_incentive"):
    """Whether an incentive of this exclusion group is alive for the profile."""

    group: str


class Item(msgspec.Struct, frozen=True, tag="item"):
    """A catalog item as it is now, by its id; `keys` lead into it, none give the record."""

    catalog: str
    id: "Expression"
    keys: tuple[str | int, ...] = ()


class Ranked(msgspec.Struct, frozen=True, tag="ranked"):
    """The ids of the best items of a group, by one of the workspace's rankings."""

    ranking: str
    group: "Expression"


Expression: TypeAlias = (
    Literal
    | Many
    | Path
    | Part
    | Compare
    | All
    | Any
    | Not
    | Choice
    | Arithmetic
    | Function
    | Pattern
    | Aggregate
    | Sequence
    | InSegment
    | InJourney
    | Touched
    | Consented
    | Holds
    | Item
    | Ranked
)

TRUE = Literal(True)

"""What a value is, and how two of them compare.

Decided once, for segments, branches, policies and goals alike:

Rule 1: absent and null are *missing*, written `None`; the empty string is a value.
Rule 2: `==` and every ordering with a missing side is false; `!=` is true; `in` is false.
Rule 3: values of different kinds are unequal and unordered. Never an error, never a
    coercion: `10 != "10"` and `True != 1`. Whole and fractional numbers are one kind.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NewType, TypeAlias

Instant = NewType("Instant", int)
"""Milliseconds since 1970-01-01T00:00:00Z."""

Millis = NewType("Millis", int)
"""A length of time in milliseconds."""

ProfileId = NewType("ProfileId", str)

Scalar: TypeAlias = bool | int | float | str | None
if TYPE_CHECKING:
    Value: TypeAlias = "Scalar | Sequence[Value] | Mapping[str, Value]"
else:
    # Decoders can't follow an alias that contains itself; JSON and MessagePack give nothing else.
    Value = object
Record: TypeAlias = dict[str, Value]

NEVER = Instant((1 << 53) - 1)
"""Later than any instant; also the largest integer that every JSON reader keeps exact."""

SECOND = Millis(1_000)
MINUTE = Millis(60_000)
HOUR = Millis(3_600_000)
DAY = Millis(86_400_000)


def kind(value: Value) -> str:
    """Name the kind of a value: missing, boolean, number, text, list or record."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "record"
    return "list"


def equal(left: Value, right: Value) -> bool:
    """Rule 2 and rule 3 for `==`; lists and records compare member by member."""
    if left is None or right is None:
        return False
    if type(left) is type(right) and isinstance(left, str | int | float):
        return left == right
    kind_left = kind(left)
    if kind_left != kind(right):
        return False
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(left[k], right[k]) for k in left)
    if kind_left == "list":
        return len(left) == len(right) and all(map(_same, left, right))  # type: ignore[arg-type]
    return left == right


def _same(left: Value, right: Value) -> bool:
    """Equality inside a container, where two nulls are alike."""
    return (left is None and right is None) or equal(left, right)


def number(value: Value) -> float | int | None:
    """The value if it is a number, else missing; NaN and infinities are missing too."""
    if type(value) is int or type(value) is float:  # a boolean is of neither
        return value if value - value == 0 else None
    return None


def later(at: Instant, by: Millis) -> Instant:
    """The instant `by` after `at`, never past `NEVER`."""
    return Instant(at + by) if at + by < NEVER else NEVER

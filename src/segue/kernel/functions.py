"""The functions that an expression may call, with what they take and give.

Rule 1: pure, total and cheap: at most linear in the length of their arguments.
Rule 2: an argument that is missing or of another kind gives a missing answer, never an error
    (`contains`, `starts_with` and `ends_with` give false: they are conditions).
Rule 3: no answer is NaN, infinite, or a whole number of more than 64 bits.

| call | answer |
| --- | --- |
| `lower(t)` `upper(t)` `trim(t)` | the text so changed |
| `length(x)` | characters of a text, members of a list or record |
| `contains(x, y)` | a text inside a text, or a member of a list |
| `starts_with(t, u)` `ends_with(t, u)` | whether a text begins or ends so |
| `abs(n)` `floor(n)` `ceil(n)` | as in mathematics |
| `round(n)` `round(n, digits)` | half to even; digits from -9 to 9 |
| `min(a, b, …)` `max(a, b, …)` | of the numbers; missing ones are passed over |
| `coalesce(a, b, …)` | the first that is not missing |
| `missing(x)` | whether it is absent or null |
| `number(x)` | a number, or the number that a text spells |
| `text(x)` | a text, number or boolean as text |
| `any_of(list, list)` | whether they share a member |
| `without(list, list)` | the members of the first that are not in the second |
| `pluck(list, "key")` | that field of each record in the list; records without it are passed over |
| `date(x)` | the instant that an ISO 8601 text names (local where it has no offset) |
| `days_between(a, b)` | local calendar days from one instant or date to another |
"""

from collections.abc import Callable, Sequence
from math import ceil, floor
from typing import TypeAlias

import msgspec

from segue.kernel import calendar
from segue.kernel.calendar import DAY_MS, Zone
from segue.kernel.values import Scalar, Value, equal, number as number_of

_WHOLE_MAX = (1 << 63) - 1
_NUMBER_TEXT_MAX = 40
_DIGITS_MAX = 9

Call: TypeAlias = Callable[[Zone, Sequence[Value]], Value]


class FunctionOf(msgspec.Struct, frozen=True):
    """One function: kinds it takes (the last repeats up to `most`), the kind it gives."""

    takes: tuple[str, ...]
    gives: str
    call: Call
    least: int
    most: int
    zoned: bool = False
    """Its answer depends on the profile's zone."""


def tame(value: Scalar) -> float | int | None:
    """A number that can be kept and sent: finite, and whole ones of at most 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        return value if value - value == 0 else None
    if -_WHOLE_MAX <= value <= _WHOLE_MAX:
        return value
    try:
        return float(value)
    except OverflowError:
        return None


def contains(whole: Value, part: Value) -> bool:
    """What `in` means: a text inside a text, a member of a list, a key of a record."""
    if part is None or whole is None:
        return False
    if isinstance(whole, str):
        return isinstance(part, str) and part in whole
    if isinstance(whole, dict):
        return isinstance(part, str) and part in whole
    if isinstance(whole, list | tuple):
        return any(equal(part, member) for member in whole)
    return False


def spelled(value: Value) -> str | None:
    """A text, number or boolean as text; whole floats without a fraction."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    return None


def _changed(change: Callable[[str], str]) -> Call:
    def call(_zone: Zone, args: Sequence[Value]) -> Value:
        return change(args[0]) if isinstance(args[0], str) else None

    return call


def _texts(holds: Callable[[str, str], bool]) -> Call:
    def call(_zone: Zone, args: Sequence[Value]) -> Value:
        left, right = args
        return isinstance(left, str) and isinstance(right, str) and holds(left, right)

    return call


def _length(_zone: Zone, args: Sequence[Value]) -> Value:
    whole = args[0]
    return len(whole) if isinstance(whole, str | list | tuple | dict) else None


def _contains(_zone: Zone, args: Sequence[Value]) -> Value:
    return contains(args[0], args[1])


def _whole(change: Callable[[float], float]) -> Call:
    def call(_zone: Zone, args: Sequence[Value]) -> Value:
        found = number_of(args[0])
        return None if found is None else tame(change(found))

    return call


def _round(_zone: Zone, args: Sequence[Value]) -> Value:
    found = number_of(args[0])
    digits = args[1] if len(args) > 1 else 0
    if found is None or isinstance(digits, bool) or not isinstance(digits, int):
        return None
    if abs(digits) > _DIGITS_MAX:
        return None
    return tame(round(found, digits) if digits else round(found))


def _best(choose: Callable[[list[float]], float]) -> Call:
    def call(_zone: Zone, args: Sequence[Value]) -> Value:
        found = [one for one in map(number_of, args) if one is not None]
        return tame(choose(found)) if found else None

    return call


def _coalesce(_zone: Zone, args: Sequence[Value]) -> Value:
    return next((arg for arg in args if arg is not None), None)


def _missing(_zone: Zone, args: Sequence[Value]) -> Value:
    return args[0] is None


def _number(_zone: Zone, args: Sequence[Value]) -> Value:
    value = args[0]
    if not isinstance(value, str):
        return number_of(value)
    text = value.strip()
    if len(text) > _NUMBER_TEXT_MAX or not text.isascii() or "_" in text:
        return None
    try:
        return tame(int(text))
    except ValueError:
        pass  # it may have a fraction
    try:
        return tame(float(text))
    except ValueError:
        return None


def _text(_zone: Zone, args: Sequence[Value]) -> Value:
    return spelled(args[0])


def _any_of(_zone: Zone, args: Sequence[Value]) -> Value:
    left, right = args
    if not isinstance(left, list | tuple) or not isinstance(right, list | tuple):
        return False
    plain = {one for one in right if isinstance(one, str)}
    others = [one for one in right if not isinstance(one, str)]
    for one in left:
        if one in plain if isinstance(one, str) else any(equal(one, other) for other in others):
            return True
    return False


def _without(_zone: Zone, args: Sequence[Value]) -> Value:
    whole, less = args
    if not isinstance(whole, list | tuple):
        return None
    if not isinstance(less, list | tuple):
        return list(whole)
    plain = {one for one in less if isinstance(one, str)}
    others = [one for one in less if not isinstance(one, str)]
    return [
        one
        for one in whole
        if not (one in plain if isinstance(one, str) else any(equal(one, o) for o in others))
    ]


def _pluck(_zone: Zone, args: Sequence[Value]) -> Value:
    whole, key = args
    if not isinstance(whole, list | tuple) or not isinstance(key, str):
        return None
    found = (one.get(key) for one in whole if isinstance(one, dict))
    return [one for one in found if one is not None]


def _instant(zone: Zone, value: Value) -> int | None:
    if isinstance(value, str):
        return calendar.parse(value, zone)
    found = number_of(value)
    return None if found is None or abs(found) > _WHOLE_MAX else floor(found)


def _date(zone: Zone, args: Sequence[Value]) -> Value:
    return _instant(zone, args[0])


def _days_between(zone: Zone, args: Sequence[Value]) -> Value:
    left, right = _instant(zone, args[0]), _instant(zone, args[1])
    if left is None or right is None:
        return None
    return calendar.local_ms(zone, right) // DAY_MS - calendar.local_ms(zone, left) // DAY_MS


MANY = 16
"""Arguments that a function of any number takes at most."""

_ANY = ("any",)
_NUMBER = ("number",)
_TEXT = ("text",)

FUNCTIONS: dict[str, FunctionOf] = {
    "lower": FunctionOf(_TEXT, "text", _changed(str.lower), 1, 1),
    "upper": FunctionOf(_TEXT, "text", _changed(str.upper), 1, 1),
    "trim": FunctionOf(_TEXT, "text", _changed(str.strip), 1, 1),
    "length": FunctionOf(_ANY, "number", _length, 1, 1),
    "contains": FunctionOf(_ANY, "boolean", _contains, 2, 2),
    "starts_with": FunctionOf(_TEXT, "boolean", _texts(str.startswith), 2, 2),
    "ends_with": FunctionOf(_TEXT, "boolean", _texts(str.endswith), 2, 2),
    "abs": FunctionOf(_NUMBER, "number", _whole(abs), 1, 1),
    "floor": FunctionOf(_NUMBER, "number", _whole(floor), 1, 1),
    "ceil": FunctionOf(_NUMBER, "number", _whole(ceil), 1, 1),
    "round": FunctionOf(_NUMBER, "number", _round, 1, 2),
    "min": FunctionOf(_NUMBER, "number", _best(min), 1, MANY),
    "max": FunctionOf(_NUMBER, "number", _best(max), 1, MANY),
    "coalesce": FunctionOf(_ANY, "any", _coalesce, 1, MANY),
    "missing": FunctionOf(_ANY, "boolean", _missing, 1, 1),
    "number": FunctionOf(_ANY, "number", _number, 1, 1),
    "text": FunctionOf(_ANY, "text", _text, 1, 1),
    "any_of": FunctionOf(("list",), "boolean", _any_of, 2, 2),
    "without": FunctionOf(("list",), "list", _without, 2, 2),
    "pluck": FunctionOf(("list", "text"), "list", _pluck, 2, 2),
    "date": FunctionOf(_ANY, "number", _date, 1, 1, zoned=True),
    "days_between": FunctionOf(_ANY, "number", _days_between, 2, 2, zoned=True),
}

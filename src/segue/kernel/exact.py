"""Sums of floats that come out the same in whatever order they were added.

A sum is kept as a list of floats whose exact sum is the exact sum of all that was added. The
list is canonical: its first member is the exact sum rounded to the nearest float, the
second is what remains rounded likewise, and so on until nothing remains. So equal sums are
equal lists, and equal bytes. Two members are nearly always enough.

The idea is Shewchuk's (Adaptive Precision Floating-Point Arithmetic, 1997); `math.fsum`
rounds the exact sum of its arguments once, which gives each member directly.

Rule: members are finite and at most `NUMBER_MAX` in size (`limits.py`), so that no sum overflows.
"""

from collections.abc import Sequence
from math import fsum


def add(parts: Sequence[float], value: float) -> list[float]:
    """The sum `parts` with one value added."""
    return _canonical([*parts, value])


def merge(left: Sequence[float], right: Sequence[float]) -> list[float]:
    """The sum of two sums."""
    return _canonical([*left, *right])


def total(parts: Sequence[float]) -> float:
    """The sum, rounded once; 0.0 where nothing was added."""
    return parts[0] if parts else 0.0


def _canonical(terms: list[float]) -> list[float]:
    members: list[float] = []
    rest = fsum(terms)
    while rest:
        members.append(rest)
        terms.append(-rest)
        rest = fsum(terms)
    return members

"""Goal: equal multisets of floats give equal sums and equal bytes, however they met."""

from fractions import Fraction
from random import Random

from hypothesis import given, strategies as st

from segue.kernel import exact

FLOATS = st.lists(
    st.floats(min_value=-1e270, max_value=1e270, allow_nan=False, allow_infinity=False),
    max_size=20,
)


def summed(values: list[float]) -> list[float]:
    parts: list[float] = []
    for value in values:
        parts = exact.add(parts, value)
    return parts


@given(FLOATS, st.randoms(use_true_random=False))
def test_order_leaves_no_trace(values: list[float], random: Random) -> None:
    shuffled = sorted(values, key=lambda _: random.random())
    assert summed(values) == summed(shuffled)


@given(FLOATS)
def test_the_parts_are_the_exact_sum(values: list[float]) -> None:
    parts = summed(values)
    whole = sum(map(Fraction, values), Fraction())
    assert sum(map(Fraction, parts), Fraction()) == whole
    assert exact.total(parts) == float(whole)


@given(FLOATS, FLOATS, FLOATS)
def test_merging_commutes_and_associates(
    first: list[float], second: list[float], third: list[float]
) -> None:
    a, b, c = summed(first), summed(second), summed(third)
    assert exact.merge(a, b) == exact.merge(b, a) == summed(first + second)
    assert exact.merge(exact.merge(a, b), c) == exact.merge(a, exact.merge(b, c))

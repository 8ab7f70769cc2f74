"""Sample sizes are those of the published formula, and give the power that they promise.

The oracle is exact: the power of the test is summed over all outcomes of two binomials.
"""

from math import comb, sqrt
from statistics import NormalDist

import pytest

from segue.define.experiments import sample_size


def _binomial(n: int, p: float) -> list[float]:
    return [comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


def _power(n: int, first: float, second: float, confidence: float = 0.95) -> float:
    """The share of experiments with n customers each in which the pooled z-test tells them apart."""
    cut = NormalDist().inv_cdf(1 - (1 - confidence) / 2)
    one, other = _binomial(n, first), _binomial(n, second)
    total = 0.0
    for a, likely in enumerate(one):
        for b, too in enumerate(other):
            pooled = (a + b) / (2 * n)
            spread = sqrt(pooled * (1 - pooled) * 2 / n)
            if spread and abs(a - b) / n / spread > cut:
                total += likely * too
    return total


@pytest.mark.parametrize(
    ("baseline", "detect", "known"),
    [(0.10, 0.15, 686), (0.50, 0.60, 388), (0.05, 0.10, 435), (0.20, 0.25, 1094)],
)
def test_sizes_are_those_of_published_tables(baseline: float, detect: float, known: int) -> None:
    assert abs(sample_size(baseline, detect) - known) <= 1


@pytest.mark.parametrize(("first", "second"), [(0.2, 0.4), (0.5, 0.7), (0.1, 0.3)])
def test_the_size_gives_the_power_that_it_promises(first: float, second: float) -> None:
    enough = sample_size(first, second)
    assert _power(enough, first, second) == pytest.approx(0.80, abs=0.03)
    assert _power(enough // 2, first, second) < 0.70


def test_more_variant_customers_need_fewer_in_the_control() -> None:
    even = sample_size(0.1, 0.15)
    assert sample_size(0.1, 0.15, ratio=3) < even < sample_size(0.1, 0.15, ratio=1 / 3)


def test_more_certainty_costs_more_customers() -> None:
    assert sample_size(0.1, 0.15, confidence=0.99) > sample_size(0.1, 0.15)
    assert sample_size(0.1, 0.15, power=0.9) > sample_size(0.1, 0.15)

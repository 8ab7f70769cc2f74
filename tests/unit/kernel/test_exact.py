"""Goal: sums are exact, and their kept form has no memory of the order."""

from segue.kernel import exact


def test_nothing_sums_to_zero() -> None:
    assert exact.total([]) == 0.0
    assert exact.add([], 0.0) == []
    assert exact.merge([], []) == []


def test_a_small_part_survives_a_large_one() -> None:
    parts: list[float] = []
    for value in (1e100, 1.0, -1e100):
        parts = exact.add(parts, value)
    assert parts == [1.0]


def test_tenths_sum_as_if_rounded_once() -> None:
    parts: list[float] = []
    for _ in range(10):
        parts = exact.add(parts, 0.1)
    assert exact.total(parts) == 1.0
    assert len(parts) == 2


def test_a_sum_that_cancels_leaves_nothing() -> None:
    assert exact.merge([0.1], [-0.1]) == []

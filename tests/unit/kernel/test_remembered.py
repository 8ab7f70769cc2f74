"""Goal: what is remembered is found once, and never grows past its bound."""

import pytest

from segue.kernel import remembered
from segue.kernel.remembered import Remembered


def test_what_was_found_is_not_looked_for_again() -> None:
    asked: list[int] = []
    doubled = Remembered[int, int](lambda number: asked.append(number) or 2 * number)
    assert [doubled[number] for number in (1, 2, 1)] == [2, 4, 2]
    assert asked == [1, 2]


def test_at_the_bound_all_is_forgotten_and_found_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "REMEMBERED_MAX", 2)
    doubled = Remembered[int, int](lambda number: 2 * number)
    assert [doubled[number] for number in (1, 2, 3, 1)] == [2, 4, 6, 2]
    assert len(doubled) == 2

"""Clocks never go backwards."""

import time

import pytest

from segue.hosts.clock import ManualClock, SystemClock


def test_the_system_clock_tells_milliseconds_since_1970() -> None:
    assert abs(SystemClock().now() - time.time() * 1000) < 1_000


def test_the_system_clock_stands_still_when_the_machine_is_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = iter([5_000_000_000, 1_000_000_000, 6_000_000_000])
    monkeypatch.setattr(time, "time_ns", lambda: next(told))
    clock = SystemClock()
    assert [clock.now(), clock.now(), clock.now()] == [5_000, 5_000, 6_000]


def test_a_manual_clock_moves_only_forwards() -> None:
    clock = ManualClock(10)
    assert clock.now() == 10
    assert clock.move_by(5) == 15
    with pytest.raises(ValueError, match="can't go back"):
        clock.move_to(14)

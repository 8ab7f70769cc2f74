"""Clocks: the only place that reads the time.

Rule: an instant that was told once is never taken back: a clock set back by the operator
or by NTP stands still until real time has caught up.
"""

import threading
import time

from segue.kernel.values import Instant, Millis


class SystemClock:
    """The machine's clock, in milliseconds, never going backwards."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def now(self) -> Instant:
        """This instant; never earlier than what was answered before, in any thread."""
        with self._lock:
            self._last = max(self._last, time.time_ns() // 1_000_000)
            return Instant(self._last)


class ManualClock:
    """A clock that stands still until it is moved: for tests and virtual time."""

    def __init__(self, at: int = 0) -> None:
        self._at = Instant(at)

    def now(self) -> Instant:
        """The instant it was moved to last."""
        return self._at

    def move_to(self, at: int) -> None:
        """Move on; never backwards."""
        if at < self._at:
            raise ValueError(f"a clock can't go back from {self._at} to {at}")
        self._at = Instant(at)

    def move_by(self, span: Millis | int) -> Instant:
        """Move on by a span, and tell the instant."""
        self.move_to(self._at + span)
        return self._at

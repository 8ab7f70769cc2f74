"""Pacing: how many sends of a channel may leave now, by a token bucket.

Rule 1: a pure rule of what was taken and of the instant handed in; it reads no clock.
Rule 2: what may not leave yet is not claimed: it stays in the queue, where what makes it stale
    can still withdraw it, and no try of it is spent.
Rule 3: a bucket holds what may leave in one second, one at least; so no second sees more than
    twice the rate, and the long run never more than the rate.
"""

import math

from segue.kernel.values import Instant


class Bucket:
    """What one provider takes in a second."""

    def __init__(self, per_second: float) -> None:
        assert per_second > 0, "a pace is a positive number"
        self._rate = per_second / 1000
        self._most = max(1.0, per_second)
        self._held = self._most
        self._at = Instant(0)

    def room(self, now: Instant) -> int:
        """How many may leave now."""
        self._fill(now)
        return int(self._held + 1e-9)

    def take(self, count: int, now: Instant) -> None:
        """So many have left."""
        self._fill(now)
        self._held -= count

    def ready_at(self) -> Instant:
        """When the next one may leave, as far as is known now."""
        missing = 1 - self._held
        return Instant(self._at + math.ceil(missing / self._rate)) if missing > 0 else self._at

    def _fill(self, now: Instant) -> None:
        if now > self._at:
            self._held = min(self._most, self._held + (now - self._at) * self._rate)
            self._at = now

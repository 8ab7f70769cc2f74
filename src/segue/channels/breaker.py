"""A circuit breaker: a provider in trouble is left alone for a while.

Without it, every letter to a provider that hangs would wait out its whole time, and letters of
other channels in the same batch with it.

Rule 1: only faults of the provider count (no connection, silence, 5xx), not its answers to one
    letter. After `BREAKER_FAULTS_MAX` in a row the line is open: letters are tried later at once.
Rule 2: when its time is over, one letter goes ahead as a probe. If it works the line is closed;
    if not, the time doubles, up to a bound.
Rule 3: a provider that says when to come back is believed.
Rule 4: in trouble for longer than `BREAKER_DOWN_SECONDS`, it is *down*: other channels are used.
Rule 5: it reads no clock; seconds of any steady one are handed in.
"""

from segue.channels import limits


class Breaker:
    """What is known of one provider's health."""

    def __init__(self) -> None:
        self._faults = 0
        self._since = 0.0
        self._seconds = limits.BREAKER_SECONDS_LEAST
        self._until = 0.0
        self._probing = False

    def wait(self, now: float) -> float:
        """Seconds for which no letter may go; 0 lets this one go."""
        if now < self._until:
            return self._until - now
        if self._faults >= limits.BREAKER_FAULTS_MAX:
            if self._probing:
                return self._seconds
            self._probing = True
        return 0.0

    def down(self, now: float) -> bool:
        """Whether it has been in trouble for so long that nobody should wait for it."""
        open_ = self._faults >= limits.BREAKER_FAULTS_MAX
        return open_ and now - self._since >= limits.BREAKER_DOWN_SECONDS

    def worked(self) -> None:
        """The provider answered."""
        self._faults, self._probing = 0, False
        self._seconds = limits.BREAKER_SECONDS_LEAST

    def failed(self, now: float) -> None:
        """The provider is in trouble."""
        if self._faults == 0:
            self._since = now
        self._faults += 1
        if self._probing:
            self._probing = False
            self._seconds = min(2 * self._seconds, limits.BREAKER_SECONDS_MAX)
        if self._faults >= limits.BREAKER_FAULTS_MAX:
            self._until = max(self._until, now + self._seconds)

    def ended(self) -> None:
        """A letter that went ahead is over, whatever it told: the next may probe."""
        self._probing = False

    def asked_to_wait(self, now: float, seconds: float) -> None:
        """The provider said when to come back (rule 3)."""
        bounded = min(seconds, limits.BREAKER_SECONDS_MAX)
        self._until = max(self._until, now + bounded)

"""The same stepping without threads, in virtual time: replay, tests, the simulator.

(Signatures first; the bodies follow.)
"""

from collections.abc import Sequence

from segue.hosts.arrivals import Answer, Arrival
from segue.kernel.values import Instant


class Engine:
    """A host whose clock is moved by hand.

    Engine(store, courier=None, *, patterns, zones=Zones(), name=..., plan=...)
    """

    now: Instant

    def feed(self, arrival: Arrival, at: Instant) -> Answer:
        """Advance to `at` (running what is due before, at its exact instant), then answer."""
        raise NotImplementedError

    def feed_all(self, arrivals: Sequence[Arrival], at: Instant) -> list[Answer]:
        """Several arrivals at one instant, in one commit."""
        raise NotImplementedError

    def advance(self, to: Instant) -> None:
        """Run wake-ups and deliveries that fall due up to and including `to`."""
        raise NotImplementedError

    def publish(self, name: str, plan: bytes) -> None:
        """Put a plan in force now; every profile adopts it at its next touch."""
        raise NotImplementedError

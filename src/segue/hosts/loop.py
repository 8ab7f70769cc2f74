"""The batch loop: the one thread that steps profiles and writes to the store.

(Signatures first; the bodies follow.)
"""

from collections.abc import Callable, Sequence

from segue.hosts.arrivals import Answer, Arrival
from segue.hosts.facts import Fact
from segue.kernel.program import Program

Done = Callable[[list[Answer]], None]


class Host:
    """Runs one store: takes arrivals, answers them in batches, keeps wake-ups."""

    # Host(store, programs, clock, zones, dispatcher=None)

    def start(self) -> None:
        """Start the thread."""
        raise NotImplementedError

    def stop(self) -> None:
        """Refuse new arrivals, answer those that wait, end the thread."""
        raise NotImplementedError

    def submit(self, arrivals: Sequence[Arrival], done: Done) -> None:
        """Queue arrivals; `done` gets their answers, in order, once all are committed.

        `done` is called once, in the loop's thread: it must be quick and must not raise.
        Raises `QueueFull` (429; nothing was taken) or `HostStopped` (503).
        """
        raise NotImplementedError

    def ask(self, arrivals: Sequence[Arrival], timeout_s: float = 30.0) -> list[Answer]:
        """`submit`, and wait for the answers."""
        raise NotImplementedError

    def publish(self, name: str, plan: bytes) -> Program:
        """Save a plan, link it beside those that live runs are pinned to, and put it in force."""
        raise NotImplementedError

    def retry(self, ids: Sequence[str]) -> int:
        """Queue dead letters again; returns how many were dead."""
        raise NotImplementedError

    def subscribe(self, listener: Callable[[Sequence[Fact]], None]) -> Callable[[], None]:
        """Tell a listener of every commit, in a thread of its own; returns how to end it."""
        raise NotImplementedError

    @property
    def program(self) -> Program:
        """The program in force."""
        raise NotImplementedError

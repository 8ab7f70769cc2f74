"""One process over one store: loop, dispatcher and facts, started and stopped together.

(Signatures first; the bodies follow.)
"""

from segue.hosts.loop import Host


class Embedded:
    """Segue in one process.

    Embedded(store, courier, patterns=..., clock=SystemClock(), zones=Zones(),
             groups={"email": ("email",), ...})
    """

    host: Host

    def publish(self, name: str, plan: bytes) -> None:
        """See `Host.publish`; before `start` it only saves and links."""
        raise NotImplementedError

    def start(self) -> None:
        """Recover what a dead process left claimed, then start loop and workers.

        Raises `NoProgram` if nothing has ever been published.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Refuse what is new, answer what waits, let couriers finish, close nothing."""
        raise NotImplementedError

    # submit, ask, retry, subscribe, program: as in `Host`

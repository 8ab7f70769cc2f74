"""One process over one store: loop, dispatcher and listeners, started and stopped together.

    host = Embedded(store, courier, patterns=re2_search)
    host.publish(name, plan)
    host.start()
    host.ask([Arrival(input=event)])
    host.stop()

Rule: whoever opened the store closes it, after `stop`.
"""

import os
from collections.abc import Callable, Mapping, Sequence

from segue.errors import HostStopped
from segue.hosts import publishing
from segue.hosts.again import Retried
from segue.hosts.arrivals import Answer, Arrival
from segue.hosts.batch import Docket
from segue.hosts.clock import SystemClock
from segue.hosts.desk import Desk
from segue.hosts.dispatch import GROUPS, Dispatcher
from segue.hosts.facts import Listener
from segue.hosts.interpreter import look_seldom, take_turns
from segue.hosts.limits import BATCH_SIZE_MAX, ITEMS_PER_PUT_MAX, QUEUE_MAX
from segue.hosts.loop import Done, Host
from segue.hosts.ports import Clock, Courier
from segue.hosts.programs import Programs
from segue.hosts.publishing import Modes, Outlook
from segue.hosts.zones import Zones
from segue.kernel.catalog import Catalog
from segue.kernel.program import Patterns, Program
from segue.kernel.values import Record
from segue.stores.ports import ItemLine, Store


class Embedded:
    """Segue in one process."""

    def __init__(
        self,
        store: Store,
        courier: Courier,
        *,
        patterns: Patterns,
        clock: Clock | None = None,
        zones: Zones | None = None,
        groups: Mapping[str, tuple[str, ...]] = GROUPS,
        workers: int = 1,
        paces: Mapping[str, float] | None = None,
        queue_max: int = QUEUE_MAX,
        batch_size_max: int = BATCH_SIZE_MAX,
    ) -> None:
        self.store = store
        self.clock: Clock = clock or SystemClock()
        self.zones = zones or Zones()
        self._courier = courier
        self._programs = Programs(store, patterns, self.zones)
        self._groups = groups
        self._workers = workers
        self._paces = paces
        self._queue_max = queue_max
        self._batch_size_max = batch_size_max
        self._host: Host | None = None

    def publish(self, name: str, plan: bytes, modes: Modes | None = None) -> Program:
        """Save a plan and put it in force; before `start` it is the one to start with.

        `name` is the plan's hash, `plan` its canonical JSON; `modes` say what becomes of runs
        of older programs (`publishing.py`), which drain if nothing is said. Raises
        `PlanUnreadable`, `StepsVanished`, `UnknownMode`, and while it runs `StillCarrying`.
        """
        if self._host is not None:
            return self._host.publish(name, plan, modes)
        if name != self.store.current_program():
            self._carry_over()
        return self._programs.publish(name, plan, self.clock.now(), modes)

    def outlook(self, name: str, plan: bytes, modes: Modes) -> tuple[Outlook, ...]:
        """What publishing a plan would mean for the runs that are live; changes nothing."""
        return self._programs.outlook(name, plan, modes)

    def _carry_over(self) -> None:
        """Carry out what was decided for the program in force, where a stop has cut it short."""
        name = self.store.current_program()
        modes = self._programs.modes(name)
        if not name or not publishing.moves(modes):
            return
        desk = Desk(self.store, self._programs, self._programs.current(), self.zones)
        for profile in publishing.everyone(self.store):
            if profile.program != name or publishing.concerns(modes, profile, name):
                desk.answer(Docket(adopts=(profile.id,)), self.clock.now())

    def start(self) -> None:
        """Settle what a dead process left claimed, then start loop and workers.

        Raises `NoProgram` if nothing was ever published, `StoreUnavailable`.
        """
        assert self._host is None, "a host is started once"
        look_seldom()
        take_turns()
        program = self._programs.current()
        dispatcher = Dispatcher(
            self._courier,
            by=f"{os.getpid()}@{self.clock.now()}",
            groups=self._groups,
            workers=self._workers,
            paces=self._paces,
        )
        host = Host(
            self.store,
            self._programs,
            program,
            self.clock,
            self.zones,
            dispatcher,
            queue_max=self._queue_max,
            batch_size_max=self._batch_size_max,
        )
        host.recover()
        host.start()
        self._host = host

    def stop(self) -> None:
        """Refuse what is new, answer what waits, let couriers finish; once is enough."""
        if self._host is not None:
            self._host.stop()

    @property
    def host(self) -> Host:
        """The loop. Raises `HostStopped` before `start`."""
        if self._host is None:
            raise HostStopped("the host was never started")
        return self._host

    @property
    def program(self) -> Program:
        """The program in force."""
        return self.host.program

    @property
    def unavailable(self) -> str:
        """Why nothing can be saved just now; empty while all is well."""
        return self.host.unavailable

    def submit(self, arrivals: Sequence[Arrival], done: Done) -> None:
        """See `Host.submit`."""
        self.host.submit(arrivals, done)

    def ask(self, arrivals: Sequence[Arrival], timeout_s: float = 30.0) -> list[Answer]:
        """See `Host.ask`."""
        return self.host.ask(arrivals, timeout_s)

    @property
    def catalog(self) -> Catalog:
        """See `Host.catalog`."""
        return self.host.catalog

    def put_items(self, changes: Sequence[tuple[str, str, Record | None]]) -> list[ItemLine]:
        """See `Host.put_items`; before `start` it saves them alone."""
        if self._host is not None:
            return self._host.put_items(changes)
        lines: list[ItemLine] = []
        for first in range(0, len(changes), ITEMS_PER_PUT_MAX):
            some = changes[first : first + ITEMS_PER_PUT_MAX]
            lines += self.store.put_items(some, self.clock.now())
        return lines

    def retry(self, ids: Sequence[str]) -> Retried:
        """See `Host.retry`."""
        return self.host.retry(ids)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """See `Host.subscribe`."""
        return self.host.subscribe(listener)

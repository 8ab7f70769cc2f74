"""The live host, in one process: from an event to its message's channel, and wake-ups on time.

Workloads: (a) 200 events a second, one of twenty an order whose confirmation is sent at once;
measured from the moment at which the event's answer was given until the courier is called; (b) a
store in which many profiles wait for a far instant, and 1,000 whose session ends, spread over
five seconds; measured from that instant to the commit of what it changed; (c) a question behind a
standing backlog of 1,500 events: the loop's CPU from its submission to its answer, which other
work on the machine does not lengthen. SQLite, durable.
"""

import shutil
import statistics
import tempfile
import threading
import time
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.machine import Figure
from segue import wiring
from segue.hosts.arrivals import Arrival
from segue.hosts.embedded import Embedded
from segue.hosts.ports import Delivery, Outcome
from segue.kernel.inputs import Asked, Event
from segue.kernel.profile import Session, create
from segue.kernel.values import MINUTE, Instant, ProfileId
from segue.stores.ports import Saved
from segue.stores.sqlite import SqliteStore

ORDERS = 150
EVENTS_PER_ORDER = 20
PER_SECOND = 200
WAITING = 1_000_000
DUE = 1_000
SPREAD_MS = 5_000
BACKLOG = 1_500
QUESTIONS = 40


class Noting:
    """A courier that notes when it was called for which order."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}

    def deliver(self, deliveries: list[Delivery]) -> list[Outcome]:
        now = time.perf_counter()
        for each in deliveries:
            self.at.setdefault(each.profile, now)
        return [Outcome(result="accepted") for _ in deliveries]

    def resends_safely(self, effect: Any) -> bool:
        return True


class Watched(SqliteStore):
    """Notes when the profiles that are watched were committed first."""

    watched: dict[str, int] = {}
    lags: list[float] = []

    def commit(self, saved: Any, *rest: Any, **more: Any) -> None:
        super().commit(saved, *rest, **more)
        now = time.time() * 1000
        for each in saved:
            due = self.watched.pop(each.profile.id, None)
            if due is not None:
                self.lags.append(now - due)


def _event(number: int, user: str, name: str, **properties: Any) -> Arrival:
    return Arrival(
        input=Event(
            id=f"live-{number}",
            name=name,
            at=Instant(int(time.time() * 1000)),
            user_id=user,
            kind="identify" if properties.get("identify") else "track",
            traits={"email": f"{user}@example.com"} if properties.get("identify") else {},
            properties=properties,
        )
    )


def handing_over(folder: Path) -> list[float]:
    """Milliseconds from each order's answer to its courier."""
    loaded, courier = machine.program(), Noting()
    store = SqliteStore(folder / "handing.sqlite")
    host = Embedded(store, courier, patterns=wiring.patterns)
    host.publish(loaded.hash, wiring.encoded(loaded))
    host.start()
    answered: dict[str, float] = {}

    def done(answers: Any) -> None:
        now = time.perf_counter()
        for each in answers:
            answered.setdefault(each.profile, now)

    count = machine.sized(ORDERS) * EVENTS_PER_ORDER
    names = [f"buyer{n}" for n in range(count // EVENTS_PER_ORDER)]
    host.ask([_event(-1 - n, name, "x", identify=True) for n, name in enumerate(names)], 60)
    began = time.perf_counter()
    for number in range(count):
        wait = began + number / PER_SECOND - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        if number % EVENTS_PER_ORDER:
            arrival = _event(number, f"u{number % 700}", "Product Viewed", price=9.0)
            host.submit([arrival], lambda _answers: None)
        else:
            buyer = names[number // EVENTS_PER_ORDER]
            host.submit([_event(number, buyer, "Order Completed", total=10.0)], done)
    time.sleep(1.0)
    host.stop()
    store.close()
    return [(courier.at[who] - at) * 1000 for who, at in answered.items() if who in courier.at]


def waking(folder: Path, waiting: int) -> list[float]:
    """Milliseconds from each due instant to the commit of what it changed."""
    loaded = machine.program()
    store = Watched(folder / "waking.sqlite")
    host = Embedded(store, Noting(), patterns=wiring.patterns)
    host.publish(loaded.hash, wiring.encoded(loaded))
    far = int(time.time() * 1000) + 86_400_000
    for first in range(0, waiting, 5_000):
        store.commit([_sleeping(n, far + n, loaded.hash) for n in range(first, first + 5_000)])
    start = int(time.time() * 1000) + 2_000
    due = {f"due{n}": start + n * SPREAD_MS // DUE for n in range(DUE)}
    store.commit([_sleeping(name, at, loaded.hash) for name, at in due.items()])
    Watched.watched, Watched.lags = dict(due), []
    host.start()
    time.sleep((2_000 + SPREAD_MS) / 1000 + 1.5)
    host.stop()
    store.close()
    assert not Watched.watched, f"{len(Watched.watched)} never woke"
    return Watched.lags


def overtaking(folder: Path, questions: int) -> list[float]:
    """Milliseconds of the loop's CPU from each question to its answer, behind a backlog."""
    loaded = machine.program()
    log = iter(machine.events(questions * 4_000)[1])
    store = SqliteStore(folder / "overtaking.sqlite")
    host = Embedded(store, Noting(), patterns=wiring.patterns)
    host.publish(loaded.hash, wiring.encoded(loaded))
    host.start()
    loop = next(one for one in threading.enumerate() if one.name == "segue-loop")
    assert loop.ident is not None
    clock = time.pthread_getcpuclockid(loop.ident)
    taken: list[float] = []
    for number in range(questions):
        while host.host.waiting < BACKLOG:
            host.submit([Arrival(input=one.event) for one in islice(log, 10)], lambda _: None)
        asked = Asked(id="", placements=("product-hint", "offer-modal"))
        answered = threading.Event()
        began = time.clock_gettime(clock)

        def done(_: Any, began: float = began, answered: threading.Event = answered) -> None:
            taken.append((time.clock_gettime(clock) - began) * 1000)
            answered.set()

        host.submit([Arrival(input=asked, user_id=f"asks-{number % 20}")], done)
        assert answered.wait(60)
    host.stop()
    store.close()
    return taken


def _sleeping(name: int | str, at: int, program: str) -> Saved:
    """A profile whose session ends at an instant."""
    profile = create(ProfileId(str(name)), Instant(at - 60 * MINUTE))
    began = Instant(at - 30 * MINUTE)
    profile.session, profile.sessions = Session(1, began, began, 1), 1
    profile.program, profile.wake_at = program, Instant(at)
    return Saved(profile=profile)


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=machine.HERE))
    waiting = machine.sized(WAITING) // 5_000 * 5_000 or 5_000
    try:
        handed = handing_over(folder)
        lags = waking(folder, waiting)
        overtook = overtaking(folder, machine.sized(QUESTIONS))
    finally:
        shutil.rmtree(folder)
    machine.keep(
        "live",
        f"{len(handed)} orders among {PER_SECOND} events/s; "
        f"{waiting:,} profiles waiting, {DUE} due",
        [
            Figure(what="accepted to courier, median", value=statistics.median(handed), unit="ms"),
            Figure(
                what="accepted to courier, p99",
                value=machine.percentile(handed, 0.99),
                unit="ms",
                budget=25,
            ),
            Figure(what="due wake-up, median lag", value=statistics.median(lags), unit="ms"),
            Figure(
                what="due wake-up, p99 lag",
                value=machine.percentile(lags, 0.99),
                unit="ms",
                budget=50,
            ),
            Figure(
                what=f"a question behind {BACKLOG:,} events, median",
                value=statistics.median(overtook),
                unit="ms CPU",
            ),
            Figure(
                what=f"a question behind {BACKLOG:,} events, p99",
                value=machine.percentile(overtook, 0.99),
                unit="ms CPU",
            ),
        ],
    )


if __name__ == "__main__":
    main()

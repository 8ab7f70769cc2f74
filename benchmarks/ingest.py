"""Ingest, decide and commit in batches, on one core, into SQLite with durable commits.

Workload: real clickstream, each event under its own id, given to the desk that the live host
uses, in batches of 512 (what a host takes at once under load), then dispatched into the sandbox
as the host does. One process, one thread; the file lies on a real disk and every commit syncs.
"""

import shutil
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks import machine
from benchmarks.machine import Figure
from segue import wiring
from segue.hosts.arrivals import Arrival
from segue.hosts.limits import BATCH_SIZE_MAX

EVENTS = 12_000
RUNS = 3


def once(count: int) -> tuple[str, float, float, int]:
    """CPU and wall seconds for so many events, and the bytes of the file."""
    loaded = machine.program()
    told, events = machine.events(count)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=machine.HERE))
    try:
        with wiring.stored(folder / "segue.sqlite", create=True) as store:
            engine = wiring.engine(store, loaded)
            cpu, wall = machine.cpu_s(), time.perf_counter()
            for first in range(0, count, BATCH_SIZE_MAX):
                some = events[first : first + BATCH_SIZE_MAX]
                arrivals = [Arrival(input=one.event, source="bench") for one in some]
                for answer in engine.feed_all(arrivals, some[-1].arrived_at):
                    assert answer.status == "accepted", answer.reason
            cpu, wall = machine.cpu_s() - cpu, time.perf_counter() - wall
        return told, cpu, wall, sum(file.stat().st_size for file in folder.iterdir())
    finally:
        shutil.rmtree(folder)


def main() -> None:
    count = machine.sized(EVENTS)
    runs = [once(count) for _ in range(RUNS)]
    cpu = [cpu / count * 1e6 for _, cpu, _, _ in runs]
    rate = [count / wall for _, _, wall, _ in runs]
    machine.keep(
        "ingest",
        runs[0][0],
        [
            Figure(
                what="ingest, decide, commit: CPU per event",
                value=statistics.median(cpu),
                unit="us CPU",
                budget=100,
                runs=cpu,
            ),
            Figure(
                what="ingest, decide, commit: by CPU, one core",
                value=1e6 / statistics.median(cpu),
                unit="events/s",
                budget=10_000,
                worse="below",
            ),
            Figure(
                what="ingest, decide, commit: by wall clock",
                value=statistics.median(rate),
                unit="events/s",
                runs=rate,
            ),
            Figure(what="file, bytes per event", value=runs[0][3] / count, unit="bytes"),
        ],
    )


if __name__ == "__main__":
    main()

"""What every benchmark shares: the workload, the program, the clock, and how results are kept.

Rule 1: CPU time is measured beside wall time, for machines are shared. How slow the machine was
    just then is measured too (`pace`) and kept with each result.
Rule 2: a figure is the median of several runs; all runs are kept.
Rule 3: nothing is corrected: budgets are compared with what was measured, as it was measured.
"""

import gc
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec

from segue import define, wiring
from segue.connectors.rows import Imported
from segue.hosts.arrivals import Arrival
from segue.hosts.engine import Engine
from segue.kernel.values import Instant
from segue.sim import workload as volumes

HERE = Path(__file__).parent
WORKSPACE = HERE / "workspace"
RESULTS = HERE / "results"
DATA = Path(os.environ.get("SEGUE_DATA", HERE.parents[1] / "shared" / "data"))

QUIET_STRUCT_NS = 75
"""Building a frozen struct of three fields on a quiet core of the machine of reference."""


class _Three(msgspec.Struct, frozen=True):
    one: int
    two: str
    three: float


class Figure(msgspec.Struct, kw_only=True):
    """One measured value beside its budget; `worse` says which side of the budget is bad."""

    what: str
    value: float
    unit: str
    budget: float | None = None
    worse: str = "above"
    runs: list[float] = []
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.budget is None:
            return None
        return self.value <= self.budget if self.worse == "above" else self.value >= self.budget


class Result(msgspec.Struct, kw_only=True):
    """What a benchmark found, where and when."""

    benchmark: str
    workload: str
    figures: list[Figure]
    at: str
    machine: dict[str, Any]


def pace() -> float:
    """How many times longer a fixed piece of work takes than on a quiet core: 1.0 is quiet."""
    best = 1e9
    for _ in range(5):
        began = time.thread_time_ns()
        for _ in range(20_000):
            _Three(1, "two", 3.0)
        best = min(best, (time.thread_time_ns() - began) / 20_000)
    return round(best / QUIET_STRUCT_NS, 2)


def machine() -> dict[str, Any]:
    """The machine, and how busy it is."""
    model = "unknown"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.partition(":")[2].strip()
            for line in cpuinfo.read_text().splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "load": round(os.getloadavg()[0], 1),
        "pace": pace(),
    }


def program(folder: Path = WORKSPACE) -> define.Loaded:
    """A checked workspace."""
    loaded = wiring.read_workspace(folder)
    assert loaded.plan is not None, define.render(loaded.errors, loaded.sources)
    return loaded


def events(count: int) -> tuple[str, tuple[Imported, ...]]:
    """Real shop events if the data is there, else synthetic ones; and which of them it is."""
    found = volumes.workload(count, DATA)
    return f"{count:,} events: {found.origin}", found.events


def feed(engine: Engine, events: Iterable[Imported], after_ms: int = 0) -> None:
    """A log through an engine in virtual time, the events of one instant together."""
    for at, group in groupby(events, key=attrgetter("arrived_at")):
        given = [Arrival(input=one.event, source="bench") for one in group]
        for answer in engine.feed_all(given, at):
            assert answer.status == "accepted", answer.reason
    if after_ms:
        engine.advance(Instant(engine.now + after_ms))


def cpu_s() -> float:
    """CPU seconds of the process so far, threads and kernel time included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def percentile(values: list[float], share: float) -> float:
    """The value that this share of all values does not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def median_of(runs: int, measure: Callable[[], float]) -> tuple[float, list[float]]:
    """The median of several runs, and all of them."""
    found: list[float] = []
    for _ in range(runs):
        gc.collect()
        found.append(measure())
    return statistics.median(found), found


def memory_mb(pid: int | str = "self") -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def scale() -> float:
    """How much of the usual volume is asked for: `python -m benchmarks --scale 0.1`."""
    return float(os.environ.get("SEGUE_BENCH_SCALE", "1"))


def sized(count: int) -> int:
    """A volume, scaled."""
    return max(1, int(count * scale()))


def keep(name: str, workload: str, figures: list[Figure]) -> Result:
    """Write the result down and show it."""
    for each in figures:
        each.value = _short(each.value)
        each.runs = [_short(one) for one in each.runs]
    result = Result(
        benchmark=name,
        workload=workload,
        figures=figures,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine(),
    )
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(result), indent=1)
    if scale() >= 1:
        (RESULTS / f"{name}.json").write_bytes(text + b"\n")
    show(result)
    return result


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def show(result: Result) -> None:
    """Print a result as lines."""
    busy = f"pace {result.machine['pace']}, load {result.machine['load']}"
    print(f"\n{result.benchmark}: {result.workload} ({busy})")
    for each in result.figures:
        mark = {True: "met", False: "SHORT", None: ""}[each.met]
        budget = f"budget {each.budget:,g}" if each.budget is not None else ""
        print(
            f"  {each.what:<52} {each.value:>12,g} {each.unit:<8} {budget:<16} {mark} {each.note}"
        )
    sys.stdout.flush()

"""`step`: CPU time of one transition, by kind of input.

Workload: real clickstream through the realistic program (25 segments with windows, 10 journeys,
12 policies, 6 messages, one model) in virtual time, in one process. Every step that the host
takes is timed by itself: events, wake-ups, and the reports of deliveries. The median over events
is what the budget is about.
"""

import statistics
import time
from typing import Any

from benchmarks import machine
from benchmarks.machine import Figure
from segue import define, wiring
from segue.hosts import batch
from segue.kernel.inputs import Event, Input
from segue.kernel.step import Step, step
from segue.kernel.trace import Considered

EVENTS = 20_000
RUNS = 3


class Timed:
    """Stands in for `step` and notes how long each took; `deciding` are those with a proposal."""

    def __init__(self) -> None:
        self.taken: dict[str, list[int]] = {}

    def __call__(self, program: Any, profile: Any, said: Input, *given: Any) -> Step:
        began = time.thread_time_ns()
        answer = step(program, profile, said, *given)
        took = time.thread_time_ns() - began
        kind = said.name if isinstance(said, Event) else type(said).__name__
        self.taken.setdefault(kind, []).append(took)
        if any(isinstance(note, Considered) for note in answer.trace):
            self.taken.setdefault("deciding", []).append(took)
        return answer


def run(count: int, loaded: define.Loaded | None = None) -> tuple[str, dict[str, list[int]]]:
    """Every step's nanoseconds, by kind."""
    loaded = loaded or machine.program()
    told, events = machine.events(count)
    timed = Timed()
    batch.step = timed
    try:
        with wiring.in_memory() as store:
            machine.feed(wiring.engine(store, loaded), events)
    finally:
        batch.step = step
    return told, timed.taken


def main() -> None:
    medians: list[float] = []
    told, taken = "", dict[str, list[int]]()
    for _ in range(RUNS):
        told, taken = run(machine.sized(EVENTS))
        on_events = [ns for kind, all_ns in taken.items() if " " in kind for ns in all_ns]
        medians.append(statistics.median(on_events) / 1000)
    on_events = [ns for kind, all_ns in taken.items() if " " in kind for ns in all_ns]
    figures = [
        Figure(
            what="step, one event, median",
            value=statistics.median(medians),
            unit="us CPU",
            budget=40,
            runs=medians,
        ),
        Figure(
            what="step, one event, mean", value=statistics.mean(on_events) / 1000, unit="us CPU"
        ),
        Figure(
            what="step, one event, p99",
            value=machine.percentile([float(ns) for ns in on_events], 0.99) / 1000,
            unit="us CPU",
        ),
    ]
    figures += [
        Figure(
            what=f"  {kind}, median",
            value=statistics.median(all_ns) / 1000,
            unit="us CPU",
            note=f"{len(all_ns):,} steps",
        )
        for kind, all_ns in sorted(taken.items())
    ]
    machine.keep("step", told, figures)


if __name__ == "__main__":
    main()

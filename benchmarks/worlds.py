"""Worlds of the simulator, played and audited, per minute of one core's CPU.

Workload: the first seeds of the swarm: customers, virtual time, faults of every kind, an auditor
that works out every rule anew. CPU is that of all processes; worlds a minute by the wall clock
beside it.
"""

import resource
import subprocess
import sys
import time

from benchmarks import machine
from benchmarks.machine import Figure

WORLDS = 40


def main() -> None:
    worlds = machine.sized(WORLDS)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "segue.sim.run", "--worlds", str(worlds)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    machine.keep(
        "worlds",
        f"{worlds} worlds, audited",
        [
            Figure(what="worlds per minute of CPU", value=worlds / cpu * 60, unit="worlds"),
            Figure(what="worlds per minute, all cores", value=worlds / wall * 60, unit="worlds"),
        ],
    )


if __name__ == "__main__":
    main()

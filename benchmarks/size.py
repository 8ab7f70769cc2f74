"""The bytes of a profile, as stored, after the clickstream went through the realistic program.

Workload: most of the clickstream, so that every customer has what a visit leaves: 25 segments'
windows (up to a year), session, runs, ledger. Real customers who come more often
leave more; their number is bounded by `kernel/limits.py`.
"""

import statistics

from benchmarks import machine
from benchmarks.machine import Figure
from segue import wiring
from segue.stores import codec

EVENTS = 17_000


def main() -> None:
    told, events = machine.events(machine.sized(EVENTS))
    with wiring.in_memory() as store:
        machine.feed(wiring.engine(store, machine.program()), events)
        sizes = [
            float(len(codec.profiles.encode(profile, profile.id)))
            for profile in store.profiles(limit=1_000_000)
        ]
    machine.keep(
        "size",
        f"{told}; {len(sizes):,} profiles",
        [
            Figure(
                what="profile, median", value=statistics.median(sizes), unit="bytes", budget=2_048
            ),
            Figure(what="profile, p99", value=machine.percentile(sizes, 0.99), unit="bytes"),
            Figure(what="profile, largest", value=max(sizes), unit="bytes"),
        ],
    )


if __name__ == "__main__":
    main()

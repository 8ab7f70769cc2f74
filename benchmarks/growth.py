"""Cost per event as what the event does not touch grows: profiles, journeys, segments.

Workloads: (a) `step` over the clickstream with the realistic program, and with copies of its
journeys and segments that wait for events of other names, up to 1,000 of each; (b) the whole way
into SQLite, durable, for customers drawn evenly from a store of 10,000 and of 200,000
profiles (1,000,000 was not feasible in the time that a run may take), none of them in the host's
cache, so that each event loads, steps and commits one.
"""

import shutil
import statistics
import tempfile
import time
from pathlib import Path
from random import Random

import msgspec

from benchmarks import machine, step
from benchmarks.machine import Figure
from segue import define, wiring
from segue.hosts.arrivals import Arrival
from segue.kernel import identity
from segue.kernel.expression import Aggregate, Compare, Literal, Stream
from segue.kernel.identity import Name
from segue.kernel.inputs import Event
from segue.kernel.plan import OnEvent, Segment
from segue.kernel.profile import Profile
from segue.kernel.values import DAY, Instant
from segue.stores.ports import Identifier, Saved, Store

EVENTS = 4_000
PROFILES = 200_000
START = 1_569_888_000_000


def grown(journeys: int, segments: int) -> define.Loaded:
    """The realistic program with idle definitions beside its own."""
    loaded = machine.program()
    assert loaded.plan is not None
    plan = loaded.plan
    pattern = plan.journeys[0]
    more = tuple(
        msgspec.structs.replace(
            pattern, name=f"idle-{n}", entries=(OnEvent(events=(f"Elsewhere {n}",)),)
        )
        for n in range(journeys - len(plan.journeys))
    )
    idle = tuple(
        Segment(
            name=f"idle-{n}",
            when=Compare(
                op=">=",
                left=Aggregate(
                    fold="count", stream=Stream(events=(f"Elsewhere {n}",)), within_ms=DAY
                ),
                right=Literal(2),
            ),
        )
        for n in range(segments - len(plan.segments))
    )
    plan = msgspec.structs.replace(
        plan, journeys=(*plan.journeys, *more), segments=(*plan.segments, *idle)
    )
    return msgspec.structs.replace(loaded, plan=plan)


def stepping(loadeds: dict[str, define.Loaded], count: int) -> dict[str, float]:
    """Median CPU of a step on an event, for each program; interleaved, so that they share noise."""
    found: dict[str, list[float]] = {name: [] for name in loadeds}
    for _ in range(3):
        for name, loaded in loadeds.items():
            _, taken = step.run(count, loaded)
            found[name].append(statistics.median(taken["Product Viewed"]) / 1000)
    return {name: statistics.median(runs) for name, runs in found.items()}


def fill(store: Store, loaded: define.Loaded, have: int, want: int) -> None:
    """Add customers, each with what one view leaves, as one that came by the usual way."""
    engine = wiring.engine(store, loaded)
    if not have:
        engine.feed(_view(0, START, "0"), Instant(START))
    (pattern,) = store.load([identity.derive(Name("user", "u0"))]).values()
    encoded = msgspec.msgpack.encode(pattern.profile)
    for first in range(max(have, 1), want, 1_000):
        saved: list[Saved] = []
        for n in range(first, min(want, first + 1_000)):
            name = Name("user", f"u{n}")
            profile = msgspec.msgpack.decode(encoded, type=Profile)
            profile.id = identity.derive(name)
            profile.draw_key, profile.user_ids = profile.id, [name.value]
            saved.append(Saved(profile=profile, links=(Identifier("user", name.value),)))
        store.commit(saved)


def _view(customer: int, at: int, mark: str) -> Arrival:
    properties = {"product_id": str(customer % 997), "category": "shoes", "price": 20.0}
    return Arrival(
        input=Event(
            id=f"e{customer}-{mark}",
            name="Product Viewed",
            at=Instant(at),
            user_id=f"u{customer}",
            properties=properties,
        )
    )


def into(store: Store, loaded: define.Loaded, profiles: int, count: int) -> float:
    """CPU microseconds per event for customers drawn from all, none cached."""
    engine = wiring.engine(store, loaded)
    rng = Random(profiles)
    chosen = rng.sample(range(profiles), count)
    at = START + 1_200_000
    began = machine.cpu_s()
    for first in range(0, count, 250):
        some = chosen[first : first + 250]
        for answer in engine.feed_all([_view(n, at, f"of-{profiles}") for n in some], Instant(at)):
            assert answer.status == "accepted", answer.reason
    return (machine.cpu_s() - began) / count * 1e6


def main() -> None:
    count = machine.sized(EVENTS)
    costs = stepping(
        {"usual": machine.program(), "journeys": grown(1_000, 25), "segments": grown(10, 1_000)},
        count,
    )
    figures = [Figure(what="step, 10 journeys, 25 segments", value=costs["usual"], unit="us CPU")]
    figures += [
        Figure(
            what=f"step, 1,000 {kind}: times the cost",
            value=costs[kind] / costs["usual"],
            unit="x",
            budget=1.25,
        )
        for kind in ("journeys", "segments")
    ]
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=machine.HERE))
    loaded = machine.program()
    few, many = machine.sized(10_000), machine.sized(PROFILES)
    try:
        with wiring.stored(folder / "segue.sqlite", create=True) as store:
            fill(store, loaded, 0, few)
            cost = into(store, loaded, few, count)
            began = time.perf_counter()
            fill(store, loaded, few, many)
            filling = time.perf_counter() - began
            cost_many = into(store, loaded, many, count)
    finally:
        shutil.rmtree(folder)
    figures += [
        Figure(what=f"into SQLite, {few:,} profiles", value=cost, unit="us CPU"),
        Figure(
            what=f"into SQLite, {many:,} profiles: times the cost",
            value=cost_many / cost,
            unit="x",
            budget=1.25,
            note=f"filled in {filling:.0f} s",
        ),
    ]
    machine.keep("growth", f"{count:,} events for each cost", figures)


if __name__ == "__main__":
    main()

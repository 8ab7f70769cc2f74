"""Volume for benchmarks: real shop events, repeated with other customers at other times.

Rule 1: round n is the whole log again, `span` later, by customers who are not those of another
    round; so what one profile does stays what a real one did, however much is asked for.
Rule 2: where the published data is absent, `synthetic` draws sessions of the same shape from
    the fitted behaviour. A benchmark says which it used (`Workload.origin`).
"""

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from random import Random

import msgspec

from segue.connectors.files import Source
from segue.connectors.rows import Imported
from segue.kernel.inputs import Event
from segue.kernel.values import MINUTE, Instant
from segue.sim.behaviour import ACTS, load, session
from segue.sim.shop import Shop

SLICE = Path("rees46-oct2019-slice") / "2019-Oct-first170min.csv.gz"
START = Instant(1_569_888_000_000)
"""2019-10-01T00:00:00Z, when the real log begins."""
SESSIONS_PER_SECOND = 0.5
"""Of the synthetic log: 5,066 sessions in 170 minutes."""

_NAMES = {act: name for name, act in ACTS.items()}


class Workload(msgspec.Struct, frozen=True):
    """So many events in order of time, and where they come from."""

    origin: str
    events: tuple[Imported, ...]


def workload(count: int, data: Path, seed: int = 1) -> Workload:
    """`count` events: of the real log below `data` if it is there, else synthetic."""
    path = data / SLICE
    if path.is_file():
        return Workload("REES46 slice, repeated", tuple(islice(repeated(path), count)))
    return Workload("synthetic, fitted on the REES46 slice", tuple(islice(synthetic(seed), count)))


def repeated(path: Path) -> Iterator[Imported]:
    """The log at `path` again and again, without end; memory holds it once."""
    once = list(Source(path))
    assert once, f"{path} has no events"
    span = once[-1].arrived_at - once[0].arrived_at + MINUTE
    turn = 0
    while True:
        for one in once:
            yield one if turn == 0 else _shifted(one, turn, span * turn)
        turn += 1


def _shifted(one: Imported, turn: int, by: int) -> Imported:
    event = one.event
    event = msgspec.structs.replace(
        event,
        id=f"{event.id}-{turn}",
        at=Instant(event.at + by),
        user_id=f"{event.user_id}-{turn}" if event.user_id else "",
        anonymous_id=f"{event.anonymous_id}-{turn}" if event.anonymous_id else "",
    )
    return Imported(one.line, event, Instant(one.arrived_at + by), one.also)


def synthetic(seed: int, start: Instant = START) -> Iterator[Imported]:
    """Sessions drawn from the fitted behaviour, in the shape of the real log, without end."""
    rng = Random(seed)  # noqa: S311 - a workload must repeat
    behaviour = load()
    shop = Shop(rng, behaviour)
    pending: list[tuple[int, int, Event]] = []
    following = float(start)
    count = number = 0
    while True:
        while not pending or pending[0][0] >= following:
            following += rng.expovariate(SESSIONS_PER_SECOND / 1000)
            number += 1
            at = int(following)
            product = shop.any(rng)
            for deed in session(rng, behaviour):
                at += deed.after_ms
                if deed.act == "view" and deed.after_ms:
                    product = shop.after(rng, product)
                properties = product.properties() | {"session_id": f"s{number}"}
                if deed.act == "purchase":
                    properties["total"] = product.price
                event = Event(
                    id=f"synthetic-{seed}-{count}",
                    name=_NAMES[deed.act],
                    at=Instant(at),
                    properties=properties,
                    # As in the real log, a customer comes 1.125 times on the average.
                    user_id=f"u{number * 8 // 9}",
                    source="synthetic",
                )
                heappush(pending, (at, count, event))
                count += 1
        when, line, event = heappop(pending)
        yield Imported(line + 2, event, Instant(when))

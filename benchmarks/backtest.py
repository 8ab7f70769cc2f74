"""Replay in virtual time: a real log through a workspace, all guardrails on, on one core.

Workloads: (a) the clickstream through the realistic program; (b) every order of a real shop
over a year (Online Retail) through the win-back example, where most of the work is not events
but time: for 26,578 orders and refunds 43,000 wake-ups, and 10,000 messages that are rendered,
delivered and reported. Reading the file is timed apart: (b) has 541,909 lines.
"""

import statistics

from benchmarks import machine
from benchmarks.machine import Figure
from segue import define, wiring
from segue.connectors.files import Source
from segue.connectors.rows import Imported

EVENTS = 20_000
RUNS = 3
RETAIL = machine.DATA / "online-retail" / "online_retail.csv.gz"
WIN_BACK = machine.HERE.parent / "examples" / "02_win_back"


def once(loaded: define.Loaded, events: tuple[Imported, ...]) -> float:
    """Events per CPU second."""
    with wiring.in_memory() as store:
        engine = wiring.engine(store, loaded)
        began = machine.cpu_s()
        machine.feed(engine, events)
        return len(events) / (machine.cpu_s() - began)


def main() -> None:
    told, events = machine.events(machine.sized(EVENTS))
    loaded = machine.program()
    rate, runs = machine.median_of(RUNS, lambda: once(loaded, events))
    figures = [
        Figure(
            what="replay of the clickstream, per core",
            value=rate,
            unit="events/s",
            budget=20_000,
            worse="below",
            runs=runs,
        )
    ]
    if RETAIL.is_file():
        began = machine.cpu_s()
        year = tuple(Source(RETAIL, None))
        reading = machine.cpu_s() - began
        year = year[: machine.sized(len(year))]
        loaded = machine.program(WIN_BACK)
        rates = [once(loaded, year) for _ in range(2)]
        figures += [
            Figure(
                what="replay of a year of orders with win-back, per core",
                value=statistics.median(rates),
                unit="events/s",
                budget=20_000,
                worse="below",
                runs=rates,
            ),
            Figure(what="  reading its 541,909 lines", value=reading, unit="s CPU"),
        ]
    machine.keep("backtest", told, figures)


if __name__ == "__main__":
    main()

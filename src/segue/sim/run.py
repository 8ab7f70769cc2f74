"""The swarm: many worlds on all cores, each played, audited and, where it fails, shrunk.

    python -m segue.sim.run --worlds 2000         a swarm from a seed that is printed
    python -m segue.sim.run --seed 17             one world, as a story
    python -m segue.sim.run --worlds 10000 --first 30000001 --processes 2
                                                  seeds that can be named afterwards; it
                                                  ends with its counts, also in the docs' words

Rule 1: a seed tells everything: the same seed gives the same world, tape and bytes (P6). Every
    world's bytes are compared with a second run now and then, in turn on each kind of store.
Rule 2: a violation is never swallowed; a world that raises is one.
"""

import argparse
import logging
import multiprocessing
import re
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from segue.hosts.clock import SystemClock
from segue.sim import story
from segue.sim.auditor import Violation, audit
from segue.sim.held import held
from segue.sim.merges import orders_differ
from segue.sim.script import Script
from segue.sim.seeds import script
from segue.sim.shrink import shrink
from segue.sim.world import KNOWN_ZONES, Played, Stuck, World, play
from segue.stores.memory import MemoryStore
from segue.stores.sqlite import SqliteStore

AGAIN_EVERY = 10
"""Each so many worlds are played a second time, on another store."""
SQLITE_EVERY = 50
MERGES_EVERY = 5
_BAR = 40
_HELP = """\
examples
  make sim                                  a thousand worlds from a new seed, on all cores
  make sim SEED=17                          one world, told as a story; a violation is shrunk
  make sim ARGS="--worlds 10000 --first 30000001 --processes 2"
                                            seeds that can be named afterwards; it ends with its
                                            counts, also in the words of the docs

exit status: 0 if no promise was broken, else 1
"""
_FAR = 4_102_444_800_000
"""The year 2100, after every simulated world."""


class Result(msgspec.Struct):
    """What came of one seed."""

    seed: int
    counts: Counter[str]
    violation: str = ""


class Summary(msgspec.Struct):
    """What came of a swarm."""

    counts: Counter[str]
    worlds: int = 0
    violations: list[Result] = []
    seconds: float = 0.0

    def add(self, one: Result) -> None:
        """Count one world in."""
        self.worlds += 1
        self.counts.update(one.counts)
        if one.violation:
            self.violations.append(one)


def check(one: Script) -> tuple[Played, str]:
    """Play and audit a script; the violation as text, empty where every promise held."""
    world = World(one)
    try:
        played = world.play()
        found = audit(played.tape, KNOWN_ZONES, played.counts)
    except Stuck as stuck:
        found = Violation("P8", stuck.at, "", str(stuck))
        return Played(world.tape, "", world.counts), str(found)
    except Exception:  # noqa: BLE001 - rule 2
        return Played(world.tape, "", world.counts), "raised\n" + traceback.format_exc(limit=-6)
    return played, str(found) if found else ""


def examine(seed: int) -> Result:
    """One seed: played, audited, and now and then played again elsewhere (P6, P7)."""
    one = script(seed)
    played, violation = check(one)
    if violation:
        return Result(seed, played.counts, violation)
    if seed % AGAIN_EVERY == 0:
        violation = _again(one, played)
    if not violation and seed % MERGES_EVERY == 0:
        violation = orders_differ(seed)
        played.counts["merges in every order"] += 1
    return Result(seed, played.counts, violation)


def _again(one: Script, played: Played) -> str:
    """The same seed gives the same bytes, on whatever store."""
    with tempfile.TemporaryDirectory() as folder:
        store = (
            SqliteStore(Path(folder) / "world.sqlite")
            if one.seed % SQLITE_EVERY == 0
            else MemoryStore()
        )
        try:
            second = play(one, store)
        finally:
            store.close()
    played.counts["worlds played on a second store"] += 1
    if second.digest != played.digest:
        name = type(store).__name__
        return str(Violation("P6", one.start, "", f"QuickStore and {name} hold different bytes"))
    return ""


def swarm(
    first: int,
    worlds: int,
    processes: int,
    tell: Callable[[Summary], None] = lambda _: None,
    stop_at: int = 20,
) -> Summary:
    """Examine seeds from `first` on; ends early after `stop_at` violations."""
    clock, summary = SystemClock(), Summary(Counter())
    began = clock.now()
    for one in _results(range(first, first + worlds), processes):
        summary.add(one)
        if one.violation:
            sys.stderr.write(f"\nseed {one.seed}: {one.violation}\n")
        summary.seconds = (clock.now() - began) / 1000
        tell(summary)
        if len(summary.violations) >= stop_at:
            break
    return summary


def _results(seeds: Sequence[int], processes: int) -> Iterator[Result]:
    if processes <= 1:
        yield from map(examine, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, initializer=_quiet) as pool:
        yield from pool.imap_unordered(examine, seeds, chunksize=4)


def _quiet() -> None:
    """Kept-aside inputs are logged by the host; here they are counted."""
    logging.disable(logging.CRITICAL)


# ── the command ─────────────────────────────────────────────────────────────────────


def _bar(summary: Summary, worlds: int) -> None:
    done = _BAR * summary.worlds // worlds
    rate = summary.worlds * 60 / max(summary.seconds, 0.001)
    sys.stderr.write(
        f"\r[{'#' * done}{'.' * (_BAR - done)}] {summary.worlds}/{worlds} worlds, "
        f"{rate:.0f} a minute, {len(summary.violations)} violations "
    )
    sys.stderr.flush()


def _report(summary: Summary, first: int) -> str:
    lines = [f"worlds {summary.worlds} (seeds from {first}), {summary.seconds:.0f} s"]
    lines += [f"  {count:>9,} {what}" for what, count in summary.counts.most_common()]
    last = first + summary.worlds - 1
    lines += [
        "",
        f"- **Worlds.** {summary.worlds:,}, seeds {first:,} to {last:,}.",
        held(summary.counts),
    ]
    lines += ["", f"violations {len(summary.violations)}"]
    return "\n".join(lines)


def _explain(seed: int) -> int:
    """One world as a story; a violation is shrunk to the least that shows it."""
    one = script(seed)
    played, violation = check(one)
    out = sys.stdout.write
    if not violation:
        out("\n".join(story.told(played.tape)) + "\n\n")
        for what, count in played.counts.most_common():
            out(f"  {count:>7,} {what}\n")
        out(f"seed {seed}: every promise held\n")
        return 0
    out(f"seed {seed}: {violation}\n\nshrinking …\n")
    sys.stdout.flush()
    small = shrink(one, lambda smaller: _fails_alike(smaller, violation), _instant(violation))
    again, still = check(small)
    out(f"{len(one.lines)} lines became {len(small.lines)}:\n\n")
    out("\n".join(story.told(again.tape)) + "\n\n")
    for number, plan in enumerate(small.plans):
        out(f"program {number}\n")
        out("".join(f"  {line}\n" for line in story.defined(plan)))
    out(f"\n{story.clock(_instant(still))} {still}\n")
    return 1


def _instant(violation: str) -> int:
    """When it happened; far ahead where it does not say."""
    found = re.match(r"P\d at (\d+)", violation)
    return int(found[1]) if found else _FAR


def _fails_alike(one: Script, violation: str) -> bool:
    """Whether a smaller script breaks the same promise, or raises the same."""
    found = check(one)[1]
    return bool(found) and _kind(found) == _kind(violation)


def _kind(violation: str) -> str:
    return violation.strip().splitlines()[-1] if violation.startswith("raised") else violation[:2]


def main(arguments: Sequence[str] | None = None) -> int:
    """The swarm, or one seed of it."""
    _quiet()
    parser = argparse.ArgumentParser(
        prog="make sim",
        description="Simulate and audit worlds.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, help="one world, as a story")
    parser.add_argument("--worlds", type=int, default=1_000)
    parser.add_argument("--first", type=int, help="the first seed of the swarm")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument(
        "--stop-at", type=int, default=20, help="violations after which to end; at 1 none is shrunk"
    )
    chosen = parser.parse_args(arguments)
    if chosen.seed is not None:
        return _explain(chosen.seed)
    first = chosen.first if chosen.first is not None else SystemClock().now() % 1_000_000_000
    summary = swarm(
        first,
        chosen.worlds,
        chosen.processes,
        lambda done: _bar(done, chosen.worlds),
        chosen.stop_at,
    )
    sys.stderr.write("\n")
    sys.stdout.write(_report(summary, first) + "\n")
    for one in summary.violations:
        sys.stdout.write(f"\nseed {one.seed}: {one.violation}\n")
    if summary.violations and chosen.stop_at > 1:
        _explain(summary.violations[0].seed)
    return 1 if summary.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())

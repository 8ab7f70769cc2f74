"""Plant each bug and let simulated worlds look for it: `make mutations`.

Rule 1: a bug is hunted first in the world that is known to show it (`caught.json`), then in others
    from a list of its own, drawn by its name: the same on every machine.
Rule 2: the run is over by itself. It says of each bug what became of it, prints the table of
    `docs/internals/simulation.md`, and fails if any was not caught.
"""

import argparse
import compileall
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
from planted import PLANTED, Mutation

HERE = Path(__file__).parent
SOURCE = HERE.parents[2] / "src" / "segue"
KNOWN = HERE / "caught.json"
"""By name of the bug: the seed of the world that shows it, and the promise that it breaks."""
TOGETHER = 25
"""Worlds that one process plays before the next looks whether there is time left."""

_HELP = """\
examples
  make mutations                                  all of them: known worlds first, then others
  make mutations ARGS="cap gap"                   those whose names hold a text
  make mutations ARGS="--known"                   the known worlds only: a minute or two
  make mutations ARGS="--worlds 2000 --record"    search long, and write down what is found

what it says
  seed 11 P2      the world of seed 11 shows it, by breaking promise P2 (make sim SEED=11 tells that world
                  as it is without the bug)
  seed 11 raises  that world ends with an exception
  LIVED           no world showed it: the worlds, or the auditor, are too poor

exit status: 0 if all were caught, else 1
"""


class Caught(NamedTuple):
    """Where a bug is caught, and what it breaks."""

    seed: int
    breaks: str


class Hunted(NamedTuple):
    """What became of a bug."""

    mutation: Mutation
    caught: Caught | None
    worlds: int
    seconds: float
    wrong: str = ""


def known() -> dict[str, Caught]:
    """What is written down."""
    found: dict[str, list[object]] = json.loads(KNOWN.read_text("utf-8"))
    return {name: Caught(int(str(seed)), str(breaks)) for name, (seed, breaks) in found.items()}


def record(caught: dict[str, Caught]) -> None:
    """Write it down, in the order of the list."""
    lines = [
        f"  {json.dumps(one.name)}: {json.dumps(caught[one.name])}"
        for one in PLANTED
        if one.name in caught
    ]
    KNOWN.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def table(caught: dict[str, Caught]) -> str:
    """As it stands in the docs."""
    rows = [
        f"| {one.name} | {caught[one.name].seed} | {caught[one.name].breaks} |"
        for one in PLANTED
        if one.name in caught
    ]
    return "\n".join(("| planted bug | caught by seed | breaks |", "| --- | ---: | --- |", *rows))


def others(name: str, count: int) -> Iterator[int]:
    """The seeds of a bug's further worlds."""
    for number in range(count):
        drawn = hashlib.blake2b(f"{name}/{number}".encode(), digest_size=4).digest()
        yield int.from_bytes(drawn, "big") % 1_000_000


class Hunters:
    """Processes over a compiled copy of the source, so that each starts at once."""

    def __init__(self, folder: Path, seconds: float) -> None:
        ignored = shutil.ignore_patterns("*.pyc", "__pycache__")
        shutil.copytree(SOURCE, folder / "segue", ignore=ignored)
        compileall.compile_dir(folder / "segue", quiet=2)
        self._seconds = seconds
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def hunt(self, mutation: Mutation, seeds: Sequence[int]) -> Hunted:
        """In the worlds of these seeds, in turn."""
        began, played = time.monotonic(), 0
        step = TOGETHER
        for place in (0, *range(1, len(seeds), step)):
            some = seeds[:1] if place == 0 else seeds[place : place + step]
            left = self._seconds - (time.monotonic() - began)
            if left <= 0:
                break
            try:
                found = self._play(mutation, some, left)
            except subprocess.TimeoutExpired:
                break
            played += int(str(found.get("worlds", 0)))
            spent = time.monotonic() - began
            if "wrong" in found:
                return Hunted(mutation, None, played, spent, str(found["wrong"]))
            if "seed" in found:
                caught = Caught(int(str(found["seed"])), str(found["breaks"]))
                return Hunted(mutation, caught, played, spent)
        return Hunted(mutation, None, played, time.monotonic() - began)

    def _play(self, mutation: Mutation, seeds: Sequence[int], left: float) -> dict[str, object]:
        done = subprocess.run(
            [sys.executable, str(HERE / "hunt.py"), mutation.name, *map(str, seeds)],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=left,
        )
        if done.returncode != 0:
            return {"wrong": done.stderr.strip()[-500:]}
        found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Hunt them all, or those whose name holds a text."""
    chosen = _parsed(arguments)
    wanted = [m for m in PLANTED if not chosen.names or any(n in m.name for n in chosen.names)]
    if not wanted:
        print(f"no planted bug's name holds {' or '.join(map(repr, chosen.names))}")
        return 1
    before = known()
    if chosen.table:
        print(table(before))
        return 0
    hunted: list[Hunted] = []
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(chosen.processes) as pool:
        hunters = Hunters(Path(name), chosen.seconds)
        hunts = [pool.submit(hunters.hunt, one, _seeds(one, before, chosen)) for one in wanted]
        for done in as_completed(hunts):
            hunted.append(done.result())
            _tell(hunted, len(wanted))
    caught = {one.mutation.name: one.caught for one in hunted if one.caught is not None}
    if chosen.record:
        record(before | caught)
    if not chosen.names:
        print(table(caught))
    lived = [one.mutation.name for one in hunted if one.caught is None]
    print(f"{len(caught)} of {len(wanted)} planted bugs caught")
    if lived:
        print("not caught: " + "; ".join(sorted(lived)))
    return 1 if lived else 0


def _seeds(mutation: Mutation, before: dict[str, Caught], chosen: argparse.Namespace) -> list[int]:
    first = [before[mutation.name].seed] if mutation.name in before and not chosen.afresh else []
    if chosen.known:
        return first
    if chosen.first is not None:
        return [*first, *range(chosen.first, chosen.first + chosen.worlds)]
    return [*first, *others(mutation.name, chosen.worlds)]


def _tell(hunted: list[Hunted], wanted: int) -> None:
    one = hunted[-1]
    how = f"seed {one.caught.seed} {one.caught.breaks}" if one.caught else one.wrong or "LIVED"
    told = f"{one.worlds} world{'' if one.worlds == 1 else 's'}, {one.seconds:.1f} s"
    place = f"[{len(hunted):>{len(str(wanted))}}/{wanted}]"
    sys.stderr.write(f"{place} {how:<18} {one.mutation.name} ({told})\n")
    sys.stderr.flush()


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make mutations",
        description="Plant each known bug in the source; simulated worlds have to find it.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="parts of the names of bugs; all without")
    parser.add_argument("--worlds", type=int, default=400, help="how many beside the known one")
    parser.add_argument("--first", type=int, help="seeds from here on, in place of a list by name")
    parser.add_argument("--seconds", type=float, default=600.0, help="for one bug at most")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="at once")
    parser.add_argument("--known", action="store_true", help="no other worlds than the known ones")
    parser.add_argument("--afresh", action="store_true", help="as if no world were known")
    parser.add_argument("--table", action="store_true", help="print what is known, and end")
    parser.add_argument(
        "--record", action="store_true", help=f"write what was found to {KNOWN.name}"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())

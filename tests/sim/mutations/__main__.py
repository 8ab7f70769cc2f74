"""Plant each bug in a copy of the source and let the swarm look for it: `make mutations`.

Prints a line per bug: the seed that found it and the promise it broke, or that it lived. The seeds
begin at one for each, so the seed says how many worlds it took.
"""

import argparse
import compileall
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from planted import PLANTED, SELDOM, Mutation

SOURCE = Path(__file__).parents[3] / "src"


def prepare(folder: Path) -> None:
    """A compiled copy of the source, of which each bug gets its own: it starts at once."""
    shutil.copytree(SOURCE / "segue", folder / "segue", ignore=shutil.ignore_patterns("*.pyc"))
    compileall.compile_dir(folder / "segue", quiet=2)


def plant(mutation: Mutation, base: Path, folder: Path) -> str:
    """A copy of the source with the bug in it; what is wrong with the patch, if anything."""
    shutil.copytree(base / "segue", folder / "segue")
    file = folder / "segue" / mutation.file
    text = file.read_text("utf-8")
    if text.count(mutation.old) != 1:
        return f"its text stands {text.count(mutation.old)} times in {mutation.file}"
    file.write_text(text.replace(mutation.old, mutation.new), "utf-8")
    return ""


def hunt(mutation: Mutation, base: Path, worlds: int, first: int) -> tuple[Mutation, str, str]:
    """(bug, how it was caught or nothing, what went wrong with the hunt or nothing)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if wrong := plant(mutation, base, folder):
            return mutation, "", wrong
        command = [sys.executable, "-m", "segue.sim.run", "--worlds", str(worlds)]
        command += ["--first", str(first), "--processes", "1", "--stop-at", "1"]
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    if found := re.search(r"^seed (\d+): (\w+)", done.stdout, re.MULTILINE):
        return mutation, f"seed {found[1]} {found[2]}", ""
    wrong = "" if "violations 0" in done.stdout else done.stderr[-300:]
    return mutation, "", wrong


def main() -> int:
    """Hunt them all, or those whose name holds a text."""
    parser = argparse.ArgumentParser(prog="mutations")
    parser.add_argument("--worlds", type=int, default=600)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seldom", action="store_true", help="those seldom met, too")
    parser.add_argument("names", nargs="*")
    chosen = parser.parse_args()
    planted = (*PLANTED, *SELDOM) if chosen.seldom or chosen.names else PLANTED
    wanted = [m for m in planted if not chosen.names or any(n in m.name for n in chosen.names)]
    caught = 0
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(chosen.processes) as pool:
        base = Path(name)
        prepare(base)
        hunts = [pool.submit(hunt, one, base, chosen.worlds, chosen.first) for one in wanted]
        for done in as_completed(hunts):
            mutation, how, wrong = done.result()
            caught += bool(how)
            print(f"{how or wrong or 'LIVED':<24} {mutation.name}", flush=True)
    print(f"{caught} of {len(wanted)} planted bugs caught")
    return int(caught < len(wanted))


if __name__ == "__main__":
    raise SystemExit(main())

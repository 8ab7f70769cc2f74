"""Run all benchmarks, or those that are named: `python -m benchmarks [--scale 0.1] [NAME ...]`.

Results at full scale are kept in `results/`; at a smaller one they are only shown.
"""

import argparse
import os
import subprocess
import sys
import time

ALL = (
    "step",
    "ingest",
    "backtest",
    "size",
    "http",
    "live",
    "policies",
    "worlds",
    "growth",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*ALL, []], metavar="NAME", help=str(ALL))
    parser.add_argument("--scale", type=float, default=1.0, help="how much of the usual volume")
    given = parser.parse_args()
    failed = 0
    for name in given.names or ALL:
        began = time.perf_counter()
        # A process each: none inherits another's memory, caches or thresholds.
        ended = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}"],
            env={**os.environ, "SEGUE_BENCH_SCALE": str(given.scale)},
            check=False,
        )
        failed += ended.returncode != 0
        print(f"  {name} took {time.perf_counter() - began:.0f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""`segue`, noting of each question how long it was in the server.

    python -m benchmarks.noted run shop

Notes are pairs of milliseconds, by the clock and of the CPU that the process spent meanwhile, on
whomever; they are written when it ends, to the file that `SEGUE_BENCH_NOTES` names. It imports
nothing but what it stands in for, so that a start takes as long as without it.
"""

import atexit
import json
import os
import time
from pathlib import Path
from typing import Any

from segue.server import decide

answer = decide.decide
notes: list[tuple[float, float]] = []


async def noted(request: Any) -> Any:
    """A question's answer."""
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        return await answer(request)
    finally:
        took = time.perf_counter() - wall, time.process_time() - cpu
        notes.append((took[0] * 1000, took[1] * 1000))


if __name__ == "__main__":
    decide.decide = noted  # before the routes are made of it
    atexit.register(lambda: Path(os.environ["SEGUE_BENCH_NOTES"]).write_text(json.dumps(notes)))
    from segue.cli import main

    main()

"""Every kind of fault is reported with its code, at its very place, as an author will read it.

Each folder of `tests/golden/define` is a workspace; `expected.txt` is what is printed for it.
"""

import os
from pathlib import Path

import pytest

from segue import define

GOLDEN = Path(__file__).parents[2] / "golden" / "define"
CASES = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())


@pytest.mark.parametrize("case", CASES)
def test_what_is_printed_is_what_was_agreed(case: str) -> None:
    loaded = define.load(GOLDEN / case, zones=("UTC", "Europe/Berlin"))
    said = define.render(loaded.diagnostics, loaded.sources)
    expected = GOLDEN / case / "expected.txt"
    if os.environ.get("SEGUE_GOLDEN") == "write":
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")
    assert (loaded.plan is None) is bool(loaded.errors)

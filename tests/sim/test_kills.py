"""Goal: kill -9 of the real process under load over HTTP breaks neither P1 nor P3 nor P4.

A few kills; `make kills` does two hundred.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import kills


@pytest.mark.timeout(400)
def test_no_kill_of_the_real_process_loses_repeats_or_sends_stale(tmp_path: Path) -> None:
    assert "P1, P3 and P4 held" in kills.run(5, 20, tmp_path)

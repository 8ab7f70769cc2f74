"""The small shop of the backtests' tests, as a program."""

from collections.abc import Callable
from pathlib import Path

import pytest

from segue.sim.backtest import Candidate
from tests.unit.sim import shops


@pytest.fixture
def shop(tmp_path: Path) -> Callable[..., Candidate]:
    """Makes the shop: `cap` emails a day, and one change in its text."""

    def made(cap: int = 1, change: tuple[str, str] = ("", "")) -> Candidate:
        folder = tmp_path / f"shop-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        return shops.program(folder, cap, change)

    return made

"""The stores that must keep the contract, each opened afresh for every test."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segue.hosts.quick import QuickStore
from segue.stores.memory import MemoryStore
from segue.stores.ports import (
    Store,
)
from segue.stores.sqlite import SqliteStore

# Test folders are no packages; the samples stand beside the tests that use them.
sys.path.insert(0, str(Path(__file__).parent))

BACKENDS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda folder: MemoryStore(),
    "quick": lambda folder: QuickStore(),
    "sqlite": lambda folder: SqliteStore(folder / "store.sqlite"),
}


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = BACKENDS[request.param](tmp_path)
    yield opened
    opened.close()

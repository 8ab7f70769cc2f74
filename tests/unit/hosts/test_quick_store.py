"""The store for virtual time passes the contract that every store passes."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from segue.hosts.quick import QuickStore
from segue.stores.ports import Store

CONTRACT = Path(__file__).parents[2] / "contract" / "test_store.py"

_spec = importlib.util.spec_from_file_location("contract_of_stores", CONTRACT)
assert _spec is not None
assert _spec.loader is not None
_contract = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_contract)

THREADS = "threads"
"""Tests whose name holds this word ask for more than one thread; this store has one."""

for _name, _test in vars(_contract).items():
    if _name.startswith("test_") and THREADS not in _name:
        globals()[_name] = _test


@pytest.fixture
def store() -> Iterator[Store]:
    opened = QuickStore()
    yield opened
    opened.close()

"""Goal: imports point down only, and the kernel can't touch the world.

The layers themselves are declared in pyproject.toml; this file runs them with the tests, and
keeps the whitelist that a layers contract can't say.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from source import ROOT, SOURCE, imported, modules, relative

KERNEL_MAY_IMPORT = {
    "segue.kernel",
    "msgspec",
    "bisect",
    "collections",
    "collections.abc",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "math",
    "operator",
    "re2",  # linear-time regular expressions: a pure function of pattern and text
    "typing",
}

BELONGS_ELSEWHERE = {
    # floor: what it may never import, and where that belongs
    "define": {
        "sqlite3": "stores",
        "httpx": "channels/courier",
        "starlette": "server",
        "click": "cli",
    },
    "stores": {"httpx": "channels/courier", "starlette": "server", "click": "cli"},
    "hosts": {
        "sqlite3": "stores",
        "asyncio": "server and channels/courier: the loop is synchronous",
        "httpx": "channels/courier",
        "starlette": "server",
        "click": "cli",
    },
    "connectors": {"sqlite3": "stores", "asyncio": "server", "httpx": "channels/courier"},
    "server": {"sqlite3": "stores", "click": "cli", "rich": "cli"},
}


def _within(name: str, allowed: set[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in allowed)


def test_imports_point_down_only() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-logo"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_kernel_imports_nothing_that_could_touch_the_world() -> None:
    wrong = [
        f"{relative(path)}:{line} imports {name}"
        for path in modules()
        if path.is_relative_to(SOURCE / "kernel")
        for line, name in imported(path)
        if not _within(name, KERNEL_MAY_IMPORT)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("floor", BELONGS_ELSEWHERE)
def test_a_floor_leaves_the_work_of_other_floors_to_them(floor: str) -> None:
    banned = BELONGS_ELSEWHERE[floor]
    wrong = [
        f"{relative(path)}:{line} imports {name}: that belongs to {banned[name.split('.')[0]]}"
        for path in modules()
        if path.is_relative_to(SOURCE / floor)
        for line, name in imported(path)
        if name.split(".")[0] in banned
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_wiring_knows_concrete_stores() -> None:
    concrete = ("segue.stores.memory", "segue.stores.sqlite")
    allowed = ("src/segue/stores/", "src/segue/wiring.py", "src/segue/sim/", "src/segue/testing")
    wrong = [
        f"{relative(path)}:{line} imports {name}: take a Store as an argument"
        for path in modules()
        for line, name in imported(path)
        if name.startswith(concrete) and not relative(path).startswith(allowed)
    ]
    assert not wrong, "\n".join(wrong)

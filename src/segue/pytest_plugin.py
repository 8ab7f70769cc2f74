"""The pytest plugin: the fixture `segue`, and failures that say why.

    pytest --segue-workspace examples/01_cart_recovery

Rule 1: a test asks for `segue` and gets the workspace afresh, with its clock at the start.
Rule 2: tests written in YAML are not collected here; `segue test` runs those.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from segue.testing import Segue

_FLAG = "--segue-workspace"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where the workspace is."""
    group = parser.getgroup("segue", "journeys under test")
    group.addoption(
        _FLAG,
        metavar="FOLDER",
        default=None,
        help="the workspace that the fixture `segue` drives (ini: segue_workspace)",
    )
    parser.addini("segue_workspace", "the workspace that the fixture `segue` drives", default="")


@pytest.fixture
def segue_workspace(pytestconfig: pytest.Config) -> Path:
    """The workspace's folder; override it where a module tests another one."""
    named = pytestconfig.getoption("segue_workspace") or pytestconfig.getini("segue_workspace")
    if not named:
        raise pytest.UsageError(f"which workspace? Give {_FLAG} FOLDER, or set segue_workspace")
    return pytestconfig.rootpath / str(named)


@pytest.fixture
def segue(segue_workspace: Path) -> "Iterator[Segue]":
    """The workspace in virtual time, afresh for each test."""
    from segue.testing import Segue

    with Segue(_loaded(segue_workspace)) as world:
        yield world


_read: dict[Path, Any] = {}


def _loaded(folder: Path) -> Any:
    """A workspace is read and checked once for all tests."""
    if folder not in _read:
        from segue import wiring

        _read[folder] = wiring.read_workspace(folder)
    return _read[folder]


@pytest.hookimpl
def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """What was expected, what is so, and what was decided for the customer."""
    seen = next((each for each in (left, right) if _tells(each)), None)
    if seen is None or op not in ("==", "!="):
        return None
    lines = [f"{left!r} {op} {right!r}", ""]
    return [*lines, *_why(seen)]


def _tells(value: object) -> bool:
    """Whether a value says why it is as it is."""
    return type(value).__module__ == "segue.testing.seen" and hasattr(value, "why")


def _why(seen: Any) -> Iterable[str]:
    told: str = seen.why()
    return told.splitlines()

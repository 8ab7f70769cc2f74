"""One planted bug, hunted in a process of its own: the source with the bug in it, and worlds.

    python hunt.py 'a cap admits one more' 11 1 2 3     these seeds in turn, until one shows it

Prints a line of JSON: the seed that shows it and what it breaks, or that none did.

Rule: nothing is written. The bug stands in the one module as it is imported, the rest of the
    source is as it is.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import json
import logging
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).parent))
from planted import PLANTED, Mutation


class Unplantable(Exception):
    """The text of a planted bug does not stand in the source exactly once."""


class Planter(importlib.abc.MetaPathFinder):
    """Imports one module with a bug in it."""

    def __init__(self, mutation: Mutation) -> None:
        self._mutation = mutation
        self.module = "segue." + mutation.file.removesuffix(".py").replace("/", ".")

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """The module's own place, with another loader."""
        if fullname != self.module:
            return None
        found = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        assert found is not None and found.origin is not None
        loader = _Loader(fullname, found.origin, self._mutation)
        return importlib.util.spec_from_file_location(fullname, found.origin, loader=loader)


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, mutation: Mutation) -> None:
        super().__init__(name, path)
        self._mutation = mutation

    def get_code(self, fullname: str) -> object:  # type: ignore[override]
        """Compiled afresh: what is cached has no bug."""
        path = Path(self.get_filename(fullname))
        return compile(plant(path.read_text("utf-8"), self._mutation), str(path), "exec")


def plant(text: str, mutation: Mutation) -> str:
    """The source with the bug in it. Raises `Unplantable`."""
    count = text.count(mutation.old)
    if count != 1:
        raise Unplantable(f"its text stands {count} times in {mutation.file}")
    return text.replace(mutation.old, mutation.new)


def hunt(seeds: Iterable[int]) -> dict[str, object]:
    """Play worlds until one of them shows that something is wrong."""
    from segue.sim.run import examine

    played = 0
    for seed in seeds:
        violation = examine(seed).violation
        played += 1
        if violation:
            raised = violation.startswith("raised")
            breaks = "raises" if raised else violation.split()[0]
            return {"seed": seed, "breaks": breaks, "worlds": played, "what": violation[:500]}
    return {"worlds": played}


def main(arguments: Sequence[str]) -> int:
    """Hunt one."""
    logging.disable(logging.CRITICAL)
    name, *seeds = arguments
    mutation = next(one for one in PLANTED if one.name == name)
    planter = Planter(mutation)
    sys.meta_path.insert(0, planter)
    try:
        found = hunt(map(int, seeds))
    except Unplantable as wrong:
        found = {"wrong": str(wrong)}
    if "wrong" not in found and planter.module not in sys.modules:
        found = {"wrong": f"{planter.module} is not imported by a world"}
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

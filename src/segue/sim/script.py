"""A world as it is written before anything runs: what is said, what goes wrong, and when.

Rule: a script is data. One with a line less is a script too, so a failing world can be shrunk
line by line.
"""

from dataclasses import dataclass
from typing import Literal as OneOf, TypeAlias

from segue.hosts.publishing import Mode
from segue.kernel.plan import Plan
from segue.kernel.values import Record
from segue.sim.tape import Given


@dataclass(frozen=True)
class Say:
    """A client sends a batch."""

    at: int
    given: tuple[Given, ...]
    good: bool = True
    tries: int = 0
    """How often it was sent before and not answered."""


@dataclass(frozen=True)
class Fault:
    """Something goes wrong at this instant; `lasts_ms` where it lasts."""

    at: int
    kind: OneOf["before", "after", "error", "stale", "handing", "full"]
    lasts_ms: int = 0


@dataclass(frozen=True)
class Publish:
    """The next program comes into force; `modes` says what becomes of runs, by journey."""

    at: int
    version: int
    modes: tuple[tuple[str, Mode], ...] = ()


@dataclass(frozen=True)
class Fill:
    """Codes come into a coupon pool."""

    at: int
    pool: str
    codes: tuple[str, ...]


@dataclass(frozen=True)
class Put:
    """Products become what these records say, or are taken away."""

    at: int
    items: tuple[tuple[str, Record | None], ...]


@dataclass(frozen=True)
class Look:
    """Memberships are looked at."""

    at: int


Line: TypeAlias = Say | Fault | Publish | Look | Fill | Put


@dataclass(frozen=True)
class Script:
    """A whole world, before it runs."""

    seed: int
    plans: tuple[Plan, ...]
    lines: tuple[Line, ...]
    start: int
    end: int
    mood: int
    lag_ms: int = 0
    """How far the dispatcher runs behind, so that messages wait in the queue."""
    slow_ms: int = 0
    """How long providers take at most, of those sends that they take any time for."""

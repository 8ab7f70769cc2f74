"""Coupon pools of the stores that live in memory.

Rule 1: a code is free, or handed to one source (a send or a showing), and nobody else's then.
Rule 2: handing a code to the source that has it already changes nothing; giving back what the
    source does not have changes nothing either.
Rule 3: free codes stand in the order in which they were added; what comes back takes its old
    place, so equal stores hand out the same code next.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence

import msgspec

from segue.kernel.effects import CouponMove
from segue.kernel.values import Instant
from segue.stores.ports import CouponPool


class _Code(msgspec.Struct):
    """One code: its place in the order of import, when it came, and who has it."""

    number: int
    added_at: Instant
    source: str = ""


class _Pool:
    """The codes of one pool, and which of them are free."""

    def __init__(self) -> None:
        self.codes: dict[str, _Code] = {}
        self.free: list[tuple[int, str]] = []

    def hand(self, code: str, source: str) -> None:
        one = self.codes[code]
        if not one.source:
            del self.free[bisect_left(self.free, (one.number, code))]
        one.source = source

    def take_back(self, code: str) -> None:
        one = self.codes[code]
        one.source = ""
        insort(self.free, (one.number, code))


class Coupons:
    """Every pool."""

    def __init__(self) -> None:
        self._pools: dict[str, _Pool] = {}
        self._numbers = 0

    def add(self, pool: str, codes: Sequence[str], at: Instant) -> int:
        """Add codes; returns how many are new."""
        before = self._numbers
        for code in codes:
            known = self._pools.setdefault(pool, _Pool())
            if code not in known.codes:
                self._numbers += 1
                known.codes[code] = _Code(self._numbers, at)
                known.free.append((self._numbers, code))
        return self._numbers - before

    def free(self, pool: str, limit: int) -> list[str]:
        """The first codes that nobody has."""
        known = self._pools.get(pool)
        return [code for _, code in known.free[:limit]] if known else []

    def counted(self) -> list[CouponPool]:
        """How many of each pool are left."""
        return [
            CouponPool(name, len(pool.free), len(pool.codes) - len(pool.free))
            for name, pool in sorted(self._pools.items())
        ]

    def refuses(self, moves: Sequence[CouponMove]) -> bool:
        """Whether these moves hand out what is not free."""
        changed: dict[tuple[str, str], str | None] = {}
        for move in moves:
            key = (move.pool, move.code)
            held = changed[key] if key in changed else self._source(move)
            if move.change == "handed":
                if held not in ("", move.source):
                    return True
                changed[key] = move.source
            elif held == move.source:
                changed[key] = ""
        return False

    def _source(self, move: CouponMove) -> str | None:
        """Who has a code; empty where nobody has, None where there is no such code."""
        pool = self._pools.get(move.pool)
        one = pool.codes.get(move.code) if pool else None
        return one.source if one else None

    def apply(self, moves: Sequence[CouponMove]) -> None:
        """Hand out and take back what `refuses` has let through."""
        for move in moves:
            if move.change == "handed":
                self._pools[move.pool].hand(move.code, move.source)
            elif self._source(move) == move.source:
                self._pools[move.pool].take_back(move.code)

    def rows(self) -> Iterator[tuple[int, str, str, Instant, str]]:
        """Number, pool, code, when it came and who has it, in order of import."""
        found = [
            (one.number, name, code, one.added_at, one.source)
            for name, pool in self._pools.items()
            for code, one in pool.codes.items()
        ]
        yield from sorted(found)

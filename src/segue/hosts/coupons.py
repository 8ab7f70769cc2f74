"""Coupon codes for one batch: what the kernel may hand out, and what it has handed out.

Rule 1: a code offered to one step is offered to no later one of the batch once it was taken.
Rule 2: nothing is decided here. The commit refuses a code that somebody else took meanwhile,
    and the batch is answered afresh with what is free then.
"""

from collections.abc import Mapping, Sequence

from segue.hosts.limits import COUPONS_PER_STEP_MAX, COUPONS_READ_MAX
from segue.kernel.effects import CouponMove
from segue.stores.ports import Store


class Coupons:
    """The free codes of the pools that a program hands out of, read as they are needed."""

    def __init__(self, store: Store, pools: Sequence[str]) -> None:
        self._store = store
        self._pools = pools
        self._free: dict[str, list[str]] = {}
        self._taken: dict[str, set[str]] = {}
        self._dry: set[str] = set()

    def offered(self) -> Mapping[str, Sequence[str]]:
        """Free codes by pool, the next one first."""
        return {pool: self._next(pool) for pool in self._pools}

    def _next(self, pool: str) -> Sequence[str]:
        free = self._free.setdefault(pool, [])
        if len(free) < COUPONS_PER_STEP_MAX and pool not in self._dry:
            taken = self._taken.setdefault(pool, set())
            wanted = len(taken) + COUPONS_READ_MAX
            found = self._store.free_coupons(pool, wanted)
            free = self._free[pool] = [code for code in found if code not in taken]
            if len(found) < wanted:
                self._dry.add(pool)
        return free[:COUPONS_PER_STEP_MAX]

    def took(self, moves: Sequence[CouponMove]) -> None:
        """What a step handed out is offered no more."""
        for move in moves:
            if move.change == "handed":
                self._taken[move.pool].add(move.code)
                self._free[move.pool].remove(move.code)

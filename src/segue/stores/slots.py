"""Which slot a key lives in: the distribution column of every table.

Rule: the hash is fixed for ever. Rows carry its answer, so another one would strand them.
"""

from functools import lru_cache
from hashlib import blake2b

from segue.kernel.values import ProfileId
from segue.stores.limits import REMEMBERED_MAX
from segue.stores.ports import Identifier

SLOTS = 4_096
"""Enough to spread over any number of machines that a database cluster reaches; a power of
two, so that the hash's bits are used evenly."""


@lru_cache(REMEMBERED_MAX)
def slot_of(profile: ProfileId) -> int:
    """The slot of a profile and of everything that belongs to it."""
    return _slot(profile.encode())


def of_identifier(identifier: Identifier) -> int:
    """The slot of a link: by the identifier itself, since the profile is what it looks for."""
    return _slot(f"{identifier.kind}\x00{identifier.value}".encode())


def of_coupon(pool: str, code: str) -> int:
    """The slot of a coupon code: its own, since nobody has it yet."""
    return _slot(f"{pool}\x00{code}".encode())


def _slot(key: bytes) -> int:
    digest = blake2b(key, digest_size=2, person=b"segue.slot").digest()
    return int.from_bytes(digest, "big") % SLOTS

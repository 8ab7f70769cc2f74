"""When a delivery that failed is tried again: a pure rule of the row and the instant.

Waits double from `RETRY_FIRST_MS` to `RETRY_LONGEST_MS`; each is shortened by up to a
quarter by a hash of the row and the attempt, so that what failed together does not come
back together, and yet a replay gives the same instants. A provider that names a time is
obeyed up to the longest wait. Sixteen tries are about three hours. Alternatives considered:
a fixed wait (a provider that is down is hit by everything at once), random jitter (a bug
report would not reproduce).
"""

import hashlib

from segue.hosts.limits import ATTEMPTS_MAX, RETRY_FIRST_MS, RETRY_LONGEST_MS
from segue.kernel.values import Instant


def next_try(now: Instant, row_id: str, attempts: int, after_ms: int = 0) -> Instant | None:
    """When to try again after `attempts` failures; None when it is time to give up."""
    if attempts >= ATTEMPTS_MAX:
        return None
    wait = min(RETRY_FIRST_MS << max(attempts - 1, 0), RETRY_LONGEST_MS)
    digest = hashlib.blake2b(
        f"{row_id}\0{attempts}".encode("utf-8", "surrogatepass"), key=b"segue/retry", digest_size=4
    ).digest()
    wait -= wait * int.from_bytes(digest, "big") // (4 << 32)
    return Instant(now + max(wait, min(after_ms, RETRY_LONGEST_MS)))

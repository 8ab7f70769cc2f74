"""Chance without randomness: a keyed hash of what is drawn, for whom, and which time.

Rule 1: a draw depends on (stream, profile key, decision) alone, so it is sticky, and the
    same on every machine. Different streams are independent.
Rule 2: draws are compared as integers; no float decides who is in and who is out.
Rule 3: the three parts are length-prefixed, so no two triples share an encoding.
"""

from collections.abc import Sequence
from hashlib import blake2b

from segue.kernel.values import Millis

PPM = 1_000_000
"""Shares are given in parts per million."""

_KEY = b"segue.chance.1"
_BITS = 64


def draw(stream: str, profile_key: str, decision: str = "") -> int:
    """A number from 0 to 2**64 - 1, each as likely as any other."""
    first = stream.encode("utf-8", "surrogatepass")
    second = profile_key.encode("utf-8", "surrogatepass")
    third = decision.encode("utf-8", "surrogatepass")
    whole = b"%d:%d:%b%b%b" % (len(first), len(second), first, second, third)
    return int.from_bytes(blake2b(whole, digest_size=8, key=_KEY).digest(), "big")


def share(stream: str, profile_key: str, decision: str, ppm: int) -> bool:
    """Whether the draw falls into the first `ppm` parts of a million."""
    return draw(stream, profile_key, decision) * PPM < ppm << _BITS


def pick(stream: str, profile_key: str, decision: str, weights: Sequence[int]) -> int:
    """The index drawn, each as likely as its weight says; all weights 0 gives the first."""
    point = draw(stream, profile_key, decision) * sum(weights) >> _BITS
    for index, weight in enumerate(weights):
        if point < weight:
            return index
        point -= weight
    return 0


def spread(stream: str, profile_key: str, decision: str, span_ms: int) -> Millis:
    """A length of time from 0 up to, not including, `span_ms`; 0 where there is no span."""
    return Millis(draw(stream, profile_key, decision) * max(span_ms, 0) >> _BITS)

"""The roles that a host needs from the world: a clock, channels, zones.

Rule: everything up to and including the loop is synchronous. A `Courier` is called from a
dispatcher thread and may block; it never raises for what a provider did.
"""

from typing import Literal as OneOf, Protocol

import msgspec

from segue.kernel.effects import Effect
from segue.kernel.values import Instant, ProfileId


class Clock(Protocol):
    """Tells the time, and can wait for it."""

    def now(self) -> Instant:
        """This instant."""
        ...


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One claimed effect on its way to a channel. `id` is the idempotency key."""

    id: str
    profile: ProfileId
    effect: Effect
    attempt: int
    at: Instant


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the channel answered.

    accepted    the provider took it; `provider_id` is its name for it
    try_later   it did not, but may: tried again by the retry rule; `after_ms` if it said when
    refused     it never will on this channel: the next channel is tried
    unreachable the address is dead for good: as refused, and it is not used again
    unrenderable  a template error: the message is stopped, nothing else
    unknown     it may have been taken (a time-out after the body was sent): never sent again
    """

    result: OneOf["accepted", "try_later", "refused", "unreachable", "unrenderable", "unknown"]
    detail: str = ""
    provider_id: str = ""
    after_ms: int = 0
    untaken: bool = False
    """Of `try_later`: this try can't have been taken, nor any before it."""
    down: bool = False
    """Its provider has been in trouble for so long that another channel is better."""


class Courier(Protocol):
    """Carries deliveries to their channels."""

    def deliver(self, deliveries: list[Delivery]) -> list[Outcome]:
        """Carry out a batch; the outcomes stand in the order of the deliveries."""
        ...

    def resends_safely(self, effect: Effect) -> bool:
        """Whether the provider recognises a repeated idempotency key."""
        ...

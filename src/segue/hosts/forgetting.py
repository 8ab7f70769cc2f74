"""Interests in catalog items that nothing can ask for any more, forgotten by and by.

Rule 1: what may still be told stays: an interest as long as the longest `within` of the events
    that listen to it, and a slack beyond it for changes that another process put; nothing is
    forgotten while there is a change that not everyone was told of.
Rule 2: a customer keeps so many, the newest: what a robot looked at is bounded too.
Rule 3: a page at a time, and seldom: no arrival waits for it long.
"""

from segue.hosts.limits import (
    INTERESTS_LOOK_MS,
    INTERESTS_MAX,
    INTERESTS_PROFILES_MAX,
    INTERESTS_REST_MS,
    INTERESTS_SLACK_MS,
)
from segue.kernel.catalog import heard
from segue.kernel.program import Program
from segue.kernel.values import NEVER, Instant, Millis, ProfileId, later
from segue.stores.ports import Hearing, Store


class Forgetter:
    """Goes through everyone's interests, again and again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._after = ProfileId("")
        self.at = Instant(0)
        """When it looks next."""

    def look(self, program: Program, now: Instant) -> None:
        """Look at the next page, if it is time."""
        if now < self.at:
            return
        after = self._store.forget_interests(
            hearings(program, now), INTERESTS_MAX, self._after, INTERESTS_PROFILES_MAX
        )
        self._after = after or ProfileId("")
        self.at = later(now, Millis(INTERESTS_LOOK_MS if after else INTERESTS_REST_MS))


def hearings(program: Program, now: Instant) -> list[Hearing]:
    """Which interests a change that comes from now on may be told for."""
    return [
        Hearing(catalog, name, Instant(now - within - INTERESTS_SLACK_MS if within else -NEVER))
        for (catalog, name), within in heard(program).items()
    ]

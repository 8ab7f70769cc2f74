"""Which effects wait in the outbox, and what a profile knows of their claims.

A row's `told` says what its profile may rely on:

UNCLAIMED  nobody took it, as far as the profile can be concerned: it may withdraw
UNTOLD     it was claimed and the profile does not know: `load` says so, and a commit that
           withdraws it is stale
TOLD       the profile knows of a claim; also rows of which no ledger keeps a line

Claiming moves UNCLAIMED to UNTOLD; going back to the queue moves UNTOLD to UNCLAIMED; a
commit that lists the row in `known_claims` moves it to TOLD, where it stays.
"""

from typing import assert_never

import msgspec

from segue.errors import Unstorable
from segue.kernel.effects import (
    AssignTask,
    CallWebhook,
    ChangeAudience,
    Effect,
    Emit,
    Send,
    Show,
    Withdraw,
)
from segue.kernel.values import Instant
from segue.stores.ports import Saved

UNCLAIMED = 0
UNTOLD = 1
TOLD = 2


class Place(msgspec.Struct, frozen=True):
    """Where an effect stands in the outbox when it is new."""

    id: str
    channel: str
    due_at: Instant
    told: int


def place(effect: Effect, at: Instant) -> Place | None:
    """The row that an effect decided at `at` becomes; None if it becomes none."""
    match effect:
        case Send():
            return Place(effect.id, effect.channel, max(at, effect.pace_at), UNCLAIMED)
        case ChangeAudience():
            return Place(effect.id, "ads", at, TOLD)
        case CallWebhook():
            return Place(effect.id, "webhook", at, TOLD)
        case AssignTask():
            return Place(effect.id, "task", at, TOLD)
        case Show() | Emit() | Withdraw():
            return None
        case _:
            assert_never(effect)


def once(saved: Saved, profiles: set[str], events: set[str]) -> None:
    """Assert that a batch names each profile once and each event id once, and can be keyed.

    Hosts fold a batch by profile; one that does not is a bug, and saving it would count an
    event twice or lose one of two states.
    """
    for profile in (saved.profile.id, *saved.absorbed):
        if profile in profiles:
            raise AssertionError(f"profile {profile!r} stands in the batch twice")
        profiles.add(profile)
        _text(profile, profile)
    for event, _ in saved.events:
        if not event.emitted:
            if event.id in events:
                raise AssertionError(f"event {event.id!r} stands in the batch twice")
            events.add(event.id)
    for identifier in saved.links:
        _text(identifier.kind, saved.profile.id)
        _text(identifier.value, saved.profile.id)


def _text(text: str, profile: str) -> None:
    """Refuse half a surrogate pair in a key: no database can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Unstorable(ascii(profile), str(error)) from None

"""Which effects wait in the outbox, and what a profile knows of their claims.

A row's `told` says how what its profile believes of it stands to what is so:

UNCLAIMED   both say that it may still be withdrawn
UNTOLD      it was claimed and the profile does not know: `load` says so, and a commit that
            withdraws it is stale
TOLD        it was claimed and the profile knows
UNLEDGERED  nobody keeps a line of it, so nobody needs to be told

The three functions below are all that ever changes it.
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
UNLEDGERED = 3


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
            return Place(effect.id, "ads", at, UNLEDGERED)
        case CallWebhook():
            return Place(effect.id, "webhook", at, UNLEDGERED)
        case AssignTask():
            return Place(effect.id, "task", at, UNLEDGERED)
        case Show() | Emit() | Withdraw():
            return None
        case _:
            assert_never(effect)


def address_of(effect: Effect) -> str:
    """To whom an effect goes, by the channel's own address; empty where it has none."""
    return effect.address if isinstance(effect, Send) else ""


def on_claim(told: int) -> int:
    """The row was claimed; the next load says so."""
    return max(told, UNTOLD)


def on_known(told: int) -> int:
    """The profile was told of the claim. A row that is back in the queue is not concerned:
    what else the profile was told in that commit ("deferred") is newer.
    """
    return TOLD if told == UNTOLD else told


def on_return(told: int) -> int:
    """The row went back to the queue, and the commit that says so tells the profile."""
    return told if told == UNLEDGERED else UNCLAIMED


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

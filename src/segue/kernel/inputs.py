"""What may happen to a profile. The union is closed; `step` answers each kind.

Rule 1: names are past tense, for each is a fact by the time it is here.
Rule 2: `now`, the instant of arrival, is an argument of `step` and never part of an input;
    `Event.at` is when it happened, corrected for the sender's clock, never later than `now`.
Rule 3: an input that no longer applies changes nothing and is no error: hosts deliver at
    least once, and the world is late.
"""

from typing import Literal as OneOf, TypeAlias

import msgspec

from segue.kernel.profile import Profile
from segue.kernel.values import Instant, Record


class Event(msgspec.Struct, frozen=True, kw_only=True, tag="event", omit_defaults=True):
    """Something a customer did, in the words of the Segment spec.

    Names: a `track` keeps its own; a `page` is "Page Viewed", a `screen` "Screen Viewed",
    an `identify` "Profile Identified", a `group` "Group Joined", an `alias` "Profile Aliased".
    `live` is false for what a server or a file reports: it counts in history, yet does not
    start or lengthen a session. `emitted` marks what Segue itself made happen.
    """

    id: str
    name: str
    at: Instant
    kind: OneOf["track", "page", "screen", "identify", "group", "alias"] = "track"
    properties: Record = {}
    traits: Record = {}
    context: Record = {}
    anonymous_id: str = ""
    user_id: str = ""
    source: str = ""
    live: bool = True
    emitted: bool = False


class Woke(msgspec.Struct, frozen=True, tag="woke"):
    """The profile's wake-up instant has come."""


class Asked(msgspec.Struct, frozen=True, kw_only=True, tag="asked"):
    """A page, an app or a server asks what belongs in its placements."""

    id: str
    placements: tuple[str, ...]
    context: Record = {}


class Reported(msgspec.Struct, frozen=True, kw_only=True, tag="reported"):
    """What became of one send, from the dispatcher, the provider or the page.

    claimed   it left the queue: from now on it can't be withdrawn
    deferred  the provider would not take it now: it is back in the queue, and can be withdrawn
    accepted  the provider took it
    delivered it reached the customer
    failed    it was never delivered, and won't be; `reason` says why. Caps are given back,
              the next channel is tried if `permanent`
    bounced, complained, unsubscribed   end consent for the channel (bounced: reachability)
    unknown   it may or may not have been delivered; it counts, and is never sent again
    shown, clicked, dismissed, opened   what the customer did with it
    """

    send_id: str
    outcome: OneOf[
        "claimed",
        "deferred",
        "accepted",
        "delivered",
        "failed",
        "bounced",
        "complained",
        "unsubscribed",
        "unknown",
        "shown",
        "clicked",
        "dismissed",
        "opened",
    ]
    reason: str = ""
    permanent: bool = True
    address: str = ""
    """The address that bounced, where it is told: the customer may have another by now."""


class Consented(msgspec.Struct, frozen=True, kw_only=True, tag="consented"):
    """The customer allowed or forbade a topic on a channel; `*` stands for all of them."""

    channel: str
    topic: str
    state: OneOf["granted", "denied", "pending"]
    at: Instant
    source: str = ""


class Called(msgspec.Struct, frozen=True, kw_only=True, tag="called"):
    """Entry into a journey by API."""

    id: str
    journey: str
    properties: Record = {}


class Merged(msgspec.Struct, frozen=True, tag="merged"):
    """Another profile turned out to be the same customer; it is absorbed whole."""

    other: Profile


class Adopted(msgspec.Struct, frozen=True, tag="adopted"):
    """A new program is in force: `history` is the profile's events, oldest first.

    Given once per profile and program, so that aggregates that the profile does not keep
    yet can be computed. Events in it are not answered again. `runs` says for each journey
    what becomes of the runs of older programs: they finish on the old one (`drain`, also
    where nothing is said), go on in the new one at the step of the same id (`migrate`), or end.
    """

    history: tuple[tuple[Event, Instant], ...]
    runs: dict[str, OneOf["drain", "migrate", "exit"]] = {}


Input: TypeAlias = Event | Woke | Asked | Reported | Consented | Called | Merged | Adopted

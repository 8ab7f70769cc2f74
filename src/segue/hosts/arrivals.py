"""What comes to a host, and what it answers.

Rule 1: an `Arrival` is accepted or not at one instant: when its commit returned.
Rule 2: an answer of `accepted` or `duplicate` is durable; any other has changed no profile.
"""

from typing import Literal as OneOf, TypeAlias

import msgspec

from segue.kernel.effects import Show
from segue.kernel.inputs import Asked, Called, Consented, Event, Reported
from segue.kernel.values import Instant, ProfileId

Submitted: TypeAlias = Event | Asked | Reported | Consented | Called

NOBODY = ProfileId("")


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One input on its way in, and whose it is.

    An event says itself whose it is. Everything else names the customer by `profile` (which
    wins; an absorbed profile's id finds its heir), `user_id` or `anonymous_id`. A question,
    a consent or a call by an unknown identifier makes a profile; a report never does.
    An `Asked` or `Called` with an empty id gets a derived one.
    """

    input: Submitted
    profile: ProfileId = NOBODY
    user_id: str = ""
    anonymous_id: str = ""
    source: str = ""
    """Where it came from, for people: `api`, `shopify`, `dispatcher` ..."""
    body: bytes = b""
    """What is kept if the input has to be set aside; the input itself if empty."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an arrival.

    accepted     saved, and it counts
    duplicate    an event with this id had been accepted before; nothing changed
    set_aside    it could not be answered and is kept with the reason; nothing else changed
    unknown      it names a profile that does not exist; nothing changed
    unavailable  the store could not save: nothing was accepted, send it again (HTTP 503)
    """

    status: OneOf["accepted", "duplicate", "set_aside", "unknown", "unavailable"]
    at: Instant
    profile: ProfileId = NOBODY
    shows: tuple[Show, ...] = ()
    """What goes into the placements that an `Asked` asked about."""
    question: str = ""
    """The id of the `Asked` or `Called`, given or derived."""
    reason: str = ""

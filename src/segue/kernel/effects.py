"""What the world must now do. Names are imperative; the union is closed.

Rule 1: every effect has an identity derived from profile, run, step and occurrence (or from
    the input), never drawn; hosts and providers use it as the idempotency key.
Rule 2: an effect carries all that is needed to carry it out: no second look at the profile.
"""

from typing import Literal as OneOf, TypeAlias

import msgspec

from segue.kernel.inputs import Event
from segue.kernel.values import Instant, Record


class Send(msgspec.Struct, frozen=True, kw_only=True, tag="send"):
    """Deliver a message to an address; queued, to leave by claim only.

    `data` is what its templates see: traits, properties, entry, vars, profile, session,
    message, incentive. `not_after` is the message's expiry: what has not been claimed by
    then is reported failed, "expired". `pace_at` delays the claim (holds that end for many).
    """

    id: str
    message: str
    channel: str
    address: str
    program: str
    data: Record
    not_after: Instant
    pace_at: Instant = Instant(0)
    purpose: OneOf["marketing", "transactional"] = "marketing"
    journey: str = ""
    run: str = ""
    fallback: bool = False
    """Another channel of its step could be used if this one's provider stays away."""


class Show(msgspec.Struct, frozen=True, kw_only=True, tag="show"):
    """Put a message into a placement: in the answer to `question`, and on the open page."""

    id: str
    message: str
    placement: str
    channel: str
    program: str
    data: Record
    not_after: Instant
    question: str = ""
    journey: str = ""
    run: str = ""
    again: bool = False
    """The same show as before (a reload): count it no second time."""


class Withdraw(msgspec.Struct, frozen=True, kw_only=True, tag="withdraw"):
    """Cancel a send that is still queued, or take a show off the open page."""

    id: str
    reason: str


class Emit(msgspec.Struct, frozen=True, kw_only=True, tag="emit"):
    """An event that Segue made happen; `step` has already answered it, the log keeps it."""

    event: Event


class ChangeAudience(msgspec.Struct, frozen=True, kw_only=True, tag="audience"):
    """Add the profile to an ad audience, or remove it."""

    id: str
    audience: str
    change: OneOf["add", "remove"]
    data: Record
    simulated: bool = False
    """The customer is simulated (also below): it must reach nobody."""


class CallWebhook(msgspec.Struct, frozen=True, kw_only=True, tag="call"):
    """Call out."""

    id: str
    webhook: str
    body: Record
    simulated: bool = False


class AssignTask(msgspec.Struct, frozen=True, kw_only=True, tag="assign"):
    """Hand a person at the company a task."""

    id: str
    title: str
    to: str
    details: Record
    simulated: bool = False


class CouponMove(msgspec.Struct, frozen=True, array_like=True):
    """A code of a coupon pool handed out, or given back, by a send or showing (`source`).

    Not an effect: the commit itself settles it, and stands or falls with it.
    """

    pool: str
    code: str
    change: OneOf["handed", "returned"]
    source: str


Effect: TypeAlias = Send | Show | Withdraw | Emit | ChangeAudience | CallWebhook | AssignTask

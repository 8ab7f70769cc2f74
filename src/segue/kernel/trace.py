"""Why: what was considered in one input, and each check that let it through or stopped it.

Rule 1: everything that changes what a customer gets leaves a note here, *nothing* included.
Rule 2: reasons are codes from the tables below, so that they can be counted, documented and
    translated; what is particular to the case stands in `detail`.
"""

from typing import Literal as OneOf, TypeAlias

import msgspec

from segue.kernel.values import NEVER, Instant, Value

CHECKS = (
    "wanted",
    "holdout",
    "eligible",
    "reachable",
    "suppressed",
    "excluded",
    "quiet_hours",
    "caps",
    "priority",
)
"""The arbiter's checks, in their order (design: section 6)."""

REASONS: dict[str, str] = {
    # wanted
    "run_over": "the run that wanted it is over",
    "expired": "the message's time to be sent was over",
    "journey_paused": "the journey is paused",
    # holdout
    "holdout": "the profile is in a holdout, drawn once and kept",
    # eligible
    "message_not_eligible": "the message's own condition does not hold now",
    "journey_not_eligible": "the journey's own condition does not hold now",
    "no_coupon": "no code is left for it in its coupon pool",
    # reachable
    "no_address": "no address is known for the channel",
    "no_consent": "the customer does not allow this topic on this channel",
    "consent_pending": "the customer has not confirmed yet (double opt-in)",
    "bounced": "the address has bounced for good",
    "provider_refused": "the provider refused it on this channel",
    "provider_away": "the channel's provider stayed away, and another channel was left",
    "no_channel": "none of the step's channels is left",
    # suppressed
    "suppressed": "a suppression rule holds",
    "on_site_active": "an intervention on the site is open",
    "bought": "what it promotes has been bought",
    # excluded
    "competing_incentive": "a competing incentive is alive",
    "better_deal": "another journey just offered a lesser deal",
    "excluded_journey": "a journey that excludes this one is under way",
    # quiet hours
    "quiet_hours": "it is quiet time in the profile's zone",
    # caps
    "cap": "a cap is reached",
    "gap": "the last one was too short a while ago",
    # priority
    "checkout": "the customer is in checkout, and it is not checkout-critical",
    "outranked": "another proposal for the same place is more relevant",
    # passes that are said aloud
    "transactional": "transactional: passes caps and quiet hours, never consent",
    "shown_already": "it is on the page already",
    # ends of runs, offers and sends
    "completed": "the journey's last step was done",
    "exit": "an exit condition came to hold",
    "goal": "the goal was reached",
    "denied": "the step exits when its message is denied",
    "endless": "too many steps in one input",
    "dismissed": "the customer dismissed it",
    "clicked": "the customer clicked it",
    "event": "an event that ends it arrived",
    "stronger_path": "the run moved to a stronger path",
    "offers_max": "too many standing offers",
    "published": "a new program ended it",
    "merged": "the customer turned out to be in this run already",
    "session_over": "the session in which it was open is over",
    # refusals
    "reentry": "the journey's re-entry rule forbids it",
    "runs_max": "too many live runs",
    "template": "its template could not be rendered",
    "too_late": "it had left the queue already",
    "step_gone": "the step does not exist in the program",
}
"""Every reason code, with the sentence a person reads."""


class Check(msgspec.Struct, frozen=True, array_like=True):
    """One check of one proposal: `pass`, or what it did, with its reason and particulars."""

    check: str
    verdict: OneOf["pass", "hold", "deny"]
    reason: str = ""
    detail: str = ""
    until: Instant = NEVER


class Considered(msgspec.Struct, frozen=True, kw_only=True, tag="considered", omit_defaults=True):
    """A proposal came before the arbiter: all its checks up to the one that decided."""

    proposal: str
    message: str
    journey: str = ""
    run: str = ""
    outcome: OneOf["admitted", "held", "denied"]
    channel: str = ""
    placement: str = ""
    reason: str = ""
    until: Instant = NEVER
    checks: tuple[Check, ...] = ()
    send: str = ""


class SegmentChanged(msgspec.Struct, frozen=True, kw_only=True, tag="segment"):
    """A membership began or ended."""

    segment: str
    change: OneOf["entered", "left"]


class RunChanged(msgspec.Struct, frozen=True, kw_only=True, tag="run", omit_defaults=True):
    """A run entered, moved to a step where it stands, or ended; or an entry was refused."""

    run: str
    journey: str
    change: OneOf["entered", "moved", "ended", "refused", "goal"]
    step: str = ""
    reason: str = ""
    detail: str = ""


class Drawn(msgspec.Struct, frozen=True, kw_only=True, tag="drawn"):
    """A variant was drawn or chosen: each eligible option with its probability, in ppm."""

    stream: str
    choice: str
    options: dict[str, int]
    run: str = ""


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended", omit_defaults=True):
    """A held proposal, a queued send or a standing offer was taken back."""

    id: str
    message: str
    reason: str
    detail: str = ""


class Settled(msgspec.Struct, frozen=True, kw_only=True, tag="settled", omit_defaults=True):
    """What became of a send: a report changed its line in the ledger."""

    send: str
    message: str
    channel: str
    state: str
    reason: str = ""


IncentiveChange: TypeAlias = OneOf["offered", "redeemed", "expired", "withdrawn"]
"""What may become of an incentive; withdrawn is one whose message was never delivered."""


class IncentiveChanged(
    msgspec.Struct, frozen=True, kw_only=True, tag="incentive", omit_defaults=True
):
    """An incentive was offered, redeemed or withdrawn, or its time was over.

    `source` is the send or showing that carried it, `by` the event that redeemed it.
    """

    incentive: str
    group: str
    change: IncentiveChange
    source: str
    journey: str = ""
    code: str = ""
    by: str = ""
    until: Instant = NEVER


class Scored(msgspec.Struct, frozen=True, kw_only=True, tag="scored"):
    """A model's probability moved into another tenth; `reasons` are the tables' points."""

    model: str
    probability: float
    reasons: dict[str, float]


class Remarked(msgspec.Struct, frozen=True, kw_only=True, tag="remarked", omit_defaults=True):
    """Anything else worth a line: a limit reached, a trait refused, a merge."""

    what: str
    detail: dict[str, Value] = {}


Note: TypeAlias = (
    Considered
    | SegmentChanged
    | RunChanged
    | Drawn
    | Ended
    | Settled
    | IncentiveChanged
    | Scored
    | Remarked
)

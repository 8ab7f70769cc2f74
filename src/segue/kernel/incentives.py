"""What was promised to a customer: offered, redeemed, expired, or withdrawn.

Rule 1: an incentive is alive from its admission to its redemption or expiry; it dies with a
    line that gives back, for what was never delivered was never promised.
Rule 2: each change leaves a note, and happens as an event where the program listens for it:
    "Incentive Offered", "Incentive Redeemed", "Incentive Expired".
Rule 3: an expiry happens at its own instant, with no event and no poll: it wakes the profile.
"""

from segue.kernel.inputs import Event
from segue.kernel.profile import Grant
from segue.kernel.trace import IncentiveChange, IncentiveChanged
from segue.kernel.turn import Turn
from segue.kernel.values import NEVER, Instant, Record

OFFERED = "Incentive Offered"
REDEEMED = "Incentive Redeemed"
EXPIRED = "Incentive Expired"

EVENTS = (OFFERED, REDEEMED, EXPIRED)
"""What Segue tells of incentives, to whom listens."""


def alive(grant: Grant, now: Instant) -> bool:
    """Whether an incentive can still be redeemed."""
    return grant.redeemed_at == NEVER and grant.expires_at > now


def due_at(grant: Grant) -> Instant:
    """When its expiry is to be told; `NEVER` once it is redeemed or told."""
    return grant.expires_at if grant.redeemed_at == grant.told_at == NEVER else NEVER


def promise(turn: Turn, grant: Grant) -> None:
    """An incentive is promised; the same source promises once."""
    if any(one.source == grant.source for one in turn.profile.grants):
        return
    turn.profile.grants.append(grant)
    turn.dirty |= turn.program.grants_bit
    _note(turn, grant, "offered")
    _tell(turn, OFFERED, grant, turn.now, {"expires_at": grant.expires_at})


def revoke(turn: Turn, source: str) -> None:
    """The incentive of a line that was never delivered dies with it."""
    grants = turn.profile.grants
    gone = [one for one in grants if one.source == source and one.redeemed_at == NEVER]
    if not gone:
        return
    turn.profile.grants = [one for one in grants if one not in gone]
    turn.dirty |= turn.program.grants_bit
    for grant in gone:
        if grant.told_at == NEVER:  # what expired before is not told again
            _note(turn, grant, "withdrawn")


def redeem(turn: Turn, event: Event) -> None:
    """Mark what this event redeems: a coupon code it names, else what its name redeems."""
    if not turn.profile.grants:
        return
    code = event.properties.get("coupon")
    redeemed_by = turn.program.redeemed_by
    for grant in [one for one in turn.profile.grants if alive(one, turn.now)]:
        by_code = bool(grant.code) and grant.code == code
        if by_code or (not grant.code and event.name in redeemed_by.get(grant.name, ())):
            grant.redeemed_at = turn.now
            turn.dirty |= turn.program.grants_bit
            _note(turn, grant, "redeemed", event.name)
            _tell(turn, REDEEMED, grant, turn.now, {"by": event.name})


def expire(turn: Turn) -> None:
    """Tell of what can't be redeemed any more, the earliest first."""
    over = [one for one in turn.profile.grants if due_at(one) <= turn.now]
    for grant in sorted(over, key=lambda one: (one.expires_at, one.source)):
        grant.told_at = turn.now
        turn.dirty |= turn.program.grants_bit
        _note(turn, grant, "expired")
        _tell(turn, EXPIRED, grant, grant.expires_at, {})


def _note(turn: Turn, grant: Grant, change: IncentiveChange, by: str = "") -> None:
    turn.notes.append(
        IncentiveChanged(
            incentive=grant.name,
            group=grant.group,
            change=change,
            source=grant.source,
            journey=grant.journey,
            code=grant.code,
            by=by,
            until=grant.expires_at if change == "offered" else NEVER,
        )
    )


def _tell(turn: Turn, name: str, grant: Grant, at: Instant, more: Record) -> None:
    """Make it an event, if anything in the program listens. Its id is the source's, and once."""
    if name not in turn.program.listened:
        return
    said: Record = {
        "incentive": grant.name,
        "group": grant.group,
        "worth": grant.worth,
        "code": grant.code,
        "journey": grant.journey,
        **more,
    }
    turn.emit(f"{turn.profile.id}/{name}/{grant.source}", name, said, at)

"""What was promised to a customer: offered, redeemed, expired, or withdrawn.

Rule 1: an incentive is alive from its admission to its redemption or expiry; it dies with a
    line that gives back, for what was never delivered was never promised.
Rule 2: each change leaves a note, and happens as an event where the program listens for it:
    "Incentive Offered", "Incentive Redeemed", "Incentive Expired".
Rule 3: an expiry happens at its own instant, with no event and no poll: it wakes the profile.
Rule 4: a code of a coupon pool is taken from those that the host offers (`Turn.coupons`) when
    the incentive is promised, and given back if it is withdrawn; the commit settles both, so
    the kernel stays pure and a code is handed out once. A message or standing offer takes one
    code in its life, however often it is shown.
"""

from hashlib import blake2b

from segue.kernel.effects import CouponMove
from segue.kernel.inputs import Event
from segue.kernel.plan import Incentive
from segue.kernel.profile import Grant, Profile
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


def carries(proposal_id: str, source: str) -> bool:
    """Whether a ledger line or incentive with this id came from this proposal or offer."""
    return source == proposal_id or source.startswith((f"{proposal_id}~", f"{proposal_id}@"))


def carried(profile: Profile, proposal_id: str) -> Grant | None:
    """The incentive that a proposal or standing offer has promised already, the newest."""
    mine = (one for one in reversed(profile.grants) if carries(proposal_id, one.source))
    return next(mine, None)


def has_code(turn: Turn, incentive: Incentive, proposal_id: str) -> bool:
    """Whether a message can name a code: its own while that is alive, else a free one."""
    if not incentive.coupons or turn.coupons is None:
        return True
    mine = carried(turn.profile, proposal_id)
    if mine is not None and mine.pool:
        return alive(mine, turn.now)
    return _free(turn, incentive.coupons) is not None


def _free(turn: Turn, pool: str) -> str | None:
    """The next code that nobody has, of those offered."""
    offered = (turn.coupons or {}).get(pool, ())
    taken = sum(move.pool == pool and move.change == "handed" for move in turn.moves)
    return offered[taken] if taken < len(offered) else None


def _take(turn: Turn, pool: str, source: str) -> str:
    """Take a code for good; made up where the host keeps no pools (a replay, a trial)."""
    if turn.coupons is None:
        return f"{pool}-{blake2b(source.encode(), digest_size=4).hexdigest()}".upper()
    code = _free(turn, pool)
    assert code is not None, "the arbiter admits no message without a code"
    turn.moves.append(CouponMove(pool, code, "handed", source))
    return code


def promise(turn: Turn, grant: Grant, proposal_id: str) -> None:
    """An incentive is promised; the same source promises once, the same offer one code."""
    if any(one.source == grant.source for one in turn.profile.grants):
        return
    if grant.pool:
        if carried(turn.profile, proposal_id) is not None:
            return
        grant.code = _take(turn, grant.pool, grant.source)
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
        if grant.pool and turn.coupons is not None:
            turn.moves.append(CouponMove(grant.pool, grant.code, "returned", grant.source))
        if grant.told_at == NEVER:  # what expired before is not told again
            _note(turn, grant, "withdrawn")


def redeem(turn: Turn, event: Event) -> None:
    """Mark what this event redeems: by its name, and with a code only if it names that too.

    A checkout names the coupon long before the order does; a conversion redeems it, and
    whatever else the incentive says it is redeemed by.
    """
    code = event.properties.get("coupon")
    converts = event.name in turn.program.conversions
    redeemed_by = turn.program.redeemed_by
    for grant in [one for one in turn.profile.grants if alive(one, turn.now)]:
        named = event.name in redeemed_by.get(grant.name, ())
        if (grant.code == code and (converts or named)) if grant.code else named:
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


def describe(turn: Turn, incentive: Incentive | None, proposal_id: str) -> Record | None:
    """What a template sees of the incentive: as it was promised, with its code and its end."""
    held = carried(turn.profile, proposal_id) if incentive is not None else None
    if incentive is None or held is None:
        return None
    return {
        "name": incentive.name,
        "code": held.code,
        "worth": incentive.worth,
        "ends_at": held.expires_at,
    }


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

"""What was sent, shown and offered to the profile, and what became of it.

Rule 1: a line is written when the arbiter admits, and never removed while a cap may count it.
Rule 2: a line leaves `queued` by exactly one of: claimed (it is out of our hands), cancelled
    (withdrawn before any claim), failed (never delivered). Only the last two give back.
Rule 3: a report that no longer applies changes nothing.
"""

from segue.kernel import incentives, limits
from segue.kernel.effects import Withdraw
from segue.kernel.inputs import Event, Reported
from segue.kernel.profile import Offer, Profile, Sent
from segue.kernel.trace import Ended, Remarked, Settled
from segue.kernel.turn import Turn
from segue.kernel.values import NEVER, Instant, Record, Value

OPEN = ("queued", "claimed")
"""States of a line whose delivery is not settled."""

alive = incentives.alive
"""Whether an incentive can still be redeemed; their whole life is in `incentives.py`."""


def write(turn: Turn, line: Sent) -> None:
    """Add a line; at the limit the oldest settled one is forgotten."""
    ledger = turn.profile.ledger
    ledger.append(line)
    turn.dirty |= turn.program.ledger_bit
    if len(ledger) > limits.LEDGER_MAX:
        oldest = next((i for i, old in enumerate(ledger) if old.state not in OPEN), 0)
        del ledger[oldest]
        turn.notes.append(Remarked(what="ledger_max"))


def find(profile: Profile, send_id: str) -> Sent | None:
    """The newest line with this id."""
    for line in reversed(profile.ledger):
        if line.id == send_id:
            return line
    return None


def prune(profile: Profile, keep_ms: int, now: Instant) -> None:
    """Forget settled lines and dead incentives that no rule looks back to any more."""
    before = now - keep_ms
    if profile.ledger and profile.ledger[0].at <= before:
        profile.ledger = [one for one in profile.ledger if one.at > before or one.state in OPEN]
    if profile.grants and any(not alive(one, now) for one in profile.grants):
        profile.grants = [
            one for one in profile.grants if alive(one, now) or one.offered_at > before
        ][-limits.GRANTS_MAX :]


def withdraw(turn: Turn, run: str, steps: frozenset[str] | None, reason: str, detail: str) -> None:
    """Take back all that a run has held, standing or queued (in these steps, if given)."""
    profile = turn.profile

    def concerned(step: str) -> bool:
        return steps is None or step in steps

    for proposal in [p for p in profile.proposals if p.run == run and concerned(p.step)]:
        profile.proposals.remove(proposal)
        turn.notes.append(
            Ended(id=proposal.id, message=proposal.message, reason=reason, detail=detail)
        )
    for offer in [o for o in profile.offers if o.run == run and concerned(o.step)]:
        end_offer(turn, offer, reason, detail)
    for line in profile.ledger:
        if line.run == run and line.state in OPEN and concerned(line.step):
            cancel(turn, line, reason, detail)


def cancel(turn: Turn, line: Sent, reason: str, detail: str = "") -> None:
    """Withdraw an open send. The store refuses the commit if a claim came in between.

    What a provider has in its hands may still arrive; if it is put off, it does not go again.
    """
    if line.state == "claimed":
        line.recalled = line.recalled or reason
        return
    line.state = "cancelled"
    turn.dirty |= turn.program.ledger_bit
    incentives.revoke(turn, line.id)
    turn.effects.append(Withdraw(id=line.id, reason=reason))
    turn.notes.append(Ended(id=line.id, message=line.message, reason=reason, detail=detail))


def end_offer(turn: Turn, offer: Offer, reason: str, detail: str = "") -> None:
    """A standing offer is over. Its incentive lives on if it was seen: it was promised."""
    turn.profile.offers.remove(offer)
    turn.dirty |= turn.program.ledger_bit
    if offer.shown_at != NEVER:
        turn.effects.append(Withdraw(id=offer.shown_as, reason=reason))
    turn.notes.append(Ended(id=offer.id, message=offer.message, reason=reason, detail=detail))


def show_id(profile: Profile, offer: Offer) -> str:
    """The ledger's id for an offer shown in a session: each session is a new exposure."""
    return f"{offer.id}@{profile.session.number if profile.session else 0}"


def close(turn: Turn, offer: Offer) -> None:
    """The offer is no longer open on a page, yet stands."""
    offer.shown_at = NEVER
    turn.dirty |= turn.program.ledger_bit


def active(profile: Profile) -> Offer | None:
    """The on-site intervention that is open now, if one is."""
    return next((offer for offer in profile.offers if offer.shown_at != NEVER), None)


# ── reports ─────────────────────────────────────────────────────────────────────────

RANK = {
    "queued": 0,
    "claimed": 1,
    "unknown": 2,
    "accepted": 3,
    "failed": 4,
    "delivered": 5,
    "cancelled": 6,
    "shown": 6,
}
"""A report may only move a line to a higher rank: reports come late and out of order."""


def report(turn: Turn, said: Reported) -> Sent | None:
    """Write what became of a send into its line; returns the line if it just failed for good."""
    line = find(turn.profile, said.send_id)
    if line is None:
        return None
    turn.dirty |= turn.program.ledger_bit
    match said.outcome:
        case "claimed" | "accepted" | "delivered" | "unknown":
            _settle(turn, line, said.outcome, said.reason)
        case "deferred" if line.state == "claimed":
            line.state = "queued"
            if line.recalled:
                cancel(turn, line, line.recalled)
        case "failed" if line.state in ("queued", "claimed", "accepted", "unknown"):
            _settle(turn, line, "failed", said.reason)
            incentives.revoke(turn, line.id)
            return line
        case "bounced":
            today = _text(turn.profile.traits.get(ADDRESS.get(line.channel, "")))
            turn.profile.unreachable[line.channel] = said.address or today
            return report(turn, Reported(send_id=said.send_id, outcome="failed", reason="bounced"))
        case "clicked" | "dismissed" | "opened" | "shown":
            _seen(turn, line, said.outcome)
        case _:
            pass
    return None


def _settle(turn: Turn, line: Sent, state: str, reason: str) -> None:
    if RANK[state] <= RANK[line.state]:
        return
    line.state = state  # type: ignore[assignment]
    if state != "claimed":
        turn.notes.append(
            Settled(
                send=line.id, message=line.message, channel=line.channel, state=state, reason=reason
            )
        )


def _seen(turn: Turn, line: Sent, outcome: str) -> None:
    """The customer saw, clicked or dismissed it; an offer that ends on that is over."""
    if outcome == "clicked" and line.clicked_at == NEVER:
        line.clicked_at = turn.now
    elif outcome == "dismissed" and line.dismissed_at == NEVER:
        line.dismissed_at = turn.now
    offer = next((one for one in turn.profile.offers if one.shown_as == line.id), None)
    if offer is None:
        return
    if outcome in offer.ends_on:
        end_offer(turn, offer, outcome)
    elif outcome == "dismissed":
        close(turn, offer)


# ── what is known of products ───────────────────────────────────────────────────────

ADDRESS = {
    "email": "email",
    "sms": "phone",
    "whatsapp": "phone",
    "push": "push_token",
    "ads": "email",
}
"""The trait that holds a channel's address; channels that are not here need none."""


def products(properties: Record) -> list[str]:
    """The product ids that an event of the ecommerce spec names."""
    found: dict[str, None] = {}
    listed = properties.get("products")
    for one in listed if isinstance(listed, list | tuple) else ():
        if isinstance(one, dict):
            product = one.get("product_id") or one.get("sku")
            found[product if type(product) is str else _text(product)] = None
    found[_text(properties.get("product_id"))] = None
    found.pop("", None)
    return list(found)


def _text(value: Value) -> str:
    """A product id or address as text; ids are numbers in some shops."""
    if isinstance(value, bool) or value is None:
        return ""
    return str(value) if isinstance(value, str | int) else ""


def buy(turn: Turn, event: Event) -> list[str]:
    """Remember what a conversion bought, and when; returns the product ids."""
    bought = turn.profile.bought
    ids = products(event.properties)
    for product in ids:
        bought.pop(product, None)
        bought[product] = turn.now
    while len(bought) > limits.BOUGHT_MAX:
        del bought[next(iter(bought))]
    return ids

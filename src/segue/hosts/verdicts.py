"""What a delivery's outcome means for its row and its profile: a pure rule.

Rule 1: what is tried again goes back to the queue, and the profile is told (`deferred`), so
    that a conversion can still withdraw it (P3).
Rule 2: *unknown* is final: what may have been taken is never sent again (P4).
Rule 3: a failure at the provider moves on to the next channel; a template error and an
    expired message do not, for they would fail there too.
"""

from typing import Literal as OneOf, assert_never

import msgspec

from segue.hosts.arrivals import Arrival
from segue.hosts.limits import FALLBACK_AFTER_MS
from segue.hosts.ports import Outcome
from segue.hosts.retry import next_try
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
from segue.kernel.inputs import Reported
from segue.kernel.values import NEVER, Instant
from segue.stores.ports import QueuedSend, Settlement


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of the row, and what its profile is told (only sends have a ledger)."""

    settlement: Settlement
    report: Reported | None

    def arrival(self) -> Arrival:
        """The report on its way to the profile; only where there is one."""
        assert self.report is not None
        return Arrival(input=self.report, profile=self.settlement.profile, source="dispatcher")


def channel_of(effect: Effect) -> str:
    """The channel that carries an effect; empty for what is carried out by the commit."""
    match effect:
        case Send() | Show():
            return effect.channel
        case ChangeAudience():
            return "ads"
        case CallWebhook():
            return "webhook"
        case AssignTask():
            return "task"
        case Emit() | Withdraw():
            return ""
        case _:
            assert_never(effect)


def not_after(effect: Effect) -> Instant:
    """Until when an effect may be claimed for delivery."""
    return effect.not_after if isinstance(effect, Send) else NEVER


def expired(row: QueuedSend, now: Instant) -> Verdict:
    """The message's own time was over before anyone took it."""
    return _ended(row, now, "dead", "failed", "expired", "expired before it was sent", False)


def lost(row: QueuedSend, now: Instant, detail: str) -> Verdict:
    """Nobody can say whether it was delivered."""
    return _ended(row, now, "unknown", "unknown", "unknown", detail, False)


def judge(row: QueuedSend, outcome: Outcome, now: Instant, resent: bool = False) -> Verdict:
    """What an outcome means. `resent` says that a dead process may have sent it before."""
    match outcome.result:
        case "accepted":
            settlement = Settlement(
                id=row.id,
                profile=row.profile,
                state="done",
                at=now,
                detail=outcome.detail,
                provider_id=outcome.provider_id,
            )
            return Verdict(settlement, _report(row, "accepted", "", True))
        case "try_later":
            if resent:
                return lost(row, now, f"sent again after a crash: {outcome.detail}")
            return _again(row, outcome, now)
        case "refused":
            return _ended(row, now, "dead", "failed", "provider_refused", outcome.detail, True)
        case "unreachable":
            return _bounced(row, outcome, now)
        case "unrenderable":
            return _ended(row, now, "dead", "failed", "template", outcome.detail, False)
        case "unknown":
            return lost(row, now, outcome.detail)
        case _:
            assert_never(outcome.result)


def _again(row: QueuedSend, outcome: Outcome, now: Instant) -> Verdict:
    due_at = next_try(now, row.id, row.attempts, outcome.after_ms)
    if _moves_on(row, outcome, now):
        # Cancelled and not dead: what goes out on another channel must not be retried here.
        detail = f"left to another channel: {outcome.detail}"
        return _ended(row, now, "cancelled", "failed", "provider_away", detail, True)
    if due_at is None or due_at >= not_after(row.effect):
        # Given up while there is time left, so that the next channel has a chance.
        detail = f"given up after {row.attempts} tries: {outcome.detail}"
        return _ended(row, now, "dead", "failed", "provider_refused", detail, True)
    settlement = Settlement(
        id=row.id,
        profile=row.profile,
        state="queued",
        at=now,
        due_at=due_at,
        detail=outcome.detail,
    )
    return Verdict(settlement, _report(row, "deferred", "", True))


def _moves_on(row: QueuedSend, outcome: Outcome, now: Instant) -> bool:
    """Whether another channel should be used: only if this one can't have taken it (P4)."""
    if not isinstance(row.effect, Send) or not row.effect.fallback or not outcome.untaken:
        return False
    waited = now - max(row.queued_at, row.effect.pace_at)
    return outcome.down or waited >= FALLBACK_AFTER_MS


def _bounced(row: QueuedSend, outcome: Outcome, now: Instant) -> Verdict:
    ended = _ended(row, now, "dead", "bounced", "bounced", outcome.detail, True)
    if ended.report is None or not isinstance(row.effect, Send):
        return ended
    said = msgspec.structs.replace(ended.report, address=row.effect.address)
    return Verdict(ended.settlement, said)


def _ended(
    row: QueuedSend,
    now: Instant,
    state: OneOf["dead", "unknown", "cancelled"],
    told: OneOf["failed", "bounced", "unknown"],
    reason: str,
    detail: str,
    permanent: bool,
) -> Verdict:
    settlement = Settlement(id=row.id, profile=row.profile, state=state, at=now, detail=detail)
    return Verdict(settlement, _report(row, told, reason, permanent))


def _report(
    row: QueuedSend,
    outcome: OneOf["accepted", "deferred", "failed", "bounced", "unknown"],
    reason: str,
    permanent: bool,
) -> Reported | None:
    if not isinstance(row.effect, Send):
        return None
    return Reported(send_id=row.id, outcome=outcome, reason=reason, permanent=permanent)

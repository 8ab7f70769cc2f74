"""What each outcome does to its row, and what the profile hears of it."""

import msgspec
import pytest

from segue.hosts.limits import ATTEMPTS_MAX, FALLBACK_AFTER_MS
from segue.hosts.ports import Outcome
from segue.hosts.verdicts import channel_of, expired, judge, lost
from segue.kernel.effects import AssignTask, CallWebhook, ChangeAudience, Effect, Send
from segue.kernel.values import Instant, ProfileId
from segue.stores.ports import QueuedSend

NOW = Instant(1_000_000)


def a_send(not_after: int = 10**9) -> Send:
    return Send(
        id="s1",
        message="hello",
        channel="email",
        address="ana@example.org",
        program="p",
        data={},
        not_after=Instant(not_after),
    )


def a_row(effect: Effect | None = None, attempts: int = 1) -> QueuedSend:
    return QueuedSend(
        id="s1",
        profile=ProfileId("ana"),
        effect=effect or a_send(),
        state="claimed",
        queued_at=NOW,
        due_at=NOW,
        attempts=attempts,
    )


def told(row: QueuedSend, outcome: Outcome, resent: bool = False) -> tuple[str, str, str, bool]:
    verdict = judge(row, outcome, NOW, resent)
    assert verdict.report is not None
    report = verdict.report
    return verdict.settlement.state, report.outcome, report.reason, report.permanent


def test_accepted_is_done_and_keeps_the_providers_id() -> None:
    verdict = judge(a_row(), Outcome(result="accepted", provider_id="x9"), NOW)
    assert (verdict.settlement.state, verdict.settlement.provider_id) == ("done", "x9")
    assert verdict.report is not None
    assert verdict.report.outcome == "accepted"


def test_refused_is_dead_and_the_next_channel_is_tried() -> None:
    row = told(a_row(), Outcome(result="refused"))
    assert row == ("dead", "failed", "provider_refused", True)


def test_a_template_error_is_dead_and_no_other_channel_is_tried() -> None:
    row = told(a_row(), Outcome(result="unrenderable"))
    assert row == ("dead", "failed", "template", False)


def test_try_later_goes_back_to_the_queue_and_the_profile_may_withdraw_it() -> None:
    verdict = judge(a_row(), Outcome(result="try_later", after_ms=9_000), NOW)
    assert (verdict.settlement.state, verdict.settlement.due_at) == ("queued", NOW + 9_000)
    assert verdict.report is not None
    assert verdict.report.outcome == "deferred"


def test_it_is_given_up_after_the_last_attempt() -> None:
    row = told(a_row(attempts=ATTEMPTS_MAX), Outcome(result="try_later"))
    assert row == ("dead", "failed", "provider_refused", True)


def test_it_is_given_up_early_where_the_next_try_would_come_too_late() -> None:
    row = told(a_row(a_send(not_after=NOW + 500)), Outcome(result="try_later"))
    assert row == ("dead", "failed", "provider_refused", True)


def test_what_may_have_been_taken_is_never_sent_again() -> None:
    assert told(a_row(), Outcome(result="unknown"))[:2] == ("unknown", "unknown")
    assert told(a_row(), Outcome(result="try_later"), resent=True)[:2] == ("unknown", "unknown")
    verdict = lost(a_row(), NOW, "crash")
    assert verdict.settlement.detail == "crash"


def test_an_expired_message_fails_on_every_channel() -> None:
    verdict = expired(a_row(), NOW)
    assert verdict.report is not None
    assert (verdict.settlement.state, verdict.report.reason) == ("dead", "expired")
    assert not verdict.report.permanent


@pytest.mark.parametrize(
    ("effect", "channel"),
    [
        (a_send(), "email"),
        (ChangeAudience(id="s1", audience="a", change="add", data={}), "ads"),
        (CallWebhook(id="s1", webhook="w", body={}), "webhook"),
        (AssignTask(id="s1", title="t", to="x", details={}), "task"),
    ],
)
def test_every_effect_that_is_carried_has_a_channel_and_only_sends_have_a_ledger(
    effect: Effect, channel: str
) -> None:
    assert channel_of(effect) == channel
    verdict = judge(a_row(effect), Outcome(result="accepted"), NOW)
    assert (verdict.report is not None) == isinstance(effect, Send)
    assert msgspec.json.encode(verdict.settlement)


AWAY = Outcome(result="try_later", detail="away", untaken=True)
DOWN = msgspec.structs.replace(AWAY, down=True)


def choosy(waited: int = 0) -> QueuedSend:
    """A send whose step has another channel, queued some time ago."""
    row = a_row(msgspec.structs.replace(a_send(), fallback=True))
    return msgspec.structs.replace(row, queued_at=Instant(NOW - waited))


@pytest.mark.parametrize(("row", "outcome"), [(choosy(), DOWN), (choosy(FALLBACK_AFTER_MS), AWAY)])
def test_a_provider_that_stays_away_is_left_for_the_next_channel(
    row: QueuedSend, outcome: Outcome
) -> None:
    """Cancelled, so that no retry of dead letters can send it a second time."""
    assert told(row, outcome) == ("cancelled", "failed", "provider_away", True)


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        (choosy(), AWAY),
        (a_row(), DOWN),
        (choosy(FALLBACK_AFTER_MS), Outcome(result="try_later", down=True)),
    ],
    ids=["too soon", "no other channel", "it may have been taken"],
)
def test_otherwise_it_waits(row: QueuedSend, outcome: Outcome) -> None:
    assert told(row, outcome)[:2] == ("queued", "deferred")

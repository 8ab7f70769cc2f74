"""Why, in plain words: each note of a trace as a sentence that a person reads.

Rule 1: the sentence comes from the reason's own table (`kernel.trace.REASONS`); what is
    particular to the case stands behind it.
Rule 2: what is sent keeps codes and instants beside the words, so that nothing has to be read
    out of a sentence.
"""

from collections.abc import Mapping, Sequence
from typing import Final, assert_never, cast

import msgspec

from segue.kernel.trace import (
    REASONS,
    Check,
    Considered,
    Drawn,
    Ended,
    IncentiveChanged,
    Note,
    Remarked,
    RunChanged,
    Scored,
    SegmentChanged,
    Settled,
)
from segue.kernel.values import NEVER

CHECK_WORDS: Final[dict[str, str]] = {
    "wanted": "Still wanted",
    "holdout": "Not in a holdout",
    "eligible": "Eligible now",
    "reachable": "Reachable and consented",
    "suppressed": "Not suppressed",
    "excluded": "Nothing competing",
    "quiet_hours": "Outside quiet hours",
    "caps": "Within caps",
    "priority": "First in line",
}
"""What each check asks, as it reads when it passes."""

_SETTLED: Final[dict[str, str]] = {
    "queued": "was queued",
    "claimed": "left the queue",
    "deferred": "is back in the queue: the provider asks to wait",
    "accepted": "was accepted by the provider",
    "delivered": "was delivered",
    "failed": "was not delivered",
    "cancelled": "was cancelled before it left",
    "unknown": "may or may not have been delivered",
    "shown": "was shown",
    "clicked": "was clicked",
    "dismissed": "was dismissed",
    "opened": "was opened",
    "bounced": "bounced",
    "complained": "was reported as spam",
    "unsubscribed": "led to an unsubscribe",
}


def told(note: Note) -> dict[str, object]:
    """A note for the page: kind, sentence, and its particulars."""
    match note:
        case Considered():
            return {
                "kind": "considered",
                "text": _considered(note),
                "outcome": note.outcome,
                "message": note.message,
                "journey": note.journey,
                "channel": note.channel,
                "placement": note.placement,
                "reason": note.reason,
                "until": instant(note.until),
                "send": note.send,
                "checks": [_check(check) for check in note.checks],
            }
        case SegmentChanged():
            verb = "Entered" if note.change == "entered" else "Left"
            return _line("segment", f"{verb} segment {note.segment}", name=note.segment)
        case RunChanged():
            return _line("run", _run(note), name=note.journey, change=note.change)
        case Drawn():
            odds = note.options.get(note.choice, 0) / 10_000
            text = f"Drew “{note.choice}” for {note.stream} ({odds:g} % likely)"
            return _line("drawn", text, name=note.stream)
        case Ended():
            text = f"Took back {note.message}: {because(note.reason, note.detail)}"
            return _line("ended", text, name=note.message)
        case Settled():
            happened = _SETTLED.get(note.state, f"is now {note.state}")
            by = f" by {note.channel}" if note.channel else ""
            why = f": {because(note.reason)}" if note.reason else ""
            return _line("settled", f"{note.message}{by} {happened}{why}", name=note.message)
        case IncentiveChanged():
            return _line("incentive", _incentive(note), name=note.incentive, change=note.change)
        case Scored():
            points = sorted(note.reasons.items(), key=lambda item: -abs(item[1]))[:3]
            drivers = ", ".join(f"{name} {value:+.1f}" for name, value in points)
            model = note.model.partition("@")[0]
            text = f"{model} is {note.probability:.0%}" + (f" ({drivers})" if drivers else "")
            return _line("scored", text, name=note.model)
        case Remarked():
            detail = ", ".join(f"{key} {value}" for key, value in note.detail.items())
            what = note.what.replace("_", " ")
            return _line("remarked", f"{what}: {detail}" if detail else what, name=note.what)
        case _:
            assert_never(note)


def _incentive(note: IncentiveChanged) -> str:
    code = f" (code {note.code})" if note.code else ""
    match note.change:
        case "offered":
            return f"promised {note.incentive}{code}"
        case "redeemed":
            return f"{note.incentive}{code} was redeemed by {note.by}"
        case "expired":
            return f"{note.incentive}{code} expired"
        case "withdrawn":
            return f"{note.incentive}{code} was withdrawn: its message never arrived"
        case _:
            assert_never(note.change)


def because(reason: str, detail: str = "") -> str:
    """A reason in words, with its particulars."""
    words = REASONS.get(reason, reason.replace("_", " "))
    return f"{words} ({detail})" if detail else words


def instant(at: int) -> int | None:
    """An instant for the page: none instead of `NEVER`."""
    return None if at >= NEVER else at


def _line(kind: str, text: str, **particulars: object) -> dict[str, object]:
    return {"kind": kind, "text": text[:1].upper() + text[1:], **particulars}


def _considered(note: Considered) -> str:
    where = f" by {note.channel}" if note.channel else ""
    where = f" in {note.placement}" if note.placement else where
    match note.outcome:
        case "admitted":
            return (
                f"Sent {note.message}{where}"
                if not note.placement
                else (f"Put {note.message}{where}")
            )
        case "held":
            return f"Held {note.message}{where}: {because(note.reason)}"
        case "denied":
            return f"Stopped {note.message}{where}: {because(note.reason)}"
        case _:
            assert_never(note.outcome)


def _check(check: Check) -> dict[str, object]:
    return {
        "check": check.check,
        "title": CHECK_WORDS.get(check.check, check.check),
        "verdict": check.verdict,
        "reason": check.reason,
        "text": because(check.reason, check.detail) if check.reason else check.detail,
        "until": instant(check.until),
    }


def _run(note: RunChanged) -> str:
    why = f": {because(note.reason, note.detail)}" if note.reason else ""
    match note.change:
        case "entered":
            return f"Entered journey {note.journey}{why}"
        case "moved":
            return f"{note.journey} moved to step {note.step}{why}"
        case "ended":
            return f"{note.journey} ended{why}"
        case "refused":
            return f"{note.journey} was not entered{why}"
        case "goal":
            return f"{note.journey} reached its goal{why}"
        case _:
            assert_never(note.change)


def plain(value: object) -> object:
    """Structs as records (stored ones are arrays), `NEVER` as null: for people and pages."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Mapping):
        members = cast(Mapping[str, object], value)
        return {key: plain(member) for key, member in members.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(member) for member in cast(Sequence[object], value)]
    if isinstance(value, int) and not isinstance(value, bool) and value == NEVER:
        return None
    return value

"""What must come of an input, and what came, as rows that are compared.

Rule: a row holds what a customer, a provider or a trace's reader could tell apart, and nothing
that is only the kernel's way of saying it (a check's particulars, a title).
"""

from typing import assert_never

import msgspec

from segue.kernel import effects as fx, trace
from segue.kernel.inputs import Event
from segue.sim import tape


class Out(msgspec.Struct):
    """What must come of an input, or what came: rows to compare."""

    notes: list[tuple[object, ...]] = []
    effects: list[tuple[object, ...]] = []
    events: list[tuple[object, ...]] = []
    moves: list[tuple[object, ...]] = []
    """Coupon codes handed out and given back."""

    def size(self) -> int:
        """How many rows."""
        return len(self.notes) + len(self.effects) + len(self.events) + len(self.moves)


def promise(row: tuple[object, ...]) -> str:
    """Which promise a row that differs belongs to."""
    match row[0]:
        case "segment":
            return "P5"
        case "withdraw" | "ended":
            return "P3"
        case "considered" | "show":
            return "P2"
        case "remark":
            return "P7"
        case _:
            return "P4"


def rows(kept: tape.Kept) -> Out:
    out = Out()
    out.notes = [_note(note) for note in kept.notes]
    out.effects = [_effect(one) for one in kept.effects]
    out.events = [_event(one) for one in kept.events if one.emitted]
    out.moves = [(move.pool, move.code, move.change, move.source) for move in kept.moves]
    return out


def _event(one: Event) -> tuple[object, ...]:
    return (one.id, one.name, one.at, repr(sorted(one.properties.items())))


def _note(note: trace.Note) -> tuple[object, ...]:
    match note:
        case trace.Considered():
            until = -1 if note.reason == "suppressed" else note.until
            checks = tuple((check.check, check.verdict) for check in note.checks)
            return (
                "considered",
                note.proposal,
                note.outcome,
                note.channel,
                note.reason,
                until,
                checks,
                note.send,
            )
        case trace.SegmentChanged():
            return ("segment", note.segment, note.change)
        case trace.RunChanged():
            reason = note.reason if note.change in ("ended", "refused", "moved") else ""
            return ("run", note.run, note.change, reason)
        case trace.Drawn():
            return ("drawn", note.run, note.stream, note.choice)
        case trace.Ended():
            return ("ended", note.id, note.reason)
        case trace.Settled():
            return ("settled", note.send, note.state)
        case trace.Remarked():
            return ("remark", note.what)
        case trace.Scored():
            return ("scored", note.model.split("@")[0], note.probability)
        case trace.IncentiveChanged():
            said = (note.change, note.incentive, note.source, note.journey, note.code)
            return ("incentive", *said, note.by, note.until)
        case _:
            assert_never(note)


def _effect(one: fx.Effect) -> tuple[object, ...]:
    match one:
        case fx.Send():
            return (
                "send",
                one.id,
                one.message,
                one.channel,
                one.address,
                one.program,
                one.not_after,
                one.purpose,
            )
        case fx.Show():
            named = (one.id, one.message, one.placement, one.question, one.not_after, one.again)
            return ("show", *named)
        case fx.Withdraw():
            return ("withdraw", one.id)
        case fx.ChangeAudience():
            return ("audience", one.id, one.audience, one.change)
        case fx.CallWebhook():
            return ("call", one.id, one.webhook)
        case fx.AssignTask():
            return ("assign", one.id, one.title)
        case fx.Emit():
            return ("emit", one.event.id)
        case _:
            assert_never(one)

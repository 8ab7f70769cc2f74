"""Meta's webhooks of a WhatsApp Business account: what became of messages, and customers' words.

Both come in one callback. Meta answers no STOP by itself: the customer's word, or their choice in
WhatsApp to get no marketing, ends consent here.
"""

from collections.abc import Iterator, Mapping

from segue.channels import limits
from segue.channels.receipts.incoming import Incoming, Meaning, meaning
from segue.channels.receipts.receipt import (
    Callback,
    Kind,
    Reason,
    Receipt,
    decoded,
    from_seconds,
    inner,
    listed,
    record,
    text,
)

KINDS: Mapping[str, Kind] = {
    "accepted": "queued",
    "held_for_quality_assessment": "queued",
    "sent": "sent",
    "delivered": "delivered",
    "read": "opened",
    "failed": "failed",
}
ERRORS: Mapping[str, tuple[Kind, Reason]] = {
    "131050": ("rejected", "unsubscribed"),
    "131048": ("rejected", "blocked"),
    "131049": ("rejected", "blocked"),
}
CHOICES: Mapping[str, Meaning] = {"stop": "stop", "resume": "start"}


def read(callback: Callback) -> list[Receipt]:
    """The receipts of a callback."""
    return [
        _receipt(record(status))
        for value in _values(callback)
        for status in listed(value.get("statuses"))
    ]


def _receipt(status: Mapping[str, object]) -> Receipt:
    kind: Kind = KINDS.get(text(status.get("status")), "unknown")
    reason: Reason = ""
    error = record(next(iter(listed(status.get("errors"))), None))
    code = text(error.get("code"))
    if kind == "failed":
        kind, reason = ERRORS.get(code, ("failed", "other"))
    details = text(record(error.get("error_data")).get("details"))
    said = (code, text(error.get("title")), details)
    ours = record(inner(status.get("biz_opaque_callback_data")))
    return Receipt(
        kind=kind,
        reason=reason,
        recipient=_number(status.get("recipient_id")),
        message_id=text(status.get("id")),
        at=from_seconds(status.get("timestamp")),
        description=" ".join(part for part in said if part),
        send_id=text(ours.get("send")),
        profile=text(ours.get("profile")),
    )


def incoming(callback: Callback) -> list[Incoming]:
    """What customers wrote, pressed or chose, in the order of the callback."""
    return [said for value in _values(callback) for said in (*_written(value), *_chosen(value))]


def _written(value: Mapping[str, object]) -> Iterator[Incoming]:
    for each in listed(value.get("messages")):
        message = record(each)
        said = _text(message)
        sender, name = _number(message.get("from")), text(message.get("id"))
        if sender and name:
            kept = said[: limits.TEXT_CHARACTERS_MAX]
            yield Incoming(
                id=name, channel="whatsapp", number=sender, meaning=meaning(said), text=kept
            )


def _text(message: Mapping[str, object]) -> str:
    """A text, or what stands on the button that was pressed; empty for pictures and the like."""
    answer = record(message.get("interactive"))
    pressed = record(answer.get("button_reply")) or record(answer.get("list_reply"))
    return (
        text(record(message.get("text")).get("body"))
        or text(record(message.get("button")).get("text"))
        or text(pressed.get("title"))
    ).strip()


def _chosen(value: Mapping[str, object]) -> Iterator[Incoming]:
    for each in listed(value.get("user_preferences")):
        choice = record(each)
        sender, word = _number(choice.get("wa_id")), text(choice.get("value"))
        if sender and word in CHOICES:
            name = f"{sender}-{text(choice.get('timestamp'))}-{word}"
            yield Incoming(
                id=name, channel="whatsapp", number=sender, meaning=CHOICES[word], text=""
            )


def _values(callback: Callback) -> Iterator[Mapping[str, object]]:
    for entry in listed(record(decoded(callback.body)).get("entry")):
        for change in listed(record(entry).get("changes")):
            yield record(record(change).get("value"))


def _number(value: object) -> str:
    """A WhatsApp id as a number in E.164; empty for what is none."""
    digits = text(value).removeprefix("+")
    return f"+{digits}" if digits.isascii() and digits.isdigit() else ""

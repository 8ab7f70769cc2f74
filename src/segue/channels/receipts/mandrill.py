"""Mandrill's webhooks: a form with one field, which holds a JSON list."""

from urllib.parse import parse_qs

from segue.channels import limits
from segue.channels.receipts.receipt import (
    Callback,
    Kind,
    Reason,
    Receipt,
    from_seconds,
    inner,
    listed,
    own_profile,
    own_send,
    record,
    text,
    texts,
    without_own,
)
from segue.errors import UnreadableCallback

KINDS: dict[str, tuple[Kind, Reason]] = {
    "send": ("sent", ""),
    "delivered": ("delivered", ""),
    "deferral": ("deferred", ""),
    "hard_bounce": ("bounced", "bounced"),
    "soft_bounce": ("bounced", "bounced"),
    "open": ("opened", ""),
    "click": ("clicked", ""),
    "spam": ("complained", "spam"),
    "unsub": ("unsubscribed", ""),
    "reject": ("rejected", "blocked"),
}


def read(callback: Callback) -> list[Receipt]:
    if len(callback.body) > limits.CALLBACK_BYTES_MAX:
        raise UnreadableCallback(f"larger than {limits.CALLBACK_BYTES_MAX} bytes")
    try:
        form = parse_qs(callback.body.decode())
    except ValueError as error:
        raise UnreadableCallback("not a form") from error
    if "mandrill_events" not in form:
        raise UnreadableCallback("the form has no mandrill_events")
    return [_receipt(each) for each in listed(inner(form["mandrill_events"][0]))]


def _receipt(event: object) -> Receipt:
    known = record(event)
    message, reject = record(known.get("msg")), record(known.get("reject"))
    name = text(known.get("event"))
    kind, reason = KINDS.get(name, ("unknown", ""))
    metadata = record(message.get("metadata"))
    return Receipt(
        kind=kind,
        reason=reason,
        recipient=text(message.get("email")) or text(reject.get("email")),
        message_id=text(known.get("_id")) or text(message.get("_id")),
        at=from_seconds(known.get("ts")),
        permanent=name != "soft_bounce",
        description=text(reject.get("reason")) or text(message.get("bounce_description")),
        response=text(message.get("diag")),
        url=text(known.get("url")),
        user_agent=text(known.get("user_agent")),
        tags=texts(message.get("tags")),
        metadata=without_own(metadata),
        send_id=own_send(metadata),
        profile=own_profile(metadata),
    )

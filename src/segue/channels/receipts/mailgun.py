"""Mailgun's webhooks: JSON today, a form before 2018 and for accounts that still use those.

In the form, the variables that were sent along stand between Mailgun's own fields. A name that
both use comes twice: Mailgun's value first, except for the three fields of the signature, which
it adds last.
"""

from urllib.parse import parse_qsl

from segue.channels import limits
from segue.channels.receipts.receipt import (
    Callback,
    Kind,
    Reason,
    Receipt,
    address,
    decoded,
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

KINDS: dict[str, Kind] = {
    "accepted": "queued",
    "rejected": "rejected",
    "delivered": "delivered",
    "opened": "opened",
    "clicked": "clicked",
    "unsubscribed": "unsubscribed",
    "complained": "complained",
    "dropped": "rejected",
    "bounced": "bounced",
}
REASONS: dict[str, Reason] = {
    "bounce": "bounced",
    "suppress-bounce": "bounced",
    "suppress-complaint": "spam",
    "suppress-unsubscribe": "unsubscribed",
    "espblock": "blocked",
    "old": "timed_out",
}
CODES: dict[str, Reason] = {
    "499": "timed_out",
    "602": "timed_out",
    "605": "bounced",
    "606": "unsubscribed",
    "607": "spam",
}
"""Mailgun's own codes; the others are those of SMTP."""

FORM_FIELDS = frozenset(
    [
        "attachment-count",
        "body-html",
        "body-plain",
        "campaign-id",
        "campaign-name",
        "city",
        "client-name",
        "client-os",
        "client-type",
        "code",
        "country",
        "description",
        "device-type",
        "domain",
        "error",
        "event",
        "h",
        "ip",
        "mailing-list",
        "message-headers",
        "Message-Id",
        "message-id",
        "notification",
        "reason",
        "recipient",
        "region",
        "sender",
        "signature",
        "stripped-html",
        "stripped-signature",
        "stripped-text",
        "subject",
        "tag",
        "timestamp",
        "token",
        "url",
        "user-agent",
        "X-Mailgun-Deliver-By",
        "X-Mailgun-Sid",
        "X-Mailgun-Tag",
        "X-Mailgun-Track",
        "X-Mailgun-Variables",
    ]
)
ADDED_LAST = frozenset({"signature", "timestamp", "token"})


def read(callback: Callback) -> list[Receipt]:
    if callback.headers.get("content-type", "").startswith("application/json"):
        return _read_json(callback)
    return _read_form(callback)


def _read_json(callback: Callback) -> list[Receipt]:
    said = record(decoded(callback.body))
    event = record(said.get("event-data"))
    status, message = record(event.get("delivery-status")), record(event.get("message"))
    headers = record(message.get("headers"))
    metadata = record(event.get("user-variables"))
    name = text(event.get("event"))
    permanent = text(event.get("severity")) != "temporary"
    kind = KINDS.get(name, "unknown")
    reason: Reason = ""
    if name == "failed":
        kind = "bounced" if permanent else "deferred"
        reason = REASONS.get(text(event.get("reason")), "other")
    elif name == "rejected":
        reason = "other"
    elif name == "complained":
        reason = "spam"
    client = record(event.get("client-info"))
    message_id = text(headers.get("message-id"))
    return [
        Receipt(
            kind=kind,
            reason=reason,
            recipient=text(event.get("recipient")) or address(headers.get("to")),
            message_id=f"<{message_id.strip('<>')}>" if message_id else "",
            event_id=text(record(said.get("signature")).get("token")),
            at=from_seconds(event.get("timestamp")),
            permanent=permanent,
            description=text(status.get("description"))
            or text(record(event.get("reject")).get("reason")),
            response=text(status.get("message")),
            url=text(event.get("url")),
            user_agent=text(client.get("user-agent")),
            tags=texts(event.get("tags")),
            metadata=without_own(metadata),
            machine=client.get("bot") not in {None, ""},
            send_id=own_send(metadata),
            profile=own_profile(metadata),
        )
    ]


def _read_form(callback: Callback) -> list[Receipt]:
    fields = _fields(callback)
    if "event" not in fields and "body-plain" in fields:
        raise UnreadableCallback("an inbound mail: this route belongs elsewhere")

    def own(name: str) -> str:
        values = fields.get(name, [""])
        return values[-1] if name in ADDED_LAST else values[0]

    name, code = own("event"), own("code")
    metadata = _variables(fields)
    reason: Reason = ""
    if name in {"dropped", "bounced"}:
        reason = CODES.get(code, "bounced" if code[:1] in {"4", "5"} else "other")
        if own("reason") == "old" and reason == "other":
            reason = "timed_out"
    return [
        Receipt(
            kind=KINDS.get(name, "unknown"),
            reason="spam" if name == "complained" else reason,
            recipient=own("recipient"),
            message_id=own("Message-Id") or own("message-id"),
            event_id=own("token"),
            at=from_seconds(own("timestamp")),
            permanent=code[:1] != "4",
            description=own("description") or own("notification"),
            response=own("error"),
            url=own("url"),
            user_agent=own("user-agent"),
            tags=tuple(fields.get("tag", fields.get("X-Mailgun-Tag", []))),
            metadata=without_own(metadata),
            send_id=own_send(metadata),
            profile=own_profile(metadata),
        )
    ]


def _fields(callback: Callback) -> dict[str, list[str]]:
    if len(callback.body) > limits.CALLBACK_BYTES_MAX:
        raise UnreadableCallback(f"larger than {limits.CALLBACK_BYTES_MAX} bytes")
    fields: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(callback.body.decode(), keep_blank_values=True, max_num_fields=10_000)
    except ValueError as error:
        raise UnreadableCallback("not a form") from error
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def _variables(fields: dict[str, list[str]]) -> dict[str, object]:
    """The variables that were sent along: from the message's headers, else from the form."""
    if "message-headers" in fields:
        pairs = [listed(each) for each in listed(inner(fields["message-headers"][0]))]
        found: dict[str, object] = {}
        for pair in pairs:
            if len(pair) == 2 and pair[0] == "X-Mailgun-Variables":
                found |= record(inner(pair[1]))
        return found
    found = {}
    for name, values in fields.items():
        if name not in FORM_FIELDS:
            found[name] = values[-1]
        elif len(values) > 1 and name not in {"tag", "X-Mailgun-Tag"}:
            found[name] = values[0] if name in ADDED_LAST else values[-1]
    return found

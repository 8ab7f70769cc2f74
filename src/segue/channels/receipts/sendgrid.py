"""SendGrid's Event Webhook: a list of events; custom arguments stand beside its own fields."""

from segue.channels.receipts.receipt import (
    Callback,
    Kind,
    Reason,
    Receipt,
    decoded,
    from_seconds,
    listed,
    own_profile,
    own_send,
    record,
    text,
    texts,
    without_own,
)

KINDS: dict[str, Kind] = {
    "processed": "queued",
    "dropped": "rejected",
    "delivered": "delivered",
    "deferred": "deferred",
    "bounce": "bounced",
    "open": "opened",
    "click": "clicked",
    "spamreport": "complained",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
    "group_resubscribe": "subscribed",
}
DROPPED: dict[str, Reason] = {
    "invalid": "invalid",
    "unsubscribed address": "unsubscribed",
    "bounced address": "bounced",
    "spam reporting address": "spam",
    "recipient list over package quota": "other",
}
OWN_FIELDS = frozenset(
    [
        "asm_group_id",
        "attempt",
        "bounce_classification",
        "category",
        "cert_err",
        "email",
        "event",
        "ip",
        "marketing_campaign_id",
        "marketing_campaign_name",
        "marketing_campaign_split_id",
        "marketing_campaign_version",
        "newsletter",
        "nlvx_campaign_id",
        "nlvx_campaign_split_id",
        "nlvx_user_id",
        "pool",
        "post_type",
        "reason",
        "response",
        "send_at",
        "sg_content_type",
        "sg_event_id",
        "sg_machine_open",
        "sg_message_id",
        "sg_template_id",
        "sg_template_name",
        "smtp-id",
        "status",
        "timestamp",
        "tls",
        "type",
        "unique_args_errors",
        "url",
        "url_offset",
        "useragent",
    ]
)


def read(callback: Callback) -> list[Receipt]:
    return [_receipt(record(each)) for each in listed(decoded(callback.body))]


def _receipt(event: "dict[str, object] | object") -> Receipt:
    known = record(event)
    name, why = text(known.get("event")), text(known.get("reason"))
    custom = {field: value for field, value in known.items() if field not in OWN_FIELDS}
    reason: Reason = ""
    if name == "dropped":
        reason = DROPPED.get(why.lower(), "other")
    elif name == "bounce":
        reason = "blocked" if known.get("type") == "blocked" else "bounced"
    elif name == "spamreport":
        reason = "spam"
    return Receipt(
        kind=KINDS.get(name, "unknown"),
        reason=reason,
        recipient=text(known.get("email")),
        message_id=text(known.get("smtp-id")),
        event_id=text(known.get("sg_event_id")),
        at=from_seconds(known.get("timestamp")),
        permanent=name != "bounce" or known.get("type") != "blocked",
        description=why if name == "dropped" else "",
        response=text(known.get("response")) or ("" if name == "dropped" else why),
        url=text(known.get("url")),
        user_agent=text(known.get("useragent")),
        tags=texts(known.get("category")),
        metadata=without_own(custom),
        machine=known.get("sg_machine_open") is True,
        send_id=own_send(custom),
        profile=own_profile(custom),
    )

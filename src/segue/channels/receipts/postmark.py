"""Postmark's webhooks: one record each; bounces have types of their own."""

from segue.channels.receipts.receipt import (
    Callback,
    Kind,
    Reason,
    Receipt,
    decoded,
    from_iso,
    own_profile,
    own_send,
    record,
    text,
    without_own,
)

BOUNCES: dict[str, tuple[Kind, Reason]] = {
    "HardBounce": ("bounced", "bounced"),
    "SoftBounce": ("bounced", "bounced"),
    "DnsError": ("bounced", "bounced"),
    "DMARCPolicy": ("rejected", "blocked"),
    "Transient": ("deferred", ""),
    "Unsubscribe": ("unsubscribed", "unsubscribed"),
    "Subscribe": ("subscribed", ""),
    "AutoResponder": ("autoresponded", ""),
    "AddressChange": ("autoresponded", ""),
    "OpenRelayTest": ("autoresponded", ""),
    "ChallengeVerification": ("autoresponded", ""),
    "SpamNotification": ("complained", "spam"),
    "SpamComplaint": ("complained", "spam"),
    "VirusNotification": ("bounced", "other"),
    "BadEmailAddress": ("bounced", "invalid"),
    "ManuallyDeactivated": ("rejected", "blocked"),
    "Unconfirmed": ("rejected", "other"),
    "Blocked": ("rejected", "blocked"),
    "SMTPApiError": ("failed", "other"),
    "InboundError": ("failed", "other"),
    "TemplateRenderingFailed": ("failed", "other"),
}
SOFT = frozenset({"SoftBounce", "DnsError", "Transient", "VirusNotification"})
SUPPRESSIONS: dict[str, tuple[Kind, Reason]] = {
    "HardBounce": ("bounced", "bounced"),
    "SpamComplaint": ("complained", "spam"),
    "ManualSuppression": ("unsubscribed", "unsubscribed"),
}
RECORDS: dict[str, Kind] = {"Delivery": "delivered", "Open": "opened", "Click": "clicked"}


def read(callback: Callback) -> list[Receipt]:
    known = record(decoded(callback.body))
    metadata = record(known.get("Metadata"))
    kind, reason = _kind(known)
    client = record(known.get("Client"))
    return [
        Receipt(
            kind=kind,
            reason=reason,
            recipient=text(known.get("Recipient")) or text(known.get("Email")),
            message_id=text(known.get("MessageID")),
            event_id=text(known.get("ID")),
            at=next(
                (
                    from_iso(known[field])
                    for field in ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")
                    if field in known
                ),
                None,
            ),
            permanent=text(known.get("Type")) not in SOFT,
            description=text(known.get("Description")),
            response=text(known.get("Details")),
            url=text(known.get("OriginalLink")),
            user_agent=text(known.get("UserAgent")),
            tags=tuple(tag for tag in (text(known.get("Tag")),) if tag),
            metadata=without_own(metadata),
            machine="proxy" in text(client.get("Name")).lower(),
            send_id=own_send(metadata),
            profile=own_profile(metadata),
        )
    ]


def _kind(known: object) -> tuple[Kind, Reason]:
    fields = record(known)
    name = text(fields.get("RecordType"))
    if name in {"Bounce", "SpamComplaint"}:
        return BOUNCES.get(text(fields.get("Type")), ("unknown", "other"))
    if name == "SubscriptionChange":
        if fields.get("SuppressSending") is not True:
            return "subscribed", ""
        return SUPPRESSIONS.get(text(fields.get("SuppressionReason")), ("unsubscribed", "other"))
    return RECORDS.get(name, "unknown"), ""

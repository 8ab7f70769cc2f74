"""MailerSend's activity webhooks; it gives no metadata back."""

from segue.channels.receipts.receipt import (
    Callback,
    Kind,
    Reason,
    Receipt,
    decoded,
    from_iso,
    record,
    text,
    texts,
)

KINDS: dict[str, tuple[Kind, Reason]] = {
    "activity.sent": ("sent", ""),
    "activity.delivered": ("delivered", ""),
    "activity.deferred": ("deferred", ""),
    "activity.soft_bounced": ("bounced", "bounced"),
    "activity.hard_bounced": ("bounced", "bounced"),
    "activity.opened": ("opened", ""),
    "activity.opened_unique": ("opened", ""),
    "activity.clicked": ("clicked", ""),
    "activity.clicked_unique": ("clicked", ""),
    "activity.unsubscribed": ("unsubscribed", ""),
    "activity.spam_complaint": ("complained", "spam"),
}


def read(callback: Callback) -> list[Receipt]:
    said = record(decoded(callback.body))
    name, event = text(said.get("type")), record(said.get("data"))
    kind, reason = KINDS.get(name, ("unknown", ""))
    mail, details = record(event.get("email")), record(event.get("morph"))
    return [
        Receipt(
            kind=kind,
            reason=reason,
            recipient=text(record(mail.get("recipient")).get("email")),
            message_id=text(record(mail.get("message")).get("id")),
            event_id=text(event.get("id")),
            at=from_iso(event.get("created_at")),
            permanent=name != "activity.soft_bounced",
            description=text(details.get("readable_reason")) or text(details.get("reason")),
            url=text(details.get("url")),
            tags=texts(mail.get("tags")),
        )
    ]

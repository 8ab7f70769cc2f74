"""Resend's webhooks; what was sent along comes back in the message's headers."""

from segue.channels.receipts.receipt import (
    Callback,
    Kind,
    Reason,
    Receipt,
    address,
    decoded,
    from_iso,
    headers_named,
    inner,
    own_profile,
    own_send,
    record,
    text,
    texts,
    without_own,
)

KINDS: dict[str, tuple[Kind, Reason]] = {
    "email.sent": ("sent", ""),
    "email.delivered": ("delivered", ""),
    "email.delivery_delayed": ("deferred", ""),
    "email.bounced": ("bounced", "bounced"),
    "email.complained": ("complained", "spam"),
    "email.failed": ("failed", ""),
    "email.opened": ("opened", ""),
    "email.clicked": ("clicked", ""),
}


def read(callback: Callback) -> list[Receipt]:
    said = record(decoded(callback.body))
    kind, reason = KINDS.get(text(said.get("type")), ("unknown", ""))
    event = record(said.get("data"))
    bounce, click = record(event.get("bounce")), record(event.get("click"))
    why = text(bounce.get("message"))
    if kind == "bounced" and "suppressed sending" in why:
        reason = "blocked"
    headers = event.get("headers")
    tags = [inner(value) for value in headers_named(headers, "X-Tags")]
    found = [record(inner(value)) for value in headers_named(headers, "X-Metadata")]
    metadata = record(found[0]) if found else record(None)
    recipients = texts(event.get("to"))
    return [
        Receipt(
            kind=kind,
            reason=reason,
            recipient=address(recipients[0]) if recipients else "",
            message_id=text(event.get("email_id")),
            event_id=callback.headers.get("svix-id", ""),
            at=from_iso(said.get("created_at")),
            permanent=text(bounce.get("type")) != "Transient",
            description=why,
            url=text(click.get("link")),
            user_agent=text(click.get("userAgent")),
            tags=texts(tags[0]) if tags else (),
            metadata=without_own(metadata),
            send_id=own_send(metadata),
            profile=own_profile(metadata),
        )
    ]

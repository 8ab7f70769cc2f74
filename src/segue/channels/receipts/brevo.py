"""Brevo's transactional webhooks."""

from segue.channels.receipts.receipt import (
    Callback,
    Kind,
    Reason,
    Receipt,
    decoded,
    from_seconds,
    inner,
    own_profile,
    own_send,
    record,
    text,
    texts,
    without_own,
)
from segue.kernel.values import Instant

KINDS: dict[str, tuple[Kind, Reason]] = {
    "request": ("queued", ""),
    "delivered": ("delivered", ""),
    "deferred": ("deferred", ""),
    "hard_bounce": ("bounced", "bounced"),
    "soft_bounce": ("bounced", "bounced"),
    "invalid_email": ("bounced", "invalid"),
    "blocked": ("rejected", "blocked"),
    "error": ("failed", ""),
    "spam": ("complained", "spam"),
    "complaint": ("complained", "spam"),
    "opened": ("opened", ""),
    "unique_opened": ("opened", ""),
    "proxy_open": ("opened", ""),
    "unique_proxy_open": ("opened", ""),
    "click": ("clicked", ""),
    "unsubscribe": ("unsubscribed", ""),
    "unsubscribed": ("unsubscribed", ""),
}


def read(callback: Callback) -> list[Receipt]:
    known = record(decoded(callback.body))
    name = text(known.get("event"))
    kind, reason = KINDS.get(name, ("unknown", ""))
    metadata = record(inner(known.get("X-Mailin-custom")))
    epoch = known.get("ts_epoch")
    milliseconds = Instant(epoch) if isinstance(epoch, int) and abs(epoch) < 10**14 else None
    tags = known.get("tags", inner(known.get("tag")) or known.get("tag"))
    return [
        Receipt(
            kind=kind,
            reason=reason,
            recipient=text(known.get("email")),
            message_id=text(known.get("message-id")),
            at=milliseconds or from_seconds(known.get("ts_event")),
            permanent=name != "soft_bounce",
            response=text(known.get("reason")),
            url=text(known.get("link")),
            user_agent=text(known.get("user_agent")),
            tags=texts(tags),
            metadata=without_own(metadata),
            machine="proxy" in name,
            send_id=own_send(metadata),
            profile=own_profile(metadata),
        )
    ]

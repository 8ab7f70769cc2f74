"""Mailjet's events: one, or a list of them."""

from segue.channels.receipts.receipt import (
    Callback,
    Kind,
    Reason,
    Receipt,
    decoded,
    from_seconds,
    inner,
    listed,
    own_profile,
    own_send,
    record,
    text,
    without_own,
)

KINDS: dict[str, Kind] = {
    "sent": "delivered",  # Mailjet says so once the receiving server has taken it
    "open": "opened",
    "click": "clicked",
    "bounce": "bounced",
    "blocked": "rejected",
    "spam": "complained",
    "unsub": "unsubscribed",
}
ERRORS: dict[str, Reason] = {
    "user unknown": "bounced",
    "mailbox inactive": "bounced",
    "quota exceeded": "bounced",
    "invalid domain": "bounced",
    "no mail host": "bounced",
    "typofix": "invalid",
    "spam reporter": "spam",
    "blacklisted": "blocked",
    "relay/access denied": "blocked",
    "sender blocked": "blocked",
    "content blocked": "blocked",
    "policy issue": "blocked",
    "preblocked": "blocked",
}


def read(callback: Callback) -> list[Receipt]:
    said = decoded(callback.body)
    return [_receipt(each) for each in listed(said) or (said,)]


def _receipt(event: object) -> Receipt:
    known = record(event)
    name, error = text(known.get("event")), text(known.get("error"))
    kind = KINDS.get(name, "unknown")
    permanent = known.get("hard_bounce") is not False
    if name == "bounce" and error == "greylisted" and not permanent:
        kind = "deferred"
    metadata = record(inner(known.get("Payload")))
    campaign = text(known.get("customcampaign"))
    return Receipt(
        kind=kind,
        reason="spam" if name == "spam" else ERRORS.get(error, "other") if error else "",
        recipient=text(known.get("email")),
        message_id=text(known.get("MessageID")),
        at=from_seconds(known.get("time")),
        permanent=permanent,
        description=text(known.get("comment")) or error,
        response=text(known.get("smtp_reply")),
        url=text(known.get("url")),
        user_agent=text(known.get("agent")),
        tags=(campaign,) if campaign else (),
        metadata=without_own(metadata),
        machine="GoogleImageProxy" in text(known.get("agent")),
        send_id=own_send(metadata),
        profile=own_profile(metadata),
    )

"""Amazon SES, by notifications of SNS: one notification may concern several recipients."""

from collections.abc import Iterator

from segue.channels.receipts.receipt import (
    Callback,
    Kind,
    Reason,
    Receipt,
    decoded,
    from_iso,
    headers_named,
    inner,
    listed,
    record,
    text,
    texts,
)
from segue.channels.ses import untag
from segue.errors import UnreadableCallback

KINDS: dict[str, tuple[Kind, Reason]] = {
    "Send": ("sent", ""),
    "Delivery": ("delivered", ""),
    "DeliveryDelay": ("deferred", ""),
    "Bounce": ("bounced", "bounced"),
    "Complaint": ("complained", "spam"),
    "Reject": ("rejected", "blocked"),
    "Open": ("opened", ""),
    "Click": ("clicked", ""),
    "Rendering Failure": ("failed", ""),
    "Subscription": ("unsubscribed", ""),
}


def read(callback: Callback) -> list[Receipt]:
    """The receipts of a notification; a confirmation of the subscription has none."""
    said = record(decoded(callback.body))
    if said.get("Type") != "Notification":
        return []
    event = record(inner(said.get("Message")))
    name = text(event.get("eventType")) or text(event.get("notificationType"))
    if name == "Received":
        raise UnreadableCallback("an inbound mail: this topic's rule set belongs elsewhere")
    kind, reason = KINDS.get(name, ("unknown", ""))
    mail = record(event.get("mail"))
    tags = record(mail.get("tags"))
    metadata = [record(inner(value)) for value in headers_named(mail.get("headers"), "X-Metadata")]
    details = record(event.get(_details(name)))
    return [
        Receipt(
            kind=kind,
            reason=reason,
            recipient=recipient,
            message_id=text(mail.get("messageId")),
            event_id=text(said.get("MessageId")),
            at=from_iso(said.get("Timestamp")),
            permanent=text(details.get("bounceType")) != "Transient",
            description=_description(name, details),
            response=response,
            url=text(details.get("link")),
            user_agent=text(details.get("userAgent")),
            tags=tuple(headers_named(mail.get("headers"), "X-Tag")),
            metadata=metadata[0] if metadata else {},
            send_id=untag("".join(texts(tags.get("segue_send"))[:1])),
            profile=untag("".join(texts(tags.get("segue_profile"))[:1])),
        )
        for recipient, response in _recipients(name, details, mail)
    ]


def _details(name: str) -> str:
    """Where an event's own part stands."""
    match name:
        case "Rendering Failure":
            return "failure"
        case "DeliveryDelay":
            return "deliveryDelay"
        case _:
            return name.lower()


def _description(name: str, details: dict[str, object] | object) -> str:
    known = record(details)
    match name:
        case "Bounce":
            return f"{text(known.get('bounceType'))}: {text(known.get('bounceSubType'))}"
        case "Complaint":
            return text(known.get("complaintFeedbackType"))
        case "Reject":
            return text(known.get("reason"))
        case "Rendering Failure":
            return text(known.get("errorMessage"))
        case "DeliveryDelay":
            return text(known.get("delayType"))
        case _:
            return ""


def _recipients(name: str, details: object, mail: object) -> Iterator[tuple[str, str]]:
    """Each recipient concerned, and what its server said."""
    known = record(details)
    field = {
        "Bounce": "bouncedRecipients",
        "Complaint": "complainedRecipients",
        "DeliveryDelay": "delayedRecipients",
    }.get(name, "")
    if field:
        for each in listed(known.get(field)):
            person = record(each)
            yield text(person.get("emailAddress")), text(person.get("diagnosticCode"))
    elif name == "Delivery":
        for recipient in texts(known.get("recipients")):
            yield recipient, text(known.get("smtpResponse"))
    else:
        for recipient in texts(record(mail).get("destination")):
            yield recipient, ""

"""Twilio's status callbacks and incoming texts.

STOP and its kin are answered by Twilio itself, which then refuses to send (error 21610); the
incoming text tells us, so that the profile's consent says the same.
"""

from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from segue.channels import limits
from segue.channels.receipts import signatures
from segue.channels.receipts.incoming import Incoming, meaning
from segue.channels.receipts.receipt import Callback, Kind, Reason, Receipt
from segue.channels.secret import Secret
from segue.errors import UnreadableCallback

KINDS: dict[str, Kind] = {
    "accepted": "queued",
    "scheduled": "queued",
    "queued": "queued",
    "sending": "queued",
    "sent": "sent",
    "delivered": "delivered",
    "read": "opened",
    "undelivered": "failed",
    "failed": "failed",
}
ERRORS: dict[str, tuple[Kind, Reason]] = {
    "21610": ("rejected", "unsubscribed"),
    "21211": ("bounced", "invalid"),
    "21614": ("bounced", "invalid"),
    "30003": ("failed", "other"),
    "30004": ("rejected", "blocked"),
    "30005": ("bounced", "invalid"),
    "30006": ("bounced", "invalid"),
    "30007": ("rejected", "blocked"),
}


def read(callback: Callback) -> list[Receipt]:
    """The receipt of a status callback; `send` and `profile` stand in its address."""
    form, query = _form(callback), parse_qs(urlsplit(callback.url).query)
    status = form.get("MessageStatus", "") or form.get("SmsStatus", "")
    code = form.get("ErrorCode", "")
    kind: Kind = KINDS.get(status, "unknown")
    reason: Reason = ""
    if kind == "failed":
        kind, reason = ERRORS.get(code, ("failed", "other"))
    return [
        Receipt(
            kind=kind,
            reason=reason,
            recipient=form.get("To", "").removeprefix("whatsapp:"),
            message_id=form.get("MessageSid", "") or form.get("SmsSid", ""),
            description=" ".join(part for part in (code, form.get("ErrorMessage", "")) if part),
            send_id=query.get("send", [""])[0],
            profile=query.get("profile", [""])[0],
        )
    ]


def incoming(callback: Callback, secret: Secret) -> Incoming:
    """What a customer wrote. Raises `ForgedCallback` and `UnreadableCallback`."""
    signatures.twilio(callback, secret)
    form = _form(callback)
    body, sender = form.get("Body", "").strip(), form.get("From", "")
    opted = form.get("OptOutType", "").upper()
    return Incoming(
        id=form.get("MessageSid", "") or form.get("SmsSid", ""),
        channel="whatsapp" if sender.startswith("whatsapp:") else "sms",
        number=sender.removeprefix("whatsapp:"),
        meaning=meaning(opted or body),
        text=body[: limits.TEXT_CHARACTERS_MAX],
        answered=bool(opted),
    )


def answer(text: str) -> bytes:
    """The reply to a callback: the text to send back, or none."""
    said = f"<Message>{escape(text)}</Message>" if text else ""
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{said}</Response>'.encode()


def _form(callback: Callback) -> dict[str, str]:
    if len(callback.body) > limits.CALLBACK_BYTES_MAX:
        raise UnreadableCallback(f"larger than {limits.CALLBACK_BYTES_MAX} bytes")
    try:
        found = parse_qs(callback.body.decode(), keep_blank_values=True, max_num_fields=1_000)
    except ValueError as error:
        raise UnreadableCallback("not a form") from error
    return {name: values[0] for name, values in found.items()}

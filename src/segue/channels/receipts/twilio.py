"""Twilio's status callbacks and incoming texts.

STOP and its kin are answered by Twilio itself, which then refuses to send (error 21610); the
incoming text tells us, so that the profile's consent says the same.
"""

from typing import Literal as OneOf
from urllib.parse import parse_qs, urlsplit

from segue.channels import limits
from segue.channels.receipts.receipt import Callback, Kind, Reason, Receipt
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

STOPS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"})
STARTS = frozenset({"START", "YES", "UNSTOP"})


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


def reply_of(callback: Callback) -> tuple[str, OneOf["stop", "start", "help", "text"], str]:
    """Who wrote, what it means for consent, and the text of an incoming message."""
    form = _form(callback)
    body = form.get("Body", "").strip()
    word = body.upper().rstrip(".!")
    number = form.get("From", "").removeprefix("whatsapp:")
    if form.get("OptOutType", "") == "STOP" or word in STOPS:
        return number, "stop", body
    if form.get("OptOutType", "") == "START" or word in STARTS:
        return number, "start", body
    if form.get("OptOutType", "") == "HELP" or word in {"HELP", "INFO"}:
        return number, "help", body
    return number, "text", body


def _form(callback: Callback) -> dict[str, str]:
    if len(callback.body) > limits.CALLBACK_BYTES_MAX:
        raise UnreadableCallback(f"larger than {limits.CALLBACK_BYTES_MAX} bytes")
    try:
        found = parse_qs(callback.body.decode(), keep_blank_values=True, max_num_fields=1_000)
    except ValueError as error:
        raise UnreadableCallback("not a form") from error
    return {name: values[0] for name, values in found.items()}

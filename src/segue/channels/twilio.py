"""Text and WhatsApp messages by Twilio. Its Messages API has no idempotency key."""

import base64
from urllib.parse import quote, urlencode

import msgspec

from segue.channels import sms
from segue.channels.letter import Letter, Reply, Request, accepted, by_status, refused, try_later
from segue.channels.secret import Secret
from segue.errors import ChannelMisconfigured, Unsupported
from segue.hosts.ports import Outcome

LATER = frozenset({14107, 20003, 20005, 20429, 21611, 30001, 63038})
"""Codes of rate limits, a full queue, and an account that is refused or suspended."""


class TwilioSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account, and a number or messaging service to send from.

    `status_callback` is where Segue takes Twilio's receipts; `api_key_sid` and its secret may
    stand in for the account's own token.
    """

    account_sid: str
    auth_token: Secret
    api_key_sid: str = ""
    from_number: str = ""
    messaging_service_sid: str = ""
    whatsapp_number: str = ""
    status_callback: str = ""
    base_url: str = "https://api.twilio.com"


class _Said(msgspec.Struct):
    sid: str = ""
    status: str | int = ""
    code: int | None = None
    message: str | None = None
    error_code: int | None = None
    error_message: str | None = None


class Twilio:
    """Speaks Twilio's Messages API, version 2010-04-01."""

    name = "twilio"
    resends_safely = False

    def __init__(self, settings: TwilioSettings) -> None:
        if not (settings.from_number or settings.messaging_service_sid or settings.whatsapp_number):
            raise ChannelMisconfigured(
                "twilio: set from_number, messaging_service_sid or whatsapp_number"
            )
        self.settings = settings

    def compose(self, letter: Letter) -> Request:
        form = self._whatsapp(letter) if letter.channel == "whatsapp" else self._sms(letter)
        known = self.settings
        if known.status_callback:
            ids = urlencode({"send": letter.id, "profile": letter.profile})
            sign = "&" if "?" in known.status_callback else "?"
            form["StatusCallback"] = f"{known.status_callback}{sign}{ids}"
        user = known.api_key_sid or known.account_sid
        login = base64.b64encode(f"{user}:{known.auth_token.reveal()}".encode()).decode()
        account = quote(known.account_sid, safe="")
        return Request(
            method="POST",
            url=f"{known.base_url.rstrip('/')}/2010-04-01/Accounts/{account}/Messages.json",
            headers={
                "Authorization": f"Basic {login}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            body=urlencode(form).encode(),
        )

    def _sms(self, letter: Letter) -> dict[str, str]:
        form = {"To": sms.number(letter.address), "Body": sms.body_of(letter, self.name)}
        if letter.fields.get("from", "").strip():
            form["From"] = letter.fields["from"].strip()
        elif self.settings.messaging_service_sid:
            form["MessagingServiceSid"] = self.settings.messaging_service_sid
        elif self.settings.from_number:
            form["From"] = self.settings.from_number
        else:
            raise Unsupported(self.name, "a text message: only whatsapp_number is set")
        return form

    def _whatsapp(self, letter: Letter) -> dict[str, str]:
        """An approved template by its Content SID, or a body inside the 24-hour window.

        A Content SID stands for one language, so the field `language` is not carried.
        """
        if not self.settings.whatsapp_number:
            raise Unsupported(self.name, "WhatsApp: whatsapp_number is not set")
        form = {
            "To": f"whatsapp:{sms.number(letter.address)}",
            "From": f"whatsapp:{self.settings.whatsapp_number}",
        }
        foreign = sorted(letter.fields.keys() - {"body", "template", "parameters"})
        if foreign:
            raise Unsupported(self.name, f"the field {foreign[0]!r} in a WhatsApp message")
        if letter.fields.get("template", "").strip():
            form["ContentSid"] = letter.fields["template"].strip()
            if letter.fields.get("parameters"):
                form["ContentVariables"] = letter.fields["parameters"]
        elif letter.fields.get("body", "").strip():
            form["Body"] = letter.fields["body"].strip()
        else:
            raise Unsupported(self.name, "a WhatsApp message without template or body")
        return form

    def interpret(self, reply: Reply) -> Outcome:
        if reply.status in {200, 201}:
            said = msgspec.json.decode(reply.body, type=_Said)
            if said.status in {"failed", "undelivered"}:
                return refused(f"twilio: {said.error_code} {said.error_message}")
            return accepted(said.sid)
        if reply.status != 400:
            return by_status(reply, self.name)
        said = msgspec.json.decode(reply.body, type=_Said)
        detail = f"twilio: {said.code} {said.message}"
        return try_later(detail) if said.code in LATER else refused(detail)

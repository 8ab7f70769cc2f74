"""Email by Twilio SendGrid, API version 3.

SendGrid has no idempotency key and sets the Message-ID itself; what it calls `X-Message-Id`
stands at the start of `sg_message_id` in its events.
"""

import msgspec

from segue.channels import email
from segue.channels.letter import Letter, Reply, Request, accepted, by_status
from segue.channels.secret import Secret
from segue.hosts.ports import Outcome


class SendGridSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An API key that may send mail. `base_url` is another one for accounts in the EU."""

    api_key: Secret
    from_address: str
    from_name: str = ""
    reply_to: str = ""
    track_opens: bool = False
    track_clicks: bool = False
    base_url: str = "https://api.sendgrid.com"


class SendGrid:
    """Speaks SendGrid v3."""

    name = "sendgrid"
    resends_safely = False

    def __init__(self, settings: SendGridSettings) -> None:
        self.settings = settings
        self.sender = email.sender_of(settings)

    def compose(self, letter: Letter) -> Request:
        mail = email.mail(letter, self.sender, self.name)
        contents = [{"type": "text/plain", "value": mail.text}] if mail.text else []
        if mail.html:
            contents.append({"type": "text/html", "value": mail.html})
        ids = {"segue_send": letter.id, "segue_profile": letter.profile}
        person: dict[str, object] = {"to": [{"email": mail.recipient.address}], "custom_args": ids}
        if mail.headers:
            person["headers"] = mail.headers
        origin = {"email": mail.sender.address}
        if mail.sender.name:
            origin["name"] = mail.sender.name
        body: dict[str, object] = {
            "personalizations": [person],
            "from": origin,
            "subject": mail.subject,
            "content": contents,
            "tracking_settings": {
                "open_tracking": {"enable": self.settings.track_opens},
                "click_tracking": {"enable": self.settings.track_clicks},
            },
        }
        if letter.message:
            body["categories"] = [letter.message[:255]]
        if mail.reply_to is not None:
            body["reply_to"] = {"email": mail.reply_to.address}
        return Request(
            method="POST",
            url=f"{self.settings.base_url.rstrip('/')}/v3/mail/send",
            headers={
                "Authorization": f"Bearer {self.settings.api_key.reveal()}",
                "Content-Type": "application/json",
            },
            body=msgspec.json.encode(body),
        )

    def interpret(self, reply: Reply) -> Outcome:
        if reply.status in {200, 202}:
            return accepted(reply.headers.get("x-message-id", ""))
        return by_status(reply, self.name)

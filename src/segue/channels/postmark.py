"""Email by Postmark. It has no idempotency key, and tells a refusal's kind by its own code."""

import msgspec

from segue.channels import email
from segue.channels.letter import Letter, Reply, Request, accepted, by_status, refused, try_later
from segue.channels.secret import Secret
from segue.hosts.ports import Outcome

LETTERS_OWN = frozenset({300, 406})
"""Invalid request, inactive recipient: this letter's fault. Other codes are the account's."""


class PostmarkSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server's token, and the message streams for marketing and for transactional mail."""

    server_token: Secret
    from_address: str
    from_name: str = ""
    reply_to: str = ""
    marketing_stream: str = "broadcast"
    transactional_stream: str = "outbound"
    track_opens: bool = False
    track_clicks: bool = False
    base_url: str = "https://api.postmarkapp.com"


class _Said(msgspec.Struct):
    code: int = msgspec.field(name="ErrorCode")
    message: str = msgspec.field(name="Message", default="")
    id: str = msgspec.field(name="MessageID", default="")


class Postmark:
    """Speaks Postmark's sending API."""

    name = "postmark"
    resends_safely = False

    def __init__(self, settings: PostmarkSettings) -> None:
        self.settings = settings
        self.sender = email.sender_of(settings)

    def compose(self, letter: Letter) -> Request:
        mail = email.mail(letter, self.sender, self.name)
        marketing = letter.purpose == "marketing"
        known = self.settings
        body: dict[str, object] = {
            "From": str(mail.sender.header()),
            "To": mail.recipient.address,
            "Subject": mail.subject,
            "TextBody": mail.text,
            "MessageStream": known.marketing_stream if marketing else known.transactional_stream,
            "TrackOpens": known.track_opens,
            "TrackLinks": "HtmlAndText" if known.track_clicks else "None",
            "Metadata": {"segue_send": letter.id, "segue_profile": letter.profile},
            "Headers": [{"Name": name, "Value": text} for name, text in mail.headers.items()],
        }
        if mail.html:
            body["HtmlBody"] = mail.html
        if mail.reply_to is not None:
            body["ReplyTo"] = mail.reply_to.address
        if letter.message:
            body["Tag"] = letter.message[:1000]
        return Request(
            method="POST",
            url=f"{known.base_url.rstrip('/')}/email",
            headers={
                "X-Postmark-Server-Token": known.server_token.reveal(),
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            body=msgspec.json.encode(body),
        )

    def interpret(self, reply: Reply) -> Outcome:
        if reply.status not in {200, 422}:
            return by_status(reply, self.name)
        said = msgspec.json.decode(reply.body, type=_Said)
        if reply.status == 200 and said.code == 0:
            return accepted(said.id)
        detail = f"postmark: {said.code} {said.message}"
        return refused(detail) if said.code in LETTERS_OWN else try_later(detail)

"""Email by Mailgun. It has no idempotency key; the Message-ID is ours, and its events name it."""

import base64
from urllib.parse import quote, urlencode

import msgspec

from segue.channels import email
from segue.channels.letter import Letter, Reply, Request, accepted, by_status
from segue.channels.secret import Secret
from segue.hosts.ports import Outcome


class MailgunSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A domain and its sending key. Accounts in the EU set `https://api.eu.mailgun.net`."""

    api_key: Secret
    domain: str
    from_address: str
    from_name: str = ""
    reply_to: str = ""
    track_opens: bool = False
    track_clicks: bool = False
    base_url: str = "https://api.mailgun.net"


class _Queued(msgspec.Struct):
    id: str


class Mailgun:
    """Speaks Mailgun v3."""

    name = "mailgun"
    resends_safely = False

    def __init__(self, settings: MailgunSettings) -> None:
        self.settings = settings
        self.sender = email.sender_of(settings)

    def compose(self, letter: Letter) -> Request:
        mail = email.mail(letter, self.sender, self.name)
        form = {
            "from": str(mail.sender.header()),
            "to": mail.recipient.address,
            "subject": mail.subject,
            "text": mail.text,
            "h:Message-Id": mail.message_id,
            "o:tracking-opens": "yes" if self.settings.track_opens else "no",
            "o:tracking-clicks": "yes" if self.settings.track_clicks else "no",
            "v:segue_send": letter.id,
            "v:segue_profile": letter.profile,
        }
        if mail.html:
            form["html"] = mail.html
        if mail.reply_to is not None:
            form["h:Reply-To"] = mail.reply_to.address
        if letter.message:
            form["o:tag"] = letter.message[:128]
        form |= {f"h:{name}": text for name, text in mail.headers.items()}
        login = base64.b64encode(f"api:{self.settings.api_key.reveal()}".encode()).decode()
        domain = quote(self.settings.domain, safe="")
        return Request(
            method="POST",
            url=f"{self.settings.base_url.rstrip('/')}/v3/{domain}/messages",
            headers={
                "Authorization": f"Basic {login}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            body=urlencode(form).encode(),
        )

    def interpret(self, reply: Reply) -> Outcome:
        if reply.status == 200:
            return accepted(msgspec.json.decode(reply.body, type=_Queued).id.strip("<>"))
        return by_status(reply, self.name)

"""Email: from rendered fields to a message by RFC 5322.

Rule 1: the same letter gives the same bytes; Message-ID and MIME boundary come from the send's
    id, the date from the instant at which it leaves.
Rule 2: nothing that comes from data can add a header or a recipient: addresses are parsed,
    every other header is one line without control characters.
Rule 3: HTML always has a text beside it; where the author wrote none, it is made from the HTML.
Rule 4: a marketing message with an unsubscribe address carries it for one click (RFC 8058).
"""

import datetime as dt
import hashlib
import html.parser
import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime, parseaddr
from typing import Protocol

import idna
import msgspec

from segue.channels import limits
from segue.channels.letter import Letter
from segue.define.channels import CHANNELS
from segue.errors import BadAddress, ChannelMisconfigured, Unsupported

FIELDS = frozenset(CHANNELS["email"].takes) - {"mjml"}
"""What an email may hold when it travels: MJML has become HTML by then (`markup.py`)."""


class Mailbox(msgspec.Struct, frozen=True):
    """An address of email, its domain in ASCII."""

    local: str
    domain: str
    name: str = ""

    @property
    def address(self) -> str:
        """`local@domain`."""
        return f"{self.local}@{self.domain}"

    @property
    def needs_utf8(self) -> bool:
        """Whether the local part is not ASCII, so that every server on the way must know it."""
        return not self.local.isascii()

    def header(self) -> Address:
        """As the standard library writes it into a header."""
        return Address(display_name=self.name, username=self.local, domain=self.domain)


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """From whom the messages of a workspace come."""

    address: str
    name: str = ""
    reply_to: str = ""


class Origin(Protocol):
    """The settings of any email provider."""

    @property
    def from_address(self) -> str: ...
    @property
    def from_name(self) -> str: ...
    @property
    def reply_to(self) -> str: ...


def sender_of(settings: Origin) -> Sender:
    """Who sends by these settings. Raises `ChannelMisconfigured` for what is no address."""
    for address in (settings.from_address, settings.reply_to):
        try:
            if address or address is settings.from_address:
                mailbox(address)
        except BadAddress as error:
            raise ChannelMisconfigured(f"from_address or reply_to: {error}") from error
    return Sender(
        address=settings.from_address, name=settings.from_name, reply_to=settings.reply_to
    )


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of one email, cleaned and complete, for any provider."""

    sender: Mailbox
    recipient: Mailbox
    subject: str
    text: str
    html: str = ""
    reply_to: Mailbox | None = None
    message_id: str
    at: dt.datetime
    headers: dict[str, str] = {}


# ── addresses ───────────────────────────────────────────────────────────────────────

_LOCAL = re.compile(r"[^\s\"(),:;<>@\[\\\]\x00-\x20\x7f-\x9f]+")


def mailbox(text: str, name: str = "") -> Mailbox:
    """Parse `local@domain`; international domains become ASCII. Raises `BadAddress`."""
    cleaned = text.strip()
    if len(cleaned) > limits.ADDRESS_CHARACTERS_MAX:
        raise BadAddress("an email address of more than 320 characters")
    local, sign, domain = cleaned.rpartition("@")
    dotted = local.startswith(".") or local.endswith(".") or ".." in local
    if not sign or not _LOCAL.fullmatch(local) or dotted or len(local.encode()) > 64:
        raise BadAddress(f"not an email address: {cleaned[:80]!r}")
    try:
        ascii_domain = idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise BadAddress(f"not an email domain: {domain[:80]!r}") from error
    return Mailbox(local, ascii_domain, one_line(name, 200))


def one_line(text: str, length_max: int) -> str:
    """Text for a header: no control characters, one line, bounded."""
    cleaned = "".join(sign if sign.isprintable() else " " for sign in text)
    line = " ".join(cleaned.split())
    return line if len(line) <= length_max else line[: length_max - 1].rsplit(" ", 1)[0] + "…"


# ── the message ─────────────────────────────────────────────────────────────────────


def digest(letter_id: str) -> str:
    """A name for the send that tells nothing of the profile."""
    return hashlib.blake2b(letter_id.encode(), digest_size=16).hexdigest()


def mail(letter: Letter, sender: Sender, provider: str) -> Mail:
    """The parts of an email. Raises `Unsupported` and `BadAddress`."""
    foreign = sorted(letter.fields.keys() - FIELDS)
    if foreign:
        raise Unsupported(provider, f"the field {foreign[0]!r} in an email")
    subject = one_line(letter.fields.get("subject", ""), limits.SUBJECT_CHARACTERS_MAX)
    body_html = letter.fields.get("html", "")
    if not subject:
        raise Unsupported(provider, "an email without a subject")
    text = letter.fields.get("text", "") or text_of(body_html)
    if not body_html.strip() and not text.strip():
        raise Unsupported(provider, "an email without content")
    preview = letter.fields.get("preview", "")
    if preview and body_html:
        body_html = with_preview(body_html, preview)
    reply_to = letter.fields.get("reply_to", "") or sender.reply_to
    origin = _origin(letter.fields.get("from", ""), sender)
    return Mail(
        sender=origin,
        recipient=mailbox(letter.address),
        subject=subject,
        text=text,
        html=body_html,
        reply_to=mailbox(reply_to) if reply_to else None,
        message_id=f"<{digest(letter.id)}@{origin.domain}>",
        at=dt.datetime.fromtimestamp(letter.at / 1000, dt.UTC),
        headers=unsubscribe_headers(letter),
    )


def _origin(written: str, sender: Sender) -> Mailbox:
    """Whom it is from: the message may say a name, or `name <address>`, in its own words."""
    name, address = parseaddr(one_line(written, 500)) if "@" in written else (written, "")
    return mailbox(address or sender.address, name or sender.name)


def unsubscribe_headers(letter: Letter) -> dict[str, str]:
    """Rule 4. One click needs HTTPS; an address that could break out of a header is dropped."""
    url = letter.unsubscribe_url
    if letter.purpose != "marketing" or not re.fullmatch(r"https?://[!-;=?-~]+", url):
        return {}
    found = {"List-Unsubscribe": f"<{url}>"}
    if url.startswith("https://"):
        found["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return found


class _Policy(EmailPolicy):
    """The standard policy, which would break a long address in List-Unsubscribe apart."""

    def fold(self, name: str, value: str) -> str:
        if name == "List-Unsubscribe":
            return f"{name}: {value}\r\n"
        return str(super().fold(name, value))

    def fold_binary(self, name: str, value: str) -> bytes:
        if name == "List-Unsubscribe":
            return f"{name}: {value}\r\n".encode("ascii")
        return super().fold_binary(name, value)


_ASCII = _Policy(linesep=SMTP.linesep)
_UTF8 = _Policy(linesep=SMTP.linesep, utf8=True)


def mime(mail: Mail, send_id: str) -> bytes:
    """The message as it travels: text, and HTML as its better alternative."""
    wide = mail.recipient.needs_utf8 or mail.sender.needs_utf8
    message = EmailMessage(policy=_UTF8 if wide else _ASCII)
    message["From"] = mail.sender.header()
    message["To"] = mail.recipient.header()
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.at)
    message["Message-ID"] = mail.message_id
    if mail.reply_to is not None:
        message["Reply-To"] = mail.reply_to.header()
    for name, value in mail.headers.items():
        message[name] = value
    message["X-Segue-Send"] = digest(send_id)
    message.set_content(mail.text, charset="utf-8", cte="quoted-printable")
    if mail.html:
        message.add_alternative(mail.html, subtype="html", charset="utf-8", cte="quoted-printable")
        message.set_boundary(f"=_segue_{digest(send_id)}")
    return message.as_bytes()


def with_preview(body: str, preview: str) -> str:
    """The line that inboxes show after the subject, hidden in the page itself."""
    hidden = (
        '<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">'
        f"{html.escape(preview)}</div>"
    )
    opened = re.search(r"<body\b[^>]*>", body, re.IGNORECASE)
    at = opened.end() if opened else 0
    return body[:at] + hidden + body[at:]


# ── text from HTML ──────────────────────────────────────────────────────────────────

_BLOCKS = frozenset(
    {"p", "div", "br", "tr", "table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "section"}
)
_HIDDEN = frozenset({"style", "script", "head", "title", "template"})
_UNSEEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_VOID = frozenset({"br", "hr", "img", "input", "wbr"})


class _Reader(html.parser.HTMLParser):
    """Reads a page aloud: lines for blocks, dashes for items, addresses after their words."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0
        self._unseen: tuple[str, int] | None = None
        """What is not shown: the element, and how many of its name stand in it."""
        self._links: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if self._unseen is not None:
            name, inner = self._unseen
            self._unseen = (name, inner + (tag == name))
        elif _UNSEEN.search(known.get("style") or "") and tag not in _VOID:
            self._unseen = (tag, 0)
        elif tag in _HIDDEN:
            self._hidden += 1
        elif tag == "li":
            self.parts.append("\n- ")
        elif tag in {"td", "th"}:
            self.parts.append(" ")
        elif tag in _BLOCKS:
            self.parts.append("\n" if tag in {"br", "tr"} else "\n\n")
        elif tag == "img":
            self.parts.append(known.get("alt") or "")
        elif tag == "a":
            self._links.append((known.get("href") or "", len(self.parts)))

    def handle_endtag(self, tag: str) -> None:
        if self._unseen is not None:
            name, inner = self._unseen
            if tag == name:
                self._unseen = (name, inner - 1) if inner else None
        elif tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag == "a" and self._links:
            address, since = self._links.pop()
            words = "".join(self.parts[since:]).strip()
            if address.startswith(("http://", "https://", "mailto:")) and address != words:
                self.parts.append(f" ({address})" if words else address)
        elif tag in _BLOCKS and tag not in {"br", "tr"}:
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden and self._unseen is None:
            self.parts.append(re.sub(r"\s+", " ", data))


def text_of(page: str) -> str:
    """The words of an HTML page."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    lines = [" ".join(line.split()) for line in "".join(reader.parts).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n" if page.strip() else ""

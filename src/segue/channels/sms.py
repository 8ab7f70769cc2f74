"""Text messages: numbers, segments, and a generic provider over HTTP.

Rule 1: a text is counted before it is sent. In the GSM 03.38 alphabet a segment holds 160
    septets (153 when there are several), else UCS-2 and 70 (67): one curly quote can double
    the price. Signs of the extension table take two septets and are never split.
Rule 2: a number is in the form of E.164; what is none is refused and never guessed at.
"""

import re
from typing import Literal as OneOf
from urllib.parse import urlencode

import msgspec

from segue.channels import limits
from segue.channels.letter import Letter, Reply, Request, accepted, by_status
from segue.channels.secret import Secret
from segue.define.channels import CHANNELS
from segue.errors import BadAddress, Unsupported
from segue.hosts.ports import Outcome

FIELDS = frozenset(CHANNELS["sms"].takes)

_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("\f^{}\\[~]|€")


class Segments(msgspec.Struct, frozen=True, kw_only=True):
    """What a text costs: the units it is billed by."""

    encoding: OneOf["gsm7", "ucs2"]
    units: int
    count: int


def segments(text: str) -> Segments:
    """Count a text's segments (rule 1)."""
    if all(sign in _GSM or sign in _GSM_EXTENDED for sign in text):
        widths = [2 if sign in _GSM_EXTENDED else 1 for sign in text]
        return _count("gsm7", widths, 160, 153)
    widths = [2 if ord(sign) > 0xFFFF else 1 for sign in text]
    return _count("ucs2", widths, 70, 67)


def _count(encoding: OneOf["gsm7", "ucs2"], widths: list[int], alone: int, joined: int) -> Segments:
    units = sum(widths)
    if units <= alone:
        return Segments(encoding=encoding, units=units, count=1 if units else 0)
    count, used = 1, 0
    for width in widths:
        if used + width > joined:
            count, used = count + 1, 0
        used += width
    return Segments(encoding=encoding, units=units, count=count)


_SEPARATORS = re.compile(r"[\s().\-/]")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def number(text: str) -> str:
    """A number in E.164. Raises `BadAddress`."""
    cleaned = _SEPARATORS.sub("", text)
    if not _E164.fullmatch(cleaned):
        raise BadAddress(f"not a phone number with its country code: {text[:40]!r}")
    return cleaned


def body_of(letter: Letter, provider: str) -> str:
    """The text of a letter. Raises `Unsupported`."""
    foreign = sorted(letter.fields.keys() - FIELDS)
    if foreign:
        raise Unsupported(provider, f"the field {foreign[0]!r} in a text message")
    text = letter.fields.get("body", "").strip()
    if not text:
        raise Unsupported(provider, "a text message without a body")
    if segments(text).count > limits.SMS_SEGMENTS_MAX:
        raise Unsupported(provider, f"a text of more than {limits.SMS_SEGMENTS_MAX} segments")
    return text


class HttpSmsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Any provider that takes one JSON object or form per text.

    The names of its fields are settings; `reply_id` is where its name for the message stands
    in the reply (`data.id`). `resends_safely` says that it knows a repeated `id_field`.
    """

    url: str
    token: Secret = Secret("")
    token_header: str = "Authorization"  # noqa: S105 (a header's name)
    token_prefix: str = "Bearer "  # noqa: S105 (what stands before it)
    format: OneOf["json", "form"] = "json"
    sender: str = ""
    to_field: str = "to"
    text_field: str = "text"
    from_field: str = "from"
    id_field: str = "id"
    reply_id: str = "id"
    resends_safely: bool = False


_PAGE = re.compile(rb"\s*<(?:!doctype|html)\b", re.IGNORECASE)
"""A proxy's or a login's page; a provider's own answer may be any text, XML too."""


class HttpSms:
    """Speaks to any SMS provider with a plain HTTP interface."""

    name = "http_sms"

    def __init__(self, settings: HttpSmsSettings) -> None:
        self.settings = settings
        self.resends_safely = settings.resends_safely

    def compose(self, letter: Letter) -> Request:
        known = self.settings
        fields = {
            known.to_field: number(letter.address),
            known.text_field: body_of(letter, self.name),
            known.id_field: letter.id,
        }
        sender = letter.fields.get("from", "").strip() or known.sender
        if sender:
            fields[known.from_field] = sender
        headers = {"Idempotency-Key": letter.id} if letter.id.isascii() else {}
        if known.token:
            headers[known.token_header] = known.token_prefix + known.token.reveal()
        if known.format == "form":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(fields).encode()
        else:
            headers["Content-Type"] = "application/json"
            body = msgspec.json.encode(fields)
        return Request(method="POST", url=known.url, headers=headers, body=body)

    def interpret(self, reply: Reply) -> Outcome:
        if not 200 <= reply.status < 300:
            return by_status(reply, self.name, resends_safely=self.resends_safely)
        try:
            found: object = msgspec.json.decode(reply.body)
        except msgspec.DecodeError:
            if _PAGE.match(reply.body):
                raise ValueError("a page instead of an answer") from None
            return accepted(detail=reply.body[:200].decode(errors="replace"))
        for part in self.settings.reply_id.split("."):
            found = found.get(part) if isinstance(found, dict) else None  # pyright: ignore
        return accepted(str(found) if isinstance(found, str | int) else "")

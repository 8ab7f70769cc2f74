"""Links that stand in messages and lead back here: signed, so that nobody can make or change one.

Rule 1: a link says whose it is, for which send, and for what; the signature covers all of it. It
    gives leave for that alone: to unsubscribe, to choose topics, to be led to one address.
Rule 2: nothing is looked up to read one, so it works as long as its key is kept.
Rule 3: what leads on leads only to the address that was signed.
"""

import base64
import binascii
import hashlib
import hmac
import html
import re
from typing import Literal as OneOf

import msgspec

from segue.channels import limits
from segue.channels.secret import Secret
from segue.errors import BadLink

Kind = OneOf["unsubscribe", "preferences", "click", "open"]

PATHS: dict[Kind, str] = {
    "unsubscribe": "/v1/unsubscribe/",
    "preferences": "/v1/preferences/",
    "click": "/v1/r/",
    "open": "/v1/o/",
}
"""Where each kind is answered."""


class Link(msgspec.Struct, frozen=True, array_like=True):
    """What a link says."""

    kind: Kind
    profile: str
    send: str
    channel: str
    topic: str
    url: str = ""


class Tracking(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be known of an email's reader."""

    clicks: bool = False
    opens: bool = False


class Links:
    """Makes and reads links with one key."""

    def __init__(self, key: Secret, base_url: str) -> None:
        self._key = hashlib.blake2b(
            key.reveal().encode(), digest_size=32, person=b"segue-links"
        ).digest()
        self._base = base_url.rstrip("/")

    def address(self, link: Link) -> str:
        """The link as it stands in a message."""
        return f"{self._base}{self.path(link)}"

    def path(self, link: Link) -> str:
        """The link within this server."""
        said = msgspec.json.encode(link)
        return PATHS[link.kind] + _text(said) + "." + _text(self._sign(said))

    def read(self, token: str, kind: Kind) -> Link:
        """What a token says. Raises `BadLink` for one that is not ours, or of another kind."""
        said, _, sign = token.partition(".")
        try:
            body = _bytes(said)
            if hmac.compare_digest(_bytes(sign), self._sign(body)):
                link = msgspec.json.decode(body, type=Link)
                if link.kind == kind:
                    return link
        except (ValueError, binascii.Error, msgspec.DecodeError):
            pass
        raise BadLink("this link is not one of ours, or was cut off on its way")

    def _sign(self, said: bytes) -> bytes:
        return hmac.digest(self._key, said, "sha256")[:16]

    def tracked(self, page: str, link: Link, tracking: Tracking) -> str:
        """An email's HTML with its links led through here, and a picture that tells of opening.

        What leads back here already, what is no web address, and an `<a data-track="off">` are
        left as they are; so is everything else of the page.
        """
        if tracking.clicks:
            page = _ANCHOR.sub(lambda found: self._led(found, link), page)
        if tracking.opens:
            seen = msgspec.structs.replace(link, kind="open")
            picture = f'<img src="{self.address(seen)}" alt="" width="1" height="1">'
            closing = page.lower().rfind("</body")
            at = closing if closing >= 0 else len(page)
            page = page[:at] + picture + page[at:]
        return page

    def _led(self, found: "re.Match[str]", link: Link) -> str:
        tag, quote, written = found[0], found["quote"], found["url"]
        url = html.unescape(written).strip()
        ours = self._base and url.startswith(self._base + "/v1/")
        web = url.lower().startswith(("https://", "http://"))
        if ours or not web or len(url) > limits.TRACKED_URL_CHARACTERS_MAX or _OFF.search(tag):
            return tag
        led = self.address(msgspec.structs.replace(link, kind="click", url=url))
        start, end = found.span("url")
        at = found.start()
        return f"{tag[: start - at - 1]}{quote}{html.escape(led)}{quote}{tag[end - at + 1 :]}"


_ANCHOR = re.compile(
    r"<a\b[^>]*?\shref\s*=\s*(?P<quote>[\"'])(?P<url>.*?)(?P=quote)[^>]*>",
    re.IGNORECASE | re.DOTALL,
)
_OFF = re.compile(r"\sdata-track\s*=\s*[\"']?off\b", re.IGNORECASE)


def _text(said: bytes) -> str:
    return base64.urlsafe_b64encode(said).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)

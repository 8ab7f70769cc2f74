"""Calls out: a signed HTTP request to an address of the workspace's own systems.

Signed as the Standard Webhooks specification says, for which receivers find libraries in every
language: `webhook-id` is the send's identity (the same in every try, so that a receiver can
drop repeats), `webhook-timestamp`, and `webhook-signature: v1,` + base64 of HMAC-SHA256 over
`id.timestamp.body`. Private networks are refused by the wire's guard unless the settings allow
them; redirects are not followed.
"""

import base64
import binascii
import hmac

import msgspec

from segue.channels.letter import Letter, Reply, Request, accepted, by_status, refused
from segue.channels.secret import Secret
from segue.errors import ChannelMisconfigured, Unsupported
from segue.hosts.ports import Outcome


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Addresses by name, and the secret (`whsec_…`) that signs what goes there.

    `allowed_networks` are networks inside which addresses may lie all the same (CIDR).
    """

    endpoints: dict[str, str]
    secret: Secret
    allowed_networks: tuple[str, ...] = ()


class Webhook:
    """Speaks Standard Webhooks."""

    name = "webhook"
    resends_safely = True

    def __init__(self, settings: WebhookSettings) -> None:
        self.settings = settings
        self._key = key_of(settings.secret)
        for name, url in settings.endpoints.items():
            if not url.startswith(("https://", "http://")):
                raise ChannelMisconfigured(f"webhook: {name!r} is no web address")

    def compose(self, letter: Letter) -> Request:
        url = self.settings.endpoints.get(letter.address) or letter.fields.get("url", "").strip()
        if not url:
            raise Unsupported(self.name, f"a call to {letter.address!r}: no such endpoint")
        if not url.startswith(("https://", "http://")):
            raise Unsupported(self.name, f"a call to {url[:80]!r}: no web address")
        body = body_of(letter)
        stamp = str(letter.at // 1000)
        name = letter_name(letter.id)
        return Request(
            method="POST",
            url=url,
            headers={
                "Content-Type": "application/json",
                "webhook-id": name,
                "webhook-timestamp": stamp,
                "webhook-signature": signature(self._key, name, stamp, body),
            },
            body=body,
        )

    def interpret(self, reply: Reply) -> Outcome:
        if 200 <= reply.status < 300:
            return accepted()
        if reply.status == 410:
            return refused("webhook: HTTP 410, the receiver wants no more")
        return by_status(reply, self.name, resends_safely=True)


def body_of(letter: Letter) -> bytes:
    """The body as written, or all other fields as one JSON object."""
    fields = {name: text for name, text in letter.fields.items() if name != "url"}
    if "body" in fields and len(fields) > 1:
        others = sorted(fields.keys() - {"body"})
        raise Unsupported("webhook", f"the field {others[0]!r} beside a body")
    if "body" in fields:
        return fields["body"].encode()
    return msgspec.json.encode(fields, order="sorted")


def letter_name(letter_id: str) -> str:
    """The send's identity as a header can carry it."""
    return letter_id.encode("ascii", "backslashreplace").decode().replace("\n", " ")


def key_of(secret: Secret) -> bytes:
    """The bytes of a `whsec_` secret. Raises `ChannelMisconfigured`."""
    text = secret.reveal().removeprefix("whsec_")
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) < 24:
        raise ChannelMisconfigured("webhook: the secret is base64 of at least 24 bytes")
    return key


def signature(key: bytes, name: str, stamp: str, body: bytes) -> str:
    """`v1,` and the signature of one message."""
    signed = b".".join((name.encode(), stamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()

"""What providers report back: read, checked and brought into one form.

    receipts = receive("sendgrid", Callback(body=…, headers=…, url=…, at=…), secret)

Rule: a callback whose signature is wrong raises `ForgedCallback` before anything of it is read,
and leaves no trace but a count. Nobody may take callbacks of a provider without its secret.
"""

from collections.abc import Callable, Mapping

import msgspec

from segue.channels.receipts import (
    amazon,
    brevo,
    mailersend,
    mailgun,
    mailjet,
    mandrill,
    postmark,
    resend,
    sendgrid,
    signatures,
    sparkpost,
    twilio,
    whatsapp,
)
from segue.channels.receipts.incoming import Incoming
from segue.channels.receipts.receipt import Callback, Receipt, reported
from segue.channels.secret import Secret
from segue.errors import ForgedCallback

__all__ = ["READERS", "Callback", "Incoming", "Reader", "Receipt", "receive", "reported"]


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """How one provider's callbacks are checked and read, and what proves them."""

    read: Callable[[Callback], list[Receipt]]
    verify: Callable[[Callback, Secret], None]
    proof: str
    incoming: Callable[[Callback], list[Incoming]] | None = None
    """Reads what customers wrote, where that comes in the same callbacks."""


_IN_THE_ADDRESS = "`user:password`, put into the callback's address"


def _by_certificate(callback: Callback, secret: Secret) -> None:
    """`secret` is the PEM of the certificate that the caller fetched from Amazon.

    Anybody can have Amazon sign for a topic of their own, so the caller has also looked at
    `signatures.sns_topic`.
    """
    signatures.sns(callback, secret.reveal().encode())


READERS: Mapping[str, Reader] = {
    "ses": Reader(
        read=amazon.read,
        verify=_by_certificate,
        proof="the ARN of the SNS topic; the signature is checked by Amazon's certificate",
    ),
    "sendgrid": Reader(
        read=sendgrid.read, verify=signatures.sendgrid, proof="the verification key"
    ),
    "postmark": Reader(read=postmark.read, verify=signatures.basic, proof=_IN_THE_ADDRESS),
    "mailgun": Reader(
        read=mailgun.read, verify=signatures.mailgun, proof="the HTTP webhook signing key"
    ),
    "mailjet": Reader(read=mailjet.read, verify=signatures.basic, proof=_IN_THE_ADDRESS),
    "sparkpost": Reader(read=sparkpost.read, verify=signatures.basic, proof=_IN_THE_ADDRESS),
    "brevo": Reader(read=brevo.read, verify=signatures.basic, proof=_IN_THE_ADDRESS),
    "mandrill": Reader(read=mandrill.read, verify=signatures.mandrill, proof="the webhook's key"),
    "mailersend": Reader(
        read=mailersend.read, verify=signatures.mailersend, proof="the signing secret"
    ),
    "resend": Reader(
        read=resend.read, verify=signatures.standard, proof="the signing secret, `whsec_…`"
    ),
    "twilio": Reader(read=twilio.read, verify=signatures.twilio, proof="the account's auth token"),
    "meta_whatsapp": Reader(
        read=whatsapp.read,
        verify=signatures.meta,
        proof="the app secret",
        incoming=whatsapp.incoming,
    ),
}
"""By provider; `proof` says what its secret is."""


def receive(provider: str, callback: Callback, secret: Secret) -> list[Receipt]:
    """The receipts of a callback. Raises `ForgedCallback` and `UnreadableCallback`."""
    reader = READERS.get(provider)
    if reader is None or not secret:
        raise ForgedCallback(f"no callbacks of {provider[:40]!r} are taken here")
    reader.verify(callback, secret)
    return reader.read(callback)

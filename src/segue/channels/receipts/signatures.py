"""Whether a callback comes from where it says.

Rule 1: signatures are compared in constant time, over the raw bytes that arrived.
Rule 2: a signature that covers a time is good for `CALLBACK_AGE_SECONDS_MAX` only.
Rule 3: every failure is the same `ForgedCallback`, so that a forger learns nothing.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from segue.channels import limits
from segue.channels.receipts.receipt import Callback, decoded, record, text
from segue.channels.secret import Secret
from segue.errors import ForgedCallback


def _forged() -> ForgedCallback:
    return ForgedCallback("the callback's signature is missing or wrong")


def _same(left: str, right: str) -> None:
    if not hmac.compare_digest(left.encode(), right.encode()):
        raise _forged()


def _fresh(seconds: str, callback: Callback) -> None:
    if not re.fullmatch(r"[0-9]{1,12}", seconds):
        raise _forged()
    if abs(callback.at // 1000 - int(seconds)) > limits.CALLBACK_AGE_SECONDS_MAX:
        raise _forged()


def basic(callback: Callback, secret: Secret) -> None:
    """`user:password` in the callback's address, which arrives as Basic authorization."""
    want = "Basic " + base64.b64encode(secret.reveal().encode()).decode()
    _same(callback.headers.get("authorization", ""), want)


def sendgrid(callback: Callback, secret: Secret) -> None:
    """ECDSA P-256 over timestamp and body; the key is the one that SendGrid shows."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    stamp = callback.headers.get("x-twilio-email-event-webhook-timestamp", "")
    given = callback.headers.get("x-twilio-email-event-webhook-signature", "")
    try:
        key = load_der_public_key(base64.b64decode(secret.reveal()))
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise _forged()
        signed = stamp.encode() + callback.body
        key.verify(base64.b64decode(given, validate=True), signed, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError, binascii.Error) as error:
        raise _forged() from error
    _fresh(stamp, callback)


def mailgun(callback: Callback, secret: Secret) -> None:
    """Hex HMAC-SHA256 over timestamp and token, which stand in the body.

    It covers nothing else, so a token seen before must be dropped by whoever takes the receipt
    (its `event_id`).
    """
    if callback.headers.get("content-type", "").startswith("application/json"):
        parts = record(record(decoded(callback.body)).get("signature"))
    else:
        parts = dict(_form(callback.body))
    stamp, token = text(parts.get("timestamp")), text(parts.get("token"))
    want = hmac.digest(secret.reveal().encode(), (stamp + token).encode(), "sha256").hex()
    _same(text(parts.get("signature")), want)


def mailersend(callback: Callback, secret: Secret) -> None:
    """Hex HMAC-SHA256 over the body, in the header `Signature`."""
    want = hmac.digest(secret.reveal().encode(), callback.body, "sha256").hex()
    _same(callback.headers.get("signature", ""), want)


def meta(callback: Callback, secret: Secret) -> None:
    """`sha256=` and hex HMAC-SHA256 over the body, in the header `X-Hub-Signature-256`."""
    want = hmac.digest(secret.reveal().encode(), callback.body, "sha256").hex()
    _same(callback.headers.get("x-hub-signature-256", ""), f"sha256={want}")


def standard(callback: Callback, secret: Secret, prefix: str = "svix") -> None:
    """Standard Webhooks, as Resend signs: any of the signatures given may match."""
    name = callback.headers.get(f"{prefix}-id", "")
    stamp = callback.headers.get(f"{prefix}-timestamp", "")
    try:
        key = base64.b64decode(secret.reveal().removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise _forged() from error
    signed = b".".join((name.encode(), stamp.encode(), callback.body))
    want = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    given = callback.headers.get(f"{prefix}-signature", "").split(" ")
    if not any(hmac.compare_digest(each.encode(), want.encode()) for each in given):
        raise _forged()
    _fresh(stamp, callback)


def mandrill(callback: Callback, secret: Secret) -> None:
    """Base64 HMAC-SHA1 over the address and every form field with its value, sorted."""
    fields = "".join(name + value for name, value in sorted(_form(callback.body)))
    signed = (callback.url + fields).encode()
    want = base64.b64encode(hmac.digest(secret.reveal().encode(), signed, "sha1")).decode()
    _same(callback.headers.get("x-mandrill-signature", ""), want)


def twilio(callback: Callback, secret: Secret) -> None:
    """Base64 HMAC-SHA1 over the address and the form, or over an address with `bodySHA256`.

    Twilio signs with or without the default port, so both are tried.
    """
    given = callback.headers.get("x-twilio-signature", "").encode()
    digest = dict(parse_qsl(urlsplit(callback.url).query)).get("bodySHA256", "")
    if digest:
        _same(digest, hashlib.sha256(callback.body).hexdigest())
        fields = ""
    else:
        pairs = sorted(set(_form(callback.body)))
        fields = "".join(name + value for name, value in pairs)
    found = False
    for url in _with_and_without_port(callback.url):
        signed = (url + fields).encode()
        want = base64.b64encode(hmac.digest(secret.reveal().encode(), signed, "sha1"))
        found |= hmac.compare_digest(given, want)
    if not found:
        raise _forged()


def _with_and_without_port(url: str) -> Sequence[str]:
    parts = urlsplit(url)
    if parts.port is not None:
        bare = parts.netloc.rsplit(":", 1)[0]
        return (url, urlunsplit(parts._replace(netloc=bare)))
    port = 443 if parts.scheme == "https" else 80
    return (url, urlunsplit(parts._replace(netloc=f"{parts.netloc}:{port}")))


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=10_000)
    except ValueError as error:
        raise _forged() from error


# ── Amazon SNS ──────────────────────────────────────────────────────────────────────

_SNS_HOST = r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(?:\.cn)?/"
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ),
}


def sns_topic(callback: Callback) -> str:
    """The topic that a notification says it comes from."""
    return text(record(decoded(callback.body)).get("TopicArn"))


def sns_certificate_url(callback: Callback) -> str:
    """Where the certificate lies that signed a notification. Raises for any other host."""
    url = text(record(decoded(callback.body)).get("SigningCertURL"))
    if not re.fullmatch(_SNS_HOST + r"SimpleNotificationService-[0-9a-f]+\.pem", url):
        raise _forged()
    return url


def sns_confirmation_url(callback: Callback) -> str:
    """What must be fetched once to confirm a subscription; empty for other messages."""
    said = record(decoded(callback.body))
    url = text(said.get("SubscribeURL"))
    if said.get("Type") != "SubscriptionConfirmation":
        return ""
    if not re.match(_SNS_HOST + r"\?Action=ConfirmSubscription&", url):
        raise _forged()
    return url


def sns(callback: Callback, certificate: bytes) -> None:
    """RSA over the notification's fields, by the certificate from `sns_certificate_url`."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    said = record(decoded(callback.body))
    names = _SIGNED.get(text(said.get("Type")))
    if names is None:
        raise _forged()
    signed = "".join(f"{name}\n{text(said[name])}\n" for name in names if name in said)
    try:
        key = x509.load_pem_x509_certificate(certificate).public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise _forged()
        # Version 1 is SHA-1, which Amazon still sends where a topic does not ask for version 2.
        version = text(said.get("SignatureVersion"))
        used = hashes.SHA256() if version == "2" else hashes.SHA1()  # noqa: S303
        given = base64.b64decode(text(said.get("Signature")), validate=True)
        key.verify(given, signed.encode(), padding.PKCS1v15(), used)
    except (InvalidSignature, ValueError, binascii.Error) as error:
        raise _forged() from error

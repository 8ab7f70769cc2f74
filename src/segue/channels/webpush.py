"""Push to browsers, by the Web Push protocol: VAPID (RFC 8292), payload encrypted (RFC 8291).

Rule 1: the address is the browser's subscription as JSON, `{"endpoint", "keys": {"p256dh",
    "auth"}}`. The endpoint is chosen by the browser, so the wire's guard keeps it out of our
    own network.
Rule 2: nothing is drawn: salt and one-time key are derived from our private key, the
    subscription, the send and its text. So the same letter gives the same bytes, and another
    text never meets the same key.
Rule 3: a subscription that is gone (404, 410) is dead: it is not used again.
"""

import base64
import hashlib
import hmac
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from segue.channels import limits
from segue.channels.email import digest
from segue.channels.fcm import fields_of
from segue.channels.letter import Letter, Reply, Request, accepted, by_status, unreachable
from segue.channels.login import part, text_of
from segue.channels.secret import Secret
from segue.errors import BadAddress, ChannelMisconfigured
from segue.hosts.ports import Outcome
from segue.kernel.values import Instant

CURVE = ec.SECP256R1()
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
RECORD_BYTES = 4096
JWT_SECONDS = 12 * 3600


class WebPushSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Our VAPID key (32 bytes in base64url), and how a push service reaches us (`mailto:…`).

    `allowed_networks` are networks inside which endpoints may lie all the same (CIDR).
    """

    private_key: Secret
    subject: str
    allowed_networks: tuple[str, ...] = ()


class _Keys(msgspec.Struct, frozen=True):
    p256dh: str
    auth: str


class _Subscription(msgspec.Struct, frozen=True):
    endpoint: str
    keys: _Keys


class Reader(msgspec.Struct, frozen=True):
    """The browser's end: its public point and its secret."""

    public: bytes
    auth: bytes


class WebPush:
    """Speaks Web Push."""

    name = "webpush"
    resends_safely = False

    def __init__(self, settings: WebPushSettings) -> None:
        self.settings = settings
        self._key = _private(settings.private_key)
        self._seed = hashlib.blake2b(
            settings.private_key.reveal().encode(), digest_size=32, person=b"segue-webpush"
        ).digest()
        self.public_key = text_of(_point(self._key))
        """What a browser subscribes with (`applicationServerKey`)."""
        if not settings.subject.startswith(("mailto:", "https://")):
            raise ChannelMisconfigured("webpush: subject is `mailto:…` or `https://…`")

    def compose(self, letter: Letter) -> Request:
        endpoint, reader = self._subscription(letter.address)
        said = {
            **fields_of(letter, self.name),
            "segue_send": letter.id,
            "tag": digest(letter.id),
        }
        text = msgspec.json.encode(said, order="sorted")
        own = b"\0".join((letter.id.encode(), letter.address.encode(), text))
        salt = hmac.digest(self._seed, b"salt\0" + own, "sha256")[:16]
        number = int.from_bytes(hmac.digest(self._seed, b"key\0" + own, "sha512"), "big")
        once = ec.derive_private_key(number % (ORDER - 1) + 1, CURVE)
        left = min(max((letter.expires_at - letter.at) // 1000, 0), limits.PUSH_SECONDS_MAX)
        return Request(
            method="POST",
            url=endpoint,
            headers={
                "Authorization": f"vapid t={self._token(endpoint, letter.at)}, k={self.public_key}",
                "Content-Encoding": "aes128gcm",
                "Content-Type": "application/octet-stream",
                "TTL": str(left),
                "Topic": digest(letter.id),
                "Urgency": "high" if letter.purpose == "transactional" else "normal",
            },
            body=encrypt(text, reader, salt, once),
        )

    def interpret(self, reply: Reply) -> Outcome:
        if 200 <= reply.status < 300:
            return accepted(reply.headers.get("location", ""))
        if reply.status in {404, 410}:
            return unreachable(f"webpush: HTTP {reply.status}, the subscription is gone")
        return by_status(reply, self.name)

    def _subscription(self, address: str) -> tuple[str, Reader]:
        try:
            found = msgspec.json.decode(address, type=_Subscription)
            reader = Reader(bytes_of(found.keys.p256dh), bytes_of(found.keys.auth))
            ec.EllipticCurvePublicKey.from_encoded_point(CURVE, reader.public)
        except (msgspec.DecodeError, ValueError) as error:
            raise BadAddress("not a push subscription of a browser") from error
        inside = bool(self.settings.allowed_networks)
        schemes = ("https://", "http://") if inside else ("https://",)
        if not found.endpoint.startswith(schemes) or len(reader.auth) != 16:
            raise BadAddress("not a push subscription of a browser")
        return found.endpoint, reader

    def _token(self, endpoint: str, at: Instant) -> str:
        parts = urlsplit(endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": at // 1000 + JWT_SECONDS,
            "sub": self.settings.subject,
        }
        said = f"{part({'typ': 'JWT', 'alg': 'ES256'})}.{part(claims)}"
        how = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        r, s = utils.decode_dss_signature(self._key.sign(said.encode(), how))
        return f"{said}.{text_of(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def encrypt(text: bytes, reader: Reader, salt: bytes, once: ec.EllipticCurvePrivateKey) -> bytes:
    """One record of `aes128gcm` (RFC 8188) for a browser (RFC 8291, section 3.4)."""
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, reader.public)
    ours = _point(once)
    shared = once.exchange(ec.ECDH(), theirs)
    info = b"WebPush: info\0" + reader.public + ours
    key = _derive(shared, reader.auth, info, 32)
    content_key = _derive(key, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(key, salt, b"Content-Encoding: nonce\0", 12)
    sealed = AESGCM(content_key).encrypt(nonce, text + b"\x02", None)
    head = salt + RECORD_BYTES.to_bytes(4, "big") + len(ours).to_bytes(1, "big") + ours
    return head + sealed


def _derive(key: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(key)


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _private(secret: Secret) -> ec.EllipticCurvePrivateKey:
    try:
        found = bytes_of(secret.reveal())
        if len(found) == 32:
            return ec.derive_private_key(int.from_bytes(found, "big"), CURVE)
    except ValueError:
        pass
    raise ChannelMisconfigured("webpush: private_key is 32 bytes in base64url")


def bytes_of(text: str) -> bytes:
    """What base64url stands for, with or without padding. Raises `ValueError`."""
    bare = text.rstrip("=")
    return base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)

"""Tokens that a provider gives for a while in exchange for a longer-lived key (OAuth 2).

Rule 1: making the request and reading the answer is pure, as for adapters; the line keeps the
    token until shortly before it ends, and asks for another when the provider refuses it.
Rule 2: neither key nor token is ever shown.
"""

import base64
from typing import Protocol
from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from segue.channels.letter import Reply, Request
from segue.channels.secret import Secret
from segue.errors import ChannelMisconfigured
from segue.kernel.values import Instant

JWT_SECONDS = 3_600
"""How long Google lets a signed request be good for."""


class Token(msgspec.Struct, frozen=True):
    """What stands in the Authorization header, and for how many seconds."""

    header: Secret
    seconds: int


class Login(Protocol):
    """Gets tokens of one provider."""

    def compose(self, at: Instant) -> Request:
        """The request for a token."""
        ...

    def interpret(self, reply: Reply) -> Token:
        """The token. Raises `ValueError` where there is none."""
        ...


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: int = JWT_SECONDS


def granted(reply: Reply) -> Token:
    """A bearer token by RFC 6749. Raises `ValueError`."""
    if reply.status != 200:
        raise ValueError(f"no token: HTTP {reply.status}")
    found = msgspec.json.decode(reply.body, type=_Granted)
    return Token(Secret(f"Bearer {found.access_token}"), found.expires_in)


class ServiceAccount(msgspec.Struct, frozen=True):
    """What Google's key file says; other fields are not looked at."""

    client_email: str
    private_key: str
    project_id: str = ""
    token_uri: str = "https://oauth2.googleapis.com/token"  # noqa: S105 (an address)


class GoogleLogin:
    """Signs as a service account (RFC 7523, RS256)."""

    def __init__(self, key_file: Secret, scope: str) -> None:
        self.account = account_of(key_file)
        self._scope = scope
        try:
            key = serialization.load_pem_private_key(self.account.private_key.encode(), None)
        except (ValueError, TypeError) as error:
            raise ChannelMisconfigured("the service account's private key can't be read") from error
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ChannelMisconfigured("the service account's private key is none of RSA")
        self._key = key

    def compose(self, at: Instant) -> Request:
        now = at // 1000
        claims = {
            "iss": self.account.client_email,
            "scope": self._scope,
            "aud": self.account.token_uri,
            "iat": now,
            "exp": now + JWT_SECONDS,
        }
        said = f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{part(claims)}"
        sign = self._key.sign(said.encode(), padding.PKCS1v15(), hashes.SHA256())
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": f"{said}.{text_of(sign)}",
        }
        return Request(
            method="POST",
            url=self.account.token_uri,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
        )

    def interpret(self, reply: Reply) -> Token:
        return granted(reply)


def account_of(key_file: Secret) -> ServiceAccount:
    """The key file's content. Raises `ChannelMisconfigured`, telling nothing of it."""
    try:
        return msgspec.json.decode(key_file.reveal(), type=ServiceAccount)
    except msgspec.DecodeError:
        raise ChannelMisconfigured("the service account is not the JSON of a key file") from None


def part(fields: object) -> str:
    """A part of a JSON Web Token."""
    return text_of(msgspec.json.encode(fields))


def text_of(said: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(said).decode().rstrip("=")

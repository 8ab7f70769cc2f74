"""Who may send, and who may look.

Rule 1: a write key is public (it stands in web pages): it may send events and ask what
    belongs on a page, for the source that it names. It may read nothing else.
Rule 2: everything under /api needs the admin token, where there is one. Without a token, only
    callers from this machine are let in; a name in `Host` that is not this machine's is
    refused (a proxy, or a browser made to call localhost), and so is a change asked for by a
    page of another origin.
Rule 3: comparisons take the same time whatever is wrong.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from segue.errors import NotAdmitted, UnknownWriteKey

_WRITE_KEY_CHARS_MAX = 200


def header_key(request: HTTPConnection) -> str:
    """The write key from Basic auth (its user name), else from the query; or nothing."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic" and given:
        try:
            user = base64.b64decode(given.strip(), validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            raise UnknownWriteKey("the Authorization header can't be read") from None
        if user:
            return user
    return request.query_params.get("writeKey", "")


def source_of(key: str, write_keys: Mapping[str, str]) -> str:
    """The source that a write key names."""
    if not key:
        raise UnknownWriteKey("the request carries no write key")
    source = write_keys.get(key[:_WRITE_KEY_CHARS_MAX])
    if source is None:
        raise UnknownWriteKey("this write key is not known here")
    return source


def admit(request: HTTPConnection, token: str) -> None:
    """Let an administrator through, or raise `NotAdmitted`."""
    if token:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not same(given.strip(), token):
            raise NotAdmitted("this needs the admin token")
        return
    host = request.headers.get("host", "")
    caller = request.client.host if request.client is not None else ""
    if not is_loopback(caller) or not is_loopback(urlsplit(f"//{host}").hostname or ""):
        raise NotAdmitted("without an admin token, only this machine may ask")
    origin = request.headers.get("origin", "")
    changes = request.scope.get("method") not in ("GET", "HEAD")
    if changes and origin and urlsplit(origin).netloc != host:
        raise NotAdmitted("a page of another origin may not change anything here")


def signature(token: str, text: str) -> str:
    """A text signed with the admin token."""
    key = hashlib.blake2b(token.encode(), digest_size=32, person=b"segue-preview").digest()
    return hashlib.blake2b(text.encode(), key=key, digest_size=16).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same (rule 3)."""
    return hmac.compare_digest(one.encode(), other.encode())


def is_loopback(host: str) -> bool:
    """Whether a host name is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

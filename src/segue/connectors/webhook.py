"""What all signed webhooks share: what a delivery says, or why it was refused.

Rule 1: a connector is a pure function: (headers, raw body, secret, now) in, `Verified` or
    `Refused` out. It never raises for what was sent, and nothing of a refused delivery is kept
    but its reason.
Rule 2: the signature is checked over the raw bytes, in constant time, before a byte of the body
    is decoded.
Rule 3: an event's id follows from what happened, so that a repeated delivery, or two
    subscriptions to one topic, count once, in whatever order they come.
Rule 4: ids are text. They exceed 2^53, and nobody calculates with them.
Rule 5: amounts are numbers in the main unit of their currency, as the ecommerce spec wants.
"""

import hmac
from collections.abc import Callable, Mapping
from hashlib import blake2b, sha256
from typing import Any, Literal as OneOf, TypeAlias, cast

import msgspec

from segue.connectors.limits import INSTANT_MAX, WEBHOOK_BYTES_MAX
from segue.connectors.segment import instant
from segue.kernel.inputs import Consented, Event
from segue.kernel.values import Instant, Record

Headers: TypeAlias = Mapping[str, str]
Body: TypeAlias = dict[str, Any]
UserBy: TypeAlias = OneOf["id", "email"]
"""What a customer's user id is: the provider's id with its name before it, or the email."""

REASONS: dict[str, int] = {
    "unsigned": 401,
    "forged": 401,
    "too_old": 401,
    "too_large": 413,
    "malformed": 400,
}
"""Why a delivery is refused, and the HTTP status to answer."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A catalog item as a provider knows it now; `gone` when it was deleted."""

    kind: OneOf["product", "stock"]
    id: str
    at: Instant
    fields: Record = {}
    gone: bool = False


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that is genuine, and what it says.

    `id` is the same for every repeat of the delivery. `consents` come with the user id that
    they are of. `ignored` says why nothing follows from it, where nothing does; a verified
    delivery is always answered with 200, or its sender would repeat it for days.
    """

    source: str
    id: str
    topic: str
    events: tuple[Event, ...] = ()
    consents: tuple[tuple[str, Consented], ...] = ()
    items: tuple[Item, ...] = ()
    ignored: str = ""
    faults: tuple[str, ...] = ()
    """Parts of it that could not be read, each with its place and the reason."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that is not believed, or can't be read."""

    source: str
    reason: OneOf["unsigned", "forged", "too_old", "too_large", "malformed"]
    detail: str = ""

    @property
    def status(self) -> int:
        """The HTTP status to answer."""
        return REASONS[self.reason]


class Unreadable(Exception):
    """A genuine body that does not say what its topic promises; the text says where."""


def header(headers: Headers, name: str) -> str:
    """A header, whatever the case of its name."""
    found = headers.get(name) or headers.get(name.lower())
    if found is not None:
        return found
    wanted = name.lower()
    return next((value for key, value in headers.items() if key.lower() == wanted), "")


def same(one: str, other: str) -> bool:
    """Equality in constant time, of anything that a header may hold."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def signature(secret: str, message: bytes) -> "hmac.HMAC":
    """HMAC-SHA256 of a message."""
    return hmac.new(secret.encode(), message, sha256)


def too_large(source: str, body: bytes) -> Refused | None:
    """A refusal for a body over the limit, before anything is computed over it."""
    if len(body) <= WEBHOOK_BYTES_MAX:
        return None
    return Refused(source=source, reason="too_large", detail=f"{len(body):,} bytes")


def decoded(body: bytes) -> Any:
    """The JSON of a body; raises `Unreadable`."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"not JSON: {error}") from None


def read(source: str, make: Callable[[], Verified]) -> Verified | Refused:
    """What `make` makes of a genuine body; a refusal where it can't."""
    try:
        return make()
    except Unreadable as unreadable:
        return Refused(source=source, reason="malformed", detail=str(unreadable))


# ── reading what was decoded ────────────────────────────────────────────────────────


def record(value: object) -> Body:
    """A JSON object, or an empty one."""
    return cast(Body, value) if isinstance(value, dict) else {}


def members(value: object) -> list[object]:
    """What is in a JSON list; nothing where it is none."""
    return cast(list[object], value) if isinstance(value, list) else []


def records(value: object) -> list[Body]:
    """The objects in a list."""
    return [cast(Body, one) for one in members(value) if isinstance(one, dict)]


def word(value: object) -> str:
    """Text or a number as text, exactly; else empty."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def amount(value: object) -> float | None:
    """Money as a number, from text or a number; missing where it is neither."""
    try:
        found = float(value) if isinstance(value, str | int | float) else None
    except (ValueError, OverflowError):
        return None
    if found is None or isinstance(value, bool) or found - found != 0:
        return None
    return round(found, 3)


def when(value: object, now: Instant) -> Instant:
    """An instant that is never later than now; now where it can't be read."""
    at = instant(value)
    return now if at is None or not 0 < at < INSTANT_MAX else min(at, now)


def filled(**values: Any) -> Record:
    """The values that say something."""
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}


def digest(*parts: object) -> str:
    """An id that follows from what happened."""
    said = "\x1f".join(map(str, parts)).encode("utf-8", "replace")
    return blake2b(said, digest_size=12).hexdigest()


def email(value: object) -> str:
    """An address as one key: lower case, no spaces around; empty if it is none."""
    found = word(value).strip().lower()
    return found if "@" in found else ""

"""Receipts: what providers report back, in one form.

Rule 1: a callback is read by what its provider documents; what it leaves out is empty, and what
    it adds is not looked at. Nothing in it can raise anything but `UnreadableCallback`.
Rule 2: `send_id` and `profile` come from what the adapter sent along; where they are missing,
    `message_id` is the provider's name for the message, as the outbox knows it.
Rule 3: an open by a machine (a mail proxy, a scanner) is marked, for it says nothing of people.
"""

import datetime as dt
import email.utils
from collections.abc import Mapping, Sequence
from typing import Literal as OneOf, cast

import msgspec

from segue.channels import limits
from segue.errors import UnreadableCallback
from segue.kernel.inputs import Reported
from segue.kernel.values import Instant

Kind = OneOf[
    "queued",
    "sent",
    "delivered",
    "deferred",
    "bounced",
    "rejected",
    "failed",
    "complained",
    "unsubscribed",
    "subscribed",
    "opened",
    "clicked",
    "autoresponded",
    "unknown",
]

Reason = OneOf["", "invalid", "bounced", "timed_out", "blocked", "spam", "unsubscribed", "other"]


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """What arrived over HTTP; header names are in lower case, `url` is as the provider has it."""

    body: bytes
    headers: Mapping[str, str] = {}
    url: str = ""
    at: Instant = Instant(0)


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a provider says became of one message for one recipient."""

    kind: Kind
    recipient: str = ""
    message_id: str = ""
    event_id: str = ""
    at: Instant | None = None
    reason: Reason = ""
    permanent: bool = True
    description: str = ""
    response: str = ""
    """What the receiving server said."""
    url: str = ""
    user_agent: str = ""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, object] = {}
    machine: bool = False
    send_id: str = ""
    profile: str = ""


def reported(receipt: Receipt) -> Reported | None:
    """What the receipt says to the kernel; None where it changes nothing for the customer.

    A soft bounce was not delivered, but the address may be good: it failed, and no more. What
    the provider rejects for an earlier bounce, complaint or unsubscription repeats that fact.
    """
    said = receipt.description or receipt.response
    reason = f"{receipt.reason}: {said}" if receipt.reason and said else receipt.reason or said
    reason = reason[: limits.DETAIL_CHARACTERS_MAX]
    known = receipt.send_id
    match receipt.kind:
        case "delivered" | "complained" | "unsubscribed" | "clicked":
            return Reported(send_id=known, outcome=receipt.kind, reason=reason)
        case "opened":
            return Reported(
                send_id=known, outcome="opened", reason="machine" if receipt.machine else ""
            )
        case "bounced" if receipt.permanent:
            return _bounced(receipt, reason)
        case "rejected" if receipt.reason in {"bounced", "invalid"}:
            return _bounced(receipt, reason)
        case "rejected" if receipt.reason == "spam":
            return Reported(send_id=known, outcome="complained", reason=reason)
        case "rejected" if receipt.reason == "unsubscribed":
            return Reported(send_id=known, outcome="unsubscribed", reason=reason)
        case "bounced" | "rejected" | "failed":
            return Reported(send_id=known, outcome="failed", reason=reason)
        case _:
            return None


def _bounced(receipt: Receipt, reason: str) -> Reported:
    return Reported(
        send_id=receipt.send_id, outcome="bounced", reason=reason, address=receipt.recipient
    )


# ── reading what is not trusted ─────────────────────────────────────────────────────


def decoded(body: bytes) -> object:
    """The JSON of a callback. Raises `UnreadableCallback`."""
    if len(body) > limits.CALLBACK_BYTES_MAX:
        raise UnreadableCallback(f"larger than {limits.CALLBACK_BYTES_MAX} bytes")
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnreadableCallback(f"not JSON: {error}") from error


def inner(value: object) -> object:
    """JSON inside a field; None where it holds none."""
    if isinstance(value, str) and value:
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return None
    return None


def record(value: object) -> Mapping[str, object]:
    """A JSON object; empty where it is none."""
    return cast(Mapping[str, object], value) if isinstance(value, dict) else {}


def listed(value: object) -> Sequence[object]:
    """A JSON list; empty where it is none."""
    return cast(Sequence[object], value) if isinstance(value, list) else ()


def text(value: object) -> str:
    """Text, or a number as text; empty for everything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def texts(value: object) -> tuple[str, ...]:
    """A list of texts, or one alone."""
    return tuple(each for each in map(text, listed(value) or (value,)) if each)


def address(value: object) -> str:
    """The bare address of `Name <address>`."""
    return email.utils.parseaddr(text(value))[1]


def from_iso(value: object) -> Instant | None:
    """An instant written by ISO 8601; one without a zone is UTC."""
    try:
        when = dt.datetime.fromisoformat(text(value))
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
    return Instant(int(when.timestamp() * 1000 + 1e-6))


def from_seconds(value: object) -> Instant | None:
    """An instant as seconds since 1970, perhaps with a fraction, perhaps as text."""
    try:
        seconds = float(text(value))
        return Instant(int(seconds * 1000)) if abs(seconds) < 1e11 else None
    except ValueError:
        return None


def headers_named(headers: object, name: str) -> list[str]:
    """All values of a header in a list of `{name, value}`."""
    found = (record(each) for each in listed(headers))
    return [
        text(each.get("value")) for each in found if text(each.get("name")).lower() == name.lower()
    ]


def own_send(metadata: Mapping[str, object]) -> str:
    """The send that an adapter sent along."""
    return text(metadata.get("segue_send"))


def own_profile(metadata: Mapping[str, object]) -> str:
    """The profile that an adapter sent along."""
    return text(metadata.get("segue_profile"))


def without_own(metadata: Mapping[str, object]) -> dict[str, object]:
    """The metadata that is not ours."""
    return {name: value for name, value in metadata.items() if not name.startswith("segue_")}

"""Segment's wire format, translated into the kernel's inputs.

Rule 1: nothing here does I/O or reads a clock; the instant of arrival is an argument.
Rule 2: a message that can't be used is refused with a code, a place and a sentence, and harms
    no other message of its batch, not even when it is not JSON at all (see `wire.py`).
Rule 3: clocks. The spec says `timestamp = receivedAt - (sentAt - originalTimestamp)`; so does
    this, where `sentAt` is readable and not before the message's own time. The result is
    never later than the arrival. What can't be read, or lands before 2000 (a device whose
    clock was never set), counts as happening at its arrival; `context.timestamp_unused`
    keeps what was sent. Any instant since 2000 is accepted: that is how history is imported.
Rule 4: `live`. What customers do counts as activity whichever library reports it, because a
    shop that tracks from its server is tracking its customers' activity. Not live are:
    messages with `context.active: false` (the spec's own word for it), everything sent to
    `/v1/import`, and what happened longer before its arrival than a session can stay open.
Rule 5: only `identify` (and `group`, for the group) carries traits; `context.traits` of any
    other message stays in its context.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal as OneOf, TypeAlias, cast

import msgspec

from segue.connectors import limits
from segue.connectors.wire import Malformed, decode_leniently, split
from segue.kernel.inputs import Consented, Event, Reported
from segue.kernel.values import Instant, Record

Kind: TypeAlias = OneOf["track", "page", "screen", "identify", "group", "alias"]
Id: TypeAlias = str | int | float | None

REFUSALS: Final[dict[str, str]] = {
    "malformed": "it is not JSON",
    "wrong_type": "a field has a type that the Segment spec does not give it",
    "too_large": f"it is larger than {limits.MESSAGE_BYTES_MAX // 1024} KB",
    "too_deep": f"it is nested deeper than {limits.NESTING_MAX} levels",
    "null_byte": "it contains a null character",
    "number_range": "it contains a number that is out of range",
    "type_unknown": "its type is none of identify, track, page, screen, group, alias",
    "name_missing": "a track message needs the name of its event",
    "name_too_long": f"the event's name is longer than {limits.NAME_CHARS_MAX} characters",
    "id_missing": "it names no customer: neither userId nor anonymousId",
    "id_too_long": f"an id is longer than {limits.ID_CHARS_MAX} characters",
    "alias_incomplete": "an alias message needs both userId and previousId",
}
"""Why a message can be refused, with the sentence a person reads."""

NAMES: Final[dict[Kind, str]] = {
    "page": "Page Viewed",
    "screen": "Screen Viewed",
    "identify": "Profile Identified",
    "group": "Group Joined",
    "alias": "Profile Aliased",
}
"""What each kind of message but `track`, which brings its own, is called."""

REPORTS: Final[dict[str, OneOf["shown", "clicked", "dismissed"]]] = {
    "Message Shown": "shown",
    "Message Clicked": "clicked",
    "Message Dismissed": "dismissed",
}
"""Track events that say what became of a send; `properties.send_id` names it."""

CONSENT_CHANGED: Final = "Segment Consent Preference Updated"
"""The track event by which consent managers tell Segment of a change."""

EARLIEST: Final = Instant(946_684_800_000)
"""2000-01-01. No clock that was ever set says less."""

LATE_MS: Final = 30 * 60_000
"""Older than this at its arrival, an event tells of a session that is over."""

PLACEHOLDERS: Final = frozenset(
    {"null", "undefined", "nil", "none", "nan", "[object object]", "unknown", "-1", "0"}
)
"""Ids that broken pages send for everyone: taken as missing, or strangers would be merged."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_KINDS_OF_BYTES = bytes(
    ord("0") if byte in b"0123456789" else ord(":") if byte in b":,[- \t\r\n" else ord(".")
    for byte in range(256)
)
"""Digits, what a number in JSON may follow, and the rest."""
_LONG_NUMBER = b":" + b"0" * (limits.DIGITS_MAX + 1)
_KINDS: Final = frozenset({"track", "page", "screen", "identify", "group", "alias"})


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A message that can't be used: which of the batch, why, where in it, and its bytes."""

    index: int
    code: str
    place: str
    text: str
    body: bytes
    message_id: str = ""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A message that became an event, and what it says of consents and sends besides."""

    event: Event
    consents: tuple[Consented, ...] = ()
    report: Reported | None = None


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """One request's body, opened as far as its envelope: messages are still bytes."""

    messages: tuple[bytes | msgspec.Raw, ...]
    write_key: str = ""
    sent_at: "str | int | float | None" = None
    context: Record = {}


class Unreadable(Exception):
    """The body as a whole can't be used; nothing of it was accepted."""


class _Envelope(msgspec.Struct, rename="camel"):
    batch: list[msgspec.Raw]
    write_key: str | None = None
    sent_at: Any = None
    context: dict[str, Any] | None = None


class _Lone(msgspec.Struct, rename="camel"):
    write_key: Any = None
    sent_at: Any = None


class _Wire(msgspec.Struct, rename="camel"):
    """A message as the spec writes it; what is not named here is not used."""

    type: str | None = None
    message_id: Id = None
    user_id: Id = None
    anonymous_id: Id = None
    previous_id: Id = None
    group_id: Id = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    timestamp: Any = None
    original_timestamp: Any = None
    sent_at: Any = None


_envelope: Callable[[bytes], _Envelope] = msgspec.json.Decoder(_Envelope).decode
_lone: Callable[[bytes], _Lone] = msgspec.json.Decoder(_Lone).decode
_wire: Callable[[bytes | msgspec.Raw], _Wire] = msgspec.json.Decoder(_Wire).decode
_whole: Callable[[bytes | msgspec.Raw], Any] = msgspec.json.Decoder().decode


# ── the envelope ────────────────────────────────────────────────────────────────────


def unpack(body: bytes) -> Parcel:
    """Open a batch, or a single message, as far as its envelope.

    Raises `Unreadable` where not even the envelope can be read.
    """
    if not body.strip():
        raise Unreadable("the body is empty")
    if body.startswith(b"\xef\xbb\xbf"):
        body = body[3:]
    try:
        envelope = _envelope(body)
    except msgspec.ValidationError as error:
        if "required field `batch`" in str(error):
            return _single(body)
        raise Unreadable(_plain(error)) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError) as error:
        return _recovered(body, error)
    return _parcel(envelope, tuple(envelope.batch))


def _parcel(envelope: _Envelope, messages: tuple[bytes | msgspec.Raw, ...]) -> Parcel:
    return Parcel(
        messages=messages,
        write_key=envelope.write_key or "",
        sent_at=envelope.sent_at,
        context=envelope.context or {},
    )


def _single(body: bytes) -> Parcel:
    try:
        lone = _lone(body)
    except msgspec.ValidationError as error:
        raise Unreadable(_plain(error)) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError):
        lone = _Lone()
    key = lone.write_key if isinstance(lone.write_key, str) else ""
    return Parcel(messages=(body,), write_key=key, sent_at=lone.sent_at)


def _recovered(body: bytes, error: Exception) -> Parcel:
    """One message of the batch can't be read; find where it ends, so that the others can."""
    try:
        outside, messages = split(body)
    except Malformed as worse:
        raise Unreadable(str(worse)) from error
    if messages is None:
        try:
            decode_leniently(body)
        except Malformed as worse:
            if not isinstance(error, RecursionError):
                raise Unreadable(_plain(error)) from worse
        return _single(body)
    try:
        envelope = _envelope(outside)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError) as worse:
        raise Unreadable(_plain(error)) from worse
    return _parcel(envelope, tuple(messages))


def _plain(error: Exception) -> str:
    """The decoder's sentence, without the marks of its own notation."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error).replace("`$.", "`").replace("`$`", "the body")


# ── one message ─────────────────────────────────────────────────────────────────────


class Reader:
    """Reads the messages of one parcel: what they have in common is worked out once."""

    def __init__(
        self,
        parcel: Parcel,
        arrived_at: Instant,
        *,
        source: str = "",
        kind: Kind | None = None,
        history: bool = False,
    ) -> None:
        self._parcel = parcel
        self._arrived_at = arrived_at
        self._source = source
        self._kind = kind
        self._history = history
        self._sent_at = instant(parcel.sent_at)

    def read(self) -> tuple[list[Taken], list[Refused]]:
        """Every message, in order: what was taken, and what was refused."""
        taken: list[Taken] = []
        refused: list[Refused] = []
        for index, raw in enumerate(self._parcel.messages):
            answer = self.message(index, raw)
            if isinstance(answer, Taken):
                taken.append(answer)
            else:
                refused.append(answer)
        return taken, refused

    def message(self, index: int, raw: bytes | msgspec.Raw) -> Taken | Refused:
        """One message. Never raises for what is in it."""
        size = memoryview(raw).nbytes
        if size > limits.MESSAGE_BYTES_MAX:
            return _refused(index, raw, "too_large", "", f"it has {size:,} bytes")
        try:
            wire = _wire(raw)
        except msgspec.ValidationError as error:
            place = _place(error)
            code = "number_range" if "out of range" in str(error) else "wrong_type"
            return _refused(index, raw, code, place, _plain(error))
        except RecursionError:
            return _refused(index, raw, "too_deep", "", REFUSALS["too_deep"])
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            try:
                wire = msgspec.convert(decode_leniently(bytes(raw)), _Wire)
            except (Malformed, msgspec.ValidationError):
                return _refused(index, raw, "malformed", "", _plain(error))
        flaw = first_flaw(raw)
        if flaw is not None:
            return _refused(index, raw, flaw[0], flaw[1], REFUSALS[flaw[0]], wire)
        return self._translated(index, raw, wire)

    def _translated(self, index: int, raw: bytes | msgspec.Raw, wire: _Wire) -> Taken | Refused:
        kind = wire.type or self._kind
        if kind not in _KINDS:
            text = f"{REFUSALS['type_unknown']}: {str(kind)[:40]!r}"
            return _refused(index, raw, "type_unknown", "type", text, wire)
        ids: dict[str, str] = {}
        for field, sent in (
            ("userId", wire.user_id),
            ("anonymousId", wire.anonymous_id),
            ("previousId", wire.previous_id),
            ("groupId", wire.group_id),
            ("messageId", wire.message_id),
        ):
            value = _text(sent)
            if len(value) > limits.ID_CHARS_MAX:
                text = f"{field} has {len(value):,} characters; at most {limits.ID_CHARS_MAX}"
                return _refused(index, raw, "id_too_long", field, text, wire)
            ids[field] = value
        for field in ("userId", "anonymousId", "previousId"):
            if ids[field].lower() in PLACEHOLDERS:
                ids[field] = ""
        if not ids["userId"] and not ids["anonymousId"]:
            return _refused(index, raw, "id_missing", "userId", REFUSALS["id_missing"], wire)
        if kind == "alias" and not (ids["userId"] and ids["previousId"]):
            place = "previousId" if ids["userId"] else "userId"
            text = REFUSALS["alias_incomplete"]
            return _refused(index, raw, "alias_incomplete", place, text, wire)
        name = (wire.event or "").strip() if kind == "track" else NAMES[cast(Kind, kind)]
        if not name:
            return _refused(index, raw, "name_missing", "event", REFUSALS["name_missing"], wire)
        if len(name) > limits.NAME_CHARS_MAX:
            text = f"the event's name has {len(name):,} characters"
            return _refused(index, raw, "name_too_long", "event", text, wire)
        made = ids["messageId"] or self._derived(index, raw)
        return self._taken(wire, cast(Kind, kind), name, {**ids, "messageId": made})

    def _taken(self, wire: _Wire, kind: Kind, name: str, ids: dict[str, str]) -> Taken:
        context: Record = wire.context or {}
        if self._parcel.context:
            context = {**self._parcel.context, **context}
        at, used = self._instant(wire)
        if not used:
            sent = wire.original_timestamp if wire.timestamp is None else wire.timestamp
            context = {**context, "timestamp_unused": str(sent)[:64]}
        event = Event(
            id=ids["messageId"],
            name=name,
            at=at,
            kind=kind,
            properties=_properties(wire, kind, ids),
            traits=_traits(wire, kind, context),
            context=context,
            anonymous_id=ids["anonymousId"],
            user_id=ids["userId"],
            source=self._source,
            live=not (
                self._history or context.get("active") is False or self._arrived_at - at > LATE_MS
            ),
        )
        return Taken(event=event, consents=consents(event), report=report(event))

    def _instant(self, wire: _Wire) -> tuple[Instant, bool]:
        """When it happened (rule 3), and whether what was sent could be used."""
        arrived = self._arrived_at
        said = wire.original_timestamp if wire.original_timestamp is not None else wire.timestamp
        if said is None:
            return arrived, True
        original = instant(said)
        if original is None:
            return arrived, False
        sent = self._sent_at if wire.sent_at is None else instant(wire.sent_at)
        if sent is not None and sent >= original:
            original = Instant(arrived - (sent - original))
        if original < EARLIEST:
            return arrived, False
        return min(original, arrived), True

    def _derived(self, index: int, raw: bytes | msgspec.Raw) -> str:
        """An id for a message without one: its content, its arrival and its place."""
        digest = hashlib.blake2b(bytes(raw), digest_size=16)
        digest.update(b"\x00%d\x00%d" % (self._arrived_at, index))
        return "segue-" + digest.hexdigest()


def instant(value: object) -> Instant | None:
    """A time as clients write it: ISO 8601 in any of its forms, or seconds or ms since 1970.

    Without an offset it is UTC, as the spec says. None where it can't be read.
    """
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value.strip())
            if at.tzinfo is None:
                at = at.replace(tzinfo=UTC)
            return Instant((at - _EPOCH) // _MILLISECOND)
        except (ValueError, OverflowError):
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not -1e15 < value < 1e15:
        return None
    return Instant(int(value if abs(value) >= 1e11 else value * 1000))


def _text(value: Id) -> str:
    """An id as text; numbers are written as people write them."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e18:
        value = int(value)
    return str(value).strip()


def _properties(wire: _Wire, kind: Kind, ids: Mapping[str, str]) -> Record:
    """Properties, with what the spec puts beside them for some kinds."""
    properties: Record = wire.properties or {}
    match kind:
        case "page" | "screen":
            beside = {"name": wire.name, "category": wire.category}
            named = {key: value for key, value in beside.items() if value is not None}
            return {**properties, **named} if named else properties
        case "group":
            return {**properties, "groupId": ids["groupId"]} if ids["groupId"] else properties
        case "alias":
            return {**properties, "previousId": ids["previousId"]}
        case "track" | "identify":
            return properties


def _traits(wire: _Wire, kind: Kind, context: Record) -> Record:
    """Traits from the top, else from `context.traits` (rule 5)."""
    if kind not in ("identify", "group"):
        return {}
    top: Record = wire.traits or {}
    inner = context.get("traits")
    if kind == "identify" and isinstance(inner, dict) and inner:
        return {**inner, **top}
    return top


# ── what a message says besides ─────────────────────────────────────────────────────


_CHANNELS: Final = {
    "EMAIL": "email",
    "SMS": "sms",
    "WHATSAPP": "whatsapp",
    "IOS_PUSH": "push",
    "ANDROID_PUSH": "push",
    "PUSH": "push",
}
_STATES: Final[dict[str, OneOf["granted", "denied", "pending"]]] = {
    "SUBSCRIBED": "granted",
    "UNSUBSCRIBED": "denied",
    "DID_NOT_SUBSCRIBE": "denied",
    "PENDING": "pending",
}


def consents(event: Event) -> tuple[Consented, ...]:
    """What a message says of consent.

    `context.messaging_subscriptions` of an identify is Segment's form for channels, with
    groups as topics. `context.consent.categoryPreferences` gives each category as a topic on
    all channels; it comes with every message, so it is read only where it may change: on an
    identify and on Segment's own event for it.
    """
    if event.kind != "identify" and event.name != CONSENT_CHANGED:
        return ()
    found: list[Consented] = []
    subscriptions = event.context.get("messaging_subscriptions")
    for line in cast(list[object], subscriptions) if isinstance(subscriptions, list) else ():
        if isinstance(line, dict):
            found.extend(_subscribed(cast(dict[str, object], line), event))
    consent = event.context.get("consent")
    preferences = consent.get("categoryPreferences") if isinstance(consent, dict) else None
    for topic, allowed in preferences.items() if isinstance(preferences, dict) else ():
        if isinstance(allowed, bool) and topic:
            state: OneOf["granted", "denied"] = "granted" if allowed else "denied"
            found.append(_consented("*", topic, state, event))
    return tuple(found[: limits.SUBSCRIPTIONS_MAX])


def _subscribed(line: dict[str, object], event: Event) -> list[Consented]:
    channel = _CHANNELS.get(str(line.get("type")).upper())
    if channel is None:
        return []
    found: list[Consented] = []
    state = _STATES.get(str(line.get("status")).upper())
    if state is not None:
        found.append(_consented(channel, "*", state, event))
    groups = line.get("groups")
    for group in cast(list[object], groups) if isinstance(groups, list) else ():
        if isinstance(group, dict):
            said = cast(dict[str, object], group)
            topic, state = said.get("name"), _STATES.get(str(said.get("status")).upper())
            if isinstance(topic, str) and topic and state is not None:
                found.append(_consented(channel, topic, state, event))
    return found


def _consented(
    channel: str, topic: str, state: OneOf["granted", "denied", "pending"], event: Event
) -> Consented:
    return Consented(
        channel=channel, topic=topic, state=state, at=event.at, source=event.source or "segment"
    )


def report(event: Event) -> Reported | None:
    """What a page says of a message it was given, if that is what the event is."""
    outcome = REPORTS.get(event.name)
    send = event.properties.get("send_id") if outcome is not None else None
    if outcome is None or event.kind != "track" or not isinstance(send, str) or not send:
        return None
    return Reported(send_id=send[: limits.ID_CHARS_MAX], outcome=outcome)


# ── flaws that only a look at the bytes finds ───────────────────────────────────────


def first_flaw(raw: bytes | msgspec.Raw) -> tuple[str, str] | None:
    """(code, place) of what would do harm further on; the common message costs one look."""
    body = bytes(raw)
    nested = body.count(b"{") + body.count(b"[") > limits.NESTING_MAX
    long = _LONG_NUMBER in body.translate(_KINDS_OF_BYTES) or body[:1].isdigit()
    if nested or long or b"\\u0000" in body:
        try:
            return _searched(_whole(body))
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
            return _searched(decode_leniently(body))
    return None


def _searched(whole: object) -> tuple[str, str] | None:
    """Walk a decoded message without recursion, outside in."""
    stack: list[tuple[object, str, int]] = [(whole, "", 0)]
    bound = 10**limits.DIGITS_MAX
    while stack:
        value, place, depth = stack.pop()
        if isinstance(value, str):
            if "\x00" in value:
                return "null_byte", place
        elif isinstance(value, int):
            if not -bound < value < bound:
                return "number_range", place
        elif isinstance(value, dict | list):
            if depth >= limits.NESTING_MAX:
                return "too_deep", place
            if isinstance(value, dict):
                for key, member in cast(dict[str, object], value).items():
                    if "\x00" in key:
                        return "null_byte", place
                    stack.append((member, f"{place}.{key[:40]}" if place else key[:40], depth + 1))
            else:
                for index, member in enumerate(cast(list[object], value)):
                    stack.append((member, f"{place}[{index}]", depth + 1))
    return None


def _place(error: msgspec.ValidationError) -> str:
    """The field that the decoder complains of: `properties` of "... - at `$.properties`"."""
    found = re.search(r"at `\$\.?([^`]*)`", str(error))
    return found.group(1) if found else ""


def _refused(
    index: int,
    raw: bytes | msgspec.Raw,
    code: str,
    place: str,
    text: str,
    wire: _Wire | None = None,
) -> Refused:
    return Refused(
        index=index,
        code=code,
        place=place,
        text=text,
        body=bytes(memoryview(raw)[: limits.SET_ASIDE_BYTES_MAX]),
        message_id=_text(wire.message_id)[: limits.ID_CHARS_MAX] if wire is not None else "",
    )

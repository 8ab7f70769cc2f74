"""HubSpot's webhooks: changes of contacts and deals, as traits and events.

Rule 1: v3 signature: base64 HMAC-SHA256 of method, URI, body and timestamp, in
    `X-HubSpot-Signature-v3`; older than five minutes is refused. The URI is the one that HubSpot
    called, as the public sees it, with these of its escapes undone: %3A %2F %3F %40 %21 %24 %27
    %28 %29 %2A %2C %3B.
Rule 2: a delivery is a list of up to 100 changes, in no order; each stands for itself, and what
    can't be read is named and harms no other.
Rule 3: a contact is `hubspot:<object id>`, an anonymous id, until its email is told (and emails are
    user ids, if so asked). A deal belongs to the contact that `contact_of` names, else to
    itself, `hubspot-deal:<id>`.
Rule 4: `eventId` is not unique by HubSpot's own word, so an event's id follows from what changed.
"""

from base64 import b64encode
from collections.abc import Mapping

from segue.connectors.limits import CHANGES_MAX
from segue.connectors.webhook import (
    Body,
    Headers,
    Refused,
    Unreadable,
    UserBy,
    Verified,
    amount,
    decoded,
    digest,
    email,
    filled,
    header,
    members,
    read,
    record,
    same,
    signature,
    too_large,
    when,
    word,
)
from segue.kernel.inputs import Event
from segue.kernel.values import MINUTE, Instant, Millis, Record, Value

SOURCE = "hubspot"
TOLERANCE = Millis(5 * MINUTE)
ESCAPES = {
    "%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$", "%27": "'",
    "%28": "(", "%29": ")", "%2A": "*", "%2C": ",", "%3B": ";",
}  # fmt: skip
TRAITS = {
    "firstname": "first_name",
    "lastname": "last_name",
    "hs_language": "language",
    "hs_timezone": "timezone",
    "mobilephone": "mobile_phone",
}
"""HubSpot's names of what has a name of its own here; others keep theirs."""


def receive(
    headers: Headers,
    body: bytes,
    secret: str,
    now: Instant,
    *,
    uri: str,
    method: str = "POST",
    user_by: UserBy = "id",
    contact_of: Mapping[str, str] | None = None,
    tolerance_ms: Millis = TOLERANCE,
) -> Verified | Refused:
    """Check and translate one delivery."""
    if refused := too_large(SOURCE, body):
        return refused
    signed = header(headers, "X-HubSpot-Signature-v3")
    stamp = header(headers, "X-HubSpot-Request-Timestamp")
    if not signed or not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16):
        detail = "no X-HubSpot-Signature-v3, or no X-HubSpot-Request-Timestamp"
        return Refused(source=SOURCE, reason="unsigned", detail=detail)
    called = uri
    for escape, plain in ESCAPES.items():
        called = called.replace(escape, plain).replace(escape.lower(), plain)
    message = f"{method}{called}".encode() + body + stamp.encode()
    if not same(signed, b64encode(signature(secret, message).digest()).decode()):
        return Refused(source=SOURCE, reason="forged")
    if int(stamp) < now - tolerance_ms:
        return Refused(source=SOURCE, reason="too_old", detail=f"signed at {stamp}")
    return read(SOURCE, lambda: _translated(body, now, user_by, contact_of or {}))


def _translated(
    body: bytes, now: Instant, user_by: UserBy, contact_of: Mapping[str, str]
) -> Verified:
    said = decoded(body)
    changes = members(said) if body.lstrip().startswith(b"[") else [said]
    if len(changes) > CHANGES_MAX:
        raise Unreadable(f"{len(changes)} changes; at most {CHANGES_MAX} come at once")
    events: list[Event] = []
    faults: list[str] = []
    topics: dict[str, None] = {}
    for place, change in enumerate(changes):
        one = record(change)
        topic = word(one.get("subscriptionType")) or word(one.get("eventType"))
        topics[topic] = None
        try:
            events += _Change(one, topic, now, user_by, contact_of).told()
        except Unreadable as unreadable:
            faults.append(f"[{place}]: {unreadable}")
    return Verified(
        source=SOURCE,
        # A repeat carries the same changes; only the count of attempts differs.
        id=digest(*(event.id for event in events), *faults) if events or faults else digest(body),
        topic=", ".join(sorted(topics)),
        events=tuple(sorted(events, key=lambda event: event.at)),
        ignored="" if events or faults else "no event is made of these changes",
        faults=tuple(faults),
    )


class _Change:
    """One change of one object."""

    def __init__(
        self, said: Body, topic: str, now: Instant, user_by: UserBy, contact_of: Mapping[str, str]
    ) -> None:
        self._said = said
        self._topic = topic
        self._at = when(said.get("occurredAt"), now)
        self._user_by = user_by
        self._contact_of = contact_of

    def told(self) -> list[Event]:
        """The events that follow from it; none for what Segue has no use for."""
        match self._topic:
            case "contact.propertyChange":
                return self._contact_changed()
            case "contact.creation":
                return [self._event("Contact Created", filled(contact_id=self._number()))]
            case "contact.deletion" | "contact.privacyDeletion":
                gone = filled(
                    contact_id=self._number(),
                    for_privacy=self._topic == "contact.privacyDeletion",
                )
                return [self._event("Contact Deleted", gone)]
            case "deal.propertyChange":
                return self._deal_changed()
            case "deal.creation":
                return [self._event("Deal Created", filled(deal_id=self._number()))]
            case "deal.deletion":
                return [self._event("Deal Deleted", filled(deal_id=self._number()))]
            case "":
                raise Unreadable("neither subscriptionType nor eventType")
            case _:
                return []

    def _number(self) -> str:
        found = word(self._said.get("objectId"))
        if not found:
            raise Unreadable(f"{self._topic}: no objectId")
        return found

    def _property(self) -> tuple[str, str]:
        name = word(self._said.get("propertyName"))
        if not name:
            raise Unreadable(f"{self._topic}: no propertyName")
        return name, word(self._said.get("propertyValue"))

    def _who(self) -> tuple[str, str]:
        number = self._number()
        if self._topic.startswith("deal."):
            contact = self._contact_of.get(number, "")
            return "", f"hubspot:{contact}" if contact else f"hubspot-deal:{number}"
        user = ""
        if self._user_by == "email" and self._said.get("propertyName") == "email":
            user = email(self._said.get("propertyValue"))
        return user, f"hubspot:{number}"

    def _event(self, name: str, properties: Record, traits: Record | None = None) -> Event:
        user, anonymous = self._who()
        said = self._said
        what = digest(
            name,
            said.get("portalId"),
            self._topic,
            self._number(),
            said.get("propertyName"),
            said.get("propertyValue"),
            said.get("occurredAt"),
        )
        return Event(
            id=f"{SOURCE}-{what}",
            name=name,
            kind="identify" if traits is not None else "track",
            at=self._at,
            properties=properties,
            traits=traits or {},
            user_id=user,
            anonymous_id=anonymous,
            source=SOURCE,
            live=False,
        )

    def _contact_changed(self) -> list[Event]:
        name, value = self._property()
        trait: Value = email(value) or None if name == "email" else value
        changed = filled(
            contact_id=self._number(),
            property=name,
            value=value,
            by=word(self._said.get("changeSource")),
        )
        events = [self._event("Contact Changed", changed)]
        if trait is not None:
            traits: Record = {TRAITS.get(name, name): trait}
            events.insert(0, self._event("Profile Identified", {}, traits))
        if name == "lifecyclestage":
            events.append(self._event("Lifecycle Stage Changed", filled(stage=value)))
        return events

    def _deal_changed(self) -> list[Event]:
        name, value = self._property()
        changed = filled(
            deal_id=self._number(),
            property=name,
            value=amount(value) if name == "amount" else value,
            by=word(self._said.get("changeSource")),
        )
        events = [self._event("Deal Changed", changed)]
        if name == "dealstage":
            stage = filled(deal_id=self._number(), stage=value)
            match value:
                case "closedwon":
                    events.append(self._event("Deal Won", stage))
                case "closedlost":
                    events.append(self._event("Deal Lost", stage))
                case _:
                    events.append(self._event("Deal Stage Changed", stage))
        return events

"""Tasks for people at the company, and properties of contacts, in HubSpot (CRM v3).

Rule 1: what an `assign` says under `properties` is written to the contact first; that may be
    repeated safely. Then the task is made, tied to the contact.
Rule 2: whose contact it is says `contact_id`, else `email`. Without either the task stands alone.
Rule 3: HubSpot has no idempotency key, so a task that may have been made is not made again.
"""

from urllib.parse import quote

import msgspec

from segue.channels.letter import Letter, Reply, Request, accepted, by_status
from segue.channels.secret import Secret
from segue.errors import Unsupported
from segue.hosts.ports import Outcome

TASK_TO_CONTACT = 204
"""HubSpot's own kind of association."""


class HubSpotSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A private app's token, and the ids of owners by the names that journeys use."""

    access_token: Secret
    owners: dict[str, str] = {}
    base_url: str = "https://api.hubapi.com"


class _Details(msgspec.Struct, frozen=True):
    email: str | None = None
    contact_id: str | int | None = None
    priority: str | None = None
    properties: dict[str, str | int | float | bool | None] = {}


class _Object(msgspec.Struct):
    id: str


class HubSpot:
    """Speaks HubSpot's CRM v3."""

    name = "hubspot"
    resends_safely = False

    def __init__(self, settings: HubSpotSettings) -> None:
        self.settings = settings

    def update(self, letter: Letter) -> Request | None:
        """What finds the contact and writes its properties; None where nobody is named."""
        known = _details(letter)
        if not known.email and known.contact_id is None:
            return None
        whose = str(known.contact_id if known.contact_id is not None else known.email)
        by = "" if known.contact_id is not None else "?idProperty=email"
        body = {"properties": {name: _text(value) for name, value in known.properties.items()}}
        return self._request("PATCH", f"contacts/{quote(whose, safe='')}{by}", body)

    def contact_of(self, reply: Reply) -> str:
        """The contact's id; empty where HubSpot knows no such contact. Raises `ValueError`."""
        if reply.status == 404:
            return ""
        return msgspec.json.decode(reply.body, type=_Object).id

    def compose(self, letter: Letter) -> Request:
        return self.task(letter, "")

    def task(self, letter: Letter, contact: str) -> Request:
        """The request that makes the task."""
        title = letter.fields.get("title", "").strip()
        if not title:
            raise Unsupported(self.name, "a task without a title")
        known = _details(letter)
        to = letter.fields.get("to", "").strip() or letter.address
        owner = self.settings.owners.get(to, to if to.isdigit() else "")
        said = [letter.fields.get("body", "")]
        said.append(f"For: {to}" if to and not owner else "")
        said += [
            f"{name}: {value}"
            for name, value in letter.fields.items()
            if name not in {"title", "body", "to"} and value not in {"", "{}"}
        ]
        properties = {
            "hs_task_subject": title,
            "hs_task_body": "\n".join(line for line in said if line),
            "hs_task_status": "NOT_STARTED",
            "hs_task_type": "TODO",
            "hs_timestamp": str(letter.at),
        }
        if known.priority:
            properties["hs_task_priority"] = known.priority.upper()
        if owner:
            properties["hubspot_owner_id"] = owner
        body: dict[str, object] = {"properties": properties}
        if contact:
            kind = {
                "associationCategory": "HUBSPOT_DEFINED",
                "associationTypeId": TASK_TO_CONTACT,
            }
            body["associations"] = [{"to": {"id": contact}, "types": [kind]}]
        return self._request("POST", "tasks", body)

    def interpret(self, reply: Reply) -> Outcome:
        if reply.status in {200, 201}:
            return accepted(msgspec.json.decode(reply.body, type=_Object).id)
        return by_status(reply, self.name)

    def _request(self, method: str, path: str, body: object) -> Request:
        return Request(
            method=method,
            url=f"{self.settings.base_url.rstrip('/')}/crm/v3/objects/{path}",
            headers={
                "Authorization": f"Bearer {self.settings.access_token.reveal()}",
                "Content-Type": "application/json",
            },
            body=msgspec.json.encode(body),
        )


def _details(letter: Letter) -> _Details:
    """What an `assign` says besides; nothing where it says it in another form."""
    try:
        return msgspec.json.decode(letter.fields.get("details", "{}"), type=_Details)
    except msgspec.DecodeError:
        return _Details()


def _text(value: str | float | bool | None) -> str:
    """A property's value as HubSpot takes all of them: text; nothing clears it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)

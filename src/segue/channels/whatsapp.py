"""WhatsApp by Meta's own Cloud API: approved templates, and texts inside the 24-hour window.

It has no idempotency key. What travels along (`biz_opaque_callback_data`) comes back with every
receipt, so that those find their send.
"""

import msgspec

from segue.channels import limits, sms
from segue.channels.letter import Letter, Reply, Request, accepted, by_status, refused, try_later
from segue.channels.secret import NONE, Secret
from segue.errors import Unsupported
from segue.hosts.ports import Outcome

FIELDS = frozenset({"body", "template", "parameters"})

LATER = frozenset(
    {1, 2, 4, 10, 190, 368, 80007, 130429, 131000, 131005, 131016, 131031, 131042, 131045, 131048}
    | {131056, 131057, 133004, 133010}
)
"""Codes of rate limits, maintenance, and of an account, a key or a number that we have to mend."""


class CloudSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number of a WhatsApp Business account, and a token that may send from it.

    `app_secret` proves receipts and `verify_token` is the word by which Meta asks for the
    callback's address first. `language` is that of templates that name none themselves.
    """

    phone_number_id: str
    access_token: Secret
    app_secret: Secret = NONE
    verify_token: Secret = NONE
    language: str = "en_US"
    version: str = "v23.0"
    base_url: str = "https://graph.facebook.com"


class _Error(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""


class _Named(msgspec.Struct):
    id: str = ""


class _Said(msgspec.Struct):
    messages: list[_Named] = []
    error: _Error = _Error()


class WhatsApp:
    """Speaks Meta's WhatsApp Cloud API."""

    name = "meta_whatsapp"
    resends_safely = False

    def __init__(self, settings: CloudSettings) -> None:
        self.settings = settings

    def compose(self, letter: Letter) -> Request:
        known = self.settings
        foreign = sorted(letter.fields.keys() - FIELDS)
        if foreign:
            raise Unsupported(self.name, f"the field {foreign[0]!r} in a WhatsApp message")
        told: dict[str, object] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": sms.number(letter.address),
        }
        ids = msgspec.json.encode({"send": letter.id, "profile": letter.profile}).decode()
        if len(ids) <= limits.OPAQUE_CHARACTERS_MAX:
            told["biz_opaque_callback_data"] = ids
        text, template = (letter.fields.get(key, "").strip() for key in ("body", "template"))
        if bool(text) == bool(template):
            raise Unsupported(self.name, "a WhatsApp message without one of template and body")
        if template:
            told |= {"type": "template", "template": self._template(letter, template)}
        elif letter.fields.get("parameters"):
            raise Unsupported(self.name, "parameters without a template")
        else:
            told |= {"type": "text", "text": {"preview_url": False, "body": text}}
        return Request(
            method="POST",
            url=f"{known.base_url.rstrip('/')}/{known.version}/{known.phone_number_id}/messages",
            headers={
                "Authorization": f"Bearer {known.access_token.reveal()}",
                "Content-Type": "application/json",
            },
            body=msgspec.json.encode(told),
        )

    def _template(self, letter: Letter, template: str) -> dict[str, object]:
        """`name`, or `name/language`, filled with the parameters."""
        name, _, language = template.partition("/")
        told: dict[str, object] = {
            "name": name,
            "language": {"code": language or self.settings.language},
        }
        given = letter.fields.get("parameters", "").strip()
        if given:
            told["components"] = _components(msgspec.json.decode(given, type=dict[str, str]))
        return told

    def interpret(self, reply: Reply) -> Outcome:
        if 200 <= reply.status < 300:
            said = msgspec.json.decode(reply.body, type=_Said)
            if not said.messages:
                raise ValueError("no message is named")
            return accepted(said.messages[0].id)
        if reply.status != 400:
            return by_status(reply, self.name)
        error = msgspec.json.decode(reply.body, type=_Said).error
        detail = f"{self.name}: {error.code} {error.message}"
        return try_later(detail) if error.code in LATER else refused(detail)


def _components(given: dict[str, str]) -> list[dict[str, object]]:
    """Where each parameter goes: `1` or a name into the body, `header.1` into the header,
    `button.0` into the address of the first button.
    """
    parts: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for key, value in given.items():
        part, dot, place = key.partition(".")
        if dot and part == "button":
            parts.setdefault((part, place), []).append(("1", value))
        elif dot and part == "header":
            parts.setdefault((part, ""), []).append((place, value))
        else:
            parts.setdefault(("body", ""), []).append((key, value))
    found: list[dict[str, object]] = []
    for (part, place), values in sorted(parts.items()):
        where = {"sub_type": "url", "index": place} if part == "button" else {}
        found.append({"type": part, **where, "parameters": _in_order(values)})
    return found


def _in_order(values: list[tuple[str, str]]) -> list[dict[str, str]]:
    """Numbered ones by their numbers; named ones with their names."""
    if all(key.isdecimal() for key, _ in values):
        return [{"type": "text", "text": value} for _, value in sorted(values, key=_number)]
    return [{"type": "text", "parameter_name": key, "text": value} for key, value in values]


def _number(one: tuple[str, str]) -> int:
    return int(one[0])

"""Push to apps and browsers by Firebase Cloud Messaging, HTTP v1.

FCM has no idempotency key; the send's digest is the notification's tag, so that a device shows
one in place of the other. A token that FCM calls unregistered is dead: it is not used again.
"""

import re

import msgspec

from segue.channels import limits
from segue.channels.email import digest
from segue.channels.letter import (
    Letter,
    Reply,
    Request,
    accepted,
    by_status,
    refused,
    try_later,
    unreachable,
)
from segue.channels.login import GoogleLogin
from segue.channels.secret import Secret
from segue.define.channels import CHANNELS
from segue.errors import BadAddress, ChannelMisconfigured, Unsupported
from segue.hosts.ports import Outcome

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
FIELDS = frozenset(CHANNELS["push"].takes)
DEAD = frozenset({"UNREGISTERED"})
OURS_TO_CORRECT = frozenset({"THIRD_PARTY_AUTH_ERROR", "SENDER_ID_MISMATCH"})
_TOKEN = re.compile(r"[A-Za-z0-9_:\-]{20,4096}")


class FcmSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The service account's key file (`file:/path`); `project_id` if it is another's project."""

    service_account: Secret
    project_id: str = ""
    base_url: str = "https://fcm.googleapis.com"


class _Sent(msgspec.Struct):
    name: str


class Fcm:
    """Speaks FCM HTTP v1."""

    name = "fcm"
    resends_safely = False

    def __init__(self, settings: FcmSettings) -> None:
        self.settings = settings
        self.login = GoogleLogin(settings.service_account, SCOPE)
        project = settings.project_id or self.login.account.project_id
        if not project:
            raise ChannelMisconfigured("fcm: neither project_id nor one in the service account")
        self._url = f"{settings.base_url.rstrip('/')}/v1/projects/{project}/messages:send"

    def compose(self, letter: Letter) -> Request:
        if not _TOKEN.fullmatch(letter.address):
            raise BadAddress("not a registration token of Firebase")
        said = fields_of(letter, self.name)
        tag = digest(letter.id)
        shown = {name: said[name] for name in ("title", "body", "image") if name in said}
        marked = {"tag": tag}
        if "icon" in said:
            marked["icon"] = said["icon"]
        web: dict[str, dict[str, str]] = {"notification": marked}
        if said.get("url", "").startswith("https://"):
            web["fcm_options"] = {"link": said["url"]}
        carried = {"segue_send": letter.id}
        carried |= {name: said[name] for name in ("url", "action") if name in said}
        message: dict[str, object] = {
            "token": letter.address,
            "notification": shown,
            "data": carried,
            "android": {"notification": marked},
            "apns": {"headers": {"apns-collapse-id": tag}},
            "webpush": web,
        }
        return Request(
            method="POST",
            url=self._url,
            headers={"Content-Type": "application/json"},
            body=msgspec.json.encode({"message": message}),
        )

    def interpret(self, reply: Reply) -> Outcome:
        if reply.status == 200:
            return accepted(msgspec.json.decode(reply.body, type=_Sent).name)
        code = _code(reply)
        if code in DEAD:
            return unreachable(f"fcm: {code}")
        if code in OURS_TO_CORRECT:
            return try_later(f"fcm: {code}")
        if reply.status == 404 and code == "NOT_FOUND":
            return refused("fcm: NOT_FOUND")
        return by_status(reply, self.name)


def fields_of(letter: Letter, provider: str) -> dict[str, str]:
    """What a push holds. Raises `Unsupported`."""
    foreign = sorted(letter.fields.keys() - FIELDS)
    if foreign:
        raise Unsupported(provider, f"the field {foreign[0]!r} in a push")
    said = {name: text for name, text in letter.fields.items() if text.strip()}
    if "body" not in said:
        raise Unsupported(provider, "a push without a body")
    if sum(len(text.encode()) for text in said.values()) > limits.PUSH_BYTES_MAX:
        raise Unsupported(provider, f"a push of more than {limits.PUSH_BYTES_MAX} bytes")
    return said


class _Detail(msgspec.Struct):
    error_code: str = msgspec.field(name="errorCode", default="")


class _Trouble(msgspec.Struct):
    status: str = ""
    details: list[_Detail] = []


class _Refusal(msgspec.Struct):
    error: _Trouble | None = None


def _code(reply: Reply) -> str:
    """FCM's own code of an error; empty where the reply is not in its form."""
    try:
        error = msgspec.json.decode(reply.body, type=_Refusal).error
    except msgspec.DecodeError:
        return ""
    if error is None:
        return ""
    return next((each.error_code for each in error.details if each.error_code), error.status)

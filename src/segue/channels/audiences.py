"""Ad audiences: Meta's Custom Audiences, and Google's Customer Match by its Data Manager API.

Rule 1: people are named by hashes only: SHA-256 of what each provider asks to be normalised, in
    the way it asks. Who has neither email nor phone number can't be matched, and is refused.
Rule 2: adding and removing are idempotent, so a broken exchange is simply tried again.
Rule 3: changes of one audience in one direction travel together in one request.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Protocol

import msgspec

from segue.channels import sms
from segue.channels.letter import Letter, Reply, Request, accepted, by_status, refused, try_later
from segue.channels.login import GoogleLogin
from segue.channels.secret import Secret
from segue.errors import BadAddress, Unsupported
from segue.hosts.ports import Outcome

SCOPE = "https://www.googleapis.com/auth/datamanager"
FIELDS = frozenset({"audience", "change", "data"})
META_LATER = frozenset({1, 2, 4, 17, 32, 190, 200, 294, 613, 2650, 80003})
"""Codes of rate limits, of passing trouble, and of a token that must be corrected."""


class Person(msgspec.Struct, frozen=True):
    """Whom a change is about, as far as it is known."""

    email: str | None = None
    phone: str | None = None


class AudienceAdapter(Protocol):
    """An adapter that carries many letters in one request."""

    @property
    def name(self) -> str: ...
    @property
    def resends_safely(self) -> bool: ...
    def group(self, letter: Letter) -> tuple[str, str]:
        """Which audience it changes, and how; raises `BadAddress` and `Unsupported`."""
        ...

    def compose(self, letter: Letter) -> Request: ...
    def compose_all(self, letters: Sequence[Letter]) -> Request:
        """One request for letters of one group."""
        ...

    def interpret(self, reply: Reply) -> Outcome: ...


class MetaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A system user's token, and the ids of audiences by the names that journeys use."""

    access_token: Secret
    audiences: dict[str, str] = {}
    base_url: str = "https://graph.facebook.com/v25.0"


class _Taken(msgspec.Struct):
    session_id: str | int


class _MetaTrouble(msgspec.Struct):
    message: str = ""
    code: int = 0
    is_transient: bool = False


class _MetaRefusal(msgspec.Struct):
    error: _MetaTrouble


class Meta:
    """Speaks the Marketing API of Meta."""

    name = "meta_ads"
    resends_safely = True

    def __init__(self, settings: MetaSettings) -> None:
        self.settings = settings

    def group(self, letter: Letter) -> tuple[str, str]:
        self._row(letter)
        return group_of(letter, self.settings.audiences, self.name)

    def compose(self, letter: Letter) -> Request:
        return self.compose_all((letter,))

    def compose_all(self, letters: Sequence[Letter]) -> Request:
        audience, change = self.group(letters[0])
        rows = [self._row(letter) for letter in letters]
        known = self.settings
        return Request(
            method="POST" if change == "add" else "DELETE",
            url=f"{known.base_url.rstrip('/')}/{audience}/users",
            headers={
                "Authorization": f"Bearer {known.access_token.reveal()}",
                "Content-Type": "application/json",
            },
            body=msgspec.json.encode({"payload": {"schema": ["EMAIL", "PHONE"], "data": rows}}),
        )

    def _row(self, letter: Letter) -> list[str]:
        email, phone = normal(letter, self.name)
        # Digits with the country code, and no sign before them.
        return [hashed(email), hashed(phone.removeprefix("+"))]

    def interpret(self, reply: Reply) -> Outcome:
        if reply.status == 200:
            return accepted(str(msgspec.json.decode(reply.body, type=_Taken).session_id))
        if reply.status != 400:
            return by_status(reply, self.name, resends_safely=True)
        try:
            said = msgspec.json.decode(reply.body, type=_MetaRefusal).error
        except msgspec.DecodeError:
            return by_status(reply, self.name, resends_safely=True)
        detail = f"meta_ads: {said.code} {said.message}"
        later = said.is_transient or said.code in META_LATER
        return try_later(detail) if later else refused(detail)


class GoogleAdsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service account with access to the ads account, and the ids of its user lists."""

    service_account: Secret
    account_id: str
    login_account_id: str = ""
    audiences: dict[str, str] = {}
    base_url: str = "https://datamanager.googleapis.com/v1"


class _Requested(msgspec.Struct):
    request_id: str = msgspec.field(name="requestId")


class GoogleAds:
    """Speaks the Data Manager API."""

    name = "google_ads"
    resends_safely = True

    def __init__(self, settings: GoogleAdsSettings) -> None:
        self.settings = settings
        self.login = GoogleLogin(settings.service_account, SCOPE)

    def group(self, letter: Letter) -> tuple[str, str]:
        normal(letter, self.name)
        return group_of(letter, self.settings.audiences, self.name)

    def compose(self, letter: Letter) -> Request:
        return self.compose_all((letter,))

    def compose_all(self, letters: Sequence[Letter]) -> Request:
        audience, change = self.group(letters[0])
        known = self.settings
        destination: dict[str, object] = {
            "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": known.account_id},
            "productDestinationId": audience,
        }
        if known.login_account_id:
            login = {"accountType": "GOOGLE_ADS", "accountId": known.login_account_id}
            destination["loginAccount"] = login
        body: dict[str, object] = {
            "destinations": [destination],
            "audienceMembers": [self._member(letter) for letter in letters],
            "encoding": "HEX",
        }
        if change == "add":
            granted = "CONSENT_GRANTED"
            body["consent"] = {"adUserData": granted, "adPersonalization": granted}
            body["termsOfService"] = {"customerMatchTermsOfServiceStatus": "ACCEPTED"}
        verb = "ingest" if change == "add" else "remove"
        return Request(
            method="POST",
            url=f"{known.base_url.rstrip('/')}/audienceMembers:{verb}",
            headers={"Content-Type": "application/json"},
            body=msgspec.json.encode(body),
        )

    def _member(self, letter: Letter) -> dict[str, object]:
        email, phone = normal(letter, self.name)
        local, _, domain = email.partition("@")
        if domain in {"gmail.com", "googlemail.com"}:
            email = f"{local.replace('.', '')}@{domain}"
        found = {"emailAddress": hashed(email), "phoneNumber": hashed(phone)}
        named = [{name: value} for name, value in found.items() if value]
        return {"userData": {"userIdentifiers": named}}

    def interpret(self, reply: Reply) -> Outcome:
        if reply.status == 200:
            return accepted(msgspec.json.decode(reply.body, type=_Requested).request_id)
        return by_status(reply, self.name, resends_safely=True)


def group_of(letter: Letter, audiences: dict[str, str], provider: str) -> tuple[str, str]:
    """The provider's id of the audience, and `add` or `remove`."""
    foreign = sorted(letter.fields.keys() - FIELDS)
    if foreign:
        raise Unsupported(provider, f"the field {foreign[0]!r} in an audience")
    name = letter.fields.get("audience", "").strip() or letter.address
    audience = audiences.get(name, name)
    if not re.fullmatch(r"[0-9]{1,32}", audience):
        raise BadAddress(f"no audience named {name[:80]!r} in the settings")
    change = letter.fields.get("change", "add")
    if change not in {"add", "remove"}:
        raise Unsupported(provider, f"the change {change[:40]!r} of an audience")
    return audience, change


def normal(letter: Letter, provider: str) -> tuple[str, str]:
    """Email and phone number in their normal form, each empty where it is none."""
    try:
        person = msgspec.json.decode(letter.fields.get("data", "{}"), type=Person)
    except msgspec.DecodeError as error:
        raise Unsupported(provider, "what is no person") from error
    email = "".join((person.email or "").split()).lower()
    try:
        phone = sms.number(person.phone or "")
    except BadAddress:
        phone = ""
    email = email if re.fullmatch(r"[^@]+@[^@]+", email) else ""
    if not email and not phone:
        raise BadAddress("neither email nor phone number: nobody to match")
    return email, phone


def hashed(text: str) -> str:
    """SHA-256 in hex; nothing of nothing."""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""

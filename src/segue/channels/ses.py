"""Email by Amazon SES, API version 2, signed by AWS Signature Version 4.

The signature covers the instant at which the letter leaves, so signing is pure too. SES has no
idempotency key. The send and the profile travel as message tags, in base64url, for tags allow
letters, digits, `-` and `_` only.
"""

import base64
import datetime as dt
import hashlib
import hmac
import re
from urllib.parse import quote, urlsplit

import msgspec

from segue.channels import email, limits
from segue.channels.letter import Letter, Reply, Request, accepted, by_status, try_later
from segue.channels.secret import NONE, Secret
from segue.hosts.ports import Outcome
from segue.kernel.values import Instant

OURS_TO_CORRECT = frozenset(
    {
        "AccountSuspendedException",
        "LimitExceededException",
        "MailFromDomainNotVerifiedException",
        "SendingPausedException",
        "TooManyRequestsException",
    }
)
"""Refusals that concern the account and not the letter."""


UNVERIFIED = re.compile(r"not verified|authority to send", re.IGNORECASE)
"""How `MessageRejected` says that an identity of the account is not verified in this region."""


class SesSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An IAM user that may `ses:SendEmail`, and a region."""

    region: str
    access_key_id: str
    secret_access_key: Secret
    from_address: str
    from_name: str = ""
    reply_to: str = ""
    session_token: Secret = Secret("")
    configuration_set: str = ""
    base_url: str = ""


class _Refusal(msgspec.Struct):
    kind: str = msgspec.field(name="__type", default="")


class _Sent(msgspec.Struct):
    id: str = msgspec.field(name="MessageId")


class Ses:
    """Speaks SES v2."""

    name = "ses"
    resends_safely = False

    def __init__(self, settings: SesSettings) -> None:
        self.settings = settings
        self.sender = email.sender_of(settings)
        base = settings.base_url or f"https://email.{settings.region}.amazonaws.com"
        self._url = f"{base.rstrip('/')}/v2/email/outbound-emails"

    def compose(self, letter: Letter) -> Request:
        mail = email.mail(letter, self.sender, self.name)
        tags = {"segue_send": letter.id, "segue_profile": letter.profile}
        body: dict[str, object] = {
            "FromEmailAddress": mail.sender.address,
            "Destination": {"ToAddresses": [mail.recipient.address]},
            "Content": {"Raw": {"Data": base64.b64encode(email.mime(mail, letter.id)).decode()}},
            "EmailTags": [
                {"Name": name, "Value": value}
                for name, value in ((name, tag(text)) for name, text in tags.items())
                if value and len(value) <= limits.SES_TAG_CHARACTERS_MAX
            ],
        }
        if self.settings.configuration_set:
            body["ConfigurationSetName"] = self.settings.configuration_set
        unsigned = Request(
            method="POST",
            url=self._url,
            headers={"content-type": "application/json"},
            body=msgspec.json.encode(body),
        )
        return sign(
            unsigned,
            letter.at,
            region=self.settings.region,
            service="ses",
            access_key_id=self.settings.access_key_id,
            secret_access_key=self.settings.secret_access_key,
            session_token=self.settings.session_token,
        )

    def interpret(self, reply: Reply) -> Outcome:
        if reply.status == 200:
            return accepted(msgspec.json.decode(reply.body, type=_Sent).id)
        kind, said = _kind(reply), reply.body[:300].decode(errors="replace")
        unverified = kind == "MessageRejected" and UNVERIFIED.search(said)
        if kind in OURS_TO_CORRECT or unverified:
            return try_later(f"ses: {kind} {said}")
        return by_status(reply, self.name)


def _kind(reply: Reply) -> str:
    """The error's name: from its header, or the body where a proxy has dropped that."""
    named = reply.headers.get("x-amzn-errortype", "").split(":")[0]
    if named:
        return named
    try:
        return msgspec.json.decode(reply.body, type=_Refusal).kind.rpartition("#")[2]
    except msgspec.DecodeError:
        return ""


def tag(text: str) -> str:
    """Text as a tag's value."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def untag(value: str) -> str:
    """The text of a tag's value; empty for what is none of ours."""
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode()
    except ValueError:
        return ""


# ── AWS Signature Version 4 ─────────────────────────────────────────────────────────


def sign(
    request: Request,
    at: Instant,
    *,
    region: str,
    service: str,
    access_key_id: str,
    secret_access_key: Secret,
    session_token: Secret = NONE,
) -> Request:
    """The request with its date and Authorization.

    As in "Create a signed AWS API request" of the IAM user guide; the path is taken to be
    normal already, and query parameters are sorted.
    """
    stamp = dt.datetime.fromtimestamp(at / 1000, dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    parts = urlsplit(request.url)
    headers = {name.lower(): " ".join(value.split()) for name, value in request.headers.items()}
    headers |= {"host": parts.netloc, "x-amz-date": stamp}
    if session_token:
        headers["x-amz-security-token"] = session_token.reveal()
    names = ";".join(sorted(headers))
    canonical = "\n".join(
        [
            request.method,
            quote(parts.path or "/", safe="/-_.~%"),
            "&".join(sorted(parts.query.split("&"))) if parts.query else "",
            *(f"{name}:{headers[name]}" for name in sorted(headers)),
            "",
            names,
            hashlib.sha256(request.body).hexdigest(),
        ]
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret_access_key.reveal()}".encode()
    for part in (stamp[:8], region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return Request(method=request.method, url=request.url, headers=headers, body=request.body)

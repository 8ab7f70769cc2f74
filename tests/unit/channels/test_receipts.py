"""Receipts: what ten email providers report gives the published result, and forgeries nothing."""

import base64
import datetime as dt
import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given, strategies as st

from segue.channels.receipts import (
    READERS,
    Callback,
    Receipt,
    receive,
    reported,
    signatures,
    sparkpost as sparkpost_reader,
    twilio as twilio_reader,
)
from segue.channels.secret import Secret
from segue.errors import ForgedCallback, UnreadableCallback
from segue.kernel.values import Instant

DATA = Path(os.environ.get("SEGUE_DATA", Path(__file__).parents[4] / "shared" / "data"))
FOLDER = DATA / "email-webhooks"
NAMES = {"amazon_ses": "ses"}
EXPECTED_CASES = 114


def cases() -> Iterator[Any]:
    if not FOLDER.exists():
        return
    for path in sorted(FOLDER.glob("anymail_*.json")):
        provider = path.stem.removeprefix("anymail_")
        for case in json.loads(path.read_text()):
            name = f"{provider}: {case['test']}"
            yield pytest.param(NAMES.get(provider, provider), case, id=name)


CASES = list(cases())


def evaluated(value: Any, payload: dict[str, Any]) -> Any:
    """The few expressions that the published cases leave: dates, and names of the payload."""
    if not isinstance(value, dict) or set(value) != {"$expr"}:
        return value

    def zone(minutes: int) -> dt.timezone:
        return dt.timezone(dt.timedelta(minutes=minutes))

    known = {"datetime": dt.datetime, "timezone": dt.timezone, "get_fixed_timezone": zone}
    return eval(value["$expr"], {"__builtins__": {}}, known | payload | {"json": json})


def callback_of(provider: str, case: dict[str, Any]) -> Callback:
    """The case as it would arrive over HTTP."""
    payload = case["payload"]
    raw = next(
        payload[name]
        for name in ("raw_sns_message", "raw_events", "raw_event", "payload", "data")
        if name in payload
    )
    if provider == "sendgrid":  # the published cases carry the id that their sender chose
        raw = [{("segue_send" if k == "anymail_id" else k): v for k, v in e.items()} for e in raw]
    if provider == "ses":
        said = raw["Message"]
        raw = raw | {"Message": evaluated(said, payload)}
    legacy = provider == "mailgun" and "event-data" not in raw
    if legacy:
        form = [
            (k, v)
            for k, values in raw.items()
            for v in (values if k in {"tag", "X-Mailgun-Tag"} else [values])
        ]
        form = [
            (k, json.dumps(v) if k == "message-headers" and not isinstance(v, str) else v)
            for k, v in form
        ]
        for name, value in payload.get("metadata", {}).items():
            at = 0 if name in {"signature", "timestamp", "token"} else len(form)
            form.insert(at, (name, value))
        form.append(("signature", "mailgun-adds-it-last"))
        return Callback(
            body=urlencode(form).encode(),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
    if provider == "mandrill":
        return Callback(body=urlencode({"mandrill_events": json.dumps(raw)}).encode())
    headers = {"content-type": "application/json", "svix-id": "msg_2W2D3qXLS5fOaPja1GDg7rF2CwB"}
    return Callback(body=json.dumps(raw).encode(), headers=headers)


def told(receipt: Receipt, name: str) -> Any:
    """Our word for the published field."""
    match name:
        case "event.event_type":
            return receipt.kind
        case "event.message_id":
            return receipt.send_id or receipt.message_id
        case "event.reject_reason":
            return receipt.reason
        case "event.mta_response":
            return receipt.response
        case "event.click_url":
            return receipt.url
        case "event.tags":
            return list(receipt.tags)
        case "event.timestamp" | "event.timestamp.isoformat()":
            return receipt.at
        case _:
            return getattr(receipt, name.removeprefix("event."))


def same(found: Any, wanted: Any) -> bool:
    if wanted is None:
        return found in ("", None)
    if isinstance(wanted, dt.datetime):
        return found == int(wanted.timestamp() * 1000)
    if isinstance(wanted, str) and isinstance(found, int):
        return found == int(dt.datetime.fromisoformat(wanted).timestamp() * 1000)
    return bool(found == wanted)


@pytest.mark.data
@pytest.mark.skipif(not CASES, reason=f"no published callbacks in {FOLDER}")
def test_all_published_cases_are_here() -> None:
    assert len(CASES) == EXPECTED_CASES


@pytest.mark.data
@pytest.mark.parametrize(("provider", "case"), CASES)
def test_a_published_callback_gives_its_published_result(provider: str, case: Any) -> None:
    callback = callback_of(provider, case)
    wanted = {
        name: evaluated(value, case["payload"])
        for name, value in case["expected_normalised"].items()
        if "esp_event" not in name  # the callback itself, which a receipt does not carry along
    }
    if "inbound" in case["test"] or "incorrect_received" in case["test"]:
        with pytest.raises(UnreadableCallback):
            READERS[provider].read(callback)
        return
    if "initial_open_event_as_unknown" in case["test"]:
        receipts = sparkpost_reader.read(callback, first_opens=False)
    else:
        receipts = READERS[provider].read(callback)
    if "ping" in case["test"]:
        assert receipts == []
        return
    assert receipts
    misses = [
        {
            name: told(receipt, name)
            for name, value in wanted.items()
            if not same(told(receipt, name), value)
        }
        for receipt in receipts
    ]
    assert {} in misses, f"wanted {wanted}, missed {misses}"


# ── signatures ──────────────────────────────────────────────────────────────────────

BODY = b'[{"event": "open"}]'
AT = Instant(1_790_000_000_000)
STAMP = str(AT // 1000)
KEY = Secret("a secret of thirty-two bytes, yes")


def test_sendgrids_published_signature_is_right_and_every_change_of_it_wrong() -> None:
    path = FOLDER / "sendgrid_signature_vector.json"
    if not path.exists():
        pytest.skip(f"no published signature at {path}")
    vector = json.loads(path.read_text())
    body, stamp = str(vector["payload"]).encode(), vector["timestamp"]
    headers = {
        "x-twilio-email-event-webhook-signature": vector["signature"],
        "x-twilio-email-event-webhook-timestamp": stamp,
    }
    at = Instant(int(stamp) * 1000)
    key = Secret(vector["public_key"])
    signatures.sendgrid(Callback(body=body, headers=headers, at=at), key)
    for changed in (
        Callback(body=body + b" ", headers=headers, at=at),
        Callback(body=body, headers=headers | {next(iter(headers)): "AAAA"}, at=at),
        Callback(body=body, headers={}, at=at),
        Callback(body=body, headers=headers, at=Instant(at + 301_000)),
    ):
        with pytest.raises(ForgedCallback):
            signatures.sendgrid(changed, key)


def test_twilios_published_signatures_are_right_and_changes_wrong() -> None:
    path = DATA / "sms-webhooks" / "twilio_signature_vectors.json"
    if not path.exists():
        pytest.skip(f"no published signatures at {path}")
    published = json.loads(path.read_text())
    token, vectors = Secret(published["auth_token"]), published["vectors"]
    for vector in vectors:
        params = vector.get("params", {})
        params = vectors[0]["params"] if params == "as first" else params
        body = vector.get("body", urlencode(params, doseq=True)).encode()
        headers = {"x-twilio-signature": vector["signature"]}
        callback = Callback(body=body, headers=headers, url=vector["url"])
        signatures.twilio(callback, token)
        for wrong in (
            Callback(body=body + b"&x=1", headers=headers, url=vector["url"]),
            Callback(body=body, headers=headers, url=vector["url"] + "&y=1"),
            Callback(body=body, headers={}, url=vector["url"]),
        ):
            with pytest.raises(ForgedCallback):
                signatures.twilio(wrong, token)
        with pytest.raises(ForgedCallback):
            signatures.twilio(callback, Secret("54321"))


def signed_by(provider: str) -> Callback:
    """A callback as the provider signs it, written out from its documentation."""
    key = KEY.reveal().encode()
    match provider:
        case "mailgun":
            signature = hmac.new(key, f"{STAMP}tok".encode(), hashlib.sha256).hexdigest()
            parts = {"timestamp": STAMP, "token": "tok", "signature": signature}
            body = json.dumps({"signature": parts, "event-data": {"event": "opened"}}).encode()
            return Callback(body=body, headers={"content-type": "application/json"}, at=AT)
        case "mailersend":
            signature = hmac.new(key, BODY, hashlib.sha256).hexdigest()
            return Callback(body=BODY, headers={"signature": signature}, at=AT)
        case "resend":
            mac = hmac.new(
                base64.b64decode(svix_key()), f"msg_1.{STAMP}.".encode() + BODY, hashlib.sha256
            )
            headers = {
                "svix-id": "msg_1",
                "svix-timestamp": STAMP,
                "svix-signature": f"v1,AAAA v1,{base64.b64encode(mac.digest()).decode()}",
            }
            return Callback(body=BODY, headers=headers, at=AT)
        case "mandrill":
            url, body = "https://s.example/hook", urlencode({"mandrill_events": "[]"}).encode()
            mac = hmac.new(key, f"{url}mandrill_events[]".encode(), hashlib.sha1)
            headers = {"x-mandrill-signature": base64.b64encode(mac.digest()).decode()}
            return Callback(body=body, headers=headers, url=url, at=AT)
        case _:
            login = base64.b64encode(key).decode()
            return Callback(body=b"{}", headers={"authorization": f"Basic {login}"}, at=AT)


def svix_key() -> str:
    return base64.b64encode(KEY.reveal().encode()).decode()


SIGNED = [
    "mailgun",
    "mailersend",
    "resend",
    "mandrill",
    "postmark",
    "mailjet",
    "sparkpost",
    "brevo",
]


@pytest.mark.parametrize("provider", SIGNED)
def test_a_signed_callback_is_taken_and_a_forged_one_is_not(provider: str) -> None:
    secret = Secret(f"whsec_{svix_key()}") if provider == "resend" else KEY
    callback = signed_by(provider)
    receive(provider, callback, secret)
    forgeries = [
        Callback(body=callback.body, headers=callback.headers, url=callback.url + "x", at=AT)
        if provider == "mandrill"
        else Callback(body=callback.body, headers={}, at=AT),
        Callback(body=b"{}", headers=dict.fromkeys(callback.headers, "ü"), at=AT),
    ]
    if provider in {"mailersend", "resend"}:
        forgeries.append(Callback(body=BODY + b" ", headers=callback.headers, at=AT))
    if provider == "resend":
        late = Instant(AT + 400_000)
        forgeries.append(Callback(body=callback.body, headers=callback.headers, at=late))
    for forged in forgeries:
        with pytest.raises(ForgedCallback):
            receive(provider, forged, secret)
    with pytest.raises(ForgedCallback):
        receive(provider, callback, Secret(svix_key()[:-4] + "AAAA"))


def test_without_a_secret_or_a_known_provider_nothing_is_taken() -> None:
    for provider, secret in (("postmark", Secret("")), ("nobody", KEY)):
        with pytest.raises(ForgedCallback):
            receive(provider, signed_by("postmark"), secret)


@pytest.fixture(scope="module")
def amazon() -> tuple[rsa.RSAPrivateKey, bytes]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2027, 1, 1, tzinfo=dt.UTC))
        .sign(key, hashes.SHA256())
    )
    return key, made.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("version", ["1", "2"])
def test_amazons_notifications_are_checked_by_certificate(
    amazon: tuple[rsa.RSAPrivateKey, bytes], version: str
) -> None:
    key, certificate = amazon
    said = {
        "Type": "Notification",
        "MessageId": "m",
        "TopicArn": "arn",
        "Message": json.dumps(
            {"eventType": "Delivery", "delivery": {"recipients": ["a@b.example"]}}
        ),
        "Timestamp": "2026-09-21T14:13:20.000Z",
        "SignatureVersion": version,
    }
    names = ("Message", "MessageId", "Timestamp", "TopicArn", "Type")
    text = "".join(f"{name}\n{said[name]}\n" for name in names).encode()
    used = hashes.SHA1() if version == "1" else hashes.SHA256()
    said["Signature"] = base64.b64encode(key.sign(text, padding.PKCS1v15(), used)).decode()
    secret = Secret(certificate.decode())
    (receipt,) = receive("ses", Callback(body=json.dumps(said).encode()), secret)
    assert (receipt.kind, receipt.recipient) == ("delivered", "a@b.example")
    for changed in ({"Message": "{}"}, {"Type": "Other"}, {"Signature": "AAAA"}):
        with pytest.raises(ForgedCallback):
            receive("ses", Callback(body=json.dumps(said | changed).encode()), secret)


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem", True),
        (
            "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0a1b.pem",
            False,
        ),
        (
            "https://evil.example/sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a.pem",
            False,
        ),
        ("http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem", False),
        ("https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-0.pem", False),
    ],
)
def test_amazons_certificate_is_fetched_from_amazon_only(url: str, good: bool) -> None:
    callback = Callback(body=json.dumps({"SigningCertURL": url}).encode())
    if good:
        assert signatures.sns_certificate_url(callback) == url
    else:
        with pytest.raises(ForgedCallback):
            signatures.sns_certificate_url(callback)


# ── anything at all ─────────────────────────────────────────────────────────────────

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        "event-data",
        "event",
        "mail",
        "bounce",
        "Message",
        "Type",
        "msys",
        "msg",
        "data",
        "email",
        "tags",
        "headers",
        "to",
        "Metadata",
        "Client",
        "delivery-status",
        "user-variables",
        "signature",
        "timestamp",
        "ts",
        "time",
        "created_at",
        "type",
        "RecordType",
    ]
)


@pytest.mark.parametrize("provider", sorted(READERS))
@given(value=st.dictionaries(FIELDS, JSON, max_size=6) | JSON, wrap=st.booleans())
def test_no_callback_raises_anything_but_unreadable(provider: str, value: Any, wrap: bool) -> None:
    for body in (
        json.dumps([value] if wrap else value).encode(),
        repr(value).encode("utf-8", "replace"),
    ):
        for kind in ("application/json", "application/x-www-form-urlencoded"):
            try:
                receipts = READERS[provider].read(
                    Callback(body=body, headers={"content-type": kind})
                )
            except UnreadableCallback:
                continue
            for receipt in receipts:
                reported(receipt)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[" * 100_000, b"\x00", b"<html>"])
def test_what_is_no_callback_is_unreadable_or_empty(body: bytes) -> None:
    for reader in READERS.values():
        try:
            assert len(reader.read(Callback(body=body))) <= 1
        except UnreadableCallback:
            pass


# ── what it says to the kernel ──────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("receipt", "outcome"),
    [
        (Receipt(kind="delivered"), "delivered"),
        (Receipt(kind="bounced", reason="bounced"), "bounced"),
        (Receipt(kind="bounced", reason="bounced", permanent=False), "failed"),
        (Receipt(kind="rejected", reason="bounced"), "bounced"),
        (Receipt(kind="rejected", reason="spam"), "complained"),
        (Receipt(kind="rejected", reason="unsubscribed"), "unsubscribed"),
        (Receipt(kind="rejected", reason="blocked"), "failed"),
        (Receipt(kind="failed"), "failed"),
        (Receipt(kind="complained"), "complained"),
        (Receipt(kind="unsubscribed"), "unsubscribed"),
        (Receipt(kind="opened"), "opened"),
        (Receipt(kind="clicked"), "clicked"),
        (Receipt(kind="deferred"), None),
        (Receipt(kind="sent"), None),
        (Receipt(kind="queued"), None),
        (Receipt(kind="unknown"), None),
        (Receipt(kind="autoresponded"), None),
    ],
)
def test_a_receipt_says_to_the_kernel(receipt: Receipt, outcome: str | None) -> None:
    said = reported(receipt)
    assert (said.outcome if said else None) == outcome


def test_an_open_by_a_machine_is_marked() -> None:
    said = reported(Receipt(kind="opened", machine=True))
    assert said is not None
    assert said.reason == "machine"


def test_twilio_reports_carry_send_and_profile_in_their_address() -> None:
    url = "https://s.example/hook?send=p1%3Acart%3A0&profile=p1"
    body = urlencode(
        {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30005", "To": "+49"}
    )
    (receipt,) = twilio_reader.read(Callback(body=body.encode(), url=url))
    assert (receipt.kind, receipt.reason, receipt.send_id, receipt.profile) == (
        "bounced",
        "invalid",
        "p1:cart:0",
        "p1",
    )


@pytest.mark.parametrize(
    ("form", "means"),
    [
        ({"Body": " stop "}, "stop"),
        ({"Body": "Unsubscribe."}, "stop"),
        ({"Body": "anything", "OptOutType": "STOP"}, "stop"),
        ({"Body": "stop the noise", "OptOutType": "HELP"}, "help"),
        ({"Body": "START"}, "start"),
        ({"Body": "Help!"}, "help"),
        ({"Body": "please stop that"}, "text"),
    ],
)
def test_an_answer_by_text_is_understood(form: dict[str, str], means: str) -> None:
    url = "https://s.example/v1/receipts/twilio/text"
    fields = {"From": "whatsapp:+491512345678", "MessageSid": "SM1", **form}
    signed = (url + "".join(name + fields[name] for name in sorted(fields))).encode()
    mac = base64.b64encode(hmac.digest(b"token", signed, "sha1")).decode()
    headers = {"x-twilio-signature": mac}
    callback = Callback(body=urlencode(fields).encode(), url=url, headers=headers)
    said = twilio_reader.incoming(callback, Secret("token"))
    assert (said.number, said.channel, said.id) == ("+491512345678", "whatsapp", "SM1")
    assert (said.meaning, said.answered) == (means, "OptOutType" in form)
    with pytest.raises(ForgedCallback):
        twilio_reader.incoming(callback, Secret("guessed"))

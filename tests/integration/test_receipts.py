"""What providers report back, through the whole of Segue.

A receipt finds its send by what travelled with it or by the provider's name for it; bounces,
complaints and words by text end what they must; a forgery leaves nothing but a count.
"""

import base64
import datetime as dt
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from segue.kernel.effects import Send
from segue.kernel.values import NEVER, Instant, ProfileId
from segue.server import limits
from segue.server.tokens import Tokens
from segue.stores.ports import QueuedSend, Saved
from tests.integration.conftest import Segue

TOPIC = "arn:aws:sns:eu-west-1:1:mail"
PEM_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem"
PUBLIC = "https://hooks.shop.example"
TABLES = f"""
[receipts]
ses = "{TOPIC}"
postmark = "hooks:very-secret"
mailgun = "env:MAILGUN_KEY"
twilio = "token"
[whatsapp]
provider = "meta_whatsapp"
phone_number_id = "1"
access_token = "env:MAILGUN_KEY"
app_secret = "app-secret"
verify_token = "our word"
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Segue]:
    monkeypatch.setenv("MAILGUN_KEY", "mg-key")
    (tmp_path / "channels.toml").write_text(TABLES)
    running = Segue(
        tmp_path,
        channels=str(tmp_path / "channels.toml"),
        public_url=PUBLIC,
        text_replies=True,
    )
    yield running
    running.close()


def greeted(segue: Segue, who: str = "ana", email: str = "ana@shop.example") -> QueuedSend:
    """A customer to whom an email was handed over."""
    segue.post("/v1/identify", {"userId": who, "traits": {"email": email, "phone": "+491512345"}})
    segue.post("/v1/track", {"userId": who, "event": "Product Viewed"})
    whose = segue.profile("user", who).id
    return segue.wait_for(lambda: segue.store.outbox("done", whose))[0]  # type: ignore[no-any-return]


def line(segue: Segue, who: str = "ana") -> Any:
    return next(one for one in segue.profile("user", who).ledger if one.channel == "email")


def postmark(segue: Segue, told: Any, login: tuple[str, str] = ("hooks", "very-secret")) -> Any:
    return segue.client.post("/v1/receipts/postmark", json=told, auth=login)


def counted(segue: Segue, provider: str, result: str) -> bool:
    found = f'segue_callbacks_total{{provider="{provider}",result="{result}"}}'
    return found in segue.client.get("/metrics").text


def test_a_receipt_finds_its_send_by_what_travelled_with_it(told: Segue) -> None:
    row = greeted(told)
    own = {"segue_send": row.id, "segue_profile": row.profile}
    said = {"RecordType": "Delivery", "Recipient": "ana@shop.example", "Metadata": own}
    for _ in range(2):
        assert postmark(told, said).json()["taken"] == 1
    assert line(told).state == "delivered"


def test_a_receipt_finds_its_send_by_the_providers_name_for_it(told: Segue) -> None:
    row = greeted(told)
    assert row.provider_id
    said = {"RecordType": "Delivery", "Recipient": "x", "MessageID": f"<{row.provider_id}>"}
    assert postmark(told, said).json() == {"success": True, "taken": 1, "ignored": 0}
    assert line(told).state == "delivered"
    nobody = {"RecordType": "Delivery", "Recipient": "x", "MessageID": "<of somebody else>"}
    assert postmark(told, nobody).json() == {"success": True, "taken": 0, "ignored": 1}
    assert counted(told, "postmark", "unmatched")


def test_a_bounce_ends_the_address_that_bounced_and_no_other(told: Segue) -> None:
    row = greeted(told)
    told.post("/v1/identify", {"userId": "ana", "traits": {"email": "new@shop.example"}})
    own = {"segue_send": row.id, "segue_profile": row.profile}
    said = {
        "RecordType": "Bounce",
        "Type": "HardBounce",
        "TypeCode": 1,
        "Email": "ana@shop.example",
        "Metadata": own,
    }
    assert postmark(told, said).json()["taken"] == 1
    assert told.profile("user", "ana").unreachable == {"email": "ana@shop.example"}
    assert line(told).state == "failed"


def test_a_complaint_ends_consent_for_the_channel(told: Segue) -> None:
    row = greeted(told)
    own = {"segue_send": row.id, "segue_profile": row.profile}
    said = {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "Metadata": own}
    assert postmark(told, said).json()["taken"] == 1
    assert told.profile("user", "ana").consents["email/*"].state == "denied"


def test_a_forged_callback_leaves_nothing_but_a_count(told: Segue) -> None:
    row = greeted(told)
    before = list(told.store.snapshot())
    own = {"segue_send": row.id, "segue_profile": row.profile}
    said = {"RecordType": "SpamComplaint", "Metadata": own}
    assert postmark(told, said, ("hooks", "guessed")).status_code == 401
    assert told.client.post("/v1/receipts/sendgrid", json=[said]).status_code == 401
    assert told.client.post("/v1/receipts/nobody", json=said).status_code == 404
    assert told.client.head("/v1/receipts/mandrill").status_code == 200
    assert list(told.store.snapshot()) == before
    assert counted(told, "postmark", "forged")
    assert counted(told, "sendgrid", "no_secret")


def mailgun(row: QueuedSend, token: str, event: str) -> dict[str, Any]:
    stamp = str(int(time.time()))
    mac = hmac.new(b"mg-key", f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    own = {"segue_send": row.id, "segue_profile": row.profile}
    return {
        "signature": {"timestamp": stamp, "token": token, "signature": mac},
        "event-data": {"event": event, "user-variables": own, "recipient": "ana@shop.example"},
    }


def test_a_token_of_mailguns_counts_once_whatever_stands_behind_it(told: Segue) -> None:
    row = greeted(told)
    genuine = mailgun(row, "t1", "delivered")
    forged = {**genuine, "event-data": mailgun(row, "t1", "complained")["event-data"]}
    assert told.client.post("/v1/receipts/mailgun", json=genuine).json()["taken"] == 1
    assert told.client.post("/v1/receipts/mailgun", json=forged).json()["taken"] == 0
    assert told.profile("user", "ana").consents == {}
    assert counted(told, "mailgun", "replayed")


def test_a_token_of_mailguns_counts_once_over_a_restart_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, now = tmp_path / "s.tokens", Instant(1_790_000_000_000)
    seen = Tokens(path, now)
    seen.learn("t1", now)
    with path.open("a") as file:
        file.write("1790000000000 cut-o")  # a crash in the middle of a line
    again = Tokens(path, Instant(now + 299_000))
    assert not again.take("t1")
    assert again.take("t2") and not again.take("t2")  # in hand
    again.learn("t2", Instant(now + 299_000))
    later = Tokens(path, Instant(now + 700_000))
    assert not later.take("t2")
    assert later.take("t1")  # its time is not good any more
    later.drop("t1")
    assert later.take("t1")
    monkeypatch.setattr(limits, "TOKENS_SEEN_MAX", 10)
    for number in range(50):
        later.learn(f"n{number}", Instant(now + 700_000))
    assert len(path.read_text().splitlines()) <= 20
    assert not Tokens(path, Instant(now + 700_000)).take("n49")


class Amazon:
    """Signs notifications, and gives its certificate where it says."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = dt.datetime.now(dt.UTC)
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name)
        made = made.public_key(self.key.public_key()).serial_number(1)
        made = made.not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
        signed = made.sign(self.key, hashes.SHA256())
        self.certificate = signed.public_bytes(serialization.Encoding.PEM)
        self.fetched: list[str] = []

    async def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        return self.certificate if url == PEM_URL else b"<ok/>"

    def said(self, kind: str, **fields: str) -> bytes:
        known = {
            "Type": kind,
            "MessageId": "m1",
            "TopicArn": TOPIC,
            "Timestamp": "2026-01-01T00:00:00.000Z",
            **fields,
        }
        text = "".join(f"{name}\n{known[name]}\n" for name in sorted(known))
        mac = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        sealed = {"SignatureVersion": "2", "Signature": base64.b64encode(mac).decode()}
        return json.dumps({**known, **sealed, "SigningCertURL": PEM_URL}).encode()


def test_amazons_notifications_count_where_the_topic_is_ours(told: Segue) -> None:
    amazon, row = Amazon(), greeted(told)
    told.door.app.state.site.fetch = amazon.fetch
    confirm = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=x"
    opened = amazon.said("SubscriptionConfirmation", Message="m", SubscribeURL=confirm, Token="x")
    assert told.client.post("/v1/receipts/ses", content=opened).status_code == 200
    assert amazon.fetched == [PEM_URL, confirm]
    event = {
        "eventType": "Bounce",
        "bounce": {
            "bounceType": "Permanent",
            "bouncedRecipients": [{"emailAddress": "ana@shop.example"}],
        },
        "mail": {"messageId": row.provider_id},
    }
    bounced = amazon.said("Notification", Message=json.dumps(event))
    assert told.client.post("/v1/receipts/ses", content=bounced).json()["taken"] == 1
    assert told.profile("user", "ana").unreachable == {"email": "ana@shop.example"}
    assert amazon.fetched == [PEM_URL, confirm]
    other = amazon.said("Notification", Message=json.dumps(event), TopicArn=TOPIC + "-2")
    assert told.client.post("/v1/receipts/ses", content=other).status_code == 401
    evil = opened.replace(confirm.encode(), b"https://evil.example/?Action=ConfirmSubscription&x")
    assert told.client.post("/v1/receipts/ses", content=evil).status_code == 401
    assert amazon.fetched == [PEM_URL, confirm]


def text(segue: Segue, body: str, number: str = "+491512345", **more: str) -> Any:
    url = f"{PUBLIC}/v1/receipts/twilio/text"
    form = {"From": number, "Body": body, "MessageSid": f"SM-{body}", **more}
    signed = (url + "".join(name + form[name] for name in sorted(form))).encode()
    headers = {
        "X-Twilio-Signature": base64.b64encode(hmac.digest(b"token", signed, "sha1")).decode(),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    content = urlencode(form)
    return segue.client.post("/v1/receipts/twilio/text", content=content, headers=headers)


def texted(segue: Segue) -> None:
    """A customer whom a text has reached: the store knows to whom the number belongs."""
    row = greeted(segue)
    loaded = segue.store.load([row.profile])[ProfileId(row.profile)]
    sent = Send(
        id="sms-1",
        message="greeting",
        channel="sms",
        address="+491512345",
        program="p",
        data={},
        not_after=NEVER,
        pace_at=NEVER,
    )
    saved = Saved(
        profile=loaded.profile, seen_version=loaded.version, effects=((sent, Instant(1)),)
    )
    segue.store.commit([saved])


def test_words_by_text_change_consent_and_are_answered(told: Segue) -> None:
    texted(told)
    assert "no more messages" in text(told, "Stop").text
    assert told.profile("user", "ana").consents["sms/*"].state == "denied"
    assert "<Message>test: reply STOP" in text(told, "help!").text
    assert text(told, "START", OptOutType="START").text.endswith("<Response></Response>")
    consent = told.profile("user", "ana").consents["sms/*"]
    assert (consent.state, consent.source) == ("granted", "text")
    assert text(told, "What is my order?").status_code == 200
    heard = [one.event for one in told.log() if one.event.name == "Text Received"]
    assert [one.properties["meaning"] for one in heard] == ["stop", "help", "start", "text"]
    assert {one.user_id for one in heard} == {"ana"}


def meta(segue: Segue, **value: Any) -> Any:
    body = json.dumps({"entry": [{"changes": [{"field": "messages", "value": value}]}]}).encode()
    proof = hmac.digest(b"app-secret", body, "sha256").hex()
    headers = {"X-Hub-Signature-256": f"sha256={proof}"}
    return segue.client.post("/v1/receipts/meta_whatsapp", content=body, headers=headers)


def test_meta_asks_for_the_address_by_a_word_and_nobody_else_is_answered(told: Segue) -> None:
    asked = {"hub.mode": "subscribe", "hub.challenge": "1158201444"}
    path = "/v1/receipts/meta_whatsapp"
    right = told.client.get(path, params={**asked, "hub.verify_token": "our word"})
    assert (right.status_code, right.text) == (200, "1158201444")
    assert right.headers["content-type"].startswith("text/plain")
    for wrong in ({**asked, "hub.verify_token": "guessed"}, asked, {}):
        assert told.client.get(path, params=wrong).status_code == 401
    assert told.client.get("/v1/receipts/postmark", params=asked).status_code == 404


def test_receipts_and_texts_by_whatsapp_come_in_one_callback(told: Segue) -> None:
    texted(told)
    row = greeted(told)
    ours = json.dumps({"send": row.id, "profile": row.profile})
    status = {"id": "wamid.1", "status": "delivered", "biz_opaque_callback_data": ours}
    stop = {"from": "491512345", "id": "wamid.2", "type": "text", "text": {"body": "STOP"}}
    said = meta(told, statuses=[status], messages=[stop]).json()
    assert said == {"success": True, "taken": 1, "ignored": 0}
    assert line(told).state == "delivered"
    forged = told.client.post("/v1/receipts/meta_whatsapp", content=b"{}")
    assert forged.status_code == 401
    before = len(told.log())
    meta(told, messages=[stop])
    assert len(told.log()) == before


def test_a_text_from_nobody_we_know_changes_nothing(told: Segue) -> None:
    texted(told)
    before = list(told.store.snapshot())
    assert text(told, "STOP", number="+15550000000").status_code == 200
    assert list(told.store.snapshot()) == before
    assert counted(told, "twilio", "unmatched")
    forged = told.client.post("/v1/receipts/twilio/text", content=b"From=%2B49&Body=STOP")
    assert forged.status_code == 401
    assert list(told.store.snapshot()) == before

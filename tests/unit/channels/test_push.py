"""Push: what a browser really decrypts, what Google really checks, and how dead tokens end.

The receiver decrypts with another implementation of RFC 8188 (http-ece) and checks the VAPID
signature; the token server checks the service account's signature before it gives a token.
"""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import http_ece
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from segue.channels import limits
from segue.channels.courier import Courier
from segue.channels.letter import Letter
from segue.channels.providers import ByAddress, build_line
from segue.channels.secret import Secret
from segue.channels.webpush import Reader, WebPush, WebPushSettings, bytes_of, encrypt
from segue.channels.wire import Wire
from segue.errors import BadAddress, ChannelMisconfigured, Unsupported
from segue.hosts.ports import Delivery, Outcome
from segue.hosts.verdicts import judge
from segue.kernel.effects import Send
from segue.kernel.plan import Message
from segue.kernel.values import NEVER, Instant, Millis, ProfileId
from segue.stores.ports import QueuedSend

AT = Instant(1_790_000_000_000)
CURVE = ec.SECP256R1()
BROWSER = ec.generate_private_key(CURVE)
AUTH = b"0123456789abcdef"
VAPID = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
ACCOUNT = rsa.generate_private_key(65537, 2048)
PEM = ACCOUNT.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()
APP = "fcm-token_of:a-phone-1234567890"


def b64(said: bytes) -> str:
    return base64.urlsafe_b64encode(said).decode().rstrip("=")


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


class Services:
    """A push service that decrypts as the browser would, Google's token server, and FCM."""

    def __init__(self) -> None:
        self.pushed: list[tuple[dict[str, Any], dict[str, str], dict[str, Any]]] = []
        self.messages: list[dict[str, Any]] = []
        self.tokens = 0
        self.revoked: set[str] = set()
        self.status = 201
        self.fcm: tuple[int, Any] = (200, {"name": "projects/shop/messages/1"})
        services = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, told = services.take(self.path, dict(self.headers), body)
                content = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        if path == "/token":
            return self.grant(parse_qs(body.decode()))
        if path.startswith("/v1/projects/shop/"):
            token = headers["Authorization"].removeprefix("Bearer ")
            if token != f"token-{self.tokens}" or token in self.revoked:
                return 401, {"error": {"status": "UNAUTHENTICATED"}}
            self.messages.append(json.loads(body)["message"])
            return self.fcm
        claims = self.vapid(headers["Authorization"])
        text = http_ece.decrypt(body, private_key=BROWSER, auth_secret=AUTH)
        self.pushed.append((json.loads(text), headers, claims))
        return self.status, {}

    def grant(self, form: dict[str, list[str]]) -> tuple[int, Any]:
        said, _, sign = form["assertion"][0].rpartition(".")
        try:
            ACCOUNT.public_key().verify(
                bytes_of(sign), said.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            return 400, {"error": "invalid_grant"}
        claims = json.loads(bytes_of(said.partition(".")[2]))
        assert claims["aud"] == f"{self.url}/token"
        assert claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
        assert claims["exp"] - claims["iat"] == 3600
        assert claims["iat"] == AT // 1000
        self.tokens += 1
        return 200, {"access_token": f"token-{self.tokens}", "expires_in": 3600}

    @staticmethod
    def vapid(header: str) -> dict[str, Any]:
        fields = dict(part.strip().split("=", 1) for part in header[6:].split(","))
        key = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, bytes_of(fields["k"]))
        said, _, sign = fields["t"].rpartition(".")
        raw = bytes_of(sign)
        r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
        key.verify(utils.encode_dss_signature(r, s), said.encode(), ec.ECDSA(hashes.SHA256()))
        claims: dict[str, Any] = json.loads(bytes_of(said.partition(".")[2]))
        return claims

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def services() -> Iterator[Services]:
    with closing(Services()) as made:
        yield made


def subscription(endpoint: str) -> str:
    keys = {"p256dh": b64(point(BROWSER)), "auth": b64(AUTH)}
    return json.dumps({"endpoint": endpoint, "keys": keys, "expirationTime": None})


def tables(url: str) -> dict[str, Any]:
    account = {
        "client_email": "segue@shop.example",
        "private_key": PEM,
        "project_id": "shop",
        "token_uri": f"{url}/token",
    }
    browsers = {
        "private_key": VAPID,
        "subject": "mailto:shop@shop.example",
        "allowed_networks": ["127.0.0.0/8"],
    }
    return {
        "provider": "fcm",
        "service_account": json.dumps(account),
        "base_url": url,
        "web": browsers,
    }


def send(services: Services, *addresses: str, wrong_key: bool = False) -> list[Outcome]:
    wire = Wire()
    settings = tables(services.url)
    if wrong_key:
        other = rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        account = json.loads(settings["service_account"]) | {"private_key": other.decode()}
        settings["service_account"] = json.dumps(account)
    line = build_line("push", settings, wire, {})
    assert isinstance(line, ByAddress)
    fields = {"title": "Hi", "body": "Your cart, Ana", "url": "https://shop.example/cart"}
    message = Message(name="m", topic="t", contents={"push": fields}, expires_ms=Millis(1))
    effects = [
        Send(
            id=f"s{number}",
            message="m",
            channel="push",
            address=address,
            program="p",
            data={},
            not_after=Instant(AT + 60_000),
        )
        for number, address in enumerate(addresses)
    ]
    with closing(
        Courier(
            messages=lambda _program, _name: message,
            keep=lambda _kept: None,
            lines={"push": line},
            wire=wire,
        )
    ) as courier:
        return [
            courier.deliver(
                [Delivery(id=one.id, profile=ProfileId("p"), effect=one, attempt=1, at=AT)]
            )[0]
            for one in effects
        ]


def test_a_browser_decrypts_what_was_sent(services: Services) -> None:
    (outcome,) = send(services, subscription(f"{services.url}/push/1"))
    assert outcome.result == "accepted"
    ((said, headers, claims),) = services.pushed
    assert said["body"] == "Your cart, Ana"
    assert said["url"] == "https://shop.example/cart"
    assert said["segue_send"] == "s0"
    assert headers["Content-Encoding"] == "aes128gcm"
    assert headers["TTL"] == "60"
    assert len(headers["Topic"]) <= 32
    assert claims["aud"] == services.url
    assert claims["sub"] == "mailto:shop@shop.example"
    assert 0 < claims["exp"] - AT // 1000 <= 24 * 3600


def test_encryption_gives_the_published_bytes() -> None:
    """RFC 8291, section 5."""
    text = b"When I grow up, I want to be a watermelon"
    once = ec.derive_private_key(
        int.from_bytes(bytes_of("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big"), CURVE
    )
    reader = Reader(
        bytes_of(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
        ),
        bytes_of("BTBZMqHH6r4Tts7J_aSIgg"),
    )
    sealed = encrypt(text, reader, bytes_of("DGv6ra1nlYgDCS1FRnbzlw"), once)
    assert b64(sealed) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6Tlz"
        "AC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def test_no_two_texts_meet_the_same_key() -> None:
    adapter = WebPush(WebPushSettings(private_key=Secret(VAPID), subject="mailto:a@b.example"))

    def sealed(body: str, **changes: Any) -> bytes:
        known: dict[str, Any] = {
            "id": "s",
            "channel": "push",
            "address": subscription("https://push.example/1"),
            "fields": {"body": body},
            "at": AT,
        }
        return adapter.compose(Letter(**(known | changes))).body[:86]

    first = sealed("one")
    assert sealed("one") == first
    others = [sealed("two"), sealed("one", id="t")]
    others.append(sealed("one", address=subscription("https://push.example/2")))
    assert len({first, *others}) == 4


def test_google_gives_a_token_for_a_good_signature_once(services: Services) -> None:
    outcomes = send(services, APP, APP)
    assert [one.result for one in outcomes] == ["accepted", "accepted"]
    assert outcomes[0].provider_id == "projects/shop/messages/1"
    assert services.tokens == 1
    message = services.messages[0]
    assert message["token"] == APP
    assert message["notification"] == {"title": "Hi", "body": "Your cart, Ana"}
    assert message["data"] == {"segue_send": "s0", "url": "https://shop.example/cart"}
    assert message["webpush"]["fcm_options"]["link"] == "https://shop.example/cart"


def test_a_wrong_key_waits_for_the_operator_and_sends_nothing(services: Services) -> None:
    (outcome,) = send(services, APP, wrong_key=True)
    assert outcome.result == "try_later"
    assert "HTTP 400" in outcome.detail
    assert services.messages == []


def test_a_token_that_was_refused_is_asked_for_again(services: Services) -> None:
    services.revoked.add("token-1")
    outcomes = send(services, APP, APP)
    assert [one.result for one in outcomes] == ["try_later", "accepted"]
    assert services.tokens == 2


@pytest.mark.parametrize("status", [404, 410])
def test_a_dead_subscription_is_retired(services: Services, status: int) -> None:
    services.status = status
    (outcome,) = send(services, subscription(f"{services.url}/push/1"))
    assert outcome.result == "unreachable"


def test_a_dead_token_ends_the_address_and_the_next_channel_is_used(services: Services) -> None:
    gone = {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError"}
    services.fcm = (
        404,
        {"error": {"status": "NOT_FOUND", "details": [gone | {"errorCode": "UNREGISTERED"}]}},
    )
    (outcome,) = send(services, APP)
    assert outcome.result == "unreachable"
    effect = Send(
        id="s",
        message="m",
        channel="push",
        address=APP,
        program="p",
        data={},
        not_after=NEVER,
    )
    row = QueuedSend(
        id="s", profile=ProfileId("p"), effect=effect, state="claimed", queued_at=AT, due_at=AT
    )
    verdict = judge(row, outcome, AT)
    assert verdict.settlement.state == "dead"
    assert verdict.report is not None
    assert (verdict.report.outcome, verdict.report.address) == ("bounced", APP)
    assert verdict.report.permanent


def test_a_provider_in_trouble_is_no_dead_token(services: Services) -> None:
    services.fcm = (503, {"error": {"status": "UNAVAILABLE"}})
    assert send(services, APP)[0].result == "try_later"
    services.fcm = (404, {"error": {"status": "NOT_FOUND"}})
    assert send(services, APP)[0].result == "refused"
    services.fcm = (
        403,
        {"error": {"status": "X", "details": [{"errorCode": "SENDER_ID_MISMATCH"}]}},
    )
    assert send(services, APP)[0].result == "try_later"


def test_an_endpoint_in_our_own_network_is_never_called(services: Services) -> None:
    line = build_line(
        "push",
        {"provider": "webpush", "private_key": VAPID, "subject": "mailto:a@b.example"},
        Wire(),
        {},
    )
    for endpoint in (f"{services.url}/push/1", "http://push.example/1", "file:///etc/passwd"):
        with pytest.raises(BadAddress):
            line.adapter.compose(letter(subscription(endpoint)))  # type: ignore[attr-defined]
    assert services.pushed == []


def letter(address: str, **fields: str) -> Letter:
    return Letter(id="s", channel="push", address=address, fields={"body": "x", **fields}, at=AT)


@pytest.mark.parametrize(
    "address",
    [
        "{}",
        '{"endpoint": "https://push.example/1"}',
        subscription("https://push.example/1").replace(b64(AUTH), b64(b"short")),
        subscription("https://push.example/1").replace(b64(point(BROWSER)), b64(b"\4" * 65)),
        subscription("https://push.example/1").replace(b64(point(BROWSER)), "***"),
    ],
)
def test_what_is_no_subscription_is_refused(address: str) -> None:
    adapter = WebPush(WebPushSettings(private_key=Secret(VAPID), subject="mailto:a@b.example"))
    with pytest.raises(BadAddress):
        adapter.compose(letter(address))


def test_a_push_that_is_too_large_is_refused() -> None:
    adapter = WebPush(WebPushSettings(private_key=Secret(VAPID), subject="mailto:a@b.example"))
    address = subscription("https://push.example/1")
    full = "x" * (limits.PUSH_BYTES_MAX - 1)
    assert len(adapter.compose(letter(address, title=full)).body) <= 4096
    with pytest.raises(Unsupported):
        adapter.compose(letter(address, title=full + "xx"))


@pytest.mark.parametrize("wrong", ["", "short", "***", b64(b"x" * 31)])
def test_a_wrong_vapid_key_is_named_and_not_shown(wrong: str) -> None:
    with pytest.raises(ChannelMisconfigured, match="32 bytes"):
        WebPush(WebPushSettings(private_key=Secret(wrong), subject="mailto:a@b.example"))

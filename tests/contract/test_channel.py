"""What every provider's adapter must do; one is supported when it stands in ADAPTERS.

A real HTTP server plays the provider: it takes, refuses, hangs, resets and answers nonsense. The
goal: a letter is never dropped, never doubled, and never called delivered when it was not.
"""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from segue.channels.courier import Courier
from segue.channels.features import PROVIDERS
from segue.channels.letter import Letter
from segue.channels.login import text_of
from segue.channels.markup import finished
from segue.channels.providers import SETTINGS, build_line
from segue.channels.secret import Secret
from segue.channels.smtp import SmtpLine
from segue.channels.wire import HttpLine, Wire
from segue.define.channels import CHANNELS
from segue.errors import BadAddress, ChannelMisconfigured, Unsupported
from segue.hosts.ports import Delivery, Outcome
from segue.kernel.effects import AssignTask, Send
from segue.kernel.plan import Message
from segue.kernel.values import NEVER, Instant, Millis, ProfileId

AT = Instant(1_790_000_000_000)
HUSH = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4"
AUDIENCES = {"buyers": "23842", "Zebra": "999"}
VAPID = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
PEM = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    .decode()
)


def subscription(endpoint: str) -> str:
    """A browser's, always the same."""
    public = (
        ec.derive_private_key(7, ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    )
    keys = {"p256dh": text_of(public), "auth": text_of(b"sixteen bytes ok")}
    return json.dumps({"endpoint": endpoint, "keys": keys})


class Adapter(msgspec.Struct, frozen=True, kw_only=True):
    """A provider as the suite needs to know it."""

    channel: str
    settings: dict[str, Any]
    url: tuple[str, str] = ("base_url", "")
    """The setting that holds the address, and the path under it."""
    success: tuple[int, dict[str, str], bytes] = (200, {}, b"")
    name_of_success: str = ""
    refusal: tuple[int, bytes] = (400, b"no")
    any_2xx_is_success: bool = False
    address: Callable[[str], str] | None = None
    """An address that names the provider's server itself."""


def key_file(url: str) -> str:
    """A service account whose tokens come from the server at hand."""
    return json.dumps(
        {
            "client_email": "segue@shop.iam.gserviceaccount.com",
            "private_key": PEM,
            "private_key_id": HUSH,
            "project_id": "shop",
            "token_uri": f"{url}/token",
        }
    )


MAIL = {"from_address": "shop@shop.example", "from_name": "Shop", "reply_to": "help@shop.example"}

ADAPTERS: Mapping[str, Adapter] = {
    "ses": Adapter(
        channel="email",
        settings={"region": "eu-west-1", "access_key_id": "AK", "secret_access_key": HUSH, **MAIL},
        success=(200, {}, b'{"MessageId": "0102-ses"}'),
        name_of_success="0102-ses",
        refusal=(400, b'{"message": "Email address is not verified."}'),
    ),
    "sendgrid": Adapter(
        channel="email",
        settings={"api_key": HUSH, **MAIL},
        success=(202, {"X-Message-Id": "sg-1"}, b""),
        name_of_success="sg-1",
        refusal=(400, b'{"errors": [{"message": "bad"}]}'),
        any_2xx_is_success=True,
    ),
    "postmark": Adapter(
        channel="email",
        settings={"server_token": HUSH, **MAIL},
        success=(200, {}, b'{"ErrorCode": 0, "Message": "OK", "MessageID": "pm-1"}'),
        name_of_success="pm-1",
        refusal=(422, b'{"ErrorCode": 406, "Message": "Inactive recipient"}'),
    ),
    "mailgun": Adapter(
        channel="email",
        settings={"api_key": HUSH, "domain": "mg.shop.example", **MAIL},
        success=(200, {}, b'{"id": "<mg-1@mg.shop.example>", "message": "Queued"}'),
        name_of_success="mg-1@mg.shop.example",
        refusal=(400, b'{"message": "to parameter is not a valid address"}'),
    ),
    "twilio": Adapter(
        channel="sms",
        settings={"account_sid": "AC1", "auth_token": HUSH, "from_number": "+15005550006"},
        success=(201, {}, b'{"sid": "SM1", "status": "queued", "error_code": null}'),
        name_of_success="SM1",
        refusal=(400, b'{"code": 21610, "message": "unsubscribed recipient", "status": 400}'),
    ),
    "meta_whatsapp": Adapter(
        channel="whatsapp",
        settings={"phone_number_id": "106540352242922", "access_token": HUSH},
        success=(200, {}, b'{"messages": [{"id": "wamid.HBgM", "message_status": "accepted"}]}'),
        name_of_success="wamid.HBgM",
        refusal=(
            400,
            b'{"error": {"message": "(#131026) Message undeliverable", "code": 131026}}',
        ),
    ),
    "http_sms": Adapter(
        channel="sms",
        settings={"token": HUSH, "reply_id": "data.id"},
        url=("url", "/send"),
        success=(200, {}, b'{"data": {"id": 77}}'),
        name_of_success="77",
    ),
    "fcm": Adapter(
        channel="push",
        settings={},
        success=(200, {}, b'{"name": "projects/shop/messages/1"}'),
        name_of_success="projects/shop/messages/1",
        refusal=(400, b'{"error": {"status": "INVALID_ARGUMENT", "details": []}}'),
    ),
    "webpush": Adapter(
        channel="push",
        settings={
            "private_key": VAPID,
            "subject": "mailto:shop@shop.example",
            "allowed_networks": ["127.0.0.0/8"],
        },
        url=("", ""),
        success=(201, {"Location": "https://push.example/m/1"}, b""),
        name_of_success="https://push.example/m/1",
        any_2xx_is_success=True,
        address=lambda url: subscription(f"{url}/push/1"),
    ),
    "meta_ads": Adapter(
        channel="ads",
        settings={"access_token": HUSH, "audiences": AUDIENCES},
        success=(200, {}, b'{"session_id": "9778993", "num_received": 1}'),
        name_of_success="9778993",
        refusal=(400, b'{"error": {"code": 100, "message": "Invalid parameter"}}'),
    ),
    "google_ads": Adapter(
        channel="ads",
        settings={"account_id": "1234567890", "audiences": AUDIENCES},
        success=(200, {}, b'{"requestId": "r-1"}'),
        name_of_success="r-1",
        refusal=(400, b'{"error": {"status": "INVALID_ARGUMENT"}}'),
    ),
    "hubspot": Adapter(
        channel="task",
        settings={"access_token": HUSH, "owners": {"sales": "77"}},
        success=(201, {}, b'{"id": "512"}'),
        name_of_success="512",
        refusal=(400, b'{"message": "Property values were not valid"}'),
    ),
    "webhook": Adapter(
        channel="webhook",
        settings={"secret": f"whsec_{HUSH}", "allowed_networks": ["127.0.0.0/8"]},
        url=("endpoints", "/hook"),
        any_2xx_is_success=True,
    ),
    "slack": Adapter(
        channel="task",
        settings={},
        url=("webhook_url", f"/services/{HUSH}"),
        success=(200, {}, b"ok"),
        any_2xx_is_success=True,
    ),
}

ADDRESSES = {
    "email": "ana@shop.example",
    "sms": "+49 151 2345678",
    "whatsapp": "+49 151 2345678",
    "webhook": "crm",
    "task": "sales",
    "ads": "buyers",
    "push": "fcm-token_of:a-phone-1234567890",
}
CONTENTS = {
    "email": {"subject": "Hi", "html": "<p>Hi</p>", "text": "Hi"},
    "sms": {"body": "Hi"},
    "whatsapp": {"template": "hello", "parameters": '{"1": "Ana"}'},
    "webhook": {"body": '{"a": 1}'},
    "task": {"title": "Hi"},
    "push": {"title": "Hi", "body": "Your cart is waiting"},
    "ads": {"change": "add", "data": '{"email": "ana@shop.example"}'},
}

BESIDE: Mapping[tuple[str, str], dict[str, str]] = {
    ("whatsapp", "body"): {},
    ("whatsapp", "template"): {},
}
"""Fields that stand in place of others, and what stands beside them."""


class Provider:
    """The server: what it answers, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: tuple[int, dict[str, str], bytes] = (200, {}, b"")
        self.hang = self.reset = False
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                if self.path == "/token":
                    self.answer(200, {}, b'{"access_token": "t", "expires_in": 3600}')
                    return
                provider.asked.append((self.path, headers, body))
                if provider.reset:
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.close_connection = True
                    self.connection.close()
                    return
                if provider.hang:
                    provider.gate.wait(5)
                    self.close_connection = True
                    return
                self.answer(*provider.answer)

            do_DELETE = do_PATCH = do_POST  # noqa: N815 (the library's own names)

            def answer(self, status: int, extra: dict[str, str], content: bytes) -> None:
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass

        self.gate = threading.Event()
        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self.gate.set()
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with closing(Provider()) as made:
        yield made


@pytest.fixture(params=sorted(ADAPTERS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def settings_of(name: str, url: str) -> dict[str, Any]:
    adapter = ADAPTERS[name]
    if name in {"fcm", "google_ads"}:
        own = {"service_account": key_file(url), "base_url": url}
        return {"provider": name, **adapter.settings, **own}
    if name == "webpush":
        return {"provider": name, **adapter.settings}
    key, path = adapter.url
    address: object = {"crm": url + path} if key == "endpoints" else url + path
    return {"provider": name, **adapter.settings, key: address}


def line_of(name: str, url: str, seconds: float = 5) -> tuple[HttpLine, Wire]:
    wire = Wire(answer_seconds=seconds, connect_seconds=seconds)
    line = build_line(ADAPTERS[name].channel, settings_of(name, url), wire, {})
    assert isinstance(line, HttpLine)
    return line, wire


def letter(name: str, url: str = "https://provider.example", **changes: Any) -> Letter:
    channel, named = ADAPTERS[name].channel, ADAPTERS[name].address
    known: dict[str, Any] = {
        "id": "p1:cart:ü:0",
        "channel": channel,
        "address": named(url) if named else ADDRESSES[channel],
        "fields": CONTENTS[channel],
        "at": AT,
        "message": "remind",
        "profile": "p1",
        "unsubscribe_url": "https://shop.example/u/1",
    }
    return Letter(**(known | changes))


def send(name: str, url: str, seconds: float = 5, **changes: Any) -> Outcome:
    """One letter through the whole courier, from the dispatcher's side."""
    line, wire = line_of(name, url, seconds)
    known = letter(name, url, **changes)
    message = Message(
        name="remind",
        topic="cart",
        contents={known.channel: known.fields},
        expires_ms=Millis(1),
    )
    effect = Send(
        id=known.id,
        message="remind",
        channel=known.channel,
        address=known.address,
        program="p",
        data={},
        not_after=NEVER,
    )
    delivery = Delivery(id=known.id, profile=ProfileId("p1"), effect=effect, attempt=1, at=AT)
    with closing(
        Courier(
            messages=lambda program, name: message,
            keep=lambda kept: pytest.fail("a channel with a line keeps nothing"),
            lines={known.channel: line},
            wire=wire,
        )
    ) as courier:
        (outcome,) = courier.deliver([delivery])
    return outcome


def doubtful(name: str) -> str:
    """What an exchange means of which nobody knows how it ended."""
    return "try_later" if PROVIDERS[name].resends_safely else "unknown"


def test_every_provider_over_http_stands_in_this_suite() -> None:
    assert {*ADAPTERS, "smtp"} == set(SETTINGS)
    assert {*SETTINGS, "sandbox"} == set(PROVIDERS)


def test_a_letter_is_taken_once_and_named(name: str, provider: Provider) -> None:
    provider.answer = ADAPTERS[name].success
    outcome = send(name, provider.url)
    assert (outcome.result, outcome.provider_id) == ("accepted", ADAPTERS[name].name_of_success)
    assert len(provider.asked) == 1
    assert bool(outcome.provider_id) == PROVIDERS[name].names_the_message


def test_a_provider_that_is_busy_says_when_to_come_back(name: str, provider: Provider) -> None:
    provider.answer = (429, {"Retry-After": "7"}, b"slow down")
    outcome = send(name, provider.url)
    assert (outcome.result, outcome.after_ms) == ("try_later", 7000)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_provider_in_trouble_is_tried_later(name: str, provider: Provider, status: int) -> None:
    provider.answer = (status, {}, b"<html>trouble</html>")
    assert send(name, provider.url).result == "try_later"
    assert len(provider.asked) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_keys_wait_for_the_operator(name: str, provider: Provider, status: int) -> None:
    provider.answer = (status, {}, b"{}")
    assert send(name, provider.url).result == "try_later"


def test_a_refusal_is_final_and_says_why(name: str, provider: Provider) -> None:
    status, body = ADAPTERS[name].refusal
    provider.answer = (status, {"Content-Type": "application/json"}, body)
    outcome = send(name, provider.url)
    assert outcome.result == "refused"
    assert outcome.detail
    assert len(outcome.detail) <= 500


def test_a_gateways_time_out_leaves_it_unknown(name: str, provider: Provider) -> None:
    provider.answer = (504, {}, b"")
    assert send(name, provider.url).result == doubtful(name)


def test_silence_after_sending_leaves_it_unknown(name: str, provider: Provider) -> None:
    provider.hang = True
    started = time.monotonic()
    assert send(name, provider.url, seconds=0.4).result == doubtful(name)
    assert time.monotonic() - started < 4
    assert len(provider.asked) == 1


def test_a_reset_after_sending_leaves_it_unknown(name: str, provider: Provider) -> None:
    provider.reset = True
    assert send(name, provider.url).result == doubtful(name)
    assert len(provider.asked) == 1


def test_a_page_instead_of_an_answer_is_not_called_delivered(name: str, provider: Provider) -> None:
    if ADAPTERS[name].any_2xx_is_success:
        pytest.skip("this provider answers by the status alone")
    provider.answer = (ADAPTERS[name].success[0], {}, b"<html>Welcome to our proxy</html>")
    assert send(name, provider.url).result == doubtful(name)


def test_a_provider_that_is_away_is_tried_later(name: str) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert send(name, url).result == "try_later"


def test_redirects_are_not_followed(name: str, provider: Provider) -> None:
    provider.answer = (307, {"Location": f"{provider.url}/elsewhere"}, b"")
    assert send(name, provider.url).result == "try_later"
    assert [path for path, _, _ in provider.asked if "elsewhere" in path] == []


def test_the_same_letter_gives_the_same_request(name: str) -> None:
    adapter = line_of(name, "https://provider.example")[0].adapter
    assert adapter.compose(letter(name)) == adapter.compose(letter(name))


def test_a_field_it_can_not_carry_is_an_error_and_never_dropped(name: str) -> None:
    adapter, channel = line_of(name, "https://provider.example")[0].adapter, ADAPTERS[name].channel
    strange = letter(name, fields=CONTENTS[channel] | {"confetti": "Zebra"})
    try:
        request = adapter.compose(strange)
    except Unsupported as error:
        assert "'confetti'" in str(error)  # noqa: PT017
    else:
        assert CHANNELS[channel].open
        assert b"Zebra" in request.body


def test_it_carries_every_field_of_its_channel(name: str) -> None:
    adapter, channel = line_of(name, "https://provider.example")[0].adapter, ADAPTERS[name].channel
    for field in CHANNELS[channel].takes:
        value = "https://e.example" if field == "url" else "Zebra"
        value = "zebra@shop.example" if field == "reply_to" else value
        named = field == "url" and channel == "webhook"
        address = "" if named else letter(name).address
        value = (
            "<mjml><mj-body><mj-raw>Zebra</mj-raw></mj-body></mjml>" if field == "mjml" else value
        )
        value = '{"1": "Zebra"}' if field == "parameters" else value
        fields = finished(BESIDE.get((channel, field), CONTENTS[channel]) | {field: value})
        request = adapter.compose(letter(name, fields=fields, address=address))
        assert request != adapter.compose(letter(name)), f"{field} left no mark on the request"


@pytest.mark.parametrize("address", ["nobody", "", "ana@shop.example\r\nBcc: eve@x.example", "+0"])
def test_a_bad_address_is_refused_before_anything_is_sent(
    name: str, provider: Provider, address: str
) -> None:
    if ADAPTERS[name].channel == "task":
        pytest.skip("the address is in the settings")
    assert send(name, provider.url, address=address).result == "refused"
    assert provider.asked == []


def test_its_secret_is_sent_and_never_shown(name: str, provider: Provider) -> None:
    provider.answer = (400, {}, b"no")
    outcome = send(name, provider.url)
    line, _ = line_of(name, provider.url)
    request = line.adapter.compose(letter(name))
    for shown in (repr(outcome), repr(getattr(line.adapter, "settings", None)), repr(line)):
        assert HUSH not in shown
    if name != "slack":
        assert HUSH not in repr(request)
    assert "Secret(set)" in repr(getattr(line.adapter, "settings", None))


@pytest.mark.parametrize("provider_name", sorted(SETTINGS))
def test_settings_that_are_wrong_are_named(provider_name: str) -> None:
    channel = PROVIDERS[provider_name].channels[0]
    right = (
        {"provider": "smtp", "host": "h", "from_address": "a@b.example"}
        if provider_name == "smtp"
        else settings_of(provider_name, "https://p.example")
    )
    build_line(channel, right, Wire(), {})
    with pytest.raises(ChannelMisconfigured, match="tyop"):
        build_line(channel, right | {"tyop": 1}, Wire(), {})
    with pytest.raises(ChannelMisconfigured, match="does not carry"):
        build_line("carrier-pigeon", right, Wire(), {})
    for key in right:
        if key != "provider":
            with pytest.raises(ChannelMisconfigured):
                build_line(channel, right | {key: {"a": 1}}, Wire(), {})


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Any) -> None:
    (tmp_path / "key").write_text(f"{HUSH}\n")
    for given in ("env:KEY", f"file:{tmp_path}/key", HUSH, Secret(HUSH)):
        settings = settings_of("sendgrid", "https://p.example") | {"api_key": given}
        line = build_line("email", settings, Wire(), {"KEY": HUSH})
        assert isinstance(line, HttpLine)
        assert line.adapter.compose(letter("sendgrid")).headers["Authorization"].endswith(HUSH)
    for missing in ("env:NO", f"file:{tmp_path}/no"):
        settings = settings_of("sendgrid", "https://p.example") | {"api_key": missing}
        with pytest.raises(ChannelMisconfigured):
            build_line("email", settings, Wire(), {})


def test_smtp_composes_by_the_same_rules() -> None:
    settings = {"provider": "smtp", "host": "h", "password": HUSH, **MAIL}
    line = build_line("email", settings, Wire(), {})
    assert isinstance(line, SmtpLine)
    known = letter("ses")
    assert line.adapter.compose(known) == line.adapter.compose(known)
    assert HUSH not in repr(line.adapter.settings)
    with pytest.raises(Unsupported, match="'confetti'"):
        line.adapter.compose(letter("ses", fields=CONTENTS["email"] | {"confetti": "x"}))
    with pytest.raises(BadAddress):
        line.adapter.compose(letter("ses", address="nobody"))


def test_a_task_reaches_slack(provider: Provider) -> None:
    wire = Wire()
    line = build_line("task", settings_of("slack", provider.url), wire, {})
    task = AssignTask(id="t", title="Call <!channel>", to="sales", details={"phone": "+49"})
    delivery = Delivery(id="t", profile=ProfileId("p"), effect=task, attempt=1, at=AT)
    with closing(
        Courier(
            messages=lambda program, name: None,
            keep=lambda kept: None,
            lines={"task": line},
            wire=wire,
        )
    ) as courier:
        assert courier.deliver([delivery])[0].result == "accepted"
    said = msgspec.json.decode(provider.asked[0][2])["text"]
    assert "Call &lt;!channel&gt;" in said
    assert "For: sales" in said
    assert "+49" in said


def test_a_provider_in_trouble_is_left_alone_after_a_few_letters(
    name: str, provider: Provider
) -> None:
    provider.answer = (500, {}, b"")
    line, wire = line_of(name, provider.url)
    known = letter(name, provider.url)
    message = Message(
        name="remind", topic="t", contents={known.channel: known.fields}, expires_ms=Millis(1)
    )
    with closing(
        Courier(
            messages=lambda program, name: message,
            keep=lambda kept: None,
            lines={known.channel: line},
            wire=wire,
        )
    ) as courier:
        outcomes = [
            courier.deliver(
                [
                    Delivery(
                        id=f"{number}",
                        profile=ProfileId("p1"),
                        effect=Send(
                            id=f"{number}",
                            message="remind",
                            channel=known.channel,
                            address=known.address,
                            program="p",
                            data={},
                            not_after=NEVER,
                        ),
                        attempt=1,
                        at=AT,
                    )
                ]
            )[0]
            for number in range(8)
        ]
    assert {outcome.result for outcome in outcomes} == {"try_later"}
    assert len(provider.asked) == 5
    assert 0 < outcomes[-1].after_ms <= 5000

"""Amazon SES, by an independent server that speaks its API and checks its signatures (moto).

The goal: what the courier sends is taken, read back whole, and refused where the key is wrong.
"""

import email
import re
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage

import httpx
import pytest
from moto.iam.models import iam_backends
from moto.server import ThreadedMotoServer
from moto.ses.models import ses_backends

from segue.channels.courier import Courier
from segue.channels.providers import build_courier
from segue.hosts.ports import Delivery, Outcome
from segue.kernel.effects import Send
from segue.kernel.plan import Message
from segue.kernel.values import NEVER, Instant, Millis, ProfileId

REGION, ACCOUNT = "eu-central-1", "123456789012"
AT = Instant(1_790_000_000_000)
MESSAGE = Message(
    name="remind",
    topic="cart",
    contents={"email": {"subject": "Grüße ☀", "html": "<p>Hello {{ traits.name }}</p>"}},
    expires_ms=Millis(1000),
)


@pytest.fixture(scope="module")
def amazon() -> Iterator[str]:
    """The server's address; it takes requests of known keys only."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        yield url
    finally:
        httpx.post(f"{url}/moto-api/reset-auth", content=b"Infinity")
        server.stop()


@pytest.fixture
def key(amazon: str) -> Iterator[tuple[str, str]]:
    """An access key that may send, and nothing else."""
    httpx.post(f"{amazon}/moto-api/reset").raise_for_status()
    users = iam_backends[ACCOUNT]["aws"]
    users.create_user("aws", "segue")
    made = users.create_access_key("segue")
    allowed = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ses:*","Resource":"*"}]}'
    )
    users.put_user_policy("segue", "send", allowed)
    ses_backends[ACCOUNT][REGION].verify_domain("shop.example")
    httpx.post(f"{amazon}/moto-api/reset-auth", content=b"0").raise_for_status()
    yield made.access_key_id, made.secret_access_key
    httpx.post(f"{amazon}/moto-api/reset-auth", content=b"Infinity")


def sent() -> list[EmailMessage]:
    found = ses_backends[ACCOUNT][REGION].sent_messages
    raw = [each.raw_data.encode() for each in found]
    return [email.message_from_bytes(each, policy=policy.default) for each in raw]  # type: ignore[misc]


def deliver(amazon: str, key: tuple[str, str], sender: str = "hello@shop.example") -> Outcome:
    settings = {
        "provider": "ses",
        "region": REGION,
        "access_key_id": key[0],
        "secret_access_key": "env:AWS_KEY",
        "from_address": sender,
        "base_url": amazon,
    }
    made: Courier = build_courier(
        {"email": settings},
        messages=lambda _program, _name: MESSAGE,
        keep=lambda _messages: None,
        environment={"AWS_KEY": key[1]},
    )
    send = Send(
        id="p1:cart:1:remind:0",
        message="remind",
        channel="email",
        address="ana@home.example",
        program="p",
        data={"traits": {"name": "Ana"}},
        not_after=NEVER,
    )
    try:
        (outcome,) = made.deliver(
            [Delivery(id=send.id, profile=ProfileId("p1"), effect=send, attempt=1, at=AT)]
        )
    finally:
        made.close()
    return outcome


def test_a_letter_is_taken_by_its_signature_and_read_back_whole(
    amazon: str, key: tuple[str, str]
) -> None:
    outcome = deliver(amazon, key)
    assert outcome.result == "accepted", outcome
    assert re.fullmatch(r"[\w-]{20,}", outcome.provider_id)
    (message,) = sent()
    assert (message["From"], message["To"]) == ("hello@shop.example", "ana@home.example")
    assert message["Subject"] == "Grüße ☀"
    text, html = message.iter_parts()
    assert text.get_content().strip() == "Hello Ana"  # type: ignore[attr-defined]
    assert html.get_content().strip() == "<p>Hello Ana</p>"  # type: ignore[attr-defined]


def test_a_wrong_secret_waits_for_the_operator_and_sends_nothing(
    amazon: str, key: tuple[str, str]
) -> None:
    outcome = deliver(amazon, (key[0], "not-the-secret"))
    assert outcome.result == "try_later" and "not-the-secret" not in outcome.detail
    assert sent() == []


def test_a_sender_who_is_not_verified_waits_for_the_operator(
    amazon: str, key: tuple[str, str]
) -> None:
    outcome = deliver(amazon, key, "hello@stranger.example")
    assert outcome.result == "try_later" and "stranger.example" in outcome.detail
    assert sent() == []

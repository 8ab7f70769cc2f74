"""Email against a real SMTP server that takes, refuses, hangs and breaks off at every point.

The goal: `try_later` only where the server can't have the message, `unknown` only where it may.
"""

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from segue.channels.courier import Courier
from segue.channels.secret import Secret
from segue.channels.smtp import Smtp, SmtpLine, SmtpSettings
from segue.hosts.ports import Delivery, Outcome
from segue.kernel.effects import Send
from segue.kernel.plan import Message
from segue.kernel.values import NEVER, Instant, Millis, ProfileId

AT = Instant(1_790_000_000_000)
MESSAGE = Message(
    name="remind",
    topic="cart",
    contents={"email": {"subject": "Hi {{ traits.name }}", "text": "Your cart\n.\n..waits"}},
    expires_ms=Millis(1000),
)


class Postmaster:
    """A server's behaviour: what each command answers, and what was taken."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.peers: set[object] = set()
        self.mail = self.rcpt = self.data = ""
        self.before: Callable[[SMTP, str], Any] | None = None
        self.gate = threading.Event()

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.peers.add(session.peer)
        if self.before and (answer := await self.before(server, "MAIL")):
            return answer
        envelope.mail_from = address
        return self.mail or "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.before and (answer := await self.before(server, "RCPT")):
            return answer
        envelope.rcpt_tos.append(address)
        return self.rcpt or "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if not self.data or self.data.startswith("2"):
            self.taken.append(envelope)
        if self.before and (answer := await self.before(server, "DATA")):
            return answer
        return self.data or "250 queued as 42"


@pytest.fixture
def postmaster() -> Postmaster:
    return Postmaster()


@pytest.fixture
def server(postmaster: Postmaster) -> Iterator[Controller]:
    controller = Controller(postmaster, hostname="127.0.0.1", port=0, ready_timeout=120)
    controller.port = free_port()
    controller.start()
    yield controller
    controller.stop(no_assert=True)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def courier(port: int, seconds: float = 5, **changes: Any) -> Courier:
    settings = {"host": "127.0.0.1", "port": port, "security": "none"} | changes
    adapter = Smtp(SmtpSettings(from_address="shop@shop.example", hello="shop.example", **settings))
    return Courier(
        messages=lambda program, name: MESSAGE if name == "remind" else None,
        keep=lambda kept: None,
        lines={"email": SmtpLine(adapter, answer_seconds=seconds, letter_seconds=2 * seconds)},
    )


def delivery(number: int = 0, address: str = "ana@shop.example") -> Delivery:
    send = Send(
        id=f"s{number}",
        message="remind",
        channel="email",
        address=address,
        program="p",
        data={"traits": {"name": "Ana"}},
        not_after=NEVER,
    )
    return Delivery(id=send.id, profile=ProfileId("ana"), effect=send, attempt=1, at=AT)


def send_one(port: int, **changes: Any) -> Outcome:
    with closing(courier(port, **changes)) as carrying:
        (outcome,) = carrying.deliver([delivery()])
        return outcome


def test_a_message_arrives_whole(server: Controller, postmaster: Postmaster) -> None:
    outcome = send_one(server.port)
    assert outcome.result == "accepted"
    (taken,) = postmaster.taken
    assert taken.mail_from == "shop@shop.example"
    assert taken.rcpt_tos == ["ana@shop.example"]
    content = taken.content
    assert isinstance(content, bytes)
    assert b"Subject: Hi Ana\r\n" in content
    assert content.endswith(b"Your cart\r\n.\r\n..waits\r\n")
    assert f"Message-ID: <{outcome.provider_id}>".encode() in content


def test_connections_are_reused_and_few(server: Controller, postmaster: Postmaster) -> None:
    with closing(courier(server.port)) as carrying:
        outcomes = carrying.deliver([delivery(n) for n in range(30)])
        assert {outcome.result for outcome in outcomes} == {"accepted"}
        assert len(postmaster.peers) <= 8
        before = len(postmaster.peers)
        carrying.deliver([delivery(31)])
        assert len(postmaster.peers) == before
    assert len(postmaster.taken) == 31


@pytest.mark.parametrize("command", ["mail", "rcpt", "data"])
@pytest.mark.parametrize(
    ("answer", "result"),
    [("451 busy", "try_later"), ("421 going down", "try_later"), ("550 no such box", "refused")],
)
def test_the_servers_reply_is_believed(
    server: Controller, postmaster: Postmaster, command: str, answer: str, result: str
) -> None:
    setattr(postmaster, command, answer)
    outcome = send_one(server.port)
    assert outcome.result == result
    assert answer.split(" ", 1)[1] in outcome.detail


def test_a_refused_letter_does_not_spoil_the_connection(
    server: Controller, postmaster: Postmaster
) -> None:
    with closing(courier(server.port)) as carrying:
        postmaster.rcpt = "550 no"
        assert carrying.deliver([delivery(1)])[0].result == "refused"
        postmaster.rcpt = ""
        assert carrying.deliver([delivery(2)])[0].result == "accepted"
    assert len(postmaster.peers) == 1


async def hang(_: SMTP) -> None:
    await asyncio.sleep(3)


async def drop(server: SMTP) -> None:
    assert server.transport is not None
    server.transport.abort()
    await asyncio.sleep(0.5)


@pytest.mark.parametrize("fault", [hang, drop])
@pytest.mark.parametrize(
    ("command", "result"), [("MAIL", "try_later"), ("RCPT", "try_later"), ("DATA", "unknown")]
)
def test_silence_is_unknown_only_once_the_message_was_sent(
    server: Controller, postmaster: Postmaster, fault: Any, command: str, result: str
) -> None:
    async def before(at: SMTP, name: str) -> str:
        if name == command:
            await fault(at)
        return ""

    postmaster.before = before
    started = time.monotonic()
    assert send_one(server.port, seconds=0.5).result == result
    assert time.monotonic() - started < 2.5


def test_a_connection_that_breaks_between_data_and_its_go_ahead_is_tried_later() -> None:
    """Spoken by hand, for a well-behaved server never does it."""

    def speak(connection: socket.socket) -> None:
        connection.sendall(b"220 hi\r\n")
        for answer in (b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n"):
            connection.recv(1000)
            connection.sendall(answer)
        assert connection.recv(1000).startswith(b"DATA")
        connection.close()

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        thread = threading.Thread(target=lambda: speak(listening.accept()[0]))
        thread.start()
        outcome = send_one(listening.getsockname()[1])
        thread.join()
    assert outcome.result == "try_later"


def test_a_server_that_is_away_is_tried_later() -> None:
    assert send_one(free_port()).result == "try_later"


def test_a_kept_connection_that_died_is_replaced(
    server: Controller, postmaster: Postmaster
) -> None:
    dead = True

    async def before(at: SMTP, name: str) -> str:
        nonlocal dead
        if name == "MAIL" and postmaster.taken and dead:
            dead = False
            await drop(at)
        return ""

    postmaster.before = before
    with closing(courier(server.port)) as carrying:
        assert carrying.deliver([delivery(1)])[0].result == "accepted"
        assert carrying.deliver([delivery(2)])[0].result == "accepted"
    assert len(postmaster.taken) == 2


def test_one_bad_letter_harms_no_other(server: Controller, postmaster: Postmaster) -> None:
    with closing(courier(server.port)) as carrying:
        outcomes = carrying.deliver(
            [delivery(1), delivery(2, "not an address"), delivery(3, "анна@почта.рф"), delivery(4)]
        )
    assert [outcome.result for outcome in outcomes] == [
        "accepted",
        "refused",
        "accepted",
        "accepted",
    ]


def test_an_address_that_the_server_can_not_carry_is_refused(postmaster: Postmaster) -> None:
    controller = Controller(
        postmaster, hostname="127.0.0.1", port=free_port(), enable_SMTPUTF8=False
    )
    controller.start()
    try:
        with closing(courier(controller.port)) as carrying:
            outcome = carrying.deliver([delivery(1, "анна@почта.рф")])[0]
            assert outcome.result == "refused"
            assert "SMTPUTF8" in outcome.detail
            assert carrying.deliver([delivery(2)])[0].result == "accepted"
            assert len(postmaster.peers) == 1
    finally:
        controller.stop(no_assert=True)


# ── TLS and login ───────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, folder / "cert.pem"


def check_login(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
) -> AuthResult:
    right = isinstance(data, LoginPassword) and data.password == b"secret"
    return AuthResult(success=right, handled=right)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_over_tls_with_a_login(
    postmaster: Postmaster,
    certificate: tuple[ssl.SSLContext, Path],
    security: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context, authority = certificate
    tls: dict[str, Any] = (
        {"ssl_context": context}
        if security == "tls"
        else {"tls_context": context, "require_starttls": True}
    )
    controller = Controller(
        postmaster,
        hostname="127.0.0.1",
        port=free_port(),
        authenticator=check_login,
        auth_required=True,
        auth_require_tls=security == "starttls",
        **tls,
    )

    def probe() -> None:
        """The controller's own probe would not trust this certificate."""
        connection = socket.create_connection(("127.0.0.1", controller.port), 5)
        if security == "tls":
            trusting = ssl.create_default_context(cafile=authority)
            connection = trusting.wrap_socket(connection, server_hostname="127.0.0.1")
        with closing(connection):
            assert connection.recv(1000).startswith(b"220")

    controller._trigger_server = probe  # type: ignore[method-assign]
    controller.start()
    try:
        login = {"username": "shop", "security": security}
        untrusted = send_one(controller.port, password=Secret("secret"), **login)
        assert untrusted.result == "try_later", "an unknown authority is not trusted"
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        assert send_one(controller.port, password=Secret("secret"), **login).result == "accepted"
        wrong = send_one(controller.port, password=Secret("wr0ng"), **login)
        assert wrong.result == "try_later", "a wrong password is the operator's to correct"
        assert "wr0ng" not in wrong.detail
    finally:
        controller.stop(no_assert=True)
    assert len(postmaster.taken) == 1


def test_a_server_in_trouble_is_left_alone_until_it_works_again(
    server: Controller, postmaster: Postmaster
) -> None:
    async def before(at: SMTP, name: str) -> str:
        if name == "RCPT":
            await drop(at)
        return ""

    postmaster.before = before
    with closing(courier(server.port)) as carrying:
        outcomes = [carrying.deliver([delivery(n)])[0] for n in range(7)]
        assert {outcome.result for outcome in outcomes} == {"try_later"}
        assert len(postmaster.peers) == 5
        assert 0 < outcomes[-1].after_ms <= 5000
        postmaster.before = None
        time.sleep(outcomes[-1].after_ms / 1000)
        assert carrying.deliver([delivery(8)])[0].result == "accepted"
        assert carrying.deliver([delivery(9)])[0].result == "accepted"

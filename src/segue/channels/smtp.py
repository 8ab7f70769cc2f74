"""Email by SMTP: the adapter, and the line that does its I/O.

Rule 1: what broke before the message's end was sent is `try_later`: the server can't have it.
    From the first byte of the message on, without a reply, nobody knows: `unknown`.
Rule 2: a reply is believed. 2xx accepted, 4xx try later, 5xx refused; but a refused login is
    the operator's, so it waits.
Rule 3: connections are reused, few, and never across an error of transport.
"""

import asyncio
import ssl
from collections import deque
from typing import Literal as OneOf

import aiosmtplib
import msgspec
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
)

from segue.channels import email, limits
from segue.channels.breaker import Breaker
from segue.channels.letter import Letter, accepted, in_trouble, refused, try_later, unknown
from segue.channels.secret import Secret
from segue.errors import BadAddress, Unsupported
from segue.hosts.ports import Outcome

Phase = OneOf["connect", "login", "envelope", "message"]


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mail server. `security`: TLS from the first byte, or by STARTTLS, or none at all."""

    host: str
    from_address: str
    port: int = 587
    security: OneOf["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: Secret = Secret("")
    from_name: str = ""
    reply_to: str = ""
    verify_certificates: bool = True
    hello: str = ""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A message and for whom it is."""

    sender: str
    recipient: str
    content: bytes
    message_id: str
    needs_utf8: bool = False


class SmtpReply(msgspec.Struct, frozen=True, kw_only=True):
    """How a conversation ended: the server's code, or 0 where it broke; and how far it had come."""

    phase: Phase
    code: int
    text: str
    message_id: str = ""


class Smtp:
    """Translates letters into envelopes, and the ends of conversations into outcomes."""

    name = "smtp"
    resends_safely = False

    def __init__(self, settings: SmtpSettings) -> None:
        self.settings = settings
        self.sender = email.sender_of(settings)

    def compose(self, letter: Letter) -> Envelope:
        """The message in its envelope."""
        mail = email.mail(letter, self.sender, self.name)
        return Envelope(
            sender=mail.sender.address,
            recipient=mail.recipient.address,
            content=email.mime(mail, letter.id),
            message_id=mail.message_id.strip("<>"),
            needs_utf8=mail.recipient.needs_utf8 or mail.sender.needs_utf8,
        )

    def interpret(self, reply: SmtpReply) -> Outcome:
        """Rules 1 and 2."""
        said = f"{reply.code} {reply.text}" if reply.code else reply.text
        detail = f"SMTP, {reply.phase}: {said}"
        if 200 <= reply.code < 300:
            return accepted(reply.message_id, said)
        if 400 <= reply.code < 500 or reply.phase in {"connect", "login"}:
            return try_later(detail)
        if reply.code >= 500:
            return try_later(detail) if reply.code in {530, 534, 535, 538} else refused(detail)
        return unknown(detail) if reply.phase == "message" else try_later(detail)


class _Connection:
    """One connection, and how far its present conversation has come."""

    def __init__(self, client: aiosmtplib.SMTP, opened_at: float) -> None:
        self.client = client
        self.used_at = opened_at
        self.letters = 0
        self.phase: Phase = "connect"

    def watch(self) -> None:
        """Move to phase `message` when the server asks for the message.

        The library sends DATA and the message in one call; only the server's 354 between them
        tells whether a broken connection can have delivered anything.
        """
        protocol = self.client.protocol
        assert protocol is not None, "a connected client has a protocol"
        read = protocol.read_response

        async def watched(  # the library's own signature
            timeout: float | None = None,  # noqa: ASYNC109
        ) -> aiosmtplib.SMTPResponse:
            response = await read(timeout=timeout)
            if response.code == 354:
                self.phase = "message"
            return response

        protocol.read_response = watched  # type: ignore[method-assign]


class SmtpLine:
    """Carries letters over a few reused connections to one mail server."""

    def __init__(
        self,
        adapter: Smtp,
        *,
        answer_seconds: float = limits.ANSWER_SECONDS_MAX,
        letter_seconds: float = limits.SMTP_LETTER_SECONDS_MAX,
    ) -> None:
        self.adapter = adapter
        self._answer_seconds = answer_seconds
        self._letter_seconds = letter_seconds
        self._breaker = Breaker()
        self._idle: deque[_Connection] = deque()
        self._places = asyncio.Semaphore(limits.SMTP_CONNECTIONS_MAX)
        self.opened = 0
        """Connections opened so far."""

    @property
    def resends_safely(self) -> bool:
        """SMTP has no idempotency key."""
        return self.adapter.resends_safely

    async def carry(self, letter: Letter) -> Outcome:
        try:
            envelope = self.adapter.compose(letter)
        except (BadAddress, Unsupported) as error:
            return refused(str(error))
        at = asyncio.get_running_loop().time()
        seconds = self._breaker.wait(at)
        if seconds:
            return in_trouble(self.adapter.name, seconds, down=self._breaker.down(at))
        try:
            return self.adapter.interpret(await self._hand_over(envelope))
        finally:
            self._breaker.ended()

    async def _hand_over(self, envelope: Envelope) -> SmtpReply:
        """One letter in its turn and its time, and what that tells of the server's health."""
        try:
            async with asyncio.timeout(limits.SMTP_PLACE_SECONDS_MAX):
                await self._places.acquire()
        except TimeoutError:
            return SmtpReply(phase="connect", code=0, text="all connections are busy")
        now = asyncio.get_running_loop().time
        used: list[_Connection] = []
        try:
            async with asyncio.timeout(self._letter_seconds):
                reply = await self._converse(envelope, used)
        except TimeoutError:
            phase = used[-1].phase if used else "connect"
            reply = SmtpReply(phase=phase, code=0, text=f"no end after {self._letter_seconds:g} s")
        except asyncio.CancelledError:
            self._breaker.failed(now())
            raise
        finally:
            self._places.release()
        if reply.code and reply.phase not in {"connect", "login"}:
            self._breaker.worked()
        else:
            self._breaker.failed(now())
        return reply

    async def close(self) -> None:
        while self._idle:
            await _quit(self._idle.pop())

    async def _converse(self, envelope: Envelope, used: list[_Connection]) -> SmtpReply:
        """One letter; a kept connection that turns out dead is replaced once, before DATA.

        `used` tells the caller, whose patience may end first, how far the letter had come.
        """
        kept = await self._take()
        if kept is not None:
            used.append(kept)
            reply = await self._attempt(kept, envelope)
            if reply.code or kept.phase == "message":
                return reply
        try:
            fresh = await self._open()
        except SMTPAuthenticationError as error:
            return SmtpReply(phase="login", code=error.code, text=error.message)
        except SMTPResponseException as error:
            return SmtpReply(phase="connect", code=error.code, text=error.message)
        except (SMTPException, OSError, ValueError) as error:
            return SmtpReply(phase="connect", code=0, text=_words(error))
        used.append(fresh)
        return await self._attempt(fresh, envelope)

    async def _attempt(self, connection: _Connection, envelope: Envelope) -> SmtpReply:
        client = connection.client
        connection.phase = "envelope"
        options = ["SMTPUTF8"] if envelope.needs_utf8 else []
        encoding = "utf-8" if envelope.needs_utf8 else "ascii"
        code, text, alive = 0, "", False
        try:
            if envelope.needs_utf8 and not client.supports_extension("smtputf8"):
                await self._give_back(connection)
                return SmtpReply(
                    phase="envelope",
                    code=553,
                    text="the server can't carry this address (SMTPUTF8)",
                )
            await client.mail(envelope.sender, options=options, encoding=encoding)
            await client.rcpt(envelope.recipient, encoding=encoding)
            response = await client.data(envelope.content)
            code, text, alive = response.code, response.message, True
        except (SMTPRecipientRefused, SMTPResponseException) as error:
            code, text, alive = error.code, error.message, True
        except (SMTPException, OSError) as error:
            text = _words(error)
        finally:
            if not alive:  # also where the letter's time was over and we were cancelled
                client.close()
        phase = connection.phase
        if alive:
            await self._give_back(connection, clean=200 <= code < 300)
        return SmtpReply(phase=phase, code=code, text=text, message_id=envelope.message_id)

    async def _open(self) -> _Connection:
        settings = self.adapter.settings
        context = ssl.create_default_context() if settings.security != "none" else None
        if context is not None and not settings.verify_certificates:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.username or None,
            password=settings.password.reveal() or None,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            tls_context=context,
            local_hostname=settings.hello or None,
            timeout=limits.CONNECT_SECONDS_MAX,
        )
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
        except BaseException:
            client.close()
            raise
        client.timeout = self._answer_seconds
        self.opened += 1
        connection = _Connection(client, asyncio.get_running_loop().time())
        connection.watch()
        return connection

    async def _take(self) -> _Connection | None:
        """The kept connection used last, if it is still fit for use."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            fresh = now - connection.used_at < limits.SMTP_IDLE_SECONDS_MAX
            if connection.client.is_connected and fresh:
                return connection
            await _quit(connection)
        return None

    async def _give_back(self, connection: _Connection, *, clean: bool = True) -> None:
        connection.letters += 1
        connection.used_at = asyncio.get_running_loop().time()
        if not clean:
            try:
                await connection.client.rset()
            except (SMTPException, OSError):
                connection.client.close()
        if connection.letters >= limits.SMTP_LETTERS_MAX:
            await _quit(connection)
        elif connection.client.is_connected:
            self._idle.append(connection)


async def _quit(connection: _Connection) -> None:
    """Say goodbye, but do not wait long for an answer."""
    client = connection.client
    try:
        if client.is_connected:
            await client.quit(timeout=1.0)
    except (SMTPException, OSError):
        pass  # It is gone, which is what was wanted.
    finally:
        client.close()


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

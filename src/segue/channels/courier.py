"""The courier: takes claimed effects from the dispatcher and carries them to their channels.

Rule 1: a synchronous door in front, one event loop in a thread of its own behind it.
Rule 2: it never raises for what a provider, a template or an address did, and one letter's
    trouble never touches another's: every delivery has its own outcome.
Rule 3: templates are rendered before anything is sent, an email's markup made ready after them;
    what fails is `unrenderable`.
Rule 4: a channel without a line, a recipient that test mode does not allow, and everything
    that was simulated goes to the sandbox, never out.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, assert_never

import msgspec

from segue.channels import limits, sandbox
from segue.channels.letter import (
    Letter,
    Line,
    Together,
    accepted,
    try_later,
    unknown,
    unrenderable,
)
from segue.channels.links import Link, Links, Tracking
from segue.channels.markup import finished
from segue.channels.secret import Hush, Secret
from segue.channels.template import Templates
from segue.channels.wire import Wire
from segue.errors import StoreUnavailable, Unrenderable
from segue.hosts.ports import Delivery, Outcome
from segue.kernel import effects
from segue.kernel.plan import Channel, Message
from segue.kernel.values import Instant, Record
from segue.stores.ports import KeptMessage

Messages = Callable[[str, str], Message | None]
"""A message by the program's name and its own; None where there is none."""

Engines = Callable[[str], Templates]
"""What renders a program's templates: each has parts of its own."""

Keep = Callable[[Sequence[KeptMessage]], None]
"""`Store.keep`."""


class Courier:
    """Carries deliveries to their channels; `hosts.ports.Courier`."""

    def __init__(
        self,
        *,
        messages: Messages,
        keep: Keep,
        lines: Mapping[Channel, Line] | None = None,
        templates: Engines | None = None,
        links: Links | None = None,
        tracking: Tracking | None = None,
        simulated: Callable[[Delivery], bool] | None = None,
        superseded: Callable[[Delivery], bool] | None = None,
        allowed: Sequence[str] | None = None,
        wire: Wire | None = None,
        hush: Sequence[Secret] = (),
        letter_seconds: float = limits.LETTER_SECONDS_MAX,
    ) -> None:
        """`templates` gives the engine that a program's templates are rendered by.

        `superseded` tells of a change of an audience that a later one has taken back.

        `allowed`, where given, is test mode: addresses or `@domains` that may be reached. `hush`
        are the secrets in use: some providers repeat a key that they refuse.
        """
        self._messages = messages
        self._keep = keep
        self._lines = dict(lines or {})
        self._templates = templates or _partless
        self._links = links
        self._tracking = tracking or Tracking()
        self._simulated = simulated or is_simulated
        self._superseded = superseded
        self._allowed = None if allowed is None else frozenset(map(str.casefold, allowed))
        self._wire = wire
        self._hush = Hush(hush)
        self._letter_seconds = letter_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        # One count for each provider, so that one which hangs takes no place from another.
        self._places = {
            line: asyncio.Semaphore(limits.DELIVERIES_AT_ONCE_MAX) for line in self._lines.values()
        }

    def deliver(self, deliveries: list[Delivery]) -> list[Outcome]:
        outcomes: dict[int, Outcome] = {}
        out: list[tuple[int, Line, Letter]] = []
        kept: list[tuple[int, Letter, bool]] = []
        for at, delivery in enumerate(deliveries):
            if self._is_superseded(delivery):
                outcomes[at] = accepted(detail="a later change of this audience counts")
                continue
            letter = self._write(delivery)
            if isinstance(letter, Outcome):
                outcomes[at] = letter
                continue
            simulated = self._simulated(delivery)
            line = self._lines.get(letter.channel)
            if line is None or simulated or not self._allows(letter.address):
                kept.append((at, letter, simulated))
            else:
                out.append((at, line, self._tracked(letter)))
        outcomes |= self._keep_all(kept)
        if out:
            carried = self._run(self._carry_all([(line, letter) for _, line, letter in out]))
            outcomes |= {at: outcome for (at, _, _), outcome in zip(out, carried, strict=True)}
        return [outcomes[at] for at in range(len(deliveries))]

    def resends_safely(self, effect: effects.Effect) -> bool:
        line = self._lines.get(channel_of(effect))
        return True if line is None else line.resends_safely

    def close(self) -> None:
        """Close connections and end the thread."""
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close_all(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)

    # ── writing ──

    def _write(self, delivery: Delivery) -> Letter | Outcome:
        """The delivery as a letter, or why there is none."""
        match delivery.effect:
            case effects.Send() as send:
                return self._write_send(delivery, send)
            case effects.CallWebhook() as call:
                return _note(delivery, "webhook", call.webhook, {"body": _json(call.body)})
            case effects.AssignTask() as task:
                fields = {"title": task.title, "details": _json(task.details)}
                return _note(delivery, "task", task.to, fields)
            case effects.ChangeAudience() as change:
                fields = {"change": change.change, "data": _json(change.data)}
                return _note(delivery, "ads", change.audience, fields)
            case effects.Show() | effects.Withdraw() | effects.Emit() as other:
                return unrenderable(f"{type(other).__name__} is not carried by a channel")
            case _:
                assert_never(delivery.effect)

    def _write_send(self, delivery: Delivery, send: effects.Send) -> Letter | Outcome:
        message = self._messages(send.program, send.message)
        if message is None:
            return unrenderable(f"the program has no message named {send.message!r}")
        fields = _contents(message, send.channel)
        if fields is None:
            return unrenderable(f"message {message.name!r} has no content for {send.channel}")
        link = Link("unsubscribe", delivery.profile, send.id, send.channel, message.topic)
        address = self._links.address(link) if self._links else ""
        data: Record = {
            **send.data,
            "unsubscribe_url": address,
            "preferences_url": self._preferences(link),
            "send_id": send.id,
        }
        try:
            engine = self._templates(send.program)
            rendered = ready(fields, send.channel, engine, data, delivery.at)
        except Unrenderable as error:
            return unrenderable(f"message {message.name!r}, {send.channel}: {error}")
        return Letter(
            id=delivery.id,
            channel=send.channel,
            address=send.address,
            fields=rendered,
            at=delivery.at,
            message=message.name,
            topic=message.topic,
            purpose=send.purpose,
            tags=message.tags,
            profile=delivery.profile,
            unsubscribe_url=address,
            expires_at=send.not_after,
        )

    def _is_superseded(self, delivery: Delivery) -> bool:
        """A change that waited (its provider was away) must not undo what came after it."""
        if self._superseded is None or not isinstance(delivery.effect, effects.ChangeAudience):
            return False
        return self._superseded(delivery)

    def _preferences(self, link: Link) -> str:
        if self._links is None:
            return ""
        return self._links.address(msgspec.structs.replace(link, kind="preferences"))

    def _tracked(self, letter: Letter) -> Letter:
        """What leaves by email, with its links led through here where that is wanted."""
        page = letter.fields.get("html", "")
        if self._links is None or letter.channel != "email" or not page:
            return letter
        link = Link("click", letter.profile, letter.id, letter.channel, letter.topic)
        page = self._links.tracked(page, link, self._tracking)
        return msgspec.structs.replace(letter, fields={**letter.fields, "html": page})

    def _allows(self, address: str) -> bool:
        if self._allowed is None:
            return True
        known = address.casefold()
        return known in self._allowed or f"@{known.rpartition('@')[2]}" in self._allowed

    # ── carrying ──

    def _keep_all(self, kept: list[tuple[int, Letter, bool]]) -> dict[int, Outcome]:
        if not kept:
            return {}
        try:
            self._keep([sandbox.kept(letter, simulated=sim) for _, letter, sim in kept])
        except StoreUnavailable as error:
            return {at: try_later(str(error)) for at, _, _ in kept}
        return {at: sandbox.outcome(letter) for at, letter, _ in kept}

    async def _carry_all(self, out: list[tuple[Line, Letter]]) -> list[Outcome]:
        outcomes: dict[int, Outcome] = {}
        shared: dict[Line, list[int]] = {}
        for at, (line, _) in enumerate(out):
            if isinstance(line, Together):
                shared.setdefault(line, []).append(at)
        parts = [
            *shared.values(),
            *([at] for at, (line, _) in enumerate(out) if line not in shared),
        ]
        told = await asyncio.gather(
            *(self._carry(out[part[0]][0], [out[at][1] for at in part]) for part in parts)
        )
        for part, found in zip(parts, told, strict=True):
            known = [self._hushed(_untaken(out[part[0]][0], outcome)) for outcome in found]
            outcomes |= dict(zip(part, known, strict=True))
        return [outcomes[at] for at in range(len(out))]

    def _hushed(self, outcome: Outcome) -> Outcome:
        """What is kept of a provider's words, without any of our secrets."""
        detail = self._hush(outcome.detail)
        return (
            outcome if detail == outcome.detail else msgspec.structs.replace(outcome, detail=detail)
        )

    async def _carry(self, line: Line, letters: list[Letter]) -> list[Outcome]:
        """Letters that travel together, mostly one; whatever breaks, breaks for all of them."""
        places = self._places[line]
        try:
            async with asyncio.timeout(limits.PLACE_SECONDS_MAX):
                await places.acquire()
        except TimeoutError:
            said = f"{limits.DELIVERIES_AT_ONCE_MAX} letters are on their way already"
            return [try_later(said)] * len(letters)
        try:
            async with asyncio.timeout(self._letter_seconds):
                if isinstance(line, Together):
                    return await line.carry_all(letters)
                return [await line.carry(letter) for letter in letters]
        except TimeoutError:
            return [_broken(line, f"no end after {self._letter_seconds:g} s")] * len(letters)
        except Exception as error:  # noqa: BLE001 (rule 2)
            return [_broken(line, f"{type(error).__name__}: {error}")] * len(letters)
        finally:
            places.release()

    def _run(self, work: Coroutine[Any, Any, list[Outcome]]) -> list[Outcome]:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_live, args=(self._loop,), name="segue-courier", daemon=True
                )
                self._thread.start()
            loop = self._loop
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    async def _close_all(self) -> None:
        for line in dict.fromkeys(self._lines.values()):
            await line.close()
        if self._wire is not None:
            await self._wire.close()
        # Closed transports let go of their sockets in a later turn of the loop.
        await asyncio.sleep(limits.GOODBYE_SECONDS_MAX)


def _live(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _untaken(line: Line, outcome: Outcome) -> Outcome:
    """A line that doesn't resend safely says `try_later` only of what was surely not taken."""
    if outcome.result != "try_later" or line.resends_safely:
        return outcome
    return msgspec.structs.replace(outcome, untaken=True)


def _broken(line: Line, detail: str) -> Outcome:
    return try_later(detail) if line.resends_safely else unknown(detail)


def channel_of(effect: effects.Effect) -> Channel:
    """The channel that carries an effect; empty for those that none does."""
    match effect:
        case effects.Send():
            return effect.channel
        case effects.CallWebhook():
            return "webhook"
        case effects.AssignTask():
            return "task"
        case effects.ChangeAudience():
            return "ads"
        case effects.Show() | effects.Withdraw() | effects.Emit():
            return ""
        case _:
            assert_never(effect)


def is_simulated(delivery: Delivery) -> bool:
    """Whether nobody real is behind it: the effect, `profile` or `traits` say so."""
    effect = delivery.effect
    if isinstance(effect, effects.ChangeAudience | effects.CallWebhook | effects.AssignTask):
        return effect.simulated
    if not isinstance(effect, effects.Send):
        return False
    data = effect.data
    for part in (data, data.get("profile"), data.get("traits")):
        if isinstance(part, Mapping) and part.get("simulated") is True:
            return True
    return False


def ready(
    fields: Mapping[str, str], channel: Channel, engine: Templates, data: Record, at: Instant
) -> dict[str, str]:
    """A channel's fields for one customer, as they leave. Raises `Unrenderable`."""
    rendered = engine.render(fields, data, at)
    return finished(rendered) if channel in ("email", sandbox.NAME) else rendered


def render_show(
    message: Message, effect: effects.Show, templates: Templates | None = None
) -> dict[str, str]:
    """What a placement shows. Raises `Unrenderable`, also where the channel has no content."""
    fields = _contents(message, effect.channel)
    if fields is None:
        raise Unrenderable("contents", 0, f"{message.name!r} has nothing for {effect.channel}")
    data: Record = {**effect.data, "send_id": effect.id}
    return (templates or _TEMPLATES).render(fields, data)


_TEMPLATES = Templates()


def _partless(_program: str) -> Templates:
    return _TEMPLATES


def _contents(message: Message, channel: Channel) -> dict[str, str] | None:
    """The fields for a channel; the sandbox takes those of any."""
    if channel == sandbox.NAME and channel not in message.contents:
        return next(iter(message.contents.values()), None)
    return message.contents.get(channel)


def _note(delivery: Delivery, channel: str, address: str, fields: dict[str, str]) -> Letter:
    return Letter(
        id=delivery.id,
        channel=channel,
        address=address,
        fields=fields,
        at=delivery.at,
        profile=delivery.profile,
        purpose="transactional",
    )


def _json(body: Record) -> str:
    return msgspec.json.encode(body, order="deterministic").decode()

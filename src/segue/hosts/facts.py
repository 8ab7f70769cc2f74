"""What happened, in a few words, for those who watch: the live page, tests, people.

Rule 1: a fact is told after its commit, never before, and may be lost by a slow listener.
Rule 2: listeners run in a thread of their own; they can't block or break the loop.
"""

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from threading import Condition, Thread
from typing import Literal as OneOf

import msgspec

from segue.hosts.limits import FACTS_MAX
from segue.kernel.effects import Emit, Send, Show, Withdraw
from segue.kernel.trace import Considered, RunChanged, SegmentChanged, Settled
from segue.kernel.values import Instant, ProfileId, Record
from segue.stores.ports import Saved, SetAside

_log = logging.getLogger("segue.hosts")


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to one profile.

    event      an event was accepted; `name` is its name, detail: id, source, emitted
    segment    a membership changed; detail: change
    run        a run entered, moved, ended; detail: run, change, step, reason
    decision   the arbiter decided; `name` is the message, detail: outcome, channel, reason ...
    send       a message was queued; detail: id, channel, address, journey
    show       a message goes into a placement; detail: id, placement, channel, journey
    withdraw   a send or show was taken back; `name` is its id, detail: reason
    receipt    a send's state changed; `name` is the message, detail: send, channel, state
    set_aside  a bad input was kept; `name` is its code, detail: source, reason
    """

    kind: OneOf[
        "event",
        "segment",
        "run",
        "decision",
        "send",
        "show",
        "withdraw",
        "receipt",
        "set_aside",
    ]
    at: Instant
    profile: ProfileId
    name: str
    detail: Record = {}


Listener = Callable[[Sequence[Fact]], None]


def told_by(saved: Sequence[Saved], set_aside: Sequence[SetAside]) -> list[Fact]:
    """The facts of one commit, in order per profile."""
    facts = [fact for one in saved for fact in _of_profile(one)]
    facts += [
        Fact(
            kind="set_aside",
            at=bad.at,
            profile=ProfileId(""),
            name=bad.code,
            detail={"source": bad.source, "reason": bad.reason},
        )
        for bad in set_aside
    ]
    return facts


def _of_profile(saved: Saved) -> Iterator[Fact]:
    who = saved.profile.id
    for event, at in saved.events:
        detail: Record = {"id": event.id, "source": event.source, "emitted": event.emitted}
        yield Fact(kind="event", at=at, profile=who, name=event.name, detail=detail)
    for at, _, notes in saved.traces:
        for note in notes:
            match note:
                case SegmentChanged():
                    detail = {"change": note.change}
                    yield Fact(kind="segment", at=at, profile=who, name=note.segment, detail=detail)
                case RunChanged():
                    detail = {
                        "run": note.run,
                        "change": note.change,
                        "step": note.step,
                        "reason": note.reason,
                    }
                    yield Fact(kind="run", at=at, profile=who, name=note.journey, detail=detail)
                case Considered():
                    detail = {
                        "outcome": note.outcome,
                        "journey": note.journey,
                        "channel": note.channel,
                        "placement": note.placement,
                        "reason": note.reason,
                        "until": note.until,
                    }
                    yield Fact(
                        kind="decision", at=at, profile=who, name=note.message, detail=detail
                    )
                case Settled():
                    detail = {"send": note.send, "channel": note.channel, "state": note.state}
                    yield Fact(kind="receipt", at=at, profile=who, name=note.message, detail=detail)
                case _:
                    pass
    for effect, at in saved.effects:
        match effect:
            case Send():
                detail = {
                    "id": effect.id,
                    "channel": effect.channel,
                    "address": effect.address,
                    "journey": effect.journey,
                }
                yield Fact(kind="send", at=at, profile=who, name=effect.message, detail=detail)
            case Show():
                detail = {
                    "id": effect.id,
                    "placement": effect.placement,
                    "channel": effect.channel,
                    "journey": effect.journey,
                }
                yield Fact(kind="show", at=at, profile=who, name=effect.message, detail=detail)
            case Withdraw():
                detail = {"reason": effect.reason}
                yield Fact(kind="withdraw", at=at, profile=who, name=effect.id, detail=detail)
            case Emit():
                pass  # told as an event already
            case _:
                pass


class Listeners:
    """Hands facts to those who watch, in a thread that starts with the first of them."""

    def __init__(self) -> None:
        self.dropped = 0
        self._listeners: list[Listener] = []
        self._waiting: deque[tuple[Sequence[Saved], Sequence[SetAside]]] = deque()
        self._changed = Condition()
        self._thread: Thread | None = None
        self._closed = False

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; returns how to remove it."""
        with self._changed:
            self._listeners.append(listener)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="segue-facts", daemon=True)
                self._thread.start()

        def leave() -> None:
            with self._changed, contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return leave

    @property
    def wanted(self) -> bool:
        """Whether anyone listens; if not, telling costs nothing."""
        return bool(self._listeners)

    def tell(self, saved: Sequence[Saved], set_aside: Sequence[SetAside]) -> None:
        """Queue what a commit saved; never waits for a listener."""
        if not self._listeners:
            return
        with self._changed:
            if len(self._waiting) >= FACTS_MAX:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append((saved, set_aside))
            self._changed.notify()

    def close(self) -> None:
        """Tell what waits, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(timeout=1.0)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if not self._waiting:
                    return
                commits = list(self._waiting)
                self._waiting.clear()
                listeners = list(self._listeners)
            facts = [fact for saved, bad in commits for fact in told_by(saved, bad)]
            for listener in listeners:
                try:
                    listener(facts)
                except Exception:  # noqa: BLE001 - Rule 2
                    _log.exception("a listener failed; it stays subscribed")

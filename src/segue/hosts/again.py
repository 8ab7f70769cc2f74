"""Dead letters queued again by hand: only those that may still leave.

Rule 1: what one proposal brought out is delivered once. A letter whose message went out on
    another channel stays dead, and of several dead ones of a proposal the first alone returns.
Rule 2: whoever has said no since, or whose address has died, is left in peace; an offer that
    was taken back with its dead letter is not made again.
Rule 3: what stays dead is told with its reason.
"""

from collections.abc import Sequence

import msgspec

from segue.hosts.limits import DEAD_LOOKED_MAX, SENDS_LOOKED_MAX
from segue.kernel.effects import Send
from segue.kernel.plan import Message, Plan
from segue.kernel.predicate import allowed
from segue.kernel.profile import Profile
from segue.kernel.values import Instant
from segue.stores.ports import QueuedSend, Store

OUT = frozenset({"queued", "claimed", "done", "unknown"})
"""The states of a row that went out, may have, or may yet."""


class Kept(msgspec.Struct, frozen=True):
    """A dead letter that stays dead, and why."""

    id: str
    why: str


class Retried(msgspec.Struct, frozen=True, kw_only=True):
    """What became of those that were named: `retried` were queued, others were not dead."""

    retried: int
    kept: tuple[Kept, ...] = ()


def retry(store: Store, ids: Sequence[str], now: Instant) -> Retried:
    """Queue dead letters again."""
    wanted = set(ids)
    rows = [row for row in store.outbox("dead", None, DEAD_LOOKED_MAX) if row.id in wanted]
    rows.sort(key=lambda row: _proposal_of(row.id))
    whose = sorted({row.profile for row in rows})
    heirs = store.forward(whose)
    profiles = store.load([heirs.get(one, one) for one in whose])
    topics = _Topics(store)
    kept: list[Kept] = []
    taken: list[str] = []
    for row in rows:
        heir = heirs.get(row.profile, row.profile)
        profile = profiles[heir].profile if heir in profiles else None
        why = _why_not(store, row, profile, topics, taken)
        if why:
            kept.append(Kept(row.id, why))
        else:
            taken.append(row.id)
    return Retried(retried=store.retry(taken, now), kept=tuple(kept))


def _why_not(
    store: Store,
    row: QueuedSend,
    profile: Profile | None,
    topics: "_Topics",
    taken: Sequence[str],
) -> str:
    """Why a letter stays dead; empty if it may leave."""
    effect = row.effect
    if not isinstance(effect, Send):
        return ""
    if profile is None:
        return "its customer is not known here any more"
    proposal, _ = _proposal_of(row.id)
    for other in store.outbox(None, row.profile, SENDS_LOOKED_MAX):
        same = other.id != row.id and _proposal_of(other.id)[0] == proposal
        if same and isinstance(other.effect, Send) and (other.state in OUT or other.id in taken):
            return f"its message went out by {other.effect.channel}"
    topic = topics.of(effect)
    if allowed(profile, effect.channel, topic, "granted") != "granted":
        return f"the customer has said no to {topic} by {effect.channel}"
    if effect.address and profile.unreachable.get(effect.channel) == effect.address:
        return "the address is dead"
    if effect.data.get("incentive") and not any(
        _proposal_of(grant.source)[0] == proposal for grant in profile.grants
    ):
        return "the offer that it carries was taken back"
    return ""


def _proposal_of(send_id: str) -> tuple[str, int]:
    """The proposal behind a send (`arbiter.send_id_of`), and how many channels came before."""
    proposal, sign, tried = send_id.rpartition("~")
    return (proposal, int(tried)) if sign and tried.isdecimal() else (send_id, 0)


class _Topics:
    """What messages are about, by the programs that brought them out."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[str, dict[str, Message]] = {}

    def of(self, send: Send) -> str:
        messages = self._read.get(send.program)
        if messages is None:
            body = self._store.program(send.program)
            plan = () if body is None else msgspec.json.decode(body, type=Plan).messages
            messages = self._read[send.program] = {each.name: each for each in plan}
        found = messages.get(send.message)
        return found.topic if found is not None else "*"

"""One customer: what they do, what reached them, and why.

Rule: what is asked here is read from the store, as the console and `segue why` read it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from segue.errors import WrongTest
from segue.hosts.arrivals import Arrival
from segue.kernel import calendar, incentives
from segue.kernel.inputs import Asked, Called, Event, Input, Reported
from segue.kernel.profile import Profile, Sent
from segue.kernel.trace import Considered, RunChanged, Settled
from segue.kernel.values import ProfileId, Record, Value
from segue.server import words
from segue.stores.ports import Identifier, TraceLine
from segue.testing.limits import WHY_LINES_MAX
from segue.testing.seen import Answer, Message, Messages, Standing

if TYPE_CHECKING:
    from segue.testing.world import Segue

NOTHING = "nothing"
SENT = "sent"


class Customer:
    """A customer of a test."""

    def __init__(self, world: "Segue", user: str, zone: str) -> None:
        self.world = world
        self.user = user
        self.zone = zone

    # ── what they do ────────────────────────────────────────────────────────────────

    def does(
        self, event: str, fields: Mapping[str, Value] | None = None, /, **properties: Value
    ) -> None:
        """Something happens; properties by name, or as a mapping where a name is no word."""
        known = {**(fields or {}), **properties}
        self._event(event, "track", properties=known)

    def becomes(self, fields: Mapping[str, Value] | None = None, /, **traits: Value) -> None:
        """Something is learnt of them: an `identify` with these traits."""
        self._event("Profile Identified", "identify", traits={**(fields or {}), **traits})

    def _event(
        self, name: str, kind: str, properties: Record | None = None, traits: Record | None = None
    ) -> None:
        deed = self.world.deed()
        said = Event(
            id=f"{self.user}/{deed}",
            name=name,
            at=self.world.now,
            kind="identify" if kind == "identify" else "track",
            properties=properties or {},
            traits=traits or {},
            user_id=self.user,
            source="test",
        )
        self.world.feed(Arrival(input=said, source="test"))

    def asks(self, placement: str, **context: Value) -> str:
        """Their page asks what belongs in a placement: the message they see, or `nothing`."""
        self.world.deed()
        said = Asked(id="", placements=(placement,), context=context)
        answer = self.world.feed(self._arrival(said))
        return next((each.message for each in answer.shows), NOTHING)

    def calls(self, journey: str, **properties: Value) -> None:
        """They enter a journey by API."""
        self.world.deed()
        self.world.feed(self._arrival(Called(id="", journey=journey, properties=properties)))

    def clicks(self, message: str) -> None:
        """They click what they got or saw last under this name."""
        self.reports("clicked", message)

    def dismisses(self, message: str) -> None:
        """They close it."""
        self.reports("dismissed", message)

    def reports(self, outcome: str, message: str) -> None:
        """A provider, or the page, tells what became of a message: `bounced`, `delivered` ..."""
        line = next((one for one in reversed(self.profile.ledger) if one.message == message), None)
        if line is None:
            raise WrongTest(f"{message!r} never reached {self.user}", self.why())
        self.world.deed()
        known = Reported.__annotations__["outcome"]
        if outcome not in known.__args__:
            raise WrongTest(
                f"{outcome!r} is no outcome", f"it is one of {', '.join(known.__args__)}"
            )
        said = Reported(send_id=line.id, outcome=outcome, reason="test")  # type: ignore[arg-type]
        self.world.feed(self._arrival(said))

    def allows(self, topic: str) -> None:
        """They allow `email/offers`, or all of `email`."""
        self.said(topic, "granted")

    def forbids(self, topic: str) -> None:
        """They forbid it."""
        self.said(topic, "denied")

    def said(self, topic: str, state: str) -> None:
        """Their consent: granted, denied or pending."""
        from segue.testing.world import consented

        self.world.deed()
        self.world.feed(self._arrival(consented(topic, state, self.world.now)))

    def waits(self, time: str) -> None:
        """Time passes: `20m`, `3d`."""
        self.world.waits(time)

    def at(self, time: str, weekday: str = "") -> None:
        """Time passes until it is next this time of day where they are."""
        self.world.at(time, weekday, self.zone)

    def _arrival(self, said: "Asked | Called | Reported | Input") -> Arrival:
        return Arrival(input=cast("Asked", said), user_id=self.user, source="test")

    # ── what reached them ───────────────────────────────────────────────────────────

    @property
    def id(self) -> ProfileId:
        """The profile's id; after a merge its heir's."""
        one = Identifier("user", self.user)
        return self.world.store.resolve([one])[one]

    @property
    def profile(self) -> Profile:
        """Everything known of them, as it is stored."""
        return self.world.store.load([self.id])[self.id].profile

    @property
    def messages(self) -> Messages:
        """All that went out to them, in order: compares with a list of names."""
        kept = {one.id: one for one in self.world.store.kept(self.id, 10_000)}
        out = [one for one in self.profile.ledger if one.id in kept and _left(one)]
        found = [
            Message(one.message, one.channel, kept[one.id].at, kept[one.id].fields, one.id)
            for one in sorted(out, key=lambda one: (kept[one.id].at, one.at))
        ]
        return Messages(found, self.why)

    @property
    def shown(self) -> list[str]:
        """The messages that they saw on a placement, in order."""
        return [one.message for one in self.profile.ledger if one.placement]

    @property
    def held(self) -> list[str]:
        """The messages that wait now."""
        return [one.message for one in self.profile.proposals]

    @property
    def incentives(self) -> list[str]:
        """The names of the incentives that are alive now."""
        grants = self.profile.grants
        return [one.name for one in grants if incentives.alive(one, self.world.now)]

    @property
    def traits(self) -> Record:
        """What is known of them."""
        return self.profile.traits

    @property
    def segments(self) -> list[str]:
        """The segments that they are in now."""
        return sorted(self.profile.segments)

    def in_segment(self, segment: str) -> Answer:
        """Whether they are in a segment now."""
        member = segment in self.profile.segments
        said = f"{self.user} is {'' if member else 'not '}in segment {segment!r}"
        return Answer(member, said, self.why)

    def in_journey(self, journey: str) -> Answer:
        """Whether a run of theirs is under way."""
        live = any(run.journey == journey for run in self.profile.runs)
        said = f"{self.user} is {'' if live else 'not '}in journey {journey!r}"
        return Answer(live, said, self.why)

    def run(self, journey: str) -> Standing:
        """Where the run stands, else how the last ended; compares with step or reason."""
        for run in self.profile.runs:
            if run.journey == journey:
                return Standing(run.step, "", self.why)
        ended = [
            note
            for line in self.trace
            for note in line.notes
            if isinstance(note, RunChanged) and note.journey == journey and note.change == "ended"
        ]
        if not ended:
            return Standing(NOTHING, "", self.why)
        return Standing(ended[-1].reason, ended[-1].detail, self.why)

    def reasons(self, message: str) -> list[str]:
        """What was decided of a message, one after another: `sent`, or why not."""
        found: list[str] = []
        for line in self.trace:
            for note in line.notes:
                if isinstance(note, Considered) and note.message == message:
                    found.append(note.reason if note.outcome != "admitted" else SENT)
                elif (
                    isinstance(note, Settled) and note.message == message and note.state == "failed"
                ):
                    found.append(note.reason)
        return found

    # ── why ─────────────────────────────────────────────────────────────────────────

    @property
    def trace(self) -> list[TraceLine]:
        """What was decided, as it is stored, oldest first."""
        return self.world.store.traces(self.id, 10_000)

    def why(self) -> str:
        """Their timeline in words: what they did, what was decided, and each check that said no."""
        entries: list[tuple[int, int, str]] = []
        for number, logged in enumerate(self.world.store.history(self.id)):
            event = logged.event
            facts = event.traits if event.kind == "identify" else event.properties
            shown = ", ".join(f"{key}={value!r}" for key, value in facts.items())
            by = " (made by Segue)" if event.emitted else ""
            entries.append((logged.arrived_at, number, f"{event.name} {shown}{by}".rstrip()))
        start = len(entries)
        for number, line in enumerate(self.trace, start):
            entries += [(line.at, number, text) for note in line.notes for text in _told(note)]
        entries.sort(key=lambda each: each[:2])
        lines = [f"  {self._moment(at)}  {text}" for at, _, text in entries]
        if len(lines) > WHY_LINES_MAX:
            lines = [f"  ({len(lines) - WHY_LINES_MAX} earlier lines)", *lines[-WHY_LINES_MAX:]]
        return "\n".join([f"what was decided for {self.user}, and why:", *lines])

    def _moment(self, at: int) -> str:
        table = self.world.table(self.zone) if self.zone else self.world.zone
        wall = calendar.local_ms(table, at) // 1_000
        return datetime.fromtimestamp(wall, UTC).strftime("%a %Y-%m-%d %H:%M:%S")


def _left(line: Sent) -> bool:
    """Whether a line of the ledger stands for something that reached a provider."""
    return line.state in ("claimed", "accepted", "delivered", "unknown", "failed")


def _told(note: object) -> list[str]:
    """A note in words; what was stopped or held with the check that did it."""
    told = words.told(cast("Considered", note))
    lines = [f"· {told['text']}"]
    for check in cast("list[dict[str, object]]", told.get("checks", [])):
        if check["verdict"] != "pass":
            lines += [f"    ✗ {check['title']}: {check['text']}"]
    return lines

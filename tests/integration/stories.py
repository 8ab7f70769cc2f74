"""One customer's story in an example workspace, told in local days and hours.

Rule: every part is the real one: the checked workspace, the engine of replays, the courier and
its templates. Only time is moved by hand, and what would leave is kept in the sandbox.
"""

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from segue import catalogs, define, wiring
from segue.channels.courier import Courier, render_show
from segue.channels.links import Links
from segue.channels.secret import Secret
from segue.hosts.arrivals import Arrival
from segue.hosts.engine import Engine
from segue.hosts.quick import QuickStore
from segue.hosts.zones import Zones
from segue.kernel.inputs import Asked, Consented, Event
from segue.kernel.plan import Plan
from segue.kernel.profile import Profile
from segue.kernel.trace import Considered, Note
from segue.kernel.values import Instant, Record
from segue.stores.ports import Identifier, KeptMessage

EXAMPLES = Path(__file__).parents[2] / "examples"

MONDAY = datetime.fromisoformat("2024-04-08")
"""Day 0 of every story, at midnight where the shop is: a local time, so it names no zone."""


@cache
def _checked(example: str) -> tuple[str, Plan, bytes]:
    """An example's program: its hash, its plan, and the plan as it is stored."""
    loaded = wiring.read_workspace(EXAMPLES / example)
    assert loaded.plan is not None, define.render(loaded.diagnostics, loaded.sources)
    return loaded.hash, loaded.plan, wiring.encoded(loaded)


class Story:
    """What happens to `who`, and what they get.

    Times are days and hours of local time since `MONDAY`, and only go forward:
    `at(2, 9.5)` is Wednesday, 9:30.
    """

    def __init__(self, example: str, who: str = "ana", **traits: object) -> None:
        name, self.plan, encoded = _checked(example)
        self.who = who
        self.zone = ZoneInfo(self.plan.workspace.zone)
        self.store = QuickStore()
        self.messages = {message.name: message for message in self.plan.messages}
        self.contents = wiring.Contents(self.store)
        courier = Courier(
            messages=self.contents,
            keep=self.store.keep,
            templates=self.contents.templates,
            links=Links(Secret("key"), "https://example.com"),
        )
        self.engine = Engine(
            self.store, courier, patterns=wiring.patterns, zones=Zones(), now=self._instant(0, 0)
        )
        self.engine.publish(name, encoded)
        for changes in catalogs.items_of(EXAMPLES / example):
            self.engine.put_items(changes, self.engine.now)
        self.now = self._instant(0, 0)
        self._events = 0
        known: Record = {"email": f"{who}@example.com", "first_name": who.title()}
        self.identify(**known, **traits)

    def _instant(self, day: float, hour: float) -> Instant:
        """Local time, so that a change of clocks does not move a story's mornings."""
        local = MONDAY + timedelta(days=day, hours=hour)
        return Instant(round(local.replace(tzinfo=self.zone).timestamp() * 1000))

    # ── what happens ──

    def at(self, day: float, hour: float = 12) -> "Story":
        """Let time go on until then."""
        self.now = self._instant(day, hour)
        self.engine.advance(self.now)
        return self

    def minutes(self, many: float) -> "Story":
        """Let some minutes pass."""
        self.now = Instant(self.now + round(many * 60_000))
        self.engine.advance(self.now)
        return self

    def event(self, name: str, /, *, live: bool = True, **properties: object) -> "Story":
        """Something they do, or (`live=False`) something that a server reports."""
        return self._feed(name, "track", live=live, properties=properties)

    def identify(self, **traits: object) -> "Story":
        return self._feed("Profile Identified", "identify", traits=traits)

    def item(self, item: str, **fields: object) -> "Story":
        """A product changes; what is not named of it stays."""
        known = self.store.item("products", item)
        changed: Record = {**(known.fields if known else {}), **fields}  # type: ignore[dict-item]
        self.engine.put_items([("products", item, changed)], self.now)
        return self

    def consents(self, channel: str, state: str = "granted", topic: str = "*") -> "Story":
        given = Consented(channel=channel, topic=topic, state=state, at=self.now)  # type: ignore[arg-type]
        self._answered(Arrival(input=given, user_id=self.who))
        return self

    def _feed(self, name: str, kind: str, **fields: object) -> "Story":
        self._events += 1
        event = Event(
            id=f"e{self._events}",
            name=name,
            at=self.now,
            kind=kind,  # type: ignore[arg-type]
            user_id=self.who,
            **fields,  # type: ignore[arg-type]
        )
        self._answered(Arrival(input=event))
        return self

    def _answered(self, arrival: Arrival) -> None:
        answer = self.engine.feed(arrival, self.now)
        assert answer.status == "accepted", answer

    # ── what they get ──

    def sees(self, placement: str) -> dict[str, str] | None:
        """What a page shows there now, rendered; None for nothing. The key `message` names it."""
        asked = Asked(id="", placements=(placement,))
        answer = self.engine.feed(Arrival(input=asked, user_id=self.who), self.now)
        for show in answer.shows:
            templates = self.contents.templates(show.program)
            found = render_show(self.messages[show.message], show, templates)
            return {"message": show.message} | found
        return None

    @property
    def kept(self) -> list[KeptMessage]:
        """All that left, the oldest first."""
        return list(reversed(self.store.kept(limit=1000)))

    @property
    def got(self) -> list[str]:
        """The messages that left, by name, the oldest first."""
        return [one.message for one in self.kept if one.message]

    def when(self, message: str) -> tuple[int, float]:
        """The local day and hour at which a message first left."""
        at = next(one.at for one in self.kept if one.message == message)
        passed = datetime.fromtimestamp(at / 1000, self.zone).replace(tzinfo=None) - MONDAY
        return passed.days, passed.seconds / 3600

    def letter(self, message: str) -> KeptMessage:
        """The first letter of this name, as it was rendered."""
        return next(one for one in self.kept if one.message == message)

    def tasks(self) -> list[KeptMessage]:
        """What people at the company were handed."""
        return [one for one in self.kept if one.channel == "task"]

    @property
    def profile(self) -> Profile:
        name = Identifier("user", self.who)
        found = self.store.resolve([name])[name]
        return self.store.load([found])[found].profile

    def notes(self) -> list[Note]:
        """Everything that was written down of why, the oldest first."""
        return [note for line in self.store.traces(self.profile.id, 10_000) for note in line.notes]

    def reasons(self, message: str) -> list[str]:
        """Why this message was held or denied, in order."""
        return [
            note.reason
            for note in self.notes()
            if isinstance(note, Considered)
            and note.message == message
            and note.outcome != "admitted"
        ]

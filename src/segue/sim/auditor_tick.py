"""One input, answered by the auditor: what must come of it, in the order that is written down.

The order within an input is that of the design: what time has made due; what is known, history,
session, conversions; segments; exits, goals, waits and stronger paths; offers it ends, derived
events, entries; then the arbiter, until nothing is left to answer. Everything is asked every time.

Rule: what must come of it is gathered as plain rows (`Out`), to be compared with what came.
"""

from collections import Counter, deque

from segue.kernel import plan
from segue.kernel.inputs import Asked, Called, Consented, Event, Reported
from segue.kernel.values import Record
from segue.sim import auditor_events, auditor_rules as rules
from segue.sim.auditor_conditions import View, holds
from segue.sim.auditor_entries import Entries
from segue.sim.auditor_hearing import Hearing
from segue.sim.auditor_life import RANK, Life, Line, Wish, stricter, unite
from segue.sim.auditor_promises import Pools, Promises
from segue.sim.auditor_rows import Out
from segue.sim.auditor_shelves import Shelves
from segue.sim.auditor_trips import Trips
from segue.sim.auditor_visits import Visits, products

_ROUNDS = 30
"""In which one input settles, unless conditions chase each other; the kernel's own bound is 50."""

UNSETTLED = ("remark", "rounds_max")
"""What both say of an input whose conditions chase each other without an end."""


class Book:
    """All programs of a world by name, and which is in force."""

    def __init__(self) -> None:
        self.plans: dict[str, plan.Plan] = {}
        self.now = ""
        self.listened: set[str] = set()
        self.modes: dict[str, str] = {}
        """What becomes of the runs of older programs, by journey."""
        self.pools = Pools()
        self.shelves = Shelves(self)
        self.met: Counter[str] = Counter()
        """How often each rule was met; nothing is decided by it."""

    @property
    def today(self) -> plan.Plan:
        """The program in force."""
        return self.plans[self.now]

    def journey(self, program: str, name: str) -> plan.Journey | None:
        """A journey as it was in a program."""
        return next((one for one in self.plans[program].journeys if one.name == name), None)

    def message(self, program: str, name: str) -> plan.Message | None:
        """A message as it was in a program, else as it is today."""
        for book in (self.plans[program], self.today):
            for one in book.messages:
                if one.name == name:
                    return one
        return None


class Tick:
    """One input of one customer."""

    def __init__(self, book: Book, life: Life, now: int) -> None:
        self.book = book
        self.life = life
        self.now = now
        self.view = View(life, now)
        self.view.shelves = book.shelves
        self.out = Out()
        self.pending: deque[Event] = deque()
        self.met = book.met
        self.trips = Trips(self)
        self.entries = Entries(self)
        self.hearing = Hearing(self)
        self.promises = Promises(self)
        self.visits = Visits(self)
        self.alone = False
        """Nothing happened but time."""
        self.heard = False
        """Something happened, so that whatever waits is heard again."""
        self.looked_at: frozenset[str] = frozenset()
        """Held messages that the host says it looked at."""

    # ── the inputs ──

    def wake(self) -> None:
        """Time alone has made something due."""
        if not self.life.fresh:
            self._due()
            self._settle()

    def event(self, event: Event) -> None:
        """Something happened."""
        self._fall_due()
        self.heard = True
        self._happen(event)
        self._settle()

    def told(self, event: Event) -> None:
        """An item has changed."""
        self.out.events.append(
            (event.id, event.name, event.at, repr(sorted(event.properties.items())))
        )
        self.event(event)

    def consented(self, said: Consented) -> None:
        """The later saying wins; of two at one instant the stricter."""
        self._fall_due()
        key = f"{said.channel}/{said.topic}"
        new = (said.state, int(said.at), said.source)
        old = self.life.consents.get(key)
        if old is None or old[1] <= new[1]:
            self.life.consents[key] = stricter(old, new) if old and old[1] == new[1] else new
            self._cancel_forbidden()
            self.heard = True
        self._settle()

    def called(self, said: Called) -> None:
        """Entry by API."""
        self._fall_due()
        for journey in self.book.today.journeys:
            for entry in journey.entries:
                if said.journey == journey.name and isinstance(entry, plan.OnCall):
                    self.entries.try_to_enter(journey, entry, said.properties)
        self._settle()

    def asked(self, said: Asked) -> None:
        """What belongs in the placements."""
        self._fall_due()
        self.view.context = said.context
        self._settle()
        for placement in dict.fromkeys(said.placements):
            taken = ""
            for case in self.hearing.standing(placement):
                taken = self.hearing.answer_one(case, said.id, taken) or taken
        self._settle()

    def merged(self, other: Life) -> None:
        """The other customer is the same one."""
        self._fall_due()
        if other.session is not None and rules.session_end(other) <= self.now:
            self.visits.end(other)
        for run in unite(self.life, other):
            self.trips.withdraw(run.id, None, "merged")
            self.out.notes.append(("run", run.id, "ended", "merged"))
        self.out.notes.append(("remark", "merged"))
        self.heard = True
        self._cancel_forbidden()
        self.visits.score()
        self._settle()

    def adopted(self) -> None:
        """A new program is in force; runs finish on the old one, unless it was said otherwise."""
        known = {one.name for one in self.book.today.segments}
        self.life.segments &= known
        derived = {one.name for one in self.book.today.derived}
        self.life.silences = {k: v for k, v in self.life.silences.items() if k in derived}
        self.life.program = self.book.now
        self.life.workspace = self.book.today.workspace
        self.trips.carry_over()
        self._cancel_forbidden()
        self.visits.score()
        # All that waits is heard again together, with what time has made due.
        self.heard = True
        self._fall_due(self.looked_at)
        self._settle()

    def reported(self, said: Reported) -> None:
        """What became of a send."""
        self._fall_due()
        failed = self._report(said.send_id, said.outcome)
        line = failed or self.life.line(said.send_id)
        if line is not None:
            self.heard = True
            if said.outcome in ("complained", "unsubscribed"):
                topic = self.topic(line) if said.outcome == "unsubscribed" else "*"
                key = f"{line.channel}/{topic}"
                self.life.consents[key] = ("denied", self.now, said.outcome)
                self._cancel_forbidden()
            if failed is not None and said.permanent and said.reason != "expired":
                self.trips.fall_back(failed)
        self._settle()

    # ── settling ──

    def _fall_due(self, looked_at: frozenset[str] = frozenset()) -> None:
        """What is due comes before the input, and holds are looked at for the input's sake."""
        said, self.looked_at = self.looked_at, looked_at
        if not self.life.fresh:
            self._due()
        self.life.fresh = False
        self.looked_at = said

    def _due(self) -> None:
        life = self.life
        if life.session is not None and rules.session_end(life) <= self.now:
            self.visits.end(life)
        for offer in [one for one in life.offers if one.expires_at <= self.now]:
            self.end_offer(offer, "expired")
        self.promises.expire()
        ripe = sorted((due, name) for name, (due, _) in life.silences.items() if due <= self.now)
        for due, name in ripe:
            _, properties = life.silences.pop(name)
            one = next(d for d in self.book.today.derived if d.name == name)
            if holds(one.when, self.view):
                self.emit(f"{life.id}/{name}/{due}", name, properties, due)
        self._react(None)
        self.entries.enter_on_time()
        self._settle()

    def _settle(self) -> None:
        """Round after round, until one changes nothing."""
        for _ in range(_ROUNDS):
            before = self._state()
            while self.pending:
                self._happen(self.pending.popleft())
            self._react(None)
            self.hearing.decide()
            self.trips.stop_lingering()
            if not self.pending and before == self._state():
                break
        else:
            self.out.notes.append(UNSETTLED)
        self.entries.plan_ahead()

    def _state(self) -> tuple[object, ...]:
        life = self.life
        runs = [(r.id, r.step, tuple(r.visits.items()), r.lingers_to) for r in life.runs]
        return (self.out.size(), runs, dict(life.traits), len(life.wishes), len(life.offers))

    def _react(self, event: Event | None) -> None:
        changes = self._refresh_segments()
        self.trips.watch(event)
        if event is not None:
            for offer in [one for one in self.life.offers if event.name in one.until]:
                self.end_offer(offer, "event")
            auditor_events.listen(self, event)
            self.entries.enter_on_event(event)
        for name, change in changes:
            self.entries.enter_on_segment(name, change)
            told: Record = {"segment": name}
            which, moment = f"{name}/{self.now}", f"segment_{change}"
            auditor_events.at_moment(self, moment, told, which, self.life, self.now)

    def _refresh_segments(self) -> list[tuple[str, str]]:
        """Every membership is asked, each after those that it reads."""
        changes: list[tuple[str, str]] = []
        members = self.life.segments
        view = self.view
        view.entry, view.vars = {}, {}
        for segment in self.book.today.segments:
            if holds(segment.when, view) is (segment.name in members):
                continue
            members.symmetric_difference_update({segment.name})
            change = "entered" if segment.name in members else "left"
            changes.append((segment.name, change))
            self.out.notes.append(("segment", segment.name, change))
        return changes

    # ── events ──

    def emit(self, event_id: str, name: str, properties: Record, at: int) -> None:
        """Segue makes an event happen."""
        event = Event(
            id=event_id,
            name=name,
            at=at,  # type: ignore[arg-type]
            properties=properties,
            source="segue",
            live=False,
            emitted=True,
        )
        self.out.events.append((event_id, name, at, repr(sorted(properties.items()))))
        self.pending.append(event)

    def _happen(self, event: Event) -> None:
        self.view.event, self.view.context = event, event.context
        if not event.emitted:
            self._know(event)
        self.life.log.append((event, self.now))
        self.visits.happen(event)
        if event.name in self.life.workspace.conversions:
            self._buy(event, products(event.properties))
        self.promises.redeem(event)
        self._react(event)

    def _know(self, event: Event) -> None:
        life = self.life
        life.last_seen_at = max(life.last_seen_at, self.now)
        life.first_seen_at = min(life.first_seen_at, self.now)
        if event.user_id:
            life.users.add(event.user_id)
        zone = event.traits.get("timezone") or event.context.get("timezone")
        if isinstance(zone, str) and zone in life.zones:
            life.zone = zone
        if event.kind != "identify":
            return
        for name, value in event.traits.items():
            if value is None or name == "$unset" or life.traits_at.get(name, -1) > event.at:
                continue
            life.traits[name], life.traits_at[name] = value, event.at
        removed = event.traits.get("$unset")
        for name in removed if isinstance(removed, list | tuple) else ():
            if isinstance(name, str) and life.traits_at.get(name, -1) <= event.at:
                life.traits.pop(name, None)
                life.traits_at[name] = event.at

    def _buy(self, event: Event, products: tuple[str, ...]) -> None:
        life = self.life
        if event.emitted:
            return
        bought = any(
            isinstance(one, plan.Suppression) and one.rule == "bought"
            for one in self.book.today.policies
        )
        for line in life.lines if bought else ():
            if line.state in ("queued", "claimed") and set(line.about) & set(products):
                self.cancel(line, "bought")
        for offer in list(life.offers) if bought else ():
            if set(offer.about) & set(products):
                self.end_offer(offer, "bought")

    # ── what is taken back ──

    def cancel(self, line: Line, reason: str) -> None:
        """A queued send is withdrawn; its incentive dies with it. One that is out is marked."""
        if line.state == "claimed":
            line.stale = line.stale or reason
            return
        line.state = "cancelled"
        self.promises.take_back(line.id)
        self.out.effects.append(("withdraw", line.id))
        self.out.notes.append(("ended", line.id, reason))

    def end_offer(self, offer: Wish, reason: str) -> None:
        """A standing offer is over."""
        self.life.offers.remove(offer)
        if offer.open_as:
            self.out.effects.append(("withdraw", offer.open_as))
        self.out.notes.append(("ended", offer.id, reason))

    def _cancel_forbidden(self) -> None:
        for line in self.life.lines:
            said = self.life.consent(line.channel, self.topic(line))
            if line.state in ("queued", "claimed") and said != "granted":
                self.cancel(line, "no_consent")

    def topic(self, line: Line) -> str:
        """What a send is about, in the program in which its run entered."""
        run = self.life.run(line.run)
        message = self.book.message(run.program if run else self.book.now, line.message)
        return message.topic if message else "*"

    def _report(self, send_id: str, outcome: str) -> Line | None:
        line = self.life.line(send_id)
        if line is None:
            return None
        match outcome:
            case "claimed" | "accepted" | "delivered" | "unknown":
                self._move(line, outcome)
            case "deferred" if line.state == "claimed":
                line.state = "queued"
                if line.stale:
                    self.cancel(line, line.stale)
            case "failed" if line.state in ("queued", "claimed", "accepted", "unknown"):
                self._move(line, "failed")
                self.promises.take_back(line.id)
                return line
            case "bounced":
                self.life.unreachable[line.channel] = self.life.address(line.channel)
                return self._report(send_id, "failed")
            case "clicked" | "dismissed" | "shown" | "opened":
                self._seen(line, outcome)
            case _:
                pass
        return None

    def _move(self, line: Line, state: str) -> None:
        if RANK[state] > RANK[line.state]:
            line.state = state
            if state != "claimed":
                self.out.notes.append(("settled", line.id, state))

    def _seen(self, line: Line, outcome: str) -> None:
        if outcome == "clicked" and line.clicked_at is None:
            line.clicked_at = self.now
        if outcome == "dismissed" and line.dismissed_at is None:
            line.dismissed_at = self.now
        for offer in [one for one in self.life.offers if one.shown_as == line.id][:1]:
            if outcome in offer.ends_on:
                self.end_offer(offer, outcome)
            elif outcome == "dismissed":
                offer.open_as = ""

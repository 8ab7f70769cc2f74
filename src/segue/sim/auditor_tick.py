"""One input, answered by the auditor: what must come of it, in the order that is written down.

The order within an input is that of the design: what time has made due; what is known, history,
session, conversions; segments; exits, goals, waits and stronger paths; offers it ends, derived
events, entries; then the arbiter, until nothing is left to answer. Everything is asked every time.

Rule: what must come of it is gathered as plain rows (`Out`), to be compared with what came.
"""

from collections import deque

import msgspec

from segue.kernel import plan
from segue.kernel.inputs import Asked, Called, Consented, Event, Reported
from segue.kernel.values import Record
from segue.sim import auditor_rules as rules
from segue.sim.auditor_calendar import NEVER
from segue.sim.auditor_conditions import View, holds, value_of
from segue.sim.auditor_life import RANK, Life, Line, Promise, Visit, Wish, stricter, unite
from segue.sim.auditor_trips import Trips

_ROUNDS = 30
"""In which one input settles; the kernel has a bound of its own."""


class Out(msgspec.Struct):
    """What must come of an input, or what came: rows to compare."""

    notes: list[tuple[object, ...]] = []
    effects: list[tuple[object, ...]] = []
    events: list[tuple[object, ...]] = []

    def size(self) -> int:
        """How many rows."""
        return len(self.notes) + len(self.effects) + len(self.events)


class Book:
    """All programs of a world by name, and which is in force."""

    def __init__(self) -> None:
        self.plans: dict[str, plan.Plan] = {}
        self.now = ""
        self.listened: set[str] = set()

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
        self.out = Out()
        self.pending: deque[Event] = deque()
        self.trips = Trips(self)
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
        self._happen(event)
        self._settle()

    def consented(self, said: Consented) -> None:
        """The later saying wins; of two at one instant the stricter."""
        self._fall_due()
        key = f"{said.channel}/{said.topic}"
        new = (said.state, int(said.at), said.source)
        old = self.life.consents.get(key)
        if old is None or old[1] <= new[1]:
            self.life.consents[key] = stricter(old, new) if old and old[1] == new[1] else new
            self._cancel_forbidden()
        self._settle()

    def called(self, said: Called) -> None:
        """Entry by API."""
        self._fall_due()
        for journey in self.book.today.journeys:
            for entry in journey.entries:
                if said.journey == journey.name and isinstance(entry, plan.OnCall):
                    self.trips.try_to_enter(journey, entry, said.properties)
        self._settle()

    def asked(self, said: Asked) -> None:
        """What belongs in the placements."""
        self._fall_due()
        self.view.context = said.context
        self._settle()
        for placement in dict.fromkeys(said.placements):
            taken = ""
            for case in self._standing(placement):
                taken = self._answer_one(case, said.id, taken) or taken
        self._settle()

    def merged(self, other: Life) -> None:
        """The other customer is the same one."""
        self._fall_due()
        if other.session is not None and rules.session_end(other) <= self.now:
            self._end_session(other)
        for run in unite(self.life, other):
            self.trips.withdraw(run.id, None, "merged")
            self.out.notes.append(("run", run.id, "ended", "merged"))
        self.out.notes.append(("remark", "merged"))
        self._settle()

    def adopted(self) -> None:
        """A new program is in force; runs finish on the old one."""
        known = {one.name for one in self.book.today.segments}
        self.life.segments &= known
        derived = {one.name for one in self.book.today.derived}
        self.life.silences = {k: v for k, v in self.life.silences.items() if k in derived}
        self.life.program = self.book.now
        self.life.workspace = self.book.today.workspace
        self._fall_due()
        self._settle()

    def reported(self, said: Reported) -> None:
        """What became of a send."""
        self._fall_due()
        failed = self._report(said.send_id, said.outcome)
        line = failed or self.life.line(said.send_id)
        if line is not None:
            if said.outcome in ("complained", "unsubscribed"):
                topic = self.topic(line) if said.outcome == "unsubscribed" else "*"
                key = f"{line.channel}/{topic}"
                self.life.consents[key] = ("denied", self.now, said.outcome)
                self._cancel_forbidden()
            if failed is not None and said.permanent and said.reason != "expired":
                self.trips.fall_back(failed)
        self._settle()

    # ── settling ──

    def _fall_due(self) -> None:
        """What is due comes before the input, and holds are looked at for the input's sake."""
        said, self.looked_at = self.looked_at, frozenset[str]()
        if not self.life.fresh:
            self._due()
        self.life.fresh = False
        self.looked_at = said

    def _due(self) -> None:
        life = self.life
        if life.session is not None and rules.session_end(life) <= self.now:
            self._end_session(life)
        for offer in [one for one in life.offers if one.expires_at <= self.now]:
            self.end_offer(offer, "expired")
        ripe = sorted((due, name) for name, (due, _) in life.silences.items() if due <= self.now)
        for due, name in ripe:
            _, properties = life.silences.pop(name)
            one = next(d for d in self.book.today.derived if d.name == name)
            if holds(one.when, self.view):
                self.emit(f"{life.id}/{name}/{due}", name, properties, due)
        self.trips.due_entries_wait = True
        self._react(None)
        self.trips.enter_on_time()
        self._settle()

    def _settle(self) -> None:
        """Round after round, until one changes nothing."""
        for _ in range(_ROUNDS):
            before = self._state()
            while self.pending:
                self._happen(self.pending.popleft())
            self._react(None)
            self._decide()
            self.trips.stop_lingering()
            if not self.pending and before == self._state():
                break
        self.trips.plan_ahead()

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
            self._listen(event)
            self.trips.enter_on_event(event)
        for name, change in changes:
            self.trips.enter_on_segment(name, change)
            said = "Segment Entered" if change == "entered" else "Segment Left"
            if said in self.book.listened:
                happened = f"{self.life.id}/{said}/{name}/{self.now}"
                self.emit(happened, said, {"segment": name}, self.now)

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
        self._visit(event)
        if event.name in self.life.workspace.conversions:
            self._buy(event, _products(event.properties))
        self._redeem(event)
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

    def _visit(self, event: Event) -> None:
        """The customer's own client's activity makes the session."""
        life, space = self.life, self.life.workspace
        if life.session is not None and rules.session_end(life) <= self.now:
            self._end_session(life)
        if event.emitted:
            return
        converts = event.name in space.conversions
        fresh = event.at > self.now - space.session_ms
        active = fresh and event.live and event.kind in ("track", "page", "screen")
        if active and life.session is None:
            life.sessions += 1
            life.session = Visit(life.sessions, self.now, self.now)
            if "Session Started" in self.book.listened:
                started = f"{life.id}/Session Started/{life.sessions}"
                self.emit(started, "Session Started", {"number": life.sessions}, self.now)
        visit = life.session
        if visit is None or not fresh:
            return
        if active:
            visit.last_at = self.now
            visit.events += 1
            if not converts:
                visit.views += event.name == "Product Viewed"
                visit.carts += event.name in space.cart
                visit.checkout = visit.checkout or event.name in space.checkout
        if converts:
            visit.orders += 1
            visit.checkout = False

    def _end_session(self, life: Life) -> None:
        visit, life.session = life.session, None
        assert visit is not None
        if "Session Ended" in self.book.listened:
            ended_at = visit.last_at + life.workspace.session_ms
            # What it says of the session is not looked at; that it is said, once, is.
            self.emit(f"{life.id}/Session Ended/{visit.number}", "Session Ended", {}, ended_at)
        for offer in life.offers:
            offer.open_as = ""

    def _buy(self, event: Event, products: tuple[str, ...]) -> None:
        life = self.life
        if event.emitted:
            return
        life.conversions.append((event.at, self.now, products))
        bought = any(
            isinstance(one, plan.Suppression) and one.rule == "bought"
            for one in self.book.today.policies
        )
        for line in life.lines if bought else ():
            if line.state == "queued" and set(line.about) & set(products):
                self.cancel(line, "bought")
        for offer in list(life.offers) if bought else ():
            if set(offer.about) & set(products):
                self.end_offer(offer, "bought")

    def _redeem(self, event: Event) -> None:
        by_name = {
            message.incentive.name: message.incentive.redeemed_by
            for message in self.book.today.messages
            if message.incentive is not None
        }
        code = event.properties.get("coupon")
        for one in self.life.grants:
            if one.alive(self.now):
                named = event.name in by_name.get(one.name, ())
                one.redeemed = one.code == code if one.code else named

    def _listen(self, event: Event) -> None:
        """Derived events: silences start, start again, and are broken."""
        life = self.life
        for one in self.book.today.derived:
            if event.name in one.unless:
                life.silences.pop(one.name, None)
        for one in self.book.today.derived:
            if event.name not in one.on:
                continue
            self.view.entry, self.view.vars = {}, {}
            properties = {key: value_of(v, self.view) for key, v in one.properties.items()}
            if one.silence_ms > 0:
                life.silences[one.name] = (self.now + one.silence_ms, properties)
            elif holds(one.when, self.view):
                self.emit(f"{life.id}/{one.name}/{event.id}", one.name, properties, self.now)

    # ── what is taken back ──

    def cancel(self, line: Line, reason: str) -> None:
        """A queued send is withdrawn; its incentive dies with it."""
        line.state = "cancelled"
        self._revoke(line.id)
        self.out.effects.append(("withdraw", line.id))
        self.out.notes.append(("ended", line.id, reason))

    def end_offer(self, offer: Wish, reason: str) -> None:
        """A standing offer is over."""
        self.life.offers.remove(offer)
        if offer.open_as:
            self.out.effects.append(("withdraw", offer.open_as))
        self.out.notes.append(("ended", offer.id, reason))

    def _revoke(self, source: str) -> None:
        grants = self.life.grants
        self.life.grants = [g for g in grants if g.source != source or g.redeemed]

    def _cancel_forbidden(self) -> None:
        for line in self.life.lines:
            said = self.life.consent(line.channel, self.topic(line))
            if line.state == "queued" and said != "granted":
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
            case "failed" if line.state in ("queued", "claimed", "accepted", "unknown"):
                self._move(line, "failed")
                self._revoke(line.id)
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

    # ── the arbiter ──

    def case(self, wish: Wish) -> rules.Case | None:
        """A wish as the arbiter sees it; None where its run is over."""
        run = self.life.run(wish.run)
        if run is None:
            return None
        journey = self.book.journey(run.program, run.journey)
        message = self.book.message(run.program, wish.message)
        if journey is None or message is None:
            return None
        return rules.Case(self.view, self.book.today, message, journey, run, wish)

    def _decide(self) -> None:
        """Hear what is due, the most relevant first; what waits for a known time waits for it."""
        timed = ("quiet_hours", "retry")
        cases = [
            case
            for wish in self.life.wishes
            if wish.retry_at <= self.now or wish.reason not in timed
            if (case := self.case(wish)) is not None
        ]
        answers: list[tuple[rules.Case, rules.Judgement]] = []
        for case in sorted(cases, key=rules.relevance):
            wish = case.wish
            judgement = rules.judge(case, self.trips.channels(case))
            if self._not_yet(wish) and judgement.outcome != "admitted":
                if judgement.reason == wish.reason:
                    wish.retry_at = judgement.until  # what it waits for may have moved
                continue
            if judgement.outcome == "held":
                if wish.reason != judgement.reason:
                    self._consider(case, judgement, "")
                wish.retry_at, wish.reason = judgement.until, judgement.reason
                continue
            send_id = f"{wish.id}~{len(wish.tried)}" if wish.tried else wish.id
            if judgement.outcome == "admitted":
                self._admit(case, judgement.channel, send_id)
            self._consider(case, judgement, send_id)
            self.life.wishes.remove(wish)
            answers.append((case, judgement))
        for case, judgement in answers:
            self.trips.answered(case, judgement)

    def _not_yet(self, wish: Wish) -> bool:
        """Whether a held message need not be heard again now.

        That it may leave must never be missed; that another reason would hold or deny it is
        said at its instant at the latest. When a rule's own condition ends the auditor does not
        compute: it believes the host which of these it looked at, and judges what it said.
        """
        waits = wish.retry_at > self.now or wish.reason == "suppressed"
        return waits and wish.expires_at > self.now and wish.id not in self.looked_at

    def _consider(self, case: rules.Case, judgement: rules.Judgement, send_id: str) -> None:
        send = send_id if judgement.outcome == "admitted" else ""
        self.out.notes.append(
            (
                "considered",
                case.wish.id,
                judgement.outcome,
                judgement.channel,
                judgement.reason,
                judgement.until,
                judgement.checks,
                send,
            )
        )

    def _admit(self, case: rules.Case, channel: str, send_id: str) -> None:
        self._write(case, channel, send_id, "queued")
        self.out.effects.append(
            (
                "send",
                send_id,
                case.message.name,
                channel,
                self.life.address(channel),
                case.run.program,
                case.wish.expires_at,
                case.message.purpose,
            )
        )

    def _write(self, case: rules.Case, channel: str, send_id: str, state: str) -> None:
        life, wish, message = self.life, case.wish, case.message
        life.lines.append(
            Line(
                id=send_id,
                message=message.name,
                channel=channel,
                journey=case.journey.name,
                run=wish.run,
                step=wish.step,
                at=self.now,
                session=life.session.number if life.session else 0,
                state=state,
                tags=message.tags,
                placement=wish.placement,
                about=wish.about,
                since=wish.since,
                expires_at=wish.expires_at,
                tried=wish.tried,
            )
        )
        given = message.incentive
        if given is not None and all(one.source != send_id for one in life.grants):
            end = self.now + given.lasts_ms
            life.grants.append(
                Promise(
                    given.name,
                    given.group,
                    given.worth,
                    send_id,
                    case.journey.name,
                    self.now,
                    end,
                    given.code,
                )
            )

    # ── placements ──

    def _standing(self, placement: str) -> list[rules.Case]:
        offers = [one for one in self.life.offers if one.placement == placement]
        return sorted((c for c in map(self.case, offers) if c), key=rules.relevance)

    def _answer_one(self, case: rules.Case, question: str, taken: str) -> str:
        offer, life = case.wish, self.life
        number = life.session.number if life.session else 0
        send_id = offer.open_as or f"{offer.id}@{number}"
        again = life.line(send_id) is not None
        if taken:
            checks = (("priority", "deny"),)
            judgement = rules.Judgement("denied", offer.channel, "outranked", NEVER, checks)
            offer.open_as = ""
        else:
            judgement = rules.judge(case, (offer.channel,), again)
        self._consider(case, judgement, send_id)
        if judgement.outcome != "admitted":
            if again:
                offer.open_as = ""
            return ""
        if not again:
            self._write(case, offer.channel, send_id, "shown")
        offer.open_as = offer.shown_as = send_id
        self.out.effects.append(
            ("show", send_id, offer.message, offer.placement, question, offer.expires_at, again)
        )
        return offer.id


def _products(properties: Record) -> tuple[str, ...]:
    """The product ids that a conversion names."""
    listed = properties.get("products")
    found = (
        [one.get("product_id") for one in listed if isinstance(one, dict)]
        if isinstance(listed, list | tuple)
        else []
    )
    found.append(properties.get("product_id"))
    return tuple(str(one) for one in found if isinstance(one, str | int) and one != "")

"""The auditor's entries: which journeys begin, by event, segment, date, schedule and API.

Written from design section 5 and `docs/concepts/semantics.md`, as `auditor_trips.py` is.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from segue.kernel import plan
from segue.kernel.inputs import Event
from segue.kernel.values import Record
from segue.sim import auditor_calendar as calendar
from segue.sim.auditor_calendar import NEVER
from segue.sim.auditor_conditions import holds, value_of
from segue.sim.auditor_life import Trip
from segue.sim.auditor_trips import as_text

if TYPE_CHECKING:
    from segue.sim.auditor_tick import Tick

_RUNS_MAX = 100


class Entries:
    """What begins for one customer in one input."""

    def __init__(self, tick: "Tick") -> None:
        self.tick = tick
        self.life = tick.life
        self.book = tick.book
        self.view = tick.view
        self.now = tick.now

    def enter_on_event(self, event: Event) -> None:
        """The runs for which this event is the entry."""
        for journey in self.book.today.journeys:
            for entry in journey.entries:
                if isinstance(entry, plan.OnEvent) and event.name in entry.events:
                    self.try_to_enter(journey, entry, event.properties)

    def enter_on_segment(self, segment: str, change: str) -> None:
        """The runs for which this change of membership is the entry."""
        event = self.view.event
        for journey in self.book.today.journeys:
            for entry in journey.entries:
                if isinstance(entry, plan.OnSegment) and (entry.segment, entry.change) == (
                    segment,
                    change,
                ):
                    self.try_to_enter(journey, entry, event.properties if event else {})

    def enter_on_time(self) -> None:
        """The runs for which a date or a schedule has come, the earliest first."""
        ripe = sorted((at, name) for name, at in self.life.scheduled.items() if at <= self.now)
        for _, name in ripe:
            del self.life.scheduled[name]
            self.tick.met["dates and schedules that came"] += 1
            for own, journey, entry in self._timed():
                if own == name:
                    self.try_to_enter(journey, entry, {})

    def _timed(self) -> Iterator[tuple[str, plan.Journey, plan.OnDate | plan.OnSchedule]]:
        for journey in self.book.today.journeys:
            for place, entry in enumerate(journey.entries):
                if isinstance(entry, plan.OnDate | plan.OnSchedule):
                    yield f"{journey.name}#{place}", journey, entry

    def plan_ahead(self) -> None:
        """When each date and schedule comes next."""
        self.life.scheduled = {
            name: at
            for name, journey, entry in self._timed()
            if journey.state == "live" and (at := self._next(entry)) < NEVER
        }

    def _next(self, entry: plan.OnDate | plan.OnSchedule) -> int:
        zone, now = self.life.tz(), self.now
        if isinstance(entry, plan.OnDate):
            date = calendar.parse(self.life.traits.get(entry.trait), zone)
            if date is None:
                return NEVER
            at = date + entry.offset_ms
            if entry.at >= 0:
                at = calendar.on(zone, calendar.day_of(zone, at), entry.at)
            return at if at > now else NEVER
        if entry.segment not in self.life.segments:
            return NEVER
        first = calendar.day_of(zone, now).toordinal()
        for number in range(first, first + 63):
            day = calendar.day_of(zone, now).fromordinal(number)
            if entry.weekdays and day.isoweekday() not in entry.weekdays:
                continue
            if entry.days and day.day not in entry.days:
                continue
            if (at := calendar.on(zone, day, entry.at)) > now:
                return at
        return NEVER

    def try_to_enter(self, journey: plan.Journey, entry: plan.Entry, properties: Record) -> None:
        """Enter, unless the key has a live run already or a rule forbids it."""
        self.tick.trips.see(None)
        life = self.life
        if not holds(entry.when, self.view) or journey.state != "live":
            return
        key = as_text(value_of(journey.key, self.view)) if journey.key else ""
        mine = [run for run in life.runs if run.journey == journey.name]
        if any(run.key == key for run in mine):
            return
        name = f"{journey.name}/{key}"
        refusal = self._refusal(journey, name, len(mine))
        if refusal:
            self.tick.out.notes.append(("run", name, "refused", refusal))
            return
        count = life.entered.get(name, (0, 0))[0] + 1
        life.entered[name] = (count, self.now)
        run = Trip(
            id=f"{life.id}/{name}/{count}",
            journey=journey.name,
            program=self.book.now,
            key=key,
            step=journey.start,
            entered_at=self.now,
            goal_until=self.now + journey.goal.within_ms if journey.goal else NEVER,
            entry=properties,
        )
        life.runs.append(run)
        self.tick.met["runs entered"] += 1
        self.tick.out.notes.append(("run", run.id, "entered", ""))
        self.tick.trips.walk(journey, run, journey.start)

    def _refusal(self, journey: plan.Journey, name: str, live: int) -> str:
        before = self.life.entered.get(name)
        again_at = before[1] + journey.reentry_ms if before else 0
        if before is not None and (journey.reentry_ms < 0 or self.now < again_at):
            return "reentry"
        if live >= journey.runs_max or len(self.life.runs) >= _RUNS_MAX:
            return "runs_max"
        for policy in self.book.today.policies:
            if isinstance(policy, plan.Exclusion) and journey.name in policy.journeys:
                others = {run.journey for run in self.life.runs} - {journey.name}
                if others & set(policy.journeys):
                    return "excluded_journey"
        return "" if holds(journey.when, self.view) else "journey_not_eligible"

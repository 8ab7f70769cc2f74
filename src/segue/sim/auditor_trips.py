"""The auditor's journeys: entering, walking, waiting, leaving, each asked plainly at every input.

Written from design section 5 and `docs/concepts/semantics.md`. Nothing is skipped because it
"can't have changed": every run is asked everything, every time.
"""

from typing import TYPE_CHECKING

from segue.kernel import plan
from segue.kernel.inputs import Event
from segue.kernel.values import Value
from segue.sim import auditor_calendar as calendar
from segue.sim.auditor_calendar import NEVER
from segue.sim.auditor_conditions import holds, value_of
from segue.sim.auditor_life import Line, Trip, Wish
from segue.sim.auditor_rules import Case, Judgement, judge

if TYPE_CHECKING:
    from segue.sim.auditor_tick import Tick

_STEPS_MAX = 200


class Trips:
    """The runs of one customer in one input."""

    def __init__(self, tick: "Tick") -> None:
        self.tick = tick
        self.life = tick.life
        self.book = tick.book
        self.view = tick.view
        self.now = tick.now

    def see(self, run: Trip | None) -> None:
        self.view.entry = run.entry if run else {}
        self.view.vars = run.vars if run else {}

    # ── watching ──

    def watch(self, event: Event | None) -> None:
        """Every run: the goal and the exits first, then stronger paths, then what it waits for."""
        for run in list(self.life.runs):
            journey = self.book.journey(run.program, run.journey)
            assert journey is not None
            self._watch_one(journey, run, event)

    def _watch_one(self, journey: plan.Journey, run: Trip, event: Event | None) -> None:
        if self._left(journey, run, event) or self._stands_still(run):
            return
        if self._moved_up(journey, run):
            return
        if run.lingers_to is not None:
            self._linger(journey, run)
            return
        node = _node(journey, run.step)
        due = run.due_at <= self.now
        match node:
            case plan.WaitUntil():
                if self._met(node.watch, event):
                    self.walk(journey, run, node.met)
                elif due:
                    self.walk(journey, run, node.timed_out)
            case plan.Wait() | plan.WaitWindow() | plan.WaitDate():
                if due:
                    self.walk(journey, run, node.next)
            case plan.Adapt():
                if due:
                    self.walk(journey, run, node.otherwise)
            case _:
                pass

    def _left(self, journey: plan.Journey, run: Trip, event: Event | None) -> bool:
        """Whether an exit or the goal ends the run now."""
        self.see(run)
        goal = journey.goal
        in_time = goal is not None and not run.reached and self.now <= run.goal_until
        if goal is not None and in_time and self._met(goal.watch, event):
            run.reached = True
            self.tick.out.notes.append(("run", run.id, "goal", ""))
            if goal.ends:
                self._finish(run, "goal")
                return True
        if any(self._met(leave, event) for leave in journey.exits):
            self._finish(run, "exit")
            return True
        return False

    def _met(self, watch: plan.Watch, event: Event | None) -> bool:
        if watch.events and (event is None or event.name not in watch.events):
            return False
        return holds(watch.when, self.view)

    def _stands_still(self, run: Trip) -> bool:
        for journey in self.book.today.journeys:
            if journey.name == run.journey:
                return journey.state == "paused" and not journey.waits_go_on
        return False

    def _strongest(self, node: plan.Adapt) -> int | None:
        held = [i for i, way in enumerate(node.ways) if holds(way.when, self.view)]
        return held[-1] if held else None

    def _moved_up(self, journey: plan.Journey, run: Trip) -> bool:
        """The outermost branch first: no weaker path is begun where a stronger one holds."""
        for place in journey.within.get(run.step, ()):
            branch = _node(journey, place.adapt)
            assert isinstance(branch, plan.Adapt)
            way = self._strongest(branch)
            if place.adapt in run.committed or way is None or way == place.way:
                continue
            if way < place.way and not branch.both_ways:
                continue
            inside = {s for s, placed in journey.within.items() if place.adapt in _names(placed)}
            self.withdraw(run.id, inside, "stronger_path")
            self.tick.out.notes.append(("run", run.id, "moved", "stronger_path"))
            self.walk(journey, run, branch.ways[way].next)
            return True
        node = _node(journey, run.step)
        if isinstance(node, plan.Adapt) and (way := self._strongest(node)) is not None:
            self.walk(journey, run, node.ways[way].next)
            return True
        return False

    def carry_over(self) -> None:
        """A new program is in force: what was decided becomes of the runs of older ones."""
        for run in list(self.life.runs):
            mode = self.book.modes.get(run.journey, "drain")
            if run.program == self.book.now or mode == "drain":
                continue
            self.tick.met[f"runs that {mode} at publishing"] += 1
            journey = self.book.journey(self.book.now, run.journey)
            if mode == "exit":
                self._finish(run, "published")
            elif journey is None:
                self._finish(run, "step_gone")
            else:
                self._migrate(journey, run)

    def _migrate(self, journey: plan.Journey, run: Trip) -> None:
        """By step id; one that has become another kind of step is taken anew."""
        older = self.book.journey(run.program, run.journey)
        assert older is not None
        steps = {node.id for node in journey.steps}
        if not {run.step, run.lingers_to or run.step} <= steps:
            self._finish(run, "step_gone")
            return
        run.program = self.book.now
        kinds = {type(_node(one, run.step)) for one in (older, journey)}
        if run.lingers_to is None and len(kinds) > 1:
            self.withdraw(run.id, {run.step}, "published")
            self.walk(journey, run, run.step)

    # ── lingering and ending ──

    def _open(self, run: Trip) -> bool:
        life = self.life
        return (
            any(one.run == run.id for one in (*life.offers, *life.wishes))
            or any(one.run == run.id and one.state in ("queued", "claimed") for one in life.lines)
        )  # fmt: skip

    def _offer_stands(self, journey: plan.Journey, run: Trip, onward: str) -> bool:
        """Whether going on would leave an adaptive branch in which an offer of it stands."""
        after = _names(journey.within.get(onward, ()))
        for place in journey.within.get(run.step, ()):
            if place.adapt in after or place.adapt in run.committed:
                continue
            inside = {s for s, placed in journey.within.items() if place.adapt in _names(placed)}
            if any(one.run == run.id and one.step in inside for one in self.life.offers):
                return True
        return False

    def stop_lingering(self) -> None:
        """Let go of what lingered for something that is settled now."""
        for run in list(self.life.runs):
            journey = self.book.journey(run.program, run.journey)
            if journey is not None and run.lingers_to is not None:
                self._linger(journey, run)

    def _linger(self, journey: plan.Journey, run: Trip) -> None:
        onward = run.lingers_to
        assert onward is not None
        if onward == plan.END:
            if not self._open(run):
                self._finish(run, "completed")
        elif not self._offer_stands(journey, run, onward):
            self.walk(journey, run, onward)

    def _finish(self, run: Trip, reason: str) -> None:
        if reason != "completed":
            self.withdraw(run.id, None, reason)
        self.life.runs.remove(run)
        self.tick.out.notes.append(("run", run.id, "ended", reason))

    def withdraw(self, run: str, steps: set[str] | None, reason: str) -> None:
        """Take back what a run has held, standing or queued (in these steps)."""
        life = self.life
        mine = [one for one in life.wishes if one.run == run and (not steps or one.step in steps)]
        for wish in mine:
            life.wishes.remove(wish)
            self.tick.out.notes.append(("ended", wish.id, reason))
        for offer in [o for o in life.offers if o.run == run and (not steps or o.step in steps)]:
            self.tick.end_offer(offer, reason)
        for line in life.lines:
            of_run = line.run == run and (not steps or line.step in steps)
            if of_run and line.state in ("queued", "claimed"):
                self.tick.cancel(line, reason)

    # ── walking ──

    def walk(self, journey: plan.Journey, run: Trip, start: str) -> None:
        run.due_at, run.lingers_to = NEVER, None
        at: str | None = start
        for _ in range(_STEPS_MAX):
            if at is None:
                break
            if self._offer_stands(journey, run, at) or (at == plan.END and self._open(run)):
                run.lingers_to = at
                break
            if at == plan.END:
                self._finish(run, "completed")
                return
            run.step = at
            run.visits[at] = run.visits.get(at, 0) + 1
            at = self._take(journey, run, _node(journey, at))
        if run in self.life.runs:
            # An exit or goal that needs no event and holds already ends it where it stands.
            self._left(journey, run, None)

    def _take(self, journey: plan.Journey, run: Trip, node: plan.Node) -> str | None:
        """Do one step: the next, or None to stand here."""
        self.see(run)
        match node:
            case plan.Send():
                self._wish(run, node.message)
                return None
            case plan.Show():
                self._offer(run, node)
            case plan.Choose():
                return self._choose(journey, run, node)
            case plan.Branch():
                for way in node.ways:
                    if holds(way.when, self.view):
                        return way.next
                return node.otherwise
            case plan.Adapt():
                if node.id in run.committed:
                    run.committed.remove(node.id)
                way_taken = self._strongest(node)
                if way_taken is not None:
                    return node.ways[way_taken].next
                run.due_at = self.now + node.timeout_ms
                return None if node.timeout_ms > 0 else node.otherwise
            case plan.Commit():
                run.committed.append(node.adapt)
            case plan.Split():
                return self._split(run, node)
            case plan.Repeat():
                counter = f"{node.id}#"
                done = run.visits.get(counter, 0)
                if done < node.times and holds(node.when, self.view):
                    run.visits[counter] = done + 1
                    return node.body
                run.visits.pop(counter, None)
            case plan.End():
                if node.reason == "completed":
                    return plan.END
                self._finish(run, "completed")
                return None
            case plan.Wait() | plan.WaitUntil() | plan.WaitWindow() | plan.WaitDate():
                return self._wait(run, node)
            case plan.SetTrait() | plan.Emit() | plan.Audience() | plan.Call() | plan.Assign():
                self._act(run, node)
        return node.next

    def _wait(
        self, run: Trip, node: plan.Wait | plan.WaitUntil | plan.WaitWindow | plan.WaitDate
    ) -> str | None:
        now = self.now
        match node:
            case plan.Wait():
                run.due_at = now + node.for_ms
                self._count_wait(run, node)
                return None if node.for_ms > 0 else node.next
            case plan.WaitUntil():
                if not node.watch.events and self._met(node.watch, None):
                    return node.met
                run.due_at = now + node.timeout_ms
                self._count_wait(run, node)
                return None
            case plan.WaitWindow():
                found = calendar.window(self.life.tz(), now, node.start, node.end, node.weekdays)
                run.due_at = found[0] if found else NEVER
            case plan.WaitDate():
                date = calendar.parse(value_of(node.date, self.view), self.life.tz())
                if date is None:
                    return node.missing
                run.due_at = date + node.offset_ms
        self._count_wait(run, node)
        if run.due_at > now:
            return None
        run.due_at = NEVER
        return node.next

    def _count_wait(self, run: Trip, node: plan.Node) -> None:
        """Waits, and those that end after a change of clocks; it changes nothing."""
        if self.now < run.due_at < NEVER:
            zone, kind = self.life.tz(), type(node).__name__
            self.tick.met[f"waits: {kind}"] += 1
            changed = calendar.offset(zone, run.due_at) != calendar.offset(zone, self.now)
            self.tick.met[f"waits across a change of clocks: {kind}"] += changed

    def _split(self, run: Trip, node: plan.Split) -> str:
        names = [variant.name for variant in node.variants]
        kept = self.life.drawn.get(node.stream)
        if kept not in names:
            weights = [variant.weight for variant in node.variants]
            kept = names[calendar.pick(node.stream, self.life.draw_key, "", weights)]
            self.life.drawn[node.stream] = kept
        self.tick.out.notes.append(("drawn", run.id, node.stream, kept))
        return node.variants[names.index(kept)].next

    def _act(
        self,
        run: Trip,
        node: plan.SetTrait | plan.Emit | plan.Audience | plan.Call | plan.Assign,
    ) -> None:
        effect_id = f"{run.id}:{node.id}:{run.visits[node.id]}"
        effects = self.tick.out.effects
        match node:
            case plan.SetTrait():
                # All are read before any is written.
                made = {("traits", key): value_of(v, self.view) for key, v in node.traits.items()}
                made |= {("vars", key): value_of(v, self.view) for key, v in node.vars.items()}
                for (where, key), value in made.items():
                    target = self.life.traits if where == "traits" else run.vars
                    target.pop(key, None)
                    if value is not None:
                        target[key] = value
                    if where == "traits":
                        self.life.traits_at[key] = self.now
            case plan.Emit():
                properties = {key: value_of(v, self.view) for key, v in node.properties.items()}
                self.tick.emit(effect_id, node.event, properties, self.now)
            case plan.Audience():
                effects.append(("audience", effect_id, node.audience, node.change))
            case plan.Call():
                effects.append(("call", effect_id, node.webhook))
            case plan.Assign():
                effects.append(("assign", effect_id, node.title))

    # ── proposing ──

    def _made(self, run: Trip, message: str, option: str = "") -> Wish | None:
        known = self.book.message(run.program, message)
        if known is None:
            return None
        return Wish(
            id=f"{run.id}:{run.step}:{run.visits[run.step]}",
            run=run.id,
            step=run.step,
            message=message,
            since=self.now,
            expires_at=self.now + known.expires_ms,
            retry_at=self.now,
            option=option,
            about=self._about(run, known),
        )

    def _about(self, run: Trip, message: plan.Message) -> tuple[str, ...]:
        self.see(run)
        value = value_of(message.about, self.view) if message.about else None
        listed = value if isinstance(value, list | tuple) else [value]
        return tuple(text for text in map(as_text, listed) if text)

    def _wish(self, run: Trip, message: str, option: str = "") -> None:
        made = self._made(run, message, option)
        if made is not None:
            self.life.wishes.append(made)

    def _offer(self, run: Trip, node: plan.Show) -> None:
        made = self._made(run, node.message)
        if made is None:
            return
        made.placement, made.channel = node.placement, node.channel
        made.until, made.ends_on = node.until, node.ends_on
        made.expires_at = min(made.expires_at, self.now + node.lasts_ms)
        self.life.offers.append(made)

    def _choose(self, journey: plan.Journey, run: Trip, node: plan.Choose) -> str | None:
        """The most valuable option that the guardrails admit now; nothing is one."""
        open_options: list[tuple[float, int, plan.Option]] = []
        for index, option in enumerate(node.options):
            self.see(run)
            value = value_of(option.value, self.view) if option.value else 0.0
            worth = float(value) if isinstance(value, int | float) else 0.0
            if option.message:
                trial = self._made(run, option.message, option.name)
                case = self.tick.hearing.case(trial) if trial else None
                if case is None or judge(case, option.channels).outcome != "admitted":
                    continue
            open_options.append((-worth, index, option))
        if not open_options:
            return plan.END
        ranked = [row[2] for row in sorted(open_options, key=lambda row: row[:2])]
        share = node.explore // len(ranked)
        odds = [share] * len(ranked)
        odds[0] += 1_000_000 - share * len(ranked)
        decision = f"{run.id}:{node.id}:{run.visits[node.id]}"
        chosen = ranked[calendar.pick("choose", self.life.draw_key, decision, odds)]
        self.tick.out.notes.append(("drawn", run.id, f"{journey.name}/{node.id}", chosen.name))
        if not chosen.message:
            return chosen.next
        self._wish(run, chosen.message, chosen.name)
        return None

    def channels(self, case: Case) -> tuple[str, ...]:
        """The channels that the wish's step names, in order of preference."""
        match _node(case.journey, case.wish.step):
            case plan.Send(channels=channels):
                return channels
            case plan.Choose(options=options):
                return next((o.channels for o in options if o.name == case.wish.option), ())
            case _:
                return ()

    def answered(self, case: Case, judgement: Judgement) -> None:
        """The run goes on from the step whose message was admitted or denied."""
        wish, journey = case.wish, case.journey
        run = self.life.run(wish.run)
        if run is None or wish.tried or run.step != wish.step:
            return
        match _node(journey, run.step):
            case plan.Choose(options=options):
                onward = next((o.next for o in options if o.name == wish.option), plan.END)
                self.walk(journey, run, onward)
            case plan.Send(next=onward, otherwise=otherwise, retry_ms=retry_ms):
                if judgement.outcome == "admitted" or otherwise == "skip":
                    self.walk(journey, run, onward)
                elif otherwise == "exit":
                    self._finish(run, "denied")
                elif self.now + retry_ms < wish.expires_at:
                    wish.retry_at, wish.reason = self.now + retry_ms, "retry"
                    self.life.wishes.append(wish)
                else:
                    self.walk(journey, run, onward)
            case _:
                pass

    def fall_back(self, line: Line) -> None:
        """Failed for good at its provider: the channels that are left, under the same expiry."""
        run = self.life.run(line.run)
        if run is None or line.stale or not line.expires_at or line.expires_at <= self.now:
            return
        journey = self.book.journey(run.program, run.journey)
        node = _node(journey, line.step) if journey else None
        tried = (*line.tried, line.channel)
        if not isinstance(node, plan.Send) or set(node.channels) <= set(tried):
            return
        self.life.wishes.append(
            Wish(
                id=line.id.rpartition("~")[0] if line.tried else line.id,
                run=run.id,
                step=line.step,
                message=line.message,
                since=line.since,
                expires_at=line.expires_at,
                retry_at=self.now,
                tried=tried,
                about=line.about,
            )
        )


def _node(journey: plan.Journey, step: str) -> plan.Node:
    return next(node for node in journey.steps if node.id == step)


def _names(placed: tuple[plan.Placed, ...]) -> set[str]:
    return {place.adapt for place in placed}


def as_text(value: Value) -> str:
    """A key as text; what is no text or number is no key."""
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value) if plain else ""

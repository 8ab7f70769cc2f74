"""How a run enters, and what an input means for the runs that are live.

Rule 1: a run is pinned to the program in which it entered.
Rule 2: the goal and the exits are watched at every input, wherever the run stands, before
    anything else of the run is asked; the goal first, for one event is often both. On exit
    all it has held, standing or queued is withdrawn.
Rule 3: a way of an adaptive branch gives way to a stronger one only, unless it says otherwise.
Rule 4: a run that an input can't concern is not asked at all (`_concerned`).
"""

from collections.abc import Mapping

from segue.kernel import ledger, limits, plan, schedule, walk
from segue.kernel.inputs import Event
from segue.kernel.profile import Entered, Profile, Run
from segue.kernel.program import LinkedJourney, Program
from segue.kernel.trace import RunChanged
from segue.kernel.turn import Turn
from segue.kernel.values import NEVER, Instant, Record, later

# ── entering ────────────────────────────────────────────────────────────────────────


def enter_on_event(turn: Turn, event: Event) -> None:
    """Start the runs for which this event is the entry."""
    for linked in turn.program.entries.get(event.name, ()):
        if linked.condition.holds(turn.for_profile()):
            _enter(turn, linked.journey, event.properties, event.id)


def enter_on_segment(turn: Turn, segment: str, change: str) -> None:
    """Start the runs for which entering or leaving a segment is the entry."""
    for linked in turn.program.segment_entries.get((segment, change), ()):
        if linked.condition.holds(turn.for_profile()):
            _enter(turn, linked.journey, turn.event.properties if turn.event else {}, segment)


def enter_on_call(turn: Turn, name: str, properties: Record, call_id: str) -> None:
    """Start a run by API."""
    for linked in turn.program.call_entries.get(name, ()):
        if linked.condition.holds(turn.for_profile()):
            _enter(turn, linked.journey, properties, call_id)


def enter_on_time(turn: Turn) -> None:
    """Start the runs for which a date or a schedule has come."""
    for linked in schedule.come(turn):
        if linked.condition.holds(turn.for_profile()):
            _enter(turn, linked.journey, {}, "schedule")


def stands_still(program: Program, run: Run) -> bool:
    """Whether the run's journey is paused in such a way that its waits stand still."""
    return run.journey in program.standing


def _enter(turn: Turn, linked: LinkedJourney, properties: Record, cause: str) -> None:
    """Enter unless a live run has the key already, or a rule forbids it."""
    profile, journey = turn.profile, linked.journey
    if journey.state != "live":
        return
    key = walk.as_text(linked.key.ask(turn.for_profile())) if linked.key else ""
    live = 0
    for run in profile.runs:
        if run.journey == journey.name:
            if run.key == key:
                return
            live += 1
    entry_key = f"{journey.name}/{key}"
    refusal, detail = _refusal(turn, linked, entry_key, live)
    if refusal:
        turn.notes.append(
            RunChanged(
                run=entry_key, journey=journey.name, change="refused", reason=refusal, detail=detail
            )
        )
        return
    count = _count_entry(profile, entry_key, turn.now)
    goal_until = later(turn.now, journey.goal.within_ms) if journey.goal else NEVER
    run = Run(
        id=f"{profile.id}/{entry_key}/{count}",
        journey=journey.name,
        program=linked.program,
        key=key,
        step=journey.start,
        entered_at=turn.now,
        stepped_at=turn.now,
        goal_until=goal_until,
        entry=properties,
    )
    profile.runs.append(run)
    turn.dirty |= turn.program.runs_bit
    turn.notes.append(RunChanged(run=run.id, journey=journey.name, change="entered", detail=cause))
    walk.walk(turn, linked, run, journey.start)


def _refusal(turn: Turn, linked: LinkedJourney, entry_key: str, live: int) -> tuple[str, str]:
    """Why a journey may not be entered now, with particulars; empty if it may."""
    profile, journey = turn.profile, linked.journey
    before = profile.entered.get(entry_key)
    if before is not None and (
        journey.reentry_ms < 0 or before.last_at + journey.reentry_ms > turn.now
    ):
        return "reentry", ""
    if live >= journey.runs_max or len(profile.runs) >= limits.RUNS_MAX:
        return "runs_max", str(live)
    for policy in turn.program.excluding.get(journey.name, ()):
        for other in profile.runs:
            if other.journey != journey.name and other.journey in policy.journeys:
                return "excluded_journey", other.journey
    if not linked.when.holds(turn.for_profile()):
        return "journey_not_eligible", journey.name
    return "", ""


def _count_entry(profile: Profile, entry_key: str, now: Instant) -> int:
    """Remember an entry; returns which one of this key it is. The oldest key is forgotten last."""
    before = profile.entered.pop(entry_key, None)
    count = (before.count if before else 0) + 1
    profile.entered[entry_key] = Entered(count, now)
    if len(profile.entered) > limits.KEYS_MAX:
        del profile.entered[next(iter(profile.entered))]
    return count


# ── watching ────────────────────────────────────────────────────────────────────────


def watch(turn: Turn, event: Event | None) -> None:
    """Ask every live run what this input means for it: exits, goal, waits, stronger paths."""
    for run in list(turn.profile.runs):
        linked = turn.program.journey(run.program, run.journey)
        if linked is None:
            walk.finish(turn, run, "step_gone", run.step)
        elif _concerned(turn, linked, run, event):
            _watch_one(turn, linked, run, event)


def _concerned(turn: Turn, linked: LinkedJourney, run: Run, event: Event | None) -> bool:
    """Whether this input may change what a run watches."""
    now = turn.now
    if run.due_at <= now or run.check_at <= now or turn.asking & linked.needs[run.step]:
        return True
    if run.lingers_to is not None:
        return True
    if event is None:
        return False
    waited = linked.nodes[run.step].watch
    return event.name in linked.exit_events or (waited is not None and event.name in waited.events)


def _watch_one(turn: Turn, linked: LinkedJourney, run: Run, event: Event | None) -> None:
    scene = turn.fresh()
    turn.for_run(run)
    if walk.reach_goal(turn, linked, run, event):
        return
    for leave in linked.exits:
        if walk.met(turn, leave, event):
            walk.finish(turn, run, "exit", leave.reason or (event.name if event else ""))
            return
    run.check_at = Instant(scene.until)
    if stands_still(turn.program, run) or _adapt(turn, linked, run):
        return
    if scene.until < run.check_at:
        run.check_at = Instant(scene.until)
    if run.lingers_to is not None:
        _stop_lingering(turn, linked, run)
        return
    node = linked.nodes[run.step]
    match node.node:
        case plan.WaitUntil(met=met, timed_out=timed_out):
            if node.watch is not None and walk.met(turn, node.watch, event):
                walk.walk(turn, linked, run, met)
            elif run.due_at <= turn.now:
                walk.walk(turn, linked, run, timed_out)
            else:
                run.check_at = Instant(scene.until)
        case plan.Wait(next=onward) | plan.WaitWindow(next=onward) | plan.WaitDate(next=onward):
            if run.due_at <= turn.now:
                walk.walk(turn, linked, run, onward)
        case plan.Adapt(otherwise=otherwise):
            if run.due_at <= turn.now:
                walk.walk(turn, linked, run, otherwise)
        case _:
            pass


def _adapt(turn: Turn, linked: LinkedJourney, run: Run) -> bool:
    """Move to a stronger path if one has come to hold; returns whether the run moved.

    The outermost branch is asked first: what makes a stronger way of it hold must not send the
    run deeper into the weaker one before.
    """
    for place in linked.journey.within.get(run.step, ()):
        branch = linked.nodes[place.adapt]
        if place.adapt in run.committed or not isinstance(branch.node, plan.Adapt):
            continue
        way = walk.strongest(turn, branch)
        if way is None or way == place.way or (way < place.way and not branch.node.both_ways):
            continue
        ledger.withdraw(
            turn, run.id, linked.inside[place.adapt], "stronger_path", branch.node.ways[way].name
        )
        turn.notes.append(
            RunChanged(
                run=run.id,
                journey=run.journey,
                change="moved",
                step=branch.node.ways[way].next,
                reason="stronger_path",
                detail=branch.node.ways[way].name,
            )
        )
        walk.walk(turn, linked, run, branch.node.ways[way].next)
        return True
    node = linked.nodes[run.step]
    if isinstance(node.node, plan.Adapt):
        way = walk.strongest(turn, node)
        if way is not None:
            walk.walk(turn, linked, run, node.node.ways[way].next)
            return True
    return False


def _stop_lingering(turn: Turn, linked: LinkedJourney, run: Run) -> None:
    onward = run.lingers_to
    if onward is None:
        return
    if onward == plan.END:
        if not walk.is_open(turn.profile, run):
            walk.finish(turn, run, "completed", "")
    elif not walk.still_open(turn, linked, run, onward):
        walk.walk(turn, linked, run, onward)


def carry_over(turn: Turn, modes: Mapping[str, str]) -> None:
    """A new program is in force: runs of older ones drain, migrate or exit, as was decided."""
    for run in list(turn.profile.runs):
        mode = modes.get(run.journey, "drain")
        if run.program == turn.program.name or mode == "drain":
            continue
        linked = turn.program.journey(turn.program.name, run.journey)
        if mode == "exit":
            walk.finish(turn, run, "published", "")
        elif linked is None:
            walk.finish(turn, run, "step_gone", run.step)
        else:
            _migrate(turn, linked, run)


def _migrate(turn: Turn, linked: LinkedJourney, run: Run) -> None:
    """Go on in the new program at the step of the same id.

    Where that has become a step of another kind, what the run waited for there exists no more:
    the step is taken anew, and what the old one had held is taken back.
    """
    older = turn.program.journey(run.program, run.journey)
    gone = [one for one in (run.step, run.lingers_to or run.step) if one not in linked.nodes]
    if gone:
        walk.finish(turn, run, "step_gone", gone[0])
        return
    run.program = turn.program.name
    if older is None or run.lingers_to is not None:
        return
    if type(older.nodes[run.step].node) is not type(linked.nodes[run.step].node):
        ledger.withdraw(turn, run.id, frozenset((run.step,)), "published", "")
        walk.walk(turn, linked, run, run.step)


def settle_open(turn: Turn) -> None:
    """Let go of the runs that lingered for something that is settled now."""
    for run in list(turn.profile.runs):
        if run.lingers_to is not None:
            linked = turn.program.journey(run.program, run.journey)
            if linked is not None:
                _stop_lingering(turn, linked, run)

"""How a run walks from step to step, parks, proposes, and ends.

Rule 1: a walk ends: it parks, it finishes, or it is stopped as `endless`.
Rule 2: a run *lingers* where a path ends while something of it is still open: an offer that
    stands, a send that no provider has taken yet. So an exit can still withdraw it, and the
    run is over only when nothing of it can happen any more. The same holds for leaving a way
    of an adaptive branch while an offer of that way stands: until then the branch is watched.
Rule 3: when a run comes to stand, it is armed: `check_at` says when what it watches may
    change by time alone.
Rule 4: what a step sets off is named by run, step and occurrence, so it has one identity
    however often it is retried.
"""

from typing import assert_never

from segue.kernel import arbiter, calendar, chance, choosing, ledger, limits, plan
from segue.kernel.arbiter import Verdict
from segue.kernel.effects import AssignTask, CallWebhook, ChangeAudience
from segue.kernel.inputs import Event
from segue.kernel.predicate import Condition
from segue.kernel.profile import Offer, Profile, Proposal, Run, Sent
from segue.kernel.program import LinkedJourney, LinkedMessage, LinkedNode, LinkedWatch
from segue.kernel.schedule import instant_from
from segue.kernel.trace import Drawn, RunChanged
from segue.kernel.turn import Turn
from segue.kernel.values import NEVER, Instant, Record, Value, later

PARKED = None
"""As the answer of a step: the run stands here."""

RETRY = "retry"
"""Why a denied proposal waits: its step tries again, at that time and no sooner."""


# ── what a run watches ──────────────────────────────────────────────────────────────


def met(turn: Turn, watched: LinkedWatch, event: Event | None) -> bool:
    """Whether what is watched for has come: one of its events, or its condition alone."""
    if watched.events and (event is None or event.name not in watched.events):
        return False
    return watched.condition.holds(turn.scene)


def reach_goal(turn: Turn, linked: LinkedJourney, run: Run, event: Event | None) -> bool:
    """Note the goal when it is reached in time; returns whether that ended the run."""
    goal = linked.journey.goal
    if goal is None or linked.goal is None or run.reached_at != NEVER:
        return False
    if turn.now > run.goal_until or not met(turn, linked.goal, event):
        return False
    run.reached_at = turn.now
    worth = linked.goal_value.ask(turn.scene) if linked.goal_value else None
    turn.notes.append(
        RunChanged(
            run=run.id,
            journey=run.journey,
            change="goal",
            step=run.step,
            detail=as_text(worth),
        )
    )
    if goal.ends:
        finish(turn, run, "goal", event.name if event else "")
    return goal.ends


def strongest(turn: Turn, branch: LinkedNode) -> int | None:
    """The strongest way that holds; all are asked, so that `until` knows of each."""
    found = None
    for index, condition in enumerate(branch.conditions):
        if condition.holds(turn.scene):
            found = index
    return found


# ── walking ─────────────────────────────────────────────────────────────────────────


def walk(turn: Turn, linked: LinkedJourney, run: Run, start: str) -> None:
    """Take the run from step to step until it parks or ends."""
    run.due_at = run.check_at = NEVER
    run.lingers_to = None
    turn.dirty |= turn.program.runs_bit
    at: str | None = start
    for _ in range(limits.STEPS_PER_INPUT_MAX):
        if at is None:
            _arm(turn, linked, run)
            return
        if still_open(turn, linked, run, at) or (at == plan.END and is_open(turn.profile, run)):
            run.lingers_to = at
            _arm(turn, linked, run)
            return
        if at == plan.END:
            finish(turn, run, "completed", "")
            return
        run.step, run.stepped_at = at, turn.now
        run.visits[at] = run.visits.get(at, 0) + 1
        at = _take(turn, linked, run, linked.nodes[at])
    finish(turn, run, "endless", run.step)


def _arm(turn: Turn, linked: LinkedJourney, run: Run) -> None:
    """The run stands: find out when what it watches may change by time alone.

    An exit or goal that needs no event and holds already ends it here.
    """
    if run not in turn.profile.runs:
        return
    scene = turn.fresh()
    turn.for_run(run)
    if reach_goal(turn, linked, run, None):
        return
    for leave in linked.exits:
        if met(turn, leave, None):
            finish(turn, run, "exit", leave.reason)
            return
    for place in linked.journey.within.get(run.step, ()):
        if place.adapt not in run.committed:
            strongest(turn, linked.nodes[place.adapt])
    if run.lingers_to is not None or scene.until < run.check_at:
        run.check_at = Instant(scene.until)


def still_open(turn: Turn, linked: LinkedJourney, run: Run, onward: str) -> bool:
    """Whether going on would leave an adaptive branch in which an offer of the run stands."""
    within = linked.journey.within
    here = within.get(run.step)
    if not here or not turn.profile.offers:
        return False
    after = {place.adapt for place in within.get(onward, ())}
    for place in here:
        if place.adapt in after or place.adapt in run.committed:
            continue
        inside = linked.inside[place.adapt]
        if any(o.run == run.id and o.step in inside for o in turn.profile.offers):
            return True
    return False


def is_open(profile: Profile, run: Run) -> bool:
    """Whether something of a run may still reach the customer, or is not settled yet."""
    return (
        any(offer.run == run.id for offer in profile.offers)
        or any(proposal.run == run.id for proposal in profile.proposals)
        or any(line.run == run.id and line.state in ledger.OPEN for line in profile.ledger)
    )


def finish(turn: Turn, run: Run, reason: str, detail: str) -> None:
    """The run is over. Whatever it still has held, standing or queued is withdrawn."""
    if reason != "completed":
        ledger.withdraw(turn, run.id, None, reason, detail)
    turn.profile.runs.remove(run)
    turn.dirty |= turn.program.runs_bit
    turn.notes.append(
        RunChanged(
            run=run.id,
            journey=run.journey,
            change="ended",
            step=run.step,
            reason=reason,
            detail=detail,
        )
    )


def _take(turn: Turn, linked: LinkedJourney, run: Run, at: LinkedNode) -> str | None:
    """Do one step; returns the next, or `PARKED`."""
    node = at.node
    match node:
        case plan.Send():
            _propose(turn, run, node.message)
            return PARKED
        case plan.Show():
            _offer(turn, run, node)
            return node.next
        case plan.Choose():
            return _choose(turn, linked, run, at, node)
        case plan.Branch():
            return _branch(turn, run, at, node)
        case plan.Adapt():
            return _start_adapting(turn, run, at, node)
        case plan.Commit():
            run.committed.append(node.adapt)
            return node.next
        case plan.Split():
            return _split(turn, run, node)
        case plan.Repeat():
            return _repeat(turn, run, at, node)
        case plan.End():
            if node.reason == "completed":
                return plan.END
            finish(turn, run, "completed", node.reason)
            return PARKED
        case plan.Wait() | plan.WaitUntil() | plan.WaitWindow() | plan.WaitDate():
            return _wait(turn, run, at, node)
        case plan.SetTrait() | plan.Emit() | plan.Audience() | plan.Call() | plan.Assign():
            _act(turn, run, at, node)
            return node.next
        case _:
            assert_never(node)


def _wait(
    turn: Turn,
    run: Run,
    at: LinkedNode,
    node: plan.Wait | plan.WaitUntil | plan.WaitWindow | plan.WaitDate,
) -> str | None:
    """Stand still, unless what is waited for is here already."""
    match node:
        case plan.Wait():
            if node.for_ms <= 0:
                return node.next
            run.due_at = later(turn.now, node.for_ms)
        case plan.WaitUntil():
            turn.fresh()
            turn.for_run(run)
            if at.watch is not None and not at.watch.events and met(turn, at.watch, None):
                return node.met
            run.due_at = later(turn.now, node.timeout_ms)
            run.check_at = Instant(turn.scene.until)
        case plan.WaitWindow():
            opens = calendar.next_in_window(
                turn.scene.zone, turn.now, node.start, node.end, node.weekdays
            )
            if opens <= turn.now:
                return node.next
            run.due_at = opens
        case plan.WaitDate():
            date = instant_from(at.conditions[0].ask(turn.for_run(run)), turn.scene.zone)
            if date is None:
                return node.missing
            due = Instant(date + node.offset_ms)
            if due <= turn.now:
                return node.next
            run.due_at = Instant(min(due, NEVER))
        case _:
            assert_never(node)
    return PARKED


def _branch(turn: Turn, run: Run, at: LinkedNode, node: plan.Branch) -> str:
    turn.for_run(run)
    for condition, way in zip(at.conditions, node.ways, strict=True):
        if condition.holds(turn.scene):
            return way.next
    return node.otherwise


def _start_adapting(turn: Turn, run: Run, at: LinkedNode, node: plan.Adapt) -> str | None:
    """Take the strongest way that holds now; if none does, stand here and watch."""
    if node.id in run.committed:
        run.committed.remove(node.id)
    turn.fresh()
    turn.for_run(run)
    way = strongest(turn, at)
    if way is not None:
        return node.ways[way].next
    if node.timeout_ms <= 0:
        return node.otherwise
    run.due_at = later(turn.now, node.timeout_ms)
    run.check_at = Instant(turn.scene.until)
    return PARKED


def _split(turn: Turn, run: Run, node: plan.Split) -> str:
    """Take the variant drawn for this profile; the profile remembers it."""
    drawn = turn.profile.assignments.get(node.stream)
    variant = next((v for v in node.variants if v.name == drawn), None)
    if variant is None:
        weights = [v.weight for v in node.variants]
        variant = node.variants[chance.pick(node.stream, turn.profile.draw_key, "", weights)]
        turn.profile.assignments[node.stream] = variant.name
    total = sum(v.weight for v in node.variants)
    turn.notes.append(
        Drawn(
            stream=node.stream,
            choice=variant.name,
            options={v.name: v.weight * chance.PPM // total for v in node.variants},
            run=run.id,
        )
    )
    return variant.next


def _repeat(turn: Turn, run: Run, at: LinkedNode, node: plan.Repeat) -> str:
    """Take the body again, up to `times`; leaving the loop starts its count afresh."""
    count_key = f"{node.id}#"
    done = run.visits.get(count_key, 0)
    if done < node.times and at.conditions[0].holds(turn.for_run(run)):
        run.visits[count_key] = done + 1
        return node.body
    run.visits.pop(count_key, None)
    return node.next


def _act(
    turn: Turn,
    run: Run,
    at: LinkedNode,
    node: plan.SetTrait | plan.Emit | plan.Audience | plan.Call | plan.Assign,
) -> None:
    """Do what needs no answer."""
    scene = turn.for_run(run)
    effect_id = f"{run.id}:{node.id}:{run.visits[node.id]}"
    values: Record = {name: one.ask(scene) for name, one in at.values.items()}
    match node:
        case plan.SetTrait():
            _set(turn, run, values)
        case plan.Emit():
            turn.emit(effect_id, node.event, values, turn.now)
        case plan.Audience():
            traits = turn.profile.traits
            turn.effects.append(
                ChangeAudience(
                    id=effect_id,
                    audience=node.audience,
                    change=node.change,
                    data={key: traits[key] for key in ("email", "phone") if key in traits},
                    simulated=turn.profile.simulated,
                )
            )
        case plan.Call():
            nobody = turn.profile.simulated
            turn.effects.append(
                CallWebhook(id=effect_id, webhook=node.webhook, body=values, simulated=nobody)
            )
        case plan.Assign():
            turn.effects.append(
                AssignTask(
                    id=effect_id,
                    title=node.title,
                    to=node.to,
                    details=values,
                    simulated=turn.profile.simulated,
                )
            )
        case _:
            assert_never(node)


def _set(turn: Turn, run: Run, values: Record) -> None:
    """Set traits and variables; a missing value removes one."""
    for name, value in values.items():
        where, _, key = name.partition(".")
        target = turn.profile.traits if where == "traits" else run.vars
        if value is None:
            target.pop(key, None)
        else:
            target[key] = value
        if where == "traits":
            turn.profile.traits_at[key] = turn.now
            turn.dirty |= turn.program.traits_bit


# ── proposing ───────────────────────────────────────────────────────────────────────


def _proposal(
    turn: Turn, run: Run, message: str, option: str = ""
) -> tuple[Proposal, LinkedMessage]:
    """A proposal for the step where the run stands, and its message."""
    known = _message(turn, run, message)
    proposal = Proposal(
        id=f"{run.id}:{run.step}:{run.visits[run.step]}",
        run=run.id,
        step=run.step,
        message=message,
        proposed_at=turn.now,
        expires_at=later(turn.now, known.message.expires_ms),
        retry_at=turn.now,
        reason="",
        event=turn.event.properties if turn.event else {},
        option=option,
        about=_about(turn, run, known.about),
    )
    return proposal, known


def _message(turn: Turn, run: Run, name: str) -> LinkedMessage:
    known = turn.program.message(run.program, name)
    assert known is not None, "the checker has proved that every message named exists"
    return known


def _offer(turn: Turn, run: Run, node: plan.Show) -> None:
    """Let a message stand for its placement."""
    known = _message(turn, run, node.message)
    offers = turn.profile.offers
    if len(offers) >= limits.OFFERS_MAX:
        ledger.end_offer(turn, offers[0], "offers_max")
    lasts = min(node.lasts_ms, known.message.expires_ms)
    offers.append(
        Offer(
            id=f"{run.id}:{node.id}:{run.visits[node.id]}",
            run=run.id,
            step=node.id,
            message=node.message,
            placement=node.placement,
            channel=node.channel,
            offered_at=turn.now,
            expires_at=Instant(turn.now + lasts),
            until=list(node.until),
            ends_on=list(node.ends_on),
            event=turn.event.properties if turn.event else {},
            about=_about(turn, run, known.about),
        )
    )


def _about(turn: Turn, run: Run, about: Condition | None) -> list[str]:
    """The products that a message promotes, as text."""
    if about is None:
        return []
    value = about.ask(turn.for_run(run))
    listed = list(value) if isinstance(value, list | tuple) else [value]
    return [text for text in map(as_text, listed) if text]


def _choose(
    turn: Turn, linked: LinkedJourney, run: Run, at: LinkedNode, node: plan.Choose
) -> str | None:
    """Take one of the options that the guardrails admit now; nothing is an option."""
    rated: list[choosing.Rated] = []
    for option in node.options:
        value = at.values[option.name].ask(turn.for_run(run)) if option.name in at.values else 0.0
        worth = float(value) if isinstance(value, int | float) else 0.0
        if not option.message or _admissible(turn, linked, run, option):
            rated.append(choosing.Rated(option.name, worth))
    if not rated or at.choosing is None:
        return plan.END
    odds = at.choosing.odds(rated, turn.for_run(run))
    decision = f"{run.id}:{node.id}:{run.visits[node.id]}"
    index = chance.pick("choose", turn.profile.draw_key, decision, list(odds.values()))
    name = list(odds)[index]
    chosen = next(option for option in node.options if option.name == name)
    turn.notes.append(
        Drawn(stream=f"{run.journey}/{node.id}", choice=chosen.name, options=odds, run=run.id)
    )
    if not chosen.message:
        return chosen.next
    _propose(turn, run, chosen.message, chosen.name)
    return PARKED


def _admissible(turn: Turn, linked: LinkedJourney, run: Run, option: plan.Option) -> bool:
    """Ask the arbiter about an option without proposing it."""
    proposal, known = _proposal(turn, run, option.message, option.name)
    hearing = arbiter.Hearing(turn, known, linked, run, proposal)
    return hearing.consider(option.channels).outcome == "admitted"


def _propose(turn: Turn, run: Run, message: str, option: str = "") -> None:
    """Put a message before the arbiter; the run stands at the step until it is answered."""
    proposal, _ = _proposal(turn, run, message, option)
    turn.profile.proposals.append(proposal)


# ── being answered ──────────────────────────────────────────────────────────────────


def answered(turn: Turn, proposal: Proposal, verdict: Verdict) -> None:
    """Go on from a step whose proposal was admitted or denied."""
    run = arbiter.run_of(turn.profile, proposal.run)
    linked = turn.program.journey(run.program, run.journey) if run else None
    if run is None or linked is None or proposal.tried or run.step != proposal.step:
        return
    node = linked.nodes[run.step].node
    match node:
        case plan.Choose(options=options):
            onward = next((o.next for o in options if o.name == proposal.option), plan.END)
            walk(turn, linked, run, onward)
        case plan.Send(otherwise=otherwise):
            if verdict.outcome == "admitted" or otherwise == "skip":
                walk(turn, linked, run, node.next)
            elif otherwise == "exit":
                finish(turn, run, "denied", verdict.reason)
            elif turn.now + node.retry_ms < proposal.expires_at:
                proposal.retry_at = later(turn.now, node.retry_ms)
                proposal.reason = RETRY
                turn.profile.proposals.append(proposal)
            else:
                walk(turn, linked, run, node.next)
        case _:
            pass


def fall_back(turn: Turn, line: Sent) -> None:
    """A send failed for good at its provider: propose it on the channels that are left."""
    run = arbiter.run_of(turn.profile, line.run)
    if run is None or len(line.bounds) != 2 or line.bounds[1] <= turn.now:
        return
    linked = turn.program.journey(run.program, run.journey)
    node = linked.nodes.get(line.step) if linked else None
    tried = [*line.tried, line.channel]
    if node is None or not isinstance(node.node, plan.Send):
        return
    if all(channel in tried for channel in node.node.channels):
        return
    base, _, _ = line.id.rpartition("~") if line.tried else (line.id, "", "")
    turn.profile.proposals.append(
        Proposal(
            id=base,
            run=run.id,
            step=line.step,
            message=line.message,
            proposed_at=Instant(line.bounds[0]),
            expires_at=Instant(line.bounds[1]),
            retry_at=turn.now,
            reason="",
            tried=tried,
            event=line.event,
            about=line.about,
        )
    )


def as_text(value: Value) -> str:
    """A key as text; what is no text or number is no key."""
    if isinstance(value, bool) or value is None:
        return ""
    return str(value) if isinstance(value, str | int | float) else ""

"""The one transition: `(profile, effects, trace, moves) = step(program, profile, input, now)`.

Rule 1: nothing here or below looks at anything but its arguments: no I/O, no clock, no
    chance but keyed hashes, no global that changes.
Rule 2: what time alone has made due is answered before the input, so a late wake-up changes
    no order. A new program is adopted before either, for they are answered by it.
Rule 3: an input that no longer applies leaves the profile as it was and is no error.
Rule 4: after every input the profile is settled: no condition that holds is unanswered, no
    proposal that is due is undecided, and `wake_at` is the earliest instant at which
    anything may change by time alone.
Rule 5: the order within an event is fixed: what is known, history, session, scores,
    conversions; then segments; then exits, goals, waits and stronger paths of live runs;
    then offers it ends, derived events, entries; then the arbiter.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, assert_never

from segue.kernel import (
    arbiter,
    derived,
    features,
    incentives,
    journeys,
    ledger,
    merge,
    models,
    placements,
    plan,
    schedule,
    segments,
    session,
    walk,
)
from segue.kernel.effects import CouponMove, Effect
from segue.kernel.inputs import (
    Adopted,
    Asked,
    Called,
    Consented,
    Event,
    Input,
    Merged,
    Reported,
    Woke,
)
from segue.kernel.limits import IDENTITIES_MAX, ROUNDS_PER_INPUT_MAX, TRAITS_MAX
from segue.kernel.profile import Consent, Profile, Sent, create
from segue.kernel.program import Program
from segue.kernel.shelves import EMPTY, Catalog
from segue.kernel.trace import Note, Remarked, Scored, SegmentChanged
from segue.kernel.turn import Turn
from segue.kernel.values import NEVER, Instant, Record

EVERYTHING = -1
"""As a set of bits: all of them."""


class Step(NamedTuple):
    """The answer to one input."""

    profile: Profile
    effects: tuple[Effect, ...]
    trace: tuple[Note, ...]
    moves: tuple[CouponMove, ...] = ()
    """Coupon codes handed out and given back; the commit settles them."""


def step(
    program: Program,
    profile: Profile,
    said: Input,
    now: Instant,
    coupons: Mapping[str, Sequence[str]] | None = None,
    catalog: Catalog = EMPTY,
) -> Step:
    """Answer one input. The profile may be changed in place (`profile.py`, rule 2).

    `coupons` are free codes by pool, the next one first; without it codes are made up.
    `catalog` is what expressions look items up in.
    """
    turn = Turn(program, profile, now, coupons, catalog)
    if isinstance(said, Reported) and said.outcome == "claimed":
        # It left the queue before this instant, so what is due now can't withdraw it any more;
        # and nothing is decided by that alone.
        ledger.report(turn, said)
        return Step(profile, (), ())
    if not profile.program:
        turn.dirty = program.segments.newborn if _is_blank(profile) else EVERYTHING
        profile.program = program.name
    if isinstance(said, Adopted):
        _adopt(turn, said)
    if profile.wake_at <= now:
        _fall_due(turn)
    elif isinstance(said, Adopted):
        _react(turn, None)  # before anything that carrying runs over has emitted happens
    match said:
        case Event():
            _happen(turn, said)
        case Woke():
            _settle(turn)
        case Asked():
            turn.scene.context = said.context
            _settle(turn)
            placements.answer(turn, said)
        case Reported():
            _report(turn, said)
        case Consented():
            _consent(turn, said)
        case Called():
            journeys.enter_on_call(turn, said.journey, said.properties, said.id)
        case Merged():
            _merge(turn, said.other)
        case Adopted():
            pass  # adopted above, before anything was asked
        case _:
            assert_never(said)
    _settle(turn)
    if program.scheduled or profile.scheduled:
        schedule.plan_ahead(turn)
    if profile.ledger or profile.grants:
        ledger.prune(profile, program.workspace.ledger_ms, now)
    profile.wake_at = wake_at(program, profile)
    return Step(profile, tuple(turn.effects), tuple(turn.notes), tuple(turn.moves))


def _is_blank(profile: Profile) -> bool:
    """Whether nothing is known of it yet but what names it."""
    blank = create(profile.id, profile.first_seen_at)
    blank.user_ids, blank.anonymous_ids = profile.user_ids, profile.anonymous_ids
    return profile == blank


# ── settling ────────────────────────────────────────────────────────────────────────


def _settle(turn: Turn) -> None:
    """Answer what this input has set off, until nothing is left to answer (rule 4)."""
    profile = turn.profile
    for _ in range(ROUNDS_PER_INPUT_MAX):
        while turn.pending:
            _happen(turn, turn.pending.popleft())
        if turn.dirty:
            _react(turn, None)
        if profile.proposals:
            for proposal, verdict in arbiter.decide(turn):
                walk.answered(turn, proposal, verdict)
        if profile.runs:
            journeys.settle_open(turn)
        if not turn.pending and not turn.dirty:
            return
    turn.notes.append(Remarked(what="rounds_max"))


def _react(turn: Turn, event: Event | None) -> None:
    """Ask every condition that may have changed: segments, then runs, then entries."""
    profile, dirty = turn.profile, turn.dirty
    turn.dirty = 0
    scene = turn.for_profile()
    changes, changed = segments.refresh(profile, turn.program.segments, scene, dirty)
    turn.notes.extend(changes)
    turn.asking = dirty | changed
    turn.touched |= turn.asking
    if profile.runs:
        journeys.watch(turn, event)
    if event is not None:
        if profile.offers:
            _end_offers(turn, event)
        derived.listen(turn, event)
        journeys.enter_on_event(turn, event)
    for change in changes:
        _announce(turn, change)


def _announce(turn: Turn, change: SegmentChanged) -> None:
    """Enter the journeys that wait for this change, and make it an event where one is defined."""
    journeys.enter_on_segment(turn, change.segment, change.change)
    if not turn.program.moments:
        return
    moment: plan.Moment = "segment_entered" if change.change == "entered" else "segment_left"
    own: Record = {"segment": change.segment}
    derived.at_moment(turn, moment, own, f"{change.segment}/{turn.now}", turn.now)


def _fall_due(turn: Turn) -> None:
    """Answer what time alone has made due: the session's end, expiries, silences, waits."""
    profile = turn.profile
    if session.expired(profile, turn.program.rules, turn.now):
        _end_session(turn, profile)
    for offer in [one for one in profile.offers if one.expires_at <= turn.now]:
        ledger.end_offer(turn, offer, "expired")
    incentives.expire(turn)
    derived.ripen(turn)
    _react(turn, None)
    journeys.enter_on_time(turn)
    _settle(turn)


def _end_offers(turn: Turn, event: Event) -> None:
    """Take back the standing offers that this event ends."""
    for offer in [one for one in turn.profile.offers if event.name in one.until]:
        ledger.end_offer(turn, offer, "event", event.name)


# ── events ──────────────────────────────────────────────────────────────────────────


def _happen(turn: Turn, event: Event) -> None:
    """Fold an event into what is known, then ask what it changes."""
    turn.about(event)
    turn.dirty |= turn.program.event_bit
    if not event.emitted:
        _know(turn, event)
    profile, program = turn.profile, turn.program
    turn.dirty |= features.fold(profile, event, program.streams, turn.for_profile())
    _live(turn, event)
    if event.name in program.conversions:
        _cancel_bought(turn, ledger.buy(turn, event))
    if profile.grants:
        incentives.redeem(turn, event)
    _react(turn, event)


def _know(turn: Turn, event: Event) -> None:
    """Who it is, where, and what `identify` says of them."""
    profile, now = turn.profile, turn.now
    if not profile.last_seen_at and event.context.get("simulated") is True:
        profile.simulated = True
    if profile.last_seen_at < now:  # noqa: PLR1730 - `max` takes four times as long
        profile.last_seen_at = now
    if profile.first_seen_at > now:  # noqa: PLR1730 - the same
        profile.first_seen_at = now
    if event.user_id not in profile.user_ids:
        _remember(profile.user_ids, event.user_id)
    if event.anonymous_id not in profile.anonymous_ids:
        _remember(profile.anonymous_ids, event.anonymous_id)
    zone = event.traits.get("timezone") or event.context.get("timezone")
    if isinstance(zone, str) and zone != profile.zone and zone in turn.program.zones:
        profile.zone = zone
        turn.scene.zone = turn.program.zone_of(zone)
        turn.dirty |= turn.program.traits_bit
    if event.kind == "identify":
        _identify(turn, event)


def _remember(ids: list[str], new: str) -> None:
    if new and len(ids) < IDENTITIES_MAX:
        ids.append(new)


def _identify(turn: Turn, event: Event) -> None:
    """Set traits: null leaves one as it was, `$unset` removes; the later saying wins."""
    profile = turn.profile
    for name, value in event.traits.items():
        if value is None or name == "$unset" or profile.traits_at.get(name, -1) > event.at:
            continue
        if name not in profile.traits and len(profile.traits) >= TRAITS_MAX:
            turn.notes.append(Remarked(what="traits_max", detail={"trait": name}))
            continue
        profile.traits[name] = value
        profile.traits_at[name] = event.at
        turn.dirty |= turn.program.traits_bit
    removed = event.traits.get("$unset")
    for name in removed if isinstance(removed, list | tuple) else ():
        if isinstance(name, str) and profile.traits_at.get(name, -1) <= event.at:
            profile.traits.pop(name, None)
            profile.traits_at[name] = event.at
            turn.dirty |= turn.program.traits_bit


def _live(turn: Turn, event: Event) -> None:
    """Fold the event into the live session, and score it anew."""
    profile, rules = turn.profile, turn.program.rules
    if session.expired(profile, rules, turn.now):
        _end_session(turn, profile)
    folded = session.fold(profile, event, turn.now, rules)
    live = profile.session
    if folded == "ignored" or live is None:
        return
    turn.dirty |= turn.program.session_bit
    _score(turn)
    if folded == "started" and turn.program.moments:
        own = session.started(live)
        derived.at_moment(turn, "session_started", own, str(live.number), turn.now)


def _score(turn: Turn) -> None:
    live = turn.profile.session
    if live is None:
        return
    for model in turn.program.models:
        before = live.scores.get(model.name)
        after = models.score(turn.profile, model, turn.now)
        if after is before:
            continue
        if before is None or int(before.probability * 10) != int(after.probability * 10):
            turn.notes.append(
                Scored(
                    model=after.model,
                    probability=after.probability,
                    reasons=models.reasons(model, after),
                )
            )


def _end_session(turn: Turn, profile: Profile) -> None:
    """Silence has ended the session: what was open on the page is open no more."""
    over, ended_at = profile.session, session.end_at(profile, turn.program.rules)
    if over is not None:
        # Conditions of the event still see the session that is over.
        own, which = session.ended(over), str(over.number)
        derived.at_moment(turn, "session_ended", own, which, ended_at, profile)
    session.end(profile)
    for offer in profile.offers:
        if offer.shown_at != NEVER:
            ledger.close(turn, offer)
    turn.dirty |= turn.program.session_bit


def _cancel_bought(turn: Turn, products: list[str]) -> None:
    """A conversion cancels promotions of what it bought, queued and standing ones alike."""
    if not turn.program.cancels_bought:
        return
    bought = frozenset(products)
    for line in turn.profile.ledger:
        if line.state in ledger.OPEN and not bought.isdisjoint(line.about):
            ledger.cancel(turn, line, "bought")
    for offer in list(turn.profile.offers):
        if not bought.isdisjoint(offer.about):
            ledger.end_offer(turn, offer, "bought")


# ── the other inputs ────────────────────────────────────────────────────────────────


def _report(turn: Turn, said: Reported) -> None:
    failed = ledger.report(turn, said)
    line = failed or ledger.find(turn.profile, said.send_id)
    if line is None:
        return
    if said.outcome in ("complained", "unsubscribed"):
        # A complaint ends the channel; an unsubscribe ends what it was about.
        topic = _topic(turn, line) if said.outcome == "unsubscribed" else "*"
        _deny(turn, line.channel, topic, said.outcome)
    if failed is None or failed.recalled:
        return
    if said.permanent and said.reason != "expired":
        walk.fall_back(turn, failed)


def _deny(turn: Turn, channel: str, topic: str, source: str) -> None:
    turn.profile.consents[f"{channel}/{topic}"] = Consent("denied", turn.now, source)
    turn.dirty |= turn.program.consents_bit
    _cancel_forbidden(turn)


def _consent(turn: Turn, said: Consented) -> None:
    """The later saying wins; of two at one instant the stricter."""
    key = f"{said.channel}/{said.topic}"
    new = Consent(said.state, said.at, said.source)
    old = turn.profile.consents.get(key)
    if old is not None and old.at > new.at:
        return
    if old is not None and old.at == new.at:
        new = merge.strictest(old, new)
    turn.profile.consents[key] = new
    turn.dirty |= turn.program.consents_bit
    _cancel_forbidden(turn)


def _cancel_forbidden(turn: Turn) -> None:
    """What is queued and no longer allowed is withdrawn before it can be claimed."""
    for line in turn.profile.ledger:
        if line.state not in ledger.OPEN:
            continue
        topic = _topic(turn, line)
        if arbiter.consent(turn.program, turn.profile, line.channel, topic) != "granted":
            ledger.cancel(turn, line, "no_consent")


def _topic(turn: Turn, line: Sent) -> str:
    """What a send is about: its message as it was when the run entered, for that is what goes."""
    run = arbiter.run_of(turn.profile, line.run)
    linked = arbiter.message_of(turn.program, run, line.message)
    return linked.message.topic if linked else "*"


def _merge(turn: Turn, other: Profile) -> None:
    if session.expired(other, turn.program.rules, turn.now):
        _end_session(turn, other)
    merge.absorb(turn, other)
    turn.scene.zone = turn.program.zone_of(turn.profile.zone)
    turn.dirty = EVERYTHING
    _cancel_forbidden(turn)  # the stricter word of the two holds for what both have queued
    _score(turn)


def _adopt(turn: Turn, said: Adopted) -> None:
    """Compute what the new program asks for from history; forget what none asks for any more."""
    profile, program = turn.profile, turn.program
    keys = program.streams.keys
    profile.tallies = {key: one for key, one in profile.tallies.items() if key in keys}
    profile.trails = {key: one for key, one in profile.trails.items() if key in keys}
    unknown = keys - profile.tallies.keys() - profile.trails.keys()
    if unknown:
        features.rebuild(profile, program.streams, said.history, unknown, turn.scene.zone)
    known = {segment.name for segment in program.plan.segments}
    profile.segments = {k: v for k, v in profile.segments.items() if k in known}
    profile.segments_due = {k: v for k, v in profile.segments_due.items() if k in known}
    profile.silences = {k: v for k, v in profile.silences.items() if k in program.derived}
    profile.program = program.name
    journeys.carry_over(turn, said.runs)
    turn.dirty = EVERYTHING
    _cancel_forbidden(turn)  # a default or a topic may be another one now
    _score(turn)


# ── the one wake-up ─────────────────────────────────────────────────────────────────


def wake_at(program: Program, profile: Profile) -> Instant:
    """The earliest instant at which anything about the profile changes by time alone."""
    instants: list[int] = [NEVER]
    if profile.session is not None:
        instants.append(profile.session.last_at + program.rules.session_ms)
    if profile.segments_due:
        instants += profile.segments_due.values()
    if profile.silences:
        instants += [silence.due_at for silence in profile.silences.values()]
    if profile.scheduled:
        instants += profile.scheduled.values()
    for run in profile.runs:
        instants.append(run.check_at)
        if run.due_at < NEVER and not journeys.stands_still(program, run):
            instants.append(run.due_at)
    if profile.proposals:
        instants += [proposal.retry_at for proposal in profile.proposals]
    if profile.offers:
        instants += [offer.expires_at for offer in profile.offers]
    if profile.grants:
        instants += [incentives.due_at(grant) for grant in profile.grants]
    return Instant(min(instants))

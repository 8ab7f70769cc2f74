"""The one place where messages are admitted, held or denied.

All proposals that are live for a profile, new and held, of all journeys, meet here in one
call over one state, the most relevant first. Each passes nine checks in a fixed order; the
first that stops it on a channel decides there, and the first channel that passes is used.

Rule 1: transactional before checkout-critical before priority before value before age; ties
    are broken by id, so the order is total.
Rule 2: what is admitted is written to the ledger at once, so the next one sees it.
Rule 3: a hold is never merely released. At its instant, or as soon as what it waits for may
    have changed, the proposal comes here again and is decided afresh.
Rule 4: a hold whose end is known (`TIMED`) and that would outlast the message's expiry is a
    denial, said with its reason; what may end sooner is held to the expiry at the most.
Rule 5: every answer leaves a note with all its checks; an answer that repeats the last one
    leaves none.
"""

from collections.abc import Callable
from typing import Literal as OneOf, TypeAlias, assert_never

import msgspec

from segue.kernel import incentives, ledger, limits, plan, policies
from segue.kernel.effects import Send
from segue.kernel.policies import Candidate
from segue.kernel.predicate import allowed
from segue.kernel.profile import Grant, Offer, Profile, Proposal, Run, Sent
from segue.kernel.program import LinkedJourney, LinkedMessage, LinkedSuppression, Program
from segue.kernel.scene import Scene
from segue.kernel.trace import Check, Considered
from segue.kernel.turn import Turn
from segue.kernel.values import NEVER, Instant, Millis, Record, later, number

PASSED: OneOf["pass"] = "pass"

Ask: TypeAlias = Callable[[Candidate], Check]
"""One check of a hearing."""


class Verdict(msgspec.Struct, frozen=True):
    """What came of considering a proposal."""

    outcome: OneOf["admitted", "held", "denied"]
    channel: str
    reason: str
    until: Instant
    checks: tuple[Check, ...]


# ── the order ───────────────────────────────────────────────────────────────────────


def rank(
    turn: Turn, linked: LinkedMessage, run: Run | None, at: Instant, one: str
) -> tuple[object, ...]:
    """Sort key, the most relevant first."""
    message = linked.message
    worth = 0.0
    if linked.value is not None:
        scene = turn.for_run(run) if run is not None else turn.for_profile()
        worth = float(number(linked.value.ask(scene)) or 0.0)
    return (
        not linked.transactional,
        not message.checkout_critical,
        -message.priority,
        -worth,
        at,
        one,
    )


# ── the nine checks ─────────────────────────────────────────────────────────────────


class Hearing:
    """One proposal or standing offer before the arbiter, and the checks it has met so far."""

    __slots__ = ("checks", "journey", "linked", "one", "run", "turn")

    def __init__(
        self,
        turn: Turn,
        linked: LinkedMessage,
        journey: LinkedJourney | None,
        run: Run | None,
        one: Proposal | Offer,
    ) -> None:
        self.turn = turn
        self.linked = linked
        self.journey = journey
        self.run = run
        self.one = one
        self.checks: list[Check] = []

    def consider(self, channels: tuple[str, ...]) -> Verdict:
        """Ask all checks on each channel in turn; the first that passes is used."""
        first = channels[0] if channels else ""
        early = self.met((self._wanted, self._held_out, self._eligible), self.candidate(first))
        if early is not None:
            return self.stopped(early, first)
        best: tuple[Check, str] | None = None
        on_channel = (
            self.reachable,
            self.suppressed,
            self._excluded,
            self._quiet,
            self._capped,
            self.prior,
        )
        for channel in channels:
            check = self.met(on_channel, self.candidate(channel))
            if check is None:
                return Verdict("admitted", channel, "", NEVER, tuple(self.checks))
            if best is None or _sooner(check, best[0]):
                best = (check, channel)
        if best is None:
            best = (Check("reachable", "deny", "no_channel"), first)
            self.checks.append(best[0])
        return self.stopped(*best)

    def consider_again(self, channel: str) -> Verdict:
        """A reload shows what is open already: it counts no second time, so caps are not asked."""
        asked = (self._wanted, self._held_out, self._eligible)
        on_channel = (self.reachable, self.suppressed, self.prior)
        stopped = self.met((*asked, *on_channel), self.candidate(channel))
        if stopped is not None:
            return self.stopped(stopped, channel)
        return Verdict("admitted", channel, "shown_already", NEVER, tuple(self.checks))

    def candidate(self, channel: str) -> Candidate:
        """The proposal as the policies see it on a channel."""
        message = self.linked.message
        journey = self.journey.name if self.journey else ""
        placement = self.one.placement if isinstance(self.one, Offer) else ""
        return Candidate(self.one.id, message.name, journey, message.tags, channel, placement)

    def met(self, asked: tuple[Ask, ...], c: Candidate) -> Check | None:
        """Ask checks in order; returns the one that stops it."""
        for ask in asked:
            check = ask(c)
            self.checks.append(check)
            if check.verdict != PASSED:
                return check
        return None

    def stopped(self, by: Check, channel: str) -> Verdict:
        """The verdict on what a check stopped (rule 4)."""
        checks = tuple(self.checks)
        outlasts = by.until >= self.one.expires_at and by.reason in TIMED
        if by.verdict == "hold" and not outlasts:
            until = Instant(min(by.until, self.one.expires_at))
            return Verdict("held", channel, by.reason, until, checks)
        return Verdict("denied", channel, by.reason, by.until, checks)

    def _wanted(self, _: Candidate) -> Check:
        """Check 1. A run that exited has taken its proposals with it: only time is left to ask."""
        if self.one.expires_at <= self.turn.now:
            return Check("wanted", "deny", "expired")
        if self.journey is not None:
            today = self.turn.program.states.get(self.journey.name)
            if today is not None and today.state == "paused":
                return Check("wanted", "hold", "journey_paused")
        return Check("wanted", PASSED)

    def _held_out(self, c: Candidate) -> Check:
        """Check 2. Transactional messages are never held out."""
        if self.linked.transactional:
            return Check("holdout", PASSED, "transactional")
        return policies.held_out(self.turn.program.holdouts, c, self.turn.profile)

    def _eligible(self, _: Candidate) -> Check:
        """Check 3: the message's and the journey's own conditions, evaluated now; and a code
        for its coupon, where it needs one.
        """
        scene = self.scene()
        if not self.linked.when.holds(scene):
            return Check("eligible", "deny", "message_not_eligible", self.linked.message.name)
        if self.journey is not None and not self.journey.when.holds(scene):
            return Check("eligible", "deny", "journey_not_eligible", self.journey.name)
        incentive = self.linked.message.incentive
        if incentive is not None and not incentives.has_code(self.turn, incentive, self.one.id):
            again = later(self.turn.now, Millis(limits.COUPON_RETRY_MS))
            return Check("eligible", "hold", "no_coupon", incentive.coupons, again)
        return Check("eligible", PASSED)

    def scene(self) -> Scene:
        """What the conditions of this message see."""
        run, turn = self.run, self.turn
        scene = turn.for_run(run) if run is not None else turn.for_profile()
        scene.message = describe(self.linked)
        return scene

    def reachable(self, c: Candidate) -> Check:
        """Check 4: an address that has not bounced, and consent for channel and topic."""
        profile = self.turn.profile
        if isinstance(self.one, Proposal) and c.channel in self.one.tried:
            return Check("reachable", "deny", "provider_refused", c.channel)
        trait = ledger.ADDRESS.get(c.channel)
        if trait is not None:
            address = profile.traits.get(trait)
            if not isinstance(address, str) or not address:
                return Check("reachable", "deny", "no_address", c.channel)
            if profile.unreachable.get(c.channel) == address:
                return Check("reachable", "deny", "bounced", c.channel)
        topic = self.linked.message.topic
        match consent(self.turn.program, profile, c.channel, topic):
            case "denied":
                return Check("reachable", "deny", "no_consent", f"{c.channel}/{topic}")
            case "pending":
                return Check("reachable", "deny", "consent_pending", f"{c.channel}/{topic}")
            case _:
                return Check("reachable", PASSED, "", c.channel)

    def suppressed(self, c: Candidate) -> Check:
        """Check 5: suppression rules, the default ones too. Transactional is never suppressed."""
        if self.linked.transactional:
            return Check("suppressed", PASSED, "transactional")
        for rule in self.turn.program.suppressions.of(c):
            check = self._ruled(rule, c)
            if check is not None:
                return check
        return Check("suppressed", PASSED)

    def _ruled(self, rule: LinkedSuppression, c: Candidate) -> Check | None:
        """What one suppression rule says."""
        policy = rule.policy
        match policy.rule:
            case "on_site_active":
                open_now = ledger.active(self.turn.profile)
                if open_now is None or c.channel in plan.ON_SITE:
                    return None
                until, detail = open_now.expires_at, open_now.message
                return Check("suppressed", policy.then, "on_site_active", detail, until)
            case "bought":
                product = self._bought(policy.lookback_ms)
                if not product:
                    return None
                return Check("suppressed", policy.then, "bought", product)
            case "when":
                scene = self.scene()
                scene.until = NEVER
                if not rule.condition.holds(scene):
                    return None
                until = Instant(scene.until)
                return Check("suppressed", policy.then, "suppressed", policy.name, until)
            case _:
                assert_never(policy.rule)

    def _bought(self, lookback_ms: int) -> str:
        """The first product the message is about that was bought since it was proposed."""
        one = self.one
        since = (one.proposed_at if isinstance(one, Proposal) else one.offered_at) - lookback_ms
        for product in one.about:
            if self.turn.profile.bought.get(product, -1) >= since:
                return product
        return ""

    def _excluded(self, c: Candidate) -> Check:
        """Check 6: competing incentives, better deals, journeys that exclude one another."""
        turn = self.turn
        incentive = self.linked.message.incentive
        if incentive is not None:
            check = self._outbid(incentive, c)
            if check is not None:
                return check
        for policy in turn.program.excluding.get(c.journey, ()):
            for other in turn.profile.runs:
                if other.journey == c.journey or other.journey not in policy.journeys:
                    continue
                if (other.entered_at, other.id) < _since(turn.profile, c.journey):
                    return Check("excluded", "hold", "excluded_journey", other.journey)
        return Check("excluded", PASSED)

    def _outbid(self, incentive: plan.Incentive, c: Candidate) -> Check | None:
        """What an incentive that is alive already says to another one."""
        turn = self.turn
        for held in turn.profile.grants:
            if not incentives.alive(held, turn.now) or incentives.carries(self.one.id, held.source):
                continue
            until = held.expires_at
            if _compete(turn.program, incentive.group, held.group):
                return Check("excluded", "hold", "competing_incentive", held.name, until)
            if held.journey != c.journey and held.worth < incentive.worth:
                return Check("excluded", "hold", "better_deal", held.name, until)
        return None

    def _quiet(self, c: Candidate) -> Check:
        """Check 7."""
        turn = self.turn
        if self.linked.transactional:
            return Check("quiet_hours", PASSED, "transactional")
        return policies.quiet(
            turn.program.quiet_hours, c, turn.now, turn.scene.zone, turn.profile.draw_key
        )

    def _capped(self, c: Candidate) -> Check:
        """Check 8."""
        turn = self.turn
        if self.linked.transactional:
            return Check("caps", PASSED, "transactional")
        check = policies.caps(turn.program.caps, c, turn.profile, turn.now, turn.scene.zone)
        if check.verdict == "hold" and check.until == NEVER and turn.profile.session is not None:
            # A session cap: the session may end by silence, it is looked at again then.
            return Check("caps", "hold", check.reason, check.detail, self._session_end())
        return check

    def prior(self, _: Candidate) -> Check:
        """Check 9: in a checkout, only what is checkout-critical or transactional passes."""
        session = self.turn.profile.session
        if session is None or session.checkout_at == NEVER:
            return Check("priority", PASSED)
        if self.linked.transactional or self.linked.message.checkout_critical:
            return Check("priority", PASSED)
        return Check("priority", "hold", "checkout", "", self._session_end())

    def _session_end(self) -> Instant:
        """When silence will have ended the live session."""
        session = self.turn.profile.session
        last_at = session.last_at if session is not None else NEVER
        return later(last_at, self.turn.program.workspace.session_ms)


def _sooner(one: Check, other: Check) -> bool:
    """Of two channels that were stopped: a hold is better than a denial, then the earlier."""
    if one.verdict != other.verdict:
        return one.verdict == "hold"
    return one.verdict == "hold" and one.until < other.until


def consent(program: Program, profile: Profile, channel: str, topic: str) -> str:
    """What the customer allows of a topic on a channel."""
    default = program.workspace.consent_default.get(channel, "granted")
    return allowed(profile, channel, topic, default)


def _compete(program: Program, group: str, other: str) -> bool:
    """Whether two incentive groups may not both be alive: the same, or named in one exclusion."""
    return group == other or other in program.competing.get(group, ())


def _since(profile: Profile, journey: str) -> tuple[int, str]:
    """Which run of a journey was there first, to be compared with another journey's."""
    mine = [(run.entered_at, run.id) for run in profile.runs if run.journey == journey]
    return min(mine, default=(NEVER, ""))


# ── sends ───────────────────────────────────────────────────────────────────────────


def decide(turn: Turn) -> list[tuple[Proposal, Verdict]]:
    """Decide all proposals that are due, the most relevant first; held ones stay in the profile."""
    profile = turn.profile
    due = [p for p in profile.proposals if _due(turn, p)]
    if not due:
        return []
    ordered: list[tuple[tuple[object, ...], Proposal, LinkedMessage | None]] = []
    for proposal in due:
        run = run_of(profile, proposal.run)
        linked = message_of(turn.program, run, proposal.message)
        key = rank(turn, linked, run, proposal.proposed_at, proposal.id) if linked else (True,)
        ordered.append((key, proposal, linked))
    ordered.sort(key=_first)
    answers: list[tuple[Proposal, Verdict]] = []
    for _, proposal, linked in ordered:
        verdict = _decide_one(turn, proposal, linked)
        if verdict.outcome == "held":
            proposal.retry_at, proposal.reason = verdict.until, verdict.reason
        else:
            profile.proposals.remove(proposal)
            answers.append((proposal, verdict))
    return answers


def _first(row: tuple[tuple[object, ...], Proposal, LinkedMessage | None]) -> tuple[object, ...]:
    return row[0]


TIMED = frozenset(("quiet_hours", "cap", "gap"))
"""Holds that end at a known instant, or all but surely not before it."""

CONDITIONAL = frozenset(
    (
        "on_site_active",
        "suppressed",
        "checkout",
        "journey_paused",
        "excluded_journey",
        "better_deal",
        "competing_incentive",
        "no_coupon",
        "cap",
        "gap",
    )
)
"""Holds that may end by something other than time, and so are asked again at every input."""


def _due(turn: Turn, proposal: Proposal) -> bool:
    return proposal.retry_at <= turn.now or (turn.touched != 0 and proposal.reason in CONDITIONAL)


def _decide_one(turn: Turn, proposal: Proposal, linked: LinkedMessage | None) -> Verdict:
    profile = turn.profile
    run = run_of(profile, proposal.run)
    journey = turn.program.journey(run.program, run.journey) if run else None
    if linked is None or run is None or journey is None:
        verdict = Verdict("denied", "", "run_over", NEVER, (Check("wanted", "deny", "run_over"),))
    else:
        hearing = Hearing(turn, linked, journey, run, proposal)
        verdict = hearing.consider(channels_of(journey, proposal))
        if verdict.outcome == "admitted":
            others = [one for one in channels_of(journey, proposal) if one != verdict.channel]
            left = any(hearing.reachable(hearing.candidate(o)).verdict == PASSED for o in others)
            _admit(turn, proposal, linked, run, verdict.channel, fallback=left)
    if verdict.outcome == "held" and proposal.reason == verdict.reason:
        return verdict
    turn.notes.append(
        Considered(
            proposal=proposal.id,
            message=proposal.message,
            journey=run.journey if run else "",
            run=proposal.run,
            outcome=verdict.outcome,
            channel=verdict.channel,
            reason=verdict.reason,
            until=verdict.until,
            checks=verdict.checks,
            send=send_id_of(proposal) if verdict.outcome == "admitted" else "",
        )
    )
    return verdict


def send_id_of(proposal: Proposal) -> str:
    """The identity of a proposal's send; a fallback to the next channel is another send."""
    return f"{proposal.id}~{len(proposal.tried)}" if proposal.tried else proposal.id


def _admit(
    turn: Turn,
    proposal: Proposal,
    linked: LinkedMessage,
    run: Run,
    channel: str,
    *,
    fallback: bool,
) -> None:
    """Write the ledger, promise the incentive, queue the send."""
    message = linked.message
    send_id = send_id_of(proposal)
    ledger.write(
        turn,
        Sent(
            id=send_id,
            message=message.name,
            channel=channel,
            journey=run.journey,
            run=run.id,
            step=proposal.step,
            at=turn.now,
            session=turn.profile.session.number if turn.profile.session else 0,
            tags=list(message.tags),
            about=proposal.about,
            bounds=[proposal.proposed_at, proposal.expires_at],
            tried=proposal.tried,
            event=proposal.event,
        ),
    )
    promise(turn, linked, run.journey, send_id, proposal.id)
    turn.effects.append(
        Send(
            id=send_id,
            message=message.name,
            channel=channel,
            address=_address(turn.profile, channel),
            program=run.program,
            data=data_for(turn, linked, run, proposal.event, proposal.id),
            not_after=proposal.expires_at,
            purpose=message.purpose,
            journey=run.journey,
            run=run.id,
            fallback=fallback,
        )
    )


def promise(turn: Turn, linked: LinkedMessage, journey: str, source: str, proposal_id: str) -> None:
    """Promise the incentive of a message that a proposal or standing offer brought out."""
    incentive = linked.message.incentive
    if incentive is None:
        return
    incentives.promise(
        turn,
        Grant(
            name=incentive.name,
            group=incentive.group,
            worth=incentive.worth,
            source=source,
            journey=journey,
            offered_at=turn.now,
            expires_at=Instant(turn.now + incentive.lasts_ms),
            code=incentive.code,
            pool=incentive.coupons,
        ),
        proposal_id,
    )


# ── what a message is made of ───────────────────────────────────────────────────────


def run_of(profile: Profile, run_id: str) -> Run | None:
    """The live run with this id."""
    for run in profile.runs:
        if run.id == run_id:
            return run
    return None


def message_of(program: Program, run: Run | None, name: str) -> LinkedMessage | None:
    """A message as it was in the program in which the run entered."""
    return program.message(run.program if run else program.name, name)


def channels_of(journey: LinkedJourney, proposal: Proposal) -> tuple[str, ...]:
    """The channels that a proposal's step names, in order of preference."""
    linked = journey.nodes.get(proposal.step)
    match linked.node if linked else None:
        case plan.Send(channels=channels):
            return channels
        case plan.Choose(options=options):
            return next((o.channels for o in options if o.name == proposal.option), ())
        case _:
            return ()


def describe(linked: LinkedMessage) -> Record:
    """A message as conditions see it, under `message`."""
    message = linked.message
    return {
        "name": message.name,
        "purpose": message.purpose,
        "topic": message.topic,
        "priority": message.priority,
        "tags": list(message.tags),
    }


def _address(profile: Profile, channel: str) -> str:
    trait = ledger.ADDRESS.get(channel)
    address = profile.traits.get(trait) if trait else None
    return address if isinstance(address, str) else ""


def data_for(
    turn: Turn, linked: LinkedMessage, run: Run | None, event: Record, proposal_id: str
) -> Record:
    """What the templates of a message see."""
    profile = turn.profile
    return {
        "traits": dict(profile.traits),
        "properties": event,
        "entry": run.entry if run else {},
        "vars": dict(run.vars) if run else {},
        "profile": {
            "id": profile.id,
            "zone": profile.zone or turn.program.workspace.zone,
            **({"simulated": True} if profile.simulated else {}),
        },
        "message": {"name": linked.message.name, "topic": linked.message.topic},
        "incentive": incentives.describe(turn, linked.message.incentive, proposal_id),
        "now": turn.now,
        "workspace": {
            "name": turn.program.workspace.name,
            "zone": turn.program.workspace.zone,
            "currency": turn.program.workspace.currency,
        },
    }

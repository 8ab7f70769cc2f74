"""Bugs to plant: each a small change to a copy of the source, which the swarm has to find.

Rule: a text stands exactly once in its file; where the source has moved on, the runner says so.
"""

from typing import NamedTuple


class Mutation(NamedTuple):
    """A bug: what it is, the file below `segue`, the text, and what stands there instead."""

    name: str
    file: str
    old: str
    new: str


PLANTED = (
    Mutation(
        "a cap admits one more",
        "kernel/policies.py",
        "if len(taken) < cap.most:",
        "if len(taken) <= cap.most:",
    ),
    Mutation(
        "a cap counts what failed",
        "kernel/policies.py",
        'COUNTED_NOT = ("failed", "cancelled")',
        'COUNTED_NOT = ("cancelled",)',
    ),
    Mutation(
        "a cap's window is closed on the wrong side",
        "kernel/policies.py",
        "inside = line.at > since",
        "inside = line.at >= since",
    ),
    Mutation(
        "a gap is a millisecond too long",
        "kernel/policies.py",
        "if last is None or last + gap.least_ms <= now:",
        "if last is None or last + gap.least_ms < now:",
    ),
    Mutation(
        "quiet hours are in UTC",
        "kernel/arbiter.py",
        "turn.program.quiet_hours, c, turn.now, turn.scene.zone, turn.profile.draw_key",
        "turn.program.quiet_hours, c, turn.now, turn.program.zones['UTC'], turn.profile.draw_key",
    ),
    Mutation(
        "a window of history is closed on the wrong side",
        "kernel/history.py",
        "        leaves_at = times[from_end] + window_ms\n        if leaves_at <= scene.now:\n"
        "            return not answer\n"
        "        if leaves_at < scene.until:  # noqa: PLR1730 - `min` takes four times as long\n"
        "            scene.until = leaves_at\n        return answer\n\n    return ask\n\n\n"
        "def _more",
        "        leaves_at = times[from_end] + window_ms\n        if leaves_at < scene.now:\n"
        "            return not answer\n"
        "        if leaves_at < scene.until:\n"
        "            scene.until = leaves_at\n        return answer\n\n    return ask\n\n\n"
        "def _more",
    ),
    Mutation(
        "a sequence takes two events of one instant",
        "kernel/sequences.py",
        "        index = bisect_right(times, at)\n        if index == len(times):\n            return None",
        "        index = bisect_right(times, at - 1)\n"
        "        if index == len(times):\n            return None",
    ),
    Mutation(
        "a sequence forgets what must not come between",
        "kernel/sequences.py",
        "            if any(_strictly_inside(times, first, last) for times in between):",
        "            if False and between:",
    ),
    Mutation(
        "an exit is not asked",
        "kernel/journeys.py",
        "        if walk.met(turn, leave, event):",
        "        if event is None and walk.met(turn, leave, event):",
    ),
    Mutation(
        "an exit withdraws nothing",
        "kernel/walk.py",
        '    if reason != "completed":\n        ledger.withdraw',
        '    if reason == "goal":\n        ledger.withdraw',
    ),
    Mutation(
        "a stronger path withdraws nothing",
        "kernel/journeys.py",
        "turn, run.id, linked.inside[place.adapt],",
        "turn, run.id, frozenset(('nothing',)),",
    ),
    Mutation(
        "an adaptive branch moves down",
        "kernel/journeys.py",
        "(way < place.way and not branch.node.both_ways)",
        "(way < place.way and branch.node.both_ways)",
    ),
    Mutation(
        "a path is left after it committed",
        "kernel/journeys.py",
        "if place.adapt in run.committed or not isinstance(branch.node, plan.Adapt):",
        "if not isinstance(branch.node, plan.Adapt):",
    ),
    Mutation(
        "a hold is released without being decided afresh",
        "kernel/arbiter.py",
        "        verdict = hearing.consider(channels_of(journey, proposal))",
        "        verdict = hearing.consider(channels_of(journey, proposal))\n"
        '        if proposal.reason not in ("", "retry") and verdict.outcome == "denied":\n'
        '            verdict = Verdict("admitted", channels_of(journey, proposal)[0], "", NEVER, ())',
    ),
    Mutation(
        "expiry is ignored",
        "kernel/arbiter.py",
        "if self.one.expires_at <= self.turn.now:",
        "if self.one.expires_at < 0:",
    ),
    Mutation(
        "a timed hold may outlast the expiry",
        "kernel/arbiter.py",
        "by.until >= self.one.expires_at and by.reason in TIMED",
        "by.until > self.one.expires_at + 3_600_000 and by.reason in TIMED",
    ),
    Mutation(
        "consent is granted where the workspace denies it",
        "kernel/arbiter.py",
        'default = program.workspace.consent_default.get(channel, "granted")',
        'default = "granted"',
    ),
    Mutation(
        "the loosest consent wins",
        "kernel/predicate.py",
        'next((state for state in ("denied", "pending", "granted") if state in said), default)',
        'next((state for state in ("granted", "pending", "denied") if state in said), default)',
    ),
    Mutation(
        "withdrawn consent lets the queue go on",
        "kernel/step.py",
        '            ledger.cancel(turn, line, "no_consent")',
        "            pass",
    ),
    Mutation(
        "a holdout is drawn anew by message",
        "kernel/policies.py",
        '        out = chance.share(stream, profile.draw_key, "", policy.share)',
        '        out = chance.share(stream, profile.draw_key, "again", policy.share)',
    ),
    Mutation(
        "a holdout is lost in a merge",
        "kernel/merge.py",
        "if stream.startswith(policies.HOLDOUT) and policies.HELD_OUT in drawn:",
        'if stream.startswith("nothing") and policies.HELD_OUT in drawn:',
    ),
    Mutation(
        "a merge drops the other's ledger",
        "kernel/merge.py",
        "sorted([*mine.ledger, *other.ledger], key",
        "sorted([*mine.ledger], key",
    ),
    Mutation(
        "a merge keeps two runs of one journey",
        "kernel/merge.py",
        "if (run.journey, run.key) not in taken:",
        "if (run.id, run.key) not in taken:",
    ),
    Mutation(
        "competing incentives are not excluded",
        "kernel/arbiter.py",
        "return group == other or other in",
        "return other in",
    ),
    Mutation(
        "an open offer does not hold messages",
        "kernel/ledger.py",
        "(offer for offer in profile.offers if offer.shown_at != NEVER), None)",
        "(offer for offer in profile.offers if offer.shown_at < 0), None)",
    ),
    Mutation(
        "a checkout holds nothing",
        "kernel/arbiter.py",
        "if session is None or session.checkout_at == NEVER:",
        "if session is None or session.checkout_at != NEVER:",
    ),
    Mutation(
        "a fallback goes under the same id",
        "kernel/arbiter.py",
        'return f"{proposal.id}~{len(proposal.tried)}" if proposal.tried else proposal.id',
        "return proposal.id",
    ),
    Mutation(
        "a bounce does not end the address",
        "kernel/arbiter.py",
        "if profile.unreachable.get(c.channel) == address:",
        "if profile.unreachable.get(c.channel) == c.channel:",
    ),
    Mutation(
        "re-entry is never refused",
        "kernel/journeys.py",
        "journey.reentry_ms < 0 or before.last_at + journey.reentry_ms > turn.now",
        "journey.reentry_ms < 0 and before.last_at + journey.reentry_ms > turn.now",
    ),
    Mutation(
        "a late event counts when it arrived",
        "kernel/features.py",
        "dirty |= _trace(trails, stream, at, value, now)",
        "dirty |= _trace(trails, stream, now, value, now)",
    ),
    Mutation(
        "the wake-up forgets segments",
        "kernel/step.py",
        "        instants += profile.segments_due.values()",
        "        pass",
    ),
    Mutation(
        "a session ends one millisecond late",
        "kernel/session.py",
        "profile.session.last_at + rules.session_ms <= now",
        "profile.session.last_at + rules.session_ms < now",
    ),
    Mutation(
        "how often the same came falls too late",
        "kernel/history.py",
        "oldest.setdefault(told, index)",
        "oldest[told] = index",
    ),
    Mutation(
        "a session that ends is over before its event is asked for",
        "kernel/step.py",
        "        # Conditions of the event still see the session that is over.\n",
        "        session.end(profile)\n",
    ),
    Mutation(
        "an event of one segment happens at the change of any",
        "kernel/derived.py",
        'if one.derived.segment not in ("", own.get("segment", "")):',
        "if one.derived.on:",
    ),
    Mutation(
        "an event at a moment ignores its condition",
        "kernel/derived.py",
        "if one.condition.holds(scene):\n            properties = {",
        "if one.condition.ask(scene) != ():\n            properties = {",
    ),
    Mutation(
        "what may have been sent is sent again",
        "hosts/verdicts.py",
        '        case "unknown":\n            return lost(row, now, outcome.detail)',
        '        case "unknown":\n            return _again(row, outcome, now)',
    ),
    Mutation(
        "what was never delivered stays promised",
        "kernel/ledger.py",
        '            _settle(turn, line, "failed", said.reason)\n            incentives.revoke(turn, line.id)\n',
        '            _settle(turn, line, "failed", said.reason)\n',
    ),
    Mutation(
        "a coupon code is never given back",
        "kernel/incentives.py",
        '            turn.moves.append(CouponMove(grant.pool, grant.code, "returned", grant.source))\n',
        "            pass\n",
    ),
    Mutation(
        "an incentive expires a millisecond late",
        "kernel/incentives.py",
        "if due_at(one) <= turn.now]",
        "if due_at(one) < turn.now]",
    ),
    Mutation(
        "a dry pool stops a message for good",
        "kernel/arbiter.py",
        'return Check("eligible", "hold", "no_coupon"',
        'return Check("eligible", "deny", "no_coupon"',
    ),
    Mutation(
        "a run that should exit at publishing drains",
        "kernel/journeys.py",
        '        if mode == "exit":\n',
        '        if mode == "leave":\n',
    ),
    Mutation(
        "a run that should migrate drains",
        "kernel/journeys.py",
        "    run.program = turn.program.name\n    if older is None",
        "    if older is None",
    ),
    Mutation(
        "a migrating run waits at a step that waits no more",
        "kernel/journeys.py",
        "    if older is None or run.lingers_to is not None:\n",
        "    if True:\n",
    ),
    Mutation(
        "a bin of a model is closed on the wrong side",
        "kernel/models.py",
        "list(map(bisect_right, model.cuts, model.pick(values)))",
        "[bisect_right(c, v - 1e-9) for c, v in zip(model.cuts, model.pick(values), strict=True)]",
    ),
    Mutation(
        "a score stands though a bin has changed",
        "kernel/models.py",
        "known.bins == bins and",
        "known.bins[:1] == bins[:1] and",
    ),
    Mutation(
        "a silence is not broken",
        "kernel/derived.py",
        "        profile.silences.pop(name, None)\n",
        "        profile.silences.get(name)\n",
    ),
    Mutation(
        "a silence is not begun again",
        "kernel/derived.py",
        "profile.silences[one.derived.name] = Silence(due_at, properties)",
        "profile.silences.setdefault(one.derived.name, Silence(due_at, properties))",
    ),
    Mutation(
        "quiet hours begin on the wrong weekday",
        "kernel/calendar.py",
        "        if weekdays and (day + 3) % 7 + 1 not in weekdays:",
        "        if weekdays and (day + 4) % 7 + 1 not in weekdays:",
    ),
    Mutation(
        "a paused journey sends",
        "kernel/arbiter.py",
        'if today is not None and today.state == "paused":',
        'if today is not None and today.state == "draft":',
    ),
    Mutation(
        "a consent that is not confirmed will do",
        "kernel/arbiter.py",
        '            case "pending":\n',
        '            case "never":\n',
    ),
    Mutation(
        "a key has two runs at once",
        "kernel/journeys.py",
        "            if run.key == key:",
        "            if run.key == key and not key:",
    ),
    Mutation(
        "one run too many",
        "kernel/journeys.py",
        "    if live >= journey.runs_max",
        "    if live > journey.runs_max",
    ),
    Mutation(
        "a loop is taken once more",
        "kernel/walk.py",
        "    if done < node.times and",
        "    if done <= node.times and",
    ),
    Mutation(
        "a run leaves a branch in which its offer stands",
        "kernel/walk.py",
        "        if any(o.run == run.id and o.step in inside for o in turn.profile.offers):\n            return True\n",
        "        if not inside:\n            return True\n",
    ),
    Mutation(
        "a merge forgets how often a journey was entered",
        "kernel/merge.py",
        "    return Entered(one.count + other.count,",
        "    return Entered(one.count,",
    ),
    Mutation(
        "a report moves a line down",
        "kernel/ledger.py",
        "    if RANK[state] <= RANK[line.state]:\n        return\n",
        "",
    ),
    Mutation(
        "repeated events count again",
        "hosts/batch.py",
        "if given.id in self._accepted:",
        "if not given.id:",
    ),
    Mutation(
        "a hold by quiet hours is not paced",
        "kernel/policies.py",
        "if policy.pace_ms:",
        "if policy.pace_ms < 0:",
    ),
    Mutation(
        "a goal is not bound to its time",
        "kernel/walk.py",
        "if turn.now > run.goal_until or not met",
        "if not met",
    ),
    Mutation(
        "a merge takes the looser consent",
        "kernel/merge.py",
        "return min(one, other, key=lambda c: (-STRICTNESS[c.state], c.at, c.source))",
        "return max(one, other, key=lambda c: (-STRICTNESS[c.state], c.at, c.source))",
    ),
    Mutation(
        "a better deal is offered at once",
        "kernel/arbiter.py",
        "if held.journey != c.journey and held.worth < incentive.worth:",
        "if held.journey != c.journey and held.worth > incentive.worth:",
    ),
    Mutation(
        "what was bought is still promoted",
        "kernel/step.py",
        '            ledger.cancel(turn, line, "bought")',
        "            pass",
    ),
    Mutation(
        "a reload counts again",
        "kernel/placements.py",
        "    if not again:\n        ledger.write(",
        "    if True:\n        ledger.write(",
    ),
    Mutation(
        "a claim is not told",
        "hosts/batch.py",
        "        for claim in work.claims:\n",
        "        for claim in ():\n",
    ),
    Mutation(
        "an offer takes another code in each session",
        "kernel/incentives.py",
        "        if carried(turn.profile, proposal_id) is not None:\n            return\n",
        "",
    ),
    Mutation(
        "naming a coupon redeems it, with no order",
        "kernel/incentives.py",
        "(grant.code == code and (converts or named))",
        "(grant.code == code)",
    ),
    Mutation(
        "an inner branch is asked before the outer one",
        "kernel/journeys.py",
        "    for place in linked.journey.within.get(run.step, ()):\n        branch",
        "    for place in reversed(linked.journey.within.get(run.step, ())):\n        branch",
    ),
    Mutation(
        "of an hour that comes twice the second is meant",
        "kernel/calendar.py",
        "    while i < last and wall_ms - offsets[i] >= starts[i + 1]:",
        "    while i < last and wall_ms - offsets[i + 1] >= starts[i + 1]:",
    ),
    Mutation(
        "the clock's change is half an hour late",
        "kernel/calendar.py",
        "    return offsets[max(bisect_right(zone.starts, at) - 1, 0)]",
        "    return offsets[max(bisect_right(zone.starts, at - 1_800_000) - 1, 0)]",
    ),
    Mutation(
        "priority is upside down",
        "kernel/arbiter.py",
        "        -message.priority,\n",
        "        message.priority,\n",
    ),
    Mutation(
        "what an item was is what it is",
        "kernel/catalog.py",
        "scene.before = _named(change.id, change.before)",
        "scene.before = _named(change.id, change.after)",
    ),
    Mutation(
        "who looked a moment too early hears of a change",
        "stores/items.py",
        "one.at > audience.since",
        "one.at >= audience.since",
    ),
    Mutation(
        "who looked at one of several products hears of none",
        "kernel/shelves.py",
        "for each in (properties, *(listed if isinstance(listed, list | tuple) else ())):",
        "for each in (properties,):",
    ),
    Mutation(
        "a merge forgets what was looked at",
        "stores/items.py",
        "for key in self._keys_of.pop(absorbed, ()):",
        "for key in self._keys_of.pop(absorbed, set()) & set():",
    ),
    Mutation(
        "a ranking keeps its order when a number changes",
        "kernel/shelves.py",
        "    if was == now:\n",
        "    if was[1] == now[1]:\n",
    ),
    Mutation(
        "a ranking takes what it must leave out",
        "kernel/shelves.py",
        "if found.holds is not True or worth is None:",
        "if worth is None:",
    ),
    Mutation(
        "a ranking gives one too many",
        "kernel/shelves.py",
        "[: linked.ranking.most]",
        "[: linked.ranking.most + 1]",
    ),
    Mutation(
        "an item that is taken away is still there",
        "kernel/shelves.py",
        "return self._kept.get(item, _NO_ITEM) if found is None else found",
        "return found or self._kept.get(item, _NO_ITEM)",
    ),
    Mutation(
        "the catalog stays as it was at the start",
        "hosts/teller.py",
        "            self.catalog = self.catalog.changed(map(change_of, lines))\n",
        "            self.catalog = self.catalog.changed(map(change_of, lines[:0]))\n",
    ),
    Mutation(
        "what went stale at a provider goes again",
        "kernel/ledger.py",
        "            if line.recalled:",
        "            if line.recalled and line.state != 'queued':",
    ),
)
"""Every one of them must be caught; `caught.json` says by which world."""

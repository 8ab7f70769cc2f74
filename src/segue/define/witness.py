"""Customers who hold two incentives at once, found by living their lives in the kernel itself.

Rule 1: never guessed: a witness is a list of inputs after which the kernel, with every
    guardrail on, says that both incentives are alive.
Rule 2: bounded and repeatable: so many inputs, best first, no chance but the kernel's own.
Rule 3: only what makes a customer unlucky is left out: holdouts, which are drawn.

The life begins on a Monday morning (UTC), with an address for every channel and every
consent given. What is done next comes from `moves.py`; a life is the better the closer its
runs stand to the steps that give the incentives.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never, cast

import msgspec
import re2

from segue.define.graph import steps_to
from segue.define.limits import WITNESS_STEPS_MAX
from segue.define.moves import Asks, Becomes, Calls, Does, Move, Waits, moves
from segue.define.outline import spell_time
from segue.kernel import incentives, ledger, plan
from segue.kernel.effects import Send
from segue.kernel.expression import All, Expression
from segue.kernel.inputs import Asked, Called, Consented, Event, Input, Reported, Woke
from segue.kernel.profile import Profile, create
from segue.kernel.program import Program, link
from segue.kernel.step import step
from segue.kernel.values import DAY, NEVER, Instant, Millis, ProfileId, Record, Value

START = Instant(1_767_607_200_000)
"""2026-01-05T10:00Z, a Monday."""

_LIVES = 4
"""Customers tried, each with another luck in draws."""

_SAME_MAX_STATES = 3
_PROBE = "?"
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Profile).decode


class Deal(msgspec.Struct, frozen=True):
    """An incentive as a step of a journey gives it."""

    journey: plan.Journey
    step: str
    message: plan.Message
    incentive: plan.Incentive


class Witness(msgspec.Struct, frozen=True):
    """What a customer did, in words, until both incentives were alive."""

    lines: tuple[str, ...]


class _Life:
    """A customer so far."""

    __slots__ = ("done", "now", "profile", "spent")

    def __init__(self, profile: bytes, now: Instant, done: tuple[Move, ...]) -> None:
        self.profile = profile
        self.now = now
        self.done = done
        self.spent = 0


def search(found: plan.Plan, one: Deal, other: Deal) -> Witness | None:
    """A customer for whom both are alive at one instant; None where none was found."""
    return _Search(found, one, other).run()


def _patterns(pattern: str) -> Callable[[str], bool]:
    options = re2.Options()
    options.log_errors = False
    compiled: Any = re2.compile(pattern, options)  # pyright: ignore[reportUnknownMemberType]
    search = cast("Callable[[str], object]", compiled.search)
    return lambda text: search(text) is not None


class _Search:
    """One search: the program with a probe for each part of the conditions on the way."""

    def __init__(self, found: plan.Plan, one: Deal, other: Deal) -> None:
        self.deals = (one, other)
        self.moves = moves(found, [one.journey, other.journey], START)
        self.distances = [steps_to(deal.journey, deal.step) for deal in self.deals]
        self.probes: list[list[str]] = []
        self.program = self.linked(found)
        self.spent = 0

    def linked(self, found: plan.Plan) -> Program:
        """The plan without holdouts, its conditions of entry taken apart into probes."""
        policies = [p for p in found.policies if not isinstance(p, plan.Holdout)]
        extra: list[plan.Segment] = []
        for deal in self.deals:
            names: list[str] = []
            for condition in _entry_conditions(found, deal.journey):
                names.append(f"{_PROBE}{len(extra)}")
                extra.append(plan.Segment(name=names[-1], when=condition))
            self.probes.append(names)
        probing = msgspec.structs.replace(
            found, policies=tuple(policies), segments=(*found.segments, *extra)
        )
        return link(probing, name="witness", patterns=_patterns)

    def run(self) -> Witness | None:
        for number in range(1, _LIVES + 1):
            done = self.live(number, WITNESS_STEPS_MAX * number // _LIVES)
            if done is not None:
                return self.told(number, self.shrunk(number, done))
        return None

    def live(self, number: int, budget: int) -> tuple[Move, ...] | None:
        """Best first from a customer's beginning."""
        begun = self.begin(number)
        heap = [(self.far(_decode(begun.profile), begun.now), 0, begun)]
        seen: dict[object, int] = {}
        count = 0
        while heap and self.spent < budget:
            _, _, life = heapq.heappop(heap)
            for move in self.moves:
                after = self.after(life, move)
                if after is None:
                    continue
                profile = _decode(after.profile)
                far = self.far(profile, after.now)
                if far == 0:
                    return after.done
                sign = (far, _signature(profile))
                if seen.get(sign, 0) >= _SAME_MAX_STATES:
                    continue
                seen[sign] = seen.get(sign, 0) + 1
                count += 1
                heapq.heappush(heap, (far + len(after.done) / 2, count, after))
        return None

    def begin(self, number: int) -> _Life:
        """A customer who can be reached everywhere."""
        profile = create(ProfileId(f"witness-{number}"), START)
        traits: Record = dict.fromkeys(ledger.ADDRESS.values(), "someone@example.com")
        life = _Life(_encode(profile), START, ())
        said: list[Input] = [_identified(traits, START)]
        said += [
            Consented(channel=channel, topic="*", state="granted", at=START)
            for channel in (*plan.OUTBOUND, *plan.ON_SITE)
        ]
        self.answer(profile, said, START)
        return _Life(_encode(profile), life.now, ())

    def after(self, life: _Life, move: Move) -> _Life | None:
        """The life one move later; None where the move means nothing."""
        profile = _decode(life.profile)
        now = life.now
        match move:
            case Does(event=name, properties=properties, times=times):
                for number in range(times):
                    now = Instant(now + 1_000)
                    self.pass_to(profile, now)
                    key = f"{now}-{number}"
                    event = Event(id=key, name=name, at=now, properties=properties)
                    self.answer(profile, [event], now)
            case Becomes(traits=traits):
                now = Instant(now + 1_000)
                self.pass_to(profile, now)
                self.answer(profile, [_identified(traits, now)], now)
            case Waits(ms=ms):
                now = Instant(now + ms) if ms else profile.wake_at
                if now >= NEVER or now > life.now + 400 * DAY:
                    return None
                self.pass_to(profile, now)
            case Asks(placement=placement):
                if not any(offer.placement == placement for offer in profile.offers):
                    return None
                now = Instant(now + 1_000)
                self.pass_to(profile, now)
                self.answer(profile, [Asked(id=f"q{now}", placements=(placement,))], now)
            case Calls(journey=journey):
                now = Instant(now + 1_000)
                self.pass_to(profile, now)
                self.answer(profile, [Called(id=f"c{now}", journey=journey)], now)
            case _:
                assert_never(move)
        return _Life(_encode(profile), now, (*life.done, move))

    def pass_to(self, profile: Profile, to: Instant) -> None:
        """Let what falls due on the way happen at its own instant."""
        while profile.wake_at <= to and self.spent < 2 * WITNESS_STEPS_MAX:
            self.answer(profile, [Woke()], profile.wake_at)

    def answer(self, profile: Profile, said: Sequence[Input], now: Instant) -> None:
        """Step; what is sent is taken by its provider at once."""
        for each in said:
            self.spent += 1
            answer = step(self.program, profile, each, now)
            sent = [effect.id for effect in answer.effects if isinstance(effect, Send)]
            for one in sent:
                self.spent += 2
                step(self.program, profile, Reported(send_id=one, outcome="claimed"), now)
                step(self.program, profile, Reported(send_id=one, outcome="accepted"), now)

    # ── how far it is ───────────────────────────────────────────────────────────────

    def far(self, profile: Profile, now: Instant) -> float:
        """0 where both incentives are alive; the more the further away that is."""
        return sum(
            self.far_from(profile, now, deal, distances, probes)
            for deal, distances, probes in zip(self.deals, self.distances, self.probes, strict=True)
        )

    def far_from(
        self,
        profile: Profile,
        now: Instant,
        deal: Deal,
        distances: Mapping[str, int],
        probes: Sequence[str],
    ) -> float:
        name = deal.journey.name
        for grant in profile.grants:
            mine = grant.journey == name and grant.name == deal.incentive.name
            if mine and incentives.alive(grant, now):
                return 0
        standing = [one.message for one in profile.proposals]
        standing += [one.message for one in profile.offers]
        if deal.message.name in standing:
            return 1
        here = [run.step for run in profile.runs if run.journey == name and run.step in distances]
        if here:
            return 2 + min(distances[step] for step in here) / 10
        return 10 + sum(probe not in profile.segments for probe in probes)

    # ── telling ─────────────────────────────────────────────────────────────────────

    def shrunk(self, number: int, done: tuple[Move, ...]) -> tuple[Move, ...]:
        """The same life without what it did in vain."""
        for at in range(len(done) - 1, -1, -1):
            fewer = (*done[:at], *done[at + 1 :])
            if self.holds_both(number, fewer):
                done = fewer
        return done

    def holds_both(self, number: int, done: Sequence[Move]) -> bool:
        life = self.begin(number)
        for move in done:
            after = self.after(life, move)
            if after is None:
                return False
            life = after
        return self.far(_decode(life.profile), life.now) == 0

    def told(self, number: int, done: Sequence[Move]) -> Witness:
        """The life in words, and what is alive at its end."""
        life = self.begin(number)
        lines = [
            "a customer with an address and consent for every channel, on a Monday at 10:00 UTC"
        ]
        for move in done:
            before = life.now
            after = self.after(life, move)
            assert after is not None
            life = after
            lines.append(_spell(move, Millis(life.now - before)))
        profile = _decode(life.profile)
        both = [g for g in profile.grants if incentives.alive(g, life.now)]
        alive = " and ".join(f"{g.name!r} ({g.group}, journey {g.journey!r})" for g in both)
        return Witness((*lines, f"now {alive} are alive"))


def _identified(traits: Record, now: Instant) -> Event:
    return Event(id=f"i{now}", name="Profile Identified", at=now, kind="identify", traits=traits)


def _signature(profile: Profile) -> object:
    """What makes two lives alike as far as the search cares."""
    return (
        tuple(sorted(profile.segments)),
        repr(sorted(profile.traits.items())),
        tuple(sorted((run.journey, run.step, repr(run.entry)) for run in profile.runs)),
        tuple(sorted((name, repr(one.properties)) for name, one in profile.silences.items())),
        tuple(sorted(grant.name for grant in profile.grants)),
        tuple(sorted(one.reason for one in profile.proposals)),
    )


def _entry_conditions(found: plan.Plan, journey: plan.Journey) -> list[Expression]:
    """The parts of what must hold for the first way into a journey that can be asked any time."""
    by_name = {each.name: each for each in found.segments}
    entry = journey.entries[0]
    if isinstance(entry, plan.OnSegment | plan.OnSchedule):
        return [*_parts(by_name[entry.segment].when), *_parts(entry.when)]
    before = [
        part
        for each in found.derived
        if isinstance(entry, plan.OnEvent) and each.name in entry.events
        for part in _parts(each.when)
    ]
    return [*before, *_parts(entry.when)]


def _parts(when: Expression) -> list[Expression]:
    return list(when.parts) if isinstance(when, All) else [when]


def _spell(move: Move, took: Millis) -> str:
    match move:
        case Does(event=name, properties=properties, times=times):
            often = f"{times} × " if times > 1 else ""
            return f"{often}{name!r} with {_listed(properties)}"
        case Becomes(traits=traits):
            return f"traits {_listed(traits)}"
        case Waits():
            return f"{spell_time(took)} pass"
        case Asks(placement=placement):
            return f"their page asks for {placement!r}"
        case Calls(journey=journey):
            return f"journey {journey!r} is called by API"
        case _:
            assert_never(move)


def _listed(fields: Mapping[str, Value]) -> str:
    shown = msgspec.json.encode(fields, order="sorted").decode()
    return shown[1:-1].replace('":', '": ').replace(',"', ', "') or "nothing"

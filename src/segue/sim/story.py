"""A world as a story: what was said, what came of it, and the definitions in a few words.

Told from the tape, so it tells what the auditor saw, and nothing that the host only believes.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import assert_never

import msgspec

from segue.define import outline
from segue.kernel import effects as fx, expression as ex, plan, trace
from segue.kernel.inputs import Asked, Called, Consented, Event, Reported
from segue.kernel.values import NEVER
from segue.sim import tape
from segue.sim.auditor_conditions import parts

_SHORT = 6
"""Characters of a customer's id."""


def told(record: tape.Tape) -> Iterator[str]:
    """The tape, line by line; what came of an entry stands indented below it."""
    for entry in record.entries:
        match entry:
            case tape.Published(at=at, name=name, modes=modes):
                yield f"{clock(at)} program {name} is in force{f', {modes}' if modes else ''}"
            case tape.Filled(at=at, pool=pool, codes=codes):
                yield f"{clock(at)} {len(codes)} codes come into {pool}"
            case tape.Stocked(at=at, items=items):
                for catalog, name, said in items:
                    yield f"{clock(at)} {catalog}/{name} becomes {said or 'gone'}"
            case tape.Committed():
                yield from _committed(entry)
            case tape.Handed(at=at, send=send, outcome=outcome):
                yield f"{clock(at)} {_name(send)} is handed over: {outcome}"
            case tape.Down(since=since, until=until, why=why):
                yield f"{clock(since)} {why}, till {clock(until)}"
            case tape.Claimed() | tape.Told() | tape.Looked() | tape.Ended():
                pass  # what matters of them shows elsewhere
            case _:
                assert_never(entry)


def _committed(entry: tape.Committed) -> Iterator[str]:
    came = [f"    {_name(one.profile)} {line}" for one in entry.kept for line in _came(one)]
    said = [_said(given) for given in entry.given]
    if not came and not said:
        return
    woken = [f"time wakes {_name(one)}" for one in entry.wakes]
    adopting = [f"{_name(one)} adopts the program" for one in entry.adopts]
    told = [f"{_name(one)} hears of an item" for one, _ in entry.tells]
    what = "; ".join(woken + adopting + told + said)
    yield f"{clock(entry.at)} {what or 'the queue is settled'}"
    yield from came


def _said(given: tape.Given) -> str:
    said = given.said
    who = given.user_id or given.anonymous_id or _name(given.profile)
    match said:
        case Event():
            who = said.user_id or said.anonymous_id or "nobody"
            more = {**said.properties, **said.traits}
            return f"{said.id} {said.name} of {who} at {clock(said.at)} {more or ''}".rstrip()
        case Asked():
            return f"{who} asks for {', '.join(said.placements)}"
        case Reported():
            return f"{_name(said.send_id)} is {said.outcome}"
        case Consented():
            return f"{who} says {said.state} to {said.channel}/{said.topic}"
        case Called():
            return f"{said.journey} is called for {who}"
        case _:
            assert_never(said)


def _came(kept: tape.Kept) -> Iterator[str]:
    if kept.absorbed:
        yield f"takes in {', '.join(map(_name, kept.absorbed))}"
    for event in kept.events:
        if event.emitted:
            yield f"emits {event.name} {event.properties or ''}".rstrip()
    for note in kept.notes:
        yield _note(note)
    for effect in kept.effects:
        if isinstance(effect, fx.Withdraw):
            yield f"withdraws {_name(effect.id)}"
    for move in kept.moves:
        yield f"code {move.code} of {move.pool} is {move.change} by {_name(move.source)}"


def _note(note: trace.Note) -> str:
    match note:
        case trace.Considered():
            why = " ".join(filter(None, (note.reason, note.channel)))
            until = f" until {clock(note.until)}" if note.until < NEVER else ""
            return (
                f"{_name(note.proposal)} ({note.message}) is {note.outcome} {why}{until}".rstrip()
            )
        case trace.SegmentChanged():
            return f"has {note.change} {note.segment}"
        case trace.RunChanged():
            return f"{_name(note.run)} {note.change} {note.step} {note.reason}".rstrip()
        case trace.Drawn():
            return f"draws {note.choice} of {note.stream}"
        case trace.Ended():
            return f"{_name(note.id)} ended: {note.reason}"
        case trace.Settled():
            return f"{_name(note.send)} is settled as {note.state}"
        case trace.IncentiveChanged():
            return f"incentive {note.incentive} {note.change}, {_name(note.source)} {note.code}"
        case trace.Scored():
            return f"{note.model} says {note.probability}"
        case trace.Remarked():
            return note.what
        case _:
            assert_never(note)


def clock(at: int) -> str:
    """An instant, to the millisecond, in UTC."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return f"{moment:%m-%d %H:%M:%S}.{at % 1000:03}"


def _name(whose: str) -> str:
    """A customer, run or send, with the customer's id cut short."""
    profile, slash, rest = whose.partition("/")
    return f"{profile[:_SHORT]}{slash}{rest}"


# ── definitions ─────────────────────────────────────────────────────────────────────


def defined(one: plan.Plan) -> Iterator[str]:
    """What a program holds, a line or some for each definition."""
    yield f"workspace in {one.workspace.zone}, sessions of {_span(one.workspace.session_ms)}"
    for segment in one.segments:
        yield f"segment {segment.name}: {spelled(segment.when)}"
    for event in one.derived:
        yield f"event {_fields(event)}"
    for ranking in (each for shelf in one.catalogs for each in shelf.rankings):
        yield f"ranking {_fields(ranking)}"
    for policy in one.policies:
        yield f"policy {type(policy).__name__} {_fields(policy)}"
    for model in one.models:
        yield f"model {model.name} of {', '.join(bins.feature for bins in model.bins)}"
    named = {step.message for journey in one.journeys for step in _sending(journey)}
    for message in one.messages:
        if message.name in named:
            yield f"message {_fields(message)}"
    for journey in one.journeys:
        yield from outline.outline(journey).splitlines()
        for entry in journey.entries:
            yield f"    enter {outline.spell_entry(entry)} if {spelled(entry.when)}"
        for leave in journey.exits:
            yield f"    exit {' or '.join(leave.events)} if {spelled(leave.when)}"
        for place, condition in _conditions(journey):
            yield f"    at {place}: {condition}"


def _sending(journey: plan.Journey) -> Iterator[plan.Send | plan.Show | plan.Option]:
    for step in journey.steps:
        if isinstance(step, plan.Send | plan.Show):
            yield step
        elif isinstance(step, plan.Choose):
            yield from step.options


def _conditions(journey: plan.Journey) -> Iterator[tuple[str, str]]:
    for step in journey.steps:
        match step:
            case plan.Branch(ways=ways) | plan.Adapt(ways=ways):
                yield from ((f"{step.id}.{way.name}", spelled(way.when)) for way in ways)
            case plan.WaitUntil(watch=watch):
                yield step.id, spelled(watch.when)
            case plan.Repeat(when=when):
                yield step.id, spelled(when)
            case _:
                pass


def _fields(one: msgspec.Struct) -> str:
    """What is set of a definition."""
    said: list[str] = []
    for field in msgspec.structs.fields(one):
        value = getattr(one, field.name)
        if value != field.default and value not in ("", (), {}, None) and field.name != "contents":
            said.append(f"{field.name}={_value(field.name, value)}")
    return " ".join(said)


def _value(name: str, value: object) -> str:
    if name.endswith("_ms") and isinstance(value, int):
        return _span(value)
    if isinstance(value, ex.Literal | ex.Compare | ex.All | ex.Any | ex.Not | ex.Path):
        return spelled(value)
    if isinstance(value, msgspec.Struct):
        return f"({_fields(value)})"
    return str(value)


def _span(ms: int) -> str:
    return outline.spell_time(ms) if ms >= 0 else str(ms)


def spelled(one: object) -> str:
    """A condition in the words of the expression language, or near them."""
    match one:
        case ex.Literal(value=value):
            return repr(value)
        case ex.Path(root=root, keys=keys):
            return ".".join([root, *map(str, keys)])
        case ex.Compare(op=op, left=left, right=right):
            return f"{spelled(left)} {op} {spelled(right)}"
        case ex.All(parts=both) | ex.Any(parts=both):
            word = " and " if isinstance(one, ex.All) else " or "
            return f"({word.join(map(spelled, both))})"
        case ex.Not(part=part):
            return f"not {spelled(part)}"
        case ex.Stream(events=events, where=where):
            return " or ".join(events) + (f" where {spelled(where)}" if where else "")
        case ex.Aggregate(fold=fold, stream=stream, within_ms=within):
            return f"{fold}({spelled(stream)}{f', within {_span(within)}' if within else ''})"
        case ex.Sequence(stages=stages, within_ms=within):
            return f"sequence({', '.join(map(spelled, stages))}, within {_span(within)})"
        case _:
            inner = ", ".join(spelled(part) for part in parts(one))
            return f"{type(one).__name__}({inner})" if inner else str(one)

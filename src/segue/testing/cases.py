"""Tests written in YAML, lived: each step done, each expectation compared with what is so.

Rule 1: a failed expectation does not end a test: what follows may fail too, and is told too.
Rule 2: each failure has its place in the file, what was expected, what was seen, and why.
"""

from collections.abc import Sequence
from typing import assert_never, cast

import msgspec

from segue import define
from segue.define import cases
from segue.define.diagnostics import Place
from segue.define.words import WEEKDAYS
from segue.errors import WrongTest
from segue.kernel.shelves import PRODUCTS
from segue.kernel.values import Instant, Record
from segue.testing.customer import NOTHING, Customer
from segue.testing.world import STARTS, Segue


class Failure(msgspec.Struct, frozen=True):
    """An expectation that was not met."""

    place: Place
    expected: str
    seen: str


class Outcome(msgspec.Struct, frozen=True):
    """How a test went."""

    name: str
    place: Place
    looks: int
    """Expectations compared."""
    failures: tuple[Failure, ...] = ()
    why: str = ""
    """The customer's timeline in words, where something failed."""

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return not self.failures


def run_case(loaded: define.Loaded, name: str) -> Outcome:
    """Live one of the workspace's tests."""
    case = loaded.cases[name]
    zone = case.zone.text if case.zone else ""
    with Segue(loaded, starts=case.starts.text if case.starts else STARTS, zone=zone) as world:
        lived = _Lived(world, case, zone)
        try:
            lived.live()
        except WrongTest as wrong:
            lived.failed(lived.place, str(wrong), wrong.hint)
        failures = tuple(lived.failures)
        why = lived.who.why() if failures and lived.who is not None else ""
        return Outcome(name, case.place, lived.looks, failures, why)


class _Lived:
    """A test under way."""

    def __init__(self, world: Segue, case: cases.CaseForm, zone: str) -> None:
        self.world = world
        self.case = case
        self.zone = zone
        self.who: Customer | None = None
        self.place = case.place
        self.looks = 0
        self.failures: list[Failure] = []

    def failed(self, place: Place, expected: str, seen: str) -> None:
        self.failures.append(Failure(place, expected, seen))

    def live(self) -> None:
        form = self.case
        self.place = form.at_key("starts") if form.starts else form.place
        draws = {stream: each.text for stream, each in form.draws.items()}
        traits = _record(form.customer)
        who = self.who = self.world.begin(traits, "", form.consent, draws, self.zone)
        for step in form.steps:
            self.place = step.place
            self.do(who, step)

    def do(self, who: Customer, step: cases.CaseStep) -> None:
        match step:
            case cases.DoesForm(does=event, with_=fields, times=times, every=every):
                for number in range(times):
                    if number and every is not None:
                        self.world.advance(Instant(self.world.now + every.ms))
                    who.does(event.text, _record(fields))
            case cases.WaitsForm(waits=span):
                self.world.advance(Instant(self.world.now + span.ms))
            case cases.AtForm(at=at, weekday=day):
                named = WEEKDAYS[day.numbers[0] - 1] if day else ""
                who.at(at.word.text, named)
            case cases.BecomesForm(becomes=traits):
                who.becomes(_record(traits))
            case cases.AsksForm(asks=placement, sees=sees):
                seen = who.asks(placement.text)
                if sees is not None:
                    self.compare(sees.place, f"{placement.text} shows", sees.text, seen)
            case cases.ClicksForm(clicks=message):
                who.clicks(message.text)
            case cases.DismissesForm(dismisses=message):
                who.dismisses(message.text)
            case cases.ReportsForm(reports=outcome, of=message):
                who.reports(outcome, message.text)
            case cases.AllowsForm(allows=topic):
                who.allows(topic.text)
            case cases.ForbidsForm(forbids=topic):
                who.forbids(topic.text)
            case cases.CallsForm(calls=journey, with_=fields):
                who.calls(journey.text, **_record(fields))
            case cases.FailsForm(fails=channel):
                self.world.fails(channel.text)
            case cases.WorksForm(works=channel):
                self.world.works(channel.text)
            case cases.ItemBecomesForm(catalog=fields, of=of, gone=gone):
                self.world.catalog(of.text if of else PRODUCTS, _record(fields), gone=gone)
            case cases.ExpectsForm(expect=expected):
                self.expect(who, expected)
            case _:
                assert_never(step)

    def compare(self, place: Place, what: str, expected: object, seen: object) -> None:
        self.looks += 1
        if seen != expected:
            self.failed(place, f"{what} {_spell(expected)}", _spell(seen))

    def expect(self, who: Customer, form: cases.ExpectForm) -> None:
        if form.messages is not None:
            names = [each.text for each in form.messages]
            self.compare(form.at_key("messages"), "messages:", names, who.messages)
        if form.held is not None:
            names = [each.text for each in form.held]
            self.compare(form.at_key("held"), "held:", names, who.held)
        if form.incentives is not None:
            names = sorted(each.text for each in form.incentives)
            place = form.at_key("incentives")
            self.compare(place, "incentives:", names, sorted(who.incentives))
        for message, reason in form.reasons.items():
            decided = who.reasons(message)
            last = decided[-1] if decided else NOTHING
            self.compare(reason.place, f"{message}:", reason.text, last)
        for journey, state in form.runs.items():
            self.compare(state.place, f"run of {journey}:", state.text, who.run(journey))
        members = who.segments
        for segment in form.in_segments:
            self.membership(segment.place, segment.text, members, wanted=True)
        for segment in form.not_in_segments:
            self.membership(segment.place, segment.text, members, wanted=False)
        for trait, value in form.traits.items():
            place = form.at_key("traits")
            self.compare(place, f"trait {trait}:", value, who.traits.get(trait))

    def membership(self, place: Place, segment: str, members: list[str], *, wanted: bool) -> None:
        self.looks += 1
        if (segment in members) is not wanted:
            said = f"{'in' if wanted else 'not in'} segment {segment}"
            self.failed(place, said, f"in {', '.join(members) or 'none'}")


def _record(fields: dict[str, object]) -> Record:
    """Data of the customer's own: it was read from YAML, so it is plain."""
    return cast("Record", fields)


def _spell(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        items = cast("Sequence[object]", value)
        return ", ".join(map(str, items)) or NOTHING
    return NOTHING if value is None else str(value)

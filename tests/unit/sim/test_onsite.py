"""Goal: simulated shoppers ask for placements as pages do, and click and put away a share of what
they see, at their next page; the same ones each time.
"""

import msgspec

from segue.hosts.arrivals import Answer, Arrival
from segue.kernel.effects import Show
from segue.kernel.inputs import Asked, Event, Reported
from segue.kernel.plan import Journey, OnEvent, Plan, Show as ShowStep, Workspace
from segue.kernel.values import HOUR, Instant
from segue.sim.onsite import DEEDS, Onlookers, deed

PLAN = Plan(
    workspace=Workspace(name="w"),
    journeys=(
        Journey(
            name="j",
            entries=(OnEvent(events=("Product Viewed",)),),
            steps=(ShowStep(id="s", next="", message="m", placement="spot", lasts_ms=HOUR),),
            start="s",
        ),
    ),
)


class Desk:
    """Shows something new at each question, and keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[Arrival] = []
        self.count = 0

    def ask(self, arrivals: list[Arrival]) -> list[Answer]:
        self.told += arrivals
        return [self._answer(one) for one in arrivals]

    def _answer(self, arrival: Arrival) -> Answer:
        if not isinstance(arrival.input, Asked):
            return Answer(status="accepted", at=Instant(0))
        self.count += 1
        show = Show(
            id=f"show-{self.count}", message="m", placement="spot", channel="web", program="p",
            data={}, not_after=Instant(9), question="q",
        )  # fmt: skip
        return Answer(status="accepted", at=Instant(0), shows=(show,))


def view(name: str = "Product Viewed", live: bool = True) -> Event:
    return Event(id="e", name=name, at=Instant(1), anonymous_id="a", live=live)


def test_a_page_asks_says_what_was_shown_and_reacts_at_the_next_one() -> None:
    desk = Desk()
    onlookers = Onlookers(desk.ask, lambda: PLAN, "simulation")
    for _ in range(200):
        onlookers.turn(view())
    asked = [one.input for one in desk.told if isinstance(one.input, Asked)]
    assert {one.placements for one in asked} == {("spot",)} and len(asked) == 200
    assert {(one.anonymous_id, one.source) for one in desk.told} == {("a", "simulation")}
    reports = [one.input for one in desk.told if isinstance(one.input, Reported)]
    shown = [one.send_id for one in reports if one.outcome == "shown"]
    assert shown == [f"show-{n}" for n in range(1, 201)]
    deeds = {one.send_id: one.outcome for one in reports if one.outcome != "shown"}
    assert deeds == {one: deed("a", one) for one in shown[:-1] if deed("a", one)}
    for report in reports:
        if report.outcome != "shown":
            number = int(report.send_id.removeprefix("show-"))
            at = desk.told.index(next(one for one in desk.told if one.input is report))
            assert sum(isinstance(one.input, Asked) for one in desk.told[:at]) == number


def test_the_shares_are_those_that_are_said() -> None:
    drawn = [deed(f"who-{n}", "show") for n in range(10_000)]
    for outcome, percent in DEEDS.items():
        assert abs(drawn.count(outcome) / 100 - percent) < 1.5, outcome


def test_what_is_no_page_or_comes_from_a_file_asks_nothing() -> None:
    desk = Desk()
    onlookers = Onlookers(desk.ask, lambda: PLAN, "simulation")
    onlookers.turn(view("Order Completed"))
    onlookers.turn(view(live=False))
    onlookers.turn(msgspec.structs.replace(view(), anonymous_id=""))
    assert desk.told == []

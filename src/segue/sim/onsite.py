"""What simulated shoppers do with what a page shows them.

Their pages ask for placements as real ones do. What they are shown they look at until their
next page, and there it is clicked, put away, or left alone.

Rule 1: what a shopper does is drawn by key: the same offer to the same shopper, the same deed.
Rule 2: of shoppers beyond `ONLOOKERS_MAX` the earliest are forgotten: they left.
"""

from collections.abc import Callable, Sequence
from typing import Literal as OneOf

from segue.hosts.arrivals import Answer, Arrival
from segue.kernel.chance import pick
from segue.kernel.inputs import Asked, Event, Reported
from segue.kernel.plan import Plan
from segue.sim.limits import ONLOOKERS_MAX
from segue.sim.replay import Pages

STREAM = "segue.sim.onsite"
DEEDS: dict[OneOf["dismissed", "clicked", ""], int] = {"dismissed": 20, "clicked": 10, "": 70}
"""In per cent. By judgement: the published data tells of no placements."""

Ask = Callable[[list[Arrival]], Sequence[Answer]]
"""Submits and waits for what became of it; `hosts.embedded.Embedded.ask`."""


class Onlookers:
    """The simulated shoppers' side of placements."""

    def __init__(self, ask: Ask, current: Callable[[], Plan], source: str) -> None:
        self._ask = ask
        self._current = current
        self._source = source
        self._pages: tuple[Plan, Pages] | None = None
        self._seen: dict[str, list[str]] = {}

    def turn(self, event: Event) -> None:
        """A shopper's page of this event: they react to the last one, and see this one."""
        placements = self._placements(event)
        who = event.anonymous_id or event.user_id
        if not placements or not who:
            return
        reports = [
            self._arrival(event, Reported(send_id=send_id, outcome=outcome))
            for send_id in self._seen.pop(who, [])
            if (outcome := deed(who, send_id))
        ]
        question = Asked(id="", placements=placements, context=event.context)
        answers = self._ask([*reports, self._arrival(event, question)])
        shown = [show.id for show in answers[-1].shows if not show.again]
        if not shown:
            return
        self._ask([self._arrival(event, Reported(send_id=one, outcome="shown")) for one in shown])
        self._seen[who] = shown
        if len(self._seen) > ONLOOKERS_MAX:
            del self._seen[next(iter(self._seen))]

    def _placements(self, event: Event) -> tuple[str, ...]:
        current = self._current()
        if self._pages is None or self._pages[0] is not current:
            self._pages = current, Pages(current)
        return self._pages[1].asked_at(event) if event.live else ()

    def _arrival(self, event: Event, said: Asked | Reported) -> Arrival:
        return Arrival(
            input=said,
            user_id=event.user_id,
            anonymous_id=event.anonymous_id,
            source=self._source,
        )


def deed(who: str, send_id: str) -> OneOf["dismissed", "clicked", ""]:
    """What this shopper does with what was shown; empty: nothing."""
    return tuple(DEEDS)[pick(STREAM, who, send_id, tuple(DEEDS.values()))]

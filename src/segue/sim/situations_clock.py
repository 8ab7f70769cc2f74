"""Situations around a change of clocks; they need a world that lies around one.

Rules as in `situations.py`.
"""

from segue.kernel import expression as ex, plan
from segue.kernel.plan import END
from segue.kernel.values import Millis
from segue.sim.plans_conditions import HOUR, MINUTE
from segue.sim.situations import Change, Stage


def _settles(on: Stage, after: int) -> Change:
    """They live in the zone of the change, and it begins so long after it."""
    change = on.change
    assert change is not None
    on.at = max(change.at + after, on.start + 2)
    on.identified(on.at - 1, {"timezone": change.zone, "plan": "gold"})
    return change


def a_time_of_day_comes_twice(on: Stage) -> None:
    """A wait, a date or quiet hours end at a local time that comes twice, or never."""
    more = on.more
    change = _settles(on, -more.randrange(MINUTE, 5 * HOUR))
    minute = more.randrange(change.first, change.last)
    own = on.message("m")
    match more.randrange(3):
        case 0:
            wait: plan.Node = plan.WaitWindow(
                id="w", next="s", start=minute, end=minute + more.choice((5, 120))
            )
        case 1:
            ends = _wall(change, minute)
            wait = plan.WaitDate(
                id="w",
                next="s",
                date=ex.Literal(ends),
                offset_ms=Millis(more.choice((0, 0, HOUR))),
                missing=END,
            )
        case _:
            wait = on.wait("w", 1, "s")
            reach = plan.Reach(journeys=(on.name("a"),))
            start = (minute - 8 * 60) % (24 * 60)
            on.policies.append(
                plan.QuietHours(name=on.name("q"), start=start, end=minute, reach=reach)
            )
    on.journey("a", (wait, on.send("s", own)))
    on.begins()


def _wall(change: Change, minute: int) -> str:
    """The local time on the day of the change, as it is written."""
    days = {
        ("Europe/Berlin", False): "2024-03-31",
        ("Europe/Berlin", True): "2024-10-27",
        ("America/New_York", False): "2024-03-10",
        ("America/New_York", True): "2024-11-03",
        ("Australia/Lord_Howe", True): "2024-04-07",
    }
    return f"{days[change.zone, change.back]}T{minute // 60:02}:{minute % 60:02}"


def the_clock_has_just_changed(on: Stage) -> None:
    """The local hour is asked for right before, at, and after the change."""
    more = on.more
    change = _settles(
        on, more.choice((-1, 0, 1, more.randrange(HOUR), more.randrange(30 * MINUTE)))
    )
    hour = ex.Path("local", ("hour",))
    first = change.first // 60
    ways = tuple(
        plan.Way(name=f"h{n}", when=ex.Compare("==", hour, ex.Literal(n)), next=f"t{n}")
        for n in range(first, first + 3)
    )
    steps: list[plan.Node] = [plan.Branch(id="b", ways=ways, otherwise=END)]
    steps += [
        plan.Audience(id=f"t{n}", next=END, audience=f"hour{n}", change="add")
        for n in range(first, first + 3)
    ]
    on.journey("a", steps)
    on.begins()


ACTS = (a_time_of_day_comes_twice, the_clock_has_just_changed)

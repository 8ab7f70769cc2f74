"""The people of the page: customers' stories, and those for whom two programs differ."""

from segue.sim.backtest_compare import Comparison, Difference
from segue.sim.html_charts import bar, text
from segue.sim.html_parts import number, section, share, table
from segue.sim.report import Moment, Report, Story, because, moment, total

_CUSTOMERS_LISTED = 200
"""Customers for whom two programs differ that the page lists; the JSON lists more."""


_DOTS = {
    "admitted": "good",
    "held": "hold",
    "denied": "deny",
    "refused": "deny",
    "undelivered": "deny",
    "withdrawn": "quiet",
    "goal": "s1",
    "entered": "s0",
    "ended": "s3",
}


def stories(report: Report) -> str:
    if not report.stories:
        return ""
    inside = "".join(_story(one) for one in report.stories.values())
    return section(
        "people",
        "People",
        "A few customers for each thing counted above, with all that was decided for them."
        " <code>--decisions</code> writes everybody's.",
        inside,
    )


def _story(one: Story) -> str:
    rows = "".join(
        f'<tr><td class="time">{moment(seen.at)}</td>'
        f'<td><i class="dot {_DOTS.get(seen.what, "quiet")}"></i>{_told(seen)}</td></tr>'
        for seen in one.moments
    )
    admitted = sum(seen.what == "admitted" for seen in one.moments)
    more = f'<p class="why">and {one.more:,} more</p>' if one.more else ""
    return (
        f'<details id="p-{text(one.profile)}"><summary><b>{text(one.who)}</b><span class="why">'
        f"{admitted:,} messages, {len(one.moments) + one.more:,} decisions</span></summary>"
        f'<div class="story"><table>{rows}</table>{more}</div></details>'
    )


def _told(seen: Moment) -> str:
    about = f"<b>{text(seen.message or seen.journey)}</b>"
    reason = f": {text(because(seen.reason))}" if seen.reason else ""
    detail = f' <span class="why">({text(seen.detail)})</span>' if seen.detail else ""
    match seen.what:
        case "admitted":
            return f"{about} by {text(seen.where)} <span class=why>for {text(seen.journey)}</span>"
        case "held" | "denied":
            return f"{about} {seen.what}{reason}{detail}"
        case "withdrawn":
            return f"{about} taken back{reason}{detail}"
        case "undelivered":
            return f"{about} not delivered{reason}"
        case "entered":
            return f"entered {about}{detail}"
        case "refused":
            return f"not let into {about}{reason}{detail}"
        case "goal":
            return f"reached the goal of {about}"
        case _:
            return f"{about} ended{f' at {text(seen.where)}' if seen.where else ''}{reason}{detail}"


def comparison(found: Comparison, mine: Report, other: Report) -> str:
    everyone = found.same + found.differing
    shares = bar(
        [
            ("s0", found.differing, f"{found.differing:,} differ"),
            ("quiet", found.same, f"{found.same:,} get the same"),
        ],
        everyone,
    )
    rows = [
        (
            f"<b>{text(name)}</b>",
            number(total(other.messages[name].admitted) if name in other.messages else 0),
            number(total(mine.messages[name].admitted) if name in mine.messages else 0),
            f'<span class="plus">+{one.gained:,}</span>',
            f'<span class="minus">−{one.lost:,}</span>',
            f'<span class="moved">{one.moved:,}</span>',
        )
        for name, one in found.messages.items()
    ]
    head = [("message", ""), ("before", "n"), ("now", "n"), ("customers who get more", "n")]
    head += [("who get less", "n"), ("at another time", "n")]
    people = [
        (f"<b>{text(one.who)}</b>", _difference(one)) for one in found.customers[:_CUSTOMERS_LISTED]
    ]
    left = found.differing - len(people)
    more = f'<p class="why">and {left:,} more customers</p>' if left > 0 else ""
    who = (
        f"<details><summary>The customers for whom most differs</summary>"
        f"{table([('customer', ''), ('what differs', '')], people)}{more}</details>"
        if people
        else ""
    )
    return section(
        "comparison",
        "Compared",
        f"With {text(other.workspace)}, program <code>{text(other.program[:12])}</code>:"
        f" {found.differing:,} of {everyone:,} customers would get something else"
        f" ({share(found.differing, everyone)}).",
        f"{shares}<br>{table(head, rows) if rows else ''}{who}",
    )


def _difference(one: Difference) -> str:
    parts = [
        f'<span class="plus">+ {text(send.message)}</span> by {text(send.where)}'
        f" at {moment(send.at)}"
        for send in one.gained
    ]
    parts += [
        f'<span class="minus">− {text(send.message)}</span> by {text(send.where)}'
        f" at {moment(send.at)}"
        for send in one.lost
    ]
    parts += [
        f'<span class="moved">{text(send.message)}</span> at {moment(send.at)} instead of'
        f" {moment(send.other_at)}"
        for send in one.moved
    ]
    parts += [
        f"{text(journey)} entered {now} times instead of {before}"
        for journey, (now, before) in one.journeys.items()
    ]
    return "<br>".join(parts)

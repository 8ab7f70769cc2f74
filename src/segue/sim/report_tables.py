"""A report for people: in sentences, in tables, as a page of Markdown."""

import msgspec

from segue.sim.backtest_compare import Comparison, Difference
from segue.sim.report import Counts, PoolCount, Report, because, moment, sums, total


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the report; numbers stand right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()


def headline(report: Report) -> list[str]:
    """The report in a few sentences."""
    before = f" after {report.before:,} of history" if report.before else ""
    before += " with a warm-up" if report.warm_up else ""
    lines = [
        (
            f"{report.events:,} events{before}, of {report.profiles:,} profiles"
            f" in {report.sessions:,} sessions,"
            f" {moment(max(report.from_at, report.first_at))} to"
            f" {moment(report.last_at)} UTC; Segue itself emitted {report.emitted:,}."
        )
    ]
    admitted, late, held, denied = sums(report.messages.values())
    lines.append(
        f"{admitted:,} messages admitted ({late:,} of them after the log's last event, up to"
        f" {moment(report.until)}, while nobody did anything); {held:,} times held,"
        f" {denied:,} times denied."
    )
    left_out = report.rejected + report.duplicates + total(report.skipped)
    if left_out:
        lines.append(
            f"Not counted: {report.rejected:,} lines rejected, {report.duplicates:,} repeated,"
            f" {total(report.skipped):,} left out on purpose."
        )
    return lines


def tables(report: Report) -> list[Table]:
    """The report as tables, those without rows left out."""
    found = [
        _journeys(report),
        _messages(report),
        _guardrails(report),
        _stopped(report),
        _collisions(report),
        _pools(report),
        _refused(report),
        _segments(report),
        Table(
            title="Events",
            columns=("event", "count"),
            rows=tuple((name, _n(many)) for name, many in report.by_event.items()),
            right=(1,),
        ),
    ]
    return [table for table in found if table.rows]


def _journeys(report: Report) -> Table:
    rows = [
        (name, _n(one.entered), _n(one.goals), _n(total(one.ended)), _n(one.live))
        for name, one in report.journeys.items()
    ]
    ends = [_listed(one.ended) for one in report.journeys.values()]
    return Table(
        title="Journeys",
        columns=("journey", "entered", "goal", "ended", "live", "how they ended"),
        rows=tuple((*row, end) for row, end in zip(rows, ends, strict=True)),
        right=(1, 2, 3, 4),
    )


def _messages(report: Report) -> Table:
    return Table(
        title="Messages",
        columns=("message", "channel", "admitted"),
        rows=tuple(
            (name, where, _n(many))
            for name, one in report.messages.items()
            for where, many in (one.admitted.items() or (("", 0),))
        ),
        right=(2,),
    )


def _guardrails(report: Report) -> Table:
    return Table(
        title="Guardrails",
        columns=("guardrail", "check", "held", "denied", "customers", "held, then sent"),
        rows=tuple(
            (
                because(name),
                one.check,
                _n(one.held),
                _n(one.denied),
                _n(one.customers),
                _n(one.then_admitted),
            )
            for name, one in report.guardrails.items()
        ),
        right=(2, 3, 4, 5),
    )


def _stopped(report: Report) -> Table:
    return Table(
        title="Held, denied, taken back",
        columns=("message", "what", "times", "reason"),
        rows=tuple(
            (name, what, _n(many), because(reason))
            for name, one in report.messages.items()
            for what, counts in (
                ("held", one.held),
                ("denied", one.denied),
                ("taken back", one.withdrawn),
                ("not delivered", one.undelivered),
            )
            for reason, many in counts.items()
        ),
        right=(2,),
    )


def _collisions(report: Report) -> Table:
    return Table(
        title="Collisions between journeys",
        columns=("stopped", "by", "times", "customers", "why"),
        rows=tuple(
            (loser, winner, _n(one.times), _n(one.customers), because(reason))
            for loser, ways in report.collisions.items()
            for winner, reasons in ways.items()
            for reason, one in reasons.items()
        ),
        right=(2, 3),
    )


def _pools(report: Report) -> Table:
    return Table(
        title="Coupon pools",
        columns=("pool", "handed out", "given back", "codes left today", "would have lasted"),
        rows=tuple(
            (
                name,
                _n(one.handed),
                _n(one.returned),
                "not known" if one.codes is None else _n(one.codes),
                lasting(one),
            )
            for name, one in report.pools.items()
        ),
        right=(1, 2, 3),
    )


def lasting(one: PoolCount) -> str:
    """How long the codes of a pool would have lasted, in words."""
    if one.codes is None:
        return "not known"
    if one.empty_at is None:
        return "to the end"
    return f"until {moment(one.empty_at)}: {one.handed - one.returned - one.codes:,} too few"


def _refused(report: Report) -> Table:
    return Table(
        title="Entries refused",
        columns=("journey", "times", "reason"),
        rows=tuple(
            (name, _n(many), because(reason))
            for name, one in report.journeys.items()
            for reason, many in one.refused.items()
        ),
        right=(1,),
    )


def _segments(report: Report) -> Table:
    return Table(
        title="Segments",
        columns=("segment", "entered", "left", "members at the end"),
        rows=tuple(
            (name, _n(one.entered), _n(one.left), _n(one.members))
            for name, one in report.segments.items()
        ),
        right=(1, 2, 3),
    )


def markdown(report: Report) -> str:
    """The report as a page."""
    out = [f"# Replay of {report.workspace}", "", *headline(report), ""]
    out += [f"Program `{report.program}`.", ""]
    for table in tables(report):
        marks = ["---:" if at in table.right else "---" for at in range(len(table.columns))]
        out += [f"## {table.title}", "", _row(table.columns), _row(tuple(marks))]
        out += [_row(row) for row in table.rows]
        out.append("")
    return "\n".join(out)


def comparison(found: Comparison, against: Report) -> list[Table]:
    """Two programs side by side, and the first customers for whom they differ."""
    shares = Table(
        title=f"Against {against.workspace}, program {against.program[:12]}",
        columns=("customers", "count"),
        rows=(("same", _n(found.same)), ("different", _n(found.differing))),
        right=(1,),
    )
    messages = Table(
        title="Customers who get a message more, less, or at another time",
        columns=("message", "more", "less", "another time"),
        rows=tuple(
            (name, _n(one.gained), _n(one.lost), _n(one.moved))
            for name, one in found.messages.items()
        ),
        right=(1, 2, 3),
    )
    customers = Table(
        title="The customers for whom most differs",
        columns=("customer", "what differs"),
        rows=tuple((one.who, differs(one)) for one in found.customers[:LISTED]),
    )
    return [table for table in (shares, messages, customers) if table.rows]


LISTED = 20
"""Customers that a terminal lists; the page and the JSON list more."""


def differs(one: Difference) -> str:
    """What differs for one customer, in a line."""
    parts = [f"+ {send.message} by {send.where} at {moment(send.at)}" for send in one.gained]
    parts += [f"- {send.message} by {send.where} at {moment(send.at)}" for send in one.lost]
    parts += [
        f"{send.message} at {moment(send.at)} instead of {moment(send.other_at)}"
        for send in one.moved
    ]
    parts += [
        f"{journey} entered {mine} times instead of {other}"
        for journey, (mine, other) in one.journeys.items()
    ]
    return "; ".join(parts)


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _n(number: int) -> str:
    return f"{number:,}"


def _listed(counts: Counts) -> str:
    return ", ".join(f"{many:,} {because(reason)}" for reason, many in counts.items())

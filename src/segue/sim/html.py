"""A backtest as one self-contained page: opened from a disk, mailed, kept with the change.

Rule 1: nothing is loaded from anywhere and nothing runs; the same backtest gives the same bytes.
Rule 2: first what would go out, then what was stopped and by what, then where runs end and who
    stands in whose way, then people. A comparison comes before all of it.
Rule 3: what is worth a look and did not happen is said too: a guardrail that never stopped
    anything, a message that never went out, lines that were not read.
"""

from importlib import resources

from segue.sim.backtest import Backtest
from segue.sim.html_charts import bar, colour, histogram, key, over_time, text
from segue.sim.html_parts import listed, number, section, share, table
from segue.sim.html_people import comparison, stories
from segue.sim.limits import PRESSURE_MAX
from segue.sim.report import (
    Counts,
    JourneyCount,
    MessageCount,
    Report,
    because,
    moment,
    sums,
    total,
)
from segue.sim.report_tables import lasting


def page(answer: Backtest) -> str:
    """The whole page."""
    report = answer.report
    style = resources.files("segue.sim").joinpath("report.css").read_text(encoding="utf-8")
    title = f"Backtest of {report.workspace}"
    parts = [_head(answer), _cards(report)]
    if answer.comparison is not None and answer.against is not None:
        parts.append(comparison(answer.comparison, report, answer.against))
    parts += [
        _timeline(report),
        _messages(report),
        _guardrails(report),
        _journeys(report),
        _collisions(report),
        _pools(report),
        _pressure(report),
        stories(report),
        _segments(report),
        _aside(report),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title>\n<style>\n{style}</style></head>\n"
        f"<body><main>\n{body}\n<footer>Program <code>{text(report.program)}</code>. Times are in"
        " UTC. Nothing was sent; every guardrail was on.</footer>\n</main></body></html>\n"
    )


# ── the top ─────────────────────────────────────────────────────────────────────────


def _head(answer: Backtest) -> str:
    report = answer.report
    begins = max(report.from_at, report.first_at)
    before = (
        f" {report.before:,} events before that were history: known, and starting nothing."
        if report.before
        else ""
    )
    links = [("timeline", "Over time"), ("messages", "Messages"), ("guardrails", "Guardrails")]
    links += [("journeys", "Journeys"), ("collisions", "Collisions"), ("people", "People")]
    if answer.comparison is not None:
        links.insert(0, ("comparison", "Comparison"))
    nav = "".join(f'<a href="#{name}">{text(words)}</a>' for name, words in links)
    return (
        f'<header><div class="over">Backtest</div><h1>{text(report.workspace)}</h1>'
        f'<p class="lead">What this program would have done from {moment(begins)} to'
        f" {moment(report.last_at)} UTC, and until {moment(report.until)} while nobody did"
        f" anything more.{before}</p><nav>{nav}</nav></header>"
    )


def _cards(report: Report) -> str:
    admitted, late, held, denied = sums(report.messages.values())
    sent = report.profiles - report.pressure.get(0, 0)
    entered = sum(one.entered for one in report.journeys.values())
    goals = sum(one.goals for one in report.journeys.values())
    cards = [
        (report.events, "events", f"{report.emitted:,} more emitted by Segue"),
        (report.profiles, "customers", f"{report.sessions:,} sessions"),
        (entered, "journeys entered", f"{goals:,} reached their goal"),
        (admitted, "messages", f"{late:,} after the log's end"),
        (sent, "customers written to", f"{share(sent, report.profiles)} of all"),
        (held, "times held", "to be decided afresh later"),
        (denied, "times denied", "for good, each with its reason"),
    ]
    return (
        '<div class="cards">'
        + "".join(
            f'<div class="card"><b>{many:,}</b><span>{text(name)}</span><i>{text(more)}</i></div>'
            for many, name, more in cards
        )
        + "</div>"
    )


# ── what goes out ───────────────────────────────────────────────────────────────────


def _timeline(report: Report) -> str:
    if not report.buckets:
        return ""
    channels = sorted({name for one in report.buckets.values() for name in one.admitted})
    columns, later = _near({at: one.admitted for at, one in report.buckets.items()}, report)
    shown = over_time(
        columns,
        [(name, colour(place)) for place, name in enumerate(channels)],
        report.bucket_ms,
        label="Messages over time, by channel",
        mark=report.last_at,
        mark_says="the log ends",
    )
    stopped, _ = _near(
        {at: {"held": one.held, "denied": one.denied} for at, one in report.buckets.items()}, report
    )
    inside = key([(colour(place), name) for place, name in enumerate(channels)]) + shown
    inside += "<h3>Held and denied over the same time</h3>"
    inside += key([("hold", "held"), ("deny", "denied")])
    inside += over_time(
        stopped,
        [("held", "hold"), ("denied", "deny")],
        report.bucket_ms,
        label="Held and denied over time",
    )
    note = f"Messages admitted, by channel; a column is {_span(report)}."
    if later:
        note += f" {later:,} more were admitted later, as runs came to their ends."
    return section("timeline", "Over time", note, inside)


def _near(
    columns: dict[int, dict[str, int]], report: Report
) -> tuple[dict[int, dict[str, int]], int]:
    """The columns of the log and a little more; how much lies beyond."""
    first = max(report.from_at, report.first_at)
    step = max(1, report.bucket_ms)
    end = min(report.until, report.last_at + max((report.last_at - first) // 4, 4 * step))
    near = {at: column for at, column in columns.items() if at <= end}
    near.setdefault(first - first % step, {})
    near.setdefault(end - end % step, {})
    return near, sum(sum(column.values()) for at, column in columns.items() if at > end)


def _span(report: Report) -> str:
    seconds = report.bucket_ms // 1000
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            many = seconds // size
            return f"{many} {name}{'s' if many > 1 else ''}" if many > 1 else f"one {name}"
    return f"{seconds} seconds"


def _messages(report: Report) -> str:
    most = max((_proposed(one) for one in report.messages.values()), default=0)
    rows = [
        (
            f"<b>{text(name)}</b>",
            _listed_plain(one.admitted),
            number(total(one.admitted)),
            number(one.customers),
            bar(_outcomes(one), most),
            _why_not(one),
        )
        for name, one in report.messages.items()
    ]
    shown = table(
        [
            ("message", ""),
            ("by", "why"),
            ("admitted", "n"),
            ("customers", "n"),
            ("what became of it", ""),
            ("why not", "why"),
        ],
        rows,
    )
    colours = [("good", "admitted"), ("hold", "held"), ("deny", "denied"), ("quiet", "taken back")]
    return section(
        "messages",
        "Messages",
        "Each message that a journey wanted out, and what was decided. One that is held comes"
        " before the arbiter again, so it may count as held and then as admitted; an offer that was"
        " shown on a page is taken back when its time is over.",
        key(colours) + shown,
    )


def _proposed(one: MessageCount) -> int:
    return sum(map(total, (one.admitted, one.held, one.denied, one.withdrawn)))


def _outcomes(one: MessageCount) -> list[tuple[str, int, str]]:
    return [
        (css, total(counts), f"{total(counts):,} {name}")
        for css, counts, name in (
            ("good", one.admitted, "admitted"),
            ("hold", one.held, "held"),
            ("deny", one.denied, "denied"),
            ("quiet", one.withdrawn, "taken back"),
        )
    ]


def _listed_plain(counts: Counts) -> str:
    return "<br>".join(f"{text(where)} {many:,}" for where, many in counts.items())


def _why_not(one: MessageCount) -> str:
    said = [
        f"{name}: {listed(counts)}"
        for name, counts in (
            ("held", one.held),
            ("denied", one.denied),
            ("taken back", one.withdrawn),
            ("not delivered", one.undelivered),
        )
        if counts
    ]
    if not said and not one.admitted:
        return "it was never wanted"
    return "<br>".join(said)


# ── what is stopped ─────────────────────────────────────────────────────────────────


def _guardrails(report: Report) -> str:
    most = max((one.held + one.denied for one in report.guardrails.values()), default=0)
    rows = [
        (
            f"<b>{text(because(name))}</b>",
            text(one.check.replace("_", " ")),
            bar(
                [
                    ("hold", one.held, f"{one.held:,} held"),
                    ("deny", one.denied, f"{one.denied:,} denied"),
                ],
                most,
            )
            if one.held or one.denied
            else '<span class="why">never stopped anything</span>',
            number(one.held),
            number(one.denied),
            number(one.customers),
            _afterwards(one.then_admitted, one.then_denied, one.then_withdrawn, one.still_held),
            _people(report, f"guardrail {name}"),
        )
        for name, one in report.guardrails.items()
    ]
    head = [("guardrail", ""), ("check", "why"), ("stopped", ""), ("held", "n"), ("denied", "n")]
    head += [("customers", "n"), ("what was held then was", "why"), ("for instance", "names")]
    return section(
        "guardrails",
        "What each guardrail stopped",
        "The check that decided is counted; those after it were not asked.",
        key([("hold", "held"), ("deny", "denied")]) + table(head, rows),
    )


def _afterwards(admitted: int, denied: int, withdrawn: int, still: int) -> str:
    parts = [
        f"{many:,} {name}"
        for many, name in (
            (admitted, "admitted"),
            (denied, "denied"),
            (withdrawn, "taken back"),
            (still, "held to the end"),
        )
        if many
    ]
    return ", ".join(parts)


def _people(report: Report, subject: str) -> str:
    found = [
        report.stories[one] for one in report.witnesses.get(subject, ()) if one in report.stories
    ]
    return ", ".join(f'<a href="#p-{text(one.profile)}">{text(one.who)}</a>' for one in found)


def _collisions(report: Report) -> str:
    if not report.collisions:
        return section(
            "collisions",
            "Collisions between journeys",
            "No journey stood in another's way.",
            "",
        )
    rows = [
        (
            f"<b>{text(loser)}</b>",
            f"<b>{text(winner)}</b>",
            text(because(reason)),
            number(one.times),
            number(one.customers),
            _people(report, f"collision {loser} {winner} {reason}"),
        )
        for loser, ways in report.collisions.items()
        for winner, reasons in ways.items()
        for reason, one in reasons.items()
    ]
    head = [("was stopped", ""), ("by", ""), ("because", "why"), ("times", "n")]
    head += [("customers", "n"), ("for instance", "names")]
    return section(
        "collisions",
        "Collisions between journeys",
        "One journey's message was stopped by what another journey did for the same customer.",
        _matrix(report) + table(head, rows),
    )


def _matrix(report: Report) -> str:
    losers = list(report.collisions)
    winners = sorted({winner for ways in report.collisions.values() for winner in ways})
    if len(losers) * len(winners) < 4:
        return ""
    times = {
        (loser, winner): sum(one.times for one in reasons.values())
        for loser, ways in report.collisions.items()
        for winner, reasons in ways.items()
    }
    most = max(times.values())
    head = "".join(f"<th>{text(winner)}</th>" for winner in winners)
    rows = "".join(
        f"<tr><td>{text(loser)}</td>"
        + "".join(_cell(times.get((loser, winner), 0), most) for winner in winners)
        + "</tr>"
        for loser in losers
    )
    return (
        f'<div class="wide"><table class="matrix"><thead><tr><th>stopped ↓ by →</th>{head}</tr>'
        f"</thead><tbody>{rows}</tbody></table></div><br>"
    )


def _cell(many: int, most: int) -> str:
    if not many:
        return "<td></td>"
    strength = 12 + 55 * many / most
    tint = f"background:color-mix(in srgb, var(--deny) {strength:.0f}%, transparent)"
    return f'<td class="hit" style="{tint}">{many:,}</td>'


# ── journeys ────────────────────────────────────────────────────────────────────────


def _journeys(report: Report) -> str:
    inside = "".join(_journey(name, one) for name, one in report.journeys.items())
    colours = [("good", "reached its goal"), ("s0", "completed"), ("hold", "left by an exit")]
    colours += [("deny", "ended otherwise"), ("quiet", "still under way")]
    return section(
        "journeys",
        "Where runs end",
        "Of all runs that entered: how they ended, and at which step they stood.",
        key(colours) + inside,
    )


_END = {"goal": "good", "completed": "s0", "exit": "hold"}


def _journey(name: str, one: JourneyCount) -> str:
    of = total(one.ended) + one.live
    parts = [
        (_END.get(reason, "deny"), many, f"{many:,} {because(reason)}")
        for reason, many in sorted(
            one.ended.items(),
            key=lambda item: (list(_END).index(item[0]) if item[0] in _END else 9, item[0]),
        )
    ]
    parts.append(("quiet", one.live, f"{one.live:,} still under way"))
    places = "".join(
        f"<tr><td>{text(step or 'its end')}</td><td class=n>{total(counts):,}</td>"
        f"<td class=why>{listed(counts)}</td></tr>"
        for step, counts in one.ends.items()
    )
    places += "".join(
        f"<tr><td>{text(step)}</td><td class=n>{many:,}</td>"
        "<td class=why>still stand here</td></tr>"
        for step, many in one.standing.items()
    )
    refused = f" Not let in: {listed(one.refused)}." if one.refused else ""
    under_way = f"{one.live:,} still under way" if one.live else ""
    ended = ", ".join(part for part in (listed(one.ended), under_way) if part)
    steps = (
        '<details><summary>Steps</summary><div class="story">'
        f"<table>{places}</table></div></details>"
        if places
        else ""
    )
    return (
        f'<div class="run"><div class="head"><b>{text(name)}</b><span class="why">'
        f"{one.entered:,} runs of {one.customers:,} customers, {one.goals:,} goals"
        f" ({share(one.goals, one.entered)}), {one.admitted:,} messages</span></div>"
        f'{bar(parts, of)}<div class="why">{ended}.{refused}</div>{steps}</div>'
        if one.entered or one.refused
        else f'<div class="run"><div class="head"><b>{text(name)}</b>'
        f'<span class="why">nobody entered</span></div>{bar([], 1)}</div>'
    )


def _pools(report: Report) -> str:
    rows = [
        (
            f"<b>{text(name)}</b>",
            number(one.handed),
            number(one.returned),
            "not known" if one.codes is None else number(one.codes),
            text(lasting(one)),
        )
        for name, one in report.pools.items()
    ]
    if not rows:
        return ""
    head = [("pool", ""), ("handed out", "n"), ("given back", "n"), ("codes left today", "n")]
    return section(
        "pools",
        "Coupon pools",
        "Codes that would have been handed out, beside those that the store has left today.",
        table([*head, ("would have lasted", "why")], rows),
        "warn" if any(one.empty_at is not None for one in report.pools.values()) else "",
    )


def _pressure(report: Report) -> str:
    highest = max(report.pressure, default=0)
    columns = [
        (f"{many}+" if many == PRESSURE_MAX else str(many), report.pressure.get(many, 0))
        for many in range(highest + 1)
    ]
    written_to = columns[1:]
    if not written_to:
        return ""
    return section(
        "pressure",
        "Messages for each customer",
        f"Customers by how many messages were sent to them; {columns[0][1]:,} got none."
        " What is shown on a page is not counted here.",
        histogram(written_to, label="Customers by messages sent", what="customers"),
    )


# ── the rest ────────────────────────────────────────────────────────────────────────


def _segments(report: Report) -> str:
    if not report.segments:
        return ""
    rows = [
        (f"<b>{text(name)}</b>", number(one.entered), number(one.left), number(one.members))
        for name, one in report.segments.items()
    ]
    head = [("segment", ""), ("entered", "n"), ("left", "n"), ("members at the end", "n")]
    events = table(
        [("event", ""), ("count", "n")],
        [(text(name), number(many)) for name, many in list(report.by_event.items())[:40]],
    )
    return section(
        "segments",
        "Segments and events",
        "Memberships that began and ended, and what the log held.",
        f"{table(head, rows)}<h3>Events</h3>{events}",
    )


def _aside(report: Report) -> str:
    if not (report.rejected or report.skipped or report.duplicates or report.broken):
        return ""
    said = [f"{report.rejected:,} lines could not be used"]
    said += [f"{report.duplicates:,} came twice and count once"] if report.duplicates else []
    said += [f"{many:,} left out on purpose: {text(why)}" for why, many in report.skipped.items()]
    broken = "".join(f"<p><b>Not read to its end:</b> {text(one)}</p>" for one in report.broken)
    rows = [
        (f"<code>{text(one.source)}:{one.line}</code>", text(one.reason)) for one in report.aside
    ]
    shown = table([("where", ""), ("why", "why")], rows) if rows else ""
    return section(
        "aside",
        "Set aside",
        "; ".join(said) + ".",
        broken + shown,
        "warn" if report.rejected else "",
    )

"""What a replay came to, counted from what the store holds: no second bookkeeping can disagree.

Rule: everything in a report follows from the log, the program and `until`; lists and records
are in a fixed order, so that two reports can be compared as text.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from segue.kernel.profile import Profile
from segue.kernel.trace import (
    REASONS,
    Considered,
    Ended,
    Note,
    RunChanged,
    SegmentChanged,
    Settled,
)
from segue.kernel.values import Instant
from segue.sim.limits import PROFILES_PER_LOOK_MAX, TRACE_LINES_MAX
from segue.stores.ports import Store, TraceLine

Counts = dict[str, int]


class JourneyCount(msgspec.Struct, kw_only=True):
    """One journey's runs."""

    entered: int = 0
    live: int = 0
    goals: int = 0
    ended: Counts = {}
    """By reason."""
    refused: Counts = {}
    """Entries that were not let in, by reason."""


class SegmentCount(msgspec.Struct, kw_only=True):
    """One segment's comings and goings, and who is in it at the end."""

    entered: int = 0
    left: int = 0
    members: int = 0


class MessageCount(msgspec.Struct, kw_only=True):
    """One message: by channel and outcome."""

    admitted: Counts = {}
    """By channel, and by placement for what is shown on a page."""
    after_the_log: int = 0
    """How many of these were admitted after the log's last event."""
    held: Counts = {}
    denied: Counts = {}
    withdrawn: Counts = {}
    """Held, queued or offered, then taken back."""
    undelivered: Counts = {}


class Report(msgspec.Struct, kw_only=True):
    """The whole replay."""

    workspace: str
    program: str
    first_at: Instant
    last_at: Instant
    until: Instant
    events: int = 0
    emitted: int = 0
    """Events that Segue itself made happen, beside `events`."""
    by_event: Counts = {}
    duplicates: int = 0
    rejected: int = 0
    """Lines that could not be read, or that the engine refused."""
    skipped: Counts = {}
    """Lines left out on purpose, by reason."""
    profiles: int = 0
    sessions: int = 0
    segments: dict[str, SegmentCount] = {}
    journeys: dict[str, JourneyCount] = {}
    messages: dict[str, MessageCount] = {}


def count(store: Store, report: Report) -> Report:
    """Fill a report in from the store."""
    names: Counter[str] = Counter()
    after = 0
    while lines := store.log(after, 1000):
        for line in lines:
            names[line.event.name] += 1
            if line.event.emitted:
                report.emitted += 1
            else:
                report.events += 1
        after = lines[-1].sequence
    report.by_event = dict(names)
    for profile in _profiles(store):
        report.profiles += 1
        report.sessions += profile.sessions
        for segment in profile.segments:
            report.segments.setdefault(segment, SegmentCount()).members += 1
        for run in profile.runs:
            report.journeys.setdefault(run.journey, JourneyCount()).live += 1
        for trace in store.traces(profile.id, TRACE_LINES_MAX):
            for note in trace.notes:
                _count_note(report, trace, note)
    return in_order(report)


def _profiles(store: Store) -> Iterator[Profile]:
    after = ""
    while found := store.profiles(after, PROFILES_PER_LOOK_MAX):
        yield from found
        after = found[-1].id


def _count_note(report: Report, trace: TraceLine, note: Note) -> None:
    match note:
        case SegmentChanged():
            segment = report.segments.setdefault(note.segment, SegmentCount())
            if note.change == "entered":
                segment.entered += 1
            else:
                segment.left += 1
        case RunChanged():
            journey = report.journeys.setdefault(note.journey, JourneyCount())
            match note.change:
                case "entered":
                    journey.entered += 1
                case "goal":
                    journey.goals += 1
                case "ended":
                    _one_more(journey.ended, note.reason)
                case "refused":
                    _one_more(journey.refused, note.reason)
                case "moved":
                    pass
        case Considered():
            message = report.messages.setdefault(note.message, MessageCount())
            match note.outcome:
                case "admitted":
                    where = f"{note.channel}: {note.placement}" if note.placement else note.channel
                    if note.reason != "shown_already":
                        _one_more(message.admitted, where)
                        message.after_the_log += trace.at > report.last_at
                case "held":
                    _one_more(message.held, note.reason)
                case "denied":
                    _one_more(message.denied, note.reason)
        case Ended():
            message = report.messages.setdefault(note.message, MessageCount())
            _one_more(message.withdrawn, note.reason)
        case Settled():
            if note.state == "failed":
                message = report.messages.setdefault(note.message, MessageCount())
                _one_more(message.undelivered, note.reason)
        case _:
            pass


def _one_more(counts: Counts, name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def in_order(report: Report) -> Report:
    """The same report with every record in order: counts by size, things by name."""
    report.by_event = _by_size(report.by_event)
    report.skipped = _by_size(report.skipped)
    report.segments = dict(sorted(report.segments.items()))
    report.journeys = dict(sorted(report.journeys.items()))
    report.messages = dict(sorted(report.messages.items()))
    for journey in report.journeys.values():
        journey.ended = _by_size(journey.ended)
        journey.refused = _by_size(journey.refused)
    for message in report.messages.values():
        message.admitted = _by_size(message.admitted)
        message.held = _by_size(message.held)
        message.denied = _by_size(message.denied)
        message.withdrawn = _by_size(message.withdrawn)
        message.undelivered = _by_size(message.undelivered)
    return report


def _by_size(counts: Counts) -> Counts:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


# ── for people ──────────────────────────────────────────────────────────────────────


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the report; numbers stand right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()


def total(counts: Counts) -> int:
    """The sum of a record of counts."""
    return sum(counts.values())


def headline(report: Report) -> list[str]:
    """The report in three sentences."""
    lines = [
        (
            f"{report.events:,} events of {report.profiles:,} profiles"
            f" in {report.sessions:,} sessions, {moment(report.first_at)} to"
            f" {moment(report.last_at)} UTC; Segue itself emitted {report.emitted:,}."
        )
    ]
    admitted = sum(total(one.admitted) for one in report.messages.values())
    late = sum(one.after_the_log for one in report.messages.values())
    held = sum(total(one.held) for one in report.messages.values())
    denied = sum(total(one.denied) for one in report.messages.values())
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
        _stopped(report),
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
            for where, many in one.admitted.items()
        ),
        right=(2,),
    )


def _stopped(report: Report) -> Table:
    return Table(
        title="Held, denied, taken back",
        columns=("message", "what", "times", "reason"),
        rows=tuple(
            (name, what, _n(many), REASONS.get(reason, reason))
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


def _refused(report: Report) -> Table:
    return Table(
        title="Entries refused",
        columns=("journey", "times", "reason"),
        rows=tuple(
            (name, _n(many), REASONS.get(reason, reason))
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


def moment(at: Instant) -> str:
    """An instant as people write it, in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _n(number: int) -> str:
    return f"{number:,}"


def _listed(counts: Counts) -> str:
    return ", ".join(f"{many:,} {REASONS.get(reason, reason)}" for reason, many in counts.items())

"""Charts as inline SVG and bars: no script, no font, no picture from anywhere.

Rule 1: colours are classes of `report.css`, so that light and dark are decided by the reader.
Rule 2: everything that came from outside goes through `text`.
Rule 3: each mark says its numbers when pointed at, and the same numbers stand in a table.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape

from segue.kernel.values import DAY, MINUTE, Instant

SERIES = 7
"""Colours of series in `report.css`; the rest share the last."""

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 1040.0, 230.0, 46.0, 26.0, 10.0


def text(words: object) -> str:
    """Words made safe for a page."""
    return escape(str(words), quote=True)


def key(names: Sequence[tuple[str, str]]) -> str:
    """What the colours mean: (class, name)."""
    items = "".join(f'<span><i class="{css}"></i>{text(name)}</span>' for css, name in names)
    return f'<div class="key">{items}</div>'


def colour(place: int) -> str:
    """The class of a series."""
    return f"s{min(place, SERIES - 1)}"


def bar(parts: Sequence[tuple[str, int, str]], of: int) -> str:
    """A bar of parts (class, count, what it says when pointed at), of a whole."""
    inside = "".join(
        f'<i class="{css}" style="width:{100 * many / max(1, of):.3f}%" title="{text(says)}"></i>'
        for css, many, says in parts
        if many
    )
    return f'<div class="bar" role="img">{inside}</div>'


def over_time(
    columns: Mapping[int, Mapping[str, int]],
    series: Sequence[tuple[str, str]],
    step: int,
    *,
    label: str,
    mark: Instant | None = None,
    mark_says: str = "",
) -> str:
    """Stacked columns over time, for each series (name, class); `mark` is worth a line."""
    if not columns:
        return ""
    first, last = min(columns), max(columns)
    count = (last - first) // step + 1
    top = _ceiling(max((sum(column.values()) for column in columns.values()), default=0))
    wide, high = _WIDTH - _LEFT, _HEIGHT - _BOTTOM - _TOP
    slot = wide / count
    out = [_grid(top, high)]
    for at, column in sorted(columns.items()):
        x, below = _LEFT + (at - first) // step * slot, 0
        for name, css in series:
            many = column.get(name, 0)
            if many:
                y = _TOP + high * (1 - (below + many) / top)
                says = f"{stamp(at, step)}: {many:,} {name}"
                out.append(
                    f'<rect class="{css}" x="{x + slot * 0.08:.2f}" y="{y:.2f}"'
                    f' width="{max(slot * 0.84, 0.8):.2f}" height="{high * many / top:.2f}"'
                    f' rx="1.5"><title>{text(says)}</title></rect>'
                )
                below += many
    every = max(1, -(-count // 8))
    for number in range(0, count, every):
        x = _LEFT + (number + 0.5) * slot
        out.append(
            f'<text x="{x:.1f}" y="{_HEIGHT - 6:.1f}" text-anchor="middle">'
            f"{text(stamp(first + number * step, step))}</text>"
        )
    if mark is not None and first <= mark <= last:
        x = _LEFT + (mark - first) / step * slot
        out.append(
            f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_TOP + high}"/>'
            f'<text x="{min(x + 6, _WIDTH - 90):.1f}" y="{_TOP + 12}">{text(mark_says)}</text>'
        )
    return _svg("".join(out), label)


def histogram(columns: Sequence[tuple[str, int]], *, label: str, what: str) -> str:
    """Plain columns with their numbers above."""
    top = _ceiling(max((many for _, many in columns), default=0))
    wide, high = _WIDTH - _LEFT, _HEIGHT - _BOTTOM - _TOP
    slot = wide / max(1, len(columns))
    out = [_grid(top, high)]
    for place, (name, many) in enumerate(columns):
        x = _LEFT + place * slot
        tall = high * many / top
        out.append(
            f'<rect class="s0" x="{x + slot * 0.15:.1f}" y="{_TOP + high - tall:.2f}"'
            f' width="{slot * 0.7:.1f}" height="{tall:.2f}" rx="3">'
            f"<title>{text(f'{name}: {many:,} {what}')}</title></rect>"
            f'<text class="strong" x="{x + slot / 2:.1f}" y="{_TOP + high - tall - 5:.1f}"'
            f' text-anchor="middle">{many:,}</text>'
            f'<text x="{x + slot / 2:.1f}" y="{_HEIGHT - 6:.1f}" text-anchor="middle">'
            f"{text(name)}</text>"
        )
    return _svg("".join(out), label)


def _svg(inside: str, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-label="{text(label)}">'
        f"{inside}</svg>"
    )


def _grid(top: int, high: float) -> str:
    out: list[str] = []
    for part in (0, 0.5, 1):
        value = top * part
        if value != int(value):
            continue
        y = _TOP + high * (1 - part)
        out.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{int(value):,}</text>'
        )
    return "".join(out)


def _ceiling(highest: int) -> int:
    """A round number at or above the highest column."""
    size = 1
    while True:
        for lead in (1, 2, 4, 5, 8):
            if lead * size >= highest:
                return max(1, lead * size)
        size *= 10


def stamp(at: int, step: int) -> str:
    """An instant in UTC, as finely as the columns need it."""
    form: Callable[[datetime], str]
    if step >= DAY:
        form = _day
    elif step >= MINUTE:
        form = _minute
    else:
        form = _second
    return form(datetime.fromtimestamp(at / 1000, UTC))


def _day(at: datetime) -> str:
    return f"{at.day} {at:%b %Y}" if at.month == 1 else f"{at.day} {at:%b}"


def _minute(at: datetime) -> str:
    return f"{at.day} {at:%b %H:%M}"


def _second(at: datetime) -> str:
    return f"{at:%H:%M:%S}"

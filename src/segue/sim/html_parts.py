"""Pieces that every section of the page is made of."""

from collections.abc import Iterable

from segue.sim.html_charts import text
from segue.sim.report import Counts, because


def section(name: str, title: str, note: str, inside: str, css: str = "") -> str:
    return (
        f'<section id="{name}"{f" class={css}" if css else ""}><h2>{text(title)}</h2>'
        f'<p class="note">{note}</p>{inside}</section>'
    )


def table(head: Iterable[tuple[str, str]], rows: Iterable[Iterable[str]]) -> str:
    columns = list(head)
    top = "".join(f'<th class="{css}">{text(name)}</th>' for name, css in columns)
    lines = "".join(
        "<tr>"
        + "".join(
            f'<td class="{css}">{cell}</td>' for (_, css), cell in zip(columns, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    head_row = f"<thead><tr>{top}</tr></thead>"
    return f'<div class="wide"><table>{head_row}<tbody>{lines}</tbody></table></div>'


def number(many: int) -> str:
    return f"{many:,}" if many else '<span class="zero">0</span>'


def listed(counts: Counts) -> str:
    return ", ".join(f"{many:,} {text(because(reason))}" for reason, many in counts.items())


def share(part: int, of: int) -> str:
    return f"{100 * part / of:.1f} %" if of else "0 %"

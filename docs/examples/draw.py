"""Draw the journeys on the pages of the examples: `python docs/examples/draw.py`.

Below each `<!-- journey: name -->` stands the journey as a Mermaid flowchart, made from the
compiled plan. A test fails while a drawing differs from what would run.
"""

import re
from pathlib import Path

from segue import wiring
from segue.define import outline
from segue.kernel.plan import Plan

ROOT = Path(__file__).parents[2]

_DRAWING = re.compile(r"<!-- journey: ([\w.-]+) -->\n(?:\n```mermaid\n.*?```\n)?", re.DOTALL)


def page_of(example: str) -> Path:
    """The page that tells of an example."""
    return ROOT / "docs" / "examples" / f"{example.replace('_', '-')}.md"


def journeys_in(page: str) -> list[str]:
    """The journeys that a page draws, in its order."""
    return [found[1] for found in _DRAWING.finditer(page)]


def redrawn(page: str, plan: Plan) -> str:
    """The page with each journey drawn as it is now."""
    journeys = {journey.name: journey for journey in plan.journeys}

    def drawing(found: re.Match[str]) -> str:
        name = found[1]
        return f"<!-- journey: {name} -->\n\n```mermaid\n{outline.mermaid(journeys[name])}```\n"

    return _DRAWING.sub(drawing, page)


def main() -> None:
    """Draw everything again."""
    for folder in sorted((ROOT / "examples").iterdir()):
        page = page_of(folder.name)
        if page.is_file():
            plan = wiring.read_workspace(folder).plan
            assert plan is not None, f"{folder.name} has errors: run `segue check` on it"
            page.write_text(redrawn(page.read_text("utf-8"), plan), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The pages as a reader has them: their blocks, their commands, their headings and links."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("examples/**/*.md"),
        *ROOT.glob("benchmarks/*.md"),
        *ROOT.glob("web/*/*.md"),
    )
    if path.is_file()
)
_BLOCK = re.compile(r"^( *)```([a-z]*)([^\n]*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+?) *$", re.MULTILINE)
_INLINE = re.compile(r"`((?:segue|make) [^`]+)`")
_LINE = re.compile(
    r"^ *(?:\$ )?((?:[A-Z_]+=\S* +)*(?:\.venv/bin/)?(?:segue|make) .*)$", re.MULTILINE
)
_SHELL = ("sh", "bash", "")


class Block(msgspec.Struct, frozen=True):
    """A fenced block: where it stands, and what is in it."""

    page: Path
    line: int
    language: str
    mark: str
    body: str

    @property
    def name(self) -> str:
        """The page and the line, as editors take them."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


class Typed(msgspec.Struct, frozen=True):
    """A command as a page shows it; `whole` where it is meant to be typed as it stands."""

    page: Path
    line: int
    text: str
    whole: bool

    @property
    def name(self) -> str:
        """The page, the line, and how it begins."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line} {self.text[:40]}"


@cache
def text_of(page: Path) -> str:
    """A page's text, read once."""
    return page.read_text("utf-8")


def blocks(*languages: str) -> Iterator[Block]:
    """The fenced blocks of these languages; one marked `wrong` is left out."""
    for page in PAGES:
        text = text_of(page)
        for found in _BLOCK.finditer(text):
            if found[2] in languages and "wrong" not in found[3]:
                body = "\n".join(one.removeprefix(found[1]) for one in found[4].split("\n"))
                line = text.count("\n", 0, found.start()) + 2
                yield Block(page, line, found[2], found[3].strip(), body)


def commands() -> Iterator[Typed]:
    """Every `segue` and `make` command of the pages: in blocks, indented, and within a line."""
    for block in blocks(*_SHELL):
        yield from _lines(block.page, block.body, block.line)
    for page in PAGES:
        text = text_of(page)
        bare = _FENCED.sub(lambda found: "\n" * found[0].count("\n"), text)
        indented = "\n".join(one if one.startswith("    ") else "" for one in bare.split("\n"))
        yield from _lines(page, indented, 1)
        for found in _INLINE.finditer(bare):
            line = bare.count("\n", 0, found.start()) + 1
            yield Typed(page, line, " ".join(found[1].split()), whole=False)


def _lines(page: Path, body: str, first: int) -> Iterator[Typed]:
    joined = re.sub(r"\\\n *", " ", body)
    for found in _LINE.finditer(joined):
        yield Typed(page, first + joined.count("\n", 0, found.start()), found[1], whole=True)


def links(page: Path) -> Iterator[str]:
    """Where a page leads to, code left out."""
    bare = re.sub(r"`[^`\n]*`", "", _FENCED.sub("", text_of(page)))
    for found in _LINK.finditer(bare):
        if "://" not in found[1] and not found[1].startswith("mailto:"):
            yield found[1]


@cache
def anchors(page: Path) -> frozenset[str]:
    """Anchors as code hosts make them: lower case, spaces to dashes, other signs dropped."""
    found: dict[str, int] = {}
    names: set[str] = set()
    for heading in _HEADING.findall(_FENCED.sub("", text_of(page))):
        told = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", told).lower().replace(" ", "-")
        seen = found.get(name, 0)
        found[name] = seen + 1
        names.add(f"{name}-{seen}" if seen else name)
    return frozenset(names)

"""What an author of emails wrote becomes what mail programs show: MJML to HTML, CSS to attributes.

Rule 1: Liquid comes first, on the whole text; this comes after it, for each letter. Sections
    that a letter leaves out or repeats are then sections to MJML too, which reckons widths from
    the columns that are really there; and only a whole page can be read as HTML.
Rule 2: of HTML, the rules of `<style>` are written into the elements that they concern, and stay
    where they stood, for the queries, states and quirks that no attribute can hold. A page
    without `<style>` is left as it is, byte for byte. What MJML makes is inline already; a
    `<mj-style inline="inline">` is inlined, any other stays in the head.
Rule 3: nothing is fetched. There is no `mj-include`; parts are Liquid's.
Rule 4: bounded. Both libraries call themselves for each level of a page, so its depth is
    counted before they see it.
"""

import difflib
import re
from collections.abc import Iterator, Mapping

import css_inline
import mrml
import msgspec

from segue.channels import limits
from segue.channels.template import Problem
from segue.errors import Unrenderable

_INLINER = css_inline.CSSInliner(
    inline_style_tags=True, keep_style_tags=True, keep_link_tags=True, load_remote_stylesheets=False
)
_OPTIONS = mrml.ParserOptions(include_loader=mrml.noop_loader())

_STYLE = re.compile(r"<style\b", re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
# No match reaches over the next `<`, so a page is read in one go, whatever it holds.
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]*)(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*")
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)

_COLUMNS = ("mj-column", "mj-group", "mj-raw")
_CONTENT = (
    "mj-accordion",
    "mj-button",
    "mj-carousel",
    "mj-divider",
    "mj-image",
    "mj-navbar",
    "mj-raw",
    "mj-social",
    "mj-spacer",
    "mj-table",
    "mj-text",
)
HOLDS: Mapping[str, tuple[str, ...]] = {
    "mjml": ("mj-head", "mj-body", "mj-raw"),
    "mj-head": (
        "mj-attributes",
        "mj-breakpoint",
        "mj-font",
        "mj-preview",
        "mj-raw",
        "mj-style",
        "mj-title",
    ),
    "mj-body": ("mj-hero", "mj-raw", "mj-section", "mj-wrapper"),
    "mj-wrapper": ("mj-raw", "mj-section"),
    "mj-section": _COLUMNS,
    "mj-group": ("mj-column", "mj-raw"),
    "mj-column": _CONTENT,
    "mj-hero": _CONTENT,
    "mj-accordion": ("mj-accordion-element", "mj-raw"),
    "mj-accordion-element": ("mj-accordion-title", "mj-accordion-text", "mj-raw"),
    "mj-carousel": ("mj-carousel-image",),
    "mj-navbar": ("mj-navbar-link", "mj-raw"),
    "mj-social": ("mj-social-element", "mj-raw"),
}
"""MJML's elements that hold others, and which; all others hold text or HTML."""

KNOWN = frozenset(HOLDS) | {name for names in HOLDS.values() for name in names}


def finished(fields: Mapping[str, str]) -> dict[str, str]:
    """An email's rendered fields as they travel. Raises `Unrenderable`."""
    done = dict(fields)
    source = done.pop("mjml", "")
    if source.strip():
        done["html"] = html_of(source)
    elif _STYLE.search(done.get("html", "")):
        done["html"] = inlined(done["html"])
    return done


def html_of(source: str) -> str:
    """The page that MJML stands for. Raises `Unrenderable`."""
    _bounded("mjml", source)
    try:
        return mrml.to_html(source, _OPTIONS).content
    except OSError as error:
        raise Unrenderable("mjml", _line(source, str(error)), _words(str(error))) from error


def inlined(page: str) -> str:
    """The page with its own CSS in its elements. Raises `Unrenderable`."""
    _bounded("html", page)
    try:
        return _INLINER.inline(page)
    except ValueError as error:
        raise Unrenderable("html", 0, f"its <style> can't be read: {error}") from error


def check_email(field: str, text: str, parts: Mapping[str, str]) -> list[Problem]:
    """What is wrong with a template's markup, whatever path through it is taken.

    `text` has passed the template's own check. Liquid is blanked out, so all paths are looked
    at together, and every place is the author's: what is wrong in a part is told where the
    part is put in.
    """
    if field not in ("mjml", "html"):
        return []
    whole, put = _whole(text, parts)
    bare = _blanked(whole)
    found = _too_deep(bare) or (_misplaced(bare) if field == "mjml" else None)
    if found is None:
        try:
            finished({field: bare})
        except Unrenderable as error:
            found = _Fault(_start_of(bare, error.line), error.reason)
    if found is None:
        return []
    at, message = found.at, found.message
    for part in put:
        if part.start <= at < part.end:
            at, message = part.at, f"in part {part.name!r}: {message}"
            break
        if part.end <= at:
            at -= part.end - part.start - part.length
    before = text[:at]
    column = at - (before.rfind("\n") + 1) + 1
    return [Problem(line=before.count("\n") + 1, column=column, message=message)]


# ── places ──────────────────────────────────────────────────────────────────────────

_LIQUID = re.compile(
    r"\{%-?\s*(?P<block>comment|raw)\s*-?%\}.*?\{%-?\s*end(?P=block)\s*-?%\}"
    r"|\{\{.*?\}\}|\{%.*?%\}",
    re.DOTALL,
)
_PART = re.compile(r"\{%-?\s*(?:render|include)\s+[\"']([^\"']+)[\"'].*?%\}", re.DOTALL)
_POSITION = re.compile(r" in root template(?: at position (\d+):\d+)?")


def _blanked(text: str) -> str:
    """The text without its Liquid; every other sign stays at its place."""
    return _LIQUID.sub(_blank, text)


def _blank(found: "re.Match[str]") -> str:
    # What is put out stands for a word, so that an address or a width is not empty.
    sign = "1" if found[0].startswith("{{") else " "
    return "".join("\n" if each == "\n" else sign for each in found[0])


_BEGINS = "MJML begins with <mjml>"


class _Put(msgspec.Struct, frozen=True, array_like=True):
    """A part that was put into a text: where it stands now, and where and how long its tag was."""

    name: str
    start: int
    end: int
    at: int
    length: int


class _Fault(msgspec.Struct, frozen=True, array_like=True):
    """What is wrong, and how many signs stand before it."""

    at: int
    message: str


def _whole(
    text: str, parts: Mapping[str, str], left: "list[int] | None" = None, depth: int = 0
) -> tuple[str, list[_Put]]:
    """The text with the parts that it names put in, and where; the last comes first.

    `left` is how many may still be put in: parts of parts could name each other a thousandfold.
    """
    left = left or [limits.PARTS_PUT_MAX]
    pieces: list[str] = []
    put: list[_Put] = []
    written = size = 0
    for found in _PART.finditer(text):
        left[0] -= 1
        inner = parts.get(found[1], "") if left[0] > 0 and depth < limits.DEPTH_MAX else ""
        inner, _ = _whole(inner, parts, left, depth + 1)
        before = text[written : found.start()]
        start = size + len(before)
        size = start + len(inner)
        pieces += [before, inner]
        put.insert(0, _Put(found[1], start, size, found.start(), len(found[0])))
        written = found.end()
    return "".join([*pieces, text[written:]]), put


def _bounded(field: str, text: str) -> None:
    found = _too_deep(text)
    if found is not None:
        raise Unrenderable(field, text.count("\n", 0, found.at) + 1, found.message)


class _Tag(msgspec.Struct, frozen=True, array_like=True):
    """The beginning or the end of an element."""

    name: str
    at: int
    ends: bool
    alone: bool
    """Whether nothing can stand in it."""


def _tags(text: str) -> Iterator[_Tag]:
    bare = _COMMENT.sub(_blank, text)
    for found in _TAG.finditer(bare):
        name = found[2]
        alone = found[0].endswith("/") or name.lower() in _VOID
        yield _Tag(name, found.start(), bool(found[1]), alone)


def _too_deep(text: str) -> _Fault | None:
    """An upper bound: an end without its beginning ends nothing, as in HTML."""
    depth = 0
    opened: dict[str, int] = {}
    for tag in _tags(text):
        if tag.alone:
            continue
        name = tag.name.lower()
        count = opened.get(name, 0)
        if not tag.ends:
            opened[name], depth = count + 1, depth + 1
        elif count:
            opened[name], depth = count - 1, depth - 1
        if depth > limits.PAGE_DEPTH_MAX:
            said = f"more than {limits.PAGE_DEPTH_MAX} elements in one another"
            return _Fault(tag.at, said)
    return None


def _misplaced(text: str) -> _Fault | None:
    """The first element that MJML does not know there, or that is not closed."""
    open_: list[_Tag] = []
    tags = list(_tags(text))
    if not tags:
        return _Fault(0, _BEGINS)
    for tag in tags:
        within = open_[-1].name if open_ else ""
        if tag.ends:
            if tag.name != within:
                said = f"; <{within}> is open" if within else ""
                return _Fault(tag.at, f"</{tag.name}> ends nothing{said}")
            open_.pop()
            continue
        said = _unfit(tag.name, within)
        if said:
            return _Fault(tag.at, said)
        if not tag.alone:
            open_.append(tag)
    if open_:
        return _Fault(open_[-1].at, f"<{open_[-1].name}> is not closed")
    return None


def _unfit(name: str, within: str) -> str:
    if name == "mj-include":
        return "there is no <mj-include>; write {% render 'part' %}, of a file in parts/"
    if within == "mj-attributes" or (name != "mjml" and not name.startswith("mj-")):
        return ""  # What is to be styled, or HTML.
    if not within and name != "mjml":
        return _BEGINS
    if name not in KNOWN:
        close = difflib.get_close_matches(name, sorted(KNOWN), n=1)
        return f"there is no <{name}>" + (f"; did you mean <{close[0]}>?" if close else "")
    if within and name not in HOLDS.get(within, ()):
        homes = ", ".join(f"<{home}>" for home, held in HOLDS.items() if name in held)
        return f"<{name}> can't stand in <{within}>" + (f", but in {homes}" if homes else "")
    return ""


def _start_of(text: str, line: int) -> int:
    """How many signs stand before a line."""
    return sum(map(len, text.splitlines(keepends=True)[: max(line - 1, 0)]))


def _line(source: str, said: str) -> int:
    """The line that the library names by the count of bytes before it; 0 where it names none."""
    found = _POSITION.search(said)
    if found is None or not found[1]:
        return 0
    return source.encode()[: int(found[1])].count(b"\n") + 1


def _words(said: str) -> str:
    """The library's words without its name for the text."""
    return f"this MJML can't be read: {_POSITION.sub('', said)}"

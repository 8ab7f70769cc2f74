"""Workspaces written in Python: the same words as in YAML, the same checks, the same plan.

    shop = Workspace("shop", zone="Europe/Berlin")
    shop.segment("regulars", when='count("Order Completed") >= 3')
    shop.message("thanks", topic="orders", expires="2d", contents={"email": {...}})
    shop.journey(
        "thank", enter=on("Order Completed"), exit=on("Order Cancelled"),
        goal=goal(on="Order Completed", within="60d"),
        steps=[wait("3d"), send("thanks", by="email")],
    )
    loaded = shop.load()

Rule 1: what is written here becomes the tree that YAML becomes, and goes the same way from
    there: so the two can't disagree, and one definition gives one hash.
Rule 2: the place of everything is the line of the call that made it.
Rule 3: a key that is a word of Python takes an underscore: `for_`, `while_`, `set_`.
"""

import linecache
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from segue.define.contents import Content
from segue.define.diagnostics import Place, Sink
from segue.define.load import Loaded, finish
from segue.define.text import Node, Row, Source, Table, Word
from segue.define.workspace import Folder, Written, collect


class Made:
    """A part made by one of the functions below, with the place of its call."""

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        self.node = node


Plain: TypeAlias = "bool | int | float | str | Made | Sequence[Plain] | Mapping[str, Plain] | None"
Steps: TypeAlias = Sequence[Made]


def _here(depth: int = 2) -> Place:
    """The line from which the function that asks was called."""
    # The only cheap way to a caller's line.
    frame = sys._getframe(depth)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return Place(frame.f_code.co_filename, frame.f_lineno)


def tree(value: Plain, place: Place) -> Node:
    """The tree that YAML would have become, all of it at one place."""
    if isinstance(value, Made):
        return value.node
    if isinstance(value, Mapping):
        pairs = value.items()
        return Table(place, tuple((_word(key, place), tree(each, place)) for key, each in pairs))
    if isinstance(value, str) or not isinstance(value, Sequence):
        return _word(value, place)
    return Row(place, tuple(tree(each, place) for each in value))


def _word(value: bool | float | str | None, place: Place) -> Word:
    text = str(value)
    if value is None or isinstance(value, bool):
        text = {None: "", True: "true", False: "false"}[value]
    return Word(place, text, value, Source(place.file, ""), style="python")


def _given(fields: Mapping[str, Plain]) -> dict[str, Plain]:
    """The arguments that were given, by the keys that they have in YAML."""
    return {key.rstrip("_"): value for key, value in fields.items() if value is not None}


def _made(place: Place, fields: Mapping[str, Plain]) -> Made:
    return Made(tree(_given(fields), place))


# ── entries, exits, goals ───────────────────────────────────────────────────────────


def on(*events: str, when: str | None = None, reason: str | None = None) -> Made:
    """Entry on an event; or, as an exit or a wait, an event watched for."""
    return _made(_here(), {"on": list(events), "when": when, "reason": reason})


def entered(segment: str, *, when: str | None = None) -> Made:
    """Entry when a customer enters a segment."""
    return _made(_here(), {"segment": segment, "change": "entered", "when": when})


def left(segment: str, *, when: str | None = None) -> Made:
    """Entry when a customer leaves a segment."""
    return _made(_here(), {"segment": segment, "change": "left", "when": when})


def at_date(
    trait: str,
    *,
    offset: str | None = None,
    at: str | None = None,
    yearly: bool | None = None,
    when: str | None = None,
) -> Made:
    """Entry at a date in a trait."""
    return _made(
        _here(), {"date": trait, "offset": offset, "at": at, "yearly": yearly, "when": when}
    )


def on_schedule(
    at: str,
    segment: str,
    *,
    weekdays: Sequence[str] | None = None,
    days: Sequence[int] | None = None,
    when: str | None = None,
) -> Made:
    """Entry of a segment's members at a time of day."""
    fields: dict[str, Plain] = {"schedule": at, "segment": segment, "when": when}
    return _made(_here(), {**fields, "weekdays": weekdays, "days": days})


def by_api(*, when: str | None = None) -> Made:
    """Entry by API."""
    return _made(_here(), {"api": "on", "when": when})


def goal(
    within: str,
    *,
    on: Plain = None,
    when: str | None = None,
    ends: bool | None = None,
    value: str | None = None,
) -> Made:
    """The outcome a journey is for, and until when after entry it counts."""
    fields: dict[str, Plain] = {"on": on, "when": when, "within": within}
    return _made(_here(), {**fields, "ends": ends, "value": value})


# ── steps; each takes `id` and `next` too ───────────────────────────────────────────


def send(message: str, *, by: Plain = None, otherwise: Plain = None, **more: Plain) -> Made:
    """Send a message by the first channel that is reachable and allowed."""
    return _made(_here(), {"send": message, "by": by, "otherwise": otherwise, **more})


def show(message: str, *, at: str, for_: str, **more: Plain) -> Made:
    """Offer a message to a placement, and go on at once."""
    return _made(_here(), {"show": message, "at": at, "for": for_, **more})


def wait(time: str, **more: Plain) -> Made:
    """Stand still for a time."""
    return _made(_here(), {"wait": time, **more})


def wait_until(
    until: Plain,
    *,
    at_most: str,
    met: Steps | None = None,
    timed_out: Steps | None = None,
    **more: Plain,
) -> Made:
    """Stand still until something happens or holds."""
    what: dict[str, Plain] = {"until": until, "at_most": at_most}
    return _made(_here(), {"wait": _given({**what, "met": met, "timed_out": timed_out}), **more})


def wait_window(window: str, *, weekdays: Plain = None, **more: Plain) -> Made:
    """Stand still until the customer's local time lies in a window."""
    return _made(_here(), {"wait": _given({"window": window, "weekdays": weekdays}), **more})


def wait_date(
    date: str, *, offset: str | None = None, missing: Steps | None = None, **more: Plain
) -> Made:
    """Stand still until a date, or some time before or after it."""
    what: dict[str, Plain] = {"date": date, "offset": offset, "missing": missing}
    return _made(_here(), {"wait": _given(what), **more})


def way(when: str, steps: Steps, *, name: str | None = None) -> Made:
    """One path of a branch, and its condition."""
    return _made(_here(), {"name": name, "when": when, "steps": steps})


def otherwise(*steps: Made) -> Made:
    """The path for all others."""
    return _made(_here(), {"otherwise": steps})


def branch(*ways: Made, **more: Plain) -> Made:
    """Take the first path whose condition holds."""
    return _made(_here(), {"branch": ways, **more})


def adapt(*ways: Made, at_most: str, otherwise: Steps | None = None, **more: Plain) -> Made:
    """Paths that rise in strength, watched on every event until one commits."""
    return _made(_here(), {"adapt": ways, "at_most": at_most, "otherwise": otherwise, **more})


def commit(adapt: str = "", **more: Plain) -> Made:
    """From here on the adaptive branch around is no longer watched."""
    place = _here()
    return _made(place, {"commit": Made(_word(adapt or None, place)), **more})


def variant(name: str, steps: Steps, *, weight: int | None = None) -> Made:
    """One arm of a split or experiment."""
    return _made(_here(), {"name": name, "weight": weight, "steps": steps})


def split(*variants: Made, **more: Plain) -> Made:
    """Draw a path by weights, once for each customer."""
    return _made(_here(), {"split": variants, **more})


def experiment(name: str, *variants: Made, control: str, **more: Plain) -> Made:
    """A split whose lift is measured against a control."""
    fields: dict[str, Plain] = {"experiment": name, "variants": variants}
    return _made(_here(), {**fields, "control": control, **more})


def option(
    name: str,
    *,
    send: str | None = None,
    by: Plain = None,
    value: str | None = None,
    steps: Steps | None = None,
) -> Made:
    """One thing that a choice may do; without `send` it is to do nothing."""
    fields: dict[str, Plain] = {"name": name, "send": send, "by": by}
    return _made(_here(), {**fields, "value": value, "steps": steps})


def choose(*options: Made, **more: Plain) -> Made:
    """Next best action: the most valuable option that the guardrails admit."""
    return _made(_here(), {"choose": options, **more})


def set_(
    *,
    traits: Mapping[str, Plain] | None = None,
    vars: Mapping[str, Plain] | None = None,  # noqa: A002 - the word of the language
    **more: Plain,
) -> Made:
    """Set traits or variables, each to what an expression gives."""
    return _made(_here(), {"set": _given({"traits": traits, "vars": vars}), **more})


def emit(event: str, *, properties: Mapping[str, Plain] | None = None, **more: Plain) -> Made:
    """Make an event happen."""
    return _made(_here(), {"emit": event, "properties": properties, **more})


def audience(name: str, change: str, **more: Plain) -> Made:
    """Add to an ad audience, or remove."""
    return _made(_here(), {"audience": name, "change": change, **more})


def call(webhook: str, *, body: Mapping[str, Plain] | None = None, **more: Plain) -> Made:
    """Call a webhook."""
    return _made(_here(), {"call": webhook, "body": body, **more})


def assign(
    title: str,
    *,
    to: str | None = None,
    details: Mapping[str, Plain] | None = None,
    **more: Plain,
) -> Made:
    """Hand a person at the company a task."""
    return _made(_here(), {"assign": title, "to": to, "details": details, **more})


def repeat(times: int, steps: Steps, *, while_: str | None = None, **more: Plain) -> Made:
    """Do some steps again, at most so many times."""
    return _made(_here(), {"repeat": times, "steps": steps, "while": while_, **more})


def goto(step: str) -> Made:
    """Go on at another step."""
    return _made(_here(), {"goto": step})


def end(reason: str | None = None, **more: Plain) -> Made:
    """The run is completed."""
    place = _here()
    return _made(place, {"end": Made(_word(reason, place)), **more})


# ── the workspace ───────────────────────────────────────────────────────────────────


class Workspace:
    """A workspace under construction; every method takes the keys of its YAML section."""

    def __init__(self, name: str, *, folder: Path | str | None = None, **fields: Plain) -> None:
        """`folder` is where files that messages name are found; else beside the caller."""
        place = _here()
        self._folder = Path(folder) if folder is not None else Path(place.file).parent
        self._parts: dict[str, str] = {}
        self._sections: list[tuple[str, Place, Node]] = [
            ("workspace", place, tree(_given({"name": name, **fields}), place))
        ]

    def segment(self, name: str, when: str, **fields: Plain) -> None:
        """Define a segment."""
        self._add("segments", name, {"when": when, **fields}, _here())

    def event(self, name: str, **fields: Plain) -> None:
        """Define a derived event by its keyword: on, at, segment or catalog."""
        self._add("events", name, fields, _here())

    def catalog(self, name: str, **fields: Plain) -> None:
        """Define a catalog and its rankings."""
        self._add("catalogs", name, fields, _here())

    def message(self, name: str, **fields: Plain) -> None:
        """Define a message."""
        self._add("messages", name, fields, _here())

    def part(self, name: str, text: str) -> None:
        """Give templates a part; those in the folder's `parts/` are there already."""
        self._parts[name] = text

    def policy(self, name: str, **fields: Plain) -> None:
        """Define a guardrail by its keyword: cap, gap, quiet, suppress, exclude or holdout."""
        self._add("policies", name, fields, _here())

    def model(self, name: str, **fields: Plain) -> None:
        """Define a scorecard."""
        self._add("models", name, fields, _here())

    def journey(self, name: str, *, enter: Plain, steps: Steps, **fields: Plain) -> None:
        """Define a journey."""
        self._add("journeys", name, {"enter": enter, "steps": steps, **fields}, _here())

    def load(self, *, zones: Iterable[str] | None = None, content: Content | None = None) -> Loaded:
        """Compile and check, as `define.load` does with a folder."""
        sink = Sink()
        written = Written.empty()
        for section, place, node in self._sections:
            key = _word(section, place)
            collect(Table(place, ((key, node),)), written, sink)
        files = Folder(self._folder, sink)
        written.file = lambda _base, name: files.beside("workspace", name)
        written.parts = {**files.parts(), **self._parts}
        loaded = finish(written, sink, {}, zones=zones, content=content)
        for file in {each.place.file for each in loaded.diagnostics}:
            loaded.sources[file] = files.sources.get(file) or "".join(linecache.getlines(file))
        return loaded

    def _add(self, section: str, name: str, fields: Mapping[str, Plain], place: Place) -> None:
        definition = Table(place, ((_word(name, place), tree(_given(fields), place)),))
        self._sections.append((section, place, definition))

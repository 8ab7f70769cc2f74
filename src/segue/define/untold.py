"""What journeys and messages ask of the event that began them, and that it never tells.

An event that a file defines `on` others tells the properties which the file gives it, and no
more. What is read beside them is missing in every run, and renders as nothing.

Rule: only what is missing in every run is remarked: a journey that is entered by any other event
too, or a message that another journey sends too, may find it there.
"""

import re
from collections.abc import Iterable, Iterator
from typing import cast

import msgspec

from segue.define.compile import Compiled
from segue.define.diagnostics import Place, Sink, nearest
from segue.define.moments import EventOnForm
from segue.define.workspace import Written
from segue.kernel import plan

_BRACES = re.compile(r"{[{%](.*?)[}%]}", re.DOTALL)
_READ = re.compile(r"\bentry\.([A-Za-z_]\w*)")


def check_untold(written: Written, compiled: Compiled, sink: Sink) -> None:
    """Report each field of `entry` that no run can have."""
    made = {
        event.name: frozenset(event.properties)
        for event in compiled.plan.derived
        if isinstance(written.events.get(event.name), EventOnForm)
    }
    told = {journey.name: _told(journey, made) for journey in compiled.plan.journeys}
    senders: dict[str, list[str]] = {}
    for journey in compiled.plan.journeys:
        known = told[journey.name]
        for sent in _sent(journey):
            senders.setdefault(sent, []).append(journey.name)
        form = written.journeys[journey.name]
        if known is not None:
            with sink.waiving(form.waive):
                _report(_asked(journey), known, form.place, sink)
    for message in compiled.plan.messages:
        each_knows = [told[name] for name in senders.get(message.name, ())]
        known_to = [each for each in each_knows if each is not None]
        if not known_to or len(known_to) < len(each_knows):
            continue
        known = frozenset[str]().union(*known_to)
        form_of = written.messages[message.name]
        with sink.waiving(form_of.waive):
            for part in ("about", "value", "when"):
                _report(_asked(getattr(message, part)), known, form_of.at_key(part), sink)
            for channel, fields in message.contents.items():
                for name, text in fields.items():
                    place = form_of.contents[channel][name].place
                    _report(_read(text), known, place, sink)


def _told(journey: plan.Journey, made: dict[str, frozenset[str]]) -> frozenset[str] | None:
    """What the events by which a journey is entered tell; None where nobody can say."""
    found: frozenset[str] = frozenset()
    for entry in journey.entries:
        if not isinstance(entry, plan.OnEvent) or not all(name in made for name in entry.events):
            return None
        found = found.union(*(made[name] for name in entry.events))
    return found if journey.entries else None


def _sent(journey: plan.Journey) -> set[str]:
    """The messages of a journey's steps."""
    found: set[str] = set()
    for node in journey.steps:
        match node:
            case plan.Send(message=message) | plan.Show(message=message):
                found.add(message)
            case plan.Choose(options=options):
                found.update(option.message for option in options if option.message)
            case _:
                pass
    return found


def _asked(part: object) -> set[str]:
    """The fields of `entry` that the expressions within a part of the plan read."""
    return set(_paths(msgspec.to_builtins(part)))


def _paths(tree: object) -> Iterator[str]:
    if isinstance(tree, dict):
        node = cast("dict[str, object]", tree)
        keys = node.get("keys")
        if node.get("root") == "entry" and isinstance(keys, list | tuple) and keys:
            yield str(cast("list[object]", keys)[0])
        for inner in node.values():
            yield from _paths(inner)
    elif isinstance(tree, list | tuple):
        for inner in cast("list[object]", tree):
            yield from _paths(inner)


def _read(text: str) -> set[str]:
    """The fields of `entry` that a template reads."""
    return {field for inside in _BRACES.findall(text) for field in _READ.findall(inside)}


def _report(fields: Iterable[str], known: frozenset[str], place: Place, sink: Sink) -> None:
    for field in sorted(set(fields) - known):
        message = f"no event that leads here tells {field!r}: entry.{field} is always missing"
        close = nearest(field, known)
        hint = f"add it to the `properties` of the event: {field}: properties.{field}"
        sink.report("SEG-W709", place, message, close if close.startswith("did you mean") else hint)

"""The events that a program's definitions make happen, as the auditor understands them.

Rule: a definition is followed as it is written: it happens after other events, after a silence,
    or at a moment of a session or a segment, if its condition holds then.
"""

from typing import TYPE_CHECKING

from segue.kernel.inputs import Event
from segue.kernel.values import Record
from segue.sim.auditor_conditions import holds, value_of
from segue.sim.auditor_life import Life

if TYPE_CHECKING:
    from segue.sim.auditor_tick import Tick


def listen(tick: "Tick", event: Event) -> None:
    """After an event: silences start, start again, and are broken."""
    life, view = tick.life, tick.view
    defined = [one for one in tick.book.today.derived if one.moment == "event"]
    for one in defined:
        if event.name in one.unless:
            life.silences.pop(one.name, None)
    for one in defined:
        if event.name not in one.on:
            continue
        view.entry, view.vars = {}, {}
        properties = {key: value_of(v, view) for key, v in one.properties.items()}
        if one.silence_ms > 0:
            life.silences[one.name] = (tick.now + one.silence_ms, properties)
        elif holds(one.when, view):
            tick.emit(f"{life.id}/{one.name}/{event.id}", one.name, properties, tick.now)


def at_moment(tick: "Tick", moment: str, told: Record, which: str, life: Life, at: int) -> None:
    """At a moment of a life; what the definition says of it wins over what the moment tells."""
    view = tick.view
    view.life = life
    view.entry, view.vars = {}, {}
    for one in tick.book.today.derived:
        concerned = one.moment == moment and one.segment in ("", told.get("segment"))
        if concerned and holds(one.when, view):
            said = {key: value_of(value, view) for key, value in one.properties.items()}
            tick.emit(f"{life.id}/{one.name}/{which}", one.name, {**told, **said}, at)
    view.life = tick.life

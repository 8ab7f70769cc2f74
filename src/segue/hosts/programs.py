"""Programs as stored: saved under their hash, linked beside those that live runs need.

Rule 1: a plan that can't be read or linked changes nothing: the one in force stays.
Rule 2: the plan in force is always among the `older` of the next one, for a run may enter
    between the link and the moment at which the new one takes over.
Rule 3: what becomes of the runs of older programs (see `publishing.py`) is saved before the
    program that it belongs to is current.
"""

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from segue.errors import NoProgram, PlanUnreadable
from segue.hosts import publishing
from segue.hosts.publishing import Modes, Outlook
from segue.hosts.zones import Zones
from segue.kernel.catalog import heard
from segue.kernel.plan import Plan
from segue.kernel.program import Patterns, Program, link
from segue.kernel.values import Instant, Millis
from segue.stores.ports import Store

Heard: TypeAlias = Mapping[tuple[str, str], Millis]

_decode = msgspec.json.Decoder(Plan).decode


class Programs:
    """Makes the programs of one store."""

    def __init__(self, store: Store, patterns: Patterns, zones: Zones) -> None:
        self._store = store
        self._patterns = patterns
        self._zones = zones

    def current(self) -> Program:
        """The program that was published last. Raises `NoProgram`, `PlanUnreadable`."""
        name = self._store.current_program()
        if not name:
            raise NoProgram("nothing has been published to this store yet")
        return self._link(name, self._plan(name))

    def publish(self, name: str, plan: bytes, now: Instant, modes: Modes | None = None) -> Program:
        """Link a plan, then save it as the current one.

        `modes` say what becomes of the runs of older programs; without any they drain, and
        for the program that is current already what was decided stays. Raises `PlanUnreadable`,
        `StepsVanished`, `UnknownMode`.
        """
        program = self.prepare(name, plan)
        if modes:
            self.check(self.outlook(name, plan, modes), modes)
        self.save(name, plan, now, modes)
        return program

    def prepare(self, name: str, plan: bytes) -> Program:
        """Link a plan beside those that it needs, and save nothing."""
        return self._link(name, _read(name, plan))

    def save(self, name: str, plan: bytes, now: Instant, modes: Modes | None = None) -> None:
        """Save a plan as the current one, and what becomes of older runs (rule 3)."""
        decided_anew = modes is not None or name != self._store.current_program()
        if decided_anew and dict(modes or {}) != dict(self.modes(name)):
            self._store.commit((), meta=publishing.kept(modes or {}, name))
        self._store.save_program(name, plan, now)

    def outlook(self, name: str, plan: bytes, modes: Modes) -> tuple[Outlook, ...]:
        """What publishing a plan would mean for the runs that are live; looks at everyone."""
        found = publishing.standing(publishing.everyone(self._store))
        return publishing.outlook(found, _read(name, plan), name, modes)

    def check(self, told: tuple[Outlook, ...], modes: Modes) -> None:
        """Raises `StepsVanished` or `UnknownMode`."""
        publishing.refuse_unknown(told, modes)
        publishing.refuse_vanished(told)

    def modes(self, name: str) -> Modes:
        """What was decided for the runs of older programs when this one was published."""
        return publishing.decided(self._store, name)

    def counts_all_of(self, older: str, program: Program) -> bool:
        """Whether an older program already counted every stream that this one asks for, and
        noted every interest, for as long.

        Then a profile that adopts this one needs no look at its history.
        """
        body = self._store.program(older)
        if body is None:
            return False
        before = link(_read(older, body), name=older, patterns=self._patterns, zones=self._zones)
        missing = frozenset(program.streams.keys) - frozenset(before.streams.keys)
        return not missing and _hears_no_longer(heard(program), heard(before))

    def _link(self, name: str, plan: Plan) -> Program:
        older = dict.fromkeys([self._store.current_program(), *self._store.programs_in_use()])
        self._zones.ensure([plan.workspace.zone])
        return link(
            plan,
            name=name,
            patterns=self._patterns,
            zones=self._zones,
            older=[(old, self._plan(old)) for old in older if old and old != name],
        )

    def _plan(self, name: str) -> Plan:
        body = self._store.program(name)
        if body is None:
            raise PlanUnreadable(f"the plan {name} is in use, yet the store does not have it")
        return _read(name, body)


def _hears_no_longer(mine: Heard, before: Heard) -> bool:
    """Whether every interest that is asked for was noted, and is not forgotten yet."""
    return all(
        key in before and (before[key] == 0 or 0 < within <= before[key])
        for key, within in mine.items()
    )


def _read(name: str, body: bytes) -> Plan:
    try:
        return _decode(body)
    except msgspec.DecodeError as error:
        raise PlanUnreadable(f"plan {name}: {error}") from error

"""What becomes of runs that are under way when a new program is published.

A run is pinned to the program in which it entered. For each journey one of three is decided:

    drain     it finishes on the old program (where nothing is said)
    migrate   it goes on in the new one, at the step of the same id
    exit      it ends, and what it has held, queued or on show is withdrawn

Rule 1: before anything is published it can be told how many runs stand where, and what each of
    the three would do with them.
Rule 2: a run that would migrate and whose step does not exist any more is an error with a list;
    nothing is published then.
Rule 3: what was decided is kept in the store with the program, so that a profile that is touched
    only after a restart, or in a week, is treated as was decided.
Rule 4: what was decided for one program is carried out for every profile before the next one is
    published, unless all of it was `drain`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal as OneOf, TypeAlias, get_args

import msgspec

from segue.errors import StepsVanished, UnknownMode
from segue.hosts.limits import PROFILES_PER_LOOK_MAX
from segue.kernel.plan import Plan
from segue.kernel.profile import Profile
from segue.stores.ports import Store

Mode: TypeAlias = OneOf["drain", "migrate", "exit"]

MODES: tuple[Mode, ...] = get_args(Mode)

Modes: TypeAlias = Mapping[str, Mode]
"""What is decided, by journey; what is not named drains."""

_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(dict[str, Mode]).decode


class Place(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Where runs of a journey stand: in which program, at which step, and how many."""

    program: str
    step: str
    runs: int
    vanished: bool = False
    """The step, or the one before which they linger, does not exist in the program to come."""
    onward: str = ""
    """The step that they go on to once what they show is over; empty where they do not linger."""

    @property
    def where(self) -> str:
        """The step, and the one before which the runs linger."""
        return f"{self.step} → {self.onward}" if self.onward else self.step


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What publishing would mean for one journey."""

    journey: str
    state: str = ""
    """Its state in the program that is to be published; empty where it is gone."""
    mode: Mode = "drain"
    runs: int = 0
    """Live runs of other programs, which the mode concerns."""
    settled: int = 0
    """Live runs that are of the program already."""
    places: tuple[Place, ...] = ()

    @property
    def vanished(self) -> tuple[Place, ...]:
        """Where runs stand that could not migrate."""
        return tuple(place for place in self.places if place.vanished)


Standing: TypeAlias = Counter[tuple[str, str, str, str]]
"""How many runs of a journey, of a program, stand at a step, and before which one they linger."""


def everyone(store: Store) -> Iterator[Profile]:
    """All profiles, a few at a time."""
    after = ""
    while found := store.profiles(after, PROFILES_PER_LOOK_MAX):
        yield from found
        after = found[-1].id


def standing(profiles: Iterable[Profile]) -> Standing:
    """Where the live runs of these profiles stand."""
    return Counter(
        (run.journey, run.program, run.step, run.lingers_to or "")
        for profile in profiles
        for run in profile.runs
    )


def outlook(found: Standing, current: Plan, name: str, modes: Modes) -> tuple[Outlook, ...]:
    """What publishing `current` under `name` would mean, for every journey there is or was."""
    journeys = {journey.name: journey for journey in current.journeys}
    told: list[Outlook] = []
    for journey in sorted(journeys.keys() | {one for one, *_ in found}):
        new = journeys.get(journey)
        steps = frozenset(node.id for node in new.steps) if new is not None else frozenset[str]()
        places = tuple(
            Place(
                program=program,
                step=step,
                runs=many,
                vanished=step not in steps or (onward != "" and onward not in steps),
                onward=onward,
            )
            for (one, program, step, onward), many in sorted(found.items())
            if one == journey
        )
        told.append(
            Outlook(
                journey=journey,
                state=new.state if new is not None else "",
                mode=modes.get(journey, "drain"),
                runs=sum(place.runs for place in places if place.program != name),
                settled=sum(place.runs for place in places if place.program == name),
                places=tuple(place for place in places if place.program != name),
            )
        )
    return tuple(told)


def refuse_vanished(told: Sequence[Outlook]) -> None:
    """Rule 2. Raises `StepsVanished`."""
    lost = [
        f"{one.journey}: {place.runs:,} at {place.where} (program {place.program[:12]})"
        for one in told
        if one.mode == "migrate"
        for place in one.vanished
    ]
    if lost:
        raise StepsVanished(lost)


def refuse_unknown(told: Sequence[Outlook], modes: Modes) -> None:
    """A mode for a journey that exists nowhere is a slip. Raises `UnknownMode`."""
    known = {one.journey for one in told}
    for journey in modes:
        if journey not in known:
            raise UnknownMode(journey, sorted(known))


def moves(modes: Modes) -> bool:
    """Whether anything is to be carried over at all."""
    return any(mode != "drain" for mode in modes.values())


def concerns(modes: Modes, profile: Profile, program: str) -> bool:
    """Whether a profile has a run that is still to be carried over to the program in force."""
    for run in profile.runs:
        if run.program != program and modes.get(run.journey, "drain") != "drain":
            return True
    return False


# ── as stored ──


def kept(modes: Modes, program: str) -> dict[str, str]:
    """What was decided, as the store's named value."""
    return {f"modes:{program}": _encode(dict(modes)).decode()}


def decided(store: Store, program: str) -> Modes:
    """What was decided when a program was published."""
    text = store.meta(f"modes:{program}")
    return _decode(text.encode()) if text else {}

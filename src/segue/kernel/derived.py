"""Events that Segue makes happen by itself: after other events, silences, and at moments.

Rule 1: a silence starts (again) with each event it is `on`, is broken by each of `unless`,
    and at its end the event happens if its condition holds then.
Rule 2: its instant is the end of the silence, so it is the same however late the wake-up is.
Rule 3: which events there are is the plan's to say. A moment that no definition names is
    passed over; one that several name makes several events, each by its own condition.
"""

from segue.kernel.inputs import Event
from segue.kernel.plan import Moment
from segue.kernel.profile import Profile, Silence
from segue.kernel.program import LinkedDerived
from segue.kernel.turn import Turn
from segue.kernel.values import Instant, Record, later


def listen(turn: Turn, event: Event) -> None:
    """Start, start again or break silences for an event."""
    profile = turn.profile
    for name in turn.program.breaks.get(event.name, ()):
        profile.silences.pop(name, None)
    for one in turn.program.starts.get(event.name, ()):
        properties = _properties(turn, one)
        if one.derived.silence_ms > 0:
            due_at = later(turn.now, one.derived.silence_ms)
            profile.silences[one.derived.name] = Silence(due_at, properties)
        elif one.condition.holds(turn.for_profile()):
            happened = f"{profile.id}/{one.derived.name}/{event.id}"
            turn.emit(happened, one.derived.name, properties, turn.now)


def _properties(turn: Turn, one: LinkedDerived) -> Record:
    scene = turn.for_profile()
    return {key: value.ask(scene) for key, value in one.properties.items()}


def ripen(turn: Turn) -> None:
    """Let the events happen whose silence has ended, the earliest first."""
    silences = turn.profile.silences
    ripe = sorted((one.due_at, name) for name, one in silences.items() if one.due_at <= turn.now)
    for due_at, name in ripe:
        silence = silences.pop(name)
        one = turn.program.derived.get(name)
        if one is not None and one.condition.holds(turn.for_profile()):
            happened = f"{turn.profile.id}/{name}/{due_at}"
            turn.emit(happened, name, silence.properties, Instant(due_at))


def at_moment(
    turn: Turn, moment: Moment, own: Record, which: str, at: Instant, whose: Profile | None = None
) -> None:
    """Let the events of a moment happen; `own` is what it tells, `which` tells it from others.

    `whose` is the profile whose moment it is, where that is not the turn's: one that is being
    merged. Its conditions see it as it is.
    """
    scene = turn.for_profile()
    profile = whose if whose is not None else turn.profile
    for one in turn.program.moments.get(moment, ()):
        if one.derived.segment not in ("", own.get("segment", "")):
            continue
        scene.profile = profile
        if one.condition.holds(scene):
            properties = {**own, **_properties(turn, one)}
            name = one.derived.name
            turn.emit(f"{profile.id}/{name}/{which}", name, properties, at)
        scene.profile = turn.profile

"""Where a path leads: the roots of the data, their fields, and how each is read.

Rule 1: a place that does not exist is missing, at whatever depth it ends; nothing raises.
Rule 2: a text key looks into records, a whole number into lists (negative from the end).
Rule 3: only `local` changes by time alone. It lowers `until` to the next instant at which the
    field that was read may change.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias, assert_never

from segue.kernel import calendar
from segue.kernel.calendar import DAY_MS, HOUR_MS, MINUTE_MS, Local, Zone
from segue.kernel.expression import Root
from segue.kernel.features import Ask
from segue.kernel.inputs import Event
from segue.kernel.profile import Profile
from segue.kernel.scene import Scene
from segue.kernel.session import SESSION_READERS
from segue.kernel.values import NEVER, Instant, Record, Value

Keys: TypeAlias = tuple[str | int, ...]

EVENT_FIELDS: dict[str, str] = {
    "name": "text",
    "id": "text",
    "kind": "text",
    "source": "text",
    "live": "boolean",
    "at": "number",
    "arrived_at": "number",
}
"""Fields of `event`, with their kinds; instants are numbers."""

PROFILE_FIELDS: dict[str, str] = {
    "id": "text",
    "known": "boolean",
    "zone": "text",
    "first_seen_at": "number",
    "last_seen_at": "number",
    "sessions": "number",
    "orders": "number",
    "ordered_at": "number",
    "bought": "list",
}
"""Fields of `profile`; `known` says that it has a user id, `bought` which products it bought."""

LOCAL_FIELDS: dict[str, str] = {
    "minute": "number",
    "hour": "number",
    "weekday": "number",
    "day": "number",
    "month": "number",
    "year": "number",
    "time": "text",
    "date": "text",
}
"""Fields of `local`, the wall clock in the profile's zone; `time` is "HH:MM", `date` ISO 8601."""


def look_up(value: Value, keys: Keys) -> Value:
    """Follow the keys into records and lists."""
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key) if isinstance(key, str) else None
        elif isinstance(value, list | tuple) and isinstance(key, int):
            value = value[key] if -len(value) <= key < len(value) else None
        else:
            return None
    return value


def reader(root: Root, keys: Keys) -> tuple[Ask, bool]:
    """The closure that reads a path, and whether time alone may change what it reads."""
    match root:
        case "properties":
            return _properties(keys), False
        case "traits":
            return _record(lambda scene: scene.profile.traits, keys), False
        case "context":
            return _record(lambda scene: scene.context, keys), False
        case "entry":
            return _record(lambda scene: scene.entry, keys), False
        case "vars":
            return _record(lambda scene: scene.vars, keys), False
        case "message":
            return _record(lambda scene: scene.message, keys), False
        case "item":
            return _record(lambda scene: scene.item, keys), False
        case "before":
            return _record(lambda scene: scene.before, keys), False
        case "event":
            return _event(keys), False
        case "profile":
            return _profile(keys), False
        case "session":
            return _session(keys), False
        case "local":
            return _local(keys), True
        case _:
            assert_never(root)


def _record(root: Callable[[Scene], Record], keys: Keys) -> Ask:
    if len(keys) == 1 and isinstance(key := keys[0], str):
        only = key
        return lambda scene: root(scene).get(only)
    return lambda scene: look_up(root(scene), keys)


def _properties(keys: Keys) -> Ask:
    """The most read root; one key deep without a further call."""
    if len(keys) == 1 and isinstance(key := keys[0], str):
        only = key
        return lambda scene: event.properties.get(only) if (event := scene.event) else None
    return lambda scene: look_up(event.properties, keys) if (event := scene.event) else None


def property_is(key: str, text: str) -> Ask:
    """Whether a property of the event is this text: what most streams ask, in one call."""

    def ask(scene: Scene) -> Value:
        event = scene.event
        return event is not None and event.properties.get(key) == text

    return ask


def _nothing(_scene: Scene) -> Value:
    return None


def _field(keys: Keys) -> str:
    """The first key, if it is all of them; fields have no parts."""
    return keys[0] if len(keys) == 1 and isinstance(keys[0], str) else ""


_EVENT: Mapping[str, Callable[[Event, Instant], Value]] = {
    "name": lambda event, _now: event.name,
    "id": lambda event, _now: event.id,
    "kind": lambda event, _now: event.kind,
    "source": lambda event, _now: event.source,
    "live": lambda event, _now: event.live,
    "at": lambda event, _now: event.at,
    "arrived_at": lambda _event, now: now,
}


def _event(keys: Keys) -> Ask:
    read = _EVENT.get(_field(keys))
    if read is None:
        return _nothing
    return lambda scene: read(event, scene.now) if (event := scene.event) else None


_PROFILE: Mapping[str, Callable[[Profile], Value]] = {
    "id": lambda profile: profile.id,
    "known": lambda profile: bool(profile.user_ids),
    "zone": lambda profile: profile.zone or None,
    "first_seen_at": lambda profile: _seen(profile.first_seen_at),
    "last_seen_at": lambda profile: _seen(profile.last_seen_at),
    "sessions": lambda profile: profile.sessions,
    "orders": lambda profile: profile.orders,
    "ordered_at": lambda profile: _seen(profile.ordered_at),
    "bought": lambda profile: sorted(profile.bought),
}


def _seen(at: Instant) -> Value:
    return at if 0 < at < NEVER else None


def _profile(keys: Keys) -> Ask:
    read = _PROFILE.get(str(keys[0]) if keys else "")
    if read is None:
        return _nothing
    if len(keys) == 1:
        return lambda scene: read(scene.profile)
    rest = keys[1:]
    return lambda scene: look_up(read(scene.profile), rest)


def _session(keys: Keys) -> Ask:
    """A field of the live session, else a model's probability; missing without a session."""
    if not keys or not isinstance(keys[0], str):
        return _nothing
    name, rest = keys[0], keys[1:]
    field = SESSION_READERS.get(name)
    if field is None:
        return _nothing if rest else _probability(name)
    read = field.read
    if rest:
        return lambda scene: (
            look_up(read(session), rest) if (session := scene.profile.session) else None
        )
    return lambda scene: read(session) if (session := scene.profile.session) else None


def _probability(model: str) -> Ask:
    def ask(scene: Scene) -> Value:
        session = scene.profile.session
        score = session.scores.get(model) if session is not None else None
        return score.probability if score is not None else None

    return ask


def _month_end(zone: Zone, now: Instant, _unit: int) -> Instant:
    # Should a clock change put the first midnight of a month twice, ask again at once.
    return Instant(max(calendar.start_of_month(zone, now, 1), now + 1))


def _year_end(zone: Zone, now: Instant, _unit: int) -> Instant:
    return Instant(max(calendar.start_of_year(zone, now, 1), now + 1))


def _iso_date(shown: Local) -> str:
    return f"{shown.year:04}-{shown.month:02}-{shown.day:02}"


_LOCAL: Mapping[
    str, tuple[Callable[[Local], Value], Callable[[Zone, Instant, int], Instant], int]
] = {
    "minute": (lambda shown: shown.minute, calendar.next_boundary, MINUTE_MS),
    "time": (lambda shown: f"{shown.hour:02}:{shown.minute:02}", calendar.next_boundary, MINUTE_MS),
    "hour": (lambda shown: shown.hour, calendar.next_boundary, HOUR_MS),
    "weekday": (lambda shown: shown.weekday, calendar.next_boundary, DAY_MS),
    "day": (lambda shown: shown.day, calendar.next_boundary, DAY_MS),
    "date": (_iso_date, calendar.next_boundary, DAY_MS),
    "month": (lambda shown: shown.month, _month_end, 0),
    "year": (lambda shown: shown.year, _year_end, 0),
}


def _local(keys: Keys) -> Ask:
    found = _LOCAL.get(_field(keys))
    if found is None:
        return _nothing
    read, boundary, unit_ms = found

    def ask(scene: Scene) -> Value:
        scene.until = min(scene.until, boundary(scene.zone, scene.now, unit_ms))
        return read(calendar.local(scene.zone, scene.now))

    return ask

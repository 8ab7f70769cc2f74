"""What a store remembers, summed up for the checker: which events come, what journeys reach."""

from collections import Counter
from collections.abc import Iterator

from segue.define import History, Reached
from segue.kernel.profile import Profile
from segue.kernel.trace import RunChanged
from segue.kernel.values import Millis
from segue.stores.ports import LoggedEvent, Store

_PAGE = 1_000
_TRACES = 100_000


def history_of(store: Store) -> History:
    """Events by name, and for each journey how many entered and how many reached its goal."""
    events: Counter[str] = Counter()
    first = last = 0
    for logged in _log(store):
        events[logged.event.name] += 1
        first = first or logged.arrived_at
        last = max(last, logged.arrived_at)
    entered: Counter[str] = Counter()
    goals: Counter[str] = Counter()
    for profile in _profiles(store):
        for line in store.traces(profile.id, _TRACES):
            for note in line.notes:
                if isinstance(note, RunChanged) and note.change == "entered":
                    entered[note.journey] += 1
                elif isinstance(note, RunChanged) and note.change == "goal":
                    goals[note.journey] += 1
    return History(
        events=dict(events),
        span_ms=Millis(last - first),
        journeys={name: Reached(count, goals[name]) for name, count in entered.items()},
    )


def _log(store: Store) -> Iterator[LoggedEvent]:
    after = 0
    while page := store.log(after, _PAGE):
        yield from page
        after = page[-1].sequence


def _profiles(store: Store) -> Iterator[Profile]:
    after = ""
    while page := store.profiles(after, _PAGE):
        yield from page
        after = page[-1].id

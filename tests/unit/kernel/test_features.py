"""Goal: what an event leaves behind is compact, bounded, and named by what decides it."""

import msgspec
import pytest

from segue.kernel import expression as ex, features
from segue.kernel.calendar import UTC
from segue.kernel.features import plain
from segue.kernel.inputs import Event
from segue.kernel.limits import DIFFERENT_MAX, NUMBER_MAX, TRAIL_ENTRIES_MAX, VALUE_TEXT_MAX
from segue.kernel.predicate import Linker
from segue.kernel.profile import Profile, Tally, Trail, create
from segue.kernel.scene import Scene
from segue.kernel.values import Instant, Millis, ProfileId, Value

NOW = Instant(1_000_000)
X = ex.Path("properties", ("x",))
SEEN = ex.Stream(("seen",))
AMOUNTS = ex.Stream(("seen",), None, X)


@pytest.fixture
def linker() -> Linker:
    return Linker(lambda pattern: lambda text: pattern in text)


@pytest.fixture
def profile() -> Profile:
    return create(ProfileId("ana"), NOW)


def happen(
    linker: Linker, profile: Profile, x: Value = None, at: int = NOW, name: str = "seen"
) -> int:
    event = Event(id="e", name=name, at=Instant(at), properties={"x": x})
    return features.fold(profile, event, linker.index(), Scene(profile, NOW, UTC, event))


def test_a_stream_is_named_by_its_content() -> None:
    assert features.stream_key(ex.Stream(("b", "a", "b"))) == features.stream_key(
        ex.Stream(("a", "b"))
    )
    assert features.stream_key(SEEN) != features.stream_key(AMOUNTS)
    assert features.stream_key(SEEN) == features.digest(SEEN)


def test_streams_that_differ_only_in_window_keep_a_trail_each_under_one_bit(
    linker: Linker, profile: Profile
) -> None:
    short = linker.compile(ex.Aggregate("count", SEEN, Millis(10)))
    long = linker.compile(ex.Aggregate("count", SEEN, Millis(1_000)))
    assert short.needs == long.needs == linker.bit(f"stream:{features.stream_key(SEEN)}")
    happen(linker, profile)
    happen(linker, profile, at=NOW - 10)
    assert sorted(len(trail.times) for trail in profile.trails.values()) == [1, 2]
    scene = Scene(profile, NOW, UTC)
    assert (short.ask(scene), long.ask(scene)) == (1, 2)


def test_counting_keeps_no_values_even_where_some_are_named(
    linker: Linker, profile: Profile
) -> None:
    linker.compile(ex.Aggregate("count", AMOUNTS, Millis(10)))
    linker.compile(ex.Aggregate("count", SEEN, Millis(10)))
    happen(linker, profile, x="a")
    (trail,) = profile.trails.values()
    assert trail == Trail([NOW], None)


def test_what_a_window_keeps_is_named_alike_whatever_is_linked_beside_it(linker: Linker) -> None:
    linker.compile(ex.Aggregate("count", SEEN, Millis(10)))
    before = linker.index().keys
    linker.compile(ex.Aggregate("count", SEEN, Millis(20)))
    assert before < linker.index().keys


def test_events_are_found_by_name_and_streams_of_every_event_always(
    linker: Linker, profile: Profile
) -> None:
    linker.compile(ex.Aggregate("count", SEEN))
    linker.compile(ex.Aggregate("count", ex.Stream(())))
    streams = linker.index()
    assert set(streams.by_event) == {"seen"}
    assert len(streams.by_event["seen"]) == 2
    assert happen(linker, profile, name="other") == streams.wild[0].bit
    assert sorted(tally.count for tally in profile.tallies.values()) == [1]
    happen(linker, profile)
    assert sorted(tally.count for tally in profile.tallies.values()) == [1, 2]


def test_an_event_older_than_every_window_leaves_nothing(linker: Linker, profile: Profile) -> None:
    linker.compile(ex.Aggregate("count", SEEN, Millis(10)))
    assert happen(linker, profile, at=NOW - 10) == 0
    assert profile.trails == {}
    assert happen(linker, profile, at=NOW - 9) != 0


def test_entries_beyond_the_window_go_when_new_ones_come(linker: Linker, profile: Profile) -> None:
    linker.compile(ex.Aggregate("sum", AMOUNTS, Millis(10)))
    (key,) = linker.index().keys
    profile.trails[key] = Trail([NOW - 30, NOW - 10, NOW - 9], [1, 2, 3])
    happen(linker, profile, x=4)
    assert profile.trails[key] == Trail([NOW - 9, NOW], [3, 4])


def test_a_trail_is_bounded_and_forgets_the_oldest(linker: Linker, profile: Profile) -> None:
    linker.compile(ex.Aggregate("count", SEEN, Millis(100_000)))
    for number in range(TRAIL_ENTRIES_MAX + 3):
        happen(linker, profile, at=NOW - 50_000 + number)
    (trail,) = profile.trails.values()
    assert len(trail.times) == TRAIL_ENTRIES_MAX
    assert trail.times[0] == NOW - 50_000 + 3
    merged = features.merge_trail(trail, Trail([1, 2]))
    assert merged == trail


def test_different_values_are_bounded_whatever_the_order(linker: Linker, profile: Profile) -> None:
    linker.compile(ex.Aggregate("distinct", AMOUNTS))
    other = create(ProfileId("bob"), NOW)
    for number in range(DIFFERENT_MAX + 20):
        happen(linker, profile, x=number)
        happen(linker, other, x=DIFFERENT_MAX + 19 - number)
    (tally,) = profile.tallies.values()
    (same,) = other.tallies.values()
    assert len(tally.different or ()) == DIFFERENT_MAX
    assert tally.different == same.different
    assert features.merge_tally(tally, same).different == tally.different


def test_a_value_that_is_not_taken_is_not_in_the_stream(linker: Linker, profile: Profile) -> None:
    linker.compile(ex.Aggregate("sum", AMOUNTS))
    linker.compile(ex.Aggregate("last", AMOUNTS))
    strange: tuple[Value, ...] = (None, [1], {"a": 1}, float("nan"))
    for x in strange:
        assert happen(linker, profile, x=x) == 0
    assert happen(linker, profile, x="a") != 0
    assert len(profile.tallies) == 1, "a text is a value and no number"
    happen(linker, profile, x=2)
    assert {tally.count for tally in profile.tallies.values()} == {1, 2}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, None),
        (True, True),
        (2.0, 2),
        (2.5, 2.5),
        (1e300, 1e300),
        (float("inf"), None),
        (1 << 62, 1 << 62),
        (1 << 64, float(1 << 64)),
        (10**400, None),
        ("x" * 900, "x" * VALUE_TEXT_MAX),
        ([1], None),
        ({"a": 1}, None),
    ],
)
def test_one_form_is_kept_of_each_plain_value(value: Value, kept: Value) -> None:
    found = plain(value)
    assert found == kept
    assert type(found) is type(kept)


def test_numbers_too_large_to_sum_are_passed_over(linker: Linker, profile: Profile) -> None:
    total = linker.compile(ex.Aggregate("sum", AMOUNTS))
    happen(linker, profile, x=NUMBER_MAX * 1.1)
    happen(linker, profile, x=NUMBER_MAX)
    happen(linker, profile, x=NUMBER_MAX)
    assert total.ask(Scene(profile, NOW, UTC)) == 2 * NUMBER_MAX


def test_rebuilding_touches_nothing_else(linker: Linker, profile: Profile) -> None:
    linker.compile(ex.Aggregate("count", SEEN))
    linker.compile(ex.Aggregate("count", SEEN, Millis(10)))
    where = ex.Compare("==", X, ex.Literal(1))
    linker.compile(ex.Aggregate("count", ex.Stream(("seen",), where)))
    streams = linker.index()
    tallies = streams.keys - set(streams.windows)
    profile.tallies = {"older": Tally(9)} | {key: Tally(9) for key in tallies}
    history = [(Event(id="e", name="seen", at=NOW, properties={"x": 2}), NOW)]
    features.rebuild(profile, streams, history, tallies)
    assert sorted(tally.count for tally in profile.tallies.values()) == [1, 9]
    assert profile.trails == {}
    features.rebuild(profile, streams, history, streams.windows)
    assert sorted(tally.count for tally in profile.tallies.values()) == [1, 9]
    assert [trail.times for trail in profile.trails.values()] == [[NOW]]


def test_pruning_drops_what_no_window_and_no_stream_keeps(linker: Linker, profile: Profile) -> None:
    linker.compile(ex.Aggregate("sum", AMOUNTS, Millis(10)))
    linker.compile(ex.Aggregate("count", SEEN, Millis(20)))
    streams = linker.index()
    sums, counts = sorted(streams.windows, key=lambda key: streams.windows[key])
    profile.tallies = {"older": Tally(9)}
    profile.trails = {
        "older": Trail([NOW]),
        sums: Trail([NOW - 10, NOW], [1, 2]),
        counts: Trail([NOW - 30, NOW - 20]),
    }
    features.prune(profile, streams, NOW)
    assert profile.tallies == {}
    assert profile.trails == {sums: Trail([NOW], [2])}


def test_what_is_kept_for_a_few_events_is_small(linker: Linker, profile: Profile) -> None:
    """25 segments over five kinds of events, four events: well under 2 KB."""
    for number in range(25):
        where = ex.Compare("==", X, ex.Literal(number % 2))
        stream = ex.Stream((f"event {number % 5}",), where)
        linker.compile(ex.Aggregate("count", stream, Millis(100 * (number + 1))))
        linker.compile(ex.Aggregate("count", stream))
    for number in range(4):
        happen(linker, profile, x=number % 2, name=f"event {number}")
    assert len(msgspec.msgpack.encode(profile)) < 500

"""Goal: memberships change exactly when they must, in one pass, and say so."""

import random

import msgspec
import pytest

from segue.kernel import expression as ex, features, plan, segments
from segue.kernel.calendar import UTC
from segue.kernel.inputs import Adopted, Event
from segue.kernel.plan import Segment
from segue.kernel.predicate import Linker
from segue.kernel.profile import Profile, create
from segue.kernel.scene import Scene
from segue.kernel.segments import EVERYTHING, Segments
from segue.kernel.trace import SegmentChanged
from segue.kernel.values import HOUR, MINUTE, NEVER, Instant, Millis, ProfileId
from tests.unit.kernel.customers import Customer, journey, program

NOW = Instant(1_000_000)
RECENT = Segment(
    name="recent",
    when=ex.Compare(">=", ex.Aggregate("count", ex.Stream(("seen",)), Millis(100)), ex.Literal(2)),
)
GERMAN = Segment(
    name="german",
    when=ex.Compare("==", ex.Path("traits", ("country",)), ex.Literal("DE")),
)
BOTH = Segment(name="both", when=ex.All((ex.InSegment("recent"), ex.InSegment("german"))))
QUIET = Segment(name="quiet", when=ex.Not(ex.InSegment("both")))


@pytest.fixture
def linker() -> Linker:
    return Linker(lambda pattern: lambda text: pattern in text)


@pytest.fixture
def linked(linker: Linker) -> Segments:
    return segments.link((QUIET, BOTH, RECENT, GERMAN), linker)


@pytest.fixture
def profile() -> Profile:
    return create(ProfileId("ana"), NOW)


def refresh(profile: Profile, linked: Segments, dirty: int, now: int = NOW) -> list[str]:
    scene = Scene(profile, Instant(now), UTC)
    changes, _ = segments.refresh(profile, linked, scene, dirty)
    return [f"{one.segment} {one.change}" for one in changes]


def test_segments_come_after_those_they_read(linked: Segments) -> None:
    assert [one.name for one in linked.ordered] == ["recent", "german", "both", "quiet"]


def test_segments_that_read_each_other_are_a_bug(linker: Linker) -> None:
    one = Segment(name="one", when=ex.InSegment("two"))
    two = Segment(name="two", when=ex.InSegment("one"))
    with pytest.raises(AssertionError, match="circle"):
        segments.link((one, two), linker)


def test_a_change_cascades_in_one_pass(linker: Linker, linked: Segments, profile: Profile) -> None:
    assert refresh(profile, linked, EVERYTHING) == ["quiet entered"]
    streams = linker.index()
    dirty = linker.bit("traits")
    profile.traits["country"] = "DE"
    for _ in range(2):
        event = Event(id="e", name="seen", at=NOW)
        dirty |= features.fold(profile, event, streams, Scene(profile, NOW, UTC, event))
    scene = Scene(profile, NOW, UTC)
    scene.until = 5
    changes, changed = segments.refresh(profile, linked, scene, dirty)
    assert changes == [
        SegmentChanged(segment="recent", change="entered"),
        SegmentChanged(segment="german", change="entered"),
        SegmentChanged(segment="both", change="entered"),
        SegmentChanged(segment="quiet", change="left"),
    ]
    assert changed == sum(linker.bit(f"segment:{one.segment}") for one in changes)
    assert profile.segments == {"recent": NOW, "german": NOW, "both": NOW}
    assert scene.until == 5


def test_a_membership_ends_when_the_event_leaves_and_not_before(
    linker: Linker, linked: Segments, profile: Profile
) -> None:
    streams = linker.index()
    for at in (NOW - 40, NOW):
        event = Event(id="e", name="seen", at=Instant(at))
        refresh(
            profile,
            linked,
            features.fold(profile, event, streams, Scene(profile, NOW, UTC, event)),
        )
    assert segments.next_due(profile) == profile.segments_due["recent"] == NOW + 60
    assert refresh(profile, linked, 0, NOW + 59) == []
    assert refresh(profile, linked, 0, NOW + 60) == ["recent left"]
    assert profile.segments_due == {}
    assert segments.next_due(profile) == NEVER


def test_what_nothing_touches_is_not_asked(linked: Segments, profile: Profile) -> None:
    profile.traits["country"] = "DE"
    assert refresh(profile, linked, 0) == []
    assert refresh(profile, linked, 1 << 40) == []


def test_a_due_segment_that_is_gone_is_passed_over(linked: Segments, profile: Profile) -> None:
    profile.segments_due = {"vanished": 5, "recent": 2 * NOW}
    assert refresh(profile, linked, 0) == []


def test_the_instant_of_entry_is_kept_while_the_membership_lasts(
    linker: Linker, linked: Segments, profile: Profile
) -> None:
    profile.traits["country"] = "DE"
    traits = linker.bit("traits")
    assert refresh(profile, linked, traits) == ["german entered"]
    assert refresh(profile, linked, traits, NOW + 10) == []
    assert profile.segments == {"german": NOW}


def test_a_program_linked_without_an_older_one_still_finds_what_it_counted() -> None:
    """A host that starts again links only the programs that runs are still pinned to."""
    views = ex.Stream(("Viewed",))
    lately = ex.Compare(">=", ex.Aggregate("count", views, MINUTE), ex.Literal(2))
    long_ago = ex.Compare(">=", ex.Aggregate("count", views, HOUR), ex.Literal(1))
    wait = plan.Wait(id="w", next="", for_ms=HOUR)
    old = plan.Plan(
        workspace=plan.Workspace(name="shop"), journeys=(journey("old", wait, when=long_ago),)
    )
    busy = Segment(name="busy", when=lately)
    ana = Customer(program(segments=(busy,), older=(("p0", old),)))
    ana.does("Viewed")
    ana.program = program(segments=(busy,))
    ana.does("Viewed")
    assert "busy" in ana.profile.segments


def test_a_newcomer_is_asked_only_what_may_hold_of_somebody_unknown(linker: Linker) -> None:
    """The others answer no until something they read has changed, and are asked for that then."""
    hour = Segment(
        name="morning", when=ex.Compare("<", ex.Path("local", ("hour",)), ex.Literal(12))
    )
    known = Segment(name="known", when=ex.Path("profile", ("known",)))
    linked = segments.link((QUIET, BOTH, RECENT, GERMAN, hour, known), linker)
    asked = [one.name for one in linked.at[linked.reading[linked.newborn]]]
    assert sorted(asked) == ["known", "morning", "quiet"]


def test_a_newcomer_is_in_the_segments_that_asking_all_of_them_gives(
    linker: Linker, linked: Segments
) -> None:
    few, all_asked = (create(ProfileId("ana"), NOW) for _ in range(2))
    for profile, dirty in ((few, linked.newborn), (all_asked, EVERYTHING)):
        profile.traits["country"] = "DE"
        refresh(profile, linked, dirty | linker.bit("traits"))
    assert few == all_asked
    assert few.segments == {"german": NOW, "quiet": NOW}


LATELY = Millis(40)
LONG = Millis(90)
SEEN = ex.Stream(("seen",))
KINDS = ex.Stream(("seen",), of=ex.Path("properties", ("kind",)))
NEEDY = (
    ex.All(
        (
            ex.Compare("==", ex.Aggregate("distinct", KINDS, LONG), ex.Literal(1)),
            ex.Compare(">=", ex.Aggregate("count", SEEN, LATELY), ex.Literal(3)),
        )
    ),
    ex.Compare(">", ex.Aggregate("count", SEEN, LONG), ex.Literal(4.5)),
    ex.Compare("==", ex.Aggregate("count", SEEN, LATELY), ex.Literal(2)),
    ex.Compare(">=", ex.Aggregate("distinct", KINDS, LATELY), ex.Literal(2)),
    ex.Sequence((SEEN, ex.Stream(("bought",))), within_ms=LATELY, over_ms=LONG),
    ex.Not(ex.Compare(">=", ex.Aggregate("count", SEEN, LATELY), ex.Literal(2))),
    ex.Any(
        (
            ex.Compare(">=", ex.Aggregate("count", SEEN, LATELY), ex.Literal(4)),
            ex.InSegment("needy-1"),
        )
    ),
)
"""Conditions that ask for entries of a trail, alone and beside others."""


def seen(name: str, at: int, kind: str) -> Event:
    return Event(id=f"{name}{at}", name=name, at=Instant(at), properties={"kind": kind})


@pytest.mark.parametrize("seed", range(30))
def test_what_a_trail_is_too_short_for_is_answered_as_if_it_were_asked(
    linker: Linker, profile: Profile, seed: int
) -> None:
    """Events come late, windows empty, trails forget: membership and due are those of asking all."""
    drawn = random.Random(seed)
    linked = segments.link(
        [Segment(name=f"needy-{number}", when=when) for number, when in enumerate(NEEDY)], linker
    )
    streams, now = linker.index(), NOW
    refresh(profile, linked, linked.newborn)
    for _ in range(60):
        now = Instant(now + drawn.choice((0, 1, 7, 30, 120)))
        late = drawn.choice((0, 0, 0, 5, 60))
        event = seen(drawn.choice(("seen", "seen", "bought")), now - late, drawn.choice("ab"))
        dirty = features.fold(profile, event, streams, Scene(profile, now, UTC, event))
        refresh(profile, linked, dirty, now)
        anew = msgspec.structs.replace(profile, segments={}, segments_due={})
        refresh(anew, linked, EVERYTHING, now)
        assert profile.segments.keys() == anew.segments.keys()
        assert profile.segments_due == anew.segments_due


def test_what_a_trail_is_too_short_for_is_not_asked(linker: Linker, profile: Profile) -> None:
    linked = segments.link((RECENT,), linker)
    stream = linker.compile(RECENT.when).needs
    places = linked.reading[stream]
    assert linked.within_reach(places, profile.trails) == []
    for at, asked in ((NOW, []), (NOW + 1, ["recent"])):
        event = seen("seen", at, "a")
        features.fold(profile, event, linker.index(), Scene(profile, event.at, UTC, event))
        assert [one.name for one in linked.within_reach(places, profile.trails)] == asked


def test_a_program_is_adopted_before_what_is_due_is_asked_of_it() -> None:
    """Else a new condition would be asked of the old memberships that it reads."""
    views = ex.Aggregate("count", ex.Stream(("Viewed",)))
    always = Segment(name="base", when=ex.Compare(">=", views, ex.Literal(0)))
    waits = ex.Aggregate("count", ex.Stream(("Viewed",)), MINUTE)
    lately = Segment(name="lately", when=ex.Compare(">=", waits, ex.Literal(1)))
    ana = Customer(program(segments=(always, lately)))
    ana.does("Viewed")
    assert set(ana.profile.segments) == {"base", "lately"}
    rare = Segment(name="base", when=ex.Compare(">=", views, ex.Literal(9)))
    calm = ex.All((ex.Not(lately.when), ex.InSegment("base")))
    ana.program = program(segments=(rare, Segment(name="lately", when=calm)), name="p2")
    ana.now = Instant(ana.now + MINUTE)
    ana.notes.clear()
    ana.say(Adopted(()))
    assert [note for note in ana.notes if isinstance(note, SegmentChanged)] == [
        SegmentChanged(segment="base", change="left"),
        SegmentChanged(segment="lately", change="left"),
    ]

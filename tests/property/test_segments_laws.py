"""Goal: live memberships equal memberships recomputed, at every instant, wake-ups included.

A world lives through events and through the wake-ups that it asks for itself. At each
instant a second profile, which reads the same log at once, must be in the same segments.
"""

from hypothesis import given, settings, strategies as st

from segue.kernel import expression as ex, features, segments
from segue.kernel.calendar import UTC
from segue.kernel.history import Fold, Op
from segue.kernel.inputs import Event
from segue.kernel.plan import Segment
from segue.kernel.predicate import Linker
from segue.kernel.profile import Profile, create
from segue.kernel.scene import Scene
from segue.kernel.values import NEVER, Instant, Millis, ProfileId

NAMES = ("seen", "bought", "other")


@st.composite
def leaves(draw: st.DrawFn) -> ex.Expression:
    stream = ex.Stream((draw(st.sampled_from(NAMES)),))
    within = draw(st.sampled_from((None, Millis(4), Millis(9))))
    kinds: tuple[Fold, ...] = ("count", "since", "sum", "distinct")
    kind = draw(st.sampled_from(kinds))
    if draw(st.integers(0, 4)) == 0:
        second = ex.Stream((draw(st.sampled_from(NAMES)),))
        without = (ex.Stream(("other",)),)
        return ex.Sequence((stream, second), Millis(6), within or Millis(12), without)
    ops: tuple[Op, ...] = ("==", "!=", "<", "<=", ">", ">=")
    op = draw(st.sampled_from(ops))
    bound = ex.Literal(draw(st.integers(0, 6)))
    if kind in ("sum", "distinct"):
        stream = ex.Stream(stream.events, None, ex.Path("properties", ("x",)))
    return ex.Compare(op, ex.Aggregate(kind, stream, within), bound)


conditions = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: ex.All(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: ex.Any(tuple(parts))),
        inner.map(ex.Not),
        st.tuples(inner, inner, inner).map(lambda parts: ex.Choice(*parts)),
        st.sampled_from(("s0", "s1")).map(ex.InSegment),
    ),
    max_leaves=5,
)


@st.composite
def plans(draw: st.DrawFn) -> list[Segment]:
    """Segments that may read s0 and s1; these read none. Declared in any order."""
    found = [Segment(name=name, when=draw(leaves())) for name in ("s0", "s1")]
    found += [Segment(name=name, when=draw(conditions)) for name in ("s2", "s3")]
    return draw(st.permutations(found))


events = st.lists(
    st.tuples(
        st.integers(0, 6),  # after the one before
        st.sampled_from((0, 0, 0, 1, 4, 8)),  # so late
        st.sampled_from(NAMES),
        st.sampled_from((-2, 0, 1, 2, 3, True)),
    ),
    max_size=12,
)


class World:
    """A profile that is woken when it asks to be."""

    def __init__(self, plan: list[Segment]) -> None:
        self.linker = Linker(lambda pattern: lambda text: pattern in text)
        self.segments = segments.link(plan, self.linker)
        self.streams = self.linker.index()
        self.profile: Profile = create(ProfileId("ana"), Instant(0))
        self.log: list[tuple[Event, Instant]] = []
        self.refresh(Instant(0), segments.EVERYTHING)

    def refresh(self, now: Instant, dirty: int) -> int:
        scene = Scene(self.profile, now, UTC)
        changes, changed = segments.refresh(self.profile, self.segments, scene, dirty)
        assert scene.until == NEVER, "refreshing keeps its instants to itself"
        assert bool(changes) == bool(changed)
        return len(changes)

    def happen(self, event: Event, now: Instant) -> None:
        self.log.append((event, now))
        scene = Scene(self.profile, now, UTC, event)
        self.refresh(now, features.fold(self.profile, event, self.streams, scene))

    def recomputed(self, now: Instant) -> set[str]:
        fresh = create(ProfileId("ana"), Instant(0))
        features.rebuild(fresh, self.streams, self.log, self.streams.keys)
        scene = Scene(fresh, now, UTC)
        segments.refresh(fresh, self.segments, scene, segments.EVERYTHING)
        return set(fresh.segments)


@settings(max_examples=150)
@given(plan=plans(), steps=events)
def test_live_memberships_are_those_recomputed_from_the_log(
    plan: list[Segment], steps: list[tuple[int, int, str, int]]
) -> None:
    world = World(plan)
    now = 100
    arrivals: dict[int, list[Event]] = {}
    for number, (gap, late, name, x) in enumerate(steps):
        now += gap
        event = Event(id=str(number), name=name, at=Instant(now - late), properties={"x": x})
        arrivals.setdefault(now, []).append(event)
    for instant in map(Instant, range(100, now + 30)):
        if segments.next_due(world.profile) <= instant:
            world.refresh(instant, 0)
        for event in arrivals.get(instant, ()):
            world.happen(event, instant)
        assert set(world.profile.segments) == world.recomputed(instant)
        assert all(at > instant for at in world.profile.segments_due.values())

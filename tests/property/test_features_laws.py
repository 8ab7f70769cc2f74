"""Goal: what is kept event by event answers what a recount of the whole log answers.

The recount below knows the rules of `docs/concepts/semantics.md` and nothing of the kernel:
it looks at a list of events, again for every question.
"""

from random import Random

import pytest
from hypothesis import given, settings, strategies as st

from segue.kernel import expression as ex, features
from segue.kernel.calendar import UTC
from segue.kernel.features import Streams
from segue.kernel.history import Fold
from segue.kernel.inputs import Event
from segue.kernel.predicate import Condition, Linker
from segue.kernel.profile import Profile, Tally, Trail, create
from segue.kernel.scene import Scene
from segue.kernel.values import NEVER, Instant, Millis, ProfileId, Value

FOLDS: tuple[Fold, ...] = (
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "distinct",
    "repeats",
    "first",
    "last",
    "since",
)
WINDOWS = (None, 5, 20)
ASKED = [(fold, window) for fold in FOLDS for window in WINDOWS if window or fold != "repeats"]
"""How often one value comes is asked of windows only."""

Logged = tuple[Event, Instant]
"""An event and the instant of its arrival."""

amounts: st.SearchStrategy[Value] = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.1, 0.25, 2.0, "a", "b"])
)


@st.composite
def logs(draw: st.DrawFn) -> list[Logged]:
    """Events in order of arrival, some late, many at the same instant."""
    log: list[Logged] = []
    now = 100
    for number in range(draw(st.integers(0, 14))):
        gap: int = draw(st.integers(0, 6))
        late: int = draw(st.sampled_from((0, 0, 0, 1, 4, 5, 9, 25)))
        now += gap
        at = now - late
        x: Value = draw(amounts)
        kind: str = draw(st.sampled_from(("a", "b")))
        event = Event(
            id=str(number),
            name=draw(st.sampled_from(("seen", "bought", "other"))),
            at=Instant(at),
            properties={"x": x, "kind": kind},
        )
        log.append((event, Instant(now)))
    return log


def stream(name: str = "seen", *, of: bool = False) -> ex.Stream:
    where = ex.Compare("==", ex.Path("properties", ("kind",)), ex.Literal("a"))
    return ex.Stream((name,), where, ex.Path("properties", ("x",)) if of else None)


def aggregate(fold: Fold, window: int | None, *, of: bool) -> ex.Aggregate:
    within = None if window is None else Millis(window)
    return ex.Aggregate(fold, stream(of=of), within)


class World:
    """One profile, one linker, and the whole log."""

    def __init__(self, *asked: ex.Expression) -> None:
        self.linker = Linker(lambda pattern: lambda text: pattern in text)
        self.conditions = [self.linker.compile(one) for one in asked]
        self.streams: Streams = self.linker.index()
        self.profile: Profile = create(ProfileId("ana"), Instant(0))
        self.log: list[Logged] = []

    def happen(self, event: Event, now: Instant) -> int:
        self.log.append((event, now))
        return features.fold(
            self.profile, event, self.streams, Scene(self.profile, now, UTC, event)
        )

    def ask(self, condition: Condition, now: int) -> tuple[Value, int]:
        scene = Scene(self.profile, Instant(now), UTC)
        return condition.ask(scene), scene.until


def inside(log: list[Logged], name: str, now: int, window: int | None) -> list[Event]:
    return [
        event
        for event, _ in log
        if event.name == name
        and event.properties["kind"] == "a"
        and event.at <= now
        and (window is None or event.at > now - window)
    ]


def rank(value: Value) -> str:
    """Canonical JSON of what the tests use as values."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return f'"{value}"' if isinstance(value, str) else str(value)


def recount(fold: Fold, found: list[Event], now: int, *, of: bool) -> Value:
    if fold in ("count", "since") or not of:
        times = sorted(event.at for event in found)
        plain: dict[str, Value] = {"count": len(times), "since": None, "first": None, "last": None}
        if times:
            plain |= {"since": now - times[-1], "first": times[0], "last": times[-1]}
        return plain[fold]
    taken = [(event.at, event.properties["x"]) for event in found]
    taken = [(at, value) for at, value in taken if value is not None]
    if fold == "distinct":
        return len({rank(value) for _, value in taken})
    if fold == "repeats":
        ranks = [rank(value) for _, value in taken]
        return max(map(ranks.count, ranks), default=0)
    if fold in ("first", "last"):
        if not taken:
            return None
        at = (min if fold == "first" else max)(at for at, _ in taken)
        return max((value for t, value in taken if t == at), key=rank)
    numbers = [v for _, v in taken if isinstance(v, int | float) and not isinstance(v, bool)]
    if fold == "sum":
        return sum(sorted(numbers))
    if not numbers:
        return None
    answers = {"avg": sum(sorted(numbers)) / len(numbers), "min": min(numbers), "max": max(numbers)}
    return answers[fold]


def alike(left: Value, right: Value) -> bool:
    if isinstance(left, float) and isinstance(right, int | float):
        return left == pytest.approx(right)
    return left == right and isinstance(left, bool) == isinstance(right, bool)


@pytest.mark.parametrize(("fold", "window"), ASKED)
@settings(max_examples=30)
@given(log=logs(), later=st.integers(0, 30))
def test_an_aggregate_is_a_recount_at_every_instant(
    fold: Fold, window: int | None, log: list[Logged], later: int
) -> None:
    of = fold not in ("count", "since")
    world = World(aggregate(fold, window, of=of))
    for event, arrived_at in log:
        before = world.ask(world.conditions[0], arrived_at)[0]
        dirty = world.happen(event, arrived_at)
        after = world.ask(world.conditions[0], arrived_at)[0]
        assert dirty or alike(before, after), "what changes an answer says so"
        found = inside(world.log, "seen", arrived_at, window)
        expected = recount(fold, found, arrived_at, of=of)
        assert alike(after, expected)
    now = (log[-1][1] if log else 100) + later
    expected = recount(fold, inside(log, "seen", now, window), now, of=of)
    assert alike(world.ask(world.conditions[0], now)[0], expected)


@pytest.mark.parametrize("window", [5, 20])
@pytest.mark.parametrize("fold", FOLDS)
@settings(max_examples=30)
@given(log=logs())
def test_an_answer_holds_until_it_says(fold: Fold, window: int, log: list[Logged]) -> None:
    """Between now and `until` nothing changes; windows are looked at in every millisecond."""
    world = World(aggregate(fold, window, of=fold not in ("count", "since")))
    for event, arrived_at in log:
        world.happen(event, arrived_at)
    now: int = log[-1][1] if log else 100
    answer, until = world.ask(world.conditions[0], now)
    for instant in range(now, min(until, now + 40)):
        assert alike(world.ask(world.conditions[0], instant)[0], answer)
    if fold in ("count", "min", "max", "distinct", "repeats", "since") and until < NEVER:
        changed = world.ask(world.conditions[0], until)[0]
        assert not alike(changed, answer), "until is no earlier than the change"


COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


@pytest.mark.parametrize("fold", ["count", "since"])
@pytest.mark.parametrize("window", WINDOWS)
@settings(max_examples=60)
@given(
    log=logs(),
    op=st.sampled_from(COMPARISONS),
    bound=st.sampled_from([-1, 0, 1, 2, 2.5, 3, 7, 12.5]),
    flipped=st.booleans(),
)
def test_a_comparison_holds_until_its_truth_changes(
    fold: Fold, window: int | None, log: list[Logged], op: str, bound: float, flipped: bool
) -> None:
    left, right = aggregate(fold, window, of=False), ex.Literal(bound)
    mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(op, op)
    asked = (
        ex.Compare(mirrored, right, left)  # type: ignore[arg-type]
        if flipped
        else ex.Compare(op, left, right)  # type: ignore[arg-type]
    )
    world = World(asked)
    for event, arrived_at in log:
        world.happen(event, arrived_at)

    def expected(now: int) -> bool:
        value = recount(fold, inside(log, "seen", now, window), now, of=False)
        if not isinstance(value, int | float):
            return op == "!="
        return {
            "==": value == bound,
            "!=": value != bound,
            "<": value < bound,
            "<=": value <= bound,
            ">": value > bound,
            ">=": value >= bound,
        }[op]

    now: int = log[-1][1] if log else 100
    while True:
        answer, until = world.ask(world.conditions[0], now)
        for instant in range(now, min(until, now + 40)):
            assert world.ask(world.conditions[0], instant)[0] is expected(instant)
            assert expected(instant) is answer
        if until >= now + 40:
            break
        if op not in ("==", "!=") and (fold == "count" or window is None):
            assert expected(until) is not answer, "no wake-up without a reason"
        now = until


@given(
    log=logs(),
    within=st.sampled_from((0, 3, 8)),
    over=st.sampled_from((5, 20)),
    stages=st.sampled_from((("seen",), ("seen", "bought"), ("seen", "seen", "bought"))),
    guarded=st.booleans(),
)
def test_a_sequence_is_what_trying_every_choice_finds(
    log: list[Logged], within: int, over: int, stages: tuple[str, ...], guarded: bool
) -> None:
    without = (stream("other"),) if guarded else ()
    world = World(
        ex.Sequence(tuple(stream(name) for name in stages), Millis(within), Millis(over), without)
    )

    def chains(now: int, rest: tuple[str, ...], after: int) -> list[list[int]]:
        if not rest:
            return [[]]
        return [
            [event.at, *chain]
            for event in inside(world.log, rest[0], now, over)
            if event.at > after
            for chain in chains(now, rest[1:], event.at)
        ]

    def expected(now: int) -> bool:
        others = [e.at for e in inside(world.log, "other", now, over)] if guarded else []
        return any(
            chain[-1] - chain[0] <= within and not any(chain[0] < at < chain[-1] for at in others)
            for chain in chains(now, stages, -1)
        )

    for event, arrived_at in log:
        world.happen(event, arrived_at)
        assert world.ask(world.conditions[0], arrived_at)[0] is expected(arrived_at)
    now: int = log[-1][1] if log else 100
    answer, until = world.ask(world.conditions[0], now)
    for instant in range(now, min(until, now + 30)):
        assert expected(instant) is answer
    assert until == NEVER or expected(until) is not answer


EVERYTHING = tuple(
    aggregate(fold, window, of=fold not in ("count", "since")) for fold, window in ASKED
)


def lived(log: list[Logged]) -> Profile:
    world = World(*EVERYTHING)
    for event, arrived_at in log:
        world.happen(event, arrived_at)
    return world.profile


@given(log=logs(), random=st.randoms(use_true_random=False))
def test_the_order_of_arrival_leaves_no_trace(log: list[Logged], random: Random) -> None:
    """All arrive at one instant, in two orders."""
    now = Instant(log[-1][1] if log else 100)
    shuffled = sorted(log, key=lambda _: random.random())
    first = lived([(event, now) for event, _ in log])
    second = lived([(event, now) for event, _ in shuffled])
    assert first == second


@given(log=logs())
def test_rebuilding_from_the_log_gives_what_was_kept(log: list[Logged]) -> None:
    world = World(*EVERYTHING)
    for event, arrived_at in log:
        world.happen(event, arrived_at)
    again = World(*EVERYTHING)
    features.rebuild(again.profile, again.streams, log, again.streams.keys)
    assert again.profile.tallies == world.profile.tallies
    assert again.profile.trails == world.profile.trails


@given(log=logs(), cut=st.integers(0, 14), other=st.integers(0, 14))
def test_merging_is_having_seen_all_events_and_knows_no_order(
    log: list[Logged], cut: int, other: int
) -> None:
    now = Instant(log[-1][1] if log else 100)
    log = [(event, now) for event, _ in log]
    low, high = sorted((cut, other))
    parts = [lived(part) for part in (log[:low], log[low:high], log[high:])]
    whole = lived(log)
    for key, tally in whole.tallies.items():
        a, b, c = (part.tallies.get(key, Tally()) for part in parts)
        left = features.merge_tally(features.merge_tally(a, b), c)
        assert left == features.merge_tally(a, features.merge_tally(c, b)) == tally
    for key, trail in whole.trails.items():
        empty = Trail([], None if trail.values is None else [])
        d, e, f = (part.trails.get(key, empty) for part in parts)
        joined = features.merge_trail(features.merge_trail(d, e), f)
        assert joined == features.merge_trail(d, features.merge_trail(f, e)) == trail


@given(log=logs(), later=st.integers(0, 30))
def test_pruning_changes_no_answer(log: list[Logged], later: int) -> None:
    world = World(*EVERYTHING)
    for event, arrived_at in log:
        world.happen(event, arrived_at)
    now = Instant((log[-1][1] if log else 100) + later)
    before = [world.ask(condition, now) for condition in world.conditions]
    features.prune(world.profile, world.streams, now)
    assert [world.ask(condition, now) for condition in world.conditions] == before
    assert all(trail.times for trail in world.profile.trails.values())


@given(
    entries=st.lists(st.tuples(st.integers(0, 1), st.sampled_from("abc")), max_size=6),
    random=st.randoms(use_true_random=False),
)
def test_ties_leave_no_trace_of_their_order(entries: list[tuple[int, str]], random: Random) -> None:
    """Few instants and few values, so that nearly every pair of events is a tie."""

    def log(order: list[tuple[int, str]]) -> list[Logged]:
        return [
            (
                Event(id="e", name="seen", at=Instant(100 + at), properties={"x": x, "kind": "a"}),
                Instant(101),
            )
            for at, x in order
        ]

    shuffled = sorted(entries, key=lambda _: random.random())
    assert lived(log(entries)) == lived(log(shuffled))

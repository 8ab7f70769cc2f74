"""Goal: what a plan keeps of history follows from the whole plan, and from nothing beside it."""

from segue.kernel import expression as ex, plan, program as programs
from segue.kernel.features import digest, stream_key
from segue.kernel.plan import Journey, Plan, Segment, Workspace
from segue.kernel.values import DAY, HOUR, Millis
from segue.kernel.windows import longest

VIEWS = ex.Stream(("Viewed",))
PRICES = ex.Stream(("Viewed",), None, ex.Path("properties", ("price",)))


def many(window_ms: int, stream: ex.Stream = VIEWS, fold: str = "count") -> ex.Expression:
    looked = ex.Aggregate(fold, stream, Millis(window_ms))  # type: ignore[arg-type]
    return ex.Compare(">=", looked, ex.Literal(1))


def journey(when: ex.Expression) -> Journey:
    return Journey(
        name="j",
        entries=(plan.OnCall(),),
        when=when,
        steps=(plan.End(id="end"),),
        start="end",
    )


def of(*segments: ex.Expression, journeys: tuple[Journey, ...] = ()) -> Plan:
    return Plan(
        workspace=Workspace(name="shop"),
        segments=tuple(Segment(name=f"s{n}", when=when) for n, when in enumerate(segments)),
        journeys=journeys,
    )


def kept(current: Plan, *older: Plan) -> frozenset[str]:
    linked = programs.link(
        current,
        name="now",
        patterns=lambda pattern: lambda text: pattern in text,
        older=[(f"old-{n}", one) for n, one in enumerate(older)],
    )
    return linked.streams.keys


def test_a_plan_keeps_one_trail_of_a_stream_for_its_longest_window() -> None:
    assert kept(of(many(HOUR), many(DAY))) == kept(of(many(DAY)))
    assert kept(of(many(HOUR), journeys=(journey(many(DAY)),))) == kept(of(many(DAY)))


def test_what_is_taken_of_a_stream_makes_another_trail() -> None:
    assert len(kept(of(many(HOUR), many(DAY, PRICES, "sum")))) == 2
    assert len(kept(of(many(HOUR), many(DAY, PRICES)))) == 1, "a count takes no values"


def test_what_a_plan_keeps_does_not_depend_on_what_is_linked_beside_it() -> None:
    ours, wider = of(many(HOUR)), of(many(DAY), journeys=(journey(many(HOUR)),))
    assert kept(ours) < kept(ours, wider)
    assert kept(ours, wider) == kept(ours) | kept(wider)


def test_an_older_plan_keeps_for_its_runs_what_it_kept_when_it_was_in_force() -> None:
    """Though its segments are asked no more: else a new program would send us to the log."""
    older = of(many(DAY), journeys=(journey(many(HOUR)),))
    assert kept(of(), older) == kept(older)


def test_a_sequence_looks_over_its_whole_window() -> None:
    stages = (VIEWS, ex.Stream(("Bought",)))
    without = (ex.Stream(("Returned",)),)
    seen = longest(of(ex.Sequence(stages, Millis(HOUR), Millis(DAY), without), many(HOUR)))
    assert seen == {(stream_key(one), "event"): DAY for one in (*stages, *without)}
    assert {name for name, _ in seen} == {digest(one) for one in (*stages, *without)}


def test_all_time_has_no_window() -> None:
    ever = ex.Compare(">=", ex.Aggregate("count", VIEWS), ex.Literal(1))
    assert longest(of(ever)) == {(stream_key(VIEWS), "event"): 0}
    assert kept(of(ever, many(HOUR))) == kept(of(ever)) | kept(of(many(HOUR)))

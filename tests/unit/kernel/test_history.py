"""Goal: at the edges of a window an aggregate answers as documented, and lowers `until` only."""

import pytest

from segue.kernel import expression as ex, features
from segue.kernel.calendar import UTC
from segue.kernel.inputs import Event
from segue.kernel.predicate import Linker
from segue.kernel.profile import create
from segue.kernel.scene import Scene
from segue.kernel.values import NEVER, Instant, Millis, ProfileId, Value

NOW = Instant(1_000_000)
X = ex.Path("properties", ("x",))


def ask(expression: ex.Expression, now: int, *happened: tuple[int, Value]) -> tuple[Value, int]:
    """The answer and its `until`, after events at these instants with these values."""
    linker = Linker(lambda pattern: lambda text: pattern in text)
    condition = linker.compile(expression)
    profile = create(ProfileId("ana"), NOW)
    for at, x in happened:
        event = Event(id="e", name="seen", at=Instant(at), properties={"x": x})
        arrival = Scene(profile, Instant(max(at, 0)), UTC, event)
        features.fold(profile, event, linker.index(), arrival)
    scene = Scene(profile, Instant(now), UTC)
    return condition.ask(scene), scene.until


def over(fold: str, within: int | None, *, of: bool = False) -> ex.Aggregate:
    stream = ex.Stream(("seen",), None, X if of else None)
    return ex.Aggregate(fold, stream, None if within is None else Millis(within))  # type: ignore[arg-type]


def test_an_event_is_inside_until_the_window_has_passed() -> None:
    assert ask(over("count", 10), NOW + 9, (NOW, 1)) == (1, NOW + 10)
    assert ask(over("count", 10), NOW + 10, (NOW, 1)) == (0, NEVER)


def test_first_and_last_give_instants_where_no_value_is_named() -> None:
    happened = ((NOW - 5, "a"), (NOW, "b"))
    assert ask(over("first", 10), NOW, *happened) == (NOW - 5, NOW + 5)
    assert ask(over("last", 10), NOW, *happened) == (NOW, NOW + 10)
    assert ask(over("first", None), NOW, *happened) == (NOW - 5, NEVER)
    assert ask(over("last", None, of=True), NOW, *happened) == ("b", NEVER)


@pytest.mark.parametrize(
    ("fold", "nothing"),
    [
        ("count", 0),
        ("sum", 0),
        ("distinct", 0),
        ("avg", None),
        ("min", None),
        ("max", None),
        ("first", None),
        ("last", None),
        ("since", None),
    ],
)
def test_nothing_folds_to_zero_or_is_missing(fold: str, nothing: Value) -> None:
    of = fold not in ("count", "since")
    assert ask(over(fold, None, of=of), NOW) == (nothing, NEVER)
    assert ask(over(fold, 10, of=of), NOW) == (nothing, NEVER)
    assert ask(over(fold, 10, of=of), NOW + 50, (NOW, 1)) == (nothing, NEVER)


def test_how_often_one_value_comes_falls_when_each_of_the_most_frequent_has_lost_one() -> None:
    often = over("repeats", 10, of=True)
    assert ask(often, NOW) == (0, NEVER)
    happened = ((NOW - 9, "a"), (NOW - 8, "b"), (NOW - 3, "b"), (NOW - 2, "a"), (NOW, "c"))
    assert ask(often, NOW, *happened) == (2, NOW + 2)
    assert ask(often, NOW + 2, *happened) == (1, NOW + 10)
    assert ask(often, NOW, (NOW - 1, True), (NOW - 1, 1), (NOW, 1.0)) == (2, NOW + 9)


def test_an_extreme_holds_until_the_newest_that_reaches_it_leaves() -> None:
    happened = ((NOW - 8, 1), (NOW - 5, 1), (NOW, 7))
    assert ask(over("min", 10, of=True), NOW, *happened) == (1.0, NOW + 5)
    assert ask(over("max", 10, of=True), NOW, *happened) == (7.0, NOW + 10)


def test_what_leaves_early_matters_only_to_what_it_turns() -> None:
    three = over("count", 10)
    happened = ((NOW - 8, 1), (NOW - 5, 1), (NOW, 1))
    for op, bound, answer, until in (
        (">=", 1, True, NOW + 10),
        (">=", 3, True, NOW + 2),
        (">=", 4, False, NEVER),
        ("<", 2, False, NOW + 5),
        ("==", 2, False, NOW + 2),
        (">", -1, True, NEVER),
        ("==", 2.5, False, NEVER),
    ):
        compared = ex.Compare(op, three, ex.Literal(bound))  # type: ignore[arg-type]
        assert ask(compared, NOW, *happened) == (answer, until)


def test_an_instant_that_is_earlier_already_stays() -> None:
    one = ex.Compare(">=", over("count", 10), ex.Literal(1))
    two = ex.Compare("!=", over("count", 4), ex.Literal(9))
    three = ex.Compare("<=", over("count", 20), ex.Literal(0))
    answer, until = ask(ex.Many((one, two, three, over("count", 5))), NOW, (NOW, 1))
    assert answer == [True, True, False, 1]
    assert until == NOW + 5


def test_time_since_grows_and_is_asked_again_at_once() -> None:
    assert ask(over("since", None), NOW + 7, (NOW, 1)) == (7, NOW + 8)
    assert ask(over("since", 10), NOW + 7, (NOW, 1)) == (7, NOW + 8)


def test_time_since_is_compared_until_it_crosses() -> None:
    since = over("since", None)
    for op, bound, now, answer, until in (
        (">=", 5, NOW + 2, False, NOW + 5),
        (">=", 5, NOW + 5, True, NEVER),
        (">", 5, NOW + 5, False, NOW + 6),
        ("<", 5.5, NOW + 5, True, NOW + 6),
        ("<=", 5.5, NOW + 6, False, NEVER),
        ("==", 5, NOW, False, NOW + 5),
        ("==", 5, NOW + 5, True, NOW + 6),
        ("!=", 5, NOW + 5, False, NOW + 6),
        ("==", 5.5, NOW + 6, False, NOW + 7),
        ("!=", 5, NOW + 9, True, NEVER),
    ):
        compared = ex.Compare(op, since, ex.Literal(bound))  # type: ignore[arg-type]
        assert ask(compared, now, (NOW, 1)) == (answer, until), (op, bound, now)


def test_stages_at_one_instant_are_no_sequence() -> None:
    stage = ex.Stream(("seen",))
    twice = ex.Sequence((stage, stage), Millis(10), Millis(20))
    assert ask(twice, NOW, (NOW, 1), (NOW, 2)) == (False, NEVER)
    assert ask(twice, NOW, (NOW - 1, 1), (NOW, 2)) == (True, NOW + 19)
    assert ask(twice, NOW, (NOW - 11, 1), (NOW, 2)) == (False, NEVER)
    assert ask(twice, NOW + 19, (NOW - 1, 1), (NOW, 2)) == (False, NEVER)
    assert ask(twice, NOW) == (False, NEVER)


@pytest.mark.parametrize("within", [None, 10])
def test_at_one_instant_the_larger_value_is_first_and_last_in_any_order(within: int | None) -> None:
    for values in (("a", "b", "c"), ("c", "b", "a"), ("b", "c", "a")):
        happened = tuple((NOW, value) for value in values)
        for fold in ("first", "last"):
            assert ask(over(fold, within, of=True), NOW, *happened)[0] == "c"


def test_what_happens_at_the_instant_of_a_stage_is_not_between() -> None:
    def stage(x: str) -> ex.Stream:
        return ex.Stream(("seen",), ex.Compare("==", X, ex.Literal(x)))

    guarded = ex.Sequence((stage("a"), stage("b")), Millis(10), Millis(20), (stage("no"),))
    pair = ((NOW - 5, "a"), (NOW, "b"))
    assert ask(guarded, NOW, *pair, (NOW, "no"))[0] is True
    assert ask(guarded, NOW, *pair, (NOW - 5, "no"))[0] is True
    assert ask(guarded, NOW, *pair, (NOW - 1, "no"))[0] is False
    assert ask(guarded, NOW, *pair, (NOW - 4, "no"))[0] is False


def against(fold: str, op: str, bound: float) -> ex.Compare:
    return ex.Compare(op, over(fold, 10, of=True), ex.Literal(bound))  # type: ignore[arg-type]


THREE = ((NOW, 5), (NOW + 1, 3), (NOW + 2, 4))


@pytest.mark.parametrize(
    ("op", "bound", "answer", "changes_at"),
    [
        (">", 12, False, NEVER),
        (">", 11, True, NOW + 10),
        (">=", 12, True, NOW + 10),
        (">", 6, True, NOW + 11),
        (">=", 4, True, NOW + 12),
        (">=", 0, True, NEVER),
        ("<", 13, True, NEVER),
        ("<", 12, False, NOW + 10),
        ("<=", 4, False, NOW + 11),
        ("<", 4, False, NOW + 12),
        ("<", 0, False, NEVER),
        ("==", 12, True, NOW + 10),
    ],
)
def test_a_sum_of_amounts_changes_its_truth_when_it_crosses_the_bound(
    op: str, bound: float, answer: bool, changes_at: int
) -> None:
    assert ask(against("sum", op, bound), NOW + 2, *THREE) == (answer, changes_at)


def test_a_sum_with_a_negative_amount_is_asked_whenever_one_leaves() -> None:
    happened = ((NOW, -9), (NOW + 1, 3))
    assert ask(against("sum", ">", 0), NOW + 1, *happened) == (False, NOW + 10)
    assert ask(against("sum", ">", 0), NOW + 10, *happened) == (True, NOW + 11)


def test_amounts_of_one_instant_leave_together() -> None:
    happened = ((NOW, 1), (NOW, 2), (NOW + 3, 3))
    assert ask(against("sum", ">", 3), NOW + 3, *happened) == (True, NOW + 10)
    assert ask(against("sum", ">", 3), NOW + 10, *happened) == (False, NEVER)


KINDS = ((NOW, "a"), (NOW + 1, "b"), (NOW + 2, "a"), (NOW + 3, "c"))
"""From the newest: c, a, b."""


@pytest.mark.parametrize(
    ("op", "bound", "answer", "changes_at"),
    [
        (">=", 4, False, NEVER),
        (">=", 3, True, NOW + 11),
        (">", 1, True, NOW + 12),
        (">=", 1, True, NOW + 13),
        ("<", 4, True, NEVER),
        ("<", 2, False, NOW + 12),
        ("<=", 2, False, NOW + 11),
        ("==", 3, True, NOW + 11),
        ("==", 2, False, NOW + 11),
        ("==", 1, False, NOW + 12),
        ("!=", 2, True, NOW + 11),
        ("==", 4, False, NEVER),
    ],
)
def test_different_values_change_their_truth_when_the_one_too_many_leaves(
    op: str, bound: float, answer: bool, changes_at: int
) -> None:
    assert ask(against("distinct", op, bound), NOW + 3, *KINDS) == (answer, changes_at)


def test_true_and_one_are_two_values_where_they_are_counted_too() -> None:
    happened = ((NOW, 1), (NOW + 1, True), (NOW + 2, 1), (NOW + 3, 0))
    assert ask(against("distinct", ">=", 3), NOW + 3, *happened) == (True, NOW + 11)
    assert ask(against("distinct", "==", 2), NOW + 3, *happened) == (False, NOW + 11)
    assert ask(against("distinct", ">=", 1.5), NOW + 10, *happened) == (True, NOW + 12)


@pytest.mark.parametrize("fold", ["sum", "distinct"])
def test_nothing_inside_is_none_and_stays_so(fold: str) -> None:
    assert ask(against(fold, ">=", 1), NOW) == (False, NEVER)
    assert ask(against(fold, "<", 1), NOW + 50, *THREE) == (True, NEVER)

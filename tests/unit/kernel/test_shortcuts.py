"""Goal: what is written out for speed answers as the general form does, and holds as long."""

from itertools import product

import pytest

from segue.kernel.calendar import UTC
from segue.kernel.features import Ask
from segue.kernel.history import COMPARE, Op, compare_since, compare_since_constant
from segue.kernel.inputs import Event
from segue.kernel.logic import against, chain
from segue.kernel.paths import property_is, reader
from segue.kernel.profile import create
from segue.kernel.scene import Scene
from segue.kernel.values import NEVER, Instant, ProfileId, Value

NOW = Instant(1_000)
OPS: tuple[Op, ...] = ("==", "!=", "<", "<=", ">", ">=")


def scene(until: int = NEVER, event: Event | None = None) -> Scene:
    found = Scene(create(ProfileId("ana"), NOW), NOW, UTC, event)
    found.until = until
    return found


def answer(ask: Ask, until: int = NEVER, event: Event | None = None) -> tuple[Value, int]:
    """What it answers, and until when that holds."""
    seen = scene(until, event)
    return ask(seen), seen.until


def timed(value: Value, until: int) -> Ask:
    def ask(seen: Scene) -> Value:
        seen.until = min(seen.until, until)
        return value

    return ask


@pytest.mark.parametrize("stops_at", [False, True])
def test_a_pair_of_timed_parts_is_a_chain_of_them(stops_at: bool) -> None:
    parts = [timed(value, until) for value in (True, False, None) for until in (5, 9, NEVER)]
    idle = timed(not stops_at, NEVER)  # a third part that never decides
    for first, second in product(parts, parts):
        pair = chain((), (first, second), stops_at)
        general = chain((), (first, second, idle), stops_at)
        for before in (3, 7, NEVER):
            assert answer(pair, before) == answer(general, before)


@pytest.mark.parametrize("op", OPS)
def test_what_is_known_to_be_a_number_compares_as_any_number(op: Op) -> None:
    for value, bound in product((None, -1, 0, 1, 2.5), (0, 1, 2.5)):
        ask = timed(value, NEVER)
        wanted = op == "!=" if value is None else COMPARE[op](value, bound)
        assert answer(against(op, ask, bound, numeric=True))[0] is wanted
        assert answer(against(op, ask, bound))[0] is wanted


def test_a_property_that_is_a_text_compares_as_any_value() -> None:
    ask, _ = reader("properties", ("kind",))
    general = against("==", ask, "a")
    assert answer(property_is("kind", "a")) == answer(general) == (False, NEVER)
    values: tuple[Value, ...] = ("a", "b", None, 1, True, ["a"])
    for value in values:
        event = Event(id="e", name="Viewed", at=NOW, properties={"kind": value})
        assert answer(property_is("kind", "a"), event=event) == answer(general, event=event)


@pytest.mark.parametrize("op", OPS)
def test_time_since_and_a_constant_compare_as_with_anything(op: Op) -> None:
    for last, bound in product((None, 400, 990, 999, 1_000), (-1, 0, 0.5, 1, 9.5, 10, 600)):
        short = compare_since_constant(op, lambda _scene, last=last: last, bound)
        general = compare_since(
            op, lambda _scene, last=last: last, lambda _scene, bound=bound: bound
        )
        for before in (1_005, NEVER):
            assert answer(short, before) == answer(general, before)

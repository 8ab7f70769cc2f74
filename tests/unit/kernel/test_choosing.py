"""Goal: a rule of `choose` gives every admitted option its odds, and the draw keeps to them."""

import pytest

from segue.kernel import choosing, plan
from segue.kernel.calendar import UTC
from segue.kernel.chance import PPM
from segue.kernel.choosing import ByValue, Rated
from segue.kernel.profile import create
from segue.kernel.scene import Scene
from segue.kernel.values import ProfileId
from tests.unit.kernel.customers import MORNING

SCENE = Scene(create(ProfileId("ana"), MORNING), MORNING, UTC)
GIFT, NOTE, NOTHING = Rated("gift", 9.0), Rated("note", 5.0), Rated("nothing", 1.0)


def test_without_exploring_the_most_valuable_is_taken_for_certain() -> None:
    assert ByValue(0).odds((NOTHING, GIFT, NOTE), SCENE) == {"gift": PPM, "note": 0, "nothing": 0}


def test_of_equals_the_first_written_is_taken() -> None:
    assert ByValue(0).odds((Rated("b", 2.0), Rated("a", 2.0)), SCENE) == {"b": PPM, "a": 0}


@pytest.mark.parametrize("explore", [1, 100_000, 333_333, PPM])
def test_the_odds_make_a_whole_and_nobody_has_less_than_a_fair_part_of_exploring(
    explore: int,
) -> None:
    odds = ByValue(explore).odds((GIFT, NOTE, NOTHING), SCENE)
    assert sum(odds.values()) == PPM
    assert min(odds.values()) == explore // 3
    assert odds["gift"] == max(odds.values())


def test_a_step_is_linked_to_the_rule_that_it_asks_for() -> None:
    node = plan.Choose(id="c", options=(plan.Option(name="nothing"),), explore=50_000)
    rule = choosing.link(node)
    assert isinstance(rule, ByValue)
    assert rule.explore == 50_000

"""Goal: worlds act out what chance seldom brings about, and a swarm tells what its worlds held."""

from collections import Counter

import msgspec

from segue.sim import situations_acts, situations_clock, situations_shelves
from segue.sim.held import held
from segue.sim.script import Put
from segue.sim.seeds import script
from segue.sim.situations import CHANGES, Stage
from segue.sim.situations_all import Situations, acts

START = CHANGES[0].at - 3_600_000


def test_each_situation_comes_about_in_many_worlds() -> None:
    every = {*situations_acts.ACTS, *situations_clock.ACTS, *situations_shelves.ACTS}
    assert set(acts(START)) == every
    acted = [len(Situations(seed, START, 1).stages) for seed in range(50)]
    assert min(acted) >= 1
    assert sum(acted) / len(acted) > 1.5


def test_a_situation_of_the_clock_needs_a_world_around_its_change() -> None:
    far = CHANGES[0].at + 30 * 86_400_000
    assert not set(acts(far)) & set(situations_clock.ACTS)


def test_a_situation_adds_to_a_program_and_takes_nothing_from_it() -> None:
    made = script(3)
    own = [one for one in made.plans[0].journeys if one.name.startswith("x")]
    others = [one for one in made.plans[0].journeys if one.name.startswith("j")]
    assert own and others
    messages = {one.name for one in made.plans[0].messages}
    for journey in own:
        sent = {step.message for step in journey.steps if hasattr(step, "message")}
        assert sent <= messages


def test_every_version_of_a_program_has_the_situations_of_its_world() -> None:
    several = next(one for one in map(script, range(1, 200)) if len(one.plans) > 2)
    own = [
        [msgspec.json.encode(one) for one in plan.journeys if one.name.startswith("x")]
        for plan in several.plans
    ]
    assert all(one == own[0] for one in own)


def test_a_world_with_a_catalog_has_items_from_its_start() -> None:
    stocked = next(one for one in map(script, range(1, 200)) if one.plans[0].catalogs)
    first = min(line.at for line in stocked.lines if isinstance(line, Put))
    assert first == stocked.start


def test_a_stage_hands_out_names_that_no_other_stage_has() -> None:
    from random import Random

    one, two = (Stage(Random(1), number, START, 1) for number in (0, 1))
    assert {one.name("a"), one.begun, one.device}.isdisjoint({two.name("a"), two.begun, two.device})


def test_what_worlds_held_is_told_with_what_was_never_met() -> None:
    told = " ".join(held(Counter({"events accepted": 1_234, "crashes before a commit": 2})).split())
    assert told.startswith("- **What these worlds held.** 1,234 events accepted, 0 runs, ")
    assert "2 crashes (0 with a message at the provider)" in told
    assert "{" not in told and "}" not in told

"""What the checker calls a circle does go round in the engine, and what it lets pass comes to rest."""

from pathlib import Path

import pytest

from segue import define
from segue.kernel.trace import Remarked
from segue.testing import Segue

BRANCH = """
workspace: {{name: shop, expects: [Start, Ping, Pong]}}
journeys:
  moody:
    enter: {{on: Start}}
    exit: Stop
    goal: {{on: Order Completed, within: 9d}}
    waive: [SEG-E516]
    steps:
      - id: moods
        both_ways: true
        at_most: 1h
        adapt:
          - {{when: {one}, steps: [{does}, {{wait: 1h}}]}}
          - {{when: {other}, steps: [{undoes}, {{wait: 1h}}]}}
"""
SEGMENT = """
workspace: {{name: shop, expects: [Start]}}
events:
  Came: {{segment: mine, change: entered}}
  Went: {{segment: mine, change: left}}
  Other Came: {{segment: others, change: entered}}
segments:
  others: count("Start") > 0
  mine: {{when: '{when}', waive: [SEG-E420]}}
"""


def lived(folder: Path, text: str) -> tuple[set[str], set[str]]:
    """The circles that were waived, and what was remarked as the customer came."""
    (folder / "w.yaml").write_text(text, encoding="utf-8")
    loaded = define.load(folder)
    assert not loaded.errors, define.render(loaded.diagnostics, loaded.sources)
    waived = {each.code for each in loaded.diagnostics if each.severity == "waived"}
    with Segue(loaded) as world:
        ana = world.customer()
        ana.does("Start")
        notes = [note for line in ana.trace for note in line.notes]
    return waived, {note.what for note in notes if isinstance(note, Remarked)}


@pytest.mark.parametrize(
    ("one", "other", "does", "undoes"),
    [
        (
            "vars.m != 1 and traits.n != 2",
            "vars.m == 1",
            "{set: {vars: {m: 1}, traits: {n: 1}}}",
            "{set: {vars: {m: 2}, traits: {n: 1}}}",
        ),
        (
            "traits.m != 1",
            "traits.m == 1",
            "{set: {traits: {m: 1}}}",
            "{set: {traits: {m: missing}}}",
        ),
        (
            'count("Ping") == count("Pong")',
            'count("Ping") > count("Pong")',
            "{emit: Ping}",
            "{emit: Pong}",
        ),
    ],
)
def test_ways_that_undo_each_others_reason_never_settle(
    tmp_path: Path, one: str, other: str, does: str, undoes: str
) -> None:
    text = BRANCH.format(one=one, other=other, does=does, undoes=undoes)
    waived, remarks = lived(tmp_path, text)
    assert waived == {"SEG-E516"}
    assert remarks & {"rounds_max", "emitted_max"}


@pytest.mark.parametrize(
    ("one", "other", "does", "undoes"),
    [
        ("traits.m != 1", "traits.m == 1", "{set: {traits: {m: 1}}}", "{set: {traits: {n: 2}}}"),
        ("traits.m != 1", "traits.m == 1", "{set: {traits: {m: 1}}}", "{set: {traits: {m: 1}}}"),
        ("traits.m != 1", "traits.m == 1", "{wait: 1m}", "{set: {traits: {m: 1}}}"),
        ("traits.m != 1", "traits.m == 1", "{commit: moods}", "{set: {traits: {m: 1}}}"),
        ("vars.m != 1", "vars.m == 1", "{set: {vars: {m: 1}}}", "{set: {vars: {m: 2}}}"),
    ],
)
def test_ways_of_which_one_lets_the_other_be_settle(
    tmp_path: Path, one: str, other: str, does: str, undoes: str
) -> None:
    text = BRANCH.format(one=one, other=other, does=does, undoes=undoes)
    waived, remarks = lived(tmp_path, text)
    assert (waived, remarks) == (set[str](), set[str]())


def test_a_segment_that_counts_its_own_changes_never_settles(tmp_path: Path) -> None:
    waived, remarks = lived(tmp_path, SEGMENT.format(when='count("Came") == count("Went")'))
    assert waived == {"SEG-E420"}
    assert remarks & {"rounds_max", "emitted_max"}


def test_a_segment_that_counts_the_changes_of_another_settles(tmp_path: Path) -> None:
    waived, remarks = lived(tmp_path, SEGMENT.format(when='count("Other Came") >= 1'))
    assert (waived, remarks) == (set[str](), set[str]())

"""With a history the checker knows which events come, and how an experiment would fare."""

from pathlib import Path

import pytest

from segue import cli, define, wiring
from segue.cli.past import history_of
from segue.define.feeds import Reached
from segue.kernel.values import DAY, Millis
from segue.testing import Segue

WORKSPACE = """
workspace: {name: shop, expects: [Lesson Taken]}
segments:
  buyers: count("Order Completed") >= 1
  sharers: count("Product Shared") >= 1
  pupils: count("Lesson Taken") >= 1
  told: count("Lesson Given") >= 1
messages:
  one: {topic: t, expires: 1d, contents: {email: {subject: One, text: One}}}
  two: {topic: t, expires: 1d, contents: {email: {subject: Two, text: Two}}}
journeys:
  j:
    enter:
      on: Product Viewed
      when: >
        not in_segment("buyers") or in_segment("sharers") or in_segment("pupils")
        or in_segment("told")
    reenter: always
    exit: {on: Order Cancelled}
    goal: {on: Order Completed, within: 2d}
    steps:
      - emit: Lesson Given
      - experiment: subject
        control: one
        variants: [{name: one, steps: [{send: one}]}, {name: two, steps: [{send: two}]}]
      - wait: 1d
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "w.yaml").write_text(WORKSPACE, encoding="utf-8")
    return folder


def _codes(shop: Path, history: define.History | None) -> list[str]:
    return [each.code for each in define.load(shop, history=history).diagnostics]


def test_without_a_history_nobody_knows(shop: Path) -> None:
    assert _codes(shop, None) == ["SEG-N803"]
    assert _codes(shop, define.History()) == ["SEG-N803"]


def test_a_used_segment_whose_events_never_came_is_told(shop: Path) -> None:
    history = define.History(events={"Order Completed": 3, "Product Viewed": 9})
    loaded = define.load(shop, history=history)
    assert [each.message for each in loaded.errors] == [
        "segment 'sharers' is used, and nobody sends 'Product Shared'"
    ]


@pytest.mark.parametrize(
    ("reached", "days", "codes"),
    [
        (Reached(300_000, 30_000), 30, []),
        (Reached(300, 30), 30, ["SEG-E515"]),
        (Reached(300, 0), 30, ["SEG-E207"]),
        (Reached(0, 0), 30, ["SEG-N803"]),
        (Reached(300, 30), 0, ["SEG-N803"]),
    ],
)
def test_an_experiment_is_judged_by_what_was(
    shop: Path, reached: Reached, days: int, codes: list[str]
) -> None:
    seen = {"Order Completed": 1, "Product Shared": 1}
    history = define.History(events=seen, span_ms=Millis(days * DAY), journeys={"j": reached})
    assert _codes(shop, history) == codes


def test_a_store_is_summed_up(shop: Path) -> None:
    with Segue(shop) as world:
        ana = world.customer(email="a@example.com")
        ana.does("Product Viewed")
        ana.waits("12h")
        ana.does("Order Completed", total=3)
        ben = world.customer(email="b@example.com")
        ben.does("Product Viewed")
        found = history_of(world.store)
    assert found.events == {
        "Profile Identified": 2,
        "Product Viewed": 2,
        "Lesson Given": 2,
        "Order Completed": 1,
    }
    assert found.journeys == {"j": Reached(2, 1)}
    assert DAY / 2 <= found.span_ms < DAY


def test_the_command_reads_a_store(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = shop.parent / "segue.sqlite"
    with wiring.stored(store, create=True):
        pass
    assert cli.run(["check", str(shop), "--history", str(store)]) == 0
    assert "SEG-N803" in capsys.readouterr().out
    assert cli.run(["check", str(shop), "--history", str(store) + "x"]) == 3
    with pytest.raises(SystemExit) as ended:
        cli.run(["check", str(shop), "--format", "sarif"])
    assert ended.value.code == 0
    assert '"version": "2.1.0"' in capsys.readouterr().out

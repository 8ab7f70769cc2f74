"""The editor schema accepts what the reader accepts, and the pages made from tables are current."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

import jsonschema
import msgspec
import pytest
from ruamel.yaml import YAML

from segue import define
from segue.define import diagnostics
from segue.define.codes import CODES
from segue.define.outline import mermaid, outline, spell_time
from segue.define.schema import schema, schema_json
from segue.kernel import plan

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "01_cart_recovery"
EVERYTHING = ROOT / "tests" / "golden" / "define" / "everything"
VALIDATOR = cast("_Validator", jsonschema.Draft202012Validator(schema()))


class _Validator(Protocol):
    def validate(self, instance: object) -> None: ...


def _plain(path: Path) -> object:
    """A file as an editor's validator sees it: keys are texts."""
    loader = YAML(typ="safe", pure=True)
    read = cast("Callable[[str], object]", loader.load)  # pyright: ignore[reportUnknownMemberType]
    return json.loads(json.dumps(read(path.read_text(encoding="utf-8"))))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert json.loads(schema_json())["title"] == "Segue workspace file"


@pytest.mark.parametrize("path", sorted(EXAMPLE.rglob("*.yaml")), ids=lambda path: path.name)
def test_the_example_fits_the_schema(path: Path) -> None:
    VALIDATOR.validate(_plain(path))


def test_every_step_fits_the_schema() -> None:
    VALIDATOR.validate(_plain(EVERYTHING / "everything.yaml"))


@pytest.mark.parametrize(
    "top",
    [
        {"segment": {}},
        {"workspace": {"name": "w", "zome": "UTC"}},
        {"workspace": {}},
        {"policies": {"p": {"cap": "many", "per": "day"}}},
        {"journeys": {"j": {"enter": {"api": "on"}, "steps": [{"dance": 1}]}}},
        {"journeys": {"j": {"enter": {"api": "on"}, "steps": ["send"]}}},
    ],
)
def test_unknown_keys_and_kinds_are_errors_in_editors_too(top: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(top)


def test_the_page_of_diagnostics_is_current() -> None:
    page = ROOT / "docs" / "reference" / "diagnostics.md"
    assert page.read_text(encoding="utf-8") == diagnostics.reference()


def test_every_code_is_given_somewhere() -> None:
    folder = ROOT / "src" / "segue" / "define"
    text = "".join(p.read_text(encoding="utf-8") for p in folder.glob("*.py") if p.stem != "codes")
    assert [code for code in CODES if f'"{code}"' not in text] == []


def test_diagnostics_are_data_too() -> None:
    loaded = define.load(ROOT / "tests" / "golden" / "define" / "yaml_duplicate_key")
    assert msgspec.json.decode(define.as_json(loaded.diagnostics)) == [
        {
            "severity": "error",
            "code": "SEG-E103",
            "message": "the key 'name' stands here twice",
            "hint": "the first one is in line 2; remove one of the two",
            "file": "w.yaml",
            "line": 4,
            "column": 3,
            "end": 7,
            "witness": [],
        }
    ]


def test_an_outline_shows_every_path_and_where_they_join() -> None:
    loaded = define.load(EXAMPLE)
    assert loaded.plan is not None
    journey = next(each for each in loaded.plan.journeys if each.name == "cart-recovery")
    assert outline(journey) == (
        "cart-recovery: Bring back abandoned carts\n"
        "  send cart-reminder by email, sms  [remind]\n"
        "  wait until Product Viewed or Product Added, at most 22h  [day]\n"
        "    met:\n"
        "      show cart-waiting at cart-banner for 30m  [day.met.1-show]\n"
        "      wait 22h  [day.met.2-wait]\n"
        "      wait until 09:00-20:00 mon tue wed thu fri sat  [daytime]\n"
        "      branch  [worth]\n"
        "        big:\n"
        "          send cart-offer by email  [last-call-offer]\n"
        "          wait 1d  [settle]\n"
        "          end: not won back  [6-end]\n"
        "        otherwise:\n"
        "          send cart-last-call by email, sms  [last-call]\n"
        "          → settle\n"
        "    timed out:\n"
        "      → daytime\n"
    )


def test_every_kind_of_step_can_be_drawn() -> None:
    loaded = define.load(EVERYTHING)
    assert loaded.plan is not None
    journey = loaded.plan.journeys[0]
    drawn, text = mermaid(journey), outline(journey)
    for at, node in enumerate(journey.steps):
        assert f"\n  s{at}" in drawn
        assert f"[{node.id}]" in text
    assert drawn.count(" --> s0\n") == len(journey.entries)
    empty = plan.Journey(name="empty", entries=(), steps=(), start="")
    assert mermaid(empty) == "flowchart TD\n  end([completed])\n"
    assert outline(empty) == "empty\n  → end\n"
    example = define.load(EXAMPLE).plan
    assert example is not None
    rising = next(each for each in example.journeys if each.name == "rising-intent")
    assert "  end([completed])" in mermaid(rising)


def test_times_are_spelled_as_authors_write_them() -> None:
    assert [spell_time(ms) for ms in (0, 1, 90_000, -259_200_000, 694_800_000)] == [
        "0",
        "1ms",
        "1m30s",
        "-3d",
        "1w1d1h",
    ]

"""The first example is the living spec of the format: it passes, and says what it should.

Also here: the same workspace made in Python gives the same hash, and how files are cut or
ordered makes no difference.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, cast

import msgspec
import pytest
from ruamel.yaml import YAML

from segue import define
from segue.define import build
from segue.kernel import expression as ex, plan
from segue.kernel.program import link
from segue.kernel.values import DAY, HOUR, Instant

EXAMPLE = Path(__file__).parents[3] / "examples" / "01_cart_recovery"


@pytest.fixture(scope="module")
def loaded() -> define.Loaded:
    return define.load(EXAMPLE, zones=("UTC", "Europe/Berlin"))


def test_it_passes_without_a_remark(loaded: define.Loaded) -> None:
    assert define.render(loaded.diagnostics, loaded.sources) == ""
    assert loaded.plan is not None
    assert loaded.dropped == 0


def test_the_kernel_takes_it(loaded: define.Loaded) -> None:
    assert loaded.plan is not None
    program = link(loaded.plan, name=loaded.hash, patterns=lambda _pattern: lambda _text: False)
    assert program.journey(loaded.hash, "cart-recovery") is not None


def test_the_default_guardrails_are_on(loaded: define.Loaded) -> None:
    assert loaded.plan is not None
    assert loaded.plan.policies[:2] == (
        plan.Suppression(
            name="on_site_active",
            rule="on_site_active",
            reach=plan.Reach(channels=("email", "sms", "push", "whatsapp", "ads")),
        ),
        plan.Suppression(name="bought", rule="bought", then="deny", lookback_ms=DAY),
    )


def test_adaptive_ways_know_the_steps_inside_them(loaded: define.Loaded) -> None:
    assert loaded.plan is not None
    rising = next(each for each in loaded.plan.journeys if each.name == "rising-intent")
    assert rising.within == {
        "help": (plan.Placed("mood", 0),),
        "mood.hot.2-commit": (plan.Placed("mood", 1),),
        "mood.hot.3-wait": (plan.Placed("mood", 1),),
        "mood.warm.2-wait": (plan.Placed("mood", 0),),
        "offer": (plan.Placed("mood", 1),),
    }


def test_a_name_stays_when_only_its_publication_changes(loaded: define.Loaded) -> None:
    assert loaded.plan is not None
    later = msgspec.structs.replace(loaded.plan, published_at=Instant(5))
    assert define.plan_hash(later) == loaded.hash
    renamed = msgspec.structs.replace(loaded.plan, segments=())
    assert define.plan_hash(renamed) != loaded.hash


_Top: TypeAlias = dict[str, dict[str, dict[str, build.Plain]]]


def _everything() -> _Top:
    found: _Top = {}
    for path in sorted(EXAMPLE.rglob("*.yaml")):
        loader = YAML(typ="safe", pure=True)
        load = loader.load  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        read = cast("Callable[[str], _Top]", load)
        top = read(path.read_text(encoding="utf-8"))
        for section, definitions in top.items():
            found.setdefault(section, {}).update(definitions)
    return found


def test_the_same_in_python_has_the_same_name(loaded: define.Loaded) -> None:
    found = _everything()
    files = EXAMPLE / "messages"
    shop = build.Workspace(folder=files, **found["workspace"])  # type: ignore[arg-type]
    for name, fields in reversed(found["segments"].items()):
        shop.segment(name, **fields)  # type: ignore[arg-type]
    for name, fields in found["events"].items():
        shop.event(name, **fields)
    for name, fields in found["messages"].items():
        shop.message(name, **fields)
    for name, fields in found["policies"].items():
        shop.policy(name, **fields)
    for name, fields in found["models"].items():
        shop.model(name, **fields)
    for name, fields in found["journeys"].items():
        shop.journey(name, **fields)  # type: ignore[arg-type]
    made = shop.load()
    assert define.render(made.diagnostics, made.sources) == ""
    assert made.hash == loaded.hash


def test_how_files_are_called_makes_no_difference(loaded: define.Loaded, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "w")
    (tmp_path / "w" / "segments.yaml").rename(tmp_path / "w" / "zz.yml")
    (tmp_path / "w" / ".hidden").mkdir()
    (tmp_path / "w" / ".hidden" / "ignored.yaml").write_text("nonsense: [", encoding="utf-8")
    assert define.load(tmp_path / "w").hash == loaded.hash


def test_a_window_of_a_segment_is_exact(loaded: define.Loaded) -> None:
    assert loaded.plan is not None
    browsing = next(each for each in loaded.plan.segments if each.name == "browsing-now")
    count = ex.Aggregate("count", ex.Stream(("Product Viewed",)), HOUR)
    assert browsing.when == ex.Compare(">=", count, ex.Literal(3))

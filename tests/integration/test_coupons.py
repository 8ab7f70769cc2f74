"""Goal: a shop imports its codes, and each reaches one customer: from the command line to the letter."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from segue import wiring
from segue.hosts.arrivals import Arrival
from segue.hosts.engine import Engine
from segue.hosts.zones import Zones
from segue.kernel.inputs import Event
from segue.kernel.values import Instant

SEGUE = [sys.executable, "-m", "segue"]


def segue(*arguments: str, cwd: Path, expect: int = 0, typed: str = "") -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SEGUE_")}
    done = subprocess.run(
        [*SEGUE, *arguments],
        cwd=cwd,
        input=typed,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )
    told = done.stdout + done.stderr
    assert "Traceback" not in told
    assert done.returncode == expect, told
    return told


def pools(folder: Path) -> list[dict[str, object]]:
    told = segue("coupons", "list", "--store", "s.sqlite", "--json", cwd=folder)
    return [json.loads(line) for line in told.splitlines()]


def test_codes_are_added_once_however_often_their_file_is(tmp_path: Path) -> None:
    (tmp_path / "codes.txt").write_text("\ufeffA1\nA2\n\n  A3  \nA2\n", encoding="utf-8")
    add = ("coupons", "add", "spring", "codes.txt", "--store", "s.sqlite")
    assert segue(*add, cwd=tmp_path).startswith("3 codes added to spring")
    assert segue(*add, cwd=tmp_path).startswith("0 codes added to spring, 4 were known")
    assert pools(tmp_path) == [{"pool": "spring", "free": 3, "handed": 0}]


def test_codes_may_be_piped_in(tmp_path: Path) -> None:
    segue("coupons", "add", "spring", "-", "--store", "s.sqlite", cwd=tmp_path, typed="A1\nA2\n")
    assert pools(tmp_path) == [{"pool": "spring", "free": 2, "handed": 0}]
    assert "spring" in segue("coupons", "list", "--store", "s.sqlite", cwd=tmp_path)


@pytest.mark.parametrize("wrong", ["x" * 101, "a\x00b"])
def test_a_file_with_a_line_that_is_no_code_adds_nothing_and_names_the_line(
    tmp_path: Path, wrong: str
) -> None:
    (tmp_path / "codes.txt").write_text(f"A1\n{wrong}\nA3\n", encoding="utf-8")
    add = ("coupons", "add", "spring", "codes.txt", "--store", "s.sqlite")
    assert "codes.txt:2: " in segue(*add, cwd=tmp_path, expect=4)
    assert not (tmp_path / "s.sqlite").exists()


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "codes.txt").write_bytes(b"\xff\xfe\x00A")
    add = ("coupons", "add", "spring", "codes.txt", "--store", "s.sqlite")
    assert "not UTF-8" in segue(*add, cwd=tmp_path, expect=4)


def test_the_codes_of_the_loyalty_example_reach_one_customer_each(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "06_loyalty"
    file = example / "codes" / "first-coffee.txt"
    add = ("coupons", "add", "first-coffee", str(file), "--store", "s.sqlite")
    assert segue(*add, cwd=tmp_path).startswith("40 codes added")
    codes = file.read_text().split()
    loaded = wiring.read_workspace(example)
    with wiring.stored(tmp_path / "s.sqlite") as store:
        host = Engine(
            store, wiring.sandbox(store), patterns=wiring.patterns, zones=Zones(), pools=True
        )
        host.publish(loaded.hash, wiring.encoded(loaded))
        for number, who in enumerate(("ana", "ben")):
            at = Instant(1_790_000_000_000 + number * 1000)
            for name, properties in (
                ("Profile Identified", {}),
                ("Loyalty Joined", {}),
                ("Order Completed", {"total": 210}),
            ):
                said = Event(
                    id=f"{who}-{name}",
                    name=name,
                    at=at,
                    kind="identify" if name == "Profile Identified" else "track",
                    user_id=who,
                    traits={"email": f"{who}@shop.example"},
                    properties=properties,  # type: ignore[arg-type]
                )
                host.feed(Arrival(input=said, user_id=who), at)
        host.advance(Instant(1_790_000_000_000 + 2 * 86_400_000))
        letters = store.kept()
        assert sorted(each.message for each in letters) == ["you-are-a-regular"] * 2
        shown = {code for each in letters for code in codes if code in each.fields["html"]}
        assert shown == set(codes[:2])
        assert all(any(code in each.fields["text"] for code in shown) for each in letters)
    assert pools(tmp_path) == [{"pool": "first-coffee", "free": 38, "handed": 2}]

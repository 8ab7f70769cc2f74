"""Goal: the page of rules is true: each rule names a page that exists and tests that exist."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.reading import ROOT, anchors

PAGE = ROOT / "docs" / "internals" / "rules.md"
_LINK = re.compile(r"\[[^\]]+\]\(([^)#]+)(?:#([^)]+))?\)")
_TEST = re.compile(r"`([a-z_/]+\.py)::([a-z0-9_]+)`")


def _rows() -> list[object]:
    lines = PAGE.read_text("utf-8").splitlines()
    cells = [line.strip("|").split("|") for line in lines if line.startswith("| ")]
    rules = [row for row in cells if row[0].strip() not in ("rule", "---")]
    return [pytest.param(row[1], row[2], id=row[0].strip()) for row in rules]


@cache
def _sentences(path: Path) -> frozenset[str]:
    return frozenset(re.findall(r"def test_(\w+)\(", path.read_text("utf-8")))


@pytest.mark.parametrize(("told", "held"), _rows())
def test_a_rule_is_told_on_a_page_and_held_by_tests(told: str, held: str) -> None:
    link = _LINK.search(told)
    assert link, "a rule names the page that tells it"
    page = PAGE.parent / link[1]
    assert page.exists()
    assert not link[2] or link[2] in anchors(page), f"{link[1]} has no heading {link[2]}"
    tests = _TEST.findall(held)
    assert tests, "a rule names the tests that hold it"
    for file, sentence in tests:
        assert sentence in _sentences(ROOT / "tests" / file), f"{file} has no {sentence}"


def test_the_page_has_the_rules_of_all_three_sections() -> None:
    assert len(_rows()) > 60

"""Goal: pages live as customers have them: in several tabs, left and come back to, on bad lines, in
the shop's own dress; and where the workspace asks for consent, none of them begins without it.

The stories are in pages.cjs.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import SHOP, Segue, told as stories
from tests.e2e.test_sdk import browser

NOTHING = {"cookie": "", "local": [], "session": []}


def _names(segue: Segue, story: dict[str, Any]) -> list[str]:
    assert "failed" not in story, story
    return [line.event.name for line in segue.log(story["id"])]


@pytest.fixture(scope="module")
def told(segue: Segue, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    only = "tabs,agree,returns,retries,steady,dressed,tinted"
    return stories("pages.cjs", segue.url, tmp_path_factory.mktemp("pages"), only)


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Segue]:
    """The same shop, whose workspace asks for consent."""
    folder = tmp_path / "workspace"
    shutil.copytree(SHOP, folder)
    file = folder / "workspace.yaml"
    said = file.read_text("utf-8")
    assert said.count("  name: browser\n") == 1
    file.write_text(
        said.replace("  name: browser\n", "  name: browser\n  require_consent: marketing\n"),
        "utf-8",
    )
    running = Segue(tmp_path, folder)
    yield running
    running.close()


class TestInTheBrowser:
    pytestmark = browser

    def test_tabs_are_one_customer_and_one_visit(self, segue: Segue, told: Any) -> None:
        story = told["tabs"]
        names = _names(segue, story)
        assert story["same"]
        assert story["session"]
        assert names.count("Message Shown") == 1, "in two tabs it is one exposure"
        assert names.count("Message Dismissed") == 1
        other = next(one.event for one in segue.log() if one.event.name == "Said In The Other")
        assert other.user_id == "ana", "who signed in in one tab is known in the other"
        assert story["user"] == "ana", "and is not forgotten by what the other keeps"

    def test_a_yes_or_no_in_one_tab_is_one_in_all(self, segue: Segue, told: Any) -> None:
        story = told["agree"]
        assert _names(segue, story).count("Page Viewed") == 2
        assert story["same"]
        assert {key: story[key] for key in NOTHING} == NOTHING
        assert story["asked"] == []
        assert "Said After Another's No" not in [line.event.name for line in segue.log()]

    def test_a_page_come_back_to_is_seen_again_and_listens_again(
        self, segue: Segue, told: Any
    ) -> None:
        story = told["returns"]
        names = _names(segue, story)
        assert story["kept"] == "whole", "the browser kept the page: nothing of ours forbids it"
        assert (names.count("Page Viewed"), names.count("Said Early")) == (2, 1)
        assert names.count("Message Shown") == 1

    def test_a_busy_and_a_broken_line_lose_and_double_nothing(
        self, segue: Segue, told: Any
    ) -> None:
        story = told["retries"]
        assert _names(segue, story).count("Said On A Bad Line") == 3
        assert story["tries"] == 3
        assert story["pause"] >= 1900, "Retry-After is heeded"

    def test_what_stands_is_not_drawn_again_and_moves_nothing(self, told: Any) -> None:
        assert told["steady"] == {"marked": [True, True], "moves": 0}

    def test_a_shop_dresses_offers_by_variables_or_all_by_itself(self, told: Any) -> None:
        assert told["tinted"] == {"backgroundColor": "rgb(1, 2, 3)"}
        assert told["dressed"]["sheets"] == 0
        assert told["dressed"]["position"] == "static"

    def test_where_the_workspace_asks_for_consent_no_page_begins_without(
        self, asking: Segue, tmp_path: Path
    ) -> None:
        story = stories("pages.cjs", asking.url, tmp_path, "unasked")["unasked"]
        names = _names(asking, story)
        nothing = {**NOTHING, "cookies": 0, "databases": 0, "requests": ["/segue.js"]}
        assert story["before"] == nothing, "the script, and not a word more"
        assert "segue_anonymous_id" in story["after"]["cookie"]
        assert story["after"]["local"] == ["segue"]
        assert "/segue-signals.js" in story["requests"]
        assert names.count("Said Before Consent") == 1, "what was held is sent on a yes"

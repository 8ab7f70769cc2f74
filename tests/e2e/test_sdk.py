"""Goal: in a real browser, on a page of another origin under a strict policy, offers come and
go as intent does, everything is told, and nothing is left behind without consent.

The stories are in sdk.cjs; playwright-core comes from `npm ci` in tests/integration/node.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import told as stories

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SDK = ROOT / "web" / "sdk"
CLIENTS = ROOT / "tests" / "integration" / "node" / "node_modules"
chromium = shutil.which("chromium") or shutil.which("chromium-browser")
needs_browser = pytest.mark.skipif(
    chromium is None or shutil.which("node") is None or not CLIENTS.exists(),
    reason="needs Chromium, Node.js and `npm ci` in tests/integration/node",
)
browser = [pytest.mark.browser, needs_browser, pytest.mark.timeout(1600)]


@pytest.mark.node
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    shutil.which("npm") is None or not (SDK / "node_modules").exists(),
    reason="needs Node.js and `npm ci` in web/sdk",
)
def test_the_sdks_own_tests_and_types_pass() -> None:
    for task in ("check", "test"):
        done = subprocess.run(
            ["npm", "run", "--silent", task],
            check=False,
            cwd=SDK,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def told(segue: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each story saw."""
    return stories("sdk.cjs", segue.url, tmp_path_factory.mktemp("looks"))


def _names(segue: Any, story: dict[str, Any]) -> list[str]:
    assert "failed" not in story, story
    return [line.event.name for line in segue.log(story["id"])]


class TestInTheBrowser:
    pytestmark = browser

    def test_an_offer_appears_mid_session_and_a_stronger_one_takes_its_place(
        self, segue: Any, told: Any
    ) -> None:
        story = told["rising"]
        assert _names(segue, story).count("Message Shown") == 2
        assert story["empty"] == 0, "a slot takes no room before it is filled"
        assert story["role"] == "region"
        assert story["trouble"] == [], "nothing that the page's policy forbids, and no error"

    def test_a_modal_keeps_the_focus_and_escape_gives_it_back(self, segue: Any, told: Any) -> None:
        story = told["rising"]
        assert all(story["inside"])
        assert story["inert"]
        assert story["back"] == "cart"
        dismissed = [
            line.event.properties["send_id"]
            for line in segue.log(story["id"])
            if line.event.name == "Message Dismissed"
        ]
        assert len(dismissed) == 1
        assert "offer" in dismissed[0]
        assert story["again"] == 0

    def test_an_order_takes_the_offer_off_the_open_page(self, segue: Any, told: Any) -> None:
        assert "Order Completed" in _names(segue, told["bought"])

    def test_toasts_leave_the_focus_alone_and_banners_report_the_click(
        self, segue: Any, told: Any
    ) -> None:
        story = told["overlays"]
        names = _names(segue, story)
        assert story["focus"]
        assert story["hash"] == "#shipping"
        assert story["trouble"] == []
        outcomes = ("Shown", "Dismissed", "Clicked")
        counted = [names.count(f"Message {one}") for one in outcomes]
        assert counted == [3, 1, 1]

    def test_what_customers_write_is_never_run(self, told: Any) -> None:
        story = told["words"]
        assert "failed" not in story, story
        assert not story["hacked"]
        assert story["title"] == "A word from <img src=x onerror=window.hacked=true>"
        for word in ('onerror="', "<script", "javascript:", "style="):
            assert word not in story["html"]
        assert '<p class="note">Good <b>morning</b>' in story["html"]

    def test_what_was_said_offline_arrives_once(self, segue: Any, told: Any) -> None:
        story = told["offline"]
        names = _names(segue, story)
        assert story["kept"] == 2
        assert story["same"]
        assert (names.count("Said Offline"), names.count("Said Before Closing")) == (2, 1)

    def test_a_leaving_page_still_tells(self, segue: Any, told: Any) -> None:
        assert "Said While Leaving" in _names(segue, told["unload"])

    def test_without_consent_there_is_no_trace(self, segue: Any, told: Any) -> None:
        story = told["consent"]
        nothing = {"cookie": "", "keys": [], "asked": []}
        assert story["before"] == {**nothing, "cookies": 0}
        assert story["other"] == nothing
        assert story["during"]["keys"] == ["segue"]
        assert story["same"]
        assert story["after"] == nothing
        names = _names(segue, story)
        assert names[0] == "Page Viewed"
        assert "Said Before Consent" not in names
        assert "Said After Refusal" not in [line.event.name for line in segue.log()]
        last = segue.log(story["id"])[-1].event
        assert last.name == "Segment Consent Preference Updated"
        assert last.context["consent"] == {"categoryPreferences": {"marketing": False}}

    def test_where_no_stream_gets_through_the_page_polls(self, told: Any) -> None:
        assert told["polled"]["asked"] == ["/v1/batch", "/v1/poll", "/v1/decide"]

    def test_single_page_navigation_and_late_slots_are_seen(self, segue: Any, told: Any) -> None:
        names = _names(segue, told["navigates"])
        assert told["navigates"]["without"] == 0
        assert names.count("Page Viewed") == 3
        assert names.count("Message Shown") == 1, "a reload is no second exposure"

    def test_it_works_beside_segments_client(self, segue: Any, told: Any) -> None:
        story = told["beside"]
        names = _names(segue, story)
        assert story["ours"] == story["id"]
        assert names.count("Page Viewed") == 1
        assert names.count("Message Shown") == 1
        assert story["trouble"] == []

    def test_a_shop_may_render_offers_itself(self, segue: Any, told: Any) -> None:
        story = told["own"]
        assert story["seen"] == ["It is back", "closed back-in-stock"]
        assert story["ours"] == 0
        assert {"Message Shown", "Message Clicked"} <= set(_names(segue, story))

    def test_signals_are_events(self, segue: Any, told: Any) -> None:
        names = _names(segue, told["signals"])
        assert {"Exit Intended", "Scroll Depth Reached", "Cart Idled"} <= set(names)
        assert names.count("Exit Intended") == 1
        assert names.count("Cart Idled") == 1

    def test_calls_made_before_it_loaded_are_kept(self, segue: Any, told: Any) -> None:
        assert "Said Early" in _names(segue, told["rising"])

    def test_it_fits_every_screen_and_stands_still_where_asked(self, told: Any) -> None:
        looks = told["looks"]
        assert "failed" not in looks, looks
        assert all(one["wide"] <= 0 for one in looks.values())
        assert looks["light"]["motion"] == "segue"
        assert looks["still"]["motion"] == "none"

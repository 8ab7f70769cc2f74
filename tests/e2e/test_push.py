"""Goal: push reaches a browser that asked for it and no other, and what becomes of it is known.

The stories are in push.cjs: Segue's own encrypted post, decrypted by another implementation, is
handed to the real service worker in Chromium. One hop is not covered, for no test can reach it:
the browser maker's push service between Segue's post and the worker; and a finger is an event
made by hand.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner

from segue.cli.vapid import vapid as command
from segue.settings import Settings
from segue.wiring import push_key_of
from tests.e2e.conftest import Segue, told as stories
from tests.e2e.test_sdk import browser

PRIVATE = "MWwJtclCSbCqC0sXWjtb4Ek6ZW8_Vb9aQCfipWCXAQk"
TABLE = """
[push]
provider = "webpush"
private_key = "env:VAPID_KEY"
subject = "mailto:hello@shop.example"
allowed_networks = ["127.0.0.0/8"]
"""


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("channels") / "channels.toml"
    file.write_text(TABLE.replace("env:VAPID_KEY", PRIVATE), encoding="utf-8")
    return str(file)


@pytest.fixture(scope="module")
def told(channels: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What each story saw."""
    running = Segue(tmp_path_factory.mktemp("push"), channels=channels, deliver="live")
    try:
        yield stories("push.cjs", running.url, tmp_path_factory.mktemp("x"))
    finally:
        running.close()


class TestInTheBrowser:
    pytestmark = browser

    def test_what_segue_posts_is_shown_opened_and_reported(self, told: Any) -> None:
        story = told["arrives"]
        assert (story.get("before"), story.get("state"), story.get("after")) == (
            "off",
            "on",
            "on",
        ), story
        shown = story["notifications"][0]
        assert shown["title"] == "It is back"
        assert shown["body"] == "The Trail 3 in your size came in this morning."
        assert shown["icon"].endswith("/photo.svg")
        assert story["again"] == 1, "the same send shows once"
        assert story["opened"] == [story["opened"][0]]
        assert story["opened"][0].endswith("/products/1?from=push")
        assert story["left"] == 0
        assert story["told"] == ["shown", "shown", "clicked"]
        assert story["foreign"] == 0, "pushes of others are left alone"
        assert story["trouble"] == []

    def test_it_is_signed_with_the_key_that_the_page_was_given(self, told: Any) -> None:
        key = push_key_of_a_file()
        assert told["arrives"]["signed"].endswith(f"k={key}")

    def test_what_could_not_be_told_is_told_later(self, told: Any) -> None:
        assert told["dismissed"].get("early", "") is None, told["dismissed"]

    def test_a_subscription_that_changed_is_renewed_or_given_up(self, told: Any) -> None:
        assert "failed" not in told["renewed"], told["renewed"]

    def test_a_dead_subscription_and_a_permission_taken_back_are_retired(self, told: Any) -> None:
        assert told["gone"].get("state") == "failed", told["gone"]

    def test_notifications_end_with_the_customers_visit_and_with_their_consent(
        self, told: Any
    ) -> None:
        story = told["leaves"]
        assert "failed" not in story, story
        assert story["kept"], "signing in keeps them"
        assert (story["state"], story["caches"]) == ("off", [])
        assert story["next"] != story["id"]
        assert (story["refused"], story["asked"]) == ("unavailable", [])

    def test_without_a_permission_or_a_push_service_the_page_is_told_so(self, told: Any) -> None:
        assert told["honest"].get("refused") == "blocked", told["honest"]
        assert told["honest"]["state"] == "unavailable"


def push_key_of_a_file() -> str:
    """The public half of the tests' key, as the command tells it."""
    with TemporaryDirectory() as folder:
        key = Path(folder) / "key"
        key.write_text(f"{PRIVATE}\n", encoding="utf-8")
        told = CliRunner().invoke(command, ["--of", str(key)])
    assert told.exit_code == 0, told.output
    return told.stdout.strip()


def test_a_key_that_is_made_is_one_that_works_and_no_two_are_the_same(tmp_path: Path) -> None:
    first, second = (CliRunner().invoke(command, []) for _ in range(2))
    private = first.stdout.strip()
    assert private != second.stdout.strip()
    file = tmp_path / "channels.toml"
    file.write_text(TABLE, encoding="utf-8")
    key = push_key_of(Settings(channels=str(file), deliver="live"), {"VAPID_KEY": private})
    assert key in first.stderr
    assert len(key) == 87


def test_apps_and_browsers_together_have_their_key_too(tmp_path: Path) -> None:
    file = tmp_path / "channels.toml"
    web = TABLE.replace("[push]", '[push]\nprovider = "fcm"\n[push.web]')
    file.write_text(web, encoding="utf-8")
    assert push_key_of(Settings(channels=str(file)), {"VAPID_KEY": PRIVATE}) == push_key_of_a_file()
    assert push_key_of(Settings(channels=str(file)), {}) == "", "a sandbox starts without it"
    assert push_key_of(Settings(), {}) == ""

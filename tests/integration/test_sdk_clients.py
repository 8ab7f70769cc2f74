"""Goal: the clients that people have, unchanged, against a running Segue: every call arrives,
and where the server is full or down for a while nothing is lost and nothing is doubled.

The browser's and Node's clients: `npm ci` in tests/integration/node.
"""

import json
import shutil
import subprocess
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import rudderstack.analytics.client
import segment.analytics.client

NODE = Path(__file__).parent / "node"
SIX = [
    "Group Joined",
    "Page Viewed",
    "Product Added",
    "Profile Aliased",
    "Profile Identified",
    "Screen Viewed",
]
TROUBLE = [429, 503, -503, -429]
"""Refused, refused, and twice committed with the answer lost."""

chromium = shutil.which("chromium") or shutil.which("chromium-browser")
needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (NODE / "node_modules").exists(),
    reason="needs Node.js and `npm ci` in tests/integration/node",
)


def node(script: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        ["node", script, *arguments],
        check=False,
        cwd=NODE,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])  # type: ignore[no-any-return]


def six(client: Any) -> None:
    client.identify("user-1", {"email": "a@example.com", "plan": "pro"}, anonymous_id="anon-1")
    client.track("user-1", "Product Added", {"product_id": "p1", "price": 18.99})
    client.page("user-1", "Docs", "Home", {"path": "/"})
    client.screen("user-1", "Feed", "Main", {"x": 1})
    client.group("user-1", "acct-9", {"name": "Initech"})
    client.alias("anon-2", "user-1")


def python_client(name: str, url: str, **options: Any) -> Any:
    if name == "segment":
        return segment.analytics.client.Client(
            "wk_test", host=url, on_error=lambda *_: None, upload_interval=0.1, **options
        )
    return rudderstack.analytics.client.Client(
        "wk_test", host=url, on_error=lambda *_: None, upload_interval=0.1, **options
    )


def arrived(segue: Any) -> None:
    """All six calls, once each, and one customer."""
    segue.wait_for(lambda: len(segue.log()) >= 6)
    assert segue.names() == SIX
    profile = segue.profile("user", "user-1")
    assert profile.traits["email"] == "a@example.com"
    assert segue.store.set_aside() == []
    added = next(line.event for line in segue.log() if line.event.name == "Product Added")
    assert added.properties["price"] == 18.99
    assert added.live
    assert 0 <= next(iter(segue.log())).arrived_at - added.at < 60_000


@pytest.mark.parametrize("gzip", [False, True])
@pytest.mark.parametrize("name", ["segment", "rudder"])
def test_python_clients_arrive(segue: Any, name: str, gzip: bool) -> None:
    client = python_client(name, segue.url, gzip=gzip)
    six(client)
    client.shutdown()
    arrived(segue)
    profile = segue.profile("user", "user-1")
    assert profile.id == segue.profile("anonymous", "anon-1").id
    assert profile.id == segue.profile("anonymous", "anon-2").id


@pytest.mark.parametrize("name", ["segment", "rudder"])
def test_python_clients_lose_and_double_nothing_through_trouble(segue: Any, name: str) -> None:
    segue.door.script = list(TROUBLE)
    client = python_client(name, segue.url)
    for n in range(300):
        client.track(f"u{n}", "Counted", {"n": n})
    client.shutdown()
    assert segue.door.seen == TROUBLE
    counted = Counter(line.event.properties["n"] for line in segue.log())
    assert counted == Counter(range(300))


def test_a_python_client_under_threads_delivers_each_event_once(segue: Any) -> None:
    client = python_client("segment", segue.url, thread=4)

    def shop(start: int) -> None:
        for n in range(start, start + 250):
            client.track(f"u{n % 50}", "Counted", {"n": n})

    threads = [threading.Thread(target=shop, args=(250 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.shutdown()
    assert Counter(line.event.properties["n"] for line in segue.log()) == Counter(range(1_000))


@pytest.mark.node
@needs_node
@pytest.mark.parametrize("name", ["segment", "rudder"])
def test_node_clients_arrive(segue: Any, name: str) -> None:
    told = node("server_clients.cjs", name, segue.url, "six")
    assert told == {"errors": []}
    arrived(segue)
    assert segue.profile("anonymous", "anon-1").id == segue.profile("user", "user-1").id


@pytest.mark.node
@needs_node
@pytest.mark.parametrize("name", ["segment", "rudder"])
def test_node_clients_lose_and_double_nothing_through_trouble(segue: Any, name: str) -> None:
    segue.door.script = [429, 503, -503]
    node("server_clients.cjs", name, segue.url, "retry")
    assert segue.door.seen == [429, 503, -503]
    counted = Counter(line.event.properties["n"] for line in segue.log())
    assert counted == Counter(range(5))


@pytest.mark.browser
@needs_node
@pytest.mark.skipif(chromium is None, reason="needs Chromium (Debian: apt-get install chromium)")
@pytest.mark.parametrize("strategy", ["standard", "batching"])
def test_the_browsers_client_arrives_from_another_origin(segue: Any, strategy: str) -> None:
    told = node("browser_client.cjs", str(chromium), segue.url, strategy, "1500")
    assert told == {"decided": 200, "beacon": True, "trouble": []}
    segue.wait_for(lambda: len(segue.log()) >= 7)
    assert segue.names() == sorted([*SIX, "Left"])
    page = next(line.event for line in segue.log() if line.event.name == "Page Viewed")
    assert page.context["campaign"] == {"source": "news"}
    assert page.anonymous_id


@pytest.mark.browser
@needs_node
@pytest.mark.skipif(chromium is None, reason="needs Chromium (Debian: apt-get install chromium)")
def test_the_browsers_client_loses_and_doubles_nothing_through_trouble(segue: Any) -> None:
    segue.door.script = [429, 503, -503]
    told = node("browser_client.cjs", str(chromium), segue.url, "standard", "14000")
    assert told["trouble"] == []
    assert segue.door.seen == [429, 503, -503]
    ids = [line.event.id for line in segue.log()]
    assert len(ids) == len(set(ids))
    assert segue.names() == sorted([*SIX, "Left"])


@pytest.mark.browser
@needs_node
@pytest.mark.skipif(chromium is None, reason="needs Chromium (Debian: apt-get install chromium)")
def test_the_live_page_shows_it_all_without_a_complaint_of_the_browser(segue: Any) -> None:
    """Under its strict content policy, wide and narrow, light and dark; it starts empty."""
    told = node("live_page.cjs", str(chromium), segue.url)
    assert told["trouble"] == []
    assert told["curl"]
    assert told["seen"][:2] == ["start", "arrived"]
    views = ["live", "named", "profile", "why", "preview", "profiles", "journeys", "trouble"]
    assert told["seen"][2:] == views * 2

"""Goal: an open page hears that something changed for its customer, soon, once, and of nobody
else; a page that missed something hears of it; slow and many pages harm nobody.
"""

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from segue.errors import TooManyWatchers
from segue.hosts.clock import SystemClock
from segue.hosts.facts import Fact
from segue.kernel.plan import Workspace
from segue.kernel.profile import Profile
from segue.kernel.values import Instant, ProfileId
from segue.server import limits
from segue.server.push import Page, Pushes, _Line
from segue.stores.ports import Identifier, Saved

CLOCK = SystemClock()
ANA = {"writeKey": "wk_test", "anonymousId": "a-1"}


def fact(kind: Any, profile: str = "p1", name: str = "x", **detail: Any) -> Fact:
    return Fact(kind=kind, at=CLOCK.now(), profile=ProfileId(profile), name=name, detail=detail)


def moved(profile: str = "p1") -> Fact:
    return fact("run", profile, change="moved")


def know(running: Any, **names: str) -> None:
    """Let the store know whom these anonymous ids name."""
    for anonymous, profile in names.items():
        running.store.commit(
            [
                Saved(
                    profile=Profile(id=ProfileId(profile), draw_key=profile),
                    links=(Identifier("anonymous", anonymous.replace("_", "-")),),
                )
            ]
        )


class Reader:
    """Reads a stream in a thread, as a browser does."""

    def __init__(self, running: Any, headers: dict[str, str] | None = None, **query: str) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        self.status = 0
        self._changed = threading.Condition()
        self._client = httpx.Client(timeout=300)
        url = f"http://127.0.0.1:{running.port}/v1/live"
        self._stream = self._client.stream("GET", url, params={**ANA, **query}, headers=headers)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            with self._stream as answer:
                self.status = answer.status_code
                parts: dict[str, str] = {}
                for line in answer.iter_lines():
                    field, _, value = line.partition(": ")
                    if line:
                        parts[field] = value
                    elif "event" in parts:
                        with self._changed:
                            data = json.loads(parts["data"])
                            self.events.append((parts["event"], parts["id"], data))
                            self._changed.notify_all()
                        parts = {}
        except (httpx.HTTPError, RuntimeError):
            pass  # the test ended

    def wait(self, count: int, seconds: float = 120) -> list[str]:
        with self._changed:
            self._changed.wait_for(lambda: len(self.events) >= count, seconds)
        return [name for name, _, _ in self.events]

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def running(start: Any) -> Any:
    """A server that remembers nothing of another test."""
    return start()


@pytest.fixture
def read(running: Any) -> Iterator[Any]:
    readers: list[Reader] = []

    def begin(headers: dict[str, str] | None = None, **query: str) -> Reader:
        readers.append(Reader(running, headers, **query))
        return readers[-1]

    yield begin
    for reader in readers:
        reader.close()


def test_a_page_hears_of_its_own_customer_and_of_nobody_else(running: Any, read: Any) -> None:
    know(running, a_1="p1", a_2="p2")
    ana, ben = read(), read(anonymousId="a-2")
    assert (ana.wait(1), ben.wait(1)) == (["hello"], ["hello"])
    running.host.tell(moved("p1"), fact("event", "p2"), fact("segment", "p2", change="entered"))
    assert ana.wait(2) == ["hello", "decide"]
    assert ana.events[1][2] == {}, "what changed is asked for, never pushed"
    assert ben.wait(2, seconds=0.3) == ["hello"]


def test_a_withdrawn_offer_is_named_and_a_withdrawn_email_is_not(running: Any, read: Any) -> None:
    know(running, a_1="p1")
    page = read()
    page.wait(1)
    running.host.tell(fact("show", id="s1@1"), fact("show", "p2", id="s2@1"))
    running.host.tell(fact("withdraw", name="s1@1", reason="bought"))
    assert page.wait(2) == ["hello", "withdraw"]
    assert page.events[1][2] == {"id": "s1@1"}
    running.host.tell(fact("withdraw", name="s2@1"))
    assert page.wait(3) == ["hello", "withdraw", "decide"]
    assert page.events[2][2] == {}


def test_what_happens_at_once_is_told_at_once(running: Any, read: Any) -> None:
    know(running, a_1="p1")
    page = read()
    page.wait(1)
    running.host.tell(*[moved() for _ in range(50)])
    page.wait(2)
    assert page.wait(3, seconds=0.3) == ["hello", "decide"]


def test_a_page_that_comes_back_hears_what_it_missed(running: Any, read: Any) -> None:
    know(running, a_1="p1")
    first = read()
    first.wait(1)
    cursor = first.events[0][1]
    first.close()
    running.host.tell(fact("show", id="s1@1"), fact("withdraw", name="s1@1"))
    again = read(headers={"Last-Event-ID": cursor})
    assert again.wait(1) == ["withdraw"]
    assert read(after=again.events[0][1]).wait(1, seconds=0.3) == []
    for lost in ("19-3", "nonsense", "-", cursor.split("-")[0] + "-x"):
        assert "decide" in read(after=lost).wait(2, seconds=0.5), lost


def test_a_customer_nobody_knows_yet_is_heard_of_as_soon_as_there_is_one(
    running: Any, read: Any
) -> None:
    page = read()
    assert page.wait(1) == ["hello"]
    running.host.tell(moved("p1"))
    know(running, a_1="p1")
    assert page.wait(2) == ["hello", "decide"]


def test_the_user_is_looked_for_before_the_browser(running: Any, read: Any) -> None:
    know(running, a_1="p1")
    user = Saved(
        profile=Profile(id=ProfileId("p9"), draw_key="p9"), links=(Identifier("user", "u"),)
    )
    running.store.commit([user])
    page = read(userId="u")
    page.wait(1)
    running.host.tell(moved("p1"))
    assert page.wait(2, seconds=0.3) == ["hello"]
    running.host.tell(moved("p9"))
    assert page.wait(2) == ["hello", "decide"]


def test_a_poll_answers_the_same_once(running: Any) -> None:
    know(running, a_1="p1")
    poll = lambda **more: running.client.get("/v1/poll", params={**ANA, **more}).json()
    first = poll()
    assert (first["decide"], first["withdrawn"]) == (False, [])
    running.host.tell(moved(), fact("show", id="s@1"), fact("withdraw", name="s@1"))
    news = poll(after=first["cursor"])
    assert (news["decide"], news["withdrawn"]) == (True, ["s@1"])
    assert poll(after=news["cursor"]) == {
        "cursor": news["cursor"],
        "decide": False,
        "withdrawn": [],
    }


def test_strangers_and_nonsense_are_refused(running: Any) -> None:
    get = lambda **query: running.client.get("/v1/poll", params=query).status_code
    assert get(anonymousId="a-1") == 401
    assert get(anonymousId="a-1", writeKey="nope") == 401
    assert get(writeKey="wk_test") == 422
    assert get(writeKey="wk_test", anonymousId="undefined") == 422
    assert get(writeKey="wk_test", anonymousId="x" * 300) == 400
    origin = {"Origin": "https://shop.example"}
    answer = running.client.get("/v1/poll", params=ANA, headers=origin)
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"


def test_memory_is_bounded_and_what_is_forgotten_is_asked_for(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SIGNALLED_PROFILES_MAX", 3)
    monkeypatch.setattr(limits, "SHOWN_REMEMBERED_MAX", 2)
    pushes: Pushes = running.app.state.pushes
    start = pushes.since("p1", "").cursor
    shows = [fact("show", "p1", id=f"s{n}") for n in range(12)]
    pushes.listen([*shows, *[fact("withdraw", "p1", f"s{n}") for n in range(12)]])
    news = pushes.since("p1", start)
    assert news.decide
    assert news.withdrawn == ("s10", "s11")
    pushes.listen([moved(f"q{n}") for n in range(5)])
    assert pushes.since("p1", start).decide
    assert len(pushes._signals) == 3
    assert len(pushes._shown) <= 2


def test_one_page_more_than_there_is_room_for_is_told_to_poll(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PAGES_MAX", 1)
    pushes: Pushes = running.app.state.pushes
    page = pushes.admit((Identifier("anonymous", "a-1"),))
    assert running.client.get("/v1/live", params=ANA).status_code == 429
    with pytest.raises(TooManyWatchers):
        pushes.admit(())
    pushes.leave(page)
    assert pushes.listening == 0


def test_a_page_that_takes_nothing_is_let_go(running: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SLOW_PAGE_MS", 50)
    know(running, a_1="p1")
    pushes: Pushes = running.app.state.pushes

    async def story() -> None:
        page: Page = pushes.admit((Identifier("anonymous", "a-1"),))

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                await asyncio.sleep(60)

        async def receive() -> Any:
            await asyncio.sleep(60)

        await asyncio.wait_for(_Line(pushes, page, "")({}, receive, send), 120)

    asyncio.run(story())
    assert pushes.listening == 0


def test_a_page_that_goes_away_is_forgotten(running: Any) -> None:
    know(running, a_1="p1")
    pushes: Pushes = running.app.state.pushes
    with socket.create_connection(("127.0.0.1", running.port), timeout=300) as line:
        path = "/v1/live?writeKey=wk_test&anonymousId=a-1"
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        heard = b""
        while b"event: hello" not in heard:
            heard += line.recv(4096)
        assert (pushes.listening, len(pushes._pages)) == (1, 1)
    deadline = CLOCK.now() + 120_000
    while pushes.listening and CLOCK.now() < deadline:
        threading.Event().wait(0.02)
    assert (pushes.listening, len(pushes._pages)) == (0, 0)


# ── the file ──


def test_the_script_is_cached_by_its_tag_and_pinned_for_ever(running: Any) -> None:
    answer = running.client.get("/segue.js", headers={"Accept-Encoding": "identity"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "max-age=300" in answer.headers["cache-control"]
    tag = {"If-None-Match": answer.headers["etag"], "Accept-Encoding": "identity"}
    assert running.client.get("/segue.js", headers=tag).status_code == 304
    packed = running.client.get("/segue.js", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == answer.content
    assert packed.headers["etag"] != answer.headers["etag"]
    pinned = running.client.get(answer.headers["content-location"])
    assert "immutable" in pinned.headers["cache-control"]
    assert pinned.content == answer.content
    assert running.client.get("/segue/0000/segue.js").status_code == 404


def test_the_workspaces_word_on_consent_stands_in_the_script_itself(running: Any) -> None:
    free = running.client.get("/segue.js")
    for word, said in (("any", b"true"), ("marketing", b'"marketing"'), ('a"b', b'"a\\"b"')):
        running.host.workspace = Workspace(name="shop", require_consent=word)
        bound = running.client.get("/segue.js")
        first = b"(document.currentScript||{}).consent=" + said + b";"
        assert bound.content == first + free.content
        assert bound.headers["etag"] != free.headers["etag"]
        pinned = running.client.get(bound.headers["content-location"])
        assert pinned.content == bound.content
        # A page that pinned the script when nothing was asked for must not go on unasked.
        assert running.client.get(free.headers["content-location"]).status_code == 404
        assert len(gzip.compress(bound.content, 9)) < 8 * 1024


def test_the_parts_and_the_worker_are_served_to_every_origin(running: Any) -> None:
    for name in ("segue-push.js", "segue-signals.js", "segue-sw.js"):
        answer = running.client.get(f"/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/javascript")
        assert answer.headers["access-control-allow-origin"] == "*"
        again = running.client.get(f"/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
    assert running.client.get("/segue-sw.js").headers["service-worker-allowed"] == "/"


def test_the_public_key_is_told_to_whoever_has_a_write_key(start: Any) -> None:
    with_key, without = start(push_key="BPublic"), start()
    answer = with_key.client.get("/v1/push/key?writeKey=wk_test", headers={"Origin": "https://a"})
    assert answer.json() == {"public_key": "BPublic"}
    assert answer.headers["access-control-allow-origin"] == "https://a"
    assert with_key.client.get("/v1/push/key?writeKey=wk_other").status_code == 401
    assert without.client.get("/v1/push/key?writeKey=wk_test").status_code == 404


def test_the_script_has_less_than_eight_kilobytes(running: Any) -> None:
    script = running.client.get("/segue.js").content
    assert len(gzip.compress(script, 9)) < 8 * 1024
    assert Instant(0) < len(script)

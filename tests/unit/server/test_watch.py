"""Goal: administrators see what happens; nobody else does; slow readers harm nobody."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from segue.errors import TooManyWatchers
from segue.hosts.facts import Fact
from segue.kernel.values import NEVER, Instant, ProfileId
from segue.server import auth, limits, pages
from segue.server.metrics import METRICS, Metrics
from segue.server.stream import Stream
from segue.stores.ports import Counts, SetAside


def fact(n: int = 1, kind: Any = "event", source: str = "shop", **detail: Any) -> Fact:
    return Fact(
        kind=kind,
        at=Instant(n),
        profile=ProfileId("p1"),
        name="Product Viewed",
        detail={"source": source, "emitted": False, **detail},
    )


# ── who may look ──


def test_with_a_token_only_its_bearer_may_look(start: Any) -> None:
    running = start(admin_token="s3cret")
    get = running.client.get
    for headers in ({}, {"Authorization": "Bearer nope"}, {"Authorization": "Basic s3cret"}):
        answer = get("/api/profiles", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "INP702")
        assert get("/metrics", headers=headers).status_code == 401
    assert get("/api/profiles", headers={"Authorization": "Bearer s3cret"}).status_code == 200
    assert get("/health").status_code == 200
    assert get("/").status_code == 200  # the page itself tells nothing


def test_without_a_token_only_this_machines_names_may_look(running: Any) -> None:
    get = running.client.get
    assert get("/api/profiles").status_code == 200
    assert get("/api/profiles", headers={"Host": f"localhost:{running.port}"}).status_code == 200
    assert get("/api/profiles", headers={"Host": "evil.example"}).status_code == 401


def test_a_page_of_another_origin_may_change_nothing(running: Any) -> None:
    body = {"ids": ["s1"]}
    evil = running.client.post(
        "/api/outbox/retry", json=body, headers={"Origin": "https://evil.example"}
    )
    assert evil.status_code == 401
    assert running.host.retried == []
    assert running.client.post("/api/outbox/retry", json=body).json() == {
        "retried": 1,
        "kept": [],
    }
    assert running.host.retried == ["s1"]


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("shop.localhost", True),
        ("localhost.evil.example", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_loopback_names_are_known(host: str, own: bool) -> None:
    assert auth.is_loopback(host) is own


# ── what there is to see ──


def test_bad_inputs_can_be_looked_at(running: Any) -> None:
    running.post("/v1/track", json={"userId": "a"})
    found = running.client.get("/api/set-aside").json()["set_aside"]
    assert [(bad["code"], bad["source"]) for bad in found] == [("name_missing", "shop")]
    assert json.loads(found[0]["body"]) == {"userId": "a"}


@pytest.mark.parametrize(
    "path",
    ["/api/profiles?limit=x", "/api/outbox?state=lost", "/api/profiles?limit=-1"],
)
def test_a_wrong_parameter_is_400(running: Any, path: str) -> None:
    assert running.client.get(path).status_code == 400


def test_an_unknown_profile_is_404(running: Any) -> None:
    answer = running.client.get("/api/profiles/user:nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "INP707")


def test_the_page_lets_nothing_foreign_in(running: Any) -> None:
    answer = running.client.get("/")
    assert answer.headers["content-security-policy"] == pages.POLICY
    assert "unsafe" not in pages.POLICY
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert "<script>" not in answer.text
    assert "style=" not in answer.text
    for name in ("app.js", "app.css", "mark.svg", "journeys.js"):
        assert running.client.get(f"/live/{name}").status_code == 200
    again = running.client.get("/", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_metrics_are_in_prometheus_text_format() -> None:
    metrics = Metrics()
    metrics.told([fact(), fact(kind="decision", outcome="held", reason="cap")])
    metrics.set_aside([SetAside(at=Instant(0), source='a"\\\n', code="x", reason="", body=b"")])
    text = metrics.text(Counts(profiles=7), 1, 0)
    assert "segue_events_total 1" in text
    assert 'segue_decisions_total{outcome="held",reason="cap"} 1' in text
    assert 'segue_set_aside_total{source="a\\"\\\\\\n",code="x"} 1' in text
    assert "segue_profiles 7" in text
    for name in METRICS:
        assert f"# TYPE {name} counter" in text


def test_labels_without_end_are_bounded() -> None:
    metrics = Metrics()
    for n in range(3_000):
        metrics.add("segue_runs_total", f"journey-{n}", "entered")
    assert len(metrics.counted("segue_runs_total")) <= 1_001
    assert metrics.total("segue_runs_total") == 3_000


# ── the live stream ──


def frames(answer: httpx.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


def test_facts_reach_those_who_watch(running: Any) -> None:
    running.host.tell(fact(1))
    with running.client.stream("GET", "/api/live") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = frames(answer)
        name, first = next(told)
        assert name == "recent"
        assert first["facts"][-1]["name"] == "Product Viewed"
        running.host.tell(fact(2, kind="decision", outcome="held", reason="cap", until=NEVER))
        name, second = next(told)
        assert name == "facts"
        detail = second["facts"][0]["detail"]
        assert (detail["text"], detail["until"]) == ("a cap is reached", None)


def test_what_simulated_shoppers_cause_says_so(running: Any) -> None:
    running.host.tell(fact(source="simulation"), fact(kind="send", source="", channel="email"))
    with running.client.stream("GET", "/api/live") as answer:
        facts = next(frames(answer))[1]["facts"]
    assert [one["simulated"] for one in facts[-2:]] == [True, True]
    running.host.tell(fact(source="shop"))


def test_a_burst_is_bounded_and_decisions_go_first() -> None:
    async def story() -> dict[str, Any]:
        stream = Stream(Metrics(), ())
        stream.open(lambda _listener: lambda: None)
        reader = stream.admit()
        await reader.get()
        stream.listen([fact(n) for n in range(5_000)])
        stream.listen([fact(kind="decision", outcome="denied", reason="cap")])
        frame: bytes = await reader.get()  # type: ignore[assignment]
        stream.close()
        return json.loads(frame.split(b"data: ")[1])  # type: ignore[no-any-return]

    told = asyncio.run(story())
    assert told["skipped"] == 5_000 - limits.FRAME_FACTS_MAX
    assert told["facts"][-1]["kind"] == "decision"


def test_a_slow_reader_is_let_go_and_others_read_on() -> None:
    async def story() -> None:
        stream = Stream(Metrics(), ())
        stream.open(lambda _listener: lambda: None)
        slow, quick = stream.admit(), stream.admit()
        await quick.get()
        for n in range(limits.WATCHER_QUEUE_MAX + 5):
            stream._send(b"%d" % n)
            await quick.get()
        assert stream.dropped == 1
        assert stream.watchers == 1
        assert [frame async for frame in stream.read(slow)] == [b"retry: 1500\n\n"]
        stream.close()

    asyncio.run(story())


def test_there_is_room_for_so_many_readers() -> None:
    async def story() -> None:
        stream = Stream(Metrics(), ())
        for _ in range(limits.WATCHERS_MAX):
            stream.admit()
        with pytest.raises(TooManyWatchers):
            stream.admit()

    asyncio.run(story())


def test_listening_is_safe_from_many_threads() -> None:
    stream = Stream(Metrics(), ())
    threads = [
        threading.Thread(target=lambda: [stream.listen([fact()]) for _ in range(500)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stream._count == 2_000

"""Goal: what real clients sent, and what nobody should send, through the whole of Segue.

The requests of the captures are replayed byte for byte against a running server over SQLite.
"""

import base64
import json
import os
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

DATA = Path(os.environ.get("SEGUE_DATA", Path(__file__).parents[3] / "shared" / "data"))
CAPTURES = sorted((DATA / "segment-captures").glob("*.json"))
TRACK = {"type": "track", "event": "Page Read", "userId": "ana"}
SKIPPED = {"host", "content-length", "connection", "accept-encoding", "transfer-encoding"}


def calls(file: Path) -> list[dict[str, Any]]:
    return json.loads(file.read_text())  # type: ignore[no-any-return]


def sent(segue: Any, call: dict[str, Any]) -> httpx.Response:
    """Send one captured request again."""
    method, path, _ = call["request_line"].split()
    headers = [(name, value) for name, value in call["headers"] if name.lower() not in SKIPPED]
    body = base64.b64decode(call["body_b64"]) if call["body_b64"] else json.dumps(call["json"])
    return segue.client.request(method, path, headers=headers, content=body)  # type: ignore[no-any-return]


def messages(call: dict[str, Any]) -> list[dict[str, Any]]:
    body = call["json"]
    return body.get("batch", [body])  # type: ignore[no-any-return]


@pytest.mark.data
@pytest.mark.skipif(not CAPTURES, reason=f"no captures of real clients under {DATA}")
def test_every_capture_of_a_real_client_is_taken_and_each_message_counts_once(segue: Any) -> None:
    expected: set[str] = set()
    keys = {"wk_test"}
    for file in CAPTURES:
        for call in calls(file):
            auth = (call["basic_auth_decoded"] or ":").partition(":")[0]
            keys.add(auth or call["json"].get("writeKey", ""))
            expected |= {message["messageId"] for message in messages(call)}
    segue.door.app.state.site.settings.write_keys.update(dict.fromkeys(keys - {""}, "captured"))
    for file in CAPTURES:
        for call in calls(file):
            answer = sent(segue, call)
            assert (answer.status_code, answer.json()) == (200, {"success": True}), file.name
    counted = Counter(line.event.id for line in segue.log())
    assert set(counted) == expected
    assert set(counted.values()) == {1}
    assert len(CAPTURES) == 37


def test_a_full_batch_with_one_poisoned_event_keeps_2_499(segue: Any) -> None:
    good = [
        json.dumps({"type": "track", "event": "x", "userId": f"u{n}", "messageId": f"m{n}"})
        for n in range(2_499)
    ]
    deep = "[" * 9_000 + "]" * 9_000
    poison = '{"type":"track","event":"x","userId":"u","properties":{"a":' + deep + "}}"
    body = '{"batch":[' + ",".join([*good[:1_200], poison, *good[1_200:]]) + "]}"
    answer = segue.client.post("/v1/batch", content=body, auth=("wk_test", ""))
    assert answer.status_code == 200
    told = answer.json()
    assert (told["accepted"], told["refused_count"]) == (2_499, 1)
    assert told["refused"][0]["index"] == 1_200
    assert told["refused"][0]["code"] == "too_deep"
    assert len(segue.log()) == 2_499
    [(_, kept)] = segue.store.set_aside()
    assert kept.code == "too_deep"
    assert kept.body.startswith(b'{"type":"track"')


def test_what_was_answered_is_durable_and_a_repeat_changes_nothing(segue: Any) -> None:
    body = {"batch": [{**TRACK, "messageId": f"m{n}"} for n in range(50)]}
    for _ in range(3):
        assert segue.post("/v1/batch", body).json() == {"success": True}
    assert len(segue.log()) == 50
    assert segue.profile("user", "ana").user_ids == ["ana"]


BAD: dict[str, Any] = {
    "malformed": (b'{"batch":[', 400),
    "wrong types": (json.dumps({**TRACK, "properties": 5}).encode(), 400),
    "an id of 10,000 characters": (json.dumps({**TRACK, "userId": "u" * 10_000}).encode(), 400),
    "a null byte": (json.dumps({**TRACK, "userId": "a\x00"}).encode(), 400),
    "deep nesting": (b'{"a":' * 60_000, 400),
    "10 MB": (b" " * 10_000_000, 413),
    "an empty body": (b"", 400),
    "1970": (json.dumps({**TRACK, "timestamp": "1970-01-01T00:00:00Z"}).encode(), 200),
    "2100": (json.dumps({**TRACK, "timestamp": "2100-01-01T00:00:00Z"}).encode(), 200),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_a_clear_answer_and_a_good_event_beside_it_is_taken(
    segue: Any, name: str
) -> None:
    body, status = BAD[name]
    try:
        answer = segue.client.post("/v1/track", content=body, auth=("wk_test", ""))
        assert answer.status_code == status
        if status != 200:
            assert {"code", "message"} <= answer.json().keys()
    except httpx.WriteError:
        assert name == "10 MB"  # refused before it was read, while still being sent
    before = time.time() * 1000
    assert segue.post("/v1/track", {"event": "Fine", "userId": "bo"}).status_code == 200
    for line in segue.log():
        assert abs(line.event.at - before) < 60_000


def test_nothing_slows_down_while_garbage_comes_in(segue: Any) -> None:
    stop = threading.Event()

    def garbage() -> None:
        with httpx.Client(base_url=segue.url) as client:
            while not stop.is_set():
                client.post(
                    "/v1/batch", content=b'{"batch":[' + b"[" * 50_000, auth=("wk_test", "")
                )

    thread = threading.Thread(target=garbage)
    thread.start()
    took: list[float] = []
    for n in range(40):
        began = time.monotonic()
        answer = segue.post("/v1/track", {"event": "Fine", "userId": "bo", "messageId": f"m{n}"})
        assert answer.status_code == 200
        took.append(time.monotonic() - began)
    stop.set()
    thread.join()
    assert sorted(took)[20] < 0.5


def test_two_tabs_that_ask_at_once_are_answered_from_one_state(segue: Any) -> None:
    segue.post("/v1/identify", {"userId": "ana", "traits": {"name": "Ana"}})
    segue.post("/v1/track", {"userId": "ana", "event": "Product Viewed"})
    question = {"userId": "ana", "placements": ["banner", "modal"]}
    first, second = (segue.post("/v1/decide", question).json() for _ in range(2))
    banner = first["placements"]["banner"]
    assert banner["fields"] == {"title": "Hello Ana"}
    assert first["placements"]["modal"] is None
    assert second["placements"]["banner"]["id"] == banner["id"]
    assert second["placements"]["banner"]["again"] is True
    shown = [sent for sent in segue.profile("user", "ana").ledger if sent.placement]
    assert len(shown) == 1
    reported = segue.post(
        "/v1/report", {"send_id": banner["id"], "outcome": "dismissed", "userId": "ana"}
    )
    assert reported.json() == {"success": True, "known": True}
    third = segue.post("/v1/decide", question).json()
    assert third["placements"]["banner"] is None


def test_why_is_told_in_words(segue: Any) -> None:
    traits = {"name": "Ana", "email": "ana@example.org"}
    segue.post("/v1/identify", {"userId": "ana", "traits": traits})
    segue.post("/v1/track", {"userId": "ana", "event": "Product Viewed"})
    segue.wait_for(lambda: segue.client.get("/api/messages").json()["messages"])
    state = segue.client.get("/api/profiles/user:ana").json()
    assert state["name"] == "Ana"
    assert [run["journey"] for run in state["runs"]] == ["greet"]
    timeline = segue.client.get("/api/profiles/user:ana/timeline").json()["entries"]
    assert [entry["name"] for entry in timeline if entry["type"] == "event"] == [
        "Product Viewed",
        "Profile Identified",
    ]
    notes = [note for entry in timeline if entry["type"] == "why" for note in entry["notes"]]
    sent = next(note for note in notes if note["kind"] == "considered" and not note["placement"])
    assert sent["outcome"] == "admitted"
    assert sent["text"] == "Sent greeting by email"
    assert [check["check"] for check in sent["checks"]][:2] == ["wanted", "holdout"]
    [message] = segue.client.get("/api/messages").json()["messages"]
    assert message["fields"]["subject"] == "Hello"
    preview = segue.client.get(message["preview"])
    assert preview.text == "<b>Hello</b>"
    assert "sandbox" in preview.headers["content-security-policy"]
    assert (
        segue.client.get(message["preview"].replace("/preview/", "/preview/0")).status_code == 401
    )


def test_everything_an_administrator_may_read_answers(segue: Any) -> None:
    segue.post("/v1/track", {"userId": "ana", "event": "Product Viewed"})
    for path in (
        "/api/overview",
        "/api/profiles",
        "/api/messages",
        "/api/outbox",
        "/api/set-aside",
        "/api/program",
        "/api/simulation",
        "/health",
        "/ready",
    ):
        answer = segue.client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert isinstance(answer.json(), dict)
    metrics = segue.client.get("/metrics").text
    assert 'segue_arrivals_total{source="shop",status="accepted"}' in metrics
    assert "segue_profiles 1" in metrics
    program = segue.client.get("/api/program").json()
    assert [journey["name"] for journey in program["journeys"]] == ["greet"]
    assert program["journeys"][0]["steps"][0] == {
        "id": "show",
        "kind": "show",
        "text": "greeting in banner",
        "next": [{"label": "", "to": "mail"}],
    }


def test_what_happens_is_seen_as_it_happens(segue: Any) -> None:
    seen: list[dict[str, Any]] = []
    with segue.client.stream("GET", "/api/live") as answer:
        lines = answer.iter_lines()
        next(line for line in lines if line.startswith("data: "))
        segue.post("/v1/track", {"userId": "ana", "event": "Product Viewed"})
        for line in lines:
            if line.startswith("data: "):
                seen += json.loads(line[6:])["facts"]
            if {"event", "run"} <= {fact["kind"] for fact in seen}:
                break
    assert seen[0]["name"] == "Product Viewed"

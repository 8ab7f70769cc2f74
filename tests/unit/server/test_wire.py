"""Goal: the HTTP surface does what clients need of it, whatever they send: paths, keys,
content types, gzip, limits, CORS; and every refusal has one shape.
"""

import gzip
import json
import socket
import time
import zlib
from typing import Any

import pytest

TRACK = {"type": "track", "event": "Product Viewed", "userId": "ana", "messageId": "m1"}


def problem(answer: Any, status: int, code: str) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body["code"] == code, body
    assert body["message"]
    assert set(body) <= {"code", "message", "hint"}
    return body


# ── paths and keys ──


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/track", "track"),
        ("/v1/t", "track"),
        ("/v1/identify", "identify"),
        ("/v1/i", "identify"),
        ("/v1/page", "page"),
        ("/v1/p", "page"),
        ("/v1/screen", "screen"),
        ("/v1/s", "screen"),
        ("/v1/group", "group"),
        ("/v1/g", "group"),
    ],
)
def test_each_path_takes_its_kind_of_message(running: Any, path: str, kind: str) -> None:
    answer = running.post(path, json={"userId": "ana", "event": "x", "groupId": "g"})
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert [event.kind for event in running.host.events] == [kind]
    assert running.host.arrivals[0].source == "shop"


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch"])
def test_batches_are_taken(running: Any, path: str) -> None:
    answer = running.post(path, json={"batch": [TRACK, {**TRACK, "messageId": "m2"}]})
    assert answer.json() == {"success": True}
    assert [event.id for event in running.host.events] == ["m1", "m2"]
    assert all(event.live == (path != "/v1/import") for event in running.host.events)


def test_an_empty_batch_is_no_error(running: Any) -> None:
    assert running.post("/v1/batch", json={"batch": []}).json() == {"success": True}


def test_the_write_key_may_stand_in_the_body_or_in_the_query(running: Any) -> None:
    body = {"batch": [TRACK], "writeKey": "wk_test"}
    assert running.post("/v1/batch", json=body, auth=None).status_code == 200
    assert (
        running.post("/v1/t", json={**TRACK, "writeKey": "wk_test"}, auth=None).status_code == 200
    )
    assert running.post("/v1/t?writeKey=wk_test", json=TRACK, auth=None).status_code == 200


@pytest.mark.parametrize("auth", [None, ("wk_other", ""), ("", "wk_test")])
def test_an_unknown_write_key_is_401(running: Any, auth: Any) -> None:
    problem(running.post("/v1/track", json=TRACK, auth=auth), 401, "INP701")
    assert running.host.arrivals == []


def test_an_unreadable_authorization_is_401(running: Any) -> None:
    headers = {"Authorization": "Basic !!!"}
    problem(running.post("/v1/track", json=TRACK, auth=None, headers=headers), 401, "INP701")


# ── bodies ──


@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", "", "x/y"]
)
@pytest.mark.parametrize("encoding", ["", "gzip", "unnamed gzip", "deflate"])
def test_the_content_type_is_not_looked_at(running: Any, kind: str, encoding: str) -> None:
    body, headers = json.dumps({"batch": [TRACK]}).encode(), {"Content-Type": kind}
    if "gzip" in encoding:
        body = gzip.compress(body)
    if encoding == "deflate":
        body = zlib.compress(body)
    if encoding in ("gzip", "deflate"):
        headers["Content-Encoding"] = encoding
    answer = running.post("/v1/batch", content=body, headers=headers)
    assert answer.json() == {"success": True}
    assert len(running.host.events) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nonsense", b"[1]", b'{"batch": 5}', b'{"a":' * 5_000, b"\x00" * 9],
    ids=["empty", "cut off", "text", "a list", "no list", "nested", "zeros"],
)
def test_what_is_no_json_is_400(running: Any, body: bytes) -> None:
    problem(running.post("/v1/batch", content=body), 400, "INP704")


@pytest.mark.parametrize(
    "body",
    [gzip.compress(b"{}" * 500)[:-9], b"\x1f\x8bnonsense", gzip.compress(b"{}") + b"??"],
    ids=["cut off", "no gzip", "with more behind it"],
)
def test_a_damaged_gzip_is_400(running: Any, body: bytes) -> None:
    problem(running.post("/v1/batch", content=body), 400, "INP704")


def test_an_encoding_that_is_not_read_is_415(running: Any) -> None:
    headers = {"Content-Encoding": "br"}
    problem(running.post("/v1/batch", content=b"x", headers=headers), 415, "INP705")


def test_a_bomb_is_refused_and_not_unpacked(running: Any) -> None:
    bomb = gzip.compress(b" " * 200_000_000)
    began = time.monotonic()
    problem(running.post("/v1/batch", content=bomb), 413, "INP703")
    assert time.monotonic() - began < 1


def test_500_kb_are_taken_and_a_little_more_is_413(running: Any) -> None:
    filler = {**TRACK, "properties": {"x": "y" * 30_000}}
    batch = [{**filler, "messageId": f"m{n}"} for n in range(16)]
    assert running.post("/v1/batch", json={"batch": batch}).status_code == 200
    problem(running.post("/v1/batch", json={"batch": batch * 2}), 413, "INP703")
    problem(
        running.post("/v1/batch", content=gzip.compress(json.dumps({"batch": batch * 2}).encode())),
        413,
        "INP703",
    )


def test_2_501_events_are_413_and_2_500_are_taken(running: Any) -> None:
    batch = [
        {"type": "track", "event": "x", "userId": "a", "messageId": str(n)} for n in range(2501)
    ]
    problem(running.post("/v1/batch", json={"batch": batch}), 413, "INP703")
    assert running.host.arrivals == []
    assert running.post("/v1/batch", json={"batch": batch[:-1]}).status_code == 200
    assert len(running.host.arrivals) == 2_500


def test_10_mb_are_refused_before_they_are_read(running: Any) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=300) as client:
        client.sendall(
            b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Basic d2tfdGVzdDo=\r\n"
            b"Content-Length: 10000000\r\n\r\n"
        )
        answer = client.recv(4096)  # not one byte of the body was sent
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"INP703" in answer


def test_a_client_in_the_midst_of_sending_1_mb_reads_why_it_is_refused(running: Any) -> None:
    problem(running.post("/v1/batch", content=b"x" * 1_000_000), 413, "INP703")


def test_a_body_of_undeclared_length_is_cut_off(running: Any) -> None:
    def pieces() -> Any:
        for _ in range(20):
            yield b"x" * 50_000

    problem(running.post("/v1/batch", content=pieces()), 413, "INP703")


# ── bad messages among good ones ──


def test_good_messages_are_kept_and_bad_ones_are_told(running: Any) -> None:
    batch = [TRACK, {**TRACK, "properties": "wrong"}, {"type": "track", "userId": "a"}]
    answer = running.post("/v1/batch", json={"batch": batch})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["success"], body["accepted"], body["refused_count"]) == (True, 1, 2)
    assert [(bad["index"], bad["code"], bad["place"]) for bad in body["refused"]] == [
        (1, "wrong_type", "properties"),
        (2, "name_missing", "event"),
    ]
    assert len(running.host.arrivals) == 1
    kept = [bad for _, bad in running.store.set_aside()]
    assert {bad.code for bad in kept} == {"wrong_type", "name_missing"}
    assert all(bad.source == "shop" and bad.reason and bad.body for bad in kept)


def test_if_nothing_is_usable_it_is_400_and_kept_aside(running: Any) -> None:
    body = problem(running.post("/v1/track", json={"userId": "a"}), 400, "INP706")
    assert "name_missing" in body["message"]
    assert len(running.store.set_aside()) == 1


def test_a_null_byte_in_an_id_is_refused_by_itself(running: Any) -> None:
    batch = [TRACK, {**TRACK, "userId": "a\x00"}]
    assert running.post("/v1/batch", json={"batch": batch}).json()["accepted"] == 1


# ── back-pressure ──


def test_when_full_it_says_429_and_when_to_come_back(running: Any) -> None:
    running.host.state = "full"
    answer = running.post("/v1/track", json=TRACK)
    problem(answer, 429, "INP301")
    assert answer.headers["retry-after"] == "3"


@pytest.mark.parametrize(("state", "code"), [("stopped", "OPS301"), ("unavailable", "OPS101")])
def test_when_nothing_can_be_saved_it_says_503(running: Any, state: str, code: str) -> None:
    running.host.state = state
    answer = running.post("/v1/track", json=TRACK)
    problem(answer, 503, code)
    assert answer.headers["retry-after"]
    if state == "unavailable":
        problem(running.client.get("/ready"), 503, "OPS101")
    running.host.state = "well"
    assert running.post("/v1/track", json=TRACK).status_code == 200


# ── cross-origin ──


def test_a_page_of_another_origin_may_send(running: Any) -> None:
    origin = {"Origin": "https://shop.example"}
    asked = running.client.options(
        "/v1/batch",
        headers={
            **origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == "https://shop.example"
    assert asked.headers["access-control-allow-credentials"] == "true"
    assert asked.headers["access-control-allow-headers"] == "authorization,content-type"
    answer = running.post("/v1/t", json=TRACK, headers=origin)
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    refusal = running.post("/v1/t", json=TRACK, headers=origin, auth=("no", ""))
    assert refusal.headers["access-control-allow-origin"] == "https://shop.example"


def test_only_listed_origins_may_send_where_they_are_listed(start: Any) -> None:
    running = start(origins=("https://shop.example",))
    for origin, allowed in (("https://shop.example", True), ("https://evil.example", False)):
        answer = running.client.options("/v1/t", headers={"Origin": origin})
        assert ("access-control-allow-origin" in answer.headers) is allowed


def test_the_admin_api_gives_no_page_of_another_origin_leave(running: Any) -> None:
    answer = running.client.get("/api/profiles", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers


# ── what clients fetch ──


def test_analytics_js_gets_settings_that_lead_back_here(running: Any) -> None:
    body = running.client.get("/v1/projects/wk_test/settings").json()
    settings = body["integrations"]["Segment.io"]
    assert settings["apiHost"] == f"127.0.0.1:{running.port}/v1"
    assert settings["protocol"] == "http"
    problem(running.client.get("/v1/projects/wk_no/settings"), 401, "INP701")


# ── everything else ──


def test_unknown_routes_and_methods_have_the_same_shape(running: Any) -> None:
    problem(running.client.get("/v1/nothing"), 404, "INP707")
    problem(running.client.get("/v1/track"), 405, "INP708")
    problem(running.client.get("/live/../app.py"), 404, "INP707")
    problem(running.client.get("/live/secrets.txt"), 404, "INP707")


def test_what_nobody_foresaw_is_500_in_the_same_shape(running: Any) -> None:
    body = problem(running.client.get("/api/program"), 500, "SEG500")
    assert "NotImplementedError" not in str(body)

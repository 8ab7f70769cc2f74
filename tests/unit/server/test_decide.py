"""Goal: a page's question is answered after the commit, and what it reports back is taken."""

from typing import Any

import pytest

from segue.errors import Unrenderable


def test_a_question_is_answered_with_what_goes_into_each_placement(running: Any) -> None:
    body = {"userId": "ana", "placements": ["banner", "modal"], "context": {"page": {"path": "/"}}}
    answer = running.post("/v1/decide", json=body)
    assert answer.status_code == 200
    assert answer.json() == {
        "decision_id": "q1",
        "placements": {
            "banner": {
                "id": "s1",
                "message": "hello",
                "channel": "web",
                "fields": {"title": "Hello Ana"},
                "expires_at": "2023-11-14T22:13:20.000Z",
                "again": False,
            },
            "modal": None,
        },
    }
    arrival = running.host.arrivals[0]
    assert (arrival.user_id, arrival.source) == ("ana", "shop")
    assert arrival.input.placements == ("banner", "modal")
    assert arrival.input.context == {"page": {"path": "/"}}


def test_a_template_that_fails_leaves_its_placement_empty(running: Any) -> None:
    def fails(*_: object) -> Any:
        raise Unrenderable("title", 1, "no such filter")

    site = running.app.state.site
    before, site.render = site.render, fails
    try:
        answer = running.post("/v1/decide", json={"anonymousId": "a", "placements": ["banner"]})
    finally:
        site.render = before
    assert answer.json()["placements"] == {"banner": None}
    assert site.metrics.total("segue_unrenderable_total") >= 1


@pytest.mark.parametrize(
    "body",
    [
        {"placements": ["x"]},
        {"userId": "undefined", "placements": ["x"]},
        {"userId": "ana", "placements": []},
        {"userId": "ana", "placements": ["x"] * 21},
        {"userId": "ana", "placements": ["x" * 101]},
        {"userId": "ana", "placements": [""]},
        {"userId": "ana", "placements": "x"},
        {"userId": "u" * 300, "placements": ["x"]},
        {"userId": "ana", "placements": ["x"], "context": {"a": "\x00"}},
        {"userId": "ana"},
        [],
        "nonsense",
    ],
)
def test_a_question_that_cannot_be_read_is_400(running: Any, body: object) -> None:
    answer = running.post("/v1/decide", json=body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "INP704"
    assert running.host.arrivals == []


def test_a_deeply_nested_question_is_400(running: Any) -> None:
    content = (
        b'{"userId":"a","placements":["x"],"context":{"a":' + b"[" * 9000 + b"]" * 9000 + b"}}"
    )
    assert running.post("/v1/decide", content=content).status_code == 400


def test_a_question_needs_a_write_key_and_room(running: Any) -> None:
    body = {"userId": "ana", "placements": ["x"]}
    assert running.post("/v1/decide", json=body, auth=None).status_code == 401
    assert running.post("/v1/decide", json={**body, "writeKey": "wk_test"}, auth=None).is_success
    running.host.state = "full"
    assert running.post("/v1/decide", json=body).status_code == 429


def test_what_became_of_a_message_is_reported(running: Any) -> None:
    body = {"send_id": "s1", "outcome": "clicked", "anonymousId": "a"}
    assert running.post("/v1/report", json=body).json() == {"success": True, "known": True}
    assert running.host.events[0].outcome == "clicked"


@pytest.mark.parametrize("outcome", ["delivered", "bounced", "claimed", "unsubscribed", ""])
def test_a_page_may_not_report_what_only_providers_know(running: Any, outcome: str) -> None:
    body = {"send_id": "s1", "outcome": outcome, "anonymousId": "a"}
    assert running.post("/v1/report", json=body).status_code == 400
    assert running.host.arrivals == []


def test_track_events_report_too_and_stay_events(running: Any) -> None:
    message = {"userId": "ana", "event": "Message Dismissed", "properties": {"send_id": "s1"}}
    assert running.post("/v1/track", json=message).status_code == 200
    assert [type(said).__name__ for said in running.host.events] == ["Event", "Reported"]
    assert running.host.arrivals[1].user_id == "ana"

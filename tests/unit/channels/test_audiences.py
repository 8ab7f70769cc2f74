"""Ad audiences and CRM tasks: hashed as asked, together, and never undone by what is late.

A real HTTP server plays Meta, Google and HubSpot.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from segue import wiring
from segue.channels import limits
from segue.channels.audiences import GoogleAds, GoogleAdsSettings
from segue.channels.courier import Courier
from segue.channels.letter import Letter
from segue.channels.providers import build_line
from segue.channels.secret import Secret
from segue.channels.wire import Wire
from segue.hosts.ports import Delivery, Outcome
from segue.hosts.quick import QuickStore
from segue.kernel.effects import AssignTask, ChangeAudience, Effect
from segue.kernel.profile import create
from segue.kernel.values import Instant, ProfileId
from segue.stores.ports import Saved

AT = Instant(1_790_000_000_000)


class Api:
    """What was asked: method, path, body."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                said = self.rfile.read(int(self.headers["Content-Length"]))
                api.asked.append((self.command, self.path, json.loads(said)))
                usual = (200, {"session_id": "1", "id": f"{self.command.lower()}-1"})
                status, told = api.answers.get(self.command, usual)
                content = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_DELETE = do_PATCH = do_POST  # noqa: N815 (the library's own names)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def api() -> Iterator[Api]:
    with closing(Api()) as made:
        yield made


def deliver(url: str, *told: Effect, **more: Any) -> list[Outcome]:
    wire = Wire()
    meta = {
        "provider": "meta_ads",
        "access_token": "t",
        "base_url": url,
        "audiences": {"buyers": "23842"},
    }
    hubspot = {
        "provider": "hubspot",
        "access_token": "t",
        "base_url": url,
        "owners": {"sales": "77"},
    }
    lines = {
        "ads": build_line("ads", meta, wire, {}),
        "task": build_line("task", hubspot, wire, {}),
    }
    with closing(
        Courier(
            messages=lambda _program, _name: None,
            keep=lambda _kept: None,
            lines=lines,
            wire=wire,
            **more,
        )
    ) as courier:
        return courier.deliver(
            [
                Delivery(
                    id=f"{one.id}",  # type: ignore[union-attr]
                    profile=ProfileId("p"),
                    effect=one,
                    attempt=1,
                    at=AT,
                )
                for one in told
            ]
        )


def change(number: int, how: Any = "remove", **data: Any) -> ChangeAudience:
    known = data or {"email": f"Ana{number}@Shop.example "}
    return ChangeAudience(id=f"a{number}", audience="buyers", change=how, data=known)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_buyers_leave_the_audience_together_named_by_hashes(api: Api) -> None:
    outcomes = deliver(api.url, *(change(n) for n in range(40)), change(99, "add"))
    assert {one.result for one in outcomes} == {"accepted"}
    asked = {method: (path, body["payload"]) for method, path, body in api.asked}
    assert len(api.asked) == 2
    assert asked["DELETE"][0] == asked["POST"][0] == "/23842/users"
    assert asked["DELETE"][1]["schema"] == ["EMAIL", "PHONE"]
    assert asked["DELETE"][1]["data"][3] == [sha("ana3@shop.example"), ""]
    assert asked["POST"][1]["data"] == [[sha("ana99@shop.example"), ""]]
    assert "shop.example" not in json.dumps(api.asked)


def test_one_request_is_never_too_large(api: Api) -> None:
    deliver(api.url, *(change(n) for n in range(limits.AUDIENCE_SIZE_MAX + 1)))
    assert sorted(len(body["payload"]["data"]) for _, _, body in api.asked) == [1, 500]


def test_who_can_not_be_matched_is_refused_alone(api: Api) -> None:
    nobody = [change(1, phone="0151"), change(2, email=17), change(3, email="nobody")]
    good = change(4, phone="+49 151 2345678")
    outcomes = deliver(api.url, *nobody, good)
    assert [one.result for one in outcomes] == ["refused"] * 3 + ["accepted"]
    assert api.asked[0][2]["payload"]["data"] == [["", sha("491512345678")]]


def test_an_audience_nobody_set_up_is_refused(api: Api) -> None:
    strange = ChangeAudience(id="a", audience="vips", change="add", data={"email": "a@b.example"})
    (outcome,) = deliver(api.url, strange)
    assert outcome.result == "refused"
    assert "vips" in outcome.detail


def test_passing_trouble_of_meta_is_tried_later(api: Api) -> None:
    api.answers["DELETE"] = (400, {"error": {"code": 80003, "message": "too many calls"}})
    assert deliver(api.url, change(1))[0].result == "try_later"


def test_a_late_change_does_not_undo_a_later_one(api: Api) -> None:
    """An add that waited for its provider must not bring a buyer back."""
    store = QuickStore()
    told = (change(1, "add"), change(2, "remove"))
    profile = create(ProfileId("p"), AT)
    store.commit([Saved(profile=profile, effects=tuple((one, AT) for one in told))])
    superseded = lambda delivery: wiring.taken_back(store, delivery)
    outcomes = deliver(api.url, *told, superseded=superseded)
    assert [one.result for one in outcomes] == ["accepted", "accepted"]
    assert "later change" in outcomes[0].detail
    assert [method for method, _, _ in api.asked] == ["DELETE"]


def test_google_gets_what_it_asks_for() -> None:
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = json.dumps({"client_email": "a@b.example", "private_key": key.decode()})
    adapter = GoogleAds(
        GoogleAdsSettings(service_account=Secret(account), account_id="7", login_account_id="8")
    )
    data = json.dumps({"email": "An.a.B@GMail.com", "phone": "+49 151 2345678"})
    for how, verb in (("add", "ingest"), ("remove", "remove")):
        fields = {"data": data, "change": how}
        request = adapter.compose(Letter(id="x", channel="ads", address="1", fields=fields, at=AT))
        assert request.url == f"https://datamanager.googleapis.com/v1/audienceMembers:{verb}"
        said = json.loads(request.body)
        assert said["destinations"][0]["operatingAccount"]["accountId"] == "7"
        assert said["destinations"][0]["loginAccount"]["accountId"] == "8"
        assert said["audienceMembers"][0]["userData"]["userIdentifiers"] == [
            {"emailAddress": sha("anab@gmail.com")},
            {"phoneNumber": sha("+491512345678")},
        ]
        assert ("consent" in said) == (how == "add")


def task(**details: Any) -> AssignTask:
    return AssignTask(id="t", title="Call Ana", to="sales", details=details)


def test_a_task_is_tied_to_its_contact_whose_properties_are_written_first(api: Api) -> None:
    (outcome,) = deliver(
        api.url,
        task(email="ana@shop.example", properties={"tier": "gold", "vip": True}, cart=89),
    )
    assert (outcome.result, outcome.provider_id) == ("accepted", "post-1")
    (update, made) = api.asked
    assert update[:2] == ("PATCH", "/crm/v3/objects/contacts/ana%40shop.example?idProperty=email")
    assert update[2] == {"properties": {"tier": "gold", "vip": "true"}}
    assert made[:2] == ("POST", "/crm/v3/objects/tasks")
    assert made[2]["properties"]["hs_task_subject"] == "Call Ana"
    assert made[2]["properties"]["hubspot_owner_id"] == "77"
    assert made[2]["associations"][0]["to"] == {"id": "patch-1"}


def test_a_contact_that_hubspot_does_not_know_has_a_task_all_the_same(api: Api) -> None:
    api.answers["PATCH"] = (404, {"message": "resource not found"})
    assert deliver(api.url, task(email="new@shop.example"))[0].result == "accepted"
    assert "associations" not in api.asked[1][2]


def test_no_task_is_made_while_the_contact_can_not_be_written(api: Api) -> None:
    api.answers["PATCH"] = (504, {})
    assert deliver(api.url, task(email="ana@shop.example"))[0].result == "try_later"
    assert [method for method, _, _ in api.asked] == ["PATCH"]

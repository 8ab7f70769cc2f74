"""HubSpot's deliveries: v3 signatures by the published vector, and each change on its own."""

import json
from typing import Any

import pytest
from signing import DATA, NOW, SECRET, hubspot

from segue.connectors.hubspot import receive
from segue.connectors.webhook import Refused, Verified
from segue.kernel.values import Instant

FOLDER = DATA / "connectors" / "hubspot"
URI = "https://segue.example/v1/hooks/hubspot"


def told(said: object, **options: Any) -> Verified:
    found = receive(*hubspot(said, URI), SECRET, Instant(NOW), uri=URI, **options)
    assert isinstance(found, Verified), found
    return found


def change(kind: str = "contact.propertyChange", **more: Any) -> dict[str, Any]:
    said = {
        "eventId": 1,
        "portalId": 33,
        "subscriptionType": kind,
        "objectId": 9007199254740993,
        "propertyName": "firstname",
        "propertyValue": "Ana",
        "occurredAt": NOW - 1000,
        "attemptNumber": 0,
    }
    return said | more


@pytest.mark.data
@pytest.mark.skipif(not FOLDER.is_dir(), reason="HubSpot's published vectors are not here")
def test_the_published_v3_vector_holds_until_five_minutes_have_passed() -> None:
    known = json.loads((FOLDER / "signature_vectors.json").read_bytes())
    vector = known["vectors"]["v3"]
    at = int(vector["timestamp"])
    headers = {
        "X-HubSpot-Signature-v3": vector["signature"],
        "X-HubSpot-Request-Timestamp": vector["timestamp"],
    }

    def answer(now: int, **changed: str) -> Verified | Refused:
        uri = changed.get("uri", known["uri"])
        body = changed.get("body", known["body"]).encode()
        method = changed.get("method", known["method"])
        secret = known["client_secret"]
        return receive(headers, body, secret, Instant(now), uri=uri, method=method)

    def reason(found: Verified | Refused) -> str:
        assert isinstance(found, Refused)
        return found.reason

    # The vector's body is no JSON, so a good signature gets as far as that.
    assert reason(answer(at)) == "malformed"
    assert reason(answer(at + 300_000)) == "malformed"
    assert reason(answer(at + 300_001)) == "too_old"
    assert reason(answer(at, body="{}")) == "forged"
    assert reason(answer(at, uri="https://www.example.com/other")) == "forged"
    assert reason(answer(at, method="GET")) == "forged"


@pytest.mark.data
@pytest.mark.skipif(not FOLDER.is_dir(), reason="HubSpot's published example is not here")
def test_the_published_change_becomes_a_trait_and_events() -> None:
    found = told((FOLDER / "webhook_property_change.json").read_bytes())
    assert [event.name for event in found.events] == [
        "Profile Identified",
        "Contact Changed",
        "Lifecycle Stage Changed",
    ]
    assert found.events[0].traits == {"lifecyclestage": "subscriber"}
    assert {event.anonymous_id for event in found.events} == {"hubspot:1246965"}
    assert found.events[0].at == 1462216307945


@pytest.mark.parametrize("missing", ["X-HubSpot-Signature-v3", "X-HubSpot-Request-Timestamp"])
def test_a_delivery_without_signature_or_time_is_refused(missing: str) -> None:
    headers, body = hubspot([change()], URI)
    del headers[missing]
    found = receive(headers, body, SECRET, Instant(NOW), uri=URI)
    assert isinstance(found, Refused)
    assert (found.reason, found.status) == ("unsigned", 401)


def test_escapes_in_the_uri_are_undone_as_hubspot_does_before_signing() -> None:
    headers, body = hubspot([change()], "https://segue.example/hooks?for=a@b:c")
    called = "https://segue.example/hooks?for=a%40b%3Ac"
    assert isinstance(receive(headers, body, SECRET, Instant(NOW), uri=called), Verified)


def test_a_repeat_with_another_count_of_attempts_is_the_same() -> None:
    first, again = told([change()]), told([change(attemptNumber=3)])
    assert first.id == again.id
    assert first.events == again.events


def test_changes_that_share_an_event_id_are_told_apart() -> None:
    found = told([change(), change(propertyName="city", propertyValue="Rome")])
    assert len({event.id for event in found.events}) == 4


def test_a_hundred_changes_come_in_order_of_time_whatever_theirs_was() -> None:
    times = [NOW - (n * 37 % 100) * 1000 for n in range(100)]
    found = told([change(objectId=n, occurredAt=at) for n, at in enumerate(times)])
    assert [event.at for event in found.events] == sorted(event.at for event in found.events)
    assert len(found.events) == 200
    refused = receive(*hubspot([change()] * 101, URI), SECRET, Instant(NOW), uri=URI)
    assert isinstance(refused, Refused)
    assert refused.reason == "malformed"


def test_a_change_that_can_not_be_read_harms_no_other() -> None:
    found = told([7, change(objectId=None), change(propertyName=""), change()])
    assert len(found.faults) == 3
    assert [fault[:4] for fault in found.faults] == ["[0]:", "[1]:", "[2]:"]
    assert len(found.events) == 2


def test_an_email_is_a_trait_and_if_so_asked_the_user_id() -> None:
    said = [change(propertyName="email", propertyValue=" Ana@Example.com")]
    assert told(said).events[0].user_id == ""
    known = told(said, user_by="email").events[0]
    assert known.traits == {"email": "ana@example.com"}
    assert (known.user_id, known.anonymous_id) == ("ana@example.com", "hubspot:9007199254740993")


def test_deals_go_to_their_contact_where_it_is_known() -> None:
    won = change("deal.propertyChange", propertyName="dealstage", propertyValue="closedwon")
    found = told([won], contact_of={"9007199254740993": "5"})
    assert [event.name for event in found.events] == ["Deal Changed", "Deal Won"]
    assert {event.anonymous_id for event in found.events} == {"hubspot:5"}
    assert told([won]).events[0].anonymous_id == "hubspot-deal:9007199254740993"
    worth = change("deal.propertyChange", propertyName="amount", propertyValue="1200.50")
    assert told([worth]).events[0].properties["value"] == 1200.5


def test_what_segue_has_no_use_for_is_verified_and_ignored() -> None:
    found = told([change("ticket.creation")])
    assert found.events == ()
    assert found.ignored

"""Letters by Meta's WhatsApp Cloud API have the shape that it documents, and its webhooks are read."""

import hmac
import json
from typing import Any

import msgspec
import pytest

from segue.channels.letter import Letter, Reply
from segue.channels.receipts import Callback, receive, reported, whatsapp as reader
from segue.channels.secret import Secret
from segue.channels.whatsapp import CloudSettings, WhatsApp
from segue.errors import BadAddress, ForgedCallback, Unsupported
from segue.kernel.values import Instant

SETTINGS = CloudSettings(phone_number_id="106540352242922", access_token=Secret("EAAG-token"))
SECRET = Secret("app-secret")


def letter(address: str = "+49 151 2345678", name: str = "ana/j/1:s:1", **fields: str) -> Letter:
    return Letter(
        id=name, profile="ana", channel="whatsapp", address=address, fields=fields, at=Instant(1)
    )  # type: ignore[call-arg]


def composed(**fields: str) -> dict[str, Any]:
    request = WhatsApp(SETTINGS).compose(letter(**fields))
    assert request.url == "https://graph.facebook.com/v23.0/106540352242922/messages"
    assert request.headers["Authorization"] == "Bearer EAAG-token"
    told: dict[str, Any] = json.loads(request.body)
    assert (told["messaging_product"], told["to"]) == ("whatsapp", "+491512345678")
    return told


# ── letters ──


def test_a_template_is_named_with_its_language_and_filled_in_order() -> None:
    told = composed(template="order_update/de", parameters='{"2": "B", "10": "C", "1": "A"}')
    assert told["type"] == "template"
    assert told["template"]["name"] == "order_update"
    assert told["template"]["language"] == {"code": "de"}
    (body,) = told["template"]["components"]
    assert body == {
        "type": "body",
        "parameters": [{"type": "text", "text": text} for text in ("A", "B", "C")],
    }
    assert composed(template="hello")["template"] == {
        "name": "hello",
        "language": {"code": "en_US"},
    }


def test_parameters_reach_the_header_the_buttons_and_names() -> None:
    given = {"header.1": "Sale", "button.0": "A12", "name": "Ana"}
    parts = composed(template="t", parameters=json.dumps(given))["template"]["components"]
    assert parts == [
        {"type": "body", "parameters": [{"type": "text", "parameter_name": "name", "text": "Ana"}]},
        {
            "type": "button",
            "sub_type": "url",
            "index": "0",
            "parameters": [{"type": "text", "text": "A12"}],
        },
        {"type": "header", "parameters": [{"type": "text", "text": "Sale"}]},
    ]


def test_a_text_travels_plainly_and_what_it_can_not_carry_is_an_error() -> None:
    assert composed(body=" Hi ")["text"] == {"preview_url": False, "body": "Hi"}
    with pytest.raises(Unsupported):
        composed(body="Hi", confetti="x")
    for fields in ({}, {"body": "Hi", "template": "t"}, {"body": "Hi", "parameters": "{}"}):
        with pytest.raises(Unsupported):
            composed(**fields)
    with pytest.raises(BadAddress):
        WhatsApp(SETTINGS).compose(letter(address="0151", body="Hi"))


def test_the_send_travels_along_and_is_left_out_where_it_is_too_long() -> None:
    told = composed(body="Hi")
    assert json.loads(told["biz_opaque_callback_data"]) == {"send": "ana/j/1:s:1", "profile": "ana"}
    request = WhatsApp(SETTINGS).compose(letter(name="x" * 600, body="Hi"))
    assert "biz_opaque_callback_data" not in json.loads(request.body)


@pytest.mark.parametrize(
    ("status", "code", "result"),
    [
        (400, 131026, "refused"),
        (400, 131047, "refused"),
        (400, 132001, "refused"),
        (400, 130429, "try_later"),
        (400, 131056, "try_later"),
        (401, 190, "try_later"),
        (429, 4, "try_later"),
        (500, 131000, "try_later"),
    ],
)
def test_an_error_is_the_letters_or_ours_to_wait_for(status: int, code: int, result: str) -> None:
    body = json.dumps({"error": {"code": code, "message": f"(#{code}) told", "fbtrace_id": "A"}})
    outcome = WhatsApp(SETTINGS).interpret(Reply(status=status, headers={}, body=body.encode()))
    assert outcome.result == result
    assert str(code) in outcome.detail


def test_an_answer_that_names_no_message_is_not_taken_for_a_success() -> None:
    with pytest.raises(ValueError, match="no message"):
        WhatsApp(SETTINGS).interpret(Reply(status=200, headers={}, body=b"{}"))
    with pytest.raises(msgspec.DecodeError):
        WhatsApp(SETTINGS).interpret(Reply(status=200, headers={}, body=b"<html>"))


# ── webhooks ──


def callback(**value: object) -> Callback:
    said = {
        "object": "whatsapp_business_account",
        "entry": [
            {
                "id": "102290129340398",
                "changes": [
                    {
                        "value": {
                            "messaging_product": "whatsapp",
                            "metadata": {"phone_number_id": "106540352242922"},
                            **value,
                        },
                        "field": "messages",
                    }
                ],
            }
        ],
    }
    body = json.dumps(said).encode()
    proof = hmac.digest(SECRET.reveal().encode(), body, "sha256").hex()
    return Callback(body=body, headers={"x-hub-signature-256": f"sha256={proof}"})


def status(said: str, **more: object) -> dict[str, object]:
    ours = json.dumps({"send": "s1", "profile": "ana"})
    return {
        "id": "wamid.HBgM",
        "status": said,
        "timestamp": "1750030073",
        "recipient_id": "491512345678",
        "biz_opaque_callback_data": ours,
        **more,
    }


@pytest.mark.parametrize(
    ("said", "code", "outcome"),
    [
        ("sent", 0, None),
        ("delivered", 0, "delivered"),
        ("read", 0, "opened"),
        ("failed", 131026, "failed"),
        ("failed", 131049, "failed"),
        ("failed", 131050, "unsubscribed"),
        ("warped", 0, None),
    ],
)
def test_a_status_becomes_a_report_of_its_send(said: str, code: int, outcome: str | None) -> None:
    errors = [{"code": code, "title": "T", "error_data": {"details": "D"}}] if code else []
    (receipt,) = receive("meta_whatsapp", callback(statuses=[status(said, errors=errors)]), SECRET)
    assert (receipt.send_id, receipt.profile) == ("s1", "ana")
    assert (receipt.message_id, receipt.recipient) == ("wamid.HBgM", "+491512345678")
    assert receipt.at == 1_750_030_073_000
    found = reported(receipt)
    assert (found.outcome if found else None) == outcome
    if code:
        assert receipt.description == f"{code} T D"


def test_a_callback_without_its_signature_is_forged() -> None:
    good = callback(statuses=[status("delivered")])
    for headers in ({}, {"x-hub-signature-256": "sha256=00"}, {"x-hub-signature": "sha1=1"}):
        with pytest.raises(ForgedCallback):
            receive("meta_whatsapp", msgspec.structs.replace(good, headers=headers), SECRET)
    with pytest.raises(ForgedCallback):
        receive("meta_whatsapp", good, Secret("guessed"))
    changed = msgspec.structs.replace(good, body=good.body.replace(b"delivered", b"failed"))
    with pytest.raises(ForgedCallback):
        receive("meta_whatsapp", changed, SECRET)


@pytest.mark.parametrize(
    ("said", "means", "text"),
    [
        ({"type": "text", "text": {"body": "Stop."}}, "stop", "Stop."),
        ({"type": "text", "text": {"body": "start"}}, "start", "start"),
        ({"type": "text", "text": {"body": "please stop it"}}, "text", "please stop it"),
        ({"type": "button", "button": {"text": "STOP", "payload": "x"}}, "stop", "STOP"),
        (
            {"type": "interactive", "interactive": {"button_reply": {"title": "Help"}}},
            "help",
            "Help",
        ),
        ({"type": "image", "image": {"id": "1"}}, "text", ""),
    ],
)
def test_what_a_customer_writes_is_understood(said: dict[str, Any], means: str, text: str) -> None:
    message = {"from": "491512345678", "id": "wamid.IN", "timestamp": "1750030073", **said}
    (found,) = reader.incoming(callback(messages=[message]))
    assert (found.number, found.channel, found.id) == ("+491512345678", "whatsapp", "wamid.IN")
    assert (found.meaning, found.text) == (means, text)


def test_a_choice_against_marketing_is_a_stop() -> None:
    choice = {"wa_id": "491512345678", "category": "marketing_messages", "timestamp": 1750030073}
    chosen = [{**choice, "value": word} for word in ("stop", "resume", "other")]
    found = reader.incoming(callback(user_preferences=chosen))
    assert [(one.number, one.meaning) for one in found] == [
        ("+491512345678", "stop"),
        ("+491512345678", "start"),
    ]
    assert len({one.id for one in found}) == 2


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b'{"entry": [1, {"changes": {}}]}', b'{"entry": 3}']
)
def test_a_callback_of_another_shape_says_nothing(body: bytes) -> None:
    assert reader.read(Callback(body=body)) == []
    assert reader.incoming(Callback(body=body)) == []

"""Providers: requests by the providers' own schemas, signatures by published vectors, segments."""

import base64
import gzip
import hashlib
import hmac
import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import msgspec
import pytest

from segue.channels import sms
from segue.channels.features import PROVIDERS, contents, matrix, remarks
from segue.channels.letter import Letter, Request
from segue.channels.mailgun import Mailgun, MailgunSettings
from segue.channels.postmark import Postmark, PostmarkSettings
from segue.channels.providers import SETTINGS
from segue.channels.secret import Secret
from segue.channels.sendgrid import SendGrid, SendGridSettings
from segue.channels.ses import Ses, SesSettings, sign, tag, untag
from segue.channels.template import Templates
from segue.channels.twilio import Twilio, TwilioSettings
from segue.channels.webhook import Webhook, WebhookSettings
from segue.define.channels import CHANNELS
from segue.errors import BadAddress, ChannelMisconfigured, Unsupported
from segue.kernel.values import Instant

DATA = Path(os.environ.get("SEGUE_DATA", Path(__file__).parents[4] / "shared" / "data"))
AT = Instant(1_440_938_160_000)  # 2015-08-30T12:36:00Z, the instant of AWS's vectors
KEY = Secret("k")


def letter(**changes: Any) -> Letter:
    known: dict[str, Any] = {
        "id": "p1:cart:1:remind:0",
        "channel": "email",
        "address": "ana@shop.example",
        "fields": {"subject": "Hi", "html": "<p>Hi</p>", "text": "Hi"},
        "at": AT,
        "message": "remind",
        "profile": "p1",
        "unsubscribe_url": "https://shop.example/u",
    }
    return Letter(**(known | changes))


def text(**changes: Any) -> Letter:
    return letter(
        **{"channel": "sms", "address": "+49 151 2345678", "fields": {"body": "Hi"}} | changes
    )


# ── Amazon SES ──────────────────────────────────────────────────────────────────────

VECTOR = {
    "region": "us-east-1",
    "access_key_id": "AKIDEXAMPLE",
    "secret_access_key": Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
}


@pytest.mark.parametrize(
    ("request_", "service", "signature"),
    [
        (
            Request(method="GET", url="https://example.amazonaws.com/"),
            "service",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            Request(
                method="GET",
                url="https://iam.amazonaws.com/?Version=2010-05-08&Action=ListUsers",
                headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
            ),
            "iam",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ],
)
def test_requests_are_signed_as_awss_own_examples(
    request_: Request, service: str, signature: str
) -> None:
    signed = sign(request_, AT, service=service, **VECTOR)  # type: ignore[arg-type]
    assert signed.headers["x-amz-date"] == "20150830T123600Z"
    assert signed.headers["authorization"].endswith(f"Signature={signature}")


def test_ses_gets_the_whole_message_and_our_ids_as_tags() -> None:
    settings = SesSettings(
        from_address="shop@shop.example",
        configuration_set="events",
        **VECTOR,  # type: ignore[arg-type]
    )
    body = json.loads(Ses(settings).compose(letter()).body)
    raw = base64.b64decode(body["Content"]["Raw"]["Data"])
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in raw
    assert body["ConfigurationSetName"] == "events"
    tags = {each["Name"]: untag(each["Value"]) for each in body["EmailTags"]}
    assert tags == {"segue_send": "p1:cart:1:remind:0", "segue_profile": "p1"}


def test_a_tag_holds_any_text_in_the_signs_that_ses_allows() -> None:
    for known in ("", "a", "p1:ü/☀ x", "x" * 100):
        assert untag(tag(known)) == known
        assert set(tag(known)) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        )
    assert untag("☀") == ""


# ── by the providers' own schemas ───────────────────────────────────────────────────


def published(name: str) -> Any:
    path = DATA / "openapi" / f"{name}.json.gz"
    if not path.exists():
        pytest.skip(f"no published schema at {path}")
    return json.loads(gzip.decompress(path.read_bytes()))


@pytest.mark.data
@pytest.mark.parametrize("changes", [{}, {"fields": {"subject": "x", "text": "y"}}])
def test_sendgrids_requests_are_valid_by_its_schema(changes: dict[str, Any]) -> None:
    described = published("sendgrid_oai")
    parameters = described["paths"]["/mail/send"]["post"]["parameters"]
    schema = next(each["schema"] for each in parameters if each["in"] == "body")
    settings = SendGridSettings(
        api_key=KEY, from_address="a@shop.example", from_name="Shop", reply_to="b@shop.example"
    )
    request = SendGrid(settings).compose(letter(**changes))
    body = json.loads(request.body)
    whole = {**schema, "definitions": described["definitions"]}
    checker = jsonschema.Draft4Validator(whole)
    assert [error.message for error in checker.iter_errors(body)] == []
    strange = body.keys() - schema["properties"].keys()
    assert not strange
    assert urlsplit(request.url).path == described["basePath"] + "/mail/send"


@pytest.mark.data
@pytest.mark.parametrize(
    ("message", "settings"),
    [
        (text(), {"from_number": "+15005550006"}),
        (text(), {"messaging_service_sid": "MG" + "a" * 32}),
        (text(), {"from_number": "+15005550006", "status_callback": "https://s.example/hook?k=1"}),
        (text(channel="whatsapp"), {"whatsapp_number": "+15005550006"}),
        (
            text(
                channel="whatsapp",
                fields={"template": "HX" + "b" * 32, "parameters": '{"1":"Ana"}'},
            ),
            {"whatsapp_number": "+15005550006"},
        ),
    ],
)
def test_twilios_requests_are_valid_by_its_schema(
    message: Letter, settings: dict[str, str]
) -> None:
    described = published("twilio_api_v2010")
    operation = described["paths"]["/2010-04-01/Accounts/{AccountSid}/Messages.json"]["post"]
    schema = operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    account = "AC" + "c" * 32
    request = Twilio(TwilioSettings(account_sid=account, auth_token=KEY, **settings)).compose(
        message
    )
    form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    assert not form.keys() - schema["properties"].keys()
    jsonschema.Draft202012Validator(schema).validate(form)
    for name, value in form.items():
        pattern = schema["properties"][name].get("pattern")
        if pattern:
            assert re.search(pattern, value), name
    assert urlsplit(request.url).path == f"/2010-04-01/Accounts/{account}/Messages.json"
    if "status_callback" in settings:
        query = parse_qs(urlsplit(form["StatusCallback"]).query)
        assert query == {"k": ["1"], "send": ["p1:cart:1:remind:0"], "profile": ["p1"]}


def test_twilio_needs_something_to_send_from() -> None:
    with pytest.raises(ChannelMisconfigured):
        Twilio(TwilioSettings(account_sid="AC", auth_token=KEY))
    only_whatsapp = TwilioSettings(account_sid="AC", auth_token=KEY, whatsapp_number="+15005550006")
    with pytest.raises(Unsupported):
        Twilio(only_whatsapp).compose(text())


# ── the others ──────────────────────────────────────────────────────────────────────


def test_postmark_parts_marketing_from_transactional() -> None:
    adapter = Postmark(PostmarkSettings(server_token=KEY, from_address="a@shop.example"))
    marketing = json.loads(adapter.compose(letter()).body)
    urgent = json.loads(adapter.compose(letter(purpose="transactional")).body)
    assert (marketing["MessageStream"], urgent["MessageStream"]) == ("broadcast", "outbound")
    assert {each["Name"] for each in marketing["Headers"]} == {
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
    }
    assert urgent["Headers"] == []
    assert marketing["Metadata"] == {"segue_send": "p1:cart:1:remind:0", "segue_profile": "p1"}


def test_mailgun_gets_our_message_id_and_variables() -> None:
    settings = MailgunSettings(api_key=KEY, domain="mg.shop.example", from_address="a@shop.example")
    form = parse_qs(Mailgun(settings).compose(letter()).body.decode())
    assert form["h:Message-Id"][0].endswith("@shop.example>")
    assert form["v:segue_send"] == ["p1:cart:1:remind:0"]
    assert form["h:List-Unsubscribe"] == ["<https://shop.example/u>"]


@pytest.mark.parametrize(
    ("body", "encoding", "units", "count"),
    [
        ("", "gsm7", 0, 0),
        ("a" * 160, "gsm7", 160, 1),
        ("a" * 161, "gsm7", 161, 2),
        ("a" * 306, "gsm7", 306, 2),
        ("a" * 307, "gsm7", 307, 3),
        ("€" * 80, "gsm7", 160, 1),
        ("€" * 81, "gsm7", 162, 2),
        ("a" * 152 + "€" + "a" * 152, "gsm7", 306, 3),  # the euro does not fit into the first
        ("grüße", "gsm7", 5, 1),
        ("it’s", "ucs2", 4, 1),
        ("ж" * 70, "ucs2", 70, 1),
        ("ж" * 71, "ucs2", 71, 2),
        ("🙂" * 35, "ucs2", 70, 1),
        ("🙂" * 36, "ucs2", 72, 2),
        ("ж" * 66 + "🙂" + "ж" * 66, "ucs2", 134, 3),  # nor is a pair split
    ],
)
def test_segments_are_counted_as_they_are_billed(
    body: str, encoding: str, units: int, count: int
) -> None:
    found = sms.segments(body)
    assert (found.encoding, found.units, found.count) == (encoding, units, count)


def test_numbers_are_international_or_refused() -> None:
    assert sms.number("+49 (151) 234-56.78") == "+491512345678"
    for wrong in ("0151 2345678", "+0151", "49151", "+49abc", "", "+1" * 20, "+49151\r\n2345678x"):
        with pytest.raises(BadAddress):
            sms.number(wrong)


def test_a_text_too_long_is_an_error_and_never_cut() -> None:
    adapter = Twilio(TwilioSettings(account_sid="AC", auth_token=KEY, from_number="+15005550006"))
    adapter.compose(text(fields={"body": "a" * 1530}))
    with pytest.raises(Unsupported, match="10 segments"):
        adapter.compose(text(fields={"body": "a" * 1531}))


def test_webhooks_are_signed_by_the_standard() -> None:
    key = b"0123456789abcdef0123456789abcdef"
    secret = Secret("whsec_" + base64.b64encode(key).decode())
    adapter = Webhook(WebhookSettings(endpoints={"crm": "https://crm.example/in"}, secret=secret))
    call = letter(channel="webhook", address="crm", fields={"body": '{"a":1}'})
    request = adapter.compose(call)
    name, stamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    assert (name, stamp) == (call.id, "1440938160")
    signed = f"{name}.{stamp}.".encode() + request.body
    mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{mac}"


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_???"])
def test_a_webhook_secret_that_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(ChannelMisconfigured):
        Webhook(WebhookSettings(endpoints={}, secret=Secret(secret)))


# ── what is checked before launch ───────────────────────────────────────────────────


def said_of(channel: str, **fields: str) -> list[tuple[str, str]]:
    return [(each.code, each.message) for each in remarks(channel, fields, Templates())]


def test_contents_that_are_right_have_no_remarks() -> None:
    assert said_of("email", subject="Hi {{ traits.name }}", text="x") == []
    assert said_of("sms", body="x") == []
    assert said_of("web", title="x", confetti="yes") == []
    assert said_of("whatsapp", template="HX1", parameters='{"1": "{{ traits.name }}"}') == []
    assert said_of("whatsapp", template="HX1", parameters='{"1": "Ana"}') == []


@pytest.mark.parametrize(
    ("channel", "fields", "code", "said"),
    [
        ("sms", {"body": "{{ x | nope }}"}, "SEG-E605", "unknown filter 'nope'"),
        ("sms", {"body": "{{ trait.x }}"}, "SEG-W707", "nothing is named 'trait'"),
        ("sms", {"body": "a" * 161}, "SEG-W708", "is billed as 2 segments (gsm7, 161 units)"),
        ("sms", {"body": "☀" * 700}, "SEG-E605", "11 segments"),
        ("whatsapp", {"parameters": "Ana"}, "SEG-E605", "a JSON object"),
        ("email", {"mjml": "<mjml><mj-foo/></mjml>"}, "SEG-E605", "there is no <mj-foo>"),
    ],
)
def test_contents_that_are_wrong_are_named(
    channel: str, fields: dict[str, str], code: str, said: str
) -> None:
    found = said_of(channel, **fields)
    assert [each for each, message in found if said in message] == [code]


def test_the_matrix_in_the_docs_is_the_one_in_the_code() -> None:
    page = Path(__file__).parents[3] / "docs" / "channels" / "index.md"
    assert matrix() in page.read_text()
    assert contents() in page.read_text()


def test_every_provider_has_a_page_and_carries_known_channels() -> None:
    folder = Path(__file__).parents[3] / "docs" / "channels"
    for name, features in PROVIDERS.items():
        page = (folder / f"{name}.md").read_text()
        assert name == "sandbox" or "**Keys.**" in page, f"{name}.md: how to get its keys"
        assert set(features.channels) <= set(CHANNELS)


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_setting_stands_on_its_providers_page(name: str) -> None:
    page = (Path(__file__).parents[3] / "docs" / "channels" / f"{name}.md").read_text()
    for field in msgspec.structs.fields(SETTINGS[name]):
        assert f"`{field.name}`" in page, f"{field.name} is not on docs/channels/{name}.md"

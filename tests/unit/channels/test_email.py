"""Email: the same letter gives the same bytes, and nothing from data can add to a header."""

import email
from email import policy
from email.message import EmailMessage

import pytest

from segue.channels.email import Sender, mail, mailbox, mime, text_of, with_preview
from segue.channels.letter import Letter
from segue.errors import BadAddress, Unsupported
from segue.kernel.values import Instant

SENDER = Sender(address="shop@bücher.example", name="Die Bücherei", reply_to="help@shop.example")


def letter(**changes: object) -> Letter:
    fields = {"subject": "Hallo Ана ☀", "html": "<p>Grüße</p>", "text": "Grüße"}
    known = {
        "id": "p1:cart:1:remind:0",
        "channel": "email",
        "address": "ana@shop.example",
        "fields": fields,
        "at": Instant(1_790_000_000_000),
    }
    return Letter(**(known | changes))  # type: ignore[arg-type]


def parsed(written: Letter) -> EmailMessage:
    raw = mime(mail(written, SENDER, "smtp"), written.id)
    raw.decode("ascii")  # every byte travels through a server that knows ASCII only
    assert max(map(len, raw.split(b"\r\n"))) < 998
    return email.message_from_bytes(raw, policy=policy.default)  # type: ignore[return-value]


def test_a_letter_becomes_text_and_html_in_utf8() -> None:
    message = parsed(letter())
    assert message["Subject"] == "Hallo Ана ☀"
    assert message["From"].addresses[0].display_name == "Die Bücherei"
    assert message["From"].addresses[0].addr_spec == "shop@xn--bcher-kva.example"
    assert message["Reply-To"] == "help@shop.example"
    assert message["Date"].datetime.isoformat() == "2026-09-21T14:13:20+00:00"
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert (text.get_content_type(), text.get_content().strip()) == ("text/plain", "Grüße")
    assert (html.get_content_type(), html.get_content().strip()) == ("text/html", "<p>Grüße</p>")


def test_the_same_letter_gives_the_same_bytes_and_another_send_another_message_id() -> None:
    first, again, other = (
        mime(mail(each, SENDER, "smtp"), each.id) for each in (letter(), letter(), letter(id="x"))
    )
    assert first == again
    assert mail(letter(), SENDER, "s").message_id != mail(letter(id="x"), SENDER, "s").message_id
    assert first != other


@pytest.mark.parametrize(
    "subject", ["Hi\r\nBcc: evil@x.example", "Hi\nBcc: evil@x.example", "Hi\x00\x0b\u2028Bcc: e@x"]
)
def test_a_subject_can_not_add_a_header(subject: str) -> None:
    message = parsed(letter(fields={"subject": subject, "text": "x"}))
    assert message["Bcc"] is None
    assert "Bcc" in message["Subject"]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ana",
        "@shop.example",
        "ana@",
        "ana@shop.example\r\nBcc: e@x.example",
        "ana@shop.example, eve@x.example",
        "Ana <ana@shop.example>",
        "a b@shop.example",
        ".ana@shop.example",
        "a..b@shop.example",
        "ana@-shop.example",
        "ana@sh op.example",
        "ana@shop.example>",
        "x" * 65 + "@shop.example",
        "ana@" + "x" * 400,
        "ana@[127.0.0.1]",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(BadAddress):
        mailbox(address)


def test_international_addresses_are_understood() -> None:
    assert mailbox("Ana@BÜCHER.example").address == "Ana@xn--bcher-kva.example"
    assert mailbox("анна@почта.рф").needs_utf8
    assert mailbox("o'neil+x=1@shop.example").local == "o'neil+x=1"


def test_an_international_local_part_stands_in_utf8() -> None:
    written = letter(address="анна@почта.рф")
    raw = mime(mail(written, SENDER, "smtp"), written.id)
    assert "To: анна@xn--80a1acny.xn--p1ai".encode() in raw


def test_a_marketing_mail_can_be_unsubscribed_with_one_click() -> None:
    url = "https://shop.example/u/" + "a" * 200 + "?t=1&x=2"
    message = parsed(letter(unsubscribe_url=url))
    assert message["List-Unsubscribe"] == f"<{url}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    "changes",
    [
        {"unsubscribe_url": "https://x.example/a b"},
        {"unsubscribe_url": "https://x.example/>\r\nBcc: e@x.example"},
        {"unsubscribe_url": "javascript:alert(1)"},
        {"unsubscribe_url": "https://shop.example/u", "purpose": "transactional"},
        {},
    ],
)
def test_no_unsubscribe_header_where_none_belongs(changes: dict[str, object]) -> None:
    message = parsed(letter(**changes))
    assert message["List-Unsubscribe"] is None
    assert message["Bcc"] is None


def test_what_an_email_can_not_carry_is_an_error_and_never_dropped() -> None:
    for fields, said in (
        ({"subject": "x", "text": "y", "attachment": "z"}, "'attachment'"),
        ({"text": "y"}, "subject"),
        ({"subject": " \n", "text": "y"}, "subject"),
        ({"subject": "x", "html": "  "}, "content"),
    ):
        with pytest.raises(Unsupported, match=said):
            mail(letter(fields=fields), SENDER, "smtp")


def test_html_alone_gets_a_text_beside_it() -> None:
    page = (
        "<html><head><title>T</title><style>p{}</style></head><body><h1>Hello</h1><p>Your "
        "<b>cart</b> &amp; more:<ul><li>Shoes</li><li>Hat</li></ul><a href='https://s.example/c'>"
        "Open it</a><br>Bye<script>x()</script></p></body></html>"
    )
    text = text_of(page)
    assert text == (
        "Hello\n\nYour cart & more:\n\n- Shoes\n- Hat\n\nOpen it (https://s.example/c)\nBye\n"
    )
    message = parsed(letter(fields={"subject": "x", "html": page}))
    assert "Open it" in next(iter(message.iter_parts())).get_content()


def test_a_preview_is_hidden_at_the_start_of_the_body() -> None:
    assert with_preview("<body class='a'><p>x</p>", "5 < 6").startswith(
        "<body class='a'><div style=\"display:none"
    )
    assert "5 &lt; 6" in with_preview("<p>x</p>", "5 < 6")


def test_a_message_may_say_whom_it_is_from() -> None:
    fields = {"subject": "x", "text": "y"}
    named = parsed(letter(fields=fields | {"from": "Ana from the shop"}))
    assert str(named["From"]) == "Ana from the shop <shop@xn--bcher-kva.example>"
    whole = parsed(letter(fields=fields | {"from": "Ana <ana@shop.example>\r\nBcc: e@x.example"}))
    assert whole["From"].addresses[0].addr_spec == "ana@shop.example"
    assert whole["Bcc"] is None

"""`segue preview` shows a message as it would leave, made by the code that sends it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from segue import cli, wiring
from segue.errors import NotHere, Unsupported
from segue.hosts.arrivals import Arrival
from segue.kernel.inputs import Event
from segue.kernel.values import Instant

AT = Instant(1_790_000_000_000)
ROOT = Path(__file__).parents[2]
SHOP = str(ROOT / "examples" / "shop" / "workspace")
CART = str(ROOT / "examples" / "01_cart_recovery")


def shown(*arguments: str, expect: int = 0) -> str:
    done = CliRunner().invoke(cli.segue, ["preview", *arguments])
    if expect == 0 and done.exception is not None:
        raise done.exception
    assert done.exit_code == expect, done.output
    return done.output


def fields(*arguments: str) -> dict[str, dict[str, str]]:
    return {each["channel"]: each["fields"] for each in json.loads(shown(*arguments, "--json"))}


def test_without_a_message_all_are_listed() -> None:
    assert "cart-reminder: email, sms\n" in shown(CART)


def test_an_email_is_shown_as_the_courier_would_send_it() -> None:
    given = ("--customer", '{"first_name": "<Ana>"}', "--event", '{"name": "Lamp", "price": 80}')
    email = fields(SHOP, "cart-reminder", *given)["email"]
    assert email["subject"] == "<Ana>, it is still on the table"
    assert "&lt;Ana&gt;, your cart" in email["html"] and email["html"].startswith("<!DOCTYPE html>")
    assert "<Ana>, your cart is as you left it" in email["text"]
    assert "€80.00" in email["text"] and "Unsubscribe (https://example.com/" in email["text"]
    assert "{" not in email["text"]


def test_what_nobody_gave_is_named_with_the_option_that_gives_it() -> None:
    given = ("--channel", "sms", "--event", '{"name": "Lamp"}')
    done = CliRunner().invoke(cli.segue, ["preview", CART, "cart-reminder", *given])
    assert done.stderr == 'not given: entry.url; try --event \'{"url":"..."}\'\n'
    assert "not given" in shown(CART, "cart-reminder")


def test_a_text_is_shown_with_its_segments() -> None:
    told = shown(CART, "cart-reminder", "--channel", "sms", "--event", '{"name": "Lämp ☀"}')
    assert "2 segments (ucs2, " in told and "Lämp ☀" in told and "email" not in told


def test_the_page_is_written_into_a_file(tmp_path: Path) -> None:
    out = tmp_path / "letter.html"
    shown(SHOP, "order-confirmation", "--channel", "email", "--out", str(out))
    assert "Thank you, we are wrapping it" in out.read_text()
    shown(CART, "cart-waiting", "--out", str(tmp_path / "banner.json"))
    assert json.loads((tmp_path / "banner.json").read_text())[0]["channel"] == "web"


def test_a_customer_of_the_store_is_found_by_user_id(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with wiring.stored(path, create=True) as store:
        engine = wiring.engine(store, wiring.read_workspace(Path(SHOP)))
        said = Event(
            id="1",
            name="Profile Identified",
            at=AT,
            kind="identify",
            user_id="ana",
            traits={"first_name": "Ana"},
        )
        engine.feed(Arrival(input=said, user_id="ana"), AT)
    told = shown(SHOP, "cart-reminder", "--customer", "ana", "--store", str(path))
    assert "subject: Ana, it is still on the table" in told
    with pytest.raises(NotHere, match="knows no customer 'eve'"):
        shown(SHOP, "cart-reminder", "--customer", "eve", "--store", str(path))


def test_mistakes_are_named() -> None:
    with pytest.raises(NotHere, match="no message 'nope'"):
        shown(SHOP, "nope")
    with pytest.raises(NotHere, match="nothing for push"):
        shown(SHOP, "cart-reminder", "--channel", "push")
    with pytest.raises(Unsupported, match="in the browser"):
        shown(CART, "cart-waiting", "--open")
    assert "not a JSON object" in shown(SHOP, "cart-reminder", "--customer", "{bad", expect=2)
    assert "all that it takes" in shown("a", "b", "c", expect=2)

"""A secret is found in whatever spelling a provider repeats it, and nothing else is taken for one."""

import base64
import json
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given, strategies as st

from segue.channels.secret import HUSHED_LEAST, INSTEAD, Hush, Secret

KEY = 'k3y/with+signs & "quotes"=ü'
SPELLINGS = {
    "as it is": KEY,
    "in JSON": json.dumps({"key": KEY}),
    "in JSON, unescaped": json.dumps({"key": KEY}, ensure_ascii=False),
    "quoted": quote(KEY, safe=""),
    "quoted, but for slashes": quote(KEY),
    "quoted, in small letters": quote(KEY, safe="").replace("%2F", "%2f").replace("%2B", "%2b")
    .replace("%20", "%20").replace("%26", "%26").replace("%22", "%22").replace("%3D", "%3d")
    .replace("%C3%BC", "%c3%bc"),
    "in a form": urlencode({"key": KEY}),
    "with plus signs": quote_plus(KEY),
    "in base64": base64.b64encode(KEY.encode()).decode(),
    "in base64 for addresses": base64.urlsafe_b64encode(KEY.encode()).decode(),
    "as a login": f"Basic {base64.b64encode(f'user:{KEY}'.encode()).decode()}",
}  # fmt: skip


def leaks(text: str) -> bool:
    """Whether the key can be read out of a text."""
    return any(part in text for part in (KEY, KEY[5:-5], quote(KEY[5:-5], safe="")))


@pytest.mark.parametrize("how", SPELLINGS)
def test_a_secret_is_hushed_however_it_is_spelt(how: str) -> None:
    said = Hush([Secret(KEY)])(f"bad key: {SPELLINGS[how]}; try again")
    assert INSTEAD in said
    assert said.startswith("bad key: ")
    assert said.endswith("; try again")
    assert not leaks(said)


@given(
    secret=st.text(st.characters(codec="utf-8"), min_size=HUSHED_LEAST, max_size=40),
    before=st.text(st.characters(codec="utf-8"), max_size=9),
    after=st.text(st.characters(codec="utf-8"), max_size=9),
)
def test_no_more_than_the_signs_at_the_edges_stay_in_base64(
    secret: str, before: str, after: str
) -> None:
    login = base64.b64encode(f"{before}{secret}{after}".encode()).decode()
    said = Hush([Secret(secret)])(login)
    edges = base64.b64encode(f"{before}{after}".encode()).decode()
    assert INSTEAD in said
    assert len(said) - len(INSTEAD) <= len(edges) + 8


def test_what_is_too_short_to_be_told_from_words_is_left() -> None:
    assert Hush([Secret("abc"), Secret("")])("abc is the alphabet") == "abc is the alphabet"


def test_a_secret_within_another_does_not_uncover_it() -> None:
    hush = Hush([Secret("secret"), Secret("secret-and-more")])
    assert hush("it is secret-and-more") == f"it is {INSTEAD}"

"""Signed links: read only where we made them, for what we made them; pages tracked and unharmed."""

import html
import re

import pytest
from hypothesis import given, strategies as st

from segue.channels import limits
from segue.channels.links import PATHS, Kind, Link, Links, Tracking
from segue.channels.secret import Secret
from segue.errors import BadLink

LINKS = Links(Secret("a key"), "https://s.example/")
CLICK = Link("click", "p1", "s1", "email", "cart")
BOTH = Tracking(clicks=True, opens=True)


def token(address: str) -> str:
    return address.rpartition("/")[2]


def led_to(page: str) -> list[str]:
    """Where the links of a page lead in the end."""
    found = [html.unescape(one) for one in re.findall(r"href=[\"'](.*?)[\"']", page)]
    start = "https://s.example/v1/r/"
    return [LINKS.read(token(u), "click").url if u.startswith(start) else u for u in found]


@given(st.text(), st.text(), st.sampled_from(list(PATHS)))
def test_a_link_says_what_was_signed(profile: str, send: str, kind: Kind) -> None:
    link = Link(kind, profile, send, "email", "ünïcode topic", "https://x.example/?a=1&b=2")
    address = LINKS.address(link)
    assert address.startswith(f"https://s.example{PATHS[kind]}")
    assert re.fullmatch(r"[!-~]+", address)
    assert LINKS.read(token(address), kind) == link


@given(st.data())
def test_a_changed_link_is_refused(data: st.DataObject) -> None:
    good = token(LINKS.address(CLICK))
    at = data.draw(st.integers(0, len(good) - 1))
    sign = data.draw(st.sampled_from("abcXYZ019-_.% "))
    changed = good[:at] + sign + good[at + 1 :]
    try:
        assert LINKS.read(changed, "click") == CLICK  # unused bits at the end of base64
    except BadLink:
        assert changed != good


def test_a_link_is_good_for_its_own_purpose_and_key_only() -> None:
    good = token(LINKS.address(CLICK))
    with pytest.raises(BadLink):
        LINKS.read(good, "unsubscribe")
    with pytest.raises(BadLink):
        Links(Secret("another"), "").read(good, "click")
    for bad in ("", ".", "a.b", "é.é", good.partition(".")[0], "W10." + good.partition(".")[2]):
        with pytest.raises(BadLink):
            LINKS.read(bad, "click")


def test_links_are_led_through_here_and_end_where_they_did() -> None:
    page = (
        "<BODY><p class=x>Hi</p>"
        '<a class="b" href="https://shop.example/?a=1&amp;b=2" style="c">one</a>'
        "<A HREF = 'http://shop.example/it'>two</A>"
        '<a\n href="https://shop.example/3">three</a></BODY>'
    )
    tracked = LINKS.tracked(page, CLICK, BOTH)
    assert led_to(tracked.replace("HREF = ", "href=")) == [
        "https://shop.example/?a=1&b=2",
        "http://shop.example/it",
        "https://shop.example/3",
    ]
    bare = re.sub(r"https://s\.example/v1/r/[^\"']+", "URL", tracked)
    assert '<a class="b" href="URL" style="c">one</a>' in bare
    assert "<A HREF = 'URL'>two</A>" in bare
    opened = re.search(r'<img src="(\S+)" alt="" width="1" height="1"></BODY>', tracked)
    assert opened is not None
    assert LINKS.read(token(opened[1]), "open").send == "s1"


@pytest.mark.parametrize(
    "anchor",
    [
        '<a href="mailto:a@b.example">',
        '<a href="#top">',
        '<a href="{{ url }}">',
        '<a href="javascript:alert(1)">',
        '<a data-track="off" href="https://shop.example">',
        '<a href="https://s.example/v1/unsubscribe/x.y">',
        f'<a href="https://shop.example/{"x" * limits.TRACKED_URL_CHARACTERS_MAX}">',
        '<abbr href="https://shop.example">',
        '<link href="https://shop.example/style.css">',
        "<a>",
    ],
)
def test_what_should_not_be_led_is_left(anchor: str) -> None:
    assert LINKS.tracked(anchor, CLICK, Tracking(clicks=True)) == anchor


@given(st.text(alphabet="<a href=\"https://x>'= \n&/"))
def test_no_page_breaks_tracking(page: str) -> None:
    assert LINKS.tracked(page, CLICK, Tracking()) == page
    LINKS.tracked(page, CLICK, BOTH)

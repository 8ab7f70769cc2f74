"""Markup: what an author of emails writes becomes what mail programs show, or an error with a place.

The goal: Liquid, MJML and CSS work together on any data; nothing that an author or a customer
writes fetches anything, breaks a page open or stops the host.
"""

import re
from html.parser import HTMLParser

import pytest

from segue.channels import limits
from segue.channels.email import text_of
from segue.channels.markup import check_email, finished
from segue.channels.template import Templates
from segue.errors import Unrenderable

LETTER = """<mjml lang="en">
<mj-head><mj-style inline="inline">.price b { color: #c00 }</mj-style>
<mj-style>@media (max-width:480px) { .price { padding: 9px !important } }</mj-style></mj-head>
<mj-body>
<mj-section>{% for item in entry.items %}
<mj-column css-class="price"><mj-text>{{ item.name }} <b>{{ item.price }}</b></mj-text></mj-column>
{% endfor %}</mj-section>
{% if entry.code %}<mj-section><mj-column>
<mj-button href="{{ entry.url | default: "https://shop.example" }}">Use {{ entry.code }}</mj-button>
</mj-column></mj-section>{% endif %}
</mj-body></mjml>
"""


def letter(entry: dict[str, object], source: str = LETTER) -> str:
    data = {"entry": entry}
    return finished(Templates().render({"mjml": source}, data))["html"]  # type: ignore[arg-type]


def elements(page: str) -> list[str]:
    """The elements of a page, as a browser sees them, each with the names of its attributes."""
    seen: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append(" ".join([tag, *(name for name, _ in attrs)]))

    Reader().feed(page)
    return seen


def item(name: str, price: int = 1) -> dict[str, object]:
    return {"name": name, "price": price}


def test_mjml_is_rendered_after_liquid_so_columns_are_as_wide_as_there_are_items() -> None:
    page = letter({"items": [item("Lamp", 80), item("Vase", 20)], "code": "TEN"})
    assert page.startswith("<!DOCTYPE html>") and "mj-column-per-50" in page
    assert "{" not in text_of(page) and "Use TEN (https://shop.example)" in text_of(page)
    alone = letter({"items": [item("Lamp")]})
    assert "mj-column-per-100" in alone and "Use" not in text_of(alone)


def test_inline_style_of_mjml_reaches_elements_and_media_queries_stay() -> None:
    page = letter({"items": [item("Lamp", 80)]})
    assert re.search(r'<b style="color: ?#c00;?">80</b>', page)
    assert "@media (max-width:480px) { .price" in page


@pytest.mark.parametrize(
    "name",
    [
        "</mj-text><mj-raw><script>alert(1)</script></mj-raw><mj-text>",
        '"><img src=x onerror=alert(1)>',
        "<mj-include path='/etc/passwd'/>",
        "Tom & Jerry < 3 > 2",
        "{{ traits.secret }}{% for %}",
        "<!--",
    ],
)
def test_what_comes_from_data_stays_words(name: str) -> None:
    page = letter({"items": [item(name)], "code": name, "url": name})
    assert name in text_of(page)
    plain = letter({"items": [item("Lamp")], "code": "TEN", "url": "https://x.example"})
    assert elements(page) == elements(plain)


def test_the_css_of_a_page_is_written_into_its_elements_and_its_queries_stay() -> None:
    page = (
        "<html><head><style>.side { padding: 24px } a:hover { color: red }"
        "@media (max-width: 600px) { .side { padding: 8px !important } }</style></head>"
        '<body><p class="side" style="margin:0">Hi</p></body></html>'
    )
    made = finished({"html": page})["html"]
    (style,) = re.findall(r'<p class="side" style="([^"]*)"', made)
    assert "padding: 24px" in style and "margin:0" in style.replace(" ", "")
    assert "@media (max-width: 600px)" in made and "a:hover" in made


def test_an_authors_own_attribute_wins_over_a_rule() -> None:
    made = finished({"html": '<style>p{color:red}</style><p style="color:blue">x</p>'})["html"]
    assert made.rindex("blue") > made.find("red", made.find("<p"))


def test_a_page_without_style_is_left_as_it_is() -> None:
    page = "<P>as  written<br>\n&nbsp;<a href=x>y</P>"
    assert finished({"html": page, "subject": "s"}) == {"html": page, "subject": "s"}


def test_nothing_is_fetched() -> None:
    page = '<link rel="stylesheet" href="http://127.0.0.1:1/x.css"><style>p{color:red}</style><p>x'
    assert "127.0.0.1:1/x.css" in finished({"html": page})["html"]
    (problem,) = check_email(
        "mjml", '<mjml><mj-body>\n <mj-include path="/x"/></mj-body></mjml>', {}
    )
    assert (problem.line, problem.column) == (2, 2) and "{% render" in problem.message


BODY = "<mjml><mj-body><mj-section><mj-column>\n{}</mj-column></mj-section></mj-body></mjml>"


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("hello", (1, 1), "begins with <mjml>"),
        ("<mj-body></mj-body>", (1, 1), "begins with <mjml>"),
        ("<mjml>\n<mj-body>\n<mj-section></mj-body></mjml>", (3, 13), "<mj-section> is open"),
        (BODY.format("  <mj-txt>x</mj-txt>"), (2, 3), "did you mean <mj-text>?"),
        (BODY.format("<mj-section/>"), (2, 1), "can't stand in <mj-column>"),
        (BODY.format("<mj-text><p>x</mj-text>"), (2, 14), "<p> is open"),
        (BODY.format("<mj-text>a < b</mj-text>"), (1, 1), "can't be read"),
        ("<mjml><mj-body>\n", (1, 7), "<mj-body> is not closed"),
        ("{% if traits.a %}\n<mjml><mj-foo/>{% endif %}</mjml>", (2, 7), "there is no <mj-foo>"),
        ("<mjml>" + "<mj-body>" * 200, (1, 898), "elements in one another"),
    ],
)
def test_bad_mjml_is_told_with_its_place(text: str, place: tuple[int, int], said: str) -> None:
    (problem,) = check_email("mjml", text, {})
    assert (problem.line, problem.column) == place and said in problem.message


def test_good_mjml_has_no_problems_on_any_path() -> None:
    assert check_email("mjml", LETTER, {}) == []
    assert check_email("mjml", BODY.format("{% raw %}<mj-foo>{% endraw %}<mj-spacer />"), {}) == []
    styled = (
        "<mjml><mj-head><mj-attributes><mj-all padding='0'/><mj-class name='x'/></mj-attributes>"
    )
    assert check_email("mjml", styled + "</mj-head><mj-body/></mjml>", {}) == []


def test_parts_are_looked_at_where_they_are_put_in() -> None:
    parts = {
        "top": "<mjml>\n<mj-body>\n",
        "end": "</mj-body></mjml>",
        "bad": "<mj-section>",
        "loop": "{% render 'loop' %}{% render 'loop' %}",
    }
    good = "{% render 'top' %}<mj-section></mj-section>{% render 'end' %}"
    assert check_email("mjml", good, parts) == []
    (problem,) = check_email("mjml", good.replace("<mj-s", "\n  <mj-x/><mj-s"), parts)
    assert (problem.line, problem.column) == (2, 3)
    (problem,) = check_email(
        "mjml", good.replace("{% render 'e", "\n{% render 'bad' %}{% render 'e"), parts
    )
    assert (problem.line, problem.column) == (2, 19)
    assert problem.message.startswith("in part 'end': </mj-body> ends nothing")
    assert check_email("mjml", good + "{% render 'loop' %}", parts) == []


@pytest.mark.parametrize(
    "page",
    ["<div>" * 50_000, "<b class='{}'>" * 50_000, "<a '" * 50_000, "<div><p></div>" * 50_000],
)
def test_a_page_of_any_depth_is_refused_before_a_library_sees_it(page: str) -> None:
    for fields in ({"html": f"<style>p{{}}</style>{page}"}, {"mjml": f"<mjml>{page}"}):
        with pytest.raises(Unrenderable, match=str(limits.PAGE_DEPTH_MAX)):
            finished(fields)


def test_mjml_that_can_not_be_read_is_unrenderable_and_names_its_line() -> None:
    with pytest.raises(Unrenderable) as raised:
        finished({"mjml": BODY.format("<mj-text>x</p></mj-text>")})
    assert (raised.value.field, raised.value.line) == ("mjml", 2)


def test_the_text_of_a_page_leaves_out_what_it_does_not_show() -> None:
    page = '<body><div style="color:#fff; DISPLAY : none">pre<div>in</div><br></div><p>Hello</p>'
    assert text_of(page) == "Hello\n"

"""Goal: whoever writes their first journey is never left stuck: each usual slip is told at its
own place, in an author's words, with what to write instead, and nothing that only follows from it.
"""

from pathlib import Path

import pytest

from segue import define

SHOP = """\
workspace:
  name: tea
  zone: Europe/Berlin
  currency: EUR
  conversions: [Order Completed]
  consent: {email: granted}

events:
  Cart Abandoned:
    {on: Product Added, silence: 45m, unless: Order Completed, properties: {price: properties.price}}

policies:
  nights: {quiet: 21:00-08:00, channels: email}
  weekly: {cap: 2, per: 7d, channels: email}

journeys:
  welcome:
    enter: {on: Signed Up}
    exit: [{on: Order Completed, reason: bought}]
    goal: {on: Order Completed, within: 14d}
    steps:
      - send: hello
        by: email
      - wait: 3d
      - send: first-tea
        by: email
  cart:
    enter: {on: Cart Abandoned, when: properties.price > 0}
    exit: [{on: Order Completed, reason: bought}]
    goal: {on: Order Completed, within: 3d}
    steps:
      - {send: reminder, by: email}

messages:
  hello: {topic: welcome, expires: 2d, contents: {email: {subject: Hi, text: Glad}}}
  first-tea:
    topic: welcome
    expires: 2d
    contents:
      email:
        subject: Your first tea
        text: Have you tried the green one?
  reminder: {topic: cart, expires: 1d, contents: {email: {subject: Tea, text: Tea}}}
"""

# What was right, what was written, where it is told, a part of what is said, a part of the hint.
SLIPS = [
    # ── YAML itself
    ("      - wait: 3d", "\t  - wait: 3d", (24, 1), "a tab stands here", "spaces for the tab"),
    ("  zone:", "\tzone:", (3, 1), "a tab stands here", "spaces for the tab"),
    ("  zone: E", "  zone:\tE", (3, 8), "a tab", "put a space"),
    ("      - wait", "     - wait", (24, 6), "unlike those", "in column 7, with `- `, like what st"),
    ("        by: email\n      - w", "      by: email\n      - w", (23, 7), "unlike", "column 9"),
    ("      - wait: 3d", "      -wait: 3d", (24, 7), "no space after the dash", "`- wait: 3d`"),
    ("    expires: 2d\n    c", "     expires: 2d\n    c", (38, 6), "further", "in column 5, as line 37"),
    ("    topic: welcome", "    topic welcome", (37, 5), "has no colon", "`topic: welcome`"),
    ("    topic: welcome", "    topic:welcome", (37, 5), "after the colon", "`topic: welcome`"),
    ("    expires: 2d\n", "\u00a0   expires: 2d\n", (38, 1), "U+00A0", "anew"),
    ("text: Have", "text: Tip: have", (42, 18), "second", 'text: "Tip: have you tried'),
    ("text: Have you tried the", "text: 'Don't miss the", (42, 20), "quote", "double quotes"),
    ("text: Have", 'text: "Have', (42, 15), "never closed", "close it"),
    ("subject: Your", "subject: %10 Your", (41, 18), "begin with %", '"%10 Your first tea"'),
    ("subject: Your", "subject: @Your", (41, 18), "begin with @", '"@Your first tea"'),
    ("subject: Your", "subject: *Your*", (41, 18), "nothing complete", "begins with * stands in"),
    ("subject: Your", "subject: [Sale] Your", (41, 25), "whole value", '"[Sale] Your first tea"'),
    ("Your first tea", "{{ entry.x }} tea", (41, 19), "without quotes", '"{{ entry.x }} tea"'),
    ("Your first tea", "{% if x %}tea", (41, 18), "begin with {%", '"{% if x %}tea"'),
    ("Your first tea", '"C:\\tea\\shop"', (41, 26), "backslash", "\\\\"),
    ("on: Signed Up}", "on: Signed Up", (19, 9), "closing }", "line 18, column 12"),
    ("when: properties.price > 0", "when: properties.t[0] > 0", (28, 51), "missing", "in quotes"),
    # ── what only looks like a definition
    ("journeys:", "journey:", (16, 1), "'journey' is not known", "'journeys'"),
    ("    expires: 2d\n", "    expiry: 2d\n", (38, 5), "'expiry' is not known", "'expires'"),
    ("  cart:\n", "  welcome:\n", (27, 3), "stands here twice", "line 17"),
    ("enter: {on: Signed Up}", "enter: Signed Up", (18, 12), "expected", "{on: Signed Up}"),
    ("    goal:", "    state: active\n    goal:", (20, 12), "'active'", "draft, draining, live"),
    ("wait: 3d", "wait: 9am", (24, 15), "no length of time", "{window: 09:00-20:00}"),
    ("wait: 3d", "wait: 3 days", (24, 15), "no length of time", "write 3d"),
    ("wait: 3d", "wait: an hour", (24, 15), "no length of time", "write 1h"),
    ("wait: 3d", "wait: 2 months", (24, 15), "no length of time", "write 60d"),
    ("wait: 3d", "wait: 3", (24, 15), "no length of time", "3m, 3h or 3d"),
    ("21:00-08:00", "9pm-8.30am", (13, 19), "no window of time", "write 21:00-08:30"),
    ("wait: 3d", "wait: {window: 09:00-10:00, weekdays: Monday..Friday}", (24, 47), "no weekday",
     "write mon..fri"),
    ("cap: 2", "cap: two", (14, 17), "not 'two'", "in digits"),
    ("currency: EUR", "currency: €", (4, 13), "no currency", "EUR, USD, GBP"),
    # ── names and conditions
    ("on: Signed Up", "on: Singed Up", (18, 17), "no event 'Singed Up'", "'Signed Up'"),
    ("{send: reminder", "{send: remider", (32, 16), "no message 'remider'", "'reminder'"),
    ("reminder, by: email", "reminder, by: e-mail", (32, 30), "no channel", "'email'"),
    ("reminder, by: email", "reminder, by: sms", (32, 30), "nothing for sms", "email"),
    ("price > 0", "price = 0", (28, 56), "can't be read", "=="),
    ("price > 0", "price > 0 AND true", (28, 60), "can't be read", "`and`"),
    ("price > 0", "price > $5", (28, 58), "can't be read", "without a sign"),
    ("price > 0", "name == “Tea”", (28, 58), "can't be read", "straight quotes"),
    ("properties.price > 0", "price > 0", (28, 39), "'price' is not known", "properties.price"),
    ("properties.price > 0", "in_segment('vip')", (28, 50), "no segment 'vip'", "`segments:`"),
    # ── what must not be launched
    ("first-tea:\n    topic: welcome\n    expires: 2d", "first-tea:\n    topic: welcome", (36, 3),
     "never expires", "`expires:`"),
    ("    exit: [{on: Order Completed, reason: bought}]\n", "", (17, 3), "has no exit", "`exit:`"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("right", "wrong", "place", "said", "hint"), SLIPS, ids=[repr(slip[1])[:40] for slip in SLIPS]
)
def test_a_slip_is_told_where_it_is_with_what_to_do_and_nothing_else(
    right: str, wrong: str, place: tuple[int, int], said: str, hint: str, tmp_path: Path
) -> None:
    assert right in SHOP
    (tmp_path / "shop.yaml").write_text(SHOP.replace(right, wrong, 1), encoding="utf-8")
    (told,) = define.load(tmp_path, zones=["Europe/Berlin"]).diagnostics
    assert (told.place.line, told.place.column) == place, told
    assert said in told.message
    assert hint in told.hint


def test_the_shop_itself_is_fine(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP, encoding="utf-8")
    assert define.load(tmp_path, zones=["Europe/Berlin"]).diagnostics == ()


def test_a_folder_without_a_workspace_says_what_to_put_into_it(tmp_path: Path) -> None:
    (told,) = define.load(tmp_path).diagnostics
    assert told.code == "SEG-E413"
    assert "workspace: {name: myshop}" in told.hint


@pytest.mark.parametrize(
    ("right", "wrong", "line", "field", "hint"),
    [
        ("subject: Tea", 'subject: "{{ entry.prcie }}"', 43, "prcie", "'price'"),
        ("{topic: cart,", "{topic: cart, about: entry.product_id,", 43, "product_id",
         "product_id: properties.product_id"),
        ("- {send: reminder", "- {wait: {date: entry.sale_ends}}\n      - {send: reminder", 27,
         "sale_ends", "properties.sale_ends"),
    ],
)  # fmt: skip
def test_what_the_event_never_tells_is_remarked(
    right: str, wrong: str, line: int, field: str, hint: str, tmp_path: Path
) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP.replace(right, wrong, 1), encoding="utf-8")
    (told,) = define.load(tmp_path).diagnostics
    assert (told.code, told.place.line) == ("SEG-W709", line)
    assert f"{field!r}" in told.message
    assert hint in told.hint


def test_what_another_event_may_tell_is_not_remarked(tmp_path: Path) -> None:
    text = SHOP.replace("subject: Tea", 'subject: "{{ entry.colour }}"')
    text = text.replace("enter: {on: Cart Abandoned,", "enter: {on: [Cart Abandoned, Cart Viewed],")
    (tmp_path / "shop.yaml").write_text(text, encoding="utf-8")
    assert define.load(tmp_path).diagnostics == ()

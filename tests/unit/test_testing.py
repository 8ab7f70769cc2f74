"""Journeys are driven by hand over the real engine, and a failing test tells why.

Also here: the pytest plugin in a session of its own, tests written in YAML, `segue test`.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from segue import cli, define
from segue.errors import WorkspaceWrong, WrongTest
from segue.testing import Customer, Segue, run_case

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
CART = ROOT / "examples" / "01_cart_recovery"
WORKSPACE = """
workspace: {name: shop, zone: Europe/Berlin}
segments: {fans: 'count("Liked") >= 2'}
messages:
  hello: {topic: news, expires: 1d, contents: {email: {subject: "Hi {{ traits.name }}", text: Hi}, sms: {body: Hi}}}
  deal:
    topic: offers
    expires: 2d
    incentive: {name: ten, group: g, worth: 1, lasts: 2d}
    contents: {web: {title: Ten}}
policies:
  nights: {quiet: 21:00-08:00, channels: [email, sms]}
  control: {holdout: 50%}
journeys:
  greet:
    enter: [{on: Signed Up}, {api: on}]
    exit: {on: Signed Off, reason: gone}
    goal: {on: Order Completed, within: 9d}
    steps:
      - {id: hi, send: hello, by: [email, sms]}
      - {id: draw, split: [{name: left, steps: [{set: {traits: {side: '"l"'}}}]}, {name: right}]}
      - {id: offer, show: deal, at: top, for: 1d}
      - {id: pause, wait: 2d}
      - end: not bought
tests:
  A newcomer is greeted:
    customer: {email: a@example.com, name: Ana}
    zone: Europe/London
    draws: {greet/draw: left}
    steps:
      - {does: Liked, times: 2, every: 1m}
      - {does: Signed Up}
      - expect: {messages: [hello by email], in_segments: fans, traits: {side: l}, held: []}
      - {asks: top, sees: deal}
      - expect: {incentives: ten, runs: {greet: pause}}
      - clicks: deal
      - {asks: top, sees: nothing}
      - {reports: bounced, of: hello}
      - waits: 3d
      - expect: {runs: {greet: not bought}, reasons: {hello: provider_refused, deal: sent}}
  Everything is wrong:
    customer: {email: a@example.com}
    steps:
      - {at: 22:00, weekday: tue}
      - calls: greet
      - expect:
          messages: [hello]
          held: []
          reasons: {hello: sent, deal: sent}
          in_segments: fans
          runs: {greet: nothing}
          incentives: ten
          traits: {side: l}
      - {asks: top, sees: deal}
      - becomes: {side: r}
      - expect: {not_in_segments: fans, traits: {side: r}}
  A test that can't be:
    steps:
      - clicks: hello
      - expect: {messages: []}
  Channels fail and come back:
    customer: {email: a@example.com, phone: "+491"}
    consent: {sms: granted}
    steps:
      - fails: email
      - {does: Signed Up}
      - expect: {messages: [hello by sms], reasons: {hello: sent}}
      - {does: Signed Off}
      - expect: {runs: {greet: gone}}
      - works: email
      - forbids: sms
      - allows: email/news
      - {asks: top}
      - dismisses: hello
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "w.yaml").write_text(WORKSPACE, encoding="utf-8")
    return tmp_path


@pytest.fixture
def world(shop: Path) -> Iterator[Segue]:
    with Segue(shop) as made:
        yield made


@pytest.fixture
def ana(world: Segue) -> Customer:
    return world.customer("ana", email="ana@example.com", name="Ana")


def test_three_lines_test_a_journey() -> None:
    with Segue(CART) as segue:
        ana = segue.customer(email="ana@example.com")
        ana.does("Product Added", cart_id="c1", price=80)
        ana.waits("20m")
        ana.does("Order Completed", {"order id": 1}, total=80)
        ana.waits("3d")
        assert ana.messages == ["order-confirmation"]
        assert ana.reasons("cart-reminder") == []


def test_messages_compare_by_name_and_channel(ana: Customer) -> None:
    ana.does("Signed Up")
    assert ana.messages == ["hello"]
    assert ana.messages == ["hello by email"]
    assert ana.messages != ["hello by sms"]
    assert ana.messages != "hello"
    assert ana.messages != []
    (message,) = ana.messages
    assert message == ana.messages[0]
    assert ana.messages[:1] == [message]
    assert message != 3
    assert message.fields["subject"] == "Hi Ana"
    assert repr(ana.messages) == "[hello by email]"
    for unhashable in (message, ana.messages, ana.run("greet")):
        with pytest.raises(TypeError):
            hash(unhashable)


def test_reasons_say_what_was_decided_one_after_another(world: Segue, ana: Customer) -> None:
    world.at("22:00")
    ana.does("Signed Up")
    assert ana.messages == []
    assert ana.held == ["hello"]
    assert ana.reasons("hello") == ["quiet_hours"]
    world.at("08:00")
    assert ana.reasons("hello") == ["quiet_hours", "sent"]
    assert ana.held == []


def test_the_state_of_a_run_is_its_step_or_its_end(ana: Customer) -> None:
    assert ana.run("greet") == "nothing"
    ana.calls("greet", by="hand")
    assert ana.run("greet") == "pause"
    assert ana.in_journey("greet")
    ana.does("Signed Off")
    assert ana.run("greet") == "exit"
    assert ana.run("greet") == "gone"
    assert ana.run("greet") != "goal"
    assert ana.run("greet") != 3
    assert repr(ana.run("greet")) == "<exit (gone)>"
    assert not ana.in_journey("greet")


def test_answers_say_why(ana: Customer) -> None:
    assert ana.in_segment("fans") == False  # noqa: E712 - an answer compares as a truth
    ana.does("Liked")
    ana.does("Liked")
    answer = ana.in_segment("fans")
    assert answer
    assert hash(answer) == 1
    assert "ana is in segment 'fans'" in repr(answer)
    assert "Entered segment fans" in repr(answer)
    assert ana.segments == ["fans"]


def test_placements_are_asked_and_seen(ana: Customer) -> None:
    assert ana.asks("top") == "nothing"
    ana.does("Signed Up")
    assert ana.asks("top", device="phone") == "deal"
    assert ana.shown == ["deal"]
    assert ana.incentives == ["ten"]
    ana.dismisses("deal")
    assert ana.asks("top") == "nothing"


def test_a_provider_that_fails_leads_to_the_next_channel(world: Segue) -> None:
    ben = world.customer("ben", email="b@example.com", phone="+491", consent={"sms": "granted"})
    world.fails("email")
    ben.does("Signed Up")
    assert ben.messages == ["hello by sms"]
    assert ben.reasons("hello") == ["sent", "provider_refused", "sent"]
    world.works("email")
    eve = world.customer("eve", email="e@example.com")
    eve.does("Signed Up")
    assert eve.messages == ["hello by email"]


def test_consent_is_said_and_the_customer_is_believed(ana: Customer) -> None:
    ana.forbids("email/news")
    ana.does("Signed Up")
    assert ana.reasons("hello")[-1] == "no_consent" or ana.reasons("hello")[-1] == "no_address"
    assert ana.messages == []
    ana.allows("email")
    assert ana.profile.consents["email/*"].state == "granted"


def test_a_customer_draws_what_the_test_asks_for(world: Segue) -> None:
    left = world.customer(draws={"greet/draw": "left"}, email="l@example.com")
    right = world.customer(draws={"greet/draw": "right"}, email="r@example.com")
    out = world.customer(held_out=["control"], email="o@example.com")
    for one in (left, right, out):
        one.does("Signed Up")
    assert left.traits["side"] == "l"
    assert "side" not in right.traits
    assert out.reasons("hello") == ["holdout"]


def test_time_is_local_to_the_customer(world: Segue) -> None:
    far = world.customer("far", zone="America/New_York", email="f@example.com")
    far.at("21:30")
    far.does("Signed Up")
    assert far.reasons("hello") == ["quiet_hours"]
    far.at("08:00", "tue")
    assert far.messages == ["hello"]
    assert "Tue 2026-03-03 08:00:00" in far.why()


CATALOG = """
workspace: {name: shop}
catalogs: {products: {}, stores: {}}
events:
  Price Dropped:
    catalog: products
    when: item.price < before.price
    to: [Product Viewed]
    within: 30d
    properties: {was: before.price}
  Gone: {catalog: products, when: missing(item.id), to: [Product Viewed], within: 30d}
messages:
  cheaper:
    topic: prices
    expires: 1d
    when: item(entry.product_id).stock > 0
    contents:
      email:
        subject: "{{ catalog.products[entry.product_id].name }}: {{ entry.was }} to {{ catalog.products[entry.product_id].price }}"
        text: Have a look
journeys:
  tell:
    enter: {on: Price Dropped}
    key: properties.product_id
    reenter: always
    exit: [{on: Gone, when: properties.product_id == entry.product_id}]
    goal: {on: Order Completed, within: 9d}
    steps:
      - {send: cheaper, by: email}
      - wait: 5d
"""


@pytest.fixture
def seller(tmp_path: Path) -> Path:
    """A workspace with a catalog in a file."""
    (tmp_path / "w.yaml").write_text(CATALOG, encoding="utf-8")
    (tmp_path / "catalog").mkdir()
    items = "id,name,price,stock\nsofa,Aube,1000,4\nlamp,Lune,90,0\n"
    (tmp_path / "catalog" / "products.csv").write_text(items, encoding="utf-8")
    return tmp_path


def test_a_world_begins_with_the_catalog_and_tells_its_changes(seller: Path) -> None:
    with Segue(seller) as world:
        ana = world.customer(email="ana@example.com")
        ben = world.customer(email="ben@example.com")
        ana.does("Product Viewed", product_id="sofa")
        ben.does("Product Viewed", products=[{"product_id": "lamp"}])
        world.catalog("products", {"id": "sofa", "price": 900})
        assert ana.messages == ["cheaper by email"]
        assert ana.messages[0].fields["subject"] == "Aube: 1000 to 900"
        assert ben.messages == []
        world.catalog("products", {"id": "lamp", "price": 80})
        assert ben.messages == []
        assert ben.reasons("cheaper") == ["message_not_eligible"]
        world.catalog("products", {"id": "sofa"}, gone=True)
        assert ana.run("tell") == "exit"
        world.catalog("products", {"id": "sofa", "price": 1, "stock": 1})
        assert len(ana.messages) == 1
        with pytest.raises(WrongTest, match="which item"):
            world.catalog("products", {"price": 3})


def test_who_looked_too_long_ago_is_not_told(seller: Path) -> None:
    with Segue(seller) as world:
        ana = world.customer(email="ana@example.com")
        ana.does("Product Viewed", product_id="sofa")
        world.waits("30d")
        world.catalog("products", {"id": "sofa", "price": 900})
        assert ana.messages == []


def test_what_a_provider_reports_counts(ana: Customer) -> None:
    ana.does("Signed Up")
    ana.reports("bounced", "hello")
    assert ana.profile.unreachable == {"email": "ana@example.com"}


def test_a_long_life_is_told_from_its_end(ana: Customer) -> None:
    for _ in range(80):
        ana.does("Liked")
    told = ana.why().splitlines()
    assert re.fullmatch(r" +\(\d+ earlier lines\)", told[1])
    assert len(told) == 62


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda world, ana: ana.waits("soon"), "no length of time"),
        (lambda world, ana: ana.at("25:00"), "no time of day"),
        (lambda world, ana: ana.at("24:00"), "no time of day"),
        (lambda world, ana: ana.at("09:00", "someday"), "no weekday"),
        (lambda world, ana: ana.clicks("hello"), "never reached ana"),
        (lambda world, ana: world.customer(zone="Berlin"), "no zone"),
        (lambda world, ana: world.customer(consent={"email": "maybe"}), "can't be 'maybe'"),
        (lambda world, ana: world.customer(draws={"greet/drew": "left"}), "no customer draws"),
        (lambda world, ana: (ana.does("Signed Up"), ana.reports("lost", "hello")), "no outcome"),
        (lambda world, ana: Segue(world.loaded, starts="soon"), "no local time"),
        (lambda world, ana: Segue(world.loaded, starts="2026-13-01"), "no local time"),
    ],
)
def test_what_a_test_can_not_ask_is_said(world: Segue, ana: Customer, wrong, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(WrongTest, match=said):
        wrong(world, ana)


def test_a_workspace_with_errors_is_not_driven(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text("segments: {a: 'x >'}", encoding="utf-8")
    with pytest.raises(WorkspaceWrong, match="SEG-E301"):
        Segue(tmp_path)


def test_a_start_may_be_a_day() -> None:
    loaded = define.load(CART)
    with Segue(loaded, starts="2026-06-01", zone="UTC") as world:
        assert world.now == 1_780_272_000_000


# ── tests in YAML ───────────────────────────────────────────────────────────────────


def test_each_yaml_test_is_lived(shop: Path) -> None:
    loaded = define.load(shop)
    assert define.render(loaded.diagnostics, loaded.sources) == ""
    outcomes = {name: run_case(loaded, name) for name in loaded.cases}
    assert [name for name, one in outcomes.items() if one.passed] == [
        "A newcomer is greeted",
        "Channels fail and come back",
    ]
    assert outcomes["A newcomer is greeted"].looks == 11


def test_each_failure_has_its_place_what_was_seen_and_why(shop: Path) -> None:
    loaded = define.load(shop)
    outcome = run_case(loaded, "Everything is wrong")
    assert [(one.expected, one.seen) for one in outcome.failures] == [
        ("messages: hello", "nothing"),
        ("held: nothing", "hello"),
        ("incentives: ten", "nothing"),
        ("hello: sent", "quiet_hours"),
        ("deal: sent", "nothing"),
        ("run of greet: nothing", "hi"),
        ("in segment fans", "in none"),
        ("trait side: l", "nothing"),
        ("top shows deal", "nothing"),
    ]
    lines = WORKSPACE.splitlines()
    assert "messages: [hello]" in lines[outcome.failures[0].place.line - 1]
    assert "it is quiet time" in outcome.why


def test_a_step_that_can_not_be_done_fails_the_test(shop: Path) -> None:
    outcome = run_case(define.load(shop), "A test that can't be")
    assert [one.expected for one in outcome.failures] == ["'hello' never reached customer-1"]


@pytest.mark.parametrize("name", ["01_cart_recovery", "02_win_back"])
def test_the_tests_of_the_examples_pass(name: str) -> None:
    assert cli.run(["test", str(ROOT / "examples" / name)]) == 0


def test_the_command_tells_what_was_seen_and_writes_junit(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = shop / "results.xml"
    assert cli.run(["test", str(shop), "--junit", str(results)]) == 1
    said = capsys.readouterr().out
    assert "✓ A newcomer is greeted" in said
    assert "✗ Everything is wrong" in said
    assert "expected  hello: sent" in said
    assert "seen      quiet_hours" in said
    assert "2 passed, 2 failed" in said
    suite = ET.parse(results).getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("4", "2")
    failed = [case for case in suite if case.find("failure") is not None]
    assert [case.get("name") for case in failed] == ["Everything is wrong", "A test that can't be"]
    assert "why" in (failed[0][0].text or "")


def test_the_command_lives_only_what_is_named(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["test", str(shop), "-k", "NEWCOMER"]) == 0
    assert "1 passed, 0 failed" in capsys.readouterr().out
    assert cli.run(["test", str(shop), "-k", "nobody"]) == 3
    assert cli.run(["test", str(shop), "-k", "newcomer", "--junit", str(shop)]) == 2
    assert cli.run(["test", str(shop), "-k", "newcomer", "--junit", str(shop / "a" / "b")]) == 3


# ── the pytest plugin ───────────────────────────────────────────────────────────────

STORY = """
def test_nobody_is_greeted(segue):
    ana = segue.customer("ana", email="ana@example.com")
    ana.does("Signed Up")
    assert ana.messages == []

def test_fans(segue):
    ana = segue.customer("ana", email="ana@example.com")
    assert ana.in_segment("fans")

def test_each_test_begins_afresh(segue):
    ana = segue.customer("ana", email="ana@example.com")
    assert ana.messages == []
    assert ana.run("greet") == "nothing"
"""


def test_the_fixture_drives_the_workspace_and_a_failure_says_why(
    pytester: pytest.Pytester, shop: Path
) -> None:
    pytester.makepyfile(STORY)
    shutil.copytree(shop, pytester.path / "shop")
    result = pytester.runpytest_inprocess("--segue-workspace", "shop", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines_random(
        [
            "*[[]hello by email[]] == []*",
            "*what was decided for ana, and why:*",
            "*Signed Up*",
            "*Sent hello by email*",
            "*ana is not in segment 'fans'*",
        ]
    )


def test_without_a_workspace_the_fixture_says_what_to_do(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(segue): pass")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*--segue-workspace FOLDER*"])

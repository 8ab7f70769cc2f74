"""Every step, entry and policy can be written in YAML and in Python, to one plan and one hash.

And: what is wrong in Python is reported at the line of the call.
"""

import inspect
from pathlib import Path

import pytest

from segue import define
from segue.define import build
from segue.define.build import (
    adapt,
    assign,
    at_date,
    audience,
    branch,
    by_api,
    call,
    choose,
    commit,
    emit,
    end,
    entered,
    experiment,
    goal,
    goto,
    left,
    on,
    on_schedule,
    option,
    otherwise,
    repeat,
    send,
    set_,
    show,
    split,
    variant,
    wait,
    wait_date,
    wait_until,
    wait_window,
    way,
)
from segue.kernel import plan
from segue.kernel.shelves import EVERYTHING as EVERYTHING_RANKED
from segue.kernel.values import DAY

EVERYTHING = Path(__file__).parents[2] / "golden" / "define" / "everything"


def _in_python() -> build.Workspace:
    shop = build.Workspace(
        "all",
        ledger="30d",
        conversions=["Order Completed", "Booked"],
        defaults={"on_site_active": False, "bought": "off"},
    )
    shop.segment("regulars", 'count("Order Completed") >= 3', title="Regulars")
    shop.event(
        "Quiet",
        on="A",
        silence="5m",
        unless="B",
        when="traits.x == 1",
        properties={"x": "properties.x"},
    )
    shop.event(
        "Session Started",
        at="session started",
        when='item("a").x == 1',
        properties={"x": "properties.x"},
    )
    shop.event("Session Ended", at="session ended", when="session.views >= 2")
    shop.event("Any Segment", at="segment left")
    shop.event("Regular", segment="regulars")
    orders = {"orders": 'count("Order Completed")'}
    shop.event("Lost", segment="regulars", change="left", properties=orders)
    shop.event(
        "Cheaper",
        catalog="products",
        to=["A", "B"],
        within="30d",
        when="item.price < before.price",
        properties={"was": "before.price"},
    )
    best = {"by": "item.sold", "group": "item.category", "when": "item.stock > 0", "most": 6}
    rankings = {"best": best, "newest": {"by": "item.added"}}
    shop.catalog("products", title="Wares", rankings=rankings)
    shop.catalog("stores", title="Stores")
    shop.model(
        "intent",
        target="intent",
        features={"carts": {"cuts": [1], "points": [0, 1]}, "views": {"cuts": [1, 2]}},
        pairs=[{"features": ["views", "carts"], "points": [[1, 2], [3, 4], [5, 6]]}],
        scale={"0": 0.1, "5.5": 1},
    )
    shop.message(
        "hello",
        topic="t",
        expires="1d",
        value="entry.x",
        about="entry.product_id",
        incentive={"name": "i", "group": "g", "worth": 2, "lasts": "1d", "code": "C"},
        contents={"sms": {"body": "Hello"}, "web": {"title": "Hello", "own": "x"}},
    )
    shop.policy("a", gap="1h", channels="sms")
    shop.policy("b", quiet="22:00-24:00", weekdays=["sat..mon"], channels="sms")
    shop.policy("c", suppress="traits.x == 1", then="deny")
    shop.policy("d", exclude={"groups": "g", "journeys": ["every", "other"]})
    shop.policy("e", holdout="50%", messages="hello", journeys="every", placements="top")
    shop.policy("f", cap=1, per="session")
    shop.policy("g", cap=0, per="1h", then="deny")
    inner = adapt(
        way("session.intent > 0.3", [commit("outer"), commit(), wait("1m")]), at_most="5m"
    )
    shop.journey(
        "every",
        enter=[
            on("A", "B", when="properties.x == 1"),
            left("regulars"),
            entered("regulars"),
            at_date("traits.born", offset="-3d", at="09:00", yearly=True),
            on_schedule("10:30", "regulars", weekdays=["mon..fri"], days=[15, 1]),
            by_api(),
        ],
        exit=on("C", reason="gone"),
        goal=goal(
            "30d",
            on="Order Completed",
            when="properties.total > 3",
            ends=False,
            value="properties.total",
        ),
        key="properties.cart_id",
        when="traits.x != 2",
        reenter={"after": "2d"},
        state="paused",
        waits_go_on=False,
        steps=[
            send("hello", otherwise={"retry": "1h"}, id="first"),
            show("hello", at="top", for_="5m", until=["C"], ends_on=["shown"]),
            wait("1h"),
            wait_until(
                {"when": "traits.x == 3"}, at_most="2h", met=[end("met")], timed_out=[wait("1m")]
            ),
            wait_window("23:00-01:00", weekdays=["mon", "tue"]),
            wait_date("entry.at", offset="1h", missing=[end()]),
            branch(
                way("traits.x == 1", [wait("1m")], name="one"),
                way("traits.x == 2", []),
                otherwise(goto("first")),
            ),
            adapt(
                way("session.intent > 0.1", [inner]),
                way("session.intent > 0.2", []),
                at_most="1d",
                otherwise=[wait("3m")],
                both_ways=True,
                id="outer",
            ),
            split(variant("a", [wait("1m")]), variant("b", [], weight=3), stream="s"),
            split(variant("a", []), variant("b", [])),
            experiment(
                "e",
                variant("a", []),
                variant("b", [wait("1d")]),
                control="a",
                expects={
                    "baseline": "4%",
                    "detect": "6%",
                    "daily": 200,
                    "lasts": "30d",
                    "confidence": "90%",
                    "power": 0.8,
                },
            ),
            choose(
                option("a", send="hello", value="3", steps=[wait("1s")]),
                option("b", send="hello", by="sms"),
                option("no"),
                explore=0.1,
            ),
            set_(traits={"x": "missing"}, vars={"y": "entry.y"}),
            emit("D", properties={"x": "traits"}),
            audience("buyers", "add"),
            call("hook", body={"a": "vars.y"}),
            assign("Phone them", to="sales", details={"a": 1}),
            repeat(3, [wait("1d")], while_="traits.x == 1"),
            emit("E", id="jump", next="last"),
            end("done", id="last"),
        ],
    )
    shop.journey(
        "other", enter=on("Z"), exit="Y", goal=goal("1d", on="Y"), reenter="always", steps=[end()]
    )
    return shop


@pytest.fixture(scope="module")
def written() -> define.Loaded:
    loaded = define.load(EVERYTHING)
    assert define.render(loaded.diagnostics, loaded.sources) == ""
    return loaded


def test_yaml_and_python_give_one_plan(written: define.Loaded) -> None:
    made = _in_python().load()
    assert define.render(made.diagnostics, made.sources) == ""
    assert made.plan == written.plan
    assert made.hash == written.hash


def test_every_kind_of_node_entry_and_policy_can_be_written(written: define.Loaded) -> None:
    assert written.plan is not None
    journey = written.plan.journeys[0]
    for union, found in (
        (plan.Node, journey.steps),
        (plan.Entry, journey.entries),
        (plan.Policy, written.plan.policies),
    ):
        assert set(union.__args__) == {type(each) for each in found}


def test_short_forms_are_spelled_out(written: define.Loaded) -> None:
    assert written.plan is not None
    journey = written.plan.journeys[0]
    nodes = {node.id: node for node in journey.steps}
    first = nodes["first"]
    assert isinstance(first, plan.Send)
    assert first.channels == ("sms",)
    assert (first.otherwise, first.retry_ms) == ("retry", 3_600_000)
    drawn = nodes["10-split"]
    assert isinstance(drawn, plan.Split)
    assert drawn.stream == "every/10-split"
    forked = nodes["7-branch"]
    assert isinstance(forked, plan.Branch)
    assert forked.otherwise == "first"
    assert [way.name for way in forked.ways] == ["one", "2"]
    quiet = written.plan.policies[1]
    assert isinstance(quiet, plan.QuietHours)
    assert (quiet.start, quiet.end, quiet.weekdays) == (22 * 60, 0, (1, 6, 7))


def test_an_event_says_by_its_keyword_when_it_happens(written: define.Loaded) -> None:
    assert written.plan is not None
    found = {one.name: one for one in written.plan.derived}
    moments = {name: (one.moment, one.segment, one.catalog) for name, one in found.items()}
    assert moments == {
        "Quiet": ("event", "", ""),
        "Session Started": ("session_started", "", ""),
        "Session Ended": ("session_ended", "", ""),
        "Any Segment": ("segment_left", "", ""),
        "Regular": ("segment_entered", "regulars", ""),
        "Lost": ("segment_left", "regulars", ""),
        "Cheaper": ("item_changed", "", "products"),
    }
    assert (found["Cheaper"].on, found["Cheaper"].within_ms) == (("A", "B"), 30 * DAY)
    products, stores = written.plan.catalogs
    assert (products.title, stores.rankings) == ("Wares", ())
    best, newest = products.rankings
    assert (best.name, best.catalog, best.most) == ("best", "products", 6)
    assert (newest.most, newest.group) == (10, EVERYTHING_RANKED)


def test_a_fault_in_python_is_shown_at_its_line() -> None:
    shop = build.Workspace("shop")
    frame = inspect.currentframe()
    assert frame is not None
    line = frame.f_lineno + 1
    shop.segment("s", "traits.plan == free")
    loaded = shop.load()
    (fault,) = loaded.errors
    assert (fault.code, fault.place.file, fault.place.line) == ("SEG-E303", __file__, line)
    assert "traits.plan == free" in define.render(loaded.errors, loaded.sources)


def test_a_file_beside_the_script_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "body.txt").write_text("Hi", encoding="utf-8")
    shop = build.Workspace("shop", folder=tmp_path)
    body: build.Plain = {"body": {"file": "body.txt"}}
    shop.message("m", topic="t", expires="1d", contents={"sms": body})
    loaded = shop.load()
    assert loaded.plan is not None
    assert loaded.plan.messages[0].contents == {"sms": {"body": "Hi"}}

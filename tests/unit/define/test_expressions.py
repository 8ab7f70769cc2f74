"""The expression language: what is understood, as what, and what is refused, where.

Reads each text by `check_expression`, as a console would, so no workspace is needed.
"""

import pytest

from segue import define
from segue.define import scopes
from segue.define.limits import (
    AGGREGATES_MAX,
    EXPRESSION_CHARS_MAX,
    EXPRESSION_DEPTH_MAX,
    EXPRESSION_NODES_MAX,
)
from segue.define.scopes import Kind, Scope
from segue.kernel import expression as ex, predicate
from segue.kernel.values import DAY, HOUR, MINUTE

PLAN = ex.Path("traits", ("plan",))


def read(text: str, scope: Scope = scopes.STEP, want: Kind = "any") -> ex.Expression:
    found, sink, _ = define.check_expression(text, scope, want)
    assert sink.found == []
    assert found is not None
    return found


def refused(text: str, scope: Scope = scopes.STEP, want: Kind = "boolean") -> tuple[str, int]:
    found, sink, _ = define.check_expression(text, scope, want)
    assert found is None
    assert len(sink.found) == 1, sink.found
    return sink.found[0].code, sink.found[0].place.column


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", ex.Literal(True)),
        ("False", ex.Literal(False)),
        ("null", ex.Literal(None)),
        ("None", ex.Literal(None)),
        ("missing", ex.Literal(None)),
        ("-3", ex.Literal(-3)),
        ("+3.5", ex.Literal(3.5)),
        ('"a"', ex.Literal("a")),
        ("traits.plan", PLAN),
        ("traits", ex.Path("traits")),
        ('traits["plan"]', PLAN),
        ("properties.products[0].price", ex.Path("properties", ("products", 0, "price"))),
        ("not traits.a", ex.Not(ex.Path("traits", ("a",)))),
        ("-traits.a", ex.Arithmetic("-", ex.Literal(0), ex.Path("traits", ("a",)))),
        ("traits.plan == 'x'", ex.Compare("==", PLAN, ex.Literal("x"))),
        (
            "traits.plan in ('x', 'y')",
            ex.Compare("in", PLAN, ex.Many((ex.Literal("x"), ex.Literal("y")))),
        ),
        ("traits.plan not in [1]", ex.Compare("not in", PLAN, ex.Many((ex.Literal(1),)))),
        ("traits.a and traits.b", ex.All((ex.Path("traits", ("a",)), ex.Path("traits", ("b",))))),
        ("traits.a or traits.b", ex.Any((ex.Path("traits", ("a",)), ex.Path("traits", ("b",))))),
        (
            "1 if traits.a else 2",
            ex.Choice(ex.Path("traits", ("a",)), ex.Literal(1), ex.Literal(2)),
        ),
        (
            "'x' if traits.a else 2",
            ex.Choice(ex.Path("traits", ("a",)), ex.Literal("x"), ex.Literal(2)),
        ),
        ("lower(traits.plan)", ex.Function("lower", (PLAN,))),
        ("max(1, traits.plan)", ex.Function("max", (ex.Literal(1), PLAN))),
        ('in_segment("s")', ex.InSegment("s")),
        ('in_journey("j")', ex.InJourney("j")),
        ('holds_incentive("g")', ex.Holds("g")),
        ('consent("email", topic="t")', ex.Consented("email", "t")),
        ('consent("email", "t")', ex.Consented("email", "t")),
        ('matches(traits.plan, "^a+$")', ex.Pattern(PLAN, "^a+$")),
        ("received()", ex.Touched("received")),
        (
            'clicked(["m", "n"], channel=["email", "sms"], within="1d")',
            ex.Touched("clicked", ("m", "n"), ("email", "sms"), DAY),
        ),
    ],
)
def test_what_is_written_is_what_is_understood(text: str, expected: ex.Expression) -> None:
    assert read(text) == expected


SOFA = ex.Path("properties", ("product_id",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("item(properties.product_id)", ex.Item("products", SOFA)),
        ("item(properties.product_id).price", ex.Item("products", SOFA, ("price",))),
        (
            'item("sofa").sizes[0].name',
            ex.Item("products", ex.Literal("sofa"), ("sizes", 0, "name")),
        ),
        ('item("stores", traits.plan)["city"]', ex.Item("stores", PLAN, ("city",))),
        ('ranked("best", traits.plan)', ex.Ranked("best", PLAN)),
        ('ranked("best")', ex.Ranked("best", ex.Literal(""))),
        ('ranked("best")[0]', ex.Part(ex.Ranked("best", ex.Literal("")), (0,))),
        (
            'pluck(properties.products, "product_id")[2]',
            ex.Part(
                ex.Function(
                    "pluck", (ex.Path("properties", ("products",)), ex.Literal("product_id"))
                ),
                (2,),
            ),
        ),
        (
            "coalesce(properties.a, traits.a).b",
            ex.Part(
                ex.Function("coalesce", (ex.Path("properties", ("a",)), ex.Path("traits", ("a",)))),
                ("b",),
            ),
        ),
        (
            "without(session.products, profile.bought)",
            ex.Function(
                "without",
                (ex.Path("session", ("products",)), ex.Path("profile", ("bought",))),
            ),
        ),
    ],
)
def test_items_and_lists_have_parts(text: str, expected: ex.Expression) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    "scope", [scopes.SEGMENT, scopes.RANKING, scopes.ITEM], ids=lambda scope: scope.name
)
@pytest.mark.parametrize("call", ['item("sofa").price > 1', '"a" in ranked("best")'])
def test_what_changes_without_the_customer_is_refused_where_nobody_would_ask_again(
    scope: Scope, call: str
) -> None:
    assert refused(call, scope)[0] == "SEG-E310"


def test_an_aggregate_can_not_look_at_the_catalog() -> None:
    text = 'count("Product Viewed", where=item(properties.product_id).price > 100) > 1'
    assert refused(text) == ("SEG-E310", 31)
    assert refused('last("A", of=item("a").price) > 1')[0] == "SEG-E310"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("item()", "SEG-E305"),
        ("item(traits.store, properties.x)", "SEG-E305"),
        ('item("a", "b", "c")', "SEG-E305"),
        ("item(in_segment('s'))", "SEG-E306"),
        ('item("a")[0]', "SEG-E302"),
        ('ranked("best").price', "SEG-E302"),
        ("ranked(traits.which)", "SEG-E305"),
        ("length(traits.a).b", "SEG-E302"),
        ("pluck(properties.products, 3)", "SEG-E306"),
        ('pluck("text", "key")', "SEG-E306"),
        ("item.price", "SEG-E309"),
        ("before.price", "SEG-E309"),
        ('repeats("A", within="1d")', "SEG-E305"),
        ('repeats("A", of=properties.x)', "SEG-E305"),
    ],
)
def test_a_look_at_the_catalog_or_a_list_is_checked(text: str, code: str) -> None:
    assert refused(text, want="any")[0] == code


def test_how_often_the_same_comes_is_asked_of_a_window() -> None:
    stream = ex.Stream(("A",), None, ex.Path("properties", ("x",)))
    found = read('repeats("A", of=properties.x, within="1d") >= 3', want="boolean")
    assert found == ex.Compare(">=", ex.Aggregate("repeats", stream, DAY), ex.Literal(3))
    _, sink, _ = define.check_expression('repeats("A", of=properties.x)', scopes.STEP)
    assert "within=" in sink.found[0].message
    assert 'within="1d"' in sink.found[0].hint


def test_a_chain_is_each_of_its_comparisons() -> None:
    a, b = ex.Path("traits", ("a",)), ex.Path("traits", ("b",))
    chain = ex.All((ex.Compare("<", a, b), ex.Compare("<=", b, ex.Literal(3))))
    assert read("traits.a < traits.b <= 3") == chain


def test_folds_over_history_name_their_stream_once() -> None:
    price = ex.Path("properties", ("price",))
    where = ex.Compare("==", ex.Path("properties", ("a",)), ex.Literal(1))
    stream = ex.Stream(("A", "B"), where, price)
    text = 'sum(["B", "A"], "A", of=properties.price, where=properties.a == 1, within="1h30m")'
    assert read(text) == ex.Aggregate("sum", stream, HOUR + 30 * MINUTE)  # type: ignore[arg-type]
    assert read("count()") == ex.Aggregate("count", ex.Stream(()))
    assert read('max("A", of=properties.price)') == ex.Aggregate(
        "max", ex.Stream(("A",), None, price)
    )


def test_a_text_beside_a_time_is_a_time() -> None:
    since = ex.Aggregate("since", ex.Stream(("A",)))
    assert read('since("A") < "30d"') == ex.Compare("<", since, ex.Literal(30 * DAY))
    assert read('"1h" <= since("A")') == ex.Compare("<=", ex.Literal(HOUR), since)
    seen = ex.Path("profile", ("last_seen_at",))
    assert read('profile.last_seen_at > "1970-01-02"') == ex.Compare(">", seen, ex.Literal(DAY))
    assert read('profile.last_seen_at + "1d" > event.at') == ex.Compare(
        ">", ex.Arithmetic("+", seen, ex.Literal(DAY)), ex.Path("event", ("at",))
    )
    assert read('"1d" + profile.last_seen_at > event.at - since("A") * 2') is not None
    assert read('last("A") - first("A") > "1d"') is not None
    assert read('since("A") / since("B") > 2 and since("A") // 1000 > "1m"') is not None
    assert read('since("A") + since("B") > "1d" and since("A") > 1000') is not None
    assert read('since("A") * 2 > traits.x and 2 * since("A") > traits.x') is not None
    assert read('session.views + session.carts > 1 and "#1" == traits.a') is not None
    assert read('date(traits.x) > "2026-01-31T10:00:00+01:00"') is not None


def test_a_sequence_has_stages_a_time_and_what_must_not_come_between() -> None:
    where = ex.Compare("==", ex.Path("properties", ("a",)), ex.Literal(1))
    text = """sequence("A", event("B", where=properties.a == 1), within="1h", over="1d",
              without=["C", "D"])"""
    assert read(text) == ex.Sequence(
        (ex.Stream(("A",)), ex.Stream(("B",), where)),
        HOUR,
        DAY,
        (ex.Stream(("C",)), ex.Stream(("D",))),
    )
    assert read('sequence("A", "B", within="1h", without="C")') == ex.Sequence(
        (ex.Stream(("A",)), ex.Stream(("B",))), HOUR, HOUR, (ex.Stream(("C",)),)
    )


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ("traits.a ==", "SEG-E301", 12),
        ("traits.a = 1", "SEG-E301", 10),
        ("", "SEG-E301", 1),
        ("'#", "SEG-E301", 2),
        ("traits.a == 1 # yes", "SEG-E301", 15),
        ("[x for x in traits.a]", "SEG-E302", 1),
        ("(lambda: 1)()", "SEG-E302", 2),
        ("traits.a.lower()", "SEG-E302", 1),
        ("(1).real == 1", "SEG-E302", 2),
        ("traits[traits.a] == 1", "SEG-E302", 8),
        ("traits[1000] == 1", "SEG-E302", 8),
        ("f'{traits.a}' == 1", "SEG-E302", 1),
        ("traits.a is 1", "SEG-E302", 1),
        ("~traits.a == 1", "SEG-E302", 1),
        ("traits.a ** 2 == 1", "SEG-E302", 1),
        ("b'a' == 1", "SEG-E302", 1),
        ('"\\ud800" == traits.a', "SEG-E302", 1),
        ("free == 1", "SEG-E303", 1),
        ("trait.a == 1", "SEG-E303", 1),
        ("count > 1", "SEG-E303", 1),
        ("profile.age == 1", "SEG-E303", 1),
        ("local.hour.x == 1", "SEG-E303", 1),
        ("cuont('A') > 1", "SEG-E304", 1),
        ("count('A', widthin='1h') > 1", "SEG-E305", 12),
        ("count('A', **traits) > 1", "SEG-E305", 12),
        ("count('A', within='1h', within='2h') > 1", "SEG-E305", 25),
        ("count('A', within='fast') > 1", "SEG-E305", 19),
        ("count('A', within='0s') > 1", "SEG-E305", 19),
        ("count(traits.a) > 1", "SEG-E305", 7),
        ("count('') > 1", "SEG-E305", 7),
        ("sum('A') > 1", "SEG-E305", 1),
        ("min() > 1", "SEG-E305", 1),
        ("lower() == 'a'", "SEG-E305", 1),
        ("lower(a='b') == 'a'", "SEG-E305", 7),
        ("round(1, 2, 3) == 1", "SEG-E305", 1),
        ("sequence('A', within='1h')", "SEG-E305", 1),
        ("sequence('A', 'B')", "SEG-E305", 1),
        ("sequence('A', 'B', within='1h', over='1m')", "SEG-E305", 38),
        ("sequence('A', stage('B'), within='1h')", "SEG-E305", 15),
        ("sequence('A', event(), within='1h')", "SEG-E305", 15),
        ("in_segment()", "SEG-E305", 1),
        ("in_segment(traits.a)", "SEG-E305", 12),
        ("consent('email')", "SEG-E305", 1),
        ("matches(traits.a)", "SEG-E305", 1),
        ("matches(traits.a, traits.b)", "SEG-E305", 19),
        ("count('A')", "SEG-E306", 1),
        ("traits.a and count('A')", "SEG-E306", 14),
        ("not 'a'", "SEG-E306", 5),
        ("'a' == 1", "SEG-E306", 8),
        ("session.views < 'many'", "SEG-E306", 17),
        ("session.converted < true", "SEG-E306", 21),
        ("traits.a == null", "SEG-E306", 13),
        ("null in traits.a", "SEG-E306", 1),
        ("traits.a in 3", "SEG-E306", 13),
        ("since('A') < 'soon'", "SEG-E306", 14),
        ("profile.last_seen_at < 'soon'", "SEG-E306", 24),
        ("'a' + 'b' == 'ab'", "SEG-E306", 1),
        ("traits.a + 'b' == 'ab'", "SEG-E306", 1),
        ("-'a' == 1", "SEG-E306", 1),
        ("lower(1) == 'a'", "SEG-E306", 7),
        ("matches(1, 'a')", "SEG-E306", 9),
        ("sum('A', of='b') > 1", "SEG-E306", 13),
        ("count('A', where='b') > 1", "SEG-E306", 18),
        ("traits.a == 99999999999999999999", "SEG-E307", 13),
        ("traits.a == 1e999", "SEG-E307", 13),
        ("count('A', within='401d') > 1", "SEG-E307", 19),
        ("sequence('A','B','C','D','E','F','G','H','I', within='1h')", "SEG-E307", 1),
        ("sequence('A', 'B', within='1h', without=['C','D','E','F','G'])", "SEG-E307", 1),
        (f"in_segment('{'a' * 201}')", "SEG-E307", 12),
        (f"matches(traits.a, '{'a' * 501}')", "SEG-E307", 19),
        ("traits" + ".a" * 31 + " == 1", "SEG-E307", 1),
        ("matches(traits.a, '(')", "SEG-E308", 19),
        ("matches(traits.a, '(?=a)')", "SEG-E308", 19),
        ("matches(traits.a, '\\ud800')", "SEG-E308", 19),
        ("message.priority > 1", "SEG-E309", 1),
        ("count('A', where=traits.a == 1) > 1", "SEG-E309", 18),
        ("count('A', where=count('B') > 1) > 1", "SEG-E309", 18),
    ],
)
def test_what_means_nothing_is_refused_at_its_place(text: str, code: str, column: int) -> None:
    assert refused(text) == (code, column)


@pytest.mark.parametrize(
    "text",
    [
        "1 + " * EXPRESSION_CHARS_MAX + "1",
        f"traits.a in [{'1, ' * EXPRESSION_NODES_MAX}]",
        "not " * (EXPRESSION_DEPTH_MAX + 1) + "true",
        " + ".join(["count('A')"] * (AGGREGATES_MAX + 1)) + " > 1",
    ],
)
def test_what_would_cost_too_much_is_refused(text: str) -> None:
    assert refused(text)[0] == "SEG-E307"


@pytest.mark.parametrize(
    "text", ["a\0b", "'\ud800'", "'''#", "(" * 1_000, "-" * 3_999 + "1", "[" * 300 + "]" * 300]
)
def test_what_breaks_the_parser_is_refused(text: str) -> None:
    assert refused(text)[0] in ("SEG-E301", "SEG-E307")


def test_a_number_is_asked_for_where_one_is_needed() -> None:
    assert refused("'a'", want="number") == ("SEG-E306", 1)
    assert read("session.views * 2", want="number") is not None


def test_columns_count_characters_and_not_bytes() -> None:
    assert refused("traits.größe == 'groß' and nope") == ("SEG-E303", 28)


def test_a_segment_has_no_event_at_hand() -> None:
    assert refused("properties.price > 1", scopes.SEGMENT) == ("SEG-E309", 1)


def test_names_that_are_used_are_told_with_their_places() -> None:
    _, _, references = define.check_expression(
        'in_segment("a") and in_journey("b") and shown("c") > 0 and count("D") > 0'
        ' and holds_incentive("e") and session.intent > 0',
        scopes.STEP,
    )
    assert [(each.what, each.name, each.place.column) for each in references] == [
        ("segment", "a", 12),
        ("journey", "b", 32),
        ("message", "c", 47),
        ("look", "count", 60),
        ("event", "D", 66),
        ("group", "e", 95),
        ("score", "intent", 104),
    ]


def test_every_function_of_the_kernel_can_be_called() -> None:
    for name, function in predicate.FUNCTIONS.items():
        args = ", ".join(["traits.x"] * function.least)
        assert isinstance(read(f"{name}({args})"), ex.Function)

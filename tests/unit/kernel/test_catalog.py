"""Goal: items are found, ranked and told of; and nothing of it depends on order or chance."""

from random import Random

from segue.kernel import catalog, plan
from segue.kernel.catalog import EMPTY, Catalog, Interest, ItemChange, ItemTold
from segue.kernel.expression import (
    Arithmetic,
    Compare,
    Expression,
    Item,
    Literal,
    Path,
    Ranked,
)
from segue.kernel.inputs import Event
from segue.kernel.limits import FRESH_ITEMS_MAX
from segue.kernel.predicate import Linker
from segue.kernel.shelves import CatalogPlan, LinkedRanking, Ranking
from segue.kernel.values import DAY, Millis, ProfileId, Record
from tests.unit.kernel.customers import (
    MORNING,
    Customer,
    at_least,
    journey,
    message,
    program,
    prop,
    search,
    send,
)


def of_item(key: str) -> Path:
    """A field of the item as it is."""
    return Path("item", (key,))


def was(key: str) -> Path:
    """A field of the item as it was."""
    return Path("before", (key,))


def change(
    before: Record | None, after: Record | None, *, item: str = "sofa", number: int = 1
) -> ItemChange:
    """What became of one product."""
    return ItemChange(
        catalog="products", id=item, before=before, after=after, at=MORNING, number=number
    )


def put(item: str, **fields: object) -> ItemChange:
    """A product is there with these fields."""
    return change(None, dict(fields), item=item)  # type: ignore[arg-type]


BEST = Ranking(
    name="best",
    catalog="products",
    group=of_item("category"),
    by=of_item("sold"),
    most=2,
    when=Compare(">", of_item("stock"), Literal(0)),
)

DROPPED = plan.Derived(
    name="Price Dropped",
    moment="item_changed",
    catalog="products",
    on=("Product Viewed",),
    within_ms=Millis(30 * DAY),
    when=Compare("<=", of_item("price"), Arithmetic("*", was("price"), Literal(0.95))),
    properties={"was": was("price"), "now": of_item("price")},
)


def linked(ranking: Ranking) -> LinkedRanking:
    """The ranking as a program has it."""
    linker = Linker(search)
    linker.rank([ranking])
    return linker._rankings[ranking.name]


# ── items ───────────────────────────────────────────────────────────────────────────


def test_an_item_has_its_id_and_one_that_is_not_there_is_empty() -> None:
    shop = EMPTY.changed([put("sofa", price=900)])
    assert shop.item("products", "sofa") == {"id": "sofa", "price": 900}
    assert shop.item("products", "lamp") == {}
    assert shop.item("stores", "sofa") == {}
    assert shop.names() == ("products",)
    assert shop.ids("products") == ("sofa",)


def test_a_change_leaves_the_catalog_before_it_as_it_was() -> None:
    before = EMPTY.changed([put("sofa", price=900)])
    after = before.changed([put("sofa", price=700), put("lamp", price=40)])
    gone = after.changed([change({"price": 40}, None, item="lamp")])
    assert before.item("products", "sofa")["price"] == 900
    assert after.item("products", "sofa")["price"] == 700
    assert after.item("products", "lamp") and not gone.item("products", "lamp")
    assert EMPTY.names() == ()


def test_many_changes_one_by_one_are_what_they_come_to_together() -> None:
    changes = [put(f"i{n}", price=n) for n in range(FRESH_ITEMS_MAX + 50)]
    changes += [change({"price": 3}, None, item="i3"), put("i4", price=-4)]
    shop = EMPTY
    for one in changes:
        shop = shop.changed([one])
    together = EMPTY.changed(changes)
    assert shop.ids("products") == together.ids("products")
    assert "i3" not in shop.ids("products")
    for name in ("i3", "i4", "i5", f"i{FRESH_ITEMS_MAX + 49}"):
        assert shop.item("products", name) == together.item("products", name)
    assert shop.item("products", "i4")["price"] == -4
    assert together.changed([change({}, None, item="i0")]).item("products", "i0") == {}


# ── rankings ────────────────────────────────────────────────────────────────────────


def test_a_ranking_gives_the_best_of_a_group_and_leaves_out_what_does_not_hold() -> None:
    best = linked(BEST)
    shop = EMPTY.changed(
        [
            put("a", category="sofas", sold=5, stock=1),
            put("b", category="sofas", sold=9, stock=1),
            put("c", category="sofas", sold=7, stock=3),
            put("d", category="sofas", sold=99, stock=0),
            put("e", category="lamps", sold=1, stock=1),
            put("f", category="sofas", stock=1),
        ]
    )
    assert shop.ranked(best, "sofas") == ["b", "c"]
    assert shop.ranked(best, "lamps") == ["e"]
    assert shop.ranked(best, "chairs") == []


def test_equals_stand_by_their_id_and_a_list_puts_an_item_into_each_group() -> None:
    best = linked(BEST)
    both = ["sofas", "beds"]
    shop = EMPTY.changed(
        [
            put("b", category=both, sold=5, stock=1),
            put("a", category="sofas", sold=5, stock=1),
        ]
    )
    assert shop.ranked(best, "sofas") == ["a", "b"]
    assert shop.ranked(best, "beds") == ["b"]


def test_a_ranking_after_any_changes_is_that_of_the_items_that_are_there() -> None:
    chance = Random(7)
    best = linked(BEST)
    shop = EMPTY
    kept: dict[str, Record] = {}
    for _ in range(400):
        item = f"i{chance.randrange(12)}"
        fields: Record | None = None
        if chance.random() < 0.8:
            fields = {
                "category": chance.choice(["x", "y", ["x", "y"], None, 3]),
                "sold": chance.choice([1, 2, 3, None, "many"]),
                "stock": chance.choice([0, 1]),
            }
        shop = shop.changed([change(kept.get(item), fields, item=item)])
        kept.pop(item, None)
        if fields is not None:
            kept[item] = fields
        anew = Catalog({"products": kept})
        for group in ("x", "y", "3"):
            assert shop.ranked(best, group) == anew.ranked(best, group)


# ── expressions ─────────────────────────────────────────────────────────────────────


def bought_when(when: Expression, **more: object) -> Customer:
    """A customer in a shop where a journey is entered on an event under this condition."""
    shop = program(
        journey(
            "advise",
            send("s", "hello"),
            on="Product Viewed",
            entries=(plan.OnEvent(events=("Product Viewed",), when=when),),
        ),
        messages=(message("hello"),),
        catalogs=(CatalogPlan(name="products", rankings=(BEST,)),),
        **more,
    )
    return Customer(shop)


def test_a_condition_reads_the_item_that_an_event_names() -> None:
    cheap = Compare("<", Item("products", prop("product_id"), ("price",)), Literal(100))
    ana = bought_when(cheap)
    ana.catalog = EMPTY.changed([put("sofa", price=900), put("17", price=10)])
    ana.does("Product Viewed", product_id="sofa")
    ana.does("Product Viewed", product_id="lamp")
    assert not ana.sent
    ana.does("Product Viewed", product_id=17)
    assert ana.sent == ["hello/email"]


def test_a_constant_id_is_looked_up_each_time() -> None:
    ana = bought_when(at_least(Item("products", Literal("sofa"), ("stock",)), 1))
    ana.does("Product Viewed")
    assert not ana.sent
    ana.catalog = EMPTY.changed([put("sofa", stock=2)])
    ana.does("Product Viewed")
    assert ana.sent == ["hello/email"]


def test_a_ranking_is_asked_for_by_its_name_and_group() -> None:
    ana = bought_when(Compare("in", Literal("b"), Ranked("best", prop("category"))))
    ana.catalog = EMPTY.changed([put("b", category="sofas", sold=9, stock=1)])
    ana.does("Product Viewed", category="lamps")
    ana.does("Product Viewed")
    assert not ana.sent
    ana.does("Product Viewed", category="sofas")
    assert ana.sent == ["hello/email"]


def test_what_waits_for_the_catalog_is_asked_at_every_event() -> None:
    cheap = Compare("<", Item("products", Literal("sofa"), ("price",)), Literal(100))
    waits = plan.WaitUntil(
        id="w", watch=plan.Watch(when=cheap), timeout_ms=DAY, met="s", timed_out=plan.END
    )
    shop = program(
        journey("wait", waits, send("s", "hello"), on="Product Viewed"),
        messages=(message("hello"),),
    )
    ana = Customer(shop)
    ana.does("Product Viewed")
    ana.catalog = EMPTY.changed([put("sofa", price=50)])
    assert not ana.sent
    ana.does("Anything Else")
    assert ana.sent == ["hello/email"]


# ── what changes make happen ────────────────────────────────────────────────────────


def test_a_change_tells_the_events_whose_condition_holds() -> None:
    shop = program(derived=(DROPPED,))
    assert catalog.told(shop, change({"price": 1000}, {"price": 900})) == (
        ItemTold(
            "Price Dropped",
            {"product_id": "sofa", "was": 1000, "now": 900},
            ("Product Viewed",),
            Millis(30 * DAY),
        ),
    )
    assert not catalog.told(shop, change({"price": 1000}, {"price": 990}))
    assert not catalog.told(shop, change(None, {"price": 900}))
    assert not catalog.told(shop, change({"price": 1000}, None))


def test_an_item_that_is_taken_away_was_there_before() -> None:
    gone = plan.Derived(
        name="Discontinued",
        moment="item_changed",
        catalog="products",
        on=("Product Viewed",),
        within_ms=Millis(DAY),
        when=Compare("!=", of_item("id"), was("id")),
        properties={"name": was("name")},
    )
    told = catalog.told(program(derived=(gone,)), change({"name": "Oslo"}, None))
    assert [one.properties for one in told] == [{"product_id": "sofa", "name": "Oslo"}]


def test_another_catalog_says_nothing() -> None:
    shop = program(derived=(DROPPED,))
    elsewhere = ItemChange(
        catalog="stores", id="sofa", before={"price": 9}, after={"price": 1}, at=MORNING, number=1
    )
    assert catalog.told(shop, elsewhere) == ()


def viewed(name: str = "Product Viewed", **properties: object) -> Event:
    """An event with these properties."""
    return Event(id="1", name=name, at=MORNING, properties=properties)  # type: ignore[arg-type]


def test_an_event_makes_interest_in_each_item_that_it_names() -> None:
    shop = program(derived=(DROPPED,))
    assert shop.interested == {"Product Viewed": ("products",)}
    listed = [
        {"product_id": "lamp"},
        {"product_id": 7},
        {"sku": "x"},
        "odd",
        {"product_id": "lamp"},
    ]
    found = catalog.interests(shop, viewed(product_id="sofa", products=listed))
    assert found == tuple(
        Interest("products", item, "Product Viewed", MORNING) for item in ("sofa", "lamp", "7")
    )
    assert catalog.interests(shop, viewed("Product Added", product_id="sofa")) == ()
    assert catalog.interests(shop, viewed()) == ()


def test_a_program_without_events_of_the_catalog_wants_no_interest() -> None:
    assert program().interested == {}


def test_the_event_that_a_profile_hears_is_answered_like_any_other() -> None:
    shop = program(
        journey("tell", send("s", "cheaper"), on="Price Dropped"),
        messages=(message("cheaper"),),
        derived=(DROPPED,),
    )
    ana = Customer(shop)
    fallen = change({"price": 1000}, {"price": 900}, number=42)
    (one,) = catalog.told(shop, fallen)
    heard = catalog.event(ProfileId("ana"), fallen, one)
    assert heard.id == "ana/Price Dropped/products/sofa/42"
    assert heard.emitted and not heard.live and heard.at == MORNING
    sessions = ana.profile.sessions
    ana.say(heard)
    assert ana.sent == ["cheaper/email"]
    assert ana.profile.sessions == sessions


def test_a_ranking_that_no_program_knows_gives_nothing() -> None:
    ana = bought_when(Compare("in", Literal("b"), Ranked("worst", Literal(""))))
    ana.does("Product Viewed")
    assert not ana.sent

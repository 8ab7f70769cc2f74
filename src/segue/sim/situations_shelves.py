"""Situations of the catalog: prices fall, stock runs out and comes back while somebody waits.

Rules as in `situations.py`. Segments and streams may not read a catalog. What watches without an
event does not either, here: it would be asked at events only, and the auditor asks all the time.
"""

from collections.abc import Sequence
from random import Random

from segue.kernel import expression as ex, plan
from segue.kernel.plan import END
from segue.kernel.shelves import CatalogPlan, Ranking
from segue.kernel.values import Millis, Record
from segue.sim.plans_conditions import DAY, HOUR, MINUTE, PRODUCTS
from segue.sim.situations import Stage

CATALOG = "products"
BEST = "best"
KINDS = ("shoes", "hats")
DROPPED, BACK = "Price Dropped", "Back In Stock"
_MORE = ("p4", "p5")


def catalogs(more: Random) -> tuple[CatalogPlan, ...]:
    """The catalog and how it is ranked: alike ones, lists of groups, what is sold out."""
    rankings = Ranking(
        name=BEST,
        catalog=CATALOG,
        by=ex.Path("item", (more.choice(("sold", "price")),)),
        group=ex.Path("item", (more.choice(("kind", "kinds")),)),
        most=more.choice((1, 2, 3)),
        when=ex.Compare(">", ex.Path("item", ("stock",)), ex.Literal(0)),
    )
    return (CatalogPlan(name=CATALOG, rankings=(rankings,)),)


def derived(more: Random) -> tuple[plan.Derived, ...]:
    """What happens when a price falls, and when something is there again."""
    price, was = ex.Path("item", ("price",)), ex.Path("before", ("price",))
    share = ex.Arithmetic("*", was, ex.Literal(more.choice((0.5, 1.0))))
    stock, had = ex.Path("item", ("stock",)), ex.Path("before", ("stock",))
    none = ex.Compare("<=", had, ex.Literal(0))
    within = Millis(more.choice((0, HOUR, DAY)))
    lower: ex.Expression = ex.Compare("<=", price, share)
    return (
        plan.Derived(
            name=DROPPED,
            moment="item_changed",
            catalog=CATALOG,
            on=more.choice((("Product Viewed",), ("Product Viewed", "Product Added"))),
            within_ms=within,
            when=lower,
            properties={"price": price, "was": was},
        ),
        plan.Derived(
            name=BACK,
            moment="item_changed",
            catalog=CATALOG,
            on=("Product Viewed", "Order Completed"),
            within_ms=Millis(more.choice((HOUR, DAY))),
            when=ex.All((ex.Compare(">", stock, ex.Literal(0)), none)),
            properties={"left": stock, "of": ex.Path("item", ("kind",))},
        ),
    )


def record(more: Random) -> Record:
    """A product."""
    return {
        "price": more.choice((10, 20, 40, 49.5, 80)),
        "sold": more.choice((1, 2, 2, 3.5)),
        "stock": more.choice((0, 1, 1, 5)),
        "kind": more.choice(KINDS),
        "kinds": list(more.choice((KINDS, KINDS[:1], ()))),
    }


def everything(more: Random) -> Sequence[tuple[str, Record | None]]:
    """What is on the shelves before all."""
    return [(name, record(more)) for name in (*PRODUCTS, *_MORE)]


def eligible(more: Random) -> ex.Expression:
    """What the entry is about is there, or costs little."""
    item = ex.Path("entry", ("product_id",))
    if more.random() < 0.6:
        return ex.Compare(">", ex.Item(CATALOG, item, ("stock",)), ex.Literal(0))
    return ex.Compare("<", ex.Item(CATALOG, item, ("price",)), ex.Literal(45))


def _changes(on: Stage, after: int, product: str, records: Sequence[Record | None]) -> None:
    """A product changes so often, now and then twice at one instant, beside others."""
    more = on.more
    at = on.at + after
    for said in records:
        items: list[tuple[str, Record | None]] = [(product, said)]
        if more.random() < 0.3:
            other = more.choice((*PRODUCTS, *_MORE))
            items.append((other, None if more.random() < 0.3 else record(more)))
        on.puts(at, *items)
        at += more.choice((0, 1, MINUTE, HOUR))


def the_price_falls(on: Stage) -> None:
    """What somebody looked at costs less: now and then too late, or by too little."""
    more = on.more
    on.shelves = True
    product = more.choice(PRODUCTS)
    often = ex.Aggregate("count", ex.Stream((DROPPED,)), Millis(DAY))
    again = plan.Way(name="again", when=ex.Compare(">=", often, ex.Literal(2)), next="t")
    steps: list[plan.Node] = [
        plan.Branch(id="b", ways=(again,), otherwise="s"),
        plan.Audience(id="t", next="s", audience="hunters", change="add"),
        on.send("s", on.message("m", when=eligible(more), about=ex.Path("entry", ("product_id",)))),
    ]
    on.journey("a", steps, on=DROPPED)
    first = {**record(more), "price": 80, "stock": 1}
    on.puts(on.at - 1, (product, first))
    named: Record = {"product_id": product, "price": 80}
    listed: Record = {"products": [{"product_id": "p5"}, named]}
    on.does(more.choice(("Product Viewed", "Product Added")), 0, more.choice((named, listed)))
    lower = [{**first, "price": price} for price in more.choice(((20,), (79, 10), (40, 20)))]
    _changes(
        on, more.choice((0, 1, MINUTE, HOUR - 1, HOUR, HOUR + 1, DAY, 2 * DAY)), product, lower
    )


def it_comes_back_while_somebody_waits(on: Stage) -> None:
    """A run waits for what is sold out, and asks again whether it is there before it says so."""
    more = on.more
    on.shelves = True
    product = more.choice(PRODUCTS)
    here = ex.Compare("==", ex.Path("properties", ("product_id",)), ex.Literal(product))
    wait = plan.WaitUntil(
        id="u",
        watch=plan.Watch(events=(BACK,), when=here),
        timeout_ms=Millis(more.choice((HOUR, DAY))),
        met="v",
        timed_out=END,
    )
    after = on.wait("v", more.choice((1, MINUTE, HOUR)), "s")
    on.journey("a", (wait, after, on.send("s", on.message("m", when=eligible(more)))))
    gone = {**record(more), "stock": 0}
    on.puts(on.at - 1, (product, gone))
    named: Record = {"product_id": product}
    on.does("Product Viewed", 0, named)
    on.begins(1, named)
    _changes(on, more.choice((2, MINUTE, 30 * MINUTE)), product, [{**gone, "stock": 3}, gone, None])


def the_best_is_asked_for(on: Stage) -> None:
    """What ranks best is told apart while ranks change."""
    more = on.more
    on.shelves = True
    best = ex.Ranked(BEST, ex.Path("entry", ("kind",)))
    first = ex.Part(best, (0,))
    second = ex.Part(best, (1,))
    steps: list[plan.Node] = [
        plan.SetTrait(id="v", next="e", vars={"best": first, "second": second}),
        plan.Emit(
            id="e",
            next="b",
            event="Nudged",
            properties={
                "all": best,
                "price": ex.Item(CATALOG, ex.Path("vars", ("best",)), ("price",)),
                "second": ex.Path("vars", ("second",)),
            },
        ),
        plan.Branch(
            id="b",
            ways=(
                plan.Way(
                    name="cheap",
                    when=ex.Compare(
                        "<",
                        ex.Item(CATALOG, ex.Path("vars", ("best",)), ("price",)),
                        ex.Literal(45),
                    ),
                    next="t",
                ),
            ),
            otherwise=END,
        ),
        plan.Audience(id="t", next=END, audience="cheap", change="add"),
    ]
    on.journey("a", steps)
    after = 0
    for _ in range(3):
        on.begins(after, {"kind": more.choice(KINDS)})
        after += more.choice((61_000, 10 * MINUTE))
        _changes(on, after - 1_000, more.choice(PRODUCTS), [record(more)])
    on.begins(after, {"kind": more.choice(KINDS)})


ACTS = (the_price_falls, it_comes_back_while_somebody_waits, the_best_is_asked_for)

"""Goal: of a change of the catalog everyone interested hears once: over pages, crashes and merges.

The program, the desk and the stores are the real ones; only deaths are arranged.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from pathlib import Path

import msgspec
import pytest

from segue.errors import StoreUnavailable
from segue.hosts import teller
from segue.hosts.arrivals import Arrival
from segue.hosts.batch import Docket
from segue.hosts.embedded import Embedded
from segue.hosts.engine import Accepting, Engine
from segue.hosts.quick import QuickStore
from segue.kernel import plan
from segue.kernel.effects import Send
from segue.kernel.expression import Compare, Item, Path as Seen
from segue.kernel.inputs import Event
from segue.kernel.values import DAY, HOUR, Instant, Millis, Record
from segue.stores.memory import MemoryStore
from segue.stores.ports import Saved, SetAside, Settlement, Store
from segue.stores.sqlite import SqliteStore

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda folder: MemoryStore(),
    "quick": lambda folder: QuickStore(),
    "sqlite": lambda folder: SqliteStore(folder / "store.sqlite"),
}

DROPPED = plan.Derived(
    name="Price Dropped",
    moment="item_changed",
    catalog="products",
    on=("Product Viewed", "Wished"),
    within_ms=Millis(30 * DAY),
    when=Compare("<", Seen("item", ("price",)), Seen("before", ("price",))),
    properties={"price": Seen("item", ("price",))},
)
MOVED = plan.Derived(
    name="Moved",
    moment="item_changed",
    catalog="products",
    on=("Wished",),
    when=Compare("!=", Seen("item", ("shelf",)), Seen("before", ("shelf",))),
)
PLAN = plan.Plan(
    workspace=plan.Workspace(name="shop"),
    derived=(DROPPED, MOVED),
    messages=(
        plan.Message(
            name="dropped",
            topic="offers",
            contents={"email": {"subject": "It costs less", "text": "{{ properties.price }}"}},
            expires_ms=Millis(24 * HOUR),
        ),
    ),
    journeys=(
        plan.Journey(
            name="drop",
            entries=(
                plan.OnEvent(
                    events=("Price Dropped",),
                    when=Compare(
                        "<", Item("products", Seen("properties", ("product_id",)), ("price",)),
                        Seen("properties", ("was",)),
                    ),
                ),
                plan.OnEvent(events=("Price Dropped",)),
            ),
            reentry_ms=Millis(0),
            steps=(plan.Send(id="send", next="", message="dropped", channels=("email",)),),
            start="send",
        ),
    ),
)  # fmt: skip
BEFORE = msgspec.structs.replace(PLAN, derived=())


def patterns(_: str) -> Callable[[str], bool]:
    return lambda _text: False


def body(current: plan.Plan) -> bytes:
    return msgspec.json.encode(current, order="sorted")


def open_engine(store: Store, current: plan.Plan = PLAN) -> Engine:
    engine = Engine(store, patterns=patterns)
    engine.publish("p2" if current is PLAN else "p1", body(current))
    return engine


def did(who: str, name: str = "Product Viewed", item: str = "sofa", at: int = 10) -> Arrival:
    said = Event(
        id=f"{who}/{name}/{item}/{at}",
        name=name,
        at=Instant(at),
        user_id=who,
        properties={"product_id": item},
    )
    return Arrival(input=said)


def sofa(price: int, **more: object) -> tuple[str, str, Record]:
    return ("products", "sofa", {"price": price, **more})  # type: ignore[dict-item]


def heard(store: Store, name: str = "Price Dropped") -> list[str]:
    """Whom the log says was told, sorted."""
    lines = [line for line in store.log(limit=10_000) if line.event.name == name]
    assert all(line.event.emitted for line in lines)
    return sorted(line.profile for line in lines)


def ids(engine: Engine, *whose: str) -> list[str]:
    names = {user: profile.id for profile in engine.store.profiles() for user in profile.user_ids}
    return sorted(names[one] for one in whose)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()


def test_who_named_the_item_hears_of_its_change_at_its_instant(store: Store) -> None:
    engine = open_engine(store)
    engine.put_items([sofa(900)], Instant(5))
    engine.feed_all([did("ana"), did("ben", item="table"), did("cy", "Wished")], Instant(10))
    engine.put_items([sofa(800)], Instant(20))
    assert heard(store) == ids(engine, "ana", "cy")
    line = store.log()[-1]
    assert line.event.at == line.arrived_at == 20
    assert line.event.properties == {"product_id": "sofa", "price": 800}
    assert line.event.id == f"{line.profile}/Price Dropped/products/sofa/2"


def test_what_the_change_makes_happen_is_answered_by_journeys(store: Store) -> None:
    engine = open_engine(store)
    known = Event(
        id="i", name="Profile Identified", kind="identify", at=Instant(1), user_id="ana",
        traits={"email": "ana@example.com"},
    )  # fmt: skip
    engine.put_items([sofa(900)], Instant(5))
    engine.feed_all([Arrival(input=known), did("ana")], Instant(10))
    engine.put_items([sofa(800)], Instant(20))
    (row,) = store.outbox()
    assert isinstance(row.effect, Send)
    assert row.effect.data["properties"] == {"product_id": "sofa", "price": 800}


def test_a_change_that_makes_nothing_happen_is_told_to_nobody(store: Store) -> None:
    engine = open_engine(store)
    engine.put_items([sofa(900)], Instant(5))
    engine.feed_all([did("ana")], Instant(10))
    engine.put_items([sofa(950)], Instant(20))
    engine.put_items([sofa(950)], Instant(21))
    engine.put_items([("products", "sofa", None)], Instant(22))
    assert heard(store) == []
    assert store.meta(teller.TOLD) == "3"


def test_an_interest_of_long_ago_or_of_after_the_change_is_none(store: Store) -> None:
    engine = open_engine(store)
    engine.put_items([sofa(900)], Instant(5))
    engine.feed_all([did("ana", at=10)], Instant(10))
    later = 10 + 30 * DAY
    engine.feed_all([did("ben", at=11)], Instant(11))
    engine.put_items([sofa(800)], Instant(later))
    engine.feed_all([did("cy", at=later)], Instant(later))
    assert heard(store) == ids(engine, "ben")


def test_two_events_of_one_change_reach_who_is_interested_in_each(store: Store) -> None:
    engine = open_engine(store)
    engine.put_items([sofa(900, shelf="a")], Instant(5))
    engine.feed_all([did("ana"), did("ben", "Wished")], Instant(10))
    engine.put_items([sofa(800, shelf="b")], Instant(20))
    assert heard(store) == ids(engine, "ana", "ben")
    assert heard(store, "Moved") == ids(engine, "ben")


def test_everyone_hears_once_however_many_pages(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segue.hosts.engine.TELLINGS_PER_BATCH_MAX", 3)
    engine = open_engine(store)
    engine.put_items([sofa(900), ("products", "table", {"price": 9})], Instant(5))
    people = [f"c{n}" for n in range(10)]
    engine.feed_all([did(who) for who in people], Instant(10))
    engine.feed_all([did(who, item="table") for who in people[:4]], Instant(10))
    engine.put_items([sofa(800), ("products", "table", {"price": 8})], Instant(20))
    assert heard(store) == sorted(ids(engine, *people) + ids(engine, *people[:4]))
    engine.put_items([sofa(700)], Instant(30))
    assert len(heard(store)) == 24


class Dies(BaseException):
    """The process ends here."""


class Dying:
    """A store whose owner dies at its commits, before or after they are made."""

    def __init__(self, inner: Store, script: Sequence[str]) -> None:
        self.inner = inner
        self.script = list(script)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def commit(
        self,
        saved: Sequence[Saved],
        set_aside: Sequence[SetAside] = (),
        meta: dict[str, str] | None = None,
        settlements: Sequence[Settlement] = (),
    ) -> None:
        fault = self.script.pop(0) if self.script else ""
        if fault == "disk":
            raise StoreUnavailable("full")
        if fault == "before":
            raise Dies
        self.inner.commit(saved, set_aside, meta, settlements)
        if fault == "after":
            raise Dies


@pytest.mark.parametrize("fault", ["before", "after", "disk"])
@pytest.mark.parametrize("page", range(4))
def test_a_crash_between_pages_leaves_nobody_out_and_tells_nobody_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch, fault: str, page: int
) -> None:
    monkeypatch.setattr("segue.hosts.engine.TELLINGS_PER_BATCH_MAX", 3)
    engine = open_engine(store)
    engine.put_items([sofa(900)], Instant(5))
    people = [f"c{n}" for n in range(8)]
    engine.feed_all([did(who) for who in people], Instant(10))
    dying: Store = Dying(store, [*[""] * page, fault])  # type: ignore[assignment]
    engine = Engine(dying, patterns=patterns, now=15)
    try:
        engine.put_items([sofa(800)], Instant(20))
    except (Dies, StoreUnavailable):
        assert page < 3
    engine = Engine(store, patterns=patterns, now=30)
    engine.tell()
    assert heard(store) == ids(engine, *people)
    assert store.meta(teller.TOLD) == "2"


@pytest.mark.parametrize(("first", "second"), list(permutations(range(6), 2)))
def test_a_merge_between_pages_leaves_nobody_out_and_tells_nobody_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch, first: int, second: int
) -> None:
    """Whoever is merged into whom after two pages of one: who is left has heard
    once, or twice where each of the two had heard before they were one.
    """
    engine = open_engine(store)
    engine.put_items([sofa(900)], Instant(5))
    # Half of them have no interest of their own: they get it with the merge.
    people = [f"a{n}" for n in range(6)]
    arrivals = [
        Arrival(
            input=Event(
                id=f"e-{who}",
                name="Product Viewed" if number % 2 else "Other",
                at=Instant(10),
                anonymous_id=who,
                properties={"product_id": "sofa"},
            )
        )
        for number, who in enumerate(people)
    ]
    engine.feed_all(arrivals, Instant(10))
    whose = {line.event.anonymous_id: line.profile for line in store.log()}
    store.put_items([sofa(800)], Instant(20))
    desk = engine._at_desk()  # pyright: ignore[reportPrivateUsage]
    desk.teller.refresh()
    ties = [
        Arrival(
            input=Event(
                id=f"t{n}", name="Login", at=Instant(21), user_id="u", anonymous_id=people[who]
            )
        )
        for n, who in enumerate((first, second))
    ]
    while desk.teller.busy:
        round_ = desk.round(1)
        desk.answer(Docket(tellings=round_.tellings, meta=round_.meta), Instant(22))
        if ties and len(heard(store)) == 2:
            both = {whose[people[first]], whose[people[second]]}
            before = heard(store)
            engine.feed_all(ties, Instant(23))
            ties = []
    viewed = [line for line in store.log(limit=999) if line.event.name == "Product Viewed"]
    interested = {line.profile for line in viewed}
    assert set(heard(store)) == interested
    assert len(heard(store)) == len(interested) + (both == set(before))


def test_who_adopts_a_program_hears_of_what_was_looked_at_before_it(store: Store) -> None:
    engine = open_engine(store, BEFORE)
    engine.feed_all([did("ana")], Instant(10))
    engine.put_items([sofa(900)], Instant(11))
    engine.publish("p2", body(PLAN))
    engine.adopt_all()
    engine.put_items([sofa(800)], Instant(20))
    assert heard(store) == ids(engine, "ana")


def test_a_live_host_tells_in_the_background_what_anyone_put(tmp_path: Path) -> None:
    """Changes by the host itself, and by a command that has the store open beside it."""
    path = tmp_path / "store.sqlite"
    store, beside = SqliteStore(path), SqliteStore(path)
    host = Embedded(store, Accepting(), patterns=patterns)
    host.publish("p2", body(PLAN))
    host.start()
    told: list[str] = []
    host.subscribe(lambda facts: told.extend(f.detail["name"] for f in facts if f.kind == "event"))
    host.put_items([sofa(900)])
    at = host.clock.now()
    host.ask([did(f"c{n}", at=at) for n in range(300)])
    host.put_items([sofa(800)])
    wait_for(lambda: len(heard(store)) == 300)
    assert host.catalog.item("products", "sofa") == {"id": "sofa", "price": 800}
    beside.put_items([sofa(700)], host.clock.now())
    wait_for(lambda: len(heard(store)) == 600)
    assert host.catalog.item("products", "sofa")["price"] == 700
    host.stop()
    assert len(set(heard(store))) == 300
    store.close()
    beside.close()


def wait_for(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)

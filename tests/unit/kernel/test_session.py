"""Goal: sessions start, count and end by the rules at the top of `session.py`."""

import pytest

from segue.kernel import session
from segue.kernel.inputs import Event
from segue.kernel.limits import SESSION_PRODUCTS_MAX
from segue.kernel.plan import Workspace
from segue.kernel.profile import Profile, Score, Session, create
from segue.kernel.values import NEVER, Instant, ProfileId, Record, Value

RULES = session.link(Workspace(name="shop"))
HALF_HOUR = 30 * 60_000
START = Instant(1_000_000_000)


@pytest.fixture
def profile() -> Profile:
    return create(ProfileId("ana"), START)


def happen(
    profile: Profile, name: str, now: int = START, at: int | None = None, **properties: Value
) -> session.Folded:
    event = Event(
        id="e", name=name, at=Instant(now if at is None else at), properties=dict(properties)
    )
    return session.fold(profile, event, Instant(now), RULES)


def live(profile: Profile) -> Session:
    assert profile.session is not None
    return profile.session


def test_the_first_activity_starts_a_session_and_the_next_lengthens_it(profile: Profile) -> None:
    assert happen(profile, "Page Viewed") == "started"
    assert happen(profile, "Page Viewed", START + 5_000) == "counted"
    assert (live(profile).number, live(profile).events) == (1, 2)
    assert session.end_at(profile, RULES) == START + 5_000 + HALF_HOUR
    assert session.started(live(profile)) == {"number": 1}


def test_a_session_ends_by_silence_at_a_known_instant(profile: Profile) -> None:
    assert session.end_at(profile, RULES) == NEVER
    assert not session.expired(profile, RULES, START)
    happen(profile, "Page Viewed")
    assert not session.expired(profile, RULES, Instant(START + HALF_HOUR - 1))
    assert session.expired(profile, RULES, Instant(START + HALF_HOUR))
    session.end(profile)
    assert profile.session is None
    assert happen(profile, "Page Viewed", START + HALF_HOUR) == "started"
    assert live(profile).number == 2


def test_what_is_no_activity_touches_no_session(profile: Profile) -> None:
    now = START
    for event in (
        Event(id="1", name="Paid", at=now, live=False),
        Event(id="2", name="Segment Entered", at=now, live=True, emitted=True),
        Event(id="3", name="Profile Identified", at=now, kind="identify"),
        Event(id="4", name="Page Viewed", at=Instant(now - HALF_HOUR), kind="page"),
    ):
        assert session.fold(profile, event, now, RULES) == "ignored"
    assert profile.session is None


def test_an_event_is_late_from_the_length_of_a_session_on(profile: Profile) -> None:
    assert happen(profile, "Page Viewed", at=START - HALF_HOUR) == "ignored"
    assert happen(profile, "Page Viewed", at=START - HALF_HOUR + 1) == "started"


def test_views_are_counted_valued_and_told_apart(profile: Profile) -> None:
    ids: tuple[Value, ...] = ("a", "b", 7, "7", "", None, 7.0)
    for product_id in ids:
        happen(profile, "Product Viewed", product_id=product_id, price=10)
    found = live(profile)
    assert (found.views, found.value) == (7, 70.0)
    assert found.products == ["a", "b", "7"]
    assert found.repeats == 2


def test_products_beyond_the_limit_count_as_views_only(profile: Profile) -> None:
    for number in range(SESSION_PRODUCTS_MAX + 5):
        happen(profile, "Product Viewed", product_id=str(number))
    assert live(profile).views == SESSION_PRODUCTS_MAX + 5
    assert len(live(profile).products) == SESSION_PRODUCTS_MAX


def test_the_cart_adds_lines_and_takes_them_out(profile: Profile) -> None:
    happen(profile, "Product Added", price=10, quantity=2)
    happen(profile, "Product Added", value=5)
    assert (live(profile).carts, live(profile).cart_value) == (2, 25.0)
    happen(profile, "Product Removed", price=10)
    assert (live(profile).carts, live(profile).cart_value) == (2, 15.0)
    happen(profile, "Product Removed", price=100)
    assert live(profile).cart_value == 0.0
    happen(profile, "Products Searched")
    assert live(profile).searches == 1


def test_amounts_that_are_no_amounts_count_nothing(profile: Profile) -> None:
    strange: tuple[Value, ...] = ("10", True, None, 1e280, float("nan"), 10**400)
    for price in strange:
        happen(profile, "Product Viewed", price=price)
        happen(profile, "Product Added", price=price)
    happen(profile, "Product Added", price=1e200, quantity=1e200)
    assert live(profile).value == live(profile).cart_value == 0.0
    happen(profile, "Product Viewed", price=9e269)
    happen(profile, "Product Viewed", price=9e269)
    assert live(profile).value == 9e269


def test_checkout_begins_once_and_ends_with_the_order(profile: Profile) -> None:
    happen(profile, "Checkout Started", START, value=80)
    happen(profile, "Checkout Step Viewed", START + 1_000)
    assert (live(profile).checkout_at, live(profile).cart_value) == (START, 80.0)
    assert happen(profile, "Order Completed", START + 2_000) == "counted"
    found = live(profile)
    assert (found.checkout_at, found.converted_at) == (NEVER, START + 2_000)
    assert (found.cart_value, found.orders) == (0.0, 1)
    assert (profile.orders, profile.ordered_at) == (1, START + 2_000)


def test_an_order_may_start_a_session(profile: Profile) -> None:
    assert happen(profile, "Order Completed") == "started"
    assert live(profile).orders == 1


def test_an_order_that_the_server_reports_converts_the_live_session(profile: Profile) -> None:
    order = Event(id="o", name="Order Completed", at=START, live=False)
    assert session.fold(profile, order, START, RULES) == "ignored"
    assert (profile.session, profile.orders) == (None, 1)
    happen(profile, "Checkout Started")
    assert session.fold(profile, order, START, RULES) == "counted"
    assert (live(profile).converted_at, live(profile).events) == (START, 1)
    old = Event(id="p", name="Order Completed", at=Instant(START - HALF_HOUR), live=False)
    assert session.fold(profile, old, START, RULES) == "ignored"
    assert (live(profile).orders, profile.orders) == (1, 3)
    assert profile.ordered_at == START


def test_the_summary_says_what_the_session_was(profile: Profile) -> None:
    happen(profile, "Product Viewed", START, product_id="a", price=10)
    happen(profile, "Product Added", START + 90_000, price=10)
    live(profile).scores["intent"] = Score("intent@1", [], 1.0, 0.7)
    expected: Record = {
        "number": 1,
        "seconds": 90.0,
        "events": 2,
        "views": 1,
        "value": 10.0,
        "carts": 1,
        "cart_value": 10.0,
        "converted": False,
        "intent": 0.7,
    }
    assert session.ended(live(profile)) == expected


def test_every_field_reads(profile: Profile) -> None:
    happen(profile, "Product Viewed", START, product_id="a", price=10)
    happen(profile, "Checkout Started", START + 120_000)
    read = {name: field.read(live(profile)) for name, field in session.SESSION_READERS.items()}
    assert read == {
        "number": 1,
        "started_at": START,
        "last_at": START + 120_000,
        "seconds": 120.0,
        "events": 2,
        "tempo": 1.0,
        "views": 1,
        "value": 10.0,
        "products": ["a"],
        "distinct_products": 1,
        "repeats": 0,
        "searches": 0,
        "carts": 0,
        "cart_value": 0.0,
        "in_checkout": True,
        "converted": False,
        "orders": 0,
    }
    assert set(read) | {"intent", "conversion"} == set(session.SESSION_FIELDS)

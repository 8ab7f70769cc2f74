"""Goal: every example does what its files say, told as stories of one customer in virtual time.

The workspaces are the packaged ones, checked; the engine, the courier and the templates are real.
"""

import pytest

from docs.examples import draw
from segue import cli, wiring
from segue.cli.workspace import templates
from segue.kernel.trace import Considered, Ended, RunChanged
from tests.integration.stories import EXAMPLES, Story

LADDER = sorted(path.name for path in EXAMPLES.iterdir() if (path / "workspace.yaml").is_file())

# ── every example ───────────────────────────────────────────────────────────────────


def test_the_ladder_has_nine_rungs_numbered_in_order() -> None:
    assert [name[:2] for name in LADDER] == [f"{n:02}" for n in range(1, 10)]


@pytest.mark.parametrize("example", LADDER)
def test_an_example_checks_clean_without_a_waiver_and_without_a_remark(example: str) -> None:
    loaded = wiring.read_workspace(EXAMPLES / example)
    assert [(one.code, one.message) for one in loaded.diagnostics] == []
    for path in (EXAMPLES / example).rglob("*.yaml"):
        assert "waive:" not in path.read_text("utf-8"), path


@pytest.mark.parametrize("example", LADDER)
def test_an_example_has_tests_beside_its_journeys_and_passes_them(
    example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["test", str(EXAMPLES / example)]) == 0
    told = capsys.readouterr().out
    assert "✓" in told
    assert "✗" not in told


@pytest.mark.parametrize("example", LADDER)
def test_an_example_can_be_started_from_with_segue_new(example: str) -> None:
    assert templates()[example[3:].replace("_", "-")] == EXAMPLES / example


@pytest.mark.parametrize("example", LADDER)
def test_every_letter_has_a_text_and_every_advertisement_a_way_out(example: str) -> None:
    plan = wiring.read_workspace(EXAMPLES / example).plan
    assert plan is not None
    for message in plan.messages:
        for channel, fields in message.contents.items():
            if channel != "email":
                continue
            assert {"subject", "html", "text"} <= fields.keys(), message.name
            for field in ("html", "text"):
                has_a_way_out = "{{ unsubscribe_url }}" in fields[field]
                assert has_a_way_out is (message.purpose == "marketing"), (message.name, field)
            assert '<meta name="viewport"' in fields["html"], message.name


@pytest.mark.parametrize("example", LADDER)
def test_the_page_of_an_example_draws_each_journey_as_it_runs(example: str) -> None:
    plan = wiring.read_workspace(EXAMPLES / example).plan
    assert plan is not None
    page = draw.page_of(example).read_text("utf-8")
    assert set(draw.journeys_in(page)) == {journey.name for journey in plan.journeys}
    assert draw.redrawn(page, plan) == page, "run `python docs/examples/draw.py`"


# ── 03 welcome: waits, local hours, branches ────────────────────────────────────────


def test_a_welcome_goes_out_at_once_and_asks_on_the_page() -> None:
    story = Story("03_welcome").at(0, 12).event("Signed Up")
    assert story.got == ["hello"]
    assert "Ana" in story.letter("hello").fields["subject"]
    shown = story.sees("home-banner")
    assert shown is not None
    assert shown["message"] == "two-questions"


@pytest.mark.parametrize(
    ("grows_on", "message"),
    [("windowsill", "sow-on-a-sill"), ("garden", "sow-outside"), ("balcony", "sow-outside")],
)
def test_the_answer_decides_the_guide_which_comes_on_a_friday_morning(
    grows_on: str, message: str
) -> None:
    story = Story("03_welcome").at(0, 12).event("Signed Up")
    story.at(0, 13).identify(grows_on=grows_on).event("Quiz Completed").at(10)
    assert story.got[1] == message
    assert story.when(message) == (4, 9.0)


def test_the_morning_is_the_customers_own() -> None:
    story = Story("03_welcome", timezone="America/New_York").at(0, 12).event("Signed Up")
    story.identify(grows_on="garden").event("Quiz Completed").at(10)
    assert story.when("sow-outside") == (4, 14.0)  # nine in New York, two in Dublin


def test_who_never_answers_is_asked_once_more_and_the_banner_goes() -> None:
    story = Story("03_welcome").at(0, 12).event("Signed Up").at(3)
    assert story.sees("home-banner") is None
    assert story.at(6).got == ["hello", "where-do-you-grow"]


def test_a_visit_shortens_the_wait_for_the_first_offer() -> None:
    quick = Story("03_welcome").at(0, 12).event("Signed Up").at(5).event("Product Viewed").at(30)
    slow = Story("03_welcome").at(0, 12).event("Signed Up").at(30)
    assert quick.when("first-envelope") == (8, 17.0)
    assert slow.when("first-envelope") == (15, 17.0)


def test_a_first_order_ends_the_welcome() -> None:
    story = Story("03_welcome").at(0, 12).event("Signed Up").at(5)
    story.event("Order Completed", total=20, products=[]).at(30)
    assert "first-envelope" not in story.got
    assert any(isinstance(n, RunChanged) and n.change == "goal" for n in story.notes())


# ── 04 proactive support: derived events, tasks, suppression ────────────────────────


def read(story: Story, *articles: str) -> Story:
    for article in articles:
        story.event("Help Article Viewed", article_id=article, title=f"About {article}").minutes(2)
    return story


def test_the_same_article_three_times_means_that_help_is_needed() -> None:
    story = read(Story("04_proactive_support").at(0, 10), "pairing", "pairing")
    assert story.sees("help-corner") is None
    shown = read(story, "pairing").sees("help-corner")
    assert shown is not None
    assert "About pairing" in shown["body"]


def test_reading_three_different_articles_does_not() -> None:
    story = read(Story("04_proactive_support").at(0, 10), "pairing", "boiler", "wifi")
    assert story.sees("help-corner") is None


def test_who_gives_up_is_rung_by_a_person() -> None:
    story = Story("04_proactive_support", device="T3").at(0, 10)
    read(story, "pairing", "pairing", "pairing").minutes(60)
    assert [task.address for task in story.tasks()] == ["support"]
    assert '"article":"About pairing"' in story.tasks()[0].fields["details"]
    assert story.got == ["let-us-call"]


def test_who_talks_to_somebody_is_not_rung() -> None:
    story = read(Story("04_proactive_support").at(0, 10), "pairing", "pairing", "pairing")
    story.event("Chat Started").at(8)
    assert story.tasks() == []
    assert story.got == []


def test_while_a_complaint_is_open_nothing_is_sold_and_afterwards_it_is() -> None:
    story = Story("04_proactive_support").at(0, 10).event("Device Paired")
    story.at(20, 10).event("Complaint Opened", complaint_id="c1", subject="cold")
    assert story.at(22, 9).got == ["complaint-received"]
    story.event("Complaint Closed", complaint_id="c1").at(60)
    assert story.when("second-room") == (22, 10.0)


def test_an_offer_that_was_due_when_they_complained_is_held_and_decided_afresh() -> None:
    story = Story("04_proactive_support").at(5, 12).event("Device Paired")  # a Saturday
    story.at(27, 12).event("Complaint Opened", complaint_id="c1").at(28, 12)
    assert "second-room" not in story.got
    assert story.reasons("second-room") == ["suppressed"]
    story.event("Complaint Closed", complaint_id="c1")
    assert story.when("second-room") == (28, 12.0)


def test_a_complaint_of_two_days_reaches_somebody_with_a_title() -> None:
    story = Story("04_proactive_support").at(0, 10).event("Complaint Opened", complaint_id="c1")
    story.at(3)
    assert [task.address for task in story.tasks()] == ["head of support"]


def test_after_a_case_is_closed_they_are_asked_in_office_hours() -> None:
    story = Story("04_proactive_support").at(1, 10).event("Complaint Opened", complaint_id="c1")
    story.at(2, 18).event("Complaint Closed", complaint_id="c1").at(20)
    assert story.when("did-we-fix-it") == (7, 9.0)  # Friday evening's answer waits for Monday


# ── 05 recommendations: a choice by a rule that can be read ─────────────────────────


def look(story: Story, *looks: tuple[str, str]) -> Story:
    for product, category in looks:
        story.event(
            "Product Viewed", product_id=product, name=product.title(), category=category, price=90
        ).minutes(3)
    return story


def recommended(*looks: tuple[str, str]) -> list[set[str]]:
    """What each of several customers is recommended; one in ten is held out, some explore."""
    found: list[set[str]] = []
    for n in range(12):
        story = look(Story("05_recommendations", f"c{n}").at(0, 10), *looks).at(3)
        found.append(set(story.got))
    return found


def test_the_shelf_they_looked_at_most_is_recommended() -> None:
    looks = [("t1", "shelter"), ("t2", "shelter"), ("t3", "shelter"), ("p1", "packs")]
    found = recommended(*looks)
    assert found.count({"for-shelter"}) >= 8
    story = look(Story("05_recommendations", "c1").at(0, 10), *looks).at(3)
    assert story.when("for-shelter") == (0, 17.0)
    # The storm tarp is sold more often, and sold out.
    assert "Fjell 2 tent,\n€420.00. It is in stock" in story.letter("for-shelter").fields["text"]


def test_the_best_that_they_have_not_bought_is_recommended() -> None:
    looks = [("t1", "shelter"), ("t2", "shelter"), ("t3", "shelter")]
    story = Story("05_recommendations", "c1").at(0, 10)
    story.event("Order Completed", products=[{"product_id": "t1"}], total=420)
    look(story.at(20, 10), *looks, ("t2", "shelter")).at(23)
    assert "Vidda 3 tent" in story.letter("for-shelter").fields["text"]
    assert "3 of it" in story.letter("for-shelter").fields["html"]


def test_a_tent_that_sells_out_before_the_evening_makes_room_for_the_next() -> None:
    looks = [("t1", "shelter"), ("t2", "shelter"), ("t3", "shelter"), ("t1", "shelter")]
    story = look(Story("05_recommendations", "c1").at(0, 10), *looks)
    story.item("t1", stock=0).at(3)
    assert story.got in ([], ["for-shelter"])
    assert not any("Fjell" in one.fields["text"] for one in story.kept)


def test_doing_nothing_wins_where_no_shelf_stands_out() -> None:
    looks = [("t1", "shelter"), ("t2", "shelter"), ("p1", "packs"), ("k1", "kitchen")]
    assert recommended(*looks).count(set()) >= 9


def test_the_page_shows_what_goes_with_a_product_unless_they_have_it() -> None:
    story = Story("05_recommendations", "c1").at(0, 10)
    story.event("Product Viewed", product_id="t1")
    shown = story.sees("below-product")
    assert shown is not None
    assert shown["title"] == "Goes with Fjell 2 tent"
    assert shown["body"] == "Snow pegs, €19.00. It fits; we tried."
    story.item("pegs", price=15)
    again = story.sees("below-product")
    assert again is not None
    assert "€15.00" in again["body"]
    story.event("Order Completed", products=[{"product_id": "pegs"}], total=19)
    story.at(20, 10)
    story.event("Product Viewed", product_id="t1")
    assert story.sees("below-product") is None
    assert "bought" in story.reasons("goes-with")


# ── 06 loyalty: tiers, points, exclusive access ─────────────────────────────────────


def member(**orders: float) -> Story:
    """A member and what they ordered, by day: `d0=120`."""
    story = Story("06_loyalty").at(0, 10).event("Loyalty Joined")
    for day, total in orders.items():
        story.at(int(day[1:]), 12).event("Order Completed", total=total, products=[], live=False)
    return story


def test_points_make_a_regular_and_then_a_patron() -> None:
    story = member(d0=150, d10=60)
    assert story.profile.traits["tier"] == "regular"
    story.at(12, 12).event("Order Completed", total=300, products=[])
    assert story.profile.traits["tier"] == "patron"
    assert story.at(20).got == ["you-are-a-regular", "you-are-a-patron"]
    assert "510" in story.letter("you-are-a-patron").fields["text"]
    assert [one.fields["change"] for one in story.kept if one.channel == "ads"] == ["add"]


def test_the_patrons_door_is_shown_to_patrons_only() -> None:
    story = member(d0=400)
    assert story.sees("home-hero") is None
    story.at(1).event("Order Completed", order_id="o2", total=200, products=[])
    assert story.sees("home-hero") is not None
    story.at(5).event("Order Refunded", order_id="o2", total=200)
    assert story.sees("home-hero") is None


def test_a_tier_ends_at_the_instant_at_which_an_order_is_a_year_old() -> None:
    story = member(d0=300, d30=300)
    story.at(365, 11.99)
    assert story.profile.traits["tier"] == "patron"
    story.at(365, 12)
    assert story.profile.traits["tier"] == "regular"
    assert [one.fields["change"] for one in story.kept if one.channel == "ads"] == ["add", "remove"]
    assert story.at(370).got[-1] == "still-a-regular"


def test_whoever_is_nearly_there_is_told_how_little_is_missing() -> None:
    story = member(d0=450).at(20)
    assert story.letter("nearly-patron").fields["subject"] == "50 points to patron"


def test_evenings_are_for_patrons() -> None:
    patron, regular = member(d0=600).at(40), member(d0=250).at(40)
    assert patron.when("first-thursday") == (23, 10.0)  # the first of May
    assert "first-thursday" not in regular.got


# ── 07 post-purchase: what must be said, what may be asked, what is not sold ────────

CAMERA = {
    "product_id": "x100",
    "name": "X100",
    "price": 1400,
    "quantity": 1,
    "goes_with": {"product_id": "strap", "name": "Leather strap", "price": 60, "url": "/strap"},
}


def ordered(*products: object, example: str = "07_post_purchase") -> Story:
    story = Story(example).at(0, 23)
    return story.event(
        "Order Completed", order_id="o1", total=1400, products=list(products) or [CAMERA]
    )


def test_a_confirmation_passes_the_night_and_says_so() -> None:
    story = ordered()
    assert story.when("order-confirmation") == (0, 23.0)
    assert "X100: $1,400.00" in story.letter("order-confirmation").fields["text"]
    considered = next(n for n in story.notes() if isinstance(n, Considered))
    assert any(one.reason == "transactional" for one in considered.checks)


def test_the_parcel_is_followed_and_a_review_asked_for_on_a_weekend() -> None:
    story = ordered().at(1).event("Order Shipped", order_id="o1", carrier="the post", live=False)
    story.at(4).event("Order Delivered", order_id="o1", live=False).at(25)
    assert story.got[:3] == ["order-confirmation", "on-its-way", "how-are-the-pictures"]
    assert "the post" in story.letter("on-its-way").fields["text"]
    assert story.when("how-are-the-pictures") == (19, 10.0)


def test_an_order_that_does_not_leave_is_looked_into() -> None:
    assert [task.address for task in ordered().at(5).tasks()] == ["counter"]


def test_what_was_sent_back_is_not_asked_about() -> None:
    story = ordered().at(1).event("Order Shipped", order_id="o1", live=False)
    story.at(4).event("Order Delivered", order_id="o1", live=False)
    story.at(8).event("Order Refunded", order_id="o1", total=1400, live=False).at(90)
    assert story.got == ["order-confirmation", "on-its-way"]


def delivered(story: Story) -> Story:
    story.at(1).event("Order Shipped", order_id="o1", live=False)
    return story.at(4).event("Order Delivered", order_id="o1", live=False)


def test_what_goes_with_it_is_offered_three_weeks_after_it_arrived() -> None:
    story = delivered(ordered()).at(60)
    assert story.when("goes-with-it") == (29, 11.0)  # that Friday is no day for it: Tuesday
    assert "Leather strap" in story.letter("goes-with-it").fields["html"]


def test_what_they_bought_already_is_not_offered() -> None:
    story = delivered(ordered(CAMERA, {"product_id": "strap", "name": "Strap"})).at(60)
    assert "goes-with-it" not in story.got
    assert story.reasons("goes-with-it") == ["bought"]


def test_nothing_is_sold_while_another_parcel_is_on_its_way() -> None:
    story = delivered(ordered())
    story.at(24).event("Order Completed", order_id="o2", total=9, products=[{"product_id": "cap"}])
    assert "goes-with-it" not in story.at(50).got


# ── 08 trial to paid: dates, schedules, an experiment ───────────────────────────────


def trial(who: str = "ana", **traits: object) -> Story:
    """A trial of 14 days from Monday, 12:00 where the company is."""
    ends_at = "2024-04-22T12:00:00-07:00"
    story = Story("08_trial_to_paid", who, trial_ends_at=ends_at, **traits).at(0, 12)
    return story.event("Trial Started")


def test_three_days_before_the_end_each_gets_one_of_two_wordings_and_keeps_it() -> None:
    seen: set[str] = set()
    for n in range(12):
        story = trial(f"c{n}").at(5).event("Invoice Sent", amount=100, live=False).at(13)
        (wording,) = [one for one in story.got if one.startswith("trial-ends")]
        assert story.when(wording) == (11, 9.0)
        assert "April 22, 2024" in story.letter(wording).fields["subject"]
        seen.add(wording)
        assert set(story.profile.assignments.values()) <= {"plain", "figures"}
    assert seen == {"trial-ends", "trial-ends-figures"}


def test_a_trial_that_was_extended_is_not_over() -> None:
    story = trial().at(12).identify(trial_ends_at="2024-05-06T12:00:00-07:00")
    story.event("Trial Extended", live=False).at(20)
    assert "trial-over" not in story.got
    assert "trial-over" in story.at(40).got


def test_whoever_subscribes_hears_no_more_of_the_trial() -> None:
    story = trial().at(12).event("Subscription Started", mrr=29, live=False).at(40)
    assert "trial-over" not in story.got
    goals = [n for n in story.notes() if isinstance(n, RunChanged) and n.change == "goal"]
    assert [(n.journey, n.detail) for n in goals] == [("trial-ends", "29")]


def test_a_week_with_invoices_is_told_on_monday_and_a_week_without_is_not() -> None:
    story = trial().at(2).event("Invoice Sent", amount=1200.5, live=False)
    story.at(3).event("Invoice Paid", amount=200, live=False).at(15)
    assert story.got.count("your-week") == 1
    assert story.when("your-week") == (7, 9.0)
    assert story.letter("your-week").fields["subject"] == "Your week: 1 sent, $200.00 paid"


def test_who_has_not_started_is_helped_and_a_team_is_rung() -> None:
    alone, team = trial(seats=1).at(8), trial(seats=25, company="Acme").at(8)
    assert alone.got == team.got == ["first-invoice", "import-clients"]
    assert alone.tasks() == []
    assert [task.address for task in team.tasks()] == ["sales"]


def test_who_sent_an_invoice_is_not_helped_to_send_one() -> None:
    story = trial().at(1).event("Invoice Sent", amount=10, live=False).at(6)
    assert story.got == ["first-invoice"]


def test_use_in_earnest_is_answered_where_they_work() -> None:
    story = trial()
    for day in (1, 2, 3):
        story.at(day).event("Invoice Sent", amount=10, live=False)
    shown = story.sees("dashboard")
    assert shown is not None
    assert shown["message"] == "go-on"


# ── 09 price drop and back in stock: one run for each product, held and withdrawn ───


def waiting(*items: str) -> Story:
    story = Story("09_price_drop", push_token="p1").at(0, 12)
    for item in items or ("sofa",):
        story.event("Product Added to Wishlist", product_id=item).minutes(1)
    return story


def test_the_night_holds_a_price_and_the_morning_tells_it() -> None:
    story = waiting().at(1, 2).item("sofa", price=900)
    assert story.got == []
    assert story.reasons("price-dropped") == ["quiet_hours"]
    assert story.at(1, 12).letter("price-dropped").channel == "push"
    day, hour = story.when("price-dropped")
    assert day == 1
    assert 8.5 <= hour <= 9.5
    assert story.letter("price-dropped").fields["title"] == "Aube sofa: €900.00"


def test_a_price_that_rose_overnight_is_never_told() -> None:
    story = waiting("sofa", "table").at(1, 2).item("sofa", price=900)
    story.at(1, 7).item("table", price=700)
    assert story.reasons("price-dropped") == ["quiet_hours"]
    story.item("sofa", price=1000).at(3)
    assert story.got == []
    taken_back = [n for n in story.notes() if isinstance(n, Ended) and n.reason == "exit"]
    assert {n.message for n in taken_back} == {"price-dropped", "price-dropped-here"}


def test_a_drop_of_two_percent_is_no_news() -> None:
    story = waiting().at(1, 12).item("sofa", price=980)
    assert story.at(3).got == []


def test_who_never_listed_it_hears_nothing_of_its_price() -> None:
    story = waiting().event("Product Viewed", product_id="table")
    assert story.at(1, 12).item("table", price=300).at(3).got == []


def test_who_bought_the_sofa_is_not_told_that_it_is_cheaper_now() -> None:
    story = waiting().event("Order Completed", total=1000, products=[{"product_id": "sofa"}])
    story.at(30, 12).item("sofa", price=900).at(33)
    assert story.got == []
    assert "bought" in story.reasons("price-dropped")


def test_a_sale_does_not_become_a_hundred_letters() -> None:
    listed = [f"p{n}" for n in range(10)]
    story = Story("09_price_drop", push_token="p1").at(0, 8)
    for item in listed:
        story.item(item, name=f"Chair {item}", price=100, stock=3)
    for item in listed:
        story.event("Product Added to Wishlist", product_id=item).minutes(1)
    story.at(1, 10)
    for item in listed:
        story.item(item, price=50).minutes(1)
    story.at(6)
    assert story.got == ["price-dropped", "price-dropped"]
    assert "cap" in story.reasons("price-dropped")


def test_stock_goes_first_to_the_phone_and_ends_when_it_is_gone() -> None:
    story = waiting("lamp").at(1, 10).item("lamp", stock=3)
    assert story.got == ["back-in-stock"]
    assert story.letter("back-in-stock").fields["body"] == "3 in stock."
    story.item("lamp", stock=0)
    ends = [n for n in story.notes() if isinstance(n, RunChanged) and n.change == "ended"]
    assert ends[-1].detail == "sold out again"

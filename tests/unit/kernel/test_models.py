"""Goal: a scorecard is read as it is written: bins, tables, scale, reasons, name."""

import pytest

from segue.kernel import models
from segue.kernel.models import FEATURES, NEVER_ORDERED
from segue.kernel.plan import Bins, Scorecard, Table
from segue.kernel.profile import Profile, Session, create
from segue.kernel.values import DAY, Instant, ProfileId

NOW = Instant(100 * DAY)
CARD = Scorecard(
    name="intent",
    target="order",
    bins=(Bins("views", (1.5, 5.0)), Bins("in_checkout", (0.5,)), Bins("days_since_order", (0.0,))),
    tables=(
        Table(("views",), (0.0, 1.0, 2.0), "depth"),
        Table(("views", "in_checkout"), (0.0, 3.0, 0.0, 4.0, 0.0, 5.0)),
        Table(("days_since_order",), (0.0, 0.5), "depth"),
    ),
    base=-1.0,
    scale=((0.0, 0.1), (4.0, 0.5), (8.0, 0.9)),
)


@pytest.fixture
def profile() -> Profile:
    found = create(ProfileId("ana"), NOW)
    found.sessions = 3
    found.session = Session(3, Instant(NOW - 120_000), NOW, events=6, views=2, value=30.0)
    return found


def values(profile: Profile, now: Instant = NOW) -> dict[str, float]:
    assert profile.session is not None
    return dict(zip(FEATURES, models.measure(profile.session, profile, now), strict=True))


def test_points_add_up_and_say_why(profile: Profile) -> None:
    model = models.link(CARD)
    score = models.score(profile, model, NOW)
    assert (score.bins, score.points, score.probability) == ([1, 0, 0], 0.0, 0.1)
    assert models.reasons(model, score) == {"depth": 1.0}
    assert profile.session is not None
    profile.session.checkout_at = NOW
    profile.orders, profile.ordered_at = 1, NOW
    score = models.score(profile, model, NOW)
    assert (score.bins, score.points) == ([1, 1, 1], 4.5)
    assert models.reasons(model, score) == {"depth": 1.5, "views × in_checkout": 4.0}
    assert profile.session.scores == {"intent": score}


def test_a_score_stands_while_no_bin_changes(profile: Profile) -> None:
    model = models.link(CARD)
    score = models.score(profile, model, NOW)
    assert profile.session is not None
    profile.session.views = 4
    assert models.score(profile, model, NOW) is score
    profile.session.views = 5
    assert models.score(profile, model, NOW) is not score


def test_another_model_of_the_same_name_scores_anew(profile: Profile) -> None:
    first = models.score(profile, models.link(CARD), NOW)
    changed = Scorecard(
        name="intent",
        target="order",
        bins=CARD.bins,
        tables=CARD.tables,
        base=1.0,
        scale=CARD.scale,
    )
    second = models.score(profile, models.link(changed), NOW)
    assert first.bins == second.bins
    assert first.model != second.model
    assert first.model == models.link(CARD).id
    assert second.points == first.points + 2.0


def test_the_scale_is_interpolated_and_ends_at_its_ends() -> None:
    model = models.link(CARD)
    points = (-5.0, 0.0, 2.0, 4.0, 7.0, 8.0, 50.0)
    found = [models.probability(model, one) for one in points]
    assert found == pytest.approx([0.1, 0.1, 0.3, 0.5, 0.8, 0.9, 0.9])


def test_features_measure_the_session_and_what_came_before(profile: Profile) -> None:
    assert profile.session is not None
    profile.session.orders = 1
    profile.orders, profile.ordered_at = 4, Instant(NOW - 2 * DAY)
    profile.session.products = ["a", "b"]
    found = values(profile)
    assert found["views"] == 2
    assert found["distinct_products"] == 2
    assert found["tempo"] == 3.0
    assert found["seconds"] == 120.0
    assert found["value_per_view"] == 15.0
    assert found["orders_before"] == 3
    assert found["days_since_order"] == 2.0
    assert found["sessions_before"] == 2


def test_features_of_a_first_instant_are_numbers_too() -> None:
    profile = create(ProfileId("ana"), NOW)
    profile.sessions, profile.session = 1, Session(1, NOW, NOW, events=1)
    found = values(profile)
    assert found["tempo"] == 1.0
    assert found["value_per_view"] == 0.0
    assert found["days_since_order"] == NEVER_ORDERED


def test_a_table_of_the_wrong_size_is_a_bug() -> None:
    card = Scorecard(
        name="m",
        target="t",
        bins=(Bins("views", (1.0,)),),
        tables=(Table(("views",), (1.0,)),),
        base=0.0,
        scale=((0.0, 0.5),),
    )
    with pytest.raises(AssertionError, match="size"):
        models.link(card)

"""Goal: a score reached step by step is, to the last bit, the score computed at once."""

from hypothesis import given, strategies as st

from segue.kernel import models, session
from segue.kernel.inputs import Event
from segue.kernel.plan import Bins, Scorecard, Table, Workspace
from segue.kernel.profile import create
from segue.kernel.values import Instant, ProfileId

RULES = session.link(Workspace(name="shop"))
floats = st.floats(-5, 5, allow_nan=False)


@st.composite
def scorecards(draw: st.DrawFn) -> Scorecard:
    features = draw(st.lists(st.sampled_from(sorted(models.FEATURES)), min_size=2, unique=True))
    cuts = st.lists(st.floats(-1, 40, allow_nan=False), max_size=4, unique=True)
    bins = tuple(Bins(name, tuple(sorted(draw(cuts)))) for name in features)
    sizes = {one.feature: len(one.cuts) + 1 for one in bins}
    tables = [
        Table((name,), tuple(draw(st.lists(floats, min_size=size, max_size=size))))
        for name, size in sizes.items()
    ]
    pair = (features[0], features[-1])
    size = sizes[pair[0]] * sizes[pair[1]]
    tables.append(Table(pair, tuple(draw(st.lists(floats, min_size=size, max_size=size)))))
    scale = ((-4.0, 0.01), (0.0, 0.1), (3.0, 0.5), (9.0, 0.95))
    return Scorecard(
        name="intent", target="order", bins=bins, tables=tuple(tables), base=0.5, scale=scale
    )


steps = st.lists(
    st.tuples(
        st.sampled_from(
            (
                "Product Viewed",
                "Product Added",
                "Products Searched",
                "Checkout Started",
                "Order Completed",
            )
        ),
        st.integers(0, 200_000),
        st.integers(1, 4),
        st.floats(0, 50, allow_nan=False),
    ),
    min_size=1,
    max_size=12,
)


@given(card=scorecards(), happened=steps)
def test_step_by_step_equals_at_once(
    card: Scorecard, happened: list[tuple[str, int, int, float]]
) -> None:
    model = models.link(card)
    profile = create(ProfileId("ana"), Instant(0))
    now = 1_000_000
    for number, (name, gap, product, price) in enumerate(happened):
        now += gap
        event = Event(
            id=str(number),
            name=name,
            at=Instant(now),
            properties={"product_id": str(product), "price": price},
        )
        session.fold(profile, event, Instant(now), RULES)
        live = profile.session
        assert live is not None
        kept = models.score(profile, model, Instant(now))
        live.scores.clear()
        at_once = models.score(profile, model, Instant(now))
        assert at_once == kept
        assert 0.01 <= kept.probability <= 0.95
        assert models.score(profile, model, Instant(now)) is at_once
        live.scores["intent"] = kept
        reasons = models.reasons(model, kept)
        assert abs(card.base + sum(reasons.values()) - kept.points) < 1e-9


@given(
    card=scorecards(),
    low=st.floats(-20, 20, allow_nan=False),
    more=st.floats(0, 20, allow_nan=False),
)
def test_more_points_are_never_less_probable(card: Scorecard, low: float, more: float) -> None:
    model = models.link(card)
    assert models.probability(model, low) <= models.probability(model, low + more)

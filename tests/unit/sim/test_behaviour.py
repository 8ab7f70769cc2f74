"""The fitted behaviour reproduces what it was fitted on: length, mix, conversion, tempo, price."""

import os
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import mean, quantiles

import pytest

from segue.connectors.files import Source
from segue.sim.behaviour import ACTS, fit, load, price, session

DATA = Path(os.environ.get("SEGUE_DATA", Path(__file__).parents[4] / "shared" / "data"))
SLICE = DATA / "rees46-oct2019-slice" / "2019-Oct-first170min.csv.gz"
needs_data = pytest.mark.skipif(not SLICE.is_file(), reason="the REES46 slice is not here")


def test_probabilities_add_up_and_quantiles_rise() -> None:
    numbers = load()
    for bins in numbers.follows.values():
        for chances in bins:
            assert sum(chances.values()) == pytest.approx(1, abs=1e-3)
    for points in (*numbers.gaps.values(), *(one.prices for one in numbers.categories)):
        assert list(points) == sorted(points)
    assert sum(one.share for one in numbers.categories) == pytest.approx(1, abs=1e-3)


def test_the_same_seed_draws_the_same_sessions() -> None:
    numbers = load()
    first = [session(Random(7), numbers) for _ in range(3)]
    assert first[0] == first[1] == first[2]


def test_eager_shoppers_buy_more() -> None:
    numbers = load()

    def buyers(eagerness: float) -> int:
        rng = Random(1)
        drawn = [session(rng, numbers, eagerness) for _ in range(4000)]
        return sum(any(deed.act == "purchase" for deed in deeds) for deeds in drawn)

    assert buyers(4) > 2 * buyers(1)


@pytest.mark.data
@needs_data
def test_the_packaged_numbers_are_those_of_the_slice() -> None:
    assert fit(Source(SLICE, "rees46"), load().fitted_on) == load()


@pytest.mark.data
@needs_data
def test_drawn_sessions_have_the_marginals_of_the_real_ones() -> None:
    real: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for one in Source(SLICE, "rees46"):
        if one.event.name in ACTS:
            key = str(one.event.properties["session_id"])
            real[key].append((ACTS[one.event.name], one.event.at))
    rng = Random(2)
    numbers = load()
    drawn = [session(rng, numbers) for _ in range(20_000)]

    lengths_real = [len(events) for events in real.values()]
    lengths_drawn = [len(deeds) for deeds in drawn]
    assert mean(lengths_drawn) == pytest.approx(mean(lengths_real), rel=0.05)
    for found, wanted in zip(
        quantiles(lengths_drawn, n=20), quantiles(lengths_real, n=20), strict=True
    ):
        assert found == pytest.approx(wanted, abs=1)

    mix_real = Counter(act for events in real.values() for act, _ in events)
    mix_drawn = Counter(deed.act for deeds in drawn for deed in deeds)
    for act in ("view", "cart", "purchase"):
        share = mix_real[act] / mix_real.total()
        assert mix_drawn[act] / mix_drawn.total() == pytest.approx(share, rel=0.15)

    buying = sum(any(act == "purchase" for act, _ in events) for events in real.values())
    bought = sum(any(deed.act == "purchase" for deed in deeds) for deeds in drawn)
    assert bought / len(drawn) == pytest.approx(buying / len(real), rel=0.15)

    gaps_real = [b[1] - a[1] for events in real.values() for a, b in pairwise(events)]
    gaps_drawn = [deed.after_ms for deeds in drawn for deed in deeds[1:]]
    for found, wanted in zip(quantiles(gaps_drawn, n=10), quantiles(gaps_real, n=10), strict=True):
        assert found == pytest.approx(wanted, rel=0.1)


@pytest.mark.data
@needs_data
def test_drawn_prices_have_the_quantiles_of_their_category() -> None:
    phones = next(one for one in load().categories if one.code == "electronics.smartphone")
    real = [
        float(str(one.event.properties["price"]))
        for one in Source(SLICE, "rees46")
        if one.event.name == "Product Viewed"
        and one.event.properties.get("category") == phones.code
    ]
    rng = Random(3)
    drawn = [price(rng, phones) for _ in range(10_000)]
    for found, wanted in zip(quantiles(drawn, n=10), quantiles(real, n=10), strict=True):
        assert found == pytest.approx(wanted, rel=0.1)

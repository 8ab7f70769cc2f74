"""A benchmark's events: in order, each once, as many as asked for, real ones where there are."""

import os
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from segue.sim.workload import SLICE, repeated, synthetic, workload

DATA = Path(os.environ.get("SEGUE_DATA", Path(__file__).parents[4] / "shared" / "data"))


def test_without_the_data_sessions_of_the_same_shape_are_drawn(tmp_path: Path) -> None:
    found = workload(20_000, tmp_path)
    assert found.origin.startswith("synthetic")
    assert found == workload(20_000, tmp_path)
    times = [one.arrived_at for one in found.events]
    assert times == sorted(times)
    names = Counter(one.event.name for one in found.events)
    assert names["Product Viewed"] / 20_000 == pytest.approx(0.978, abs=0.01)
    assert len({one.event.id for one in found.events}) == 20_000
    users = {one.event.user_id for one in found.events}
    assert 20_000 / len(users) == pytest.approx(17434 / 4504, rel=0.15)


@pytest.mark.data
@pytest.mark.skipif(not (DATA / SLICE).is_file(), reason="the REES46 slice is not here")
def test_the_real_log_is_repeated_by_other_customers_later() -> None:
    once = 21_938
    events = list(islice(repeated(DATA / SLICE), 3 * once))
    times = [one.arrived_at for one in events]
    assert times == sorted(times)
    assert len({one.event.id for one in events}) == 3 * once
    assert len({one.event.user_id for one in events}) == 3 * 4504
    first, second = events[:once], events[once : 2 * once]
    assert [one.event.properties for one in first] == [one.event.properties for one in second]
    gaps = {b.event.at - a.event.at for a, b in zip(first, second, strict=True)}
    assert len(gaps) == 1


def test_synthetic_logs_of_other_seeds_differ() -> None:
    one, two = (list(islice(synthetic(seed), 100)) for seed in (1, 2))
    assert one != two

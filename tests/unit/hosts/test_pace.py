"""Pacing: never more than the rate in the long run, never idle while something may leave."""

from hypothesis import given, strategies as st

from segue.hosts.pace import Bucket
from segue.kernel.values import Instant

STEPS = st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 100)), max_size=50)


@given(st.floats(0.01, 500), STEPS)
def test_what_left_is_never_more_than_the_rate_and_one_burst(
    per_second: float, steps: list[tuple[int, int]]
) -> None:
    bucket, now, left = Bucket(per_second), 1_000, 0
    for wait, wanted in steps:
        now += wait
        taken = min(wanted, bucket.room(Instant(now)))
        bucket.take(taken, Instant(now))
        left += taken
        burst = max(1.0, per_second)
        assert left <= per_second * (now - 1_000) / 1000 + burst + 1e-6


@given(st.floats(0.01, 500), st.integers(0, 10_000))
def test_it_says_when_the_next_may_leave(per_second: float, start: int) -> None:
    bucket, now = Bucket(per_second), Instant(start)
    while room := bucket.room(now):
        bucket.take(room, now)
    ready = bucket.ready_at()
    assert ready > now
    assert bucket.room(Instant(ready + 1)) >= 1


def test_a_slow_pace_lets_one_out_at_once_and_the_next_in_its_time() -> None:
    bucket = Bucket(0.5)
    assert bucket.room(Instant(0)) == 1
    bucket.take(1, Instant(0))
    assert bucket.room(Instant(1_999)) == 0
    assert bucket.ready_at() == 2_000
    assert bucket.room(Instant(2_000)) == 1
    assert bucket.room(Instant(60_000)) == 1

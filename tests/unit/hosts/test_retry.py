"""The retry rule: doubling, bounded, spread, obedient to the provider, and pure."""

from hypothesis import given, strategies as st

from segue.hosts.limits import ATTEMPTS_MAX, RETRY_FIRST_MS, RETRY_LONGEST_MS
from segue.hosts.retry import next_try
from segue.kernel.values import Instant

NOW = Instant(1_000_000)


@given(st.text(), st.integers(1, ATTEMPTS_MAX - 1))
def test_the_wait_lies_between_three_quarters_and_all_of_the_doubled_wait(
    row: str, attempts: int
) -> None:
    full = min(RETRY_FIRST_MS * 2 ** (attempts - 1), RETRY_LONGEST_MS)
    due = next_try(NOW, row, attempts)
    assert due is not None
    assert full * 3 // 4 <= due - NOW <= full
    assert due == next_try(NOW, row, attempts)


def test_it_gives_up_after_the_last_attempt() -> None:
    assert next_try(NOW, "a", ATTEMPTS_MAX) is None
    assert next_try(NOW, "a", ATTEMPTS_MAX - 1) is not None


def test_a_provider_that_names_a_time_is_obeyed_up_to_the_longest_wait() -> None:
    assert next_try(NOW, "a", 1, after_ms=60_000) == NOW + 60_000
    assert next_try(NOW, "a", 1, after_ms=10**9) == NOW + RETRY_LONGEST_MS
    assert next_try(NOW, "a", 1, after_ms=1) == next_try(NOW, "a", 1)


def test_rows_that_failed_together_do_not_come_back_together() -> None:
    assert len({next_try(NOW, f"row-{n}", 3) for n in range(100)}) > 90


def test_all_tries_together_outlast_an_outage_of_two_hours() -> None:
    now = NOW
    for attempts in range(1, ATTEMPTS_MAX):
        due = next_try(now, "row", attempts)
        assert due is not None
        now = due
    assert 2 * 3_600_000 < now - NOW < 4 * 3_600_000

"""A provider in trouble is left alone, probed by one letter, and believed when it works again."""

from segue.channels.breaker import Breaker


def broken(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(5):
        assert breaker.wait(now) == 0
        breaker.failed(now)
    return breaker


def test_a_few_faults_change_nothing() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker.failed(0)
    assert breaker.wait(0) == 0
    breaker.worked()
    for _ in range(4):
        breaker.failed(0)
    assert breaker.wait(0) == 0


def test_five_faults_in_a_row_open_it_for_a_while() -> None:
    breaker = broken()
    assert breaker.wait(0) == 5
    assert breaker.wait(4) == 1


def test_one_letter_probes_and_the_others_wait() -> None:
    breaker = broken()
    assert breaker.wait(5) == 0
    assert breaker.wait(5) > 0
    breaker.worked()
    assert [breaker.wait(5), breaker.wait(5)] == [0, 0]


def test_a_failed_probe_doubles_the_time_up_to_a_bound() -> None:
    breaker, now, waits = broken(), 5.0, []
    for _ in range(8):
        assert breaker.wait(now) == 0
        breaker.failed(now)
        waits.append(breaker.wait(now))
        now += waits[-1]
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]


def test_a_provider_that_says_when_to_come_back_is_believed_within_reason() -> None:
    breaker = Breaker()
    breaker.asked_to_wait(0, 7)
    assert breaker.wait(2) == 5
    assert breaker.wait(7) == 0
    breaker.asked_to_wait(7, 86_400)
    assert breaker.wait(7) == 300


def test_a_probe_that_told_nothing_lets_another_go() -> None:
    breaker = broken()
    assert breaker.wait(5) == 0
    breaker.ended()
    assert breaker.wait(5) == 0

"""Goal: a question is answered next, after what its own customer sent, and starves nobody."""

from typing import NamedTuple

from hypothesis import given, strategies as st

from segue.hosts.arrivals import Arrival
from segue.hosts.lanes import Lanes
from segue.hosts.limits import (
    BATCH_BRISK_MAX,
    BETWEEN_QUESTIONS_MIN,
    BRISK_MS,
    BULK_SHARE_MAX,
    PROMPT_SIZE_MAX,
)
from segue.kernel.inputs import Asked, Event
from segue.kernel.values import Instant

NOW = Instant(1_000_000)
LATER = Instant(NOW + BRISK_MS)
SIZE = 512


class Waiting(NamedTuple):
    name: str
    arrival: Arrival


def event(name: str, user: str = "", anonymous: str = "") -> Waiting:
    said = Event(id=name, name="Seen", at=NOW, user_id=user, anonymous_id=anonymous)
    return Waiting(name, Arrival(input=said))


def question(name: str, user: str = "", anonymous: str = "") -> Waiting:
    asked = Asked(id=name, placements=("top",))
    return Waiting(name, Arrival(input=asked, user_id=user, anonymous_id=anonymous))


def names(taken: list[Waiting]) -> list[str]:
    return [one.name for one in taken]


def test_a_question_overtakes_the_events_of_others() -> None:
    lanes = Lanes[Waiting](SIZE)
    for number in range(100):
        lanes.put([event(f"e{number}", user="bea")], NOW)
    lanes.put([question("q", user="ana")], NOW)
    assert names(lanes.take(NOW)) == ["q"]
    assert lanes.asking
    assert names(lanes.take(NOW)) == [f"e{n}" for n in range(BATCH_BRISK_MAX)]
    assert not lanes.asking


def test_a_question_cuts_the_batch_before_it_and_what_is_left_goes_back_in_order() -> None:
    lanes = Lanes[Waiting](SIZE)
    lanes.put([event(f"i{n}") for n in range(PROMPT_SIZE_MAX + 1)], NOW)
    lanes.put([event(f"e{n}", user="bea") for n in range(4)], NOW)
    taken = lanes.take(NOW)
    assert names(taken)[:5] == ["e0", "e1", "e2", "e3", "i0"]
    assert not lanes.cut(3)
    lanes.put([event("e4", user="bea"), event("e5", user="ana")], NOW)
    lanes.put([question("q", user="ana")], NOW)
    assert lanes.cut(0)
    lanes.back(taken[3:])
    assert names(lanes.take(NOW)) == ["e5", "q"]
    imported = [f"i{n}" for n in range(PROMPT_SIZE_MAX + 1)]
    assert names(lanes.take(LATER)) == ["e3", "e4", *imported]


def test_a_batch_of_questions_is_not_cut_nor_the_next_before_others_had_their_turn() -> None:
    lanes = Lanes[Waiting](SIZE)
    lanes.put([event(f"e{n}", user="bea") for n in range(40)], NOW)
    lanes.put([question("q0", user="ana")], NOW)
    assert names(lanes.take(NOW)) == ["q0"]
    lanes.put([question("q1", user="ana")], NOW)
    assert not lanes.cut(0)
    assert names(lanes.take(NOW))[0] == "e0"
    assert not lanes.cut(BETWEEN_QUESTIONS_MIN - 1)
    assert lanes.cut(BETWEEN_QUESTIONS_MIN)


def test_what_its_own_customer_sent_before_is_answered_before_it() -> None:
    lanes = Lanes[Waiting](SIZE)
    lanes.put([event("e0", user="bea"), event("e1", user="ana"), event("e2", anonymous="a7")], NOW)
    lanes.put([event("e3", user="ana", anonymous="other"), event("e4", anonymous="ana")], NOW)
    lanes.put([question("q", user="ana", anonymous="a7")], NOW)
    assert names(lanes.take(NOW)) == ["e1", "e2", "e3", "q"]
    assert names(lanes.take(NOW)) == ["e0", "e4"]


def test_who_asks_all_the_time_starves_no_event_and_no_import() -> None:
    lanes = Lanes[Waiting](SIZE)
    imported = [event(f"i{n}", user="bea") for n in range(PROMPT_SIZE_MAX + 1)]
    lanes.put(imported, NOW)
    lanes.put([event(f"e{n}", user="bea") for n in range(20)], NOW)
    left = len(lanes)
    for number in range(20):
        lanes.put([question(f"q{number}", user="ana")], NOW)
        assert names(lanes.take(NOW)) == [f"q{number}"]
        lanes.put([question(f"r{number}", user="ana")], NOW)
        taken = lanes.take(NOW)
        if not left:
            assert names(taken) == [f"r{number}"]
            continue
        answered = next(n for n in range(len(taken) + 1) if n == len(taken) or lanes.cut(n))
        assert answered >= min(left, BETWEEN_QUESTIONS_MIN)
        lanes.back(taken[answered:])
        left -= answered
        assert names(lanes.take(NOW)) == [f"r{number}"]
        if left:
            taken = lanes.take(NOW)
            left -= len(taken)
    assert left == len(lanes) == 0


def test_batches_are_short_for_a_while_after_a_question() -> None:
    lanes = Lanes[Waiting](SIZE)
    lanes.put([question("q", user="ana")], NOW)
    assert names(lanes.take(NOW)) == ["q"]
    for number in range(2 * SIZE):
        lanes.put([event(f"e{number}", user="bea")], NOW)
    assert lanes.brisk(NOW)
    assert len(lanes.take(Instant(LATER - 1))) == BATCH_BRISK_MAX
    assert not lanes.brisk(LATER)
    assert len(lanes.take(LATER)) == SIZE


def test_an_import_leaves_the_batch_to_what_is_prompt_and_takes_its_share() -> None:
    lanes = Lanes[Waiting](SIZE)
    lanes.put([event(f"i{n}") for n in range(300)], NOW)
    lanes.put([event("e")], NOW)
    assert names(lanes.take(NOW)) == ["e", *(f"i{n}" for n in range(BULK_SHARE_MAX))]
    assert len(lanes.take(NOW)) == 300 - BULK_SHARE_MAX


def test_a_mixed_submission_stays_together() -> None:
    lanes = Lanes[Waiting](SIZE)
    lanes.put([event("e0", user="bea")], NOW)
    lanes.put([event("e1", user="ana"), question("q", user="ana")], NOW)
    assert names(lanes.take(NOW)) == ["e0", "e1", "q"]
    assert not lanes.brisk(NOW)


def test_a_customer_with_more_waiting_than_a_batch_holds_is_answered_in_order() -> None:
    lanes = Lanes[Waiting](4)
    lanes.put([event(f"e{n}", user="ana") for n in range(6)], NOW)
    lanes.put([question("q", user="ana")], NOW)
    found = [names(lanes.take(NOW)) for _ in range(3)]
    assert found == [["e0", "e1", "e2", "e3"], ["e4", "e5", "q"], []]


def test_everything_that_waits_can_be_taken_back() -> None:
    lanes = Lanes[Waiting](SIZE)
    lanes.put([event(f"i{n}") for n in range(PROMPT_SIZE_MAX + 1)], NOW)
    lanes.put([event("e")], NOW)
    lanes.put([question("q", user="ana")], NOW)
    assert len(lanes.clear()) == PROMPT_SIZE_MAX + 3
    assert len(lanes) == 0
    assert lanes.take(LATER) == []


who = st.sampled_from(["ana", "bea", "cid"])
submissions = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), who, st.just(1)),
        st.tuples(st.just("tell"), who, st.integers(1, 5)),
        st.tuples(st.just("take"), st.just(""), st.integers(0, 8)),
    ),
    max_size=40,
)


@given(submissions, st.integers(1, 8))
def test_each_customers_arrivals_keep_their_order_and_none_is_lost(
    told: list[tuple[str, str, int]], size: int
) -> None:
    lanes = Lanes[Waiting](size)
    given_in: list[str] = []
    taken: list[str] = []
    for number, (deed, user, count) in enumerate(told):
        if deed == "take":
            batch = lanes.take(NOW)
            assert len(batch) <= size
            if not lanes.asking:
                # A question that comes meanwhile may cut it anywhere.
                lanes.back(batch[count:])
                del batch[count:]
            taken += names(batch)
            continue
        make = question if deed == "ask" else event
        some = [make(f"{user} {number} {n}", user=user) for n in range(count)]
        lanes.put(some, NOW)
        given_in += names(some)
    while batch := names(lanes.take(NOW)):
        taken += batch
    assert sorted(taken) == sorted(given_in)
    for user in ("ana", "bea", "cid"):
        mine = [name for name in given_in if name.startswith(user)]
        events = [name for name in taken if name.startswith(user)]
        asked = {f"{user} {n} 0" for n, (deed, _, _) in enumerate(told) if deed == "ask"}
        for name in asked & set(mine):
            assert set(mine[: mine.index(name)]) - asked <= set(events[: events.index(name)])
        assert [one for one in events if one not in asked] == [
            one for one in mine if one not in asked
        ]

"""Goal: a message that names a coupon pool leaves with a code of its own, or not at all.

The kernel takes codes from those it is offered and says which; that nobody else gets them is
the commit's part (`tests/contract/test_store_coupons.py`, `tests/unit/hosts/test_coupons.py`).
"""

from collections.abc import Mapping

import pytest

from segue.kernel import plan
from segue.kernel.effects import CouponMove, Send, Show
from segue.kernel.inputs import Input
from segue.kernel.program import Program
from segue.kernel.step import Step, step
from segue.kernel.trace import IncentiveChanged
from segue.kernel.values import DAY, HOUR, MINUTE, Instant, Millis
from tests.unit.kernel.customers import Customer, journey, message, program, send, show

VOUCHER = plan.Incentive(
    name="voucher", group="discount", worth=10.0, lasts_ms=Millis(2 * HOUR), coupons="ten"
)
LETTER = message("letter", "email", "sms", incentive=VOUCHER, expires_ms=Millis(6 * HOUR))
BANNER = message("banner", "web", incentive=VOUCHER)
REST = plan.Wait(id="rest", next=plan.END, for_ms=DAY)


class Holder(Customer):
    """A customer of a host that keeps pools: what is handed out is offered no more."""

    def __init__(self, under: Program, *codes: str) -> None:
        self.free = list(codes)
        self.moves: list[CouponMove] = []
        super().__init__(under)

    def say(self, said: Input) -> Step:
        answer = step(self.program, self.profile, said, self.now, {"ten": tuple(self.free)})
        self.profile = answer.profile
        self.effects.extend(answer.effects)
        self.notes.extend(answer.trace)
        self.moves.extend(answer.moves)
        for move in answer.moves:
            if move.change == "handed":
                self.free.remove(move.code)
            else:
                self.free.append(move.code)
        return answer


def holder(*codes: str) -> Holder:
    steps = (send("s", "letter", "email", "sms", then="rest"), REST)
    offer = (show("s", "banner", then="rest", lasts_ms=DAY), REST)
    under = program(
        journey("by-mail", *steps),
        journey("on-site", *offer, on="Came"),
        messages=(LETTER, BANNER),
    )
    return Holder(under, *codes)


def codes_in(ana: Customer) -> list[object]:
    given = [one.data["incentive"] for one in ana.effects if isinstance(one, Send | Show)]
    return [one["code"] for one in given if isinstance(one, Mapping)]


def test_a_message_leaves_with_the_next_free_code_and_says_so() -> None:
    ana = holder("A", "B")
    ana.does("Started")
    line = ana.profile.ledger[0]
    assert codes_in(ana) == ["A"]
    assert ana.moves == [CouponMove("ten", "A", "handed", line.id)]
    assert (ana.profile.grants[0].code, ana.profile.grants[0].pool) == ("A", "ten")
    assert next(n for n in ana.notes if isinstance(n, IncentiveChanged)).code == "A"


def test_its_own_code_redeems_it_and_no_other() -> None:
    ana = holder("A", "B")
    ana.does("Started")
    ana.does("Order Completed", coupon="B")
    assert ana.profile.grants[0].redeemed_at > ana.now
    ana.does("Order Completed", coupon="A")
    assert ana.profile.grants[0].redeemed_at == ana.now


def test_without_a_free_code_the_message_is_held_and_looks_again() -> None:
    ana = holder()
    ana.does("Started")
    assert ana.verdicts == ["letter held no_coupon"]
    assert ana.moves == []
    ana.free.append("A")
    ana.passes(HOUR)
    assert ana.sent == ["letter/email"]
    assert codes_in(ana) == ["A"]


def test_an_empty_pool_holds_it_to_its_expiry_at_the_most() -> None:
    ana = holder()
    ana.does("Started")
    ana.passes(7 * HOUR)
    assert ana.sent == []
    assert ana.verdicts[-1] == "letter denied expired"


@pytest.mark.parametrize("ending", ["failed", "withdrawn"])
def test_what_never_arrived_gives_its_code_back(ending: str) -> None:
    ana = holder("A")
    ana.does("Started")
    line = ana.profile.ledger[0]
    if ending == "failed":
        ana.reports(line.id, "failed", "expired")
    else:
        ana.consents("*", "*", "denied")
    assert ana.moves[1:] == [CouponMove("ten", "A", "returned", line.id)]
    assert ana.free == ["A"]
    assert ana.profile.grants == []


def test_a_fallback_to_the_next_channel_takes_a_code_of_its_own() -> None:
    ana = holder("A", "B")
    ana.does("Started")
    ana.reports(ana.profile.ledger[0].id, "failed", "refused")
    assert ana.sent == ["letter/email", "letter/sms"]
    assert [(move.code, move.change) for move in ana.moves] == [
        ("A", "handed"),
        ("A", "returned"),
        ("B", "handed"),
    ]


def test_an_unknown_delivery_keeps_its_code() -> None:
    ana = holder("A")
    ana.does("Started")
    ana.reports(ana.profile.ledger[0].id, "claimed")
    ana.reports(ana.profile.ledger[0].id, "unknown")
    assert [move.change for move in ana.moves] == ["handed"]


def test_an_offer_takes_its_code_when_it_is_first_shown_and_keeps_it() -> None:
    ana = holder("A", "B")
    ana.does("Came")
    assert ana.moves == []
    ana.asks("banner")
    ana.asks("banner")
    ana.passes(45 * MINUTE)
    ana.does("Came")  # another session
    ana.asks("banner")
    assert codes_in(ana) == ["A", "A", "A"]
    assert [move.code for move in ana.moves] == ["A"]
    assert len(ana.profile.grants) == 1


def test_an_offer_whose_code_was_used_or_is_over_is_not_shown_again_with_another() -> None:
    used, over = holder("A", "B"), holder("A", "B")
    for ana in (used, over):
        ana.does("Came")
        ana.asks("banner")
    used.does("Order Completed", coupon="A")
    over.passes(3 * HOUR)
    for ana in (used, over):
        assert ana.asks("banner") == []
        assert [move.code for move in ana.moves] == ["A"]


def test_an_empty_pool_shows_nothing() -> None:
    ana = holder()
    ana.does("Came")
    assert ana.asks("banner") == []
    assert ana.verdicts[-1] == "banner held no_coupon"


def test_two_messages_of_one_input_take_two_codes() -> None:
    other = message(
        "other", incentive=plan.Incentive(
            name="other", group="gift", worth=10.0, lasts_ms=HOUR, coupons="ten"
        ),
    )  # fmt: skip
    under = program(
        journey("one", send("s", "letter", "email")),
        journey("two", send("s", "other")),
        messages=(LETTER, other),
    )
    made = Holder(under, "A", "B")
    made.does("Started")
    assert sorted(map(str, codes_in(made))) == ["A", "B"]


def test_where_no_pools_are_kept_codes_are_made_up_and_nothing_moves() -> None:
    made_up: list[list[object]] = []
    for _ in range(2):
        ana = Customer(
            program(journey("by-mail", send("s", "letter", "email")), messages=(LETTER,))
        )
        answer = ana.does("Started")
        assert answer.moves == ()
        made_up.append(codes_in(ana))
    assert made_up[0] == made_up[1]
    assert str(made_up[0][0]).startswith("TEN-")


def test_a_program_knows_its_pools() -> None:
    assert program(messages=(LETTER, BANNER, message("plain"))).pools == ("ten",)


def test_the_template_sees_until_when() -> None:
    ana = holder("A")
    ana.does("Started")
    (given,) = [one.data["incentive"] for one in ana.all(Send)]
    assert isinstance(given, Mapping)
    assert given["ends_at"] == Instant(ana.now + 2 * HOUR)

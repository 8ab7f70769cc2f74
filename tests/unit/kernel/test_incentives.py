"""Goal: what was promised to a customer has one life: offered, redeemed, expired or withdrawn.

Each change leaves a note, and happens as an event only where the program listens for it.
"""

from segue.kernel import plan
from segue.kernel.effects import Emit
from segue.kernel.expression import Aggregate, Compare, Literal, Stream
from segue.kernel.inputs import Event
from segue.kernel.trace import IncentiveChanged
from segue.kernel.values import DAY, HOUR
from tests.unit.kernel.customers import MORNING, Customer, journey, message, program

OFFER = "Incentive Offered"
REDEMPTION = "Incentive Redeemed"
EXPIRY = "Incentive Expired"

SEND = plan.Send(id="send", next="rest", message="ten", channels=("email",))
REST = plan.Wait(id="rest", next=plan.END, for_ms=DAY)


def ten(**more: object) -> plan.Message:
    given = {"name": "ten", "group": "discount", "worth": 10.0, "lasts_ms": HOUR, "code": "TEN"}
    return message("ten", incentive=plan.Incentive(**(given | more)))  # type: ignore[arg-type]


def counted(name: str) -> plan.Segment:
    """A segment that listens for an event."""
    when = Compare(">=", Aggregate("count", Stream((name,))), Literal(1))
    return plan.Segment(name=name.replace(" ", "-").lower(), when=when)


def offered(*segments: plan.Segment, name: str = "ana") -> Customer:
    """Ana, to whom ten percent have just been sent."""
    under = program(journey("offer", SEND, REST), messages=(ten(),), segments=segments)
    ana = Customer(under, name=name)
    ana.does("Started")
    assert ana.sent == ["ten/email"]
    return ana


def changes(ana: Customer) -> list[tuple[str, str]]:
    return [(note.change, note.by) for note in ana.notes if isinstance(note, IncentiveChanged)]


def events(ana: Customer) -> list[Event]:
    return [effect.event for effect in ana.effects if isinstance(effect, Emit)]


def test_an_offer_leaves_a_note_with_its_code_and_its_end() -> None:
    ana = offered()
    (note,) = [note for note in ana.notes if isinstance(note, IncentiveChanged)]
    assert (note.incentive, note.group, note.code) == ("ten", "discount", "TEN")
    assert note.change == "offered"
    assert note.until == MORNING + HOUR
    assert note.journey == "offer"
    assert note.source == ana.profile.grants[0].source


def test_a_redemption_says_by_what() -> None:
    ana = offered()
    ana.does("Order Completed", coupon="TEN")
    assert changes(ana) == [("offered", ""), ("redeemed", "Order Completed")]


def test_an_expiry_is_told_at_its_own_instant_and_once() -> None:
    ana = offered()
    ana.passes(HOUR - 1)
    assert changes(ana) == [("offered", "")]
    ana.passes(1)
    assert changes(ana) == [("offered", ""), ("expired", "")]
    ana.does("Something")
    ana.passes(DAY)
    assert changes(ana) == [("offered", ""), ("expired", "")]


def test_what_was_redeemed_does_not_expire_and_what_expired_is_not_redeemed() -> None:
    redeemed, expired = offered(), offered()
    redeemed.does("Order Completed", coupon="TEN")
    redeemed.passes(DAY)
    assert [change for change, _ in changes(redeemed)] == ["offered", "redeemed"]
    expired.passes(HOUR)
    expired.does("Order Completed", coupon="TEN")
    assert [change for change, _ in changes(expired)] == ["offered", "expired"]


def test_the_expiry_wakes_a_profile_that_waits_for_nothing_else() -> None:
    ana = offered()
    ana.passes(HOUR // 2)  # the session is over
    assert ana.profile.wake_at == ana.profile.grants[0].expires_at
    ana.passes(HOUR)
    assert ana.profile.wake_at > MORNING + HOUR


def test_what_was_never_delivered_is_withdrawn_with_its_message() -> None:
    ana = offered()
    ana.reports(ana.profile.ledger[0].id, "failed", "refused")
    assert changes(ana) == [("offered", ""), ("withdrawn", "")]
    assert ana.profile.grants == []
    ana.passes(HOUR)
    assert changes(ana) == [("offered", ""), ("withdrawn", "")]


def test_no_event_happens_where_nobody_listens() -> None:
    ana = offered()
    ana.passes(HOUR)
    assert events(ana) == []


def test_each_change_is_an_event_to_whom_listens() -> None:
    ana = offered(counted(OFFER), counted(EXPIRY))
    ana.passes(HOUR)
    assert [(event.name, event.at) for event in events(ana)] == [
        (OFFER, MORNING),
        (EXPIRY, MORNING + HOUR),
    ]
    assert events(ana)[1].properties["incentive"] == "ten"
    assert set(ana.profile.segments) == {"incentive-offered", "incentive-expired"}


def test_a_redemption_can_end_a_journey() -> None:
    goal = plan.Goal(watch=plan.Watch(events=(REDEMPTION,)), within_ms=DAY)
    thanks = journey("offer", SEND, REST, goal=goal)
    ana = Customer(program(thanks, messages=(ten(),)))
    ana.does("Started")
    ana.does("Order Completed", coupon="TEN")
    assert ana.profile.runs == []
    assert [event.properties["by"] for event in events(ana)] == ["Order Completed"]


def test_a_late_wake_up_tells_the_expiry_at_the_instant_at_which_it_was() -> None:
    ana = offered(counted(EXPIRY))
    ana.now += 3 * HOUR  # type: ignore[assignment] # nobody woke her
    ana.does("Order Completed", coupon="TEN")
    assert [(event.name, event.at) for event in events(ana)] == [(EXPIRY, MORNING + HOUR)]


def test_a_merge_tells_no_expiry_twice() -> None:
    ana, bob = offered(), offered(name="bob")
    for one in (ana, bob):
        one.delivers()
        one.passes(HOUR)
    ana.absorbs(bob)
    ana.passes(DAY)
    assert [change for change, _ in changes(ana)] == ["offered", "expired"]
    assert len(ana.profile.grants) == 2


def test_what_expired_in_the_queue_is_not_told_again_when_its_message_is_withdrawn() -> None:
    ana = offered()
    ana.passes(HOUR)
    ana.reports(ana.profile.ledger[0].id, "failed", "expired")
    assert [change for change, _ in changes(ana)] == ["offered", "expired"]
    assert ana.profile.grants == []

"""A simulated customer stays one: whatever follows from them says so, and reaches nobody."""

import itertools

import pytest

from segue.kernel import plan
from segue.kernel.effects import AssignTask, CallWebhook, ChangeAudience, Send
from segue.kernel.inputs import Event
from segue.kernel.merge import absorb
from segue.kernel.profile import Profile
from segue.kernel.turn import Turn
from segue.kernel.values import DAY, Instant, ProfileId
from tests.unit.kernel.customers import MORNING, Customer, journey, message, program, send

PROGRAM = program(
    journey(
        "all",
        plan.Audience(id="ads", next="call", audience="buyers", change="remove"),
        plan.Call(id="call", next="assign", webhook="crm"),
        plan.Assign(id="assign", next="mail", title="Call them"),
        send("mail", "hello"),
        entries=(plan.OnEvent(events=("Started",)),),
    ),
    messages=(message("hello"),),
)


def happened(customer: Customer, name: str, simulated: bool) -> None:
    context = {"simulated": True} if simulated else {}
    customer.say(
        Event(id=f"{name}-{simulated}", name=name, at=MORNING, context=context, user_id="ana")
    )


def marks(customer: Customer) -> list[bool]:
    found: list[bool] = []
    for effect in customer.effects:
        match effect:
            case ChangeAudience() | CallWebhook() | AssignTask():
                found.append(effect.simulated)
            case Send():
                told = effect.data["profile"]
                assert isinstance(told, dict)
                found.append(told.get("simulated") is True)
            case _:
                pass
    return found


@pytest.mark.parametrize("simulated", [True, False])
def test_every_effect_says_whether_nobody_is_behind_it(simulated: bool) -> None:
    customer = Customer(PROGRAM, known=False)
    happened(customer, "Seen", simulated)
    customer.profile.traits["email"] = "ana@example.com"
    customer.does("Started")
    assert marks(customer) == [simulated] * 4


def test_a_real_customer_can_not_be_made_a_simulated_one() -> None:
    customer = Customer(PROGRAM, known=False)
    happened(customer, "Seen", False)
    happened(customer, "Seen Again", True)
    assert not customer.profile.simulated


KINDS = list(itertools.product(["empty", "simulated", "real"], repeat=3))


def person(name: str, kind: str) -> Profile:
    seen = Instant(0) if kind == "empty" else Instant(DAY)
    return Profile(
        id=ProfileId(name), draw_key=name, last_seen_at=seen, simulated=kind == "simulated"
    )


@pytest.mark.parametrize("kinds", KINDS)
def test_merged_in_any_order_real_wins_and_simulated_is_kept(kinds: tuple[str, ...]) -> None:
    want = "real" not in kinds and "simulated" in kinds
    for order in itertools.permutations(range(3)):
        one, two, three = (person("abc"[n], kinds[n]) for n in order)
        assert merged(merged(one, two), three).simulated is want


def merged(mine: Profile, other: Profile) -> Profile:
    absorb(Turn(PROGRAM, mine, Instant(2 * DAY), None), other)
    return mine

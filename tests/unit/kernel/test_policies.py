"""Goal: a policy is asked of what it reaches, and of nothing else."""

from itertools import product

from segue.kernel.plan import Reach
from segue.kernel.policies import ByReach, Candidate, reaches

REACHES = (
    Reach(),
    Reach(channels=("email",)),
    Reach(journeys=("win-back",), channels=("sms", "email")),
    Reach(messages=("news",)),
    Reach(placements=("top",)),
    Reach(tags=("discount", "loud")),
    Reach(tags=("discount",), journeys=("cart",)),
)


def test_policies_are_found_by_what_they_reach_in_the_plans_order() -> None:
    found = ByReach((reach, number) for number, reach in enumerate(REACHES))
    journeys, channels = ("win-back", "cart", ""), ("email", "web")
    messages, places, tags = ("news", "offer"), ("", "top"), ((), ("discount",), ("calm", "loud"))
    for each in product(messages, journeys, tags, channels, places):
        one = Candidate("id", *each)
        wanted = tuple(number for number, reach in enumerate(REACHES) if reaches(reach, one))
        assert found.of(one) == wanted
        assert found.of(one) == wanted, "and again, when it is remembered"

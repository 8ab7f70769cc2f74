"""Where two programs part: customer by customer, over the same log.

Rule 1: two programs differ for a customer if what they would have got differs: a message more
    or less on a channel or placement, the same message at another time, a journey entered
    more or less often. What neither sends is no difference, however it was held or denied.
Rule 2: counts are of everyone; the list is of those for whom they differ most, and bounded.
"""

from collections import Counter

import msgspec

from segue.kernel.values import Instant
from segue.sim.backtest_tally import Customer
from segue.sim.limits import DIFFERENCES_MAX
from segue.sim.report import Counts


class Sent(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A message that one of the two would have sent, and when."""

    at: Instant
    message: str
    where: str


class Moved(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A message that both would have sent, at different times."""

    at: Instant
    message: str
    where: str
    other_at: Instant


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What differs for one customer, seen from the program that is tried out."""

    profile: str
    who: str
    gained: tuple[Sent, ...] = ()
    """What only the program that is tried out sends."""
    lost: tuple[Sent, ...] = ()
    """What only the other one sends."""
    moved: tuple[Moved, ...] = ()
    """`at` is when the program that is tried out sends it, `other_at` when the other does."""
    journeys: dict[str, tuple[int, int]] = {}
    """Journeys entered a different number of times: (tried out, other)."""

    @property
    def size(self) -> int:
        """How much differs; what is gained or lost weighs more than what moved."""
        return 2 * (len(self.gained) + len(self.lost)) + len(self.moved) + len(self.journeys)


class Change(msgspec.Struct, kw_only=True):
    """What becomes of one message, in customers."""

    gained: int = 0
    lost: int = 0
    moved: int = 0


class Comparison(msgspec.Struct, kw_only=True):
    """Two programs over everyone."""

    same: int = 0
    differing: int = 0
    messages: dict[str, Change] = {}
    journeys: dict[str, Counts] = {}
    """By journey: customers who enter it more often, and less often."""
    customers: list[Difference] = []

    def take(self, one: Difference | None) -> None:
        """Count one customer; None is one for whom nothing differs."""
        if one is None:
            self.same += 1
            return
        self.differing += 1
        for field, sends in (("gained", one.gained), ("lost", one.lost), ("moved", one.moved)):
            for message in {send.message for send in sends}:
                change = self.messages.setdefault(message, Change())
                setattr(change, field, getattr(change, field) + 1)
        for journey, (mine, other) in one.journeys.items():
            counts = self.journeys.setdefault(journey, {"more": 0, "less": 0})
            counts["more" if mine > other else "less"] += 1
        self.customers.append(one)
        if len(self.customers) > 2 * DIFFERENCES_MAX:
            self.shorten()

    def shorten(self) -> None:
        """Keep those for whom most differs."""
        self.customers.sort(key=lambda one: (-one.size, one.profile))
        del self.customers[DIFFERENCES_MAX:]

    def add(self, other: "Comparison") -> None:
        """Add a comparison over other customers."""
        self.same += other.same
        self.differing += other.differing
        for message, change in other.messages.items():
            mine = self.messages.setdefault(message, Change())
            mine.gained += change.gained
            mine.lost += change.lost
            mine.moved += change.moved
        for journey, counts in other.journeys.items():
            totals = self.journeys.setdefault(journey, {"more": 0, "less": 0})
            for name, many in counts.items():
                totals[name] += many
        self.customers += other.customers
        self.shorten()

    def in_order(self) -> "Comparison":
        """With every record in order."""
        self.shorten()
        self.messages = dict(sorted(self.messages.items()))
        self.journeys = dict(sorted(self.journeys.items()))
        return self


def differ(mine: Customer, other: Customer) -> Difference | None:
    """What differs for one customer between the program that is tried out and another."""
    sent, before = _sent(mine), _sent(other)
    gained: list[Sent] = []
    lost: list[Sent] = []
    moved: list[Moved] = []
    for key in sorted(sent.keys() | before.keys()):
        message, where = key
        ours, theirs = sent.get(key, []), before.get(key, [])
        common = set(ours) & set(theirs)
        left = [at for at in ours if at not in common]
        right = [at for at in theirs if at not in common]
        for at, then in zip(left, right, strict=False):
            moved.append(Moved(at=at, message=message, where=where, other_at=then))
        pairs = min(len(left), len(right))
        gained += [Sent(at=at, message=message, where=where) for at in left[pairs:]]
        lost += [Sent(at=at, message=message, where=where) for at in right[pairs:]]
    entered, entered_before = _entered(mine), _entered(other)
    journeys = {
        name: (entered[name], entered_before[name])
        for name in sorted(entered.keys() | entered_before.keys())
        if entered[name] != entered_before[name]
    }
    if not (gained or lost or moved or journeys):
        return None
    return Difference(
        profile=mine.profile.id,
        who=mine.who,
        gained=tuple(sorted(gained)),
        lost=tuple(sorted(lost)),
        moved=tuple(sorted(moved)),
        journeys=journeys,
    )


def _sent(one: Customer) -> dict[tuple[str, str], list[Instant]]:
    found: dict[tuple[str, str], list[Instant]] = {}
    for seen in one.seen:
        if seen.what == "admitted":
            found.setdefault((seen.message, seen.place), []).append(seen.at)
    return found


def _entered(one: Customer) -> Counter[str]:
    return Counter(seen.journey for seen in one.seen if seen.what == "entered")

"""Two profiles turn out to be one customer.

Rule 1: nothing is lost: counters add, trails and ledgers unite, runs go on.
Rule 2: the strictest consent wins, whenever it was said; variants stay; later draws are keyed
    by the older of the two.
Rule 3: the order of merges does not matter: each part below is commutative and associative,
    and where one of two must be chosen it is by a total order.
Rule 4: a customer stands once in a journey and key: of two such runs the older goes on.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from segue.kernel import chance, exact, features, ledger, limits, policies
from segue.kernel.profile import Consent, Entered, Profile, Run, Session, Silence
from segue.kernel.trace import Remarked, RunChanged
from segue.kernel.turn import Turn
from segue.kernel.values import Instant, Record

V = TypeVar("V")

STRICTNESS = {"granted": 0, "pending": 1, "denied": 2}


def absorb(turn: Turn, other: Profile) -> None:
    """Take everything of `other` into the turn's profile."""
    mine = turn.profile
    _identity(mine, other)
    _traits(mine, other)
    mine.consents = unite(mine.consents, other.consents, strictest)
    mine.unreachable = unite(mine.unreachable, other.unreachable, max)
    mine.tallies = unite(mine.tallies, other.tallies, features.merge_tally)
    mine.trails = unite(mine.trails, other.trails, features.merge_trail)
    _sessions(mine, other)
    mine.segments = unite(mine.segments, other.segments, min)
    mine.segments_due = {}
    mine.scheduled = {}
    mine.silences = unite(mine.silences, other.silences, _later_silence)
    mine.entered = unite(mine.entered, other.entered, _add_entered)
    mine.assignments = {
        stream: _variant(stream, mine.assignments.get(stream), other.assignments.get(stream))
        for stream in sorted({*mine.assignments, *other.assignments})
    }
    mine.bought = unite(mine.bought, other.bought, max)
    mine.proposals = sorted([*mine.proposals, *other.proposals], key=lambda one: one.id)
    mine.offers = sorted([*mine.offers, *other.offers], key=lambda one: (one.offered_at, one.id))
    mine.ledger = sorted([*mine.ledger, *other.ledger], key=lambda one: (one.at, one.id))
    mine.grants = sorted(
        [*mine.grants, *other.grants], key=lambda one: (one.offered_at, one.source)
    )[-limits.GRANTS_MAX :]
    mine.draw_key = min(_age(mine), _age(other))[1]
    mine.orders += other.orders
    mine.ordered_at = max(mine.ordered_at, other.ordered_at)
    mine.simulated = _simulated(mine, other)
    mine.first_seen_at = min(mine.first_seen_at, other.first_seen_at)
    mine.last_seen_at = max(mine.last_seen_at, other.last_seen_at)
    _runs(turn, other)
    turn.notes.append(Remarked(what="merged", detail={"absorbed": other.id}))


def unite(mine: Mapping[str, V], other: Mapping[str, V], both: Callable[[V, V], V]) -> dict[str, V]:
    """Both mappings in order of key; where a key stands in both, `both` says what it becomes."""
    united: dict[str, V] = {}
    for key in sorted({*mine, *other}):
        if key in mine and key in other:
            united[key] = both(mine[key], other[key])
        else:
            united[key] = mine[key] if key in mine else other[key]
    return united


def strictest(one: Consent, other: Consent) -> Consent:
    """Denied before pending before granted; of two alike, the earlier said."""
    return min(one, other, key=lambda c: (-STRICTNESS[c.state], c.at, c.source))


def _age(profile: Profile) -> tuple[int, str]:
    return (profile.first_seen_at, profile.draw_key)


def _identity(mine: Profile, other: Profile) -> None:
    mine.user_ids = _listed(mine.user_ids, other.user_ids)
    mine.anonymous_ids = _listed(mine.anonymous_ids, other.anonymous_ids)
    mine.zone = max((mine.last_seen_at, mine.zone), (other.last_seen_at, other.zone))[1] or (
        mine.zone or other.zone
    )


def _listed(mine: Iterable[str], other: Iterable[str]) -> list[str]:
    return sorted({*mine, *other})[: limits.IDENTITIES_MAX]


def _traits(mine: Profile, other: Profile) -> None:
    """Of a trait that both have, the one said later; removals count as sayings."""
    traits: Record = {}
    said: dict[str, int] = {}
    for key in sorted({*mine.traits_at, *other.traits_at}):
        newest = max(
            (p for p in (mine, other) if key in p.traits_at),
            key=lambda p: (p.traits_at[key], features.digest(p.traits.get(key))),
        )
        said[key] = newest.traits_at[key]
        if key in newest.traits:
            traits[key] = newest.traits[key]
    mine.traits, mine.traits_at = traits, said


def _sessions(mine: Profile, other: Profile) -> None:
    """One live session of the two; lines of the ledger keep counting for the one they were in."""
    number = mine.sessions + other.sessions
    for profile in (mine, other):
        if profile.session is not None:
            for line in profile.ledger:
                if line.session == profile.session.number:
                    line.session = number
    if mine.session is not None and other.session is not None:
        mine.session = _one_session(mine.session, other.session)
    else:
        mine.session = mine.session or other.session
    if mine.session is not None:
        mine.session.number = number
    mine.sessions = number


def _one_session(one: Session, other: Session) -> Session:
    """Counters add; products seen in both are repeats. Scores are computed anew."""
    both = set(one.products) & set(other.products)
    return Session(
        number=0,
        started_at=min(one.started_at, other.started_at),
        last_at=max(one.last_at, other.last_at),
        events=one.events + other.events,
        views=one.views + other.views,
        value=exact.total(exact.add([one.value], other.value)),
        products=sorted({*one.products, *other.products})[: limits.SESSION_PRODUCTS_MAX],
        repeats=one.repeats + other.repeats + len(both),
        searches=one.searches + other.searches,
        carts=one.carts + other.carts,
        cart_value=exact.total(exact.add([one.cart_value], other.cart_value)),
        checkout_at=min(one.checkout_at, other.checkout_at),
        converted_at=min(one.converted_at, other.converted_at),
        orders=one.orders + other.orders,
    )


def _later_silence(one: Silence, other: Silence) -> Silence:
    return max(one, other, key=lambda s: (s.due_at, features.digest(s.properties)))


def _add_entered(one: Entered, other: Entered) -> Entered:
    return Entered(one.count + other.count, Instant(max(one.last_at, other.last_at)))


def _variant(stream: str, one: str | None, other: str | None) -> str:
    """A variant stays; of two, a holdout wins, else the one that a keyed draw puts first.

    A choice by age would depend on the order of merges; a choice by name would favour the
    first letters of the alphabet.
    """
    drawn = [variant for variant in (one, other) if variant is not None]
    if stream.startswith(policies.HOLDOUT) and policies.HELD_OUT in drawn:
        return policies.HELD_OUT
    return min(drawn, key=lambda variant: (chance.draw(stream, variant), variant))


def _runs(turn: Turn, other: Profile) -> None:
    """Runs of both go on, except where both stand in one journey and key."""
    runs = sorted([*turn.profile.runs, *other.runs], key=lambda run: (run.entered_at, run.id))
    kept: list[Run] = []
    taken: set[tuple[str, str]] = set()
    for run in runs:
        if (run.journey, run.key) not in taken:
            taken.add((run.journey, run.key))
            kept.append(run)
            continue
        ledger.withdraw(turn, run.id, None, "merged", other.id)
        turn.notes.append(
            RunChanged(
                run=run.id, journey=run.journey, change="ended", step=run.step, reason="merged"
            )
        )
    turn.profile.runs = kept


def _simulated(one: Profile, other: Profile) -> bool:
    """Real if one of them is, else simulated if one is; one without events is neither."""
    real = any(each.last_seen_at and not each.simulated for each in (one, other))
    return not real and (one.simulated or other.simulated)

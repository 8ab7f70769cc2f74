"""Whose an input is: every rule of identity, and that the order of events does not matter."""

from itertools import permutations

import pytest
from hypothesis import given, strategies as st

from segue.kernel.identity import (
    Name,
    Resolution,
    derive,
    names_of,
    occasion,
    previous_id,
    record,
    resolve,
)
from segue.kernel.inputs import Event
from segue.kernel.limits import IDENTITIES_MAX
from segue.kernel.profile import create
from segue.kernel.values import Instant, ProfileId

USER, OTHER, GUEST = ProfileId("user"), ProfileId("other"), ProfileId("guest")
ANA, BEN = Name("user", "ana"), Name("user", "ben")
PHONE = Name("anonymous", "phone")


def ask(
    named: dict[Name, ProfileId], known: set[ProfileId], **identifiers: str
) -> Resolution | None:
    return resolve(named, lambda profile: profile in known, **identifiers)


def test_ids_are_derived_and_tell_kinds_apart() -> None:
    assert derive(ANA) == derive(Name("user", "ana"))
    assert derive(Name("user", "x")) != derive(Name("anonymous", "x"))
    assert len(derive(ANA)) == 20
    assert derive(ANA) == "2x5hs534mgpadzcx7nhn"


def test_nobody_is_named_by_nothing() -> None:
    assert ask({}, set()) is None


def test_a_new_anonymous_id_begins_a_profile() -> None:
    made = ask({}, set(), anonymous_id="phone")
    assert made == Resolution(profile=derive(PHONE), new=True, links=(PHONE,))


def test_a_known_anonymous_id_names_its_profile() -> None:
    assert ask({PHONE: GUEST}, set(), anonymous_id="phone") == Resolution(profile=GUEST)


def test_a_new_user_takes_over_the_anonymous_profile_without_a_merge() -> None:
    found = ask({PHONE: GUEST}, set(), user_id="ana", anonymous_id="phone")
    assert found == Resolution(profile=GUEST, links=(ANA,))


def test_two_new_identifiers_begin_one_profile() -> None:
    found = ask({}, set(), user_id="ana", anonymous_id="phone")
    assert found == Resolution(profile=derive(ANA), new=True, links=(ANA, PHONE))


def test_an_anonymous_profile_without_a_user_is_absorbed_by_the_users() -> None:
    found = ask({ANA: USER, PHONE: GUEST}, {USER}, user_id="ana", anonymous_id="phone")
    assert found == Resolution(profile=USER, absorbs=(GUEST,))


def test_on_a_shared_device_the_anonymous_id_follows_the_latest_user() -> None:
    named = {ANA: USER, PHONE: OTHER}
    found = ask(named, {USER, OTHER}, user_id="ana", anonymous_id="phone")
    assert found == Resolution(profile=USER, links=(PHONE,))


def test_a_new_user_on_a_shared_device_begins_a_profile() -> None:
    found = ask({PHONE: OTHER}, {OTHER}, user_id="ana", anonymous_id="phone")
    assert found == Resolution(profile=derive(ANA), new=True, links=(ANA, PHONE))


def test_an_alias_of_two_users_merges_them_and_the_new_one_lives_on() -> None:
    found = ask({ANA: USER, BEN: OTHER}, {USER, OTHER}, user_id="ana", previous="ben")
    assert found is not None
    assert (found.profile, found.absorbs) == (USER, (OTHER,))


def test_an_alias_of_an_unknown_id_lets_late_events_find_the_user() -> None:
    found = ask({ANA: USER}, {USER}, user_id="ana", previous="ben")
    assert found == Resolution(profile=USER, links=(BEN, Name("anonymous", "ben")))


def test_an_alias_to_a_user_that_nobody_has_seen_renames_the_old_one() -> None:
    found = ask({BEN: OTHER}, {OTHER}, user_id="ana", previous="ben")
    assert found is not None
    assert (found.profile, found.absorbs, found.new) == (OTHER, (), False)


def test_an_alias_from_a_shared_device_does_not_merge_its_other_user() -> None:
    named = {ANA: USER, PHONE: OTHER}
    found = ask(named, {USER, OTHER}, user_id="ana", previous="phone")
    assert found is not None
    assert found.absorbs == ()
    assert PHONE in found.links


def test_an_alias_from_an_anonymous_id_merges_its_profile() -> None:
    found = ask({ANA: USER, PHONE: GUEST}, {USER}, user_id="ana", previous="phone")
    assert found is not None
    assert found.absorbs == (GUEST,)


def test_an_alias_that_repeats_the_anonymous_id_links_it_once() -> None:
    found = ask({ANA: USER}, {USER}, user_id="ana", anonymous_id="phone", previous="phone")
    assert found is not None
    assert found.links.count(PHONE) == 1


def an_alias(user: str, previous: object) -> Event:
    return Event(
        id="1",
        name="Profile Aliased",
        at=Instant(0),
        kind="alias",
        user_id=user,
        properties={"previousId": previous},  # type: ignore[dict-item]
    )


@pytest.mark.parametrize("previous", [None, 7, "", "ana", ["ben"]])
def test_an_alias_that_says_nothing_new_is_an_ordinary_event(previous: object) -> None:
    assert previous_id(an_alias("ana", previous)) == ""
    assert names_of(an_alias("ana", previous)) == (ANA,)


def test_an_alias_asks_for_both_kinds_of_the_previous_id() -> None:
    assert names_of(an_alias("ana", "ben")) == (ANA, BEN, Name("anonymous", "ben"))


def test_the_profile_lists_its_names_up_to_a_limit_newest_last() -> None:
    profile = create(USER, Instant(0))
    record(profile, [ANA, PHONE, ANA])
    assert (profile.user_ids, profile.anonymous_ids) == (["ana"], ["phone"])
    record(profile, [Name("anonymous", f"a{n}") for n in range(IDENTITIES_MAX + 5)])
    assert len(profile.anonymous_ids) == IDENTITIES_MAX
    assert profile.anonymous_ids[-1] == f"a{IDENTITIES_MAX + 4}"


def test_occasions_differ_by_profile_instant_and_number() -> None:
    ids = {
        occasion(profile, Instant(at), number)
        for profile in (USER, OTHER)
        for at in (1, 2)
        for number in (1, 2)
    }
    assert len(ids) == 8


@given(st.text(), st.text())
def test_any_text_is_a_name(one: str, other: str) -> None:
    assert (derive(Name("user", one)) == derive(Name("user", other))) == (one == other)


class World:
    """Who is who after a few events, with profiles reduced to sets of what they came from."""

    def __init__(self) -> None:
        self.named: dict[Name, ProfileId] = {}
        self.known: set[ProfileId] = set()

    def hear(self, user: str = "", anonymous: str = "", previous: str = "") -> None:
        found = resolve(
            self.named,
            lambda profile: profile in self.known,
            user_id=user,
            anonymous_id=anonymous,
            previous=previous,
        )
        assert found is not None
        for name in found.links:
            self.named[name] = found.profile
        for other in found.absorbs:
            self.known.discard(other)
            for name, profile in self.named.items():
                if profile == other:
                    self.named[name] = found.profile
        if user:
            self.known.add(found.profile)

    def together(self) -> set[frozenset[Name]]:
        """Which identifiers name one customer."""
        groups: dict[ProfileId, set[Name]] = {}
        for name, profile in self.named.items():
            groups.setdefault(profile, set()).add(name)
        return {frozenset(names) for names in groups.values()}


def test_who_is_who_does_not_depend_on_the_order_of_aliases() -> None:
    said = [("ana", "", "ben"), ("ana", "", "cy"), ("ana", "phone", ""), ("cy", "tablet", "")]
    ends: list[set[frozenset[Name]]] = []
    for order in permutations(said):
        world = World()
        for user, anonymous, previous in order:
            world.hear(user, anonymous, previous)
        ends.append(world.together())
    assert all(end == ends[0] for end in ends)
    assert len(ends[0]) == 1

"""Whose an input is: from identifiers to profiles.

Rule 1: a profile's id is derived from the first identifier that named it, never drawn.
Rule 2: an anonymous id that has no user yet becomes that of the first user seen with it.
Rule 3: an anonymous id that is a known user's, and comes with another user (a shared
    device), is linked to that user from now on; the two profiles stay apart.
Rule 4: an alias says that two users are one. The profile of its `user_id` lives on.
Rule 5: identifiers are never unlinked, so every late event finds a profile.

Pure: the caller says what each identifier names today and which profiles have a user.
Which of two profiles' *draw key* lives on is decided by the merge, by content alone; so
the order of merges does not change what a customer gets.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Literal as OneOf

import msgspec

from segue.kernel.inputs import Event
from segue.kernel.limits import DERIVED_MAX, IDENTITIES_MAX
from segue.kernel.profile import Profile
from segue.kernel.values import Instant, ProfileId

PREVIOUS_ID = "previousId"
"""The property of an `alias` event that holds the id which was used before."""

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(low + high for high in _ALPHABET for low in _ALPHABET)
"""Two digits at once, the lower one first."""
_ID_LENGTH = 20


class Name(msgspec.Struct, frozen=True, array_like=True, order=True):
    """An identifier: its kind, `user` or `anonymous`, and its value."""

    kind: OneOf["user", "anonymous"]
    value: str


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """The profile an input is for, and what changes in who is who."""

    profile: ProfileId
    new: bool = False
    """The profile does not exist yet."""
    links: tuple[Name, ...] = ()
    """Identifiers that name the profile from now on."""
    absorbs: tuple[ProfileId, ...] = ()
    """Profiles that turned out to be the same customer."""


@lru_cache(DERIVED_MAX)
def derive(name: Name) -> ProfileId:
    """The id of the profile that this identifier begins: 100 bits in base 32."""
    return ProfileId(_digest(b"segue/profile", f"{name.kind}\0{name.value}"))


def occasion(profile: ProfileId, now: Instant, number: int) -> str:
    """An id for a question or call that came without one."""
    return _digest(b"segue/occasion", f"{profile}\0{now}\0{number}")


def _digest(key: bytes, text: str) -> str:
    # Surrogates can't come in through ingestion; should one, it must not end the batch.
    data = text.encode("utf-8", "surrogatepass")
    number = int.from_bytes(hashlib.blake2b(data, key=key, digest_size=13).digest(), "big")
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(0, 5 * _ID_LENGTH, 10)])


def previous_id(event: Event) -> str:
    """The id that an `alias` says was used before; empty where there is none."""
    value = event.properties.get(PREVIOUS_ID) if event.kind == "alias" else None
    return value if isinstance(value, str) and value != event.user_id else ""


def names_of(event: Event) -> tuple[Name, ...]:
    """Every identifier in an event: what the caller has to look up before `resolve`."""
    names: list[Name] = []
    if event.user_id:
        names.append(Name("user", event.user_id))
    if event.anonymous_id:
        names.append(Name("anonymous", event.anonymous_id))
    if event.kind == "alias" and event.user_id and (previous := previous_id(event)):
        names += [Name("user", previous), Name("anonymous", previous)]
    return tuple(dict.fromkeys(names))


def resolve(
    named: Mapping[Name, ProfileId],
    has_user: Callable[[ProfileId], bool],
    *,
    user_id: str = "",
    anonymous_id: str = "",
    previous: str = "",
) -> Resolution | None:
    """Whose an input with these identifiers is; None where it carries none.

    `named` holds what the identifiers name today, heirs already in place of absorbed
    profiles; `has_user` says whether a profile belongs to a known user.
    """
    anonymous = Name("anonymous", anonymous_id) if anonymous_id else None
    if not user_id:
        return _of_anonymous(named, anonymous) if anonymous else None
    user = Name("user", user_id)
    profile = named.get(user)
    links: list[Name] = [] if profile else [user]
    absorbs: list[ProfileId] = []

    def unite(name: Name, other: ProfileId | None, same: bool) -> None:
        """Let `name`, which names `other`, name the user's profile."""
        nonlocal profile
        if other is None:
            links.append(name)
        elif profile is None and (same or not has_user(other)):
            profile = other
        elif other == profile or other in absorbs:
            return
        elif profile is not None and (same or not has_user(other)):
            absorbs.append(other)
        else:
            links.append(name)

    if previous:
        # The alias itself says that the two users are one, whatever was known of them. An
        # anonymous id may be a shared device's, so it only follows rules 2 and 3.
        for name, same in ((Name("user", previous), True), (Name("anonymous", previous), False)):
            unite(name, named.get(name), same)
    if anonymous and anonymous not in links:
        unite(anonymous, named.get(anonymous), same=False)
    return Resolution(
        profile=profile or derive(user),
        new=profile is None,
        links=tuple(links),
        absorbs=tuple(absorbs),
    )


def _of_anonymous(named: Mapping[Name, ProfileId], anonymous: Name) -> Resolution:
    profile = named.get(anonymous)
    if profile:
        return Resolution(profile=profile)
    return Resolution(profile=derive(anonymous), new=True, links=(anonymous,))


def record(profile: Profile, links: Iterable[Name]) -> None:
    """Note in the profile what names it; the newest ids of each kind, oldest first."""
    for name in links:
        ids = profile.user_ids if name.kind == "user" else profile.anonymous_ids
        if name.value not in ids:
            ids.append(name.value)
            del ids[:-IDENTITIES_MAX]

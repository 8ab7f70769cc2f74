"""What a host remembers between batches: decoded profiles, and what identifiers name.

Rule 1: only what a commit has saved is in here. A batch takes profiles out, changes them,
    and puts them back when its commit has returned; after a failed one they stay out.
Rule 2: nothing here is needed: forgetting everything costs time only. A stale entry costs
    a `StaleCommit`, never a wrong decision.
"""

from collections.abc import Iterable, Mapping

from segue.hosts.limits import PROFILES_CACHED_MAX
from segue.kernel.effects import Send
from segue.kernel.identity import Name
from segue.kernel.inputs import Reported
from segue.kernel.profile import Profile
from segue.kernel.values import ProfileId
from segue.stores.ports import QueuedSend

Kept = tuple[Profile, int, tuple[Reported, ...]]
"""A profile, the version it was saved with, and the claims that it does not know of yet."""

NAMES_PER_PROFILE = 4
"""Names remembered for each profile that may be; a name is small."""


class Cache:
    """The least recently used profile, and the longest known name, are forgotten first."""

    def __init__(self, profiles_max: int = PROFILES_CACHED_MAX) -> None:
        self.profiles_max = profiles_max
        self.names: dict[Name, ProfileId] = {}
        self._profiles: dict[ProfileId, Kept] = {}
        self._heirs: dict[ProfileId, ProfileId] = {}

    def take(self, profile: ProfileId) -> Kept | None:
        """What is known of a profile; it is no longer in here then."""
        return self._profiles.pop(profile, None)

    def put(self, profile: Profile, version: int) -> None:
        """Keep a profile that was just saved."""
        self._profiles[profile.id] = (profile, version, ())
        if len(self._profiles) > self.profiles_max:
            del self._profiles[next(iter(self._profiles))]

    def claimed(self, rows: Iterable[QueuedSend]) -> None:
        """These sends were just claimed: their profiles hear of it next, as `load` would say."""
        for row in rows:
            kept = self._profiles.get(row.profile)
            if kept is not None and isinstance(row.effect, Send):
                profile, version, claims = kept
                claims = (*claims, Reported(send_id=row.id, outcome="claimed"))
                self._profiles[row.profile] = (profile, version, claims)

    def named(self, name: Name) -> ProfileId | None:
        """The profile that a name is known to name."""
        profile = self.names.get(name)
        return self.heir(profile) if profile is not None and self._heirs else profile

    def learn(self, names: Mapping[Name, ProfileId]) -> None:
        """Remember what names name."""
        self.names.update(names)
        excess = len(self.names) - NAMES_PER_PROFILE * self.profiles_max
        if excess > 0:
            for name in list(self.names)[: excess + self.profiles_max // 4]:
                del self.names[name]

    def absorbed(self, other: ProfileId, heir: ProfileId) -> None:
        """One profile lives on in another."""
        self._profiles.pop(other, None)
        self._heirs[other] = heir
        if len(self._heirs) > self.profiles_max:
            # Names may still point at forgotten ones, so they go together.
            self._heirs.clear()
            self.names.clear()

    def heir(self, profile: ProfileId) -> ProfileId:
        """The profile that an absorbed one is known to live on in, else itself."""
        while (heir := self._heirs.get(profile)) is not None:
            profile = heir
        return profile

    def forget(self, profiles: Iterable[ProfileId]) -> None:
        """Let go of these profiles."""
        for profile in profiles:
            self._profiles.pop(profile, None)

    def clear(self) -> None:
        """Let go of everything."""
        self.names.clear()
        self._profiles.clear()
        self._heirs.clear()

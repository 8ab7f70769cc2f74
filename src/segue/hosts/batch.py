"""One batch: from arrivals and due wake-ups to what one commit saves, and the answers.

Rule 1: every profile is stepped in order of arrival. Before its first input of a batch it
    is made *ready*: it is told of its sends' claims and adopts the program in force. (What
    time has made due `step` itself answers first.)
Rule 2: an input that makes `step` raise is kept aside with the reason, and its profile is
    put back to what it was before it. Nothing else of the batch is touched (P8).
Rule 3: a profile is written down before a step only by a *careful* batch. Any other that would
    need it raises `Unsure`, and is answered again carefully: nothing of it was saved, and the
    same inputs give the same answers.
Rule 4: nothing here waits, saves or reads a clock. The live loop and the virtual-time
    engine run this same code (see `desk.py`, which commits).
"""

import logging
from collections.abc import Callable, Iterable, Sequence

import msgspec

from segue.errors import NobodyNamed, StepFailed, StoreUnavailable
from segue.hosts.arrivals import NOBODY, Answer, Arrival
from segue.hosts.cache import Cache
from segue.hosts.coupons import Coupons
from segue.hosts.limits import STUCK_WAKE_MS, WAKES_PER_INPUT_MAX
from segue.hosts.publishing import Modes, concerns
from segue.hosts.teller import Telling
from segue.hosts.zones import Zones
from segue.kernel import identity
from segue.kernel.catalog import EMPTY, Catalog, Interest, interests
from segue.kernel.effects import CouponMove, Effect, Emit, Show
from segue.kernel.identity import Name
from segue.kernel.inputs import (
    Adopted,
    Asked,
    Called,
    Consented,
    Event,
    Input,
    Merged,
    Reported,
    Woke,
)
from segue.kernel.profile import Profile, create
from segue.kernel.program import Program
from segue.kernel.step import step
from segue.kernel.trace import Note
from segue.kernel.values import Instant, Millis, ProfileId, later
from segue.stores.ports import Identifier, Saved, SetAside, Settlement, Store, Told

_log = logging.getLogger("segue.hosts")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Profile).decode


class Unsure(Exception):
    """A step has failed, and what its profile was before it is not known."""


_PASSED = (StoreUnavailable, Unsure)
"""What ends the whole batch, in place of one of its inputs."""


class Docket(msgspec.Struct, frozen=True, kw_only=True):
    """What one batch is to answer."""

    arrivals: Sequence[Arrival] = ()
    wakes: Sequence[ProfileId] = ()
    adopts: Sequence[ProfileId] = ()
    settlements: Sequence[Settlement] = ()
    tellings: Sequence[Telling] = ()
    meta: dict[str, str] = {}
    """Named values that go into the same commit."""


class Work:
    """One profile in the hands of a batch, and all that its inputs came to."""

    __slots__ = (
        "absorbed",
        "absorbed_versions",
        "changed",
        "claims",
        "effects",
        "events",
        "interests",
        "known_claims",
        "links",
        "moves",
        "profile",
        "ready",
        "told",
        "traces",
        "version",
    )

    def __init__(
        self, profile: Profile, version: int = 0, claims: tuple[Reported, ...] = ()
    ) -> None:
        self.profile = profile
        self.version = version
        self.claims = claims
        self.ready = False
        self.changed = False
        self.events: list[tuple[Event, Instant]] = []
        self.effects: list[tuple[Effect, Instant]] = []
        self.traces: list[tuple[Instant, str, tuple[Note, ...]]] = []
        self.known_claims: list[str] = []
        self.absorbed: list[ProfileId] = []
        self.absorbed_versions: list[int] = []
        self.links: list[Identifier] = []
        self.moves: list[CouponMove] = []
        self.interests: list[Interest] = []
        self.told: list[Told] = []

    def absorb(self, other: "Work") -> None:
        """Take over what another profile's inputs of this batch came to; its were first."""
        self.events = other.events + self.events
        self.effects = other.effects + self.effects
        self.moves = other.moves + self.moves
        self.interests = other.interests + self.interests
        self.told = other.told + self.told
        self.traces = other.traces + self.traces
        self.known_claims = other.known_claims + self.known_claims
        self.absorbed += [*other.absorbed, other.profile.id]
        self.absorbed_versions += [*other.absorbed_versions, other.version]
        self.links = other.links + self.links

    def saved(self) -> Saved:
        """What the store is to keep."""
        return Saved(
            profile=self.profile,
            events=tuple(self.events),
            effects=tuple(self.effects),
            traces=tuple(self.traces),
            known_claims=tuple(self.known_claims),
            absorbed=tuple(self.absorbed),
            absorbed_versions=tuple(self.absorbed_versions),
            links=tuple(self.links),
            seen_version=self.version,
            moves=tuple(self.moves),
            interests=tuple(self.interests),
            told=tuple(self.told),
        )


class Batch:
    """Answers a docket over a store's profiles; saves nothing."""

    def __init__(
        self,
        store: Store,
        cache: Cache,
        program: Program,
        zones: Zones,
        needs_history: Callable[[str], bool],
        occasions: dict[ProfileId, int],
        now: Instant,
        coupons: Coupons | None = None,
        *,
        modes: Modes | None = None,
        catalog: Catalog = EMPTY,
        careful: bool = True,
    ) -> None:
        self.works: dict[ProfileId, Work] = {}
        self.aside: list[SetAside] = []
        self.named: dict[Name, ProfileId] = {}
        self.heirs: dict[ProfileId, ProfileId] = {}
        self._store = store
        self._cache = cache
        self._program = program
        self._zones = zones
        self._needs_history = needs_history
        """Whether the program in force counts something that this older one did not."""
        self._now = now
        self._modes = modes or {}
        """What becomes of runs of older programs."""
        self._accepted: set[str] = set()
        """Ids of events accepted before, or in this batch."""
        self._coupons = coupons
        """Codes to hand out; None where they are made up."""
        self._catalog = catalog
        self._careful = careful
        self._occasions_before = occasions
        """How many questions and calls each profile had at this instant, for their ids."""
        self._occasions: dict[ProfileId, int] = {}
        """The same with those of this batch, of profiles that had any in it."""

    # ── reading, in as few questions to the store as there are kinds ──

    def prepare(self, docket: Docket) -> None:
        """Read all that the docket needs: names, profiles, which events were seen."""
        names = [_names_in(arrival) for arrival in docket.arrivals]
        self._read_names(names)
        wanted = dict.fromkeys(self.named.values())
        for arrival in docket.arrivals:
            if arrival.profile:
                wanted[self._cache.heir(arrival.profile)] = None
        wanted |= dict.fromkeys((*docket.wakes, *docket.adopts))
        wanted |= dict.fromkeys(one.profile for one in docket.tellings)
        self._read_profiles(wanted)
        if self.heirs:
            # A name from the cache may be older than another process's merge.
            self.named = {name: self._heir(profile) for name, profile in self.named.items()}
        events = [
            (self._likely(own), arrival.input.id)
            for arrival, own in zip(docket.arrivals, names, strict=True)
            if isinstance(arrival.input, Event)
        ]
        if events:
            self._accepted = self._store.seen(events)

    def _read_names(self, names: Iterable[tuple[Name, ...]]) -> None:
        unknown: dict[Name, None] = {}
        for own in names:
            for name in own:
                if name in self.named or name in unknown:
                    continue
                profile = self._cache.named(name)
                if profile is None:
                    unknown[name] = None
                else:
                    self.named[name] = profile
        if unknown:
            found = self._store.resolve([Identifier(n.kind, n.value) for n in unknown])
            for name in unknown:
                if profile := found.get(Identifier(name.kind, name.value)):
                    self.named[name] = profile

    def _read_profiles(self, wanted: Iterable[ProfileId]) -> None:
        missing: list[ProfileId] = []
        for profile_id in wanted:
            if profile_id in self.works:
                continue
            if kept := self._cache.take(profile_id):
                self.works[profile_id] = Work(*kept)
            else:
                missing.append(profile_id)
        if not missing:
            return
        loaded = self._store.load(missing)
        for profile_id, one in loaded.items():
            self.works[profile_id] = Work(one.profile, one.version, one.claims)
        if len(loaded) < len(missing):
            gone = [profile_id for profile_id in missing if profile_id not in loaded]
            heirs = self._store.forward(gone)
            if heirs:
                self.heirs |= heirs
                self._read_profiles(dict.fromkeys(heirs.values()))

    def _likely(self, names: Sequence[Name]) -> ProfileId:
        """Whose an event with these names most likely is: where its id is looked for first."""
        for name in names[:2]:
            if known := self.named.get(name):
                return known
        return identity.derive(names[0]) if names else NOBODY

    # ── answering ──

    def answer(self, arrival: Arrival) -> Answer:
        """Step one arrival; raises `StoreUnavailable` and `Unsure` only."""
        try:
            return self._answer(arrival)
        except _PASSED:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it harms only itself
            return self._set_aside(arrival, error)

    def _answer(self, arrival: Arrival) -> Answer:
        given = arrival.input
        match given:
            case Event():
                if given.id in self._accepted:
                    likely = self._likely(identity.names_of(given))
                    return Answer(status="duplicate", at=self._now, profile=likely)
                work = self._whose(arrival)
                if work is None:
                    raise NobodyNamed
                self._ready(work)
                effects = self._step(work, given, f"event:{given.id}")
                self._accepted.add(given.id)
                work.events.insert(len(work.events) - _emitted(effects), (given, self._now))
                return Answer(status="accepted", at=self._now, profile=work.profile.id)
            case Reported():
                work = self._found(arrival)
                if work is None:
                    return Answer(status="unknown", at=self._now, reason="no such profile")
                self._ready(work)
                self._step(work, given, f"reported:{given.outcome}:{given.send_id}")
                return Answer(status="accepted", at=self._now, profile=work.profile.id)
            case Asked() | Called() | Consented():
                return self._occasion(arrival, given)

    def _occasion(self, arrival: Arrival, given: Asked | Called | Consented) -> Answer:
        work = self._whose(arrival)
        if work is None:
            if arrival.profile:
                return Answer(status="unknown", at=self._now, reason="no such profile")
            raise NobodyNamed
        self._ready(work)
        if isinstance(given, Consented):
            self._step(work, given, f"consented:{given.channel}/{given.topic}")
            return Answer(status="accepted", at=self._now, profile=work.profile.id)
        if not given.id:
            who = work.profile.id
            before = self._occasions.get(who) or self._occasions_before.get(who, 0)
            self._occasions[who] = number = before + 1
            own = identity.occasion(who, self._now, number)
            given = msgspec.structs.replace(given, id=own)
        kind = "asked" if isinstance(given, Asked) else "called"
        effects = self._step(work, given, f"{kind}:{given.id}")
        return Answer(
            status="accepted",
            at=self._now,
            profile=work.profile.id,
            question=given.id,
            shows=tuple(e for e in effects if isinstance(e, Show) and e.question == given.id),
        )

    def wake(self, profile: ProfileId) -> None:
        """Answer a wake-up if it is still due; an arrival of this batch may have been first."""
        work = self.works.get(self._heir(profile))
        if work is not None:
            self._wake(work)

    def adopt(self, profile: ProfileId) -> None:
        """Let a profile adopt the program in force without another reason."""
        work = self.works.get(self._heir(profile))
        if work is not None:
            self._ready(work)

    def tell(self, telling: Telling) -> None:
        """Tell a profile of a change of an item; who can't be told is not asked again."""
        work = self.works.get(self._heir(telling.profile))
        if work is None:
            return
        self._ready(work)
        work.changed = True
        work.told.append(telling.told)
        before = len(work.events)
        if self._try(work, telling.event, f"event:{telling.event.id}"):
            work.events.insert(before, (telling.event, self._now))

    # ── whose it is ──

    def _heir(self, profile: ProfileId) -> ProfileId:
        while (heir := self.heirs.get(profile)) is not None:
            profile = heir
        return self._cache.heir(profile)

    def _found(self, arrival: Arrival) -> Work | None:
        """The profile an arrival names, if it exists."""
        if arrival.profile:
            return self.works.get(self._heir(arrival.profile))
        for name in _names_in(arrival):
            if name in self.named:
                return self.works.get(self.named[name])
        return None

    def _whose(self, arrival: Arrival) -> Work | None:
        """The profile an arrival is for; made, linked and merged as identity demands."""
        if arrival.profile:
            return self._found(arrival)
        given = arrival.input
        if isinstance(given, Event):
            if work := self._known(given):
                return work
            resolution = identity.resolve(
                self.named,
                self._has_user,
                user_id=given.user_id,
                anonymous_id=given.anonymous_id,
                previous=identity.previous_id(given),
            )
        else:
            resolution = identity.resolve(
                self.named,
                self._has_user,
                user_id=arrival.user_id,
                anonymous_id=arrival.anonymous_id,
            )
        if resolution is None:
            return None
        work = self.works.get(resolution.profile)
        if work is None:
            assert resolution.new, "the profile that a name names has been read"
            work = self.works[resolution.profile] = Work(self._created(resolution.profile))
        for other in resolution.absorbs:
            self._merge(work, other)
        if resolution.links:
            work.changed = True
            identity.record(work.profile, resolution.links)
            for name in resolution.links:
                self.named[name] = resolution.profile
                work.links.append(Identifier(name.kind, name.value))
        return work

    def _known(self, event: Event) -> Work | None:
        """The profile of an event whose names all name one already: that of most events."""
        if event.kind == "alias":
            return None
        user, anonymous = event.user_id, event.anonymous_id
        profile = self.named.get(Name("user", user)) if user else None
        if anonymous:
            named = self.named.get(Name("anonymous", anonymous))
            if user and named != profile:
                return None
            profile = named
        return self.works.get(profile) if profile else None

    def _created(self, profile_id: ProfileId) -> Profile:
        return create(profile_id, self._now)

    def _has_user(self, profile: ProfileId) -> bool:
        work = self.works.get(profile)
        return work is not None and bool(work.profile.user_ids)

    def _merge(self, work: Work, other_id: ProfileId) -> None:
        other = self.works[other_id]
        self._wake(other)
        self._wake(work)
        before = _encode(other.profile) if self._careful else None
        try:
            self._step(work, Merged(other.profile), f"merged:{other_id}")
        except _PASSED:
            raise
        except Exception as error:
            if before is None:
                raise Unsure from error
            other.profile = _decode(before)
            self._keep_aside("merge", error, before)
            return
        work.absorb(other)
        del self.works[other_id]
        self.heirs[other_id] = work.profile.id
        for name, profile in self.named.items():
            if profile == other_id:
                self.named[name] = work.profile.id

    # ── stepping ──

    def _ready(self, work: Work) -> None:
        """Rule 1. Each part that fails is kept aside by itself, and the rest goes on."""
        if work.ready:
            return
        work.ready = True
        for claim in work.claims:
            work.known_claims.append(claim.send_id)
            work.changed = self._try(work, claim, f"reported:claimed:{claim.send_id}") or True
        adopted = work.profile.program in ("", self._program.name)  # a new one has no history
        if not adopted or concerns(self._modes, work.profile, self._program.name):
            history: tuple[tuple[Event, Instant], ...] = ()
            if not adopted and self._needs_history(work.profile.program):
                lines = self._store.history(work.profile.id)
                history = tuple((line.event, line.arrived_at) for line in lines)
                for event, _ in history:
                    work.interests += interests(self._program, event)
            given = Adopted(history, dict(self._modes))
            self._try(work, given, f"adopted:{self._program.name}")
            work.profile.program = self._program.name
            work.changed = True

    def _wake(self, work: Work) -> None:
        """Answer a wake-up that is due; by the end none is, whatever the kernel did."""
        self._ready(work)
        for _ in range(WAKES_PER_INPUT_MAX):
            if work.profile.wake_at > self._now:
                return
            if not self._try(work, Woke(), "woke"):
                break
        if work.profile.wake_at <= self._now:
            # Asked again at once it would spin; a minute lets everyone else go on.
            _log.error("profile %s does not get past its wake-up", work.profile.id)
            work.profile.wake_at = later(self._now, Millis(STUCK_WAKE_MS))
            work.changed = True

    def _try(self, work: Work, given: Input, cause: str) -> bool:
        try:
            self._step(work, given, cause)
        except _PASSED:
            raise
        except Exception as error:  # noqa: BLE001 - Rule 2
            body = b"" if isinstance(given, Adopted) else _encode(given)
            self._keep_aside(f"{cause} of {work.profile.id}", error, body)
            return False
        return True

    def _step(self, work: Work, given: Input, cause: str) -> Sequence[Effect]:
        """Step, and gather what it came to; if it raises, the profile is as it was."""
        self._ensure_zones(work.profile, given)
        before = _encode(work.profile) if work.changed and self._careful else None
        codes = self._coupons.offered() if self._coupons else None
        try:
            answer = step(self._program, work.profile, given, self._now, codes, self._catalog)
        except Exception as error:
            if work.changed and before is None:
                raise Unsure from error
            self._restore(work, before)
            raise
        work.changed = True
        work.profile = answer.profile
        if answer.moves and self._coupons:
            self._coupons.took(answer.moves)
            work.moves += answer.moves
        for effect in answer.effects:
            if isinstance(effect, Emit):
                work.events.append((effect.event, self._now))
            else:
                work.effects.append((effect, self._now))
        if answer.trace:
            work.traces.append((self._now, cause, tuple(answer.trace)))
        return answer.effects

    def _restore(self, work: Work, before: bytes | None) -> None:
        if before is not None:
            work.profile = _decode(before)
            return
        profile_id = work.profile.id
        loaded = self._store.load([profile_id]).get(profile_id)
        work.profile = loaded.profile if loaded else self._created(profile_id)

    def _ensure_zones(self, profile: Profile, given: Input) -> None:
        """Make the tables of zones that this input may bring; nearly always they exist."""
        names = [profile.zone] if profile.zone else []
        if isinstance(given, Event):
            names += [
                name
                for name in (given.context.get("timezone"), given.traits.get("timezone"))
                if isinstance(name, str) and name
            ]
        elif isinstance(given, Merged) and given.other.zone:
            names.append(given.other.zone)
        elif isinstance(given, Asked) and isinstance(name := given.context.get("timezone"), str):
            names.append(name)
        if names:
            self._zones.ensure(names)

    # ── keeping aside ──

    def _set_aside(self, arrival: Arrival, error: Exception) -> Answer:
        body = arrival.body or msgspec.json.encode(arrival.input)
        bad = self._keep_aside(arrival.source, error, body)
        return Answer(status="set_aside", at=self._now, reason=f"{bad.code}: {bad.reason}")

    def _keep_aside(self, source: str, error: Exception, body: bytes) -> SetAside:
        if not isinstance(error, NobodyNamed):
            _log.exception("an input from %s was kept aside", source, exc_info=error)
        bad = aside(self._now, source, body, error)
        self.aside.append(bad)
        return bad

    # ── what came of it ──

    def saved(self) -> list[Saved]:
        """What is to be saved, in the order in which the profiles were read."""
        if names := self._program.interested:
            for work in self.works.values():
                for event, _ in work.events:
                    if event.name in names:
                        work.interests += interests(self._program, event)
        return [work.saved() for work in self.works.values() if work.changed]

    def keep(self) -> None:
        """After the commit: let the cache know."""
        self._occasions_before.update(self._occasions)
        for other, heir in self.heirs.items():
            self._cache.absorbed(other, heir)
        self._cache.learn(self.named)
        for work in self.works.values():
            self._cache.put(work.profile, work.version + work.changed)


def aside(now: Instant, source: str, body: bytes, error: Exception) -> SetAside:
    """A bad input as it is kept; what is not an error of ours on purpose is a bug."""
    code = getattr(error, "code", StepFailed.code)
    reason = str(error) if isinstance(error, NobodyNamed) else f"{type(error).__name__}: {error}"
    return SetAside(at=now, source=source, code=code, reason=reason, body=body)


def _emitted(effects: Sequence[Effect]) -> int:
    return sum(isinstance(effect, Emit) for effect in effects)


def _names_in(arrival: Arrival) -> tuple[Name, ...]:
    if isinstance(arrival.input, Event):
        return identity.names_of(arrival.input)
    names: tuple[Name, ...] = ()
    if arrival.user_id:
        names = (Name("user", arrival.user_id),)
    if arrival.anonymous_id:
        names += (Name("anonymous", arrival.anonymous_id),)
    return names

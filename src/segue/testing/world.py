"""A workspace in virtual time: the real engine, a clock moved by hand, providers that obey.

Rule 1: every deed comes one second after the last one: two events of one instant have no
    order, and in a shop they never share one.
Rule 2: a customer of a test is in no holdout, and in the variants that it asks for: an id is
    chosen for which the draws fall so. Nothing is drawn otherwise than in a shop.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Literal as OneOf, Self

from segue import catalogs, define, wiring
from segue.define.words import WEEKDAYS, minute, span_ms
from segue.errors import WorkspaceWrong, WrongTest
from segue.hosts.arrivals import Answer, Arrival
from segue.hosts.engine import Engine
from segue.hosts.ports import Courier, Delivery, Outcome
from segue.hosts.verdicts import channel_of
from segue.hosts.zones import Zones
from segue.kernel import calendar, chance, identity, plan
from segue.kernel.effects import Effect
from segue.kernel.functions import spelled
from segue.kernel.inputs import Consented
from segue.kernel.policies import in_holdout
from segue.kernel.profile import create
from segue.kernel.values import DAY, MINUTE, SECOND, Instant, ProfileId, Value
from segue.stores.ports import Store
from segue.testing.customer import Customer
from segue.testing.limits import DRAWS_MAX

STARTS = "2026-03-02 09:00"
"""A Monday morning, in the workspace's zone: no holiday, no change of clocks near."""

_STATES: Mapping[str, OneOf["granted", "denied", "pending"]] = {
    "granted": "granted",
    "denied": "denied",
    "pending": "pending",
}
_LOCAL = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2})?")


class Providers:
    """The channels' providers: they take everything, except where a test says that they fail."""

    def __init__(self, courier: Courier) -> None:
        self._courier = courier
        self.failing: set[str] = set()

    def deliver(self, deliveries: list[Delivery]) -> list[Outcome]:
        good = [one for one in deliveries if channel_of(one.effect) not in self.failing]
        taken = iter(self._courier.deliver(good))
        refused = Outcome(result="refused", detail="the test says so")
        return [
            refused if channel_of(one.effect) in self.failing else next(taken) for one in deliveries
        ]

    def resends_safely(self, effect: Effect) -> bool:
        return self._courier.resends_safely(effect)


class Segue:
    """A workspace, its customers and its clock."""

    def __init__(
        self, workspace: Path | str | define.Loaded, *, starts: str = STARTS, zone: str = ""
    ) -> None:
        """`workspace` is a folder, or one loaded already. Raises `WorkspaceWrong`."""
        self.loaded = _loaded(workspace)
        assert self.loaded.plan is not None
        self.plan = self.loaded.plan
        self.zones = Zones()
        self.zone = self.table(zone or self.plan.workspace.zone)
        self._stored = wiring.in_memory()
        self.store: Store = self._stored.__enter__()
        self.providers = Providers(wiring.sandbox(self.store))
        self.engine = Engine(
            self.store,
            self.providers,
            patterns=wiring.patterns,
            zones=self.zones,
            now=_instant(starts, self.zone),
        )
        self.engine.publish(self.loaded.hash, wiring.encoded(self.loaded))
        if self.loaded.folder:
            self._stock(self.loaded.folder)
        self._customers = 0
        self._deeds = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything."""
        self._stored.__exit__(None, None, None)

    # ── time ────────────────────────────────────────────────────────────────────────

    @property
    def now(self) -> Instant:
        """The instant that the clock shows."""
        return self.engine.now

    def waits(self, time: str) -> None:
        """Let time pass: `20m`, `3d`. Raises `WrongTest`."""
        ms = span_ms(time)
        if ms is None:
            raise WrongTest(f"{time!r} is no length of time", "write it like 30m, 12h or 3d")
        self.advance(Instant(self.now + ms))

    def advance(self, to: Instant) -> None:
        """Let time pass until an instant; what falls due on the way happens at its own."""
        self.engine.advance(to)

    def at(self, time: str, weekday: str = "", zone: str = "") -> None:
        """Let time pass until it is next this time of day, perhaps of that weekday."""
        minutes = minute(time)
        if minutes is None or minutes == 24 * 60:
            raise WrongTest(f"{time!r} is no time of day", "write it like 09:00")
        if weekday and weekday not in WEEKDAYS:
            raise WrongTest(f"{weekday!r} is no weekday", f"write one of {', '.join(WEEKDAYS)}")
        table = self.table(zone) if zone else self.zone
        for days in range(9):
            midnight = calendar.start_of_day(table, self.now, days)
            shown = calendar.local_ms(table, midnight) // DAY * DAY + minutes * MINUTE
            to = calendar.instant_of(table, shown)
            named = WEEKDAYS[calendar.local(table, to).weekday - 1]
            if to > self.now and weekday in ("", named):
                self.advance(to)
                return

    def table(self, zone: str) -> calendar.Zone:
        """A time zone's table. Raises `WrongTest` where there is none of this name."""
        self.zones.ensure([zone])
        found = self.zones.get(zone)
        if found is None:
            raise WrongTest(f"there is no zone {zone!r}", "write it like Europe/Berlin")
        return found

    # ── customers and providers ─────────────────────────────────────────────────────

    def customer(
        self,
        name: str = "",
        /,
        *,
        consent: Mapping[str, str] | None = None,
        draws: Mapping[str, str] | None = None,
        zone: str = "",
        held_out: Sequence[str] = (),
        **traits: Value,
    ) -> Customer:
        """A new customer with these traits; `name` is how they are called where a test fails.

        `consent` maps `email` or `email/offers` to granted, denied or pending. `draws` asks
        for the variant of a split or experiment by its stream, `held_out` for holdouts.
        """
        return self.begin(traits, name, consent or {}, draws or {}, zone, held_out)

    def begin(
        self,
        traits: Mapping[str, Value],
        name: str = "",
        consent: Mapping[str, str] | None = None,
        draws: Mapping[str, str] | None = None,
        zone: str = "",
        held_out: Sequence[str] = (),
    ) -> Customer:
        """The same as `customer`, for traits of any name."""
        self._customers += 1
        user = self._name(name or f"customer-{self._customers}", draws or {}, held_out)
        who = Customer(self, user, zone)
        if zone:
            self.table(zone)
        who.becomes({**traits, "timezone": zone} if zone else traits)
        for topic, state in (consent or {}).items():
            who.said(topic, state)
        return who

    def _name(self, name: str, draws: Mapping[str, str], held_out: Sequence[str]) -> str:
        """An id for which the draws fall as they are wanted."""
        for number in range(DRAWS_MAX):
            user = f"{name}-{number}" if number else name
            profile = create(identity.derive(identity.Name("user", user)), self.now)
            if self._falls(profile.draw_key, draws, held_out):
                return user
        raise WrongTest(
            f"no customer draws {dict(draws)}",
            "a stream is `journey/step id`, or an experiment's name; see `segue why`",
        )

    def _falls(self, key: str, draws: Mapping[str, str], held_out: Sequence[str]) -> bool:
        profile = create(ProfileId(key), self.now)
        for policy in self.plan.policies:
            if not isinstance(policy, plan.Holdout) or not 0 < policy.share < chance.PPM:
                continue
            if in_holdout(policy, profile) is not (policy.name in held_out):
                return False
        for journey in self.plan.journeys:
            for node in journey.steps:
                if isinstance(node, plan.Split) and node.stream in draws:
                    weights = [variant.weight for variant in node.variants]
                    drawn = node.variants[chance.pick(node.stream, key, "", weights)]
                    if drawn.name != draws[node.stream]:
                        return False
        streams = {
            n.stream for j in self.plan.journeys for n in j.steps if isinstance(n, plan.Split)
        }
        return set(draws) <= streams

    def fails(self, channel: str) -> None:
        """From here on the provider of this channel refuses everything."""
        self.providers.failing.add(channel)

    def works(self, channel: str) -> None:
        """It works again."""
        self.providers.failing.discard(channel)

    # ── what is sold ────────────────────────────────────────────────────────────────

    def catalog(self, catalog: str, item: Mapping[str, Value], *, gone: bool = False) -> None:
        """An item becomes so, and everyone concerned is told; what is not named of it stays.

        `item` has an `id`. With `gone` it is there no more. Raises `WrongTest`.
        """
        name = spelled(item.get("id"))
        if not name:
            raise WrongTest("which item? its `id` is missing", "write it like id: sofa")
        known = self.store.item(catalog, name)
        self.deed()
        fields = None if gone else {**(known.fields if known else {}), **item}
        self.engine.put_items([(catalog, name, fields)], self.now)

    def _stock(self, folder: str) -> None:
        """Put the items of the workspace's own files into its catalogs."""
        for changes in catalogs.items_of(Path(folder)):
            self.store.put_items(changes, self.now)
        self.engine.tell()

    # ── what customers use ──────────────────────────────────────────────────────────

    def deed(self) -> str:
        """One second later; an id for what happens then."""
        self._deeds += 1
        self.advance(Instant(self.now + SECOND))
        return f"deed-{self._deeds}"

    def feed(self, arrival: Arrival) -> Answer:
        """Answer an arrival now. Raises `WrongTest` where it can't be."""
        answer = self.engine.feed(arrival, self.now)
        if answer.status != "accepted":
            raise WrongTest(f"not accepted ({answer.status}): {answer.reason}", "correct the test")
        return answer


def consented(topic: str, state: str, at: Instant) -> Consented:
    """What somebody said of `channel/topic`, or of all topics of a channel."""
    channel, _, about = topic.partition("/")
    given = _STATES.get(state)
    if given is None:
        raise WrongTest(f"consent can't be {state!r}", "it is granted, denied or pending")
    return Consented(channel=channel, topic=about or "*", state=given, at=at, source="test")


def _loaded(workspace: Path | str | define.Loaded) -> define.Loaded:
    loaded = workspace
    if not isinstance(loaded, define.Loaded):
        loaded = wiring.read_workspace(Path(loaded))
    if loaded.plan is None:
        said = define.render(loaded.errors, loaded.sources)
        raise WorkspaceWrong(f"{len(loaded.errors)} errors\n{said}")
    return loaded


def _instant(text: str, zone: calendar.Zone) -> Instant:
    """A local date, perhaps with a time, as an instant."""
    if not _LOCAL.fullmatch(text):
        raise WrongTest(f"{text!r} is no local time", "write it like 2026-03-02 09:00")
    try:
        wall = datetime.fromisoformat(f"{text}+00:00" if ":" in text else f"{text} 00:00+00:00")
    except ValueError as error:
        raise WrongTest(f"{text!r} is no local time", "write it like 2026-03-02 09:00") from error
    return calendar.instant_of(zone, round(wall.timestamp()) * SECOND)

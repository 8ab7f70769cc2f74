"""Where the parts are put together: the only module that knows concrete classes.

Rule 1: everything is built from `Settings` and passed on as arguments; nothing is global.
Rule 2: what is opened here is closed here, in the opposite order.
"""

import fcntl
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import parseaddr
from importlib import resources
from pathlib import Path
from typing import Any, cast

import msgspec
import re2
from starlette.applications import Starlette

from segue import define
from segue.channels.courier import Courier, Keep, is_simulated, render_show
from segue.channels.features import remarks
from segue.channels.limits import AUDIENCE_ROWS_MAX
from segue.channels.links import Links, Tracking
from segue.channels.providers import build_courier, decode
from segue.channels.receipts import READERS
from segue.channels.secret import Secret, resolve
from segue.channels.template import LookUp, Templates
from segue.channels.webpush import WebPush, WebPushSettings
from segue.channels.whatsapp import WhatsApp
from segue.connectors import segment
from segue.define.contents import Remark
from segue.errors import BadSetting, ChannelMisconfigured, NotHere, StoreInUse, WorkspaceWrong
from segue.hosts.arrivals import Arrival
from segue.hosts.clock import SystemClock
from segue.hosts.embedded import Embedded
from segue.hosts.engine import Engine
from segue.hosts.facts import Fact
from segue.hosts.ports import Clock, Delivery
from segue.hosts.quick import QuickStore
from segue.hosts.zones import Zones
from segue.kernel.effects import ChangeAudience, Send, Show
from segue.kernel.plan import Message, Plan
from segue.kernel.values import Instant, Record
from segue.server import app as server
from segue.settings import Settings, channels_of, link_key, listed, local_url, write_keys
from segue.sim.onsite import Onlookers
from segue.sim.population import Population
from segue.stores.ports import Store
from segue.stores.sqlite import SqliteStore

SIMULATED = "simulation"
"""The source that simulated shoppers name."""

PACE = "per_second"
"""The key of a channel that is no provider's: how many may leave in a second."""

RECEIPTS = "receipts"
"""The table of the channels' file that is no channel: what proves callbacks."""


def now() -> Instant:
    """This instant, for commands that act on a store without a host."""
    return SystemClock().now()


# ── stores ──────────────────────────────────────────────────────────────────────────


@contextmanager
def stored(path: str | Path, *, create: bool = False) -> Generator[Store]:
    """The SQLite store in a file. Raises `NotHere` where there is none and none is to be made."""
    path = Path(path)
    if not path.exists():
        if not create:
            raise NotHere(
                f"there is no store at {path}",
                "`segue run` makes one; or name another with --store FILE",
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise NotHere(
                f"the folder {path.parent} can't be made: {problem.strerror}",
                "choose another place with --store FILE",
            ) from problem
    store = SqliteStore(path)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def in_memory() -> Generator[Store]:
    """A store that is gone when it is closed."""
    store = QuickStore()
    try:
        yield store
    finally:
        store.close()


# ── workspaces and programs ─────────────────────────────────────────────────────────


def read_workspace(folder: Path, *, history: define.History | None = None) -> define.Loaded:
    """Read and check a workspace, its time zones and its templates too."""

    def content(
        channel: str, fields: Mapping[str, str], parts: Mapping[str, str]
    ) -> Sequence[Remark]:
        return remarks(channel, fields, Templates(parts))

    return define.load(folder, zones=zone_names(), content=content, history=history)


def zone_names() -> list[str]:
    """Every time zone of the database that the kernel's tables are made from."""
    return (resources.files("tzdata") / "zones").read_text(encoding="ascii").split()


def encoded(loaded: define.Loaded) -> bytes:
    """A checked workspace's plan as it is stored: the bytes that its hash names."""
    assert loaded.plan is not None, "only a workspace without errors has a plan"
    bare = msgspec.structs.replace(loaded.plan, published_at=Instant(0))
    return msgspec.json.encode(bare, order="sorted")


def program_of(folder: Path) -> tuple[str, bytes]:
    """A workspace's program by hash, and its plan as it is stored. Raises `WorkspaceWrong`."""
    loaded = read_workspace(folder)
    if loaded.plan is None:
        places = "; ".join(f"{one.code} {one.message}" for one in loaded.errors[:3])
        raise WorkspaceWrong(f"{folder}: {places}")
    return loaded.hash, encoded(loaded)


def patterns(pattern: str) -> Callable[[str], bool]:
    """A regular expression as a question, answered in linear time."""
    options = re2.Options()
    options.log_errors = False
    compiled: Any = re2.compile(pattern, options)  # pyright: ignore[reportUnknownMemberType]
    search = cast(Callable[[str], object], compiled.search)
    return lambda text: search(text) is not None


def items_in(store: Store) -> LookUp:
    """Finds items of catalogs as the store has them."""

    def look_up(catalog: str, item: str) -> Record:
        found = store.item(catalog, item)
        return {} if found is None else {**found.fields, "id": item}

    return look_up


class Contents:
    """The messages of programs, by hash and name; plans are read from the store once.

    `look_up` finds the items that templates name; without it they are the store's.
    """

    def __init__(self, store: Store, look_up: LookUp | None = None) -> None:
        self._store = store
        self._look_up = look_up or items_in(store)
        self._plans: dict[str, tuple[Mapping[str, Message], Templates]] = {}

    def __call__(self, program: str, name: str) -> Message | None:
        return self._plan(program)[0].get(name)

    def templates(self, program: str) -> Templates:
        """What renders this program's messages, with the parts that they name."""
        return self._plan(program)[1]

    def _plan(self, program: str) -> tuple[Mapping[str, Message], Templates]:
        found = self._plans.get(program)
        if found is None:
            found = self._plans[program] = self._read(program)
        return found

    def _read(self, program: str) -> tuple[Mapping[str, Message], Templates]:
        body = self._store.program(program)
        if body is None:
            return {}, Templates()
        plan = msgspec.json.decode(body, type=Plan)
        templates = Templates(plan.parts, look_up=self._look_up)
        return {message.name: message for message in plan.messages}, templates


# ── channels ────────────────────────────────────────────────────────────────────────


def links_of(settings: Settings) -> Links:
    """Makes and reads the links of messages, with the key that is kept beside the store."""
    return Links(Secret(link_key(settings)), settings.public_url or local_url(settings))


def courier(
    settings: Settings,
    store: Store,
    links: Links | None = None,
    environment: Mapping[str, str] | None = None,
    look_up: LookUp | None = None,
) -> Courier:
    """Carries messages out, or keeps them all to be looked at; `look_up` finds items."""
    channels = providers_of(settings) if settings.deliver == "live" else {}
    allowed = listed(settings.test_recipients)
    contents = Contents(store, look_up)
    return build_courier(
        channels,
        messages=contents,
        templates=contents.templates,
        keep=store.keep,
        links=links,
        tracking=Tracking(clicks=settings.track_clicks, opens=settings.track_opens),
        simulated=nobody_real,
        superseded=lambda delivery: taken_back(store, delivery),
        allowed=allowed or None,
        environment=environment,
    )


def taken_back(store: Store, delivery: Delivery) -> bool:
    """Whether the same audience was changed again for this customer after this change."""
    changed = delivery.effect
    assert isinstance(changed, ChangeAudience)
    whose = store.forward([delivery.profile]).get(delivery.profile, delivery.profile)
    for row in store.outbox(None, whose, AUDIENCE_ROWS_MAX):
        if row.id == delivery.id:
            return False
        later = row.effect
        if isinstance(later, ChangeAudience) and later.audience == changed.audience:
            return True
    return False


def nobody_real(delivery: Delivery) -> bool:
    """Whether a delivery is for a simulated shopper: marked, or at the domain they all have.

    example.com is reserved (RFC 2606), so nobody real is ever there.
    """
    effect = delivery.effect
    address = effect.address if isinstance(effect, Send) else ""
    if isinstance(effect, ChangeAudience):
        address = str(effect.data.get("email", ""))
    return is_simulated(delivery) or address.lower().endswith("@example.com")


def providers_of(settings: Settings) -> dict[str, dict[str, object]]:
    """The provider of each channel with its settings: from the channels' file, and SMTP's own."""
    tables = channels_of(settings)
    channels = {
        name: {key: value for key, value in table.items() if key != PACE}
        for name, table in tables.items()
        if name != RECEIPTS
    }
    if settings.smtp_host and "email" not in channels:
        channels["email"] = _smtp(settings)
    callback = f"{settings.public_url.rstrip('/')}/v1/receipts/twilio"
    for table in channels.values():
        if table.get("provider") == "twilio" and settings.public_url:
            table.setdefault("status_callback", callback)
    return channels


def paces_of(settings: Settings) -> dict[str, float]:
    """How many of each channel may leave in a second, where it is set. Raises `BadSetting`."""
    found: dict[str, float] = {}
    for name, table in channels_of(settings).items():
        pace = table.get(PACE)
        if pace is None or name == RECEIPTS:
            continue
        if isinstance(pace, bool) or not isinstance(pace, int | float) or not pace > 0:
            raise BadSetting(f"{settings.channels}: [{name}] per_second must be a number above 0")
        found[name] = float(pace)
    return found


def receipts_of(settings: Settings, environment: Mapping[str, str]) -> dict[str, Secret]:
    """What proves each provider's callbacks. Raises `ChannelMisconfigured`."""
    tables = channels_of(settings)
    given = dict(tables.get(RECEIPTS, {}))
    for table in tables.values():
        if table.get("provider") == "twilio" and "api_key_sid" not in table:
            given.setdefault("twilio", table.get("auth_token", ""))
        if table.get("provider") == WhatsApp.name and "app_secret" in table:
            given.setdefault(WhatsApp.name, table["app_secret"])
    found: dict[str, Secret] = {}
    for provider, proof in given.items():
        if provider not in READERS or not isinstance(proof, str):
            known = ", ".join(READERS)
            raise ChannelMisconfigured(f"[receipts] {provider}: a text for one of {known}")
        found[provider] = resolve(proof, environment)
    return found


def verify_tokens_of(settings: Settings, environment: Mapping[str, str]) -> dict[str, Secret]:
    """The words with which providers ask for our address. Raises `ChannelMisconfigured`."""
    table = channels_of(settings).get("whatsapp", {})
    if table.get("provider") != WhatsApp.name or "verify_token" not in table:
        return {}
    return {WhatsApp.name: resolve(str(table["verify_token"]), environment)}


def push_key_of(settings: Settings, environment: Mapping[str, str]) -> str:
    """The public half of the key for Web Push; empty where it is not set up.

    It is told in the sandbox, too: browsers may subscribe before anything is sent; but there
    a key that is missing is nobody's trouble. Raises `ChannelMisconfigured`.
    """
    table = channels_of(settings).get("push", {})
    own = table if table.get("provider") == WebPush.name else table.get("web")
    if not isinstance(own, Mapping):
        return ""
    keys = cast(Mapping[str, object], own)
    given = {key: value for key, value in keys.items() if key not in ("provider", PACE)}
    try:
        found = decode(WebPush.name, given, environment)
        return WebPush(found).public_key if isinstance(found, WebPushSettings) else ""
    except (msgspec.ValidationError, ChannelMisconfigured, ValueError) as error:
        if settings.deliver != "live":
            return ""
        raise ChannelMisconfigured(f"push, {WebPush.name}: {error}") from error


def sandbox(store: Store) -> Courier:
    """Keeps everything, sends nothing."""
    return _keeping(store, store.keep)


def rehearsal(store: Store) -> Courier:
    """Renders everything, so that a template's error shows; keeps and sends nothing."""
    return _keeping(store, lambda _messages: None)


def _keeping(store: Store, keep: Keep) -> Courier:
    contents = Contents(store)
    return Courier(messages=contents, templates=contents.templates, keep=keep)


def _smtp(settings: Settings) -> dict[str, object]:
    name, address = parseaddr(settings.email_from)
    if not address:
        raise BadSetting("email_from must say who email is from before any is delivered")
    return {
        "provider": "smtp",
        "host": settings.smtp_host,
        "port": settings.smtp_port,
        "security": settings.smtp_security,
        "username": settings.smtp_user,
        "password": Secret(settings.smtp_password),
        "from_address": address,
        "from_name": name,
        "reply_to": settings.email_reply_to,
    }


# ── hosts ───────────────────────────────────────────────────────────────────────────


class Installation:
    """One running Segue: store, host, courier and application."""

    def __init__(self, settings: Settings, store: Store, environment: Mapping[str, str]) -> None:
        self.settings = settings
        self._environment = environment
        self.store = store
        self.clock = SystemClock()
        self.zones = Zones()
        self.links = links_of(settings)
        self.courier = courier(settings, store, self.links, environment, self.item)
        self.host = Embedded(
            store,
            self.courier,
            patterns=patterns,
            clock=self.clock,
            zones=self.zones,
            paces=paces_of(settings) if settings.deliver == "live" else None,
        )
        self.keys = write_keys(settings, draw=True)
        self.shoppers = Shoppers(self.host, self.clock)

    def item(self, catalog: str, item: str) -> Record:
        """An item as the host knows it."""
        return self.host.catalog.item(catalog, item)

    def app(self, folder: Path | None = None) -> Starlette:
        """The application over this host; `folder` is the workspace that may be published."""
        contents = Contents(self.store, self.item)

        def render(program: str, show: Show) -> Mapping[str, str]:
            message = contents(program, show.message)
            return (
                {} if message is None else render_show(message, show, contents.templates(program))
            )

        return server.create_app(
            self.host,
            self.store,
            self._door(),
            clock=self.clock,
            render=render,
            simulation=self.shoppers,
            workspace=None if folder is None else lambda: program_of(folder),
        )

    def _door(self) -> server.Settings:
        """What the server must know of the settings."""
        known = self.settings
        hooks = {
            "shopify": known.shopify_secret,
            "stripe": known.stripe_secret,
            "hubspot": known.hubspot_secret,
        }
        return server.Settings(
            write_keys=self.keys,
            admin_token=known.admin_token,
            origins=listed(known.origins),
            simulated_sources=(SIMULATED,),
            public_url=known.public_url,
            hook_secrets={source: Secret(secret) for source, secret in hooks.items() if secret},
            receipt_secrets=receipts_of(known, self._environment),
            verify_tokens=verify_tokens_of(known, self._environment),
            links=self.links,
            tokens=Path(known.store).with_name(f"{Path(known.store).name}.tokens"),
            text_replies=known.text_replies,
            customers_by=known.customers_by,
            marketing_topics=listed(known.marketing_topics),
            push_key=push_key_of(known, self._environment),
            shop=known.shop,
        )

    def close(self) -> None:
        """Send the shoppers home, stop the host, then the courier; the store is its opener's."""
        self.shoppers.stop()
        self.host.stop()
        self.courier.close()


@contextmanager
def installed(
    settings: Settings, environment: Mapping[str, str] | None = None
) -> Generator[Installation]:
    """An installation on its embedded store; the host is not started yet.

    Raises `StoreInUse` where another Segue runs on the same store.
    """
    with stored(settings.store, create=True) as store, _alone(Path(settings.store)):
        installation = Installation(settings, store, environment or {})
        try:
            yield installation
        finally:
            installation.close()


@contextmanager
def _alone(store: Path) -> Generator[None]:
    """Hold the store for one host; the operating system lets go of it however we end."""
    with store.with_name(f"{store.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            raise StoreInUse(f"another Segue runs on {store}") from problem
        yield


def engine(store: Store, loaded: define.Loaded) -> Engine:
    """An engine in virtual time, with every message kept in the store's sandbox."""
    made = Engine(store, sandbox(store), patterns=patterns, zones=Zones())
    made.publish(loaded.hash, encoded(loaded))
    return made


# ── simulated shoppers ──────────────────────────────────────────────────────────────


class Shoppers:
    """The simulated population of a new workspace: sent home by the first real event.

    Their messages take the way of everybody's: Segment's words, translated and submitted.
    """

    def __init__(self, host: Embedded, clock: Clock) -> None:
        self._host = host
        self._clock = clock
        self._population = Population(self._sink, clock)
        self._onlookers = Onlookers(host.ask, lambda: host.program.plan, SIMULATED)
        self._leave: Callable[[], None] | None = None

    @property
    def on(self) -> bool:
        """Whether they are about."""
        return self._population.running and not self._population.paused

    def switch(self, on: bool) -> None:
        """Send them home, or call them back. Once sent home by hand, only a hand calls them."""
        if self._leave is not None:
            self._leave()
            self._leave = None
        if not on:
            self._population.pause()
        elif self._population.running:
            self._population.resume()
        else:
            self._leave = self._host.subscribe(self._listen)
            self._population.start()

    def stop(self) -> None:
        """Close the shop."""
        if self._leave is not None:
            self._leave()
        if self._population.running:
            self._population.stop()

    def _listen(self, facts: Sequence[Fact]) -> None:
        if self._leave is not None and any(map(_is_real, facts)):
            self.switch(False)

    def _sink(self, message: Record) -> None:
        parcel = segment.unpack(msgspec.json.encode({"batch": [message]}))
        taken, _ = segment.Reader(parcel, self._clock.now(), source=SIMULATED).read()
        arrivals = [Arrival(input=each.event, source=SIMULATED) for each in taken]
        for each in taken:
            who = each.event.user_id, each.event.anonymous_id
            arrivals += [
                Arrival(input=said, user_id=who[0], anonymous_id=who[1], source=SIMULATED)
                for said in each.consents
            ]
        if arrivals:
            self._host.ask(arrivals)
        for each in taken:
            self._onlookers.turn(each.event)


def _is_real(fact: Fact) -> bool:
    """Whether somebody sent this event, who is none of the simulated."""
    detail = fact.detail
    return fact.kind == "event" and not detail["emitted"] and detail["source"] != SIMULATED

"""The SQLite store does what the oracle does, whatever is asked of both and in any order.

Method: hypothesis draws commits (fresh, stale, merging, withdrawing), claims, settlements and
the rest; both stores get the same, must answer the same, and must hold the same bytes.
"""

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from segue.errors import StaleCommit
from segue.kernel.catalog import Interest
from segue.kernel.effects import CallWebhook, Effect, Send, Withdraw
from segue.kernel.inputs import Event
from segue.kernel.profile import Profile, Run, create
from segue.kernel.trace import Remarked
from segue.kernel.values import NEVER, Instant, ProfileId, Record
from segue.stores.memory import MemoryStore
from segue.stores.ports import (
    Audience,
    Identifier,
    KeptMessage,
    Saved,
    SetAside,
    Settlement,
    Store,
    Told,
)
from segue.stores.sqlite import SqliteStore

PROFILES = st.sampled_from([ProfileId(name) for name in ("a", "b", "c", "d")])
INSTANTS = st.integers(0, 50).map(Instant)
SENDS = st.sampled_from(["s1", "s2", "s3", "s4", "s5"])
PROGRAMS = st.sampled_from(["p1", "p2"])
CHANNELS = st.sampled_from(["email", "sms"])
LINKS = st.builds(Identifier, st.sampled_from(["user", "anonymous"]), st.sampled_from("xyz"))
ITEMS = st.sampled_from(["i1", "i2"])
NAMES = st.sampled_from(["Viewed", "Added"])
MARKS = st.sampled_from(["1", "2", "3"])
FIELDS = st.none() | st.builds(dict[str, object], price=st.integers(0, 3))
NOTES = st.just((Remarked(what="x"),)) | st.just(())


@st.composite
def effects(draw: st.DrawFn) -> Effect:
    name = draw(SENDS)
    kind = draw(st.sampled_from(["send", "send", "withdraw", "withdraw", "call"]))
    if kind == "withdraw":
        return Withdraw(id=name, reason="exit")
    if kind == "call":
        return CallWebhook(id=name, webhook="crm", body={})
    return Send(
        id=name,
        message="m",
        channel=draw(CHANNELS),
        address="x",
        program="p1",
        data={},
        not_after=NEVER,
        pace_at=draw(INSTANTS),
    )


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    profile = create(draw(PROFILES), Instant(0))
    profile.wake_at = draw(INSTANTS | st.just(NEVER))
    profile.program = draw(PROGRAMS)
    for n, program in enumerate(draw(st.lists(PROGRAMS, max_size=2))):
        profile.runs.append(Run(f"r{n}", "j", program, "", "s", Instant(0), Instant(0)))
    return profile


@st.composite
def events(draw: st.DrawFn) -> Event:
    name = draw(st.sampled_from([f"e{n}" for n in range(12)]))
    return Event(id=name, name="Viewed", at=Instant(0), emitted=draw(st.booleans()))


@st.composite
def work(draw: st.DrawFn) -> Saved:
    """What a batch asks of one profile; versions are filled in where it is committed."""
    profile = draw(profiles())
    others = st.lists(PROFILES.filter(lambda other: other != profile.id), max_size=2, unique=True)
    return Saved(
        profile=profile,
        events=tuple(draw(st.lists(st.tuples(events(), INSTANTS), max_size=2))),
        effects=tuple(draw(st.lists(st.tuples(effects(), INSTANTS), max_size=4))),
        traces=tuple(draw(st.lists(st.tuples(INSTANTS, st.just("e"), NOTES), max_size=2))),
        known_claims=tuple(draw(st.lists(SENDS, max_size=2, unique=True))),
        absorbed=tuple(draw(others if draw(st.integers(0, 5)) == 0 else st.just([]))),
        links=tuple(draw(st.lists(LINKS, max_size=2))),
        interests=tuple(
            draw(st.lists(st.builds(Interest, st.just("c"), ITEMS, NAMES, INSTANTS), max_size=3))
        ),
        told=tuple(draw(st.lists(st.builds(Told, st.just("c"), ITEMS, MARKS), max_size=1))),
    )


def settlements() -> st.SearchStrategy[Settlement]:
    return st.builds(
        Settlement,
        id=SENDS,
        profile=PROFILES,
        state=st.sampled_from(["queued", "queued", "done", "dead", "unknown"]),
        at=INSTANTS,
        due_at=INSTANTS,
        detail=st.sampled_from(["", "d"]),
    )


class Agreement(RuleBasedStateMachine):
    """Asks both stores the same."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.oracle: Store = MemoryStore()
        self.store: Store = SqliteStore(Path(self.folder.name) / "store.sqlite")

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule(
        batch=st.lists(work(), max_size=3),
        slip=st.sampled_from([0, 0, 0, 0, 1]),
        settled=st.lists(settlements(), max_size=2),
    )
    def commit(self, batch: list[Saved], slip: int, settled: list[Settlement]) -> None:
        """Mostly with the versions of now; by a slip with others."""
        saved: list[Saved] = []
        named: set[str] = set()
        accepted: set[str] = set()
        for each in batch:
            ids = {each.profile.id, *each.absorbed}
            sent = [event.id for event, _ in each.events if not event.emitted]
            if named & ids or accepted & set(sent) or len(set(sent)) < len(sent):
                continue
            named |= ids
            accepted |= set(sent)
            saved.append(self.versioned(each, slip))
        assert self.outcome(self.oracle, saved, settled) == self.outcome(self.store, saved, settled)

    def versioned(self, saved: Saved, slip: int) -> Saved:
        loaded = self.oracle.load([saved.profile.id, *saved.absorbed])
        versions = {profile: each.version for profile, each in loaded.items()}
        return Saved(
            profile=saved.profile,
            events=saved.events,
            effects=saved.effects,
            traces=saved.traces,
            known_claims=saved.known_claims,
            absorbed=saved.absorbed,
            absorbed_versions=tuple(versions.get(each, 0) for each in saved.absorbed),
            links=saved.links,
            interests=saved.interests,
            told=saved.told,
            seen_version=versions.get(saved.profile.id, 0) + slip,
        )

    @staticmethod
    def outcome(store: Store, saved: list[Saved], settled: list[Settlement]) -> object:
        aside = [SetAside(at=Instant(1), source="s", code="c", reason="r", body=b"\x00")]
        try:
            store.commit(saved, aside, {"batch": str(len(saved))}, settled)
        except StaleCommit as refused:
            return refused.profiles
        return "saved"

    @rule(now=INSTANTS, limit=st.integers(0, 3), channels=st.none() | st.lists(CHANNELS))
    def claim(self, now: Instant, limit: int, channels: list[str] | None) -> None:
        by = f"host-{now % 2}"
        assert self.oracle.claim(now, limit, by, channels) == self.store.claim(
            now, limit, by, channels
        )

    @rule(word=settlements())
    def settle(self, word: Settlement) -> None:
        self.oracle.settle([word])
        self.store.settle([word])

    @rule(ids=st.lists(SENDS, max_size=3), now=INSTANTS)
    def retry(self, ids: list[str], now: Instant) -> None:
        assert self.oracle.retry(ids, now) == self.store.retry(ids, now)

    @rule(profile=PROFILES, name=SENDS)
    def keep(self, profile: ProfileId, name: str) -> None:
        message = KeptMessage(
            id=name, profile=profile, at=Instant(1), channel="email", address="a", message="m", fields={"b": "c"}
        )  # fmt: skip
        self.oracle.keep([message])
        self.store.keep([message])

    @rule(
        changes=st.lists(st.tuples(st.sampled_from("cd"), ITEMS, FIELDS), max_size=4), now=INSTANTS
    )
    def put(self, changes: list[tuple[str, str, Record | None]], now: Instant) -> None:
        assert self.oracle.put_items(changes, now) == self.store.put_items(changes, now)

    @rule(since=INSTANTS, until=INSTANTS, item=ITEMS, mark=MARKS, names=st.sets(NAMES))
    def look_for(
        self, since: Instant, until: Instant, item: str, mark: str, names: set[str]
    ) -> None:
        audience = Audience(
            catalog="c", item=item, names=tuple(sorted(names)), since=since, until=until, mark=mark
        )
        for after, limit in (("", 9), ("a", 1)):
            assert self.oracle.interested(
                audience, ProfileId(after), limit
            ) == self.store.interested(audience, ProfileId(after), limit)

    @rule(name=PROGRAMS)
    def publish(self, name: str) -> None:
        self.oracle.save_program(name, b"\x01", Instant(1))
        self.store.save_program(name, b"\x01", Instant(1))

    @rule(now=INSTANTS, profile=PROFILES, limit=st.integers(0, 3))
    def ask(self, now: Instant, profile: ProfileId, limit: int) -> None:
        everyone = [ProfileId(name) for name in "abcd"]
        names = [Identifier(kind, value) for kind in ("user", "anonymous") for value in "xyz"]
        for ask in (
            lambda s: s.load(everyone),
            lambda s: s.forward(everyone),
            lambda s: s.resolve(names),
            lambda s: s.seen([(profile, f"e{n}") for n in range(12)]),
            lambda s: (s.due(now, limit), s.next_due(), s.next_queued()),
            lambda s: s.outdated("p1", profile, limit),
            lambda s: [p.id for p in s.profiles(profile, limit)],
            lambda s: (s.history(profile), s.log(limit, 3), s.traces(profile, limit)),
            lambda s: (s.abandoned("host-0"), s.outbox(limit=limit), s.outbox("dead", profile)),
            lambda s: [s.outbox(x) for x in ("queued", "claimed", "done", "dead", "cancelled", "unknown")],
            lambda s: (s.current_program(), s.programs_in_use(), s.meta("batch"), s.counts()),
            lambda s: (s.item("c", "i1"), s.items("c", limit=limit), s.items("c", "i1"), s.catalogs()),
            lambda s: s.item_log(limit, 3),
            lambda s: (s.kept(limit=limit), s.kept(profile), s.set_aside(limit)),
        ):  # fmt: skip
            assert ask(self.oracle) == ask(self.store)

    @invariant()
    def same_bytes(self) -> None:
        assert list(self.oracle.snapshot()) == list(self.store.snapshot())


Agreement.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestSqliteAgrees = Agreement.TestCase

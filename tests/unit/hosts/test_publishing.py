"""Goal: publishing says what it would do to runs under way, does what was decided to every one of
them, also after a restart, and does nothing at all if one of them could not go on.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from segue import define, wiring
from segue.errors import StepsVanished, StillCarrying, UnknownMode
from segue.hosts import publishing
from segue.hosts.arrivals import Arrival
from segue.hosts.clock import ManualClock
from segue.hosts.embedded import Embedded
from segue.hosts.engine import Accepting, Engine
from segue.hosts.loop import Host
from segue.hosts.programs import Programs
from segue.hosts.publishing import Modes
from segue.hosts.quick import QuickStore
from segue.hosts.zones import Zones
from segue.kernel.effects import Send
from segue.kernel.inputs import Event
from segue.kernel.plan import Plan
from segue.kernel.profile import Run
from segue.kernel.values import DAY, HOUR, Instant
from segue.stores.ports import Store
from segue.stores.sqlite import SqliteStore

TRIP = """
workspace: {name: trips}
messages:
  hello: {topic: news, expires: 2d, contents: {email: {subject: hello, text: hello}}}
  bye: {topic: news, expires: 2d, contents: {email: {subject: bye, text: bye}}}
policies:
  nights: {quiet: "00:00-00:01", channels: email}
journeys:
  trip:
    enter: {on: Start}
    reenter: always
    exit: [{on: Stop, reason: stopped}]
    goal: {on: Order Completed, within: 30d}
    steps:
      - {id: one, wait: 1d}
      - {id: mail, send: hello, by: email}
      - {id: two, wait: 1d}
      - {id: last, send: bye, by: email}
  other:
    enter: {on: Start}
    exit: [{on: Stop, reason: stopped}]
    goal: {on: Order Completed, within: 30d}
    steps: [{id: stay, wait: 10d}]
"""

START = Instant(1_767_232_800_000)
"""2026-01-01 02:00."""

Named = tuple[str, bytes]
Workspace = Callable[..., Named]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """The trips as a program, with changes in the text."""

    def made(*changes: tuple[str, str], text: str = TRIP) -> Named:
        for before, after in changes:
            assert before in text
            text = text.replace(before, after, 1)
        folder = tmp_path / f"w{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "all.yaml").write_text(text, encoding="utf-8")
        loaded = wiring.read_workspace(folder)
        assert loaded.plan is not None, define.render(loaded.diagnostics, loaded.sources)
        return loaded.hash, wiring.encoded(loaded)

    return made


LONGER = ("- {id: two, wait: 1d}", "- {id: two, wait: 3d}")
RENAMED = ("- {id: one, wait: 1d}", "- {id: first, wait: 1d}")


def engine(store: Store | None = None) -> Engine:
    return Engine(store, patterns=wiring.patterns, now=START)


def begin(here: Engine, *who: str, at: int = 0) -> None:
    for one in who:
        known = Event(
            id=f"i-{one}",
            name="Profile Identified",
            kind="identify",
            at=START,
            user_id=one,
            traits={"email": f"{one}@example.com"},
        )
        here.feed(Arrival(input=known), Instant(START + at))
        here.feed(Arrival(input=event("Start", one, at)), Instant(START + at))


def event(name: str, who: str, at: int = 0) -> Event:
    return Event(id=f"{name}-{who}-{at}", name=name, at=Instant(START + at), user_id=who)


def runs(store: Store, journey: str = "trip") -> list[Run]:
    found = [run for one in store.profiles(limit=1000) for run in one.runs]
    return [run for run in found if run.journey == journey]


def sent(here: Engine, message: str) -> list[int]:
    """When a message left, in hours after the start."""
    rows = [row for row in here.store.outbox(limit=1000) if isinstance(row.effect, Send)]
    found = [row.queued_at for row in rows if row.effect.message == message]
    return sorted((at - START) // HOUR for at in found)


# ── the three modes ──


def test_a_run_that_drains_finishes_on_the_program_in_which_it_entered(
    workspace: Workspace,
) -> None:
    here, old, new = engine(), workspace(), workspace(LONGER)
    here.publish(*old)
    begin(here, "ana")
    here.publish(*new)
    here.adopt_all()
    begin(here, "bob", at=HOUR)
    assert {run.program for run in runs(here.store)} == {old[0], new[0]}
    here.advance(Instant(START + 10 * DAY))
    assert sent(here, "bye") == [48, 1 + 96]


def test_a_run_that_migrates_goes_on_in_the_new_program(workspace: Workspace) -> None:
    here, old, new = engine(), workspace(), workspace(LONGER)
    here.publish(*old)
    begin(here, "ana")
    here.publish(*new, modes={"trip": "migrate"})
    here.adopt_all()
    assert [run.program for run in runs(here.store)] == [new[0]]
    assert [run.program for run in runs(here.store, "other")] == [old[0]]  # it drains
    here.advance(Instant(START + 10 * DAY))
    assert sent(here, "hello") == [24]  # the wait in which it stood was not begun again
    assert sent(here, "bye") == [96]


def test_a_run_that_exits_takes_what_it_has_queued_with_it(workspace: Workspace) -> None:
    here, old, new = engine(), workspace(), workspace(LONGER)
    here.publish(*old)
    begin(here, "ana")
    here.publish(*new, modes={"trip": "exit"})
    assert len(runs(here.store)) == 1  # nobody has looked yet
    here.feed(Arrival(input=event("Anything", "ana")), Instant(START + HOUR))
    assert runs(here.store) == []
    assert len(runs(here.store, "other")) == 1
    here.advance(Instant(START + 10 * DAY))
    assert sent(here, "hello") == []
    begin(here, "bob", at=11 * DAY)  # entries of the new program are not concerned
    here.feed(Arrival(input=event("Anything", "bob")), Instant(START + 11 * DAY))
    assert len(runs(here.store)) == 1


def test_what_was_decided_can_be_decided_anew_for_the_runs_that_are_left(
    workspace: Workspace,
) -> None:
    here, old, new = engine(), workspace(), workspace(LONGER)
    here.publish(*old)
    begin(here, "ana", "bob")
    here.publish(*new)
    here.adopt_all()
    assert {run.program for run in runs(here.store)} == {old[0]}
    here.publish(*new, modes={"trip": "migrate"})
    here.adopt_all()
    assert {run.program for run in runs(here.store)} == {new[0]}
    assert {run.program for run in runs(here.store, "other")} == {old[0]}


# ── what is told, and what is refused ──


def test_it_is_told_how_many_runs_stand_where_before_anything_happens(
    workspace: Workspace,
) -> None:
    here, old, new = engine(), workspace(), workspace(RENAMED)
    here.publish(*old)
    begin(here, "ana", "bob")
    begin(here, "carl", at=25 * HOUR)
    programs = Programs(here.store, wiring.patterns, Zones())
    other, trip = programs.outlook(*new, {"trip": "migrate"})
    assert (other.journey, other.mode, other.runs) == ("other", "drain", 3)
    assert (trip.mode, trip.runs, trip.settled, trip.state) == ("migrate", 3, 0, "live")
    assert [(place.step, place.runs, place.vanished) for place in trip.places] == [
        ("one", 1, True),
        ("two", 2, False),
    ]
    assert here.store.current_program() == old[0]


LINGERS = """
workspace: {name: trips}
messages:
  hello: {topic: news, expires: 2d, contents: {web: {title: hello}}}
journeys:
  trip:
    enter: {on: Start}
    exit: {on: Stop}
    goal: {on: Order Completed, within: 30d}
    steps:
      - {id: choice, at_most: 1h, adapt: [{when: session.views >= 0, steps: [{id: offer, show: hello, at: top, for: 1h}]}]}
      - {id: pause, wait: 1d}
"""


def test_runs_that_linger_before_a_vanished_step_are_listed_too(workspace: Workspace) -> None:
    renamed = ("id: pause", "id: rest")
    here, old, new = engine(), workspace(text=LINGERS), workspace(renamed, text=LINGERS)
    here.publish(*old)
    begin(here, "ana")
    (run,) = runs(here.store)
    assert (run.step, run.lingers_to) == ("offer", "pause")
    programs = Programs(here.store, wiring.patterns, Zones())
    (trip,) = programs.outlook(*new, {"trip": "migrate"})
    assert [(one.step, one.onward, one.runs, one.vanished) for one in trip.places] == [
        ("offer", "pause", 1, True)
    ]
    with pytest.raises(StepsVanished, match="trip: 1 at offer → pause"):
        here.publish(*new, modes={"trip": "migrate"})
    here.advance(Instant(START + 2 * HOUR))  # the offer is over: it stands at `pause` now
    (trip,) = programs.outlook(*new, {"trip": "migrate"})
    assert [(one.step, one.onward) for one in trip.places] == [("pause", "")]


def test_a_step_that_has_vanished_is_listed_and_nothing_is_published(
    workspace: Workspace,
) -> None:
    here, old, new = engine(), workspace(), workspace(RENAMED)
    here.publish(*old)
    begin(here, "ana", "bob")
    with pytest.raises(StepsVanished, match="trip: 2 at one") as refused:
        here.publish(*new, modes={"trip": "migrate"})
    assert len(refused.value.places) == 1
    assert here.store.current_program() == here.program.name == old[0]
    here.advance(Instant(START + 25 * HOUR))  # nobody stands there any more
    here.publish(*new, modes={"trip": "migrate"})
    here.adopt_all()
    assert {run.program for run in runs(here.store)} == {new[0]}


def test_a_journey_that_is_gone_drains_or_exits_but_can_not_migrate(workspace: Workspace) -> None:
    here, old = engine(), workspace()
    gone = workspace((TRIP[TRIP.index("  other:") :], ""))
    here.publish(*old)
    begin(here, "ana")
    with pytest.raises(StepsVanished, match="other: 1 at stay"):
        here.publish(*gone, modes={"other": "migrate"})
    here.publish(*gone, modes={"other": "exit"})
    here.adopt_all()
    assert runs(here.store, "other") == []


def test_a_slip_in_a_journeys_name_is_refused(workspace: Workspace) -> None:
    here, new = engine(), workspace()
    with pytest.raises(UnknownMode, match="'tripp' is none of: other, trip"):
        here.publish(*new, modes={"tripp": "exit"})
    assert here.store.current_program() == ""


# ── restarts ──


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def test_what_was_decided_holds_after_a_restart(workspace: Workspace, path: Path) -> None:
    old, new = workspace(), workspace(LONGER)
    with_store(path, lambda store: started(store, old))
    with_store(path, lambda store: engine(store).publish(*new, modes={"trip": "exit"}))

    def later(store: Store) -> None:
        here = engine(store)  # a new process: nobody has adopted the program yet
        here.feed(Arrival(input=event("Anything", "ana")), Instant(START + 60_000))
        assert len(runs(store)) == 1
        here.adopt_all()
        assert runs(store) == []

    with_store(path, later)


def test_what_a_stop_has_cut_short_is_carried_out_before_the_next_program(
    workspace: Workspace, path: Path
) -> None:
    old, new, newer = workspace(), workspace(LONGER), workspace(("wait: 10d", "wait: 9d"))
    with_store(path, lambda store: started(store, old))
    with_store(path, lambda store: engine(store).publish(*new, modes={"trip": "exit"}))

    def later(store: Store) -> None:
        clock = ManualClock(START + HOUR)
        host = Embedded(store, Accepting(), patterns=wiring.patterns, clock=clock)
        host.publish(*newer)
        assert runs(store) == []
        assert {run.program for run in runs(store, "other")} == {old[0]}

    with_store(path, later)


def with_store(path: Path, work: Callable[[Store], object]) -> None:
    store = SqliteStore(path)
    try:
        work(store)
    finally:
        store.close()


def started(store: Store, program: Named) -> None:
    here = engine(store)
    here.publish(*program)
    begin(here, "ana", "bob")


def test_older_plans_stay_linked_for_as_long_as_a_run_needs_them(workspace: Workspace) -> None:
    store, old = QuickStore(), workspace(("subject: bye", "subject: farewell"))
    here = engine(store)
    here.publish(*old)
    begin(here, "ana")
    for days in (2, 3, 4):
        here.publish(*workspace(("wait: 10d", f"wait: {days}d")))
        here.adopt_all()
    again = engine(store)
    assert again.program.journey(old[0], "trip") is not None
    again.advance(Instant(START + 3 * DAY))
    assert sent(again, "bye") == [48]
    again.advance(Instant(START + 11 * DAY))
    here = engine(store)
    assert here.program.journey(old[0], "trip") is None


# ── the live host ──


@pytest.fixture
def live(workspace: Workspace) -> Iterator[tuple[Embedded, Named]]:
    store, old = QuickStoreOfThreads(), workspace()
    host = Embedded(store, Accepting(), patterns=wiring.patterns, clock=ManualClock(START))
    host.publish(*old)
    host.start()
    yield host, old
    host.stop()


class QuickStoreOfThreads(QuickStore):
    """For readers in other threads, which SQLite has and virtual time needs not."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.RLock()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or name == "lock" or not callable(found):
            return found

        def alone(*given: Any, **named: Any) -> Any:
            with self.lock:
                return found(*given, **named)

        return alone


def test_the_background_carries_over_whom_nobody_touches(
    live: tuple[Embedded, Named], workspace: Workspace
) -> None:
    host, old = live
    host.ask([Arrival(input=event("Start", f"c{n}")) for n in range(200)])
    assert {run.program for run in runs(host.store)} == {old[0]}
    new = workspace(LONGER)
    host.publish(*new, modes={"trip": "migrate", "other": "exit"})
    wait_for(lambda: {run.program for run in runs(host.store)} == {new[0]})
    wait_for(lambda: not runs(host.store, "other"))
    assert len(runs(host.store)) == 200


def test_a_run_that_reaches_a_vanished_step_meanwhile_is_seen(
    live: tuple[Embedded, Named], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, old = live
    real = publishing.everyone

    def everyone(store: Store) -> Iterator[Any]:
        yield from real(store)
        host.ask([Arrival(input=event("Start", "late"))])  # after the look, before the swap

    monkeypatch.setattr(publishing, "everyone", everyone)
    with pytest.raises(StepsVanished, match="trip: 1 at one"):
        host.publish(*workspace(RENAMED), modes={"trip": "migrate"})
    assert host.program.name == host.store.current_program() == old[0]


def test_the_next_program_waits_until_the_last_is_carried_out(workspace: Workspace) -> None:
    store, old, new = QuickStore(), workspace(), workspace(LONGER)
    here = engine(store)
    here.publish(*old)
    begin(here, "ana")
    zones = Zones()
    programs = Programs(store, wiring.patterns, zones)
    host = Host(
        store, programs, programs.current(), ManualClock(START), zones
    )  # no thread: it rests
    modes: Modes = {"trip": "exit"}
    host.publish(*new, modes)
    with pytest.raises(StillCarrying):
        host.publish(*old)
    assert host.program.name == store.current_program() == new[0]
    host.start()
    wait_for(lambda: not runs(store))
    wait_for(lambda: published(host, old))
    host.stop()
    assert store.current_program() == old[0]


def published(host: Host, program: Named) -> bool:
    try:
        host.publish(*program)
    except StillCarrying:
        return False
    return True


def wait_for(true: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(12_000):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it never came true")


# ── states ──


def state(word: str, *more: str) -> tuple[str, str]:
    lines = "".join(f"    {line}\n" for line in (f"state: {word}", *more))
    return "  trip:\n", f"  trip:\n{lines}"


@pytest.mark.parametrize("word", ["draft", "paused", "draining", "archived"])
def test_a_journey_that_is_not_live_lets_nobody_in(workspace: Workspace, word: str) -> None:
    here = engine()
    here.publish(*workspace(state(word)))
    begin(here, "ana")
    assert runs(here.store) == []
    assert len(runs(here.store, "other")) == 1
    here.publish(*workspace())
    begin(here, "bob", at=HOUR)
    assert len(runs(here.store)) == 1


@pytest.mark.parametrize("word", ["draft", "draining", "archived"])
def test_runs_of_a_journey_that_drains_finish(workspace: Workspace, word: str) -> None:
    here = engine()
    here.publish(*workspace())
    begin(here, "ana")
    here.publish(*workspace(state(word)))
    here.adopt_all()
    here.advance(Instant(START + 3 * DAY))
    assert (sent(here, "hello"), sent(here, "bye")) == ([24], [48])
    assert runs(here.store) == []


def test_a_paused_journey_holds_its_messages_while_its_waits_go_on(workspace: Workspace) -> None:
    here = engine()
    here.publish(*workspace())
    begin(here, "ana")
    here.publish(*workspace(state("paused")))
    here.adopt_all()
    here.advance(Instant(START + 36 * HOUR))
    assert [run.step for run in runs(here.store)] == ["mail"]  # the wait ended, the message holds
    assert sent(here, "hello") == []
    here.publish(*workspace())
    here.adopt_all()
    here.advance(Instant(START + 4 * DAY))
    assert sent(here, "hello") == [36]
    assert sent(here, "bye") == [60]


def test_the_waits_of_a_paused_journey_stand_still_by_choice(workspace: Workspace) -> None:
    here = engine()
    here.publish(*workspace())
    begin(here, "ana")
    here.publish(*workspace(state("paused", "waits_go_on: false")))
    here.adopt_all()
    here.advance(Instant(START + 36 * HOUR))
    assert [run.step for run in runs(here.store)] == ["one"]
    here.feed(Arrival(input=event("Stop", "ana")), Instant(START + 37 * HOUR))
    assert runs(here.store) == []  # exits are watched all the same


def test_a_program_that_carries_nothing_over_never_looks_at_everyone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Publishing stays quick however many profiles there are."""
    here = engine()
    here.publish(*workspace())
    begin(here, "ana")

    def nobody(store: Store) -> Iterator[Any]:
        raise AssertionError("everyone was looked at")

    monkeypatch.setattr(publishing, "everyone", nobody)
    here.publish(*workspace(LONGER))
    here.adopt_all()
    assert isinstance(here.program.plan, Plan)

"""What a workspace would have done: a log through one program or two, on all cores.

Rule 1: the code that answers is that of the live host (`hosts.engine`), with every guardrail on.
    What is new here is who calls it, and that nothing is sent.
Rule 2: the same log, programs and options give the same bytes, however many workers share the
    work: shards do not depend on them, and what shards come to adds up in any order.
Rule 3: history before `from_at` builds what is known of everyone (counts, segments, scores,
    sessions) and starts no journey, as if the program had been published at that instant.
    What was really sent before is not known, so caps start empty, unless the program is
    warmed up: then it runs for a while before `from_at`, and what it does in that time
    fills caps, gaps and ledgers and is not counted.
Rule 4: codes of coupon pools are made up and never run out, for customers are answered apart.
    How many are handed out is counted over time, and the report says when a pool would be empty.
"""

import multiprocessing
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from ctypes import c_int64
from functools import partial
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

import msgspec

from segue.connectors.files import Source
from segue.hosts.desk import Answered
from segue.hosts.engine import Engine
from segue.hosts.ports import Courier
from segue.hosts.quick import QuickStore
from segue.hosts.zones import Zones
from segue.kernel.plan import Plan
from segue.kernel.program import Patterns
from segue.kernel.values import DAY, HOUR, MINUTE, NEVER, SECOND, Instant, Millis, Record, later
from segue.sim import report as reports
from segue.sim.backtest_compare import Comparison, differ
from segue.sim.backtest_shards import Cutter, Entry, Shard
from segue.sim.backtest_tally import Customer, Tally, row
from segue.sim.exports import Export, gather
from segue.sim.limits import BUCKETS_IN_ALL_MAX, BUCKETS_MAX, REFUSALS_KEPT_MAX
from segue.sim.replay import Course, Pages, drive
from segue.sim.report import Aside, Report
from segue.stores.ports import ItemLine, Store

_WARMING = "history-before-"
"""Before a program's name: the same with no journey live, while history is caught up with."""

_ITEMS = "items"
"""The file of the folder in which workers find the changes of catalogs."""

_LOOK_S = 0.2
"""How often the progress of workers is looked at."""

Messenger = Callable[[Store], Courier]
"""Makes the courier of a run: one that renders every message and delivers none."""


class Candidate(msgspec.Struct, frozen=True):
    """A program to try: its hash, and its plan as it is stored."""

    name: str
    plan: bytes


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be found out."""

    programs: tuple[Candidate, ...]
    """The one to try out, and perhaps one to compare it with."""
    sources: tuple[str, ...]
    """Names of the sources, for places."""
    from_at: Instant = Instant(0)
    to_at: Instant | None = None
    warm_up: Millis = Millis(0)
    """How long before `from_at` the program already runs, uncounted."""
    then: Millis = DAY
    ask: bool = True
    """Whether pages ask for placements (see `replay.Pages`)."""
    decisions: str = ""
    """A file for every decision, as JSON lines."""
    differences: str = ""
    """A file for every customer for whom the two programs differ."""
    coupons: dict[str, int] = {}
    """How many codes each pool has left; pools that are not known are missing."""


class Progress(msgspec.Struct):
    """How far a backtest is: first the log is read, then answered."""

    stage: str = "reading"
    done: int = 0
    of: int = 0


class Backtest(msgspec.Struct, kw_only=True):
    """The answer."""

    report: Report
    against: Report | None = None
    comparison: Comparison | None = None


class _Task(msgspec.Struct, frozen=True, kw_only=True):
    """One shard, for one worker."""

    number: int
    shard: Shard
    order: Order
    last_at: Instant
    until: Instant
    bucket_ms: int
    folder: str


class _Found(msgspec.Struct, kw_only=True):
    """What one shard came to."""

    reports: list[Report]
    comparison: Comparison | None = None


def backtest(
    order: Order,
    entries: Iterable[Entry],
    *,
    patterns: Patterns,
    messenger: Messenger,
    workers: int = 1,
    progress: Callable[[Progress], None] = lambda _: None,
    shards: int | None = None,
    store: Store | None = None,
    items: Iterable[ItemLine] = (),
) -> Backtest:
    """Run a log through one program, or through two and compare them.

    With several workers `patterns` and `messenger` must be functions of a module, for they are
    named to other processes. `store` keeps what a run of one program came to, in one shard.
    `items` are the changes of catalogs, in order of time; every shard has them all.
    Raises what reading the log raises.
    """
    assert store is None or len(order.programs) == 1, "a store holds one world"
    with tempfile.TemporaryDirectory(prefix="segue-backtest-") as name:
        folder = Path(name)
        with Cutter(folder, 1 if store is not None else shards) as cutter:
            for one in entries:
                if order.to_at is not None and one.arrived_at >= order.to_at:
                    break
                cutter.add(one)
            progress(Progress("sorting", 0, 0))
            tasks = _tasks(order, cutter, cutter.cut(), folder)
            (folder / _ITEMS).write_bytes(msgspec.msgpack.encode(list(items)))
        state = Progress("answering", 0, cutter.entries * len(order.programs))
        progress(state)
        hand = _Hand(patterns, messenger, store)
        if workers == 1 or len(tasks) <= 1:
            found = _here(tasks, hand, state, progress)
        else:
            found = _elsewhere(tasks, hand, min(workers, len(tasks)), state, progress)
        answer = _added(order, found)
        _gather(order, folder, len(tasks))
    return answer


def _tasks(order: Order, cutter: Cutter, shards: Sequence[Shard], folder: Path) -> list[_Task]:
    last_at = cutter.last_at
    ends_at = order.to_at if order.to_at is not None else last_at
    until = later(ends_at, order.then)
    first_at = max(cutter.first_at, order.from_at)
    return [
        _Task(
            number=number,
            shard=shard,
            order=order,
            last_at=last_at,
            until=until,
            bucket_ms=bucket_for(last_at - first_at, until - first_at),
            folder=str(folder),
        )
        for number, shard in enumerate(shards)
    ]


_BUCKETS = (
    SECOND, 10 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, DAY, 7 * DAY
)  # fmt: skip


def bucket_for(log: int, whole: int) -> int:
    """The span of one column: as fine as the log bears, and the time after it too."""
    for bucket in _BUCKETS:
        if log < bucket * BUCKETS_MAX and whole < bucket * BUCKETS_IN_ALL_MAX:
            return bucket
    return 28 * DAY


# ── one shard ───────────────────────────────────────────────────────────────────────


class _Hand:
    """Answers shards: what a worker needs besides the task."""

    def __init__(
        self, patterns: Patterns, messenger: Messenger, store: Store | None = None
    ) -> None:
        self._patterns = patterns
        self._messenger = messenger
        self._store = store
        self._zones = Zones()
        """Made once for all shards: a table is the same for everyone."""

    def needs(self) -> tuple[Patterns, Messenger]:
        """What another process makes its own hand from."""
        return self._patterns, self._messenger

    def answer(self, task: _Task, tick: Callable[[int], None]) -> _Found:
        """Run a shard through every program, and compare."""
        everyone: list[list[Customer]] = []
        found: list[Report] = []
        for place, candidate in enumerate(task.order.programs):
            tally, customers = self._run(task, candidate, tick)
            for one in customers:
                tally.fold(one)
            found.append(reports.pruned(tally.report))
            everyone.append(customers)
            if place == 0 and task.order.decisions:
                with Export(task.folder, "decisions", task.number) as export:
                    for one in customers:
                        for seen in one.seen:
                            export.write(seen.at, one.profile.id, row(one, seen))
        if len(everyone) < 2:
            return _Found(reports=found)
        return _Found(reports=found, comparison=_compared(task, *everyone))

    def _run(
        self, task: _Task, candidate: Candidate, tick: Callable[[int], None]
    ) -> tuple[Tally, list[Customer]]:
        order = task.order
        current = msgspec.json.decode(candidate.plan, type=Plan)
        tally = Tally(current, last_at=task.last_at, bucket_ms=task.bucket_ms)
        pages = Pages(current) if order.ask else None
        course = Course()
        done = 0

        def listen(answered: Answered) -> None:
            tally.listen(answered)
            if pages is not None:
                pages.listen(answered)

        def progress(now: Course) -> None:
            nonlocal done
            tick(now.fed - done)
            done = now.fed

        store = self._store if self._store is not None else QuickStore()
        engine = Engine(
            store,
            self._messenger(store),
            patterns=self._patterns,
            zones=self._zones,
            listener=listen,
        )
        begins: list[tuple[Instant, Callable[[], None]]] = []
        if order.from_at:
            tally.recording = False
            engine.publish(_WARMING + candidate.name, _warming(current))
            publish_at = Instant(max(0, order.from_at - order.warm_up))
            begins.append((order.from_at, lambda: tally.begin(engine.store)))
            begins.append((publish_at, lambda: _publish(engine, candidate)))
        else:
            engine.publish(candidate.name, candidate.plan)
        begins += _puts(engine, Path(task.folder), task.until)
        begins.sort(key=itemgetter(0))  # of one instant: first counting begins, then it runs
        drive(
            engine,
            task.shard,
            course,
            sources=order.sources,
            pages=pages,
            progress=progress,
            begins=begins,
        )
        engine.advance(task.until)
        report = tally.report
        report.workspace = current.workspace.name
        report.program = candidate.name
        report.from_at = order.from_at
        report.until = task.until
        report.duplicates = course.duplicates
        report.rejected = course.refused
        report.aside = [
            Aside(source=order.sources[one.source], line=one.line, reason=one.reason)
            for one in course.refusals[:REFUSALS_KEPT_MAX]
        ]
        return tally, list(tally.customers(engine.store))


def _puts(
    engine: Engine, folder: Path, until: Instant
) -> Iterator[tuple[Instant, Callable[[], None]]]:
    """What puts the items of each instant into the catalog, at that instant."""
    lines = msgspec.msgpack.decode((folder / _ITEMS).read_bytes(), type=list[ItemLine])
    for at, together in groupby(lines, key=attrgetter("at")):
        if at > until:
            return
        changes = [(one.catalog, one.id, one.fields) for one in together]
        yield at, partial(_put, engine, changes, at)


def _put(engine: Engine, changes: list[tuple[str, str, Record | None]], at: Instant) -> None:
    engine.put_items(changes, at)


def _publish(engine: Engine, candidate: Candidate) -> None:
    """Publish the program, as it would have been at that instant."""
    engine.publish(candidate.name, candidate.plan)
    engine.adopt_all()


def _warming(current: Plan) -> bytes:
    drafts = tuple(msgspec.structs.replace(one, state="draft") for one in current.journeys)
    plan = msgspec.structs.replace(current, journeys=drafts, published_at=Instant(0))
    return msgspec.json.encode(plan, order="sorted")


def _compared(task: _Task, mine: list[Customer], others: list[Customer]) -> Comparison:
    comparison = Comparison()
    before = {one.profile.id: one for one in others}
    with ExitStack() as stack:
        export: Export | None = None
        if task.order.differences:
            export = stack.enter_context(Export(task.folder, "differences", task.number))
        for one in mine:
            difference = differ(one, before[one.profile.id])
            comparison.take(difference)
            if export is not None and difference is not None:
                export.write(Instant(0), one.profile.id, difference)
    comparison.shorten()
    return comparison


# ── many shards ─────────────────────────────────────────────────────────────────────


def _here(
    tasks: Sequence[_Task], hand: _Hand, state: Progress, progress: Callable[[Progress], None]
) -> Iterator[_Found]:
    def tick(many: int) -> None:
        state.done += many
        progress(state)

    for task in tasks:
        yield hand.answer(task, tick)


_worker: dict[str, Any] = {}
"""What a worker process was started with."""


def _start(patterns: Patterns, messenger: Messenger, done: Any) -> None:
    _worker["hand"] = _Hand(patterns, messenger)
    _worker["done"] = done


def _work(task: bytes) -> bytes:
    def tick(many: int) -> None:
        with _worker["done"].get_lock():
            _worker["done"].value += many

    hand: _Hand = _worker["hand"]
    found = hand.answer(msgspec.msgpack.decode(task, type=_Task), tick)
    return msgspec.msgpack.encode(found)


def _elsewhere(
    tasks: Sequence[_Task],
    hand: _Hand,
    workers: int,
    state: Progress,
    progress: Callable[[Progress], None],
) -> Iterator[_Found]:
    """Spread shards over processes, which are started afresh: nothing of this one leaks in."""
    context = multiprocessing.get_context("spawn")
    done = context.Value(c_int64, 0)
    decode = msgspec.msgpack.Decoder(_Found).decode
    pool = ProcessPoolExecutor(workers, context, _start, (*hand.needs(), done))
    try:
        left: set[Future[bytes]] = {
            pool.submit(_work, msgspec.msgpack.encode(task)) for task in tasks
        }
        while left:
            ready, left = wait(left, _LOOK_S, FIRST_COMPLETED)
            state.done = done.value
            progress(state)
            for one in ready:
                yield decode(one.result())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _added(order: Order, found: Iterable[_Found]) -> Backtest:
    totals = [Report() for _ in order.programs]
    comparison = Comparison() if len(order.programs) > 1 else None
    for one in found:
        for total, part in zip(totals, one.reports, strict=True):
            reports.pruned(reports.add(total, part))
        if comparison is not None and one.comparison is not None:
            comparison.add(one.comparison)
    for total, candidate in zip(totals, order.programs, strict=True):
        current = msgspec.json.decode(candidate.plan, type=Plan)
        total.workspace, total.program = current.workspace.name, candidate.name
        total.from_at = order.from_at
        total.warm_up = order.warm_up if order.from_at else Millis(0)
        for pool, codes in order.coupons.items():
            if pool in total.pools:
                total.pools[pool].fill(codes)
        total.first_at = Instant(0) if total.first_at == NEVER else total.first_at
        reports.in_order(reports.name_all(total, current))
    return Backtest(
        report=totals[0],
        against=totals[1] if len(totals) > 1 else None,
        comparison=comparison.in_order() if comparison is not None else None,
    )


def _gather(order: Order, folder: Path, shards: int) -> None:
    for kind, path in (("decisions", order.decisions), ("differences", order.differences)):
        if path:
            gather(folder, kind, shards, Path(path))


# ── what could not be read ──────────────────────────────────────────────────────────


def note_sources(answer: Backtest, sources: Sequence[Source]) -> Backtest:
    """Add what the sources set aside while they were read."""
    for report in (answer.report, answer.against):
        if report is None:
            continue
        for source in sources:
            read = source.reading.report
            report.rejected += read.rejected
            for reason, many in read.skipped.items():
                report.skipped[reason] = report.skipped.get(reason, 0) + many
            report.aside += [
                Aside(source=str(source.path), line=one.line, reason=one.reason)
                for one in read.rejections
            ]
            if read.broken:
                report.broken.append(f"{source.path}: {read.broken}")
        reports.in_order(report)
    return answer

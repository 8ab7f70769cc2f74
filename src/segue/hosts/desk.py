"""Where a docket is answered and saved: one store, one cache, the program in force.

Rule 1: what `answer` returns is durable. A stale batch is answered afresh from what the
    store holds now; a batch that can't be saved at all is answered one by one, so that
    whatever is wrong with one of its inputs harms no other (P8).
Rule 2: `StoreUnavailable` means that nothing was accepted, and the cache is empty.
Rule 3: one thread at a time. Readers of the store need no desk.
"""

import logging
from collections.abc import Callable

import msgspec

from segue.errors import StaleCommit, StoreUnavailable
from segue.hosts.arrivals import Answer, Arrival
from segue.hosts.batch import Batch, Docket, Unsure, aside
from segue.hosts.cache import Cache
from segue.hosts.coupons import Coupons
from segue.hosts.limits import COMMIT_TRIES_MAX, PROFILES_CACHED_MAX
from segue.hosts.programs import Programs
from segue.hosts.publishing import Modes
from segue.hosts.teller import Round, Teller
from segue.hosts.zones import Zones
from segue.kernel.program import Program
from segue.kernel.values import Instant, ProfileId
from segue.stores.ports import Saved, SetAside, Store

_log = logging.getLogger("segue.hosts")

Cut = Callable[[int], bool]
"""Says, of how many arrivals are answered so far, whether to save those and leave the others."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What a docket came to; `answers` stand in the order of its arrivals."""

    answers: list[Answer]
    saved: list[Saved]
    set_aside: list[SetAside]


class Desk:
    """Answers dockets."""

    def __init__(
        self,
        store: Store,
        programs: Programs,
        program: Program,
        zones: Zones,
        profiles_cached_max: int = PROFILES_CACHED_MAX,
        *,
        pools: bool = True,
    ) -> None:
        """`pools` hands out the codes of the store's coupon pools; else they are made up."""
        self.store = store
        self.cache = Cache(profiles_cached_max)
        self._pools = pools
        self._programs = programs
        self._zones = zones
        self._program = program
        self._modes = programs.modes(program.name)
        self._covered: dict[str, bool] = {}
        self._at = Instant(-1)
        self._occasions: dict[ProfileId, int] = {}
        self.teller = Teller(store)
        self.teller.refresh()

    @property
    def program(self) -> Program:
        """The program in force."""
        return self._program

    @property
    def modes(self) -> Modes:
        """What becomes of the runs of older programs."""
        return self._modes

    def swap(self, program: Program) -> None:
        """Put another program in force, or the same with other modes, between two dockets."""
        self._program = program
        self._modes = self._programs.modes(program.name)
        self._covered = {}
        self.teller.reset()

    def round(self, limit: int) -> Round:
        """The next profiles that are to be told of a change of an item."""
        return self.teller.round(self._program, limit)

    def _needs_history(self, older: str) -> bool:
        """See `Batch`; every profile of one program gives the same answer."""
        if older not in self._covered:
            self._covered[older] = self._programs.counts_all_of(older, self._program)
        return not self._covered[older]

    def answer(self, docket: Docket, now: Instant, cut: Cut | None = None) -> Answered:
        """Step all of a docket and save it in one commit.

        Where `cut` ends it early there are fewer answers than arrivals: those of the first.
        """
        if now != self._at:
            self._at = now
            self._occasions = {}
        tries, careful = 0, False
        while tries < COMMIT_TRIES_MAX:
            batch = Batch(
                self.store,
                self.cache,
                self._program,
                self._zones,
                self._needs_history,
                self._occasions,
                now,
                Coupons(self.store, self._program.pools) if self._pools else None,
                modes=self._modes,
                catalog=self.teller.catalog,
                careful=careful,
            )
            try:
                return self._answer(batch, docket, cut)
            except Unsure:
                # Its profiles are changed, and out of the cache already.
                careful = True
            except StaleCommit as stale:
                tries += 1
                # The profiles in the batch were taken out of the cache and are changed, so
                # they are gone already; what names them may be stale as well.
                self.cache.names.clear()
                self.cache.forget(map(ProfileId, stale.profiles))
            except StoreUnavailable:
                self._forget()
                raise
            except Exception as error:  # noqa: BLE001 - Rule 1
                self.cache.clear()
                if _size(docket) <= 1:
                    return self._give_up(docket, error, now)
                _log.exception("a batch of %d could not be saved; one by one", _size(docket))
                return self._one_by_one(docket, now)
        self._forget()
        raise StoreUnavailable("another process keeps changing the same profiles")

    def _forget(self) -> None:
        """Nothing was saved: what was decided is not so."""
        self.cache.clear()
        self.teller.reset()

    def _answer(self, batch: Batch, docket: Docket, cut: Cut | None) -> Answered:
        batch.prepare(docket)
        for profile in docket.wakes:
            batch.wake(profile)
        for profile in docket.adopts:
            batch.adopt(profile)
        for telling in docket.tellings:
            batch.tell(telling)
        answers: list[Answer] = []
        for arrival in docket.arrivals:
            if cut is not None and cut(len(answers)):
                break
            answers.append(batch.answer(arrival))
        saved = batch.saved()
        if saved or batch.aside or docket.settlements or docket.meta:
            self.store.commit(saved, batch.aside, docket.meta, docket.settlements)
        batch.keep()
        if any(one.absorbed for one in saved):
            self.teller.merged()
        return Answered(answers=answers, saved=saved, set_aside=batch.aside)

    def _one_by_one(self, docket: Docket, now: Instant) -> Answered:
        parts = [Docket(settlements=(one,)) for one in docket.settlements]
        parts += [Docket(wakes=(one,)) for one in docket.wakes]
        parts += [Docket(adopts=(one,)) for one in docket.adopts]
        parts += [Docket(tellings=(one,)) for one in docket.tellings]
        parts += [Docket(arrivals=(one,)) for one in docket.arrivals]
        parts += [Docket(meta=docket.meta)] if docket.meta else []
        done = [self.answer(part, now) for part in parts]
        return Answered(
            answers=[answer for one in done for answer in one.answers],
            saved=[saved for one in done for saved in one.saved],
            set_aside=[bad for one in done for bad in one.set_aside],
        )

    def _give_up(self, docket: Docket, error: Exception, now: Instant) -> Answered:
        """Keep aside the one thing that can't be saved."""
        arrival = docket.arrivals[0] if docket.arrivals else None
        bad = aside(now, *_described(arrival, docket), error)
        self.store.commit((), (bad,))
        reason = f"{bad.code}: {bad.reason}"
        answers = [Answer(status="set_aside", at=now, reason=reason)] if arrival else []
        return Answered(answers=answers, saved=[], set_aside=[bad])


def _size(docket: Docket) -> int:
    others = len(docket.wakes) + len(docket.adopts) + len(docket.settlements)
    return len(docket.arrivals) + len(docket.tellings) + bool(docket.meta) + others


def _described(arrival: Arrival | None, docket: Docket) -> tuple[str, bytes]:
    if arrival is None:
        own = (*docket.wakes, *docket.adopts, *docket.settlements, *docket.tellings)
        return "host", repr(own).encode()
    try:
        body = arrival.body or msgspec.json.encode(arrival.input)
    except (ValueError, TypeError, OverflowError):
        body = repr(arrival.input).encode("utf-8", "backslashreplace")
    return arrival.source, body

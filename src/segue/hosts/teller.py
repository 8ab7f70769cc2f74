"""The catalog of a host, and who is told of its changes.

Rule 1: a change is saved first, as a line of the store's item log, and looked at here: whoever
    put it (this host, a command beside it), the catalog follows the log.
Rule 2: each change is *told*: for every derived event that it makes, the profiles that are
    interested are asked for page by page, and each takes its event through the ordinary batch.
Rule 3: who was told is marked with the profile's own commit (`Saved.told`), and a change is
    over in the commit of its last page (`TOLD`). So a crash between pages repeats nothing and
    leaves nobody out.
Rule 4: a merge may move an interest to a profile that the pages have passed. After one they
    are asked for from the start again: the marks leave only whom nobody told.
"""

from collections import deque
from collections.abc import Iterator, Sequence

import msgspec

from segue.hosts.limits import ITEM_LINES_PER_LOOK_MAX, ITEM_LINES_READ_MAX
from segue.kernel import catalog
from segue.kernel.catalog import Catalog, ItemChange, ItemTold
from segue.kernel.inputs import Event
from segue.kernel.program import Program
from segue.kernel.values import Instant, ProfileId
from segue.stores.ports import Audience, Item, ItemLine, Store, Told

TOLD = "items:told"
"""The store's named value: the number of the last change that everyone was told of."""

_NOBODY = ProfileId("")


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """One profile to be told of one change."""

    profile: ProfileId
    event: Event
    told: Told


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What one batch is to tell, and the named values that go into its commit."""

    tellings: Sequence[Telling] = ()
    meta: dict[str, str] = {}


class Teller:
    """Follows the item log of a store; asked for a round at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.catalog: Catalog = catalog.EMPTY
        """What the log has come to, as far as it was looked at."""
        self._number = 0
        self._read = False
        self._told: int = 0
        self._lines: deque[ItemLine] = deque()
        self._open: deque[tuple[ItemChange, ItemTold]] = deque()
        """Events of the change that is being told, the next one first."""
        self._after = _NOBODY
        self._merged = False
        self.reset()

    @property
    def busy(self) -> bool:
        """Whether there is a change that not everyone was told of."""
        return self._told < self._number or bool(self._open)

    def reset(self) -> None:
        """Begin again at the last change that is over: after a failed commit, or for another
        program. Who was told already stays told.
        """
        self._told = int(self._store.meta(TOLD) or 0)
        self._lines.clear()
        self._open.clear()
        self._after = _NOBODY
        self._merged = False

    def merged(self) -> None:
        """A profile was merged into another (rule 4)."""
        self._merged = True

    def refresh(self) -> None:
        """Follow the log to its end."""
        if not self._read:
            self._load()
        while lines := self._store.item_log(self._number, ITEM_LINES_READ_MAX):
            self.catalog = self.catalog.changed(map(change_of, lines))
            self._number = lines[-1].number

    def _load(self) -> None:
        """Every item as it is; what is put while they are read follows from the log."""
        number = self._store.item_number()
        found = {
            name: {one.id: one.fields for one in every_item(self._store, name)}
            for name in self._store.catalogs()
        }
        self.catalog = Catalog(found)
        self._number = number
        self._read = True

    def round(self, program: Program, limit: int) -> Round:
        """The next profiles to be told, of as many changes as there is room for.

        What it gives is to be committed before it is asked again, or `reset` must follow.
        """
        before = self._told
        tellings: list[Telling] = []
        if program.interested:
            looks = ITEM_LINES_PER_LOOK_MAX
            while len(tellings) < limit and looks > 0:
                if not self._open:
                    if not self._next(program):
                        break
                    looks -= 1
                elif not self._page(tellings, limit):
                    break
        elif not self._open:
            self._told = max(self._told, self._number)
        meta = {} if self._told == before else {TOLD: str(self._told)}
        return Round(tellings=tellings, meta=meta)

    def _next(self, program: Program) -> bool:
        """Open the next change; whether there was one."""
        if not self._lines:
            if self._told >= self._number:
                return False
            self._lines.extend(self._store.item_log(self._told, ITEM_LINES_READ_MAX))
        change = change_of(self._lines.popleft())
        self._open.extend((change, one) for one in catalog.told(program, change))
        if not self._open:
            self._told = change.number
        return True

    def _page(self, tellings: list[Telling], limit: int) -> bool:
        """Add a page of the open event's profiles; False if the rest must wait for a commit."""
        change, one = self._open[0]
        mark = f"{change.number:015}/{one.name}"
        since = change.at - one.within_ms if one.within_ms else -1
        audience = Audience(
            catalog=change.catalog,
            item=change.id,
            names=one.to,
            since=Instant(since),
            until=change.at,
            mark=mark,
        )
        room = limit - len(tellings)
        page = self._store.interested(audience, self._after, room)
        told = Told(change.catalog, change.id, mark)
        tellings += (
            Telling(profile=profile, event=catalog.event(profile, change, one), told=told)
            for profile in page
        )
        if len(page) == room:
            self._after = page[-1]
            return False
        if self._merged and self._after:
            # Somebody may stand before `_after` now; whom this page tells is marked first.
            self._after, self._merged = _NOBODY, False
            return not tellings
        self._open.popleft()
        self._after, self._merged = _NOBODY, False
        if not self._open:
            self._told = change.number
        return True


def change_of(line: ItemLine) -> ItemChange:
    """A line of the log, as the kernel knows it."""
    return ItemChange(
        catalog=line.catalog,
        id=line.id,
        before=line.before,
        after=line.fields,
        at=line.at,
        number=line.number,
    )


def every_item(store: Store, name: str) -> Iterator[Item]:
    """All items of a catalog, a few at a time."""
    after = ""
    while found := store.items(name, after, ITEM_LINES_READ_MAX):
        yield from found
        after = found[-1].id

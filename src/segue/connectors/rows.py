"""Rows become events, by a mapping.

Rule 1: a translator keeps only what bounded memory can hold: the groups that are still open,
    the keys of those closed lately, and whose traits were told.
Rule 2: a group is given out in the order of its first line, when no line of it can follow:
    `within` after its last. So events leave in the order of time that their rows came in.
Rule 3: a row that can't become an event raises `Unfit`, one left out on purpose `LeftOut`,
    and neither leaves a trace in any other row's event.
"""

from collections.abc import Callable
from hashlib import blake2b

import msgspec

from segue.connectors.cells import (
    Cell,
    Convert,
    LeftOut,
    Unfit,
    clock,
    converter,
    identifier,
    number,
    remembered,
    template,
    text,
)
from segue.connectors.limits import (
    GROUPS_CLOSED_MAX,
    GROUPS_OPEN_MAX,
    IDENTIFIED_MAX,
)
from segue.connectors.mapping import Field, Group, Mapping, Named, field, named, used
from segue.kernel.inputs import Consented, Event, Reported
from segue.kernel.values import Instant, Record, Value

Row = list[Cell]


class Imported(msgspec.Struct, frozen=True, array_like=True):
    """An event read from line `line` (the first of its rows), and when it arrived.

    `also` is what a Segment message says besides: of consents, and of what became of a send.
    """

    line: int
    event: Event
    arrived_at: Instant
    also: tuple[Consented | Reported, ...] = ()


class Fields:
    """The properties that a row gives, compiled: one pass, one list of plain steps."""

    __slots__ = ("_filled", "_fixed", "_plain", "_texts", "spots")

    def __init__(
        self, written: dict[str, Field | str], index: dict[str, int], all_text: bool
    ) -> None:
        self.spots: list[int] = []
        """The cells that are looked at."""
        self._texts: list[tuple[str, int]] = []
        self._plain: list[tuple[str, int, Convert]] = []
        self._filled: list[tuple[str, Callable[[Row], str | None]]] = []
        self._fixed: Record = {}
        for name, one in ((name, field(some)) for name, some in written.items()):
            self.spots += [index[column] for column in used(one)]
            if one.column and all_text and one.type == "text":
                self._texts.append((name, index[one.column]))
            elif one.column:
                convert = converter(one)
                if all_text and one.type != "list":
                    convert = remembered(convert)
                self._plain.append((name, index[one.column], convert))
            elif one.template:
                self._filled.append((name, template(one, index)))
            else:
                self._fixed[name] = one.value

    def read(self, row: Row) -> Record:
        """The values of a row; what is missing is left out."""
        found: Record = self._fixed.copy()
        for name, spot in self._texts:
            if cell := row[spot]:
                found[name] = cell  # type: ignore[assignment]  # a CSV file's cells are text
        for name, spot, convert in self._plain:
            cell = row[spot]
            if cell is None or cell == "":
                continue
            try:
                found[name] = convert(cell)
            except Unfit as unfit:
                raise Unfit(f"{name}: {unfit}") from None
        for name, fill in self._filled:
            filled = fill(row)
            if filled is not None:
                found[name] = filled
        return found


class _Open(msgspec.Struct):
    """A group whose lines are still coming."""

    key: str
    line: int
    event: Event
    whose: tuple[str, str, str]
    last_at: Instant
    items: list[Value]
    totals: dict[str, float]
    lines: int = 1
    told: Event | None = None


class Translator:
    """Turns the rows of one file into arrivals; `flush` gives out what is still open."""

    def __init__(self, mapping: Mapping, columns: list[str], *, all_text: bool) -> None:
        self._mapping = mapping
        index = {name: spot for spot, name in enumerate(columns)}
        self._at = clock(mapping.time, mapping.path or mapping.name)
        self._time = index[mapping.time.column]
        self._arrived = index[mapping.time.arrived] if mapping.time.arrived else -1
        self._event = index[mapping.event.column] if mapping.event.column else -1
        self._names = {value: named(one) for value, one in mapping.event.names.items()}
        self._prefixes = [(start, named(one)) for start, one in mapping.event.prefixes.items()]
        self._extra: dict[str, Fields] = {}
        for one in (*self._names.values(), *(one for _, one in self._prefixes)):
            if one.properties:
                self._extra[one.name] = Fields(one.properties, index, all_text)
        self._properties = Fields(mapping.properties, index, all_text)
        self._identify = Fields(mapping.identify, index, all_text) if mapping.identify else None
        self._user = _identity(mapping.user, index, all_text)
        self._anonymous = _identity(mapping.anonymous, index, all_text)
        self._skip = [
            (index[rule.column], rule.empty, frozenset(rule.equals), rule.reason)
            for rule in mapping.skip
        ]
        self._word = ""
        """The cell that named the last row's event, which those of one group have in common."""
        self._name = ""
        self._told: dict[str, bytes] = {}
        self._group = mapping.group
        self._done: list[Imported] = []
        if mapping.group is not None:
            self._lines = _Lines(mapping.group, index, all_text)

    def translate(self, row: Row, line: int, raw: bytes) -> list[Imported]:
        """The events that a row gives: none, its own, or those that its time completes.

        `raw` is the row as it was written: with the line's number it names the event.
        """
        for spot, empty, equals, reason in self._skip:
            cell = row[spot]
            if cell is None or cell == "":
                if empty:
                    raise LeftOut(reason)
            elif equals and text(cell) in equals:
                raise LeftOut(reason)
        name = self._named(row)
        at = self._at(row[self._time])
        arrived = at
        if self._arrived >= 0 and row[self._arrived] not in (None, ""):
            arrived = max(at, self._at(row[self._arrived]))
        user = self._user(row)
        anonymous = self._anonymous(row)
        if not user and not anonymous:
            raise Unfit("neither a user id nor an anonymous id")
        if self._group is not None:
            # What closes here is kept until it is given out, whatever becomes of this row.
            if at > self._lines.quiet_until:
                self._done += self._lines.close(at)
            if self._lines.join(row, (name, user, anonymous), at):
                return self._ready()
        properties = self._properties.read(row)
        extra = self._extra.get(name)
        if extra is not None:
            properties |= extra.read(row)
        event = Event(
            id=f"{self._mapping.name}-{_digest(raw, line)}",
            name=name,
            at=at,
            properties=properties,
            anonymous_id=anonymous,
            user_id=user,
            source=self._mapping.name,
            live=self._mapping.live,
        )
        if self._group is None:
            told = self._tell(row, event)
            done = [] if told is None else [Imported(line, told, arrived)]
            done.append(Imported(line, event, arrived))
            return done
        one = self._lines.open(row, line, event)
        one.told = self._tell(row, one.event)
        return self._ready()

    def flush(self) -> list[Imported]:
        """The groups that the end of the file completes."""
        if self._group is not None:
            self._done += self._lines.close(None)
        return self._ready()

    def _ready(self) -> list[Imported]:
        done, self._done = self._done, []
        return done

    def _named(self, row: Row) -> str:
        if self._event < 0:
            return self._mapping.event.otherwise
        cell = row[self._event]
        word = "" if cell is None else text(cell)
        if word and word == self._word:
            return self._name
        self._name = self._name_of(word)
        self._word = word
        return self._name

    def _name_of(self, word: str) -> str:
        found: Named | None = self._names.get(word)
        if found is None:
            for start, one in self._prefixes:
                if word.startswith(start):
                    found = one
                    break
        if found is not None:
            return found.name
        match self._mapping.event.otherwise:
            case "skip":
                raise LeftOut(f"{self._mapping.event.column} is {word!r}"[:80])
            case "reject":
                raise Unfit(f"{self._mapping.event.column}: no event is named for {word!r}"[:120])
            case name:
                return name

    def _tell(self, row: Row, event: Event) -> Event | None:
        """What the row says of its customer, if it was not told before."""
        if self._identify is None:
            return None
        who = event.user_id or event.anonymous_id
        said = "\x1f".join([str(row[spot]) for spot in self._identify.spots])
        mark = blake2b(said.encode(), digest_size=8).digest()
        if self._told.get(who) == mark:
            return None
        traits = self._identify.read(row)
        if not traits:
            return None
        if len(self._told) >= IDENTIFIED_MAX:
            del self._told[next(iter(self._told))]
        self._told[who] = mark
        # Its instant too: somebody who moves away and back says the same again, and means it.
        known = repr((who, event.at, sorted(traits.items())))
        name = blake2b(known.encode(), digest_size=12).hexdigest()
        return Event(
            id=f"{self._mapping.name}-{name}",
            name="Profile Identified",
            kind="identify",
            at=event.at,
            traits=traits,
            anonymous_id=event.anonymous_id,
            user_id=event.user_id,
            source=event.source,
            live=False,
        )


class _Lines:
    """The groups under way, oldest first."""

    def __init__(self, group: Group, index: dict[str, int], all_text: bool) -> None:
        self._group = group
        self._by = index[group.by]
        self._item = Fields(group.item, index, all_text)
        self._number = remembered(number) if all_text else number
        self.quiet_until = Instant(-1)
        """Until then no group is complete."""
        self._totals = [
            (name, [index[one] for one in factors]) for name, factors in group.totals.items()
        ]
        self._open: dict[str, _Open] = {}
        self._closed: dict[str, None] = {}

    def join(self, row: Row, whose: tuple[str, str, str], at: Instant) -> bool:
        """Put a row to its group if that is open; raises `Unfit` if it was given out already.

        `whose` is the event's name, user id and anonymous id, which a group has in common.
        """
        key = "" if row[self._by] is None else text(row[self._by])
        if not key:
            raise Unfit(f"{self._group.by}: empty, so the row belongs to no group")
        one = self._open.get(key)
        if one is None:
            if key in self._closed:
                raise Unfit(f"{self._group.by} {key!r}: its other rows lie too far away in time")
            return False
        if whose != one.whose:
            raise Unfit(f"{self._group.by} {key!r}: another event or customer than its first row")
        products = [(name, self._product(name, row, spots)) for name, spots in self._totals]
        if len(one.items) < self._group.items_max:
            one.items.append(self._item.read(row))
        one.lines += 1
        one.last_at = max(one.last_at, at)
        for name, product in products:
            one.totals[name] += product
        return True

    def open(self, row: Row, line: int, event: Event) -> _Open:
        """Begin a group with its first row."""
        key = text(row[self._by])
        totals = {name: self._product(name, row, spots) for name, spots in self._totals}
        items: list[Value] = [self._item.read(row)] if self._group.items_max else []
        said = blake2b(key.encode(), digest_size=12).hexdigest()
        event = msgspec.structs.replace(event, id=f"{event.source}-{said}")
        whose = (event.name, event.user_id, event.anonymous_id)
        self._open[key] = one = _Open(key, line, event, whose, event.at, items, totals)
        if len(self._open) == 1:
            self.quiet_until = Instant(event.at + self._group.within * 1000)
        elif len(self._open) >= GROUPS_OPEN_MAX:
            self.quiet_until = Instant(-1)
        return one

    def _product(self, name: str, row: Row, spots: list[int]) -> float:
        """What a row adds to a total; an empty cell adds nothing."""
        product = 1.0
        for spot in spots:
            cell = row[spot]
            if cell is None or cell == "":
                return 0.0
            try:
                product *= self._number(cell)
            except Unfit as unfit:
                raise Unfit(f"{name}: {unfit}") from None
        return product

    def close(self, at: Instant | None) -> list[Imported]:
        """Give out the groups that are complete at `at`; all of them at the end of the file."""
        done: list[Imported] = []
        within = self._group.within * 1000
        self.quiet_until = Instant(-1)
        while self._open:
            one = next(iter(self._open.values()))
            crowded = len(self._open) >= GROUPS_OPEN_MAX
            if at is not None and not crowded and at - one.last_at <= within:
                self.quiet_until = Instant(one.last_at + within)
                break
            del self._open[one.key]
            if len(self._closed) >= GROUPS_CLOSED_MAX:
                del self._closed[next(iter(self._closed))]
            self._closed[one.key] = None
            if one.told is not None:
                done.append(Imported(one.line, one.told, one.event.at))
            done.append(Imported(one.line, self._sum(one), one.event.at))
        return done

    def _sum(self, one: _Open) -> Event:
        group = self._group
        properties = dict(one.event.properties)
        if group.items and group.items_max:
            properties[group.items] = one.items
        if group.count:
            properties[group.count] = one.lines
        for name, total in one.totals.items():
            # Money in cents: the sum of many products of floats has a tail that means nothing.
            properties[name] = round(abs(total) if group.absolute else total, 2)
        return msgspec.structs.replace(one.event, properties=properties)


def _identity(written: Field | str, index: dict[str, int], all_text: bool) -> Callable[[Row], str]:
    """How a row names its customer; nothing where the mapping has no such column."""
    one = field(written)
    if one.template:
        fill = template(one, index)
        return lambda row: fill(row) or ""
    if not one.column:
        return lambda _row: ""
    spot = index[one.column]
    shape: Callable[[Cell], str] = identifier if one.type == "id" else text
    if all_text:
        shape = remembered(shape)
    return lambda row: "" if row[spot] is None or row[spot] == "" else shape(row[spot])


def _digest(raw: bytes, line: int) -> str:
    return blake2b(raw, digest_size=12, key=line.to_bytes(8, "big")).hexdigest()

"""Expressions made into closures: what is asked, what it reads, and until when it holds.

Rule 1: a program has one `Linker`. It gives each thing that a condition can read a bit, and
    each stream one place; a condition's `needs` say which of them could change its answer.
Rule 2: asking never raises and never writes, except to lower `scene.until` to the earliest
    instant at which the answer may change by time alone (see `scene.py`).
Rule 3: `until` is as late as it can be: what a failed part of an `and` depends on matters, what
    the parts before it depend on does not. So parts that time can change are asked last, and
    each on its own.
Rule 4: what is known when linking is computed when linking: constants fold, and a condition
    that always answers alike says so.

Bits: event (with its properties and context, `profile`, and the catalog), traits, session, vars
(with `entry`), item, message, runs, ledger, consents, grants, segment:<name>, stream:<key>.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, assert_never

from segue.kernel import expression as ex, history, sequences, windows
from segue.kernel.calendar import UTC
from segue.kernel.features import FORGOT, Ask, Floor, LinkedStream, Streams, Taken, digest
from segue.kernel.functions import FUNCTIONS, contains, spelled, tame
from segue.kernel.logic import COMBINE, FLIPPED, against, chain, compare
from segue.kernel.paths import (
    EVENT_FIELDS,
    LOCAL_FIELDS,
    PROFILE_FIELDS,
    look_up,
    property_is,
    reader,
)
from segue.kernel.plan import Workspace
from segue.kernel.profile import Profile, create
from segue.kernel.scene import Scene
from segue.kernel.session import SESSION_FIELDS
from segue.kernel.shelves import Judge, LinkedRanking, Place, Ranking
from segue.kernel.values import NEVER, Instant, ProfileId, Record, Value, equal, number

__all__ = [
    "EVENT_FIELDS",
    "FUNCTIONS",
    "LOCAL_FIELDS",
    "PROFILE_FIELDS",
    "SESSION_FIELDS",
    "Ask",
    "Condition",
    "Linker",
    "Patterns",
    "allowed",
    "look_up",
]

Patterns: TypeAlias = Callable[[str], Callable[[str], bool]]
"""Compiles a regular expression with a linear-time engine into a search."""

_BIT_OF_ROOT: Mapping[str, str] = {
    "event": "event",
    "properties": "event",
    "context": "event",
    "profile": "event",
    "traits": "traits",
    "session": "session",
    "entry": "vars",
    "vars": "vars",
    "item": "item",
    "before": "item",
    "message": "message",
    "local": "traits",
}
"""What a change of each root is announced as; the profile's zone changes with its traits."""


class Condition:
    """A compiled expression."""

    __slots__ = ("always", "ask", "constant", "floors", "needs", "timed", "value")

    def __init__(
        self,
        ask: Ask,
        needs: int = 0,
        *,
        timed: bool = False,
        constant: bool = False,
        value: Value = None,
        floors: tuple[Floor, ...] = (),
    ) -> None:
        self.ask = ask
        """Its value in a scene."""
        self.needs = needs
        """Bits of what could change its answer."""
        self.timed = timed
        """Whether time alone could."""
        self.constant = constant
        self.value = value
        """Its value, if it is constant."""
        self.always: bool | None = (value is True) if constant else None
        """Whether it holds, if that is known without a scene."""
        self.floors = floors
        """It does not hold while one of these is not reached, and no time changes that."""

    def holds(self, scene: Scene) -> bool:
        """Whether it is true there; missing is not."""
        return self.ask(scene) is True


def _fixed(value: Value) -> Condition:
    return Condition(lambda _scene: value, constant=True, value=value)


_NOBODY = create(ProfileId(""), Instant(0))
_NOWHERE = Scene(_NOBODY, Instant(0), UTC)
"""Where constants are computed; none of them looks at it."""


class Linker:
    """Compiles the expressions of one program and gathers what they read."""

    def __init__(self, patterns: Patterns, workspace: Workspace | None = None) -> None:
        self._patterns = patterns
        self._workspace = workspace if workspace is not None else Workspace(name="")
        self._bits: dict[str, int] = {}
        self._streams: dict[tuple[str, Taken, int], LinkedStream] = {}
        self._rankings: dict[str, LinkedRanking] = {}
        self.longest: Mapping[windows.Kept, int] = {}
        """The windows of the plan whose expressions are being compiled (see `windows.py`)."""

    def bit(self, token: str) -> int:
        """The bit of something that conditions read; a new token gets the next one."""
        return self._bits.setdefault(token, FORGOT << (len(self._bits) + 1))

    def index(self) -> Streams:
        """Every stream that was asked for so far."""
        return Streams(self._streams.values())

    def rank(self, rankings: Iterable[Ranking]) -> None:
        """Let expressions name these rankings; the first of a name is the one that counts."""
        for each in rankings:
            if each.name not in self._rankings:
                self._rankings[each.name] = LinkedRanking(each, digest(each), self._judge(each))

    def _judge(self, ranking: Ranking) -> Judge:
        when, by, group = map(self.compile, (ranking.when, ranking.by, ranking.group))

        def judge(item: Record) -> Place:
            scene = Scene(_NOBODY, Instant(0), UTC)
            scene.item = item
            return Place(when.ask(scene), by.ask(scene), group.ask(scene))

        return judge

    def compile(self, expression: ex.Expression) -> Condition:
        """Make a closure of an expression."""
        match expression:
            case ex.Literal(value=value):
                return _fixed(value)
            case ex.Many(items=items):
                return self._many(items)
            case ex.Path(root=root, keys=keys):
                ask, timed = reader(root, keys)
                return Condition(ask, self.bit(_BIT_OF_ROOT[root]), timed=timed)
            case ex.Part(of=of, keys=keys):
                whole = self.compile(of)
                asked, found = whole.ask, keys
                return _joined((whole,), lambda scene: look_up(asked(scene), found))
            case ex.Compare():
                return self._compare(expression)
            case ex.All(parts=parts):
                return self._join([self.compile(part) for part in parts], stops_at=False)
            case ex.Any(parts=parts):
                return self._join([self.compile(part) for part in parts], stops_at=True)
            case ex.Not(part=part):
                return self._not(part)
            case ex.Choice():
                return self._choice(expression)
            case ex.Arithmetic():
                return self._arithmetic(expression)
            case ex.Function(name=name, args=args):
                return self._function(name, args)
            case ex.Pattern(text=text, pattern=pattern):
                return self._pattern(text, pattern)
            case ex.Aggregate():
                return self._aggregate(expression)
            case ex.Sequence():
                return self._sequence(expression)
            case ex.InSegment() | ex.InJourney() | ex.Touched() | ex.Consented() | ex.Holds():
                return self._state(expression)
            case ex.Item() | ex.Ranked():
                return self._catalog(expression)
            case _:
                assert_never(expression)

    # ── plain parts ─────────────────────────────────────────────────────────────────

    def _many(self, items: Sequence[ex.Expression]) -> Condition:
        parts = tuple(self.compile(item) for item in items)
        asks = tuple(part.ask for part in parts)
        return _joined(parts, lambda scene: [ask(scene) for ask in asks])

    def _join(self, parts: list[Condition], *, stops_at: bool) -> Condition:
        """`and` stops at the first part that does not hold, `or` at the first that does."""
        if any(part.always is stops_at for part in parts):
            return _fixed(stops_at)
        open_parts = [part for part in parts if not part.constant]
        if not open_parts:
            return _fixed(not stops_at)
        plain = tuple(part.ask for part in open_parts if not part.timed)
        timed = tuple(part.ask for part in open_parts if part.timed)
        joined = _joined(tuple(open_parts), chain(plain, timed, stops_at))
        if not stops_at:
            joined.floors = tuple(floor for part in open_parts for floor in part.floors)
        return joined

    def _not(self, node: ex.Expression) -> Condition:
        part = self.compile(node)
        ask = part.ask
        return _joined((part,), lambda scene: ask(scene) is not True)

    def _choice(self, node: ex.Choice) -> Condition:
        when, then, otherwise = map(self.compile, (node.when, node.then, node.otherwise))
        if when.always is not None:
            return then if when.always else otherwise
        asked, yes, no = when.ask, then.ask, otherwise.ask
        return _joined(
            (when, then, otherwise),
            lambda scene: yes(scene) if asked(scene) is True else no(scene),
        )

    def _arithmetic(self, node: ex.Arithmetic) -> Condition:
        left, right = self.compile(node.left), self.compile(node.right)
        combine = COMBINE[node.op]
        first, second = left.ask, right.ask

        def ask(scene: Scene) -> Value:
            one, other = number(first(scene)), number(second(scene))
            if one is None or other is None:
                return None
            try:
                return tame(combine(one, other))
            except (ZeroDivisionError, OverflowError):
                return None

        return _joined((left, right), ask)

    def _function(self, name: str, args: Sequence[ex.Expression]) -> Condition:
        parts = tuple(self.compile(arg) for arg in args)
        asks = tuple(part.ask for part in parts)
        function = FUNCTIONS[name]
        call = function.call

        def ask(scene: Scene) -> Value:
            return call(scene.zone, [ask(scene) for ask in asks])

        if function.zoned:
            needs = self.bit("traits")
            for part in parts:
                needs |= part.needs
            return Condition(ask, needs, timed=any(part.timed for part in parts))
        return _joined(parts, ask)

    def _pattern(self, text: ex.Expression, pattern: str) -> Condition:
        part = self.compile(text)
        asked, search = part.ask, self._patterns(pattern)

        def ask(scene: Scene) -> Value:
            found = asked(scene)
            return isinstance(found, str) and search(found)

        return _joined((part,), ask)

    # ── comparisons ─────────────────────────────────────────────────────────────────

    def _compare(self, node: ex.Compare) -> Condition:
        match node.op:
            case "in" | "not in":
                return self._member(node)
            case op:
                pass
        match node:
            case ex.Compare(
                "==", ex.Path(root="properties", keys=(str(key),)), ex.Literal(value=str(text))
            ):
                return Condition(property_is(key, text), self.bit("event"))
            case _:
                pass
        by_time = self._compare_by_time(op, node.left, node.right)
        if by_time is None:
            flipped = FLIPPED[op]
            by_time = self._compare_by_time(flipped, node.right, node.left)
        if by_time is not None:
            return by_time
        left, right = self.compile(node.left), self.compile(node.right)
        if left.constant and not right.constant:
            ask = against(FLIPPED[op], right.ask, left.value, numeric=_numeric(node.right))
        elif right.constant:
            ask = against(op, left.ask, right.value, numeric=_numeric(node.left))
        else:
            ask = compare(op, left.ask, right.ask)
        return _joined((left, right), ask)

    def _compare_by_time(
        self, op: history.Op, left: ex.Expression, right: ex.Expression
    ) -> Condition | None:
        """Comparisons whose truth changes at fewer instants than the value compared."""
        match left:
            case ex.Aggregate(fold="since", within_ms=within_ms):
                stream = self._stream(left.stream, "event", within_ms)
                bound = self.compile(right)
                last_of = history.last_of(stream, within_ms or 0)
                if isinstance(right, ex.Aggregate) and right.fold == "since":
                    other = self._stream(right.stream, "event", right.within_ms)
                    other_of = history.last_of(other, right.within_ms or 0)
                    ask = history.compare_lasts(FLIPPED[op], last_of, other_of)
                    return Condition(ask, stream.bit | other.bit, timed=True)
                if bound.constant and (limit := number(bound.value)) is not None:
                    ask = history.compare_since_constant(op, last_of, limit)
                else:
                    ask = history.compare_since(op, last_of, bound.ask)
                return Condition(ask, stream.bit | bound.needs, timed=True)
            case ex.Aggregate(fold="count", within_ms=int(within_ms)):
                bound = self.compile(right)
                if not bound.constant or (limit := number(bound.value)) is None:
                    return None
                stream = self._stream(left.stream, "event", within_ms)
                ask = history.compare_trail(op, stream, within_ms, limit)
                floors = _floors(stream, history.least(op, limit))
                return Condition(ask, stream.bit, timed=True, floors=floors)
            case ex.Aggregate(fold="sum" | "distinct" as fold, within_ms=int(within_ms)):
                bound = self.compile(right)
                if not bound.constant or (limit := number(bound.value)) is None:
                    return None
                stream = self._stream(left.stream, history.taken(fold, has_of=True), within_ms)
                compare_with = history.compare_sum if fold == "sum" else history.compare_distinct
                ask_both = compare_with(op, stream, within_ms, limit)
                if ask_both is None:
                    return None
                floors = _floors(stream, history.least(op, limit) if fold == "distinct" else 0)
                return Condition(ask_both, stream.bit, timed=True, floors=floors)
            case ex.Touched():
                bound = self.compile(right)
                if not bound.constant or (limit := number(bound.value)) is None:
                    return None
                times = history.touches(left)
                ask = history.compare_count(op, times, self._reach(left), limit)
                return Condition(ask, self.bit("ledger"), timed=True)
            case _:
                return None

    def _member(self, node: ex.Compare) -> Condition:
        left, right = self.compile(node.left), self.compile(node.right)
        item, whole = left.ask, right.ask
        wanted = node.op == "in"
        if right.constant and isinstance(right.value, list):
            texts = frozenset(one for one in right.value if isinstance(one, str))
            others = [one for one in right.value if one is not None and not isinstance(one, str)]

            def among(scene: Scene) -> Value:
                found = item(scene)
                if isinstance(found, str):
                    return (found in texts) is wanted
                return any(equal(found, other) for other in others) is wanted

            return _joined((left, right), among)
        return _joined((left, right), lambda scene: contains(whole(scene), item(scene)) is wanted)

    # ── history ─────────────────────────────────────────────────────────────────────

    def _stream(self, stream: ex.Stream, taken: Taken, window_ms: int | None) -> LinkedStream:
        """One for each window of a stream, or one for all where the plan is known."""
        stream, name = windows.kept(stream, taken)
        if window_ms is not None:
            window_ms = max(window_ms, self.longest.get(name, 0))
        named = (*name, window_ms or 0)
        linked = self._streams.get(named)
        if linked is None:
            where = self.compile(stream.where).ask if stream.where is not None else None
            of = self.compile(stream.of).ask if stream.of is not None else None
            linked = LinkedStream(stream, taken, self.bit(f"stream:{name[0]}"), where, of)
            self._streams[named] = linked
        if window_ms is None:
            linked.keep_all()
        else:
            linked.keep_within(window_ms)
        return linked

    def _aggregate(self, node: ex.Aggregate) -> Condition:
        taken = history.taken(node.fold, has_of=node.stream.of is not None)
        stream = self._stream(node.stream, taken, node.within_ms)
        if node.within_ms is None:
            ask = history.over_all_time(node.fold, stream)
            return Condition(ask, stream.bit, timed=node.fold == "since")
        ask = history.over_window(node.fold, stream, node.within_ms)
        return Condition(ask, stream.bit, timed=True)

    def _sequence(self, node: ex.Sequence) -> Condition:
        stages = [self._stream(stage, "event", node.over_ms) for stage in node.stages]
        without = [self._stream(one, "event", node.over_ms) for one in node.without]
        needs = 0
        for stream in (*stages, *without):
            needs |= stream.bit
        ask = sequences.sequence(stages, without, node.within_ms, node.over_ms)
        floors = tuple(Floor(stream, 1) for stream in stages)
        return Condition(ask, needs, timed=True, floors=floors)

    # ── the catalog ─────────────────────────────────────────────────────────────────

    def _catalog(self, node: ex.Item | ex.Ranked) -> Condition:
        """It changes without the profile, so what reads it is asked at every event."""
        key = self.compile(node.id if isinstance(node, ex.Item) else node.group)
        asked, needs = key.ask, key.needs | self.bit("event")
        match node:
            case ex.Item(catalog=catalog, keys=keys):

                def look(scene: Scene) -> Value:
                    item = scene.catalog.item(catalog, spelled(asked(scene)) or "")
                    return look_up(item, keys) if item else None

                return Condition(look, needs, timed=key.timed)
            case ex.Ranked(ranking=name):
                linked = self._rankings.get(name)

                def rank(scene: Scene) -> Value:
                    group = spelled(asked(scene))
                    if linked is None or group is None:
                        return []
                    return scene.catalog.ranked(linked, group)

                return Condition(rank, needs, timed=key.timed)
            case _:
                assert_never(node)

    # ── the profile's state ─────────────────────────────────────────────────────────

    def _reach(self, node: ex.Touched) -> int:
        """The ledger forgets, so a count over all time is one over what it keeps."""
        kept_ms = self._workspace.ledger_ms
        return kept_ms if node.within_ms is None else min(node.within_ms, kept_ms)

    def _state(
        self, node: ex.InSegment | ex.InJourney | ex.Touched | ex.Consented | ex.Holds
    ) -> Condition:
        match node:
            case ex.InSegment(segment=segment):
                return Condition(
                    lambda scene: segment in scene.profile.segments, self.bit(f"segment:{segment}")
                )
            case ex.InJourney(journey=journey):
                return Condition(
                    lambda scene: any(run.journey == journey for run in scene.profile.runs),
                    self.bit("runs"),
                )
            case ex.Touched():
                ask = history.count(history.touches(node), self._reach(node))
                return Condition(ask, self.bit("ledger"), timed=True)
            case ex.Consented(channel=channel, topic=topic):
                default = self._workspace.consent_default.get(channel, "granted")
                return Condition(
                    lambda scene: allowed(scene.profile, channel, topic, default) == "granted",
                    self.bit("consents"),
                )
            case ex.Holds(group=group):
                return Condition(_holding(group), self.bit("grants"), timed=True)
            case _:
                assert_never(node)


# ── closures ────────────────────────────────────────────────────────────────────────


def _joined(parts: Sequence[Condition], ask: Ask) -> Condition:
    """A condition made of parts; constant if they are."""
    if all(part.constant for part in parts):
        return _fixed(ask(_NOWHERE))
    needs = 0
    for part in parts:
        needs |= part.needs
    return Condition(ask, needs, timed=any(part.timed for part in parts))


def _numeric(node: ex.Expression) -> bool:
    """Whether its value is a number or missing, whatever the data."""
    match node:
        case ex.Path(root="session", keys=(str(name),)):
            return name not in SESSION_FIELDS or SESSION_FIELDS[name] == "number"
        case ex.Aggregate(fold="count" | "sum" | "avg" | "distinct"):
            return True
        case _:
            return False


def _floors(stream: LinkedStream, entries: int) -> tuple[Floor, ...]:
    """One floor, unless every trail reaches it."""
    return (Floor(stream, entries),) if entries > 0 else ()


# ── consent and incentives ──────────────────────────────────────────────────────────


def allowed(profile: Profile, channel: str, topic: str, default: str) -> str:
    """What the customer allows: of all that was said, the strictest; else the default."""
    said = {
        profile.consents[key].state
        for key in (f"{channel}/{topic}", f"{channel}/*", f"*/{topic}", "*/*")
        if key in profile.consents
    }
    return next((state for state in ("denied", "pending", "granted") if state in said), default)


def _holding(group: str) -> Ask:
    """An incentive of the group is alive, until the last one expires."""

    def ask(scene: Scene) -> Value:
        ends_at = max(
            (
                grant.expires_at
                for grant in scene.profile.grants
                if grant.group == group and grant.redeemed_at == NEVER
            ),
            default=scene.now,
        )
        if ends_at <= scene.now:
            return False
        scene.until = min(scene.until, ends_at)
        return True

    return ask

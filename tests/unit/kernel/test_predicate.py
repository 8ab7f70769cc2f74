"""Goal: expressions answer by the rules of `values.py`, and say what they read and until when."""

import re
from collections.abc import Callable

import pytest

from segue.kernel import calendar, expression as ex
from segue.kernel.calendar import UTC, Zone
from segue.kernel.inputs import Event
from segue.kernel.paths import EVENT_FIELDS, LOCAL_FIELDS, PROFILE_FIELDS
from segue.kernel.plan import Workspace
from segue.kernel.predicate import Linker, allowed, look_up
from segue.kernel.profile import Consent, Grant, Profile, Run, Score, Sent, Session, Tally, create
from segue.kernel.scene import Scene
from segue.kernel.values import DAY, HOUR, NEVER, Instant, Millis, ProfileId, Value

NOW = Instant(1_714_557_845_000)  # 2024-05-01T10:04:05Z, a Wednesday
NEW_YORK = Zone("New York", (-(1 << 53),), (-4 * HOUR,))
WORKSPACE = Workspace(name="shop", ledger_ms=Millis(10 * DAY), consent_default={"sms": "denied"})


def patterns(pattern: str) -> Callable[[str], bool]:
    found = re.compile(pattern)
    return lambda text: found.search(text) is not None


def lit(value: bool | float | str | None) -> ex.Literal:
    return ex.Literal(value)


def path(text: str) -> ex.Path:
    root, *keys = text.split(".")
    found = tuple(int(key) if key.lstrip("-").isdigit() else key for key in keys)
    return ex.Path(root, found)  # type: ignore[arg-type]


@pytest.fixture
def linker() -> Linker:
    return Linker(patterns, WORKSPACE)


@pytest.fixture
def profile() -> Profile:
    found = create(ProfileId("ana"), Instant(NOW - DAY))
    found.traits = {
        "plan": "pro",
        "age": 30,
        "vip": True,
        "tags": ["a", 1, None],
        "home": {"city": "Ulm", "5": "five"},
    }
    return found


@pytest.fixture
def scene(profile: Profile) -> Scene:
    event = Event(
        id="e1",
        name="Product Viewed",
        at=Instant(NOW - 5),
        properties={"price": 10, "title": "Red shoes", "items": [{"id": "x"}, {"id": "y"}]},
        context={"page": {"path": "/shoes"}},
        source="web",
    )
    found = Scene(profile, NOW, UTC, event)
    found.entry = {"cart": "c1"}
    found.vars = {"tries": 2}
    found.message = {"topic": "news"}
    found.item = {"sku": "s"}
    return found


def ask(linker: Linker, scene: Scene, expression: ex.Expression) -> Value:
    scene.until = NEVER
    return linker.compile(expression).ask(scene)


def compare(left: ex.Expression, op: str, right: ex.Expression) -> ex.Compare:
    return ex.Compare(op, left, right)  # type: ignore[arg-type]


# ── paths ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("properties.price", 10),
        ("properties.items.0.id", "x"),
        ("properties.items.-1.id", "y"),
        ("properties.items.2.id", None),
        ("properties.items.-3", None),
        ("properties.items.id", None),
        ("properties.price.cents", None),
        ("properties.nothing", None),
        ("traits.plan", "pro"),
        ("traits.home.city", "Ulm"),
        ("traits.home.5", None),
        ("traits.5", None),
        ("context.page.path", "/shoes"),
        ("entry.cart", "c1"),
        ("vars.tries", 2),
        ("message.topic", "news"),
        ("item.sku", "s"),
        ("event.name", "Product Viewed"),
        ("event.id", "e1"),
        ("event.kind", "track"),
        ("event.source", "web"),
        ("event.live", True),
        ("event.at", NOW - 5),
        ("event.arrived_at", NOW),
        ("event.nothing", None),
        ("event", None),
        ("event.name.0", None),
        ("profile.id", "ana"),
        ("profile.known", False),
        ("profile.zone", None),
        ("profile.first_seen_at", NOW - DAY),
        ("profile.last_seen_at", None),
        ("profile.sessions", 0),
        ("profile.orders", 0),
        ("profile.ordered_at", None),
        ("profile.nothing", None),
        ("session.views", None),
        ("session.products.0", None),
        ("session.intent", None),
        ("session", None),
        ("session.0", None),
        ("local.hour", 10),
        ("local.nothing", None),
        ("local", None),
    ],
)
def test_paths_lead_to_values_or_to_nothing(
    linker: Linker, scene: Scene, text: str, value: Value
) -> None:
    found = ask(linker, scene, path(text))
    assert found == value
    assert type(found) is type(value)


def test_without_an_event_what_it_would_say_is_missing(linker: Linker, profile: Profile) -> None:
    scene = Scene(profile, NOW, UTC)
    for text in ("properties.price", "properties.items.0", "event.name", "context.page"):
        assert ask(linker, scene, path(text)) is None


def test_a_whole_root_is_a_record(linker: Linker, scene: Scene) -> None:
    assert ask(linker, scene, path("entry")) == {"cart": "c1"}
    assert ask(linker, scene, path("properties")) == scene.event.properties  # type: ignore[union-attr]


def test_the_live_session_and_its_scores_are_read(
    linker: Linker, scene: Scene, profile: Profile
) -> None:
    profile.session = Session(1, NOW, NOW, views=3, products=["p", "q"])
    assert ask(linker, scene, path("session.views")) == 3
    assert ask(linker, scene, path("session.products.1")) == "q"
    assert ask(linker, scene, path("session.intent")) is None
    assert ask(linker, scene, path("session.intent.0")) is None
    profile.session.scores["intent"] = Score("intent@1", [], 2.0, 0.7)
    assert ask(linker, scene, path("session.intent")) == 0.7


def test_the_documented_fields_are_those_that_are_read(linker: Linker, scene: Scene) -> None:
    kinds: dict[str, type | tuple[type, ...]] = {
        "list": list,
        "text": str,
        "number": (int, float),
        "boolean": bool,
    }
    scene.profile.zone = "UTC"
    scene.profile.last_seen_at = scene.profile.ordered_at = NOW
    roots = {"event": EVENT_FIELDS, "profile": PROFILE_FIELDS, "local": LOCAL_FIELDS}
    for root, fields in roots.items():
        for name, kind in fields.items():
            assert isinstance(ask(linker, scene, path(f"{root}.{name}")), kinds[kind])


@pytest.mark.parametrize(
    ("field", "value", "until"),
    [
        ("minute", 4, "2024-05-01T06:05"),
        ("time", "06:04", "2024-05-01T06:05"),
        ("hour", 6, "2024-05-01T07:00"),
        ("weekday", 3, "2024-05-02"),
        ("day", 1, "2024-05-02"),
        ("date", "2024-05-01", "2024-05-02"),
        ("month", 5, "2024-06-01"),
        ("year", 2024, "2025-01-01"),
    ],
)
def test_local_time_holds_until_its_field_changes(
    linker: Linker, profile: Profile, field: str, value: Value, until: str
) -> None:
    scene = Scene(profile, NOW, NEW_YORK)
    assert ask(linker, scene, path(f"local.{field}")) == value
    assert scene.until == calendar.parse(until, NEW_YORK)
    scene.until = 7
    linker.compile(path(f"local.{field}")).ask(scene)
    assert scene.until == 7


def test_looking_up_takes_any_depth() -> None:
    assert look_up({"a": [{"b": (1, 2)}]}, ("a", 0, "b", 1)) == 2
    assert look_up({"a": 1}, ()) == {"a": 1}
    assert look_up({"0": 1}, (0,)) is None


# ── comparing ───────────────────────────────────────────────────────────────────────

SIDES: tuple[bool | int | float | str | None, ...] = (None, True, False, 0, 1, 2.5, "", "1", "b")


def expected(left: Value, op: str, right: Value) -> bool:
    """The rules of values.py, said again."""

    def kind(value: Value) -> str:
        name = type(value).__name__
        return "number" if name in ("int", "float") else name

    same = left is not None and kind(left) == kind(right) and left == right
    if op == "==":
        return same
    if op == "!=":
        return not same
    if kind(left) != kind(right) or kind(left) not in ("number", "str"):
        return False
    sign = (left > right) - (left < right)  # type: ignore[operator]
    return {"<": sign < 0, "<=": sign <= 0, ">": sign > 0, ">=": sign >= 0}[op]


@pytest.mark.parametrize("op", ["==", "!=", "<", "<=", ">", ">="])
def test_sides_compare_by_kind_wherever_they_come_from(
    linker: Linker, scene: Scene, op: str
) -> None:
    for left in SIDES:
        for right in SIDES:
            scene.vars = {"left": left, "right": right}
            answer = expected(left, op, right)
            for one in (lit(left), path("vars.left")):
                for other in (lit(right), path("vars.right")):
                    assert ask(linker, scene, compare(one, op, other)) is answer


def test_lists_and_records_are_equal_member_by_member(linker: Linker, scene: Scene) -> None:
    scene.vars = {"a": [1, None], "b": [1.0, None], "c": [1], "d": {"x": 1}}
    assert ask(linker, scene, compare(path("vars.a"), "==", path("vars.b"))) is True
    assert ask(linker, scene, compare(path("vars.a"), "!=", path("vars.c"))) is True
    assert ask(linker, scene, compare(path("vars.a"), "<", path("vars.c"))) is False
    assert ask(linker, scene, compare(path("vars.d"), "<", path("vars.d"))) is False
    assert ask(linker, scene, compare(lit(1), "<", path("vars.d"))) is False


@pytest.mark.parametrize(
    ("item", "whole", "answer"),
    [
        (lit("a"), ex.Many((lit("a"), lit("b"))), True),
        (path("traits.plan"), ex.Many((lit("pro"), lit(None))), True),
        (path("traits.plan"), ex.Many((lit("free"),)), False),
        (path("traits.age"), ex.Many((lit("30"), lit(30.0))), True),
        (path("traits.vip"), ex.Many((lit(1),)), False),
        (path("traits.nothing"), ex.Many((lit(None), lit("a"))), False),
        (path("traits.age"), ex.Many((path("traits.age"),)), True),
        (lit("a"), path("traits.tags"), True),
        (lit(None), path("traits.tags"), False),
        (lit("shoes"), path("properties.title"), True),
        (lit("city"), path("traits.home"), True),
        (lit("a"), path("traits.nothing"), False),
    ],
)
def test_membership_is_false_where_a_side_is_missing(
    linker: Linker, scene: Scene, item: ex.Expression, whole: ex.Expression, answer: bool
) -> None:
    assert ask(linker, scene, compare(item, "in", whole)) is answer
    assert ask(linker, scene, compare(item, "not in", whole)) is not answer


# ── joining ─────────────────────────────────────────────────────────────────────────

T, F, N = path("vars.t"), path("vars.f"), path("vars.n")


@pytest.mark.parametrize("parts", [(T,), (F,), (N,), (T, T), (T, N), (F, T), (T, T, T), (F, N, T)])
def test_and_or_and_not_know_only_true(
    linker: Linker, scene: Scene, parts: tuple[ex.Path, ...]
) -> None:
    scene.vars = {"t": True, "f": False}
    holds = [part is T for part in parts]
    assert ask(linker, scene, ex.All(parts)) is all(holds)
    assert ask(linker, scene, ex.Any(parts)) is any(holds)
    assert ask(linker, scene, ex.Not(parts[0])) is not holds[0]


def test_a_choice_takes_a_side(linker: Linker, scene: Scene) -> None:
    chosen = ex.Choice(path("traits.vip"), lit("yes"), lit("no"))
    assert ask(linker, scene, chosen) == "yes"
    scene.profile.traits["vip"] = 1
    assert ask(linker, scene, chosen) == "no"


def test_what_is_constant_is_known_when_linking(linker: Linker) -> None:
    def always(expression: ex.Expression) -> bool | None:
        return linker.compile(expression).always

    assert always(ex.TRUE) is True
    assert always(lit(None)) is False
    assert always(lit(1)) is False
    assert always(path("traits.vip")) is None
    assert always(ex.All(())) is True
    assert always(ex.Any(())) is False
    assert always(ex.All((ex.TRUE, ex.Not(lit(None))))) is True
    assert always(ex.All((path("traits.vip"), lit(False)))) is False
    assert always(ex.Any((path("traits.vip"), lit(True)))) is True
    assert always(ex.Any((path("traits.vip"), lit(False)))) is None
    assert always(compare(ex.Arithmetic("*", lit(2), lit(3)), "==", lit(6))) is True
    assert always(ex.Choice(lit(True), lit(True), path("traits.vip"))) is True
    assert always(ex.Choice(lit(None), lit(True), path("traits.vip"))) is None
    assert always(compare(ex.Function("lower", (lit("A"),)), "in", ex.Many((lit("a"),)))) is True
    assert always(ex.Function("date", (lit("2024-05-01"),))) is None, "it depends on the zone"


def test_a_condition_holds_only_when_it_is_true(linker: Linker, scene: Scene) -> None:
    assert linker.compile(path("traits.vip")).holds(scene)
    assert not linker.compile(path("traits.age")).holds(scene)


# ── computing ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("left", "op", "right", "answer"),
    [
        (lit(7), "+", lit(2), 9),
        (lit(7), "-", lit(2.5), 4.5),
        (lit(7), "*", lit(2), 14),
        (lit(7), "/", lit(2), 3.5),
        (lit(-7), "//", lit(2), -4),
        (lit(-7), "%", lit(3), 2),
        (lit(7), "/", lit(0), None),
        (lit(7), "//", lit(0.0), None),
        (lit(7), "%", lit(0), None),
        (lit("7"), "+", lit("2"), None),
        (lit(7), "+", lit(True), None),
        (lit(None), "+", lit(1), None),
        (lit(1e308), "*", lit(10), None),
        (lit(1 << 62), "*", lit(4), float(1 << 64)),
        (lit(10**400), "/", lit(3), None),
        (lit(10**400), "+", lit(3), None),
    ],
)
def test_arithmetic_is_missing_where_it_makes_no_sense(
    linker: Linker, scene: Scene, left: ex.Expression, op: str, right: ex.Expression, answer: Value
) -> None:
    found = ask(linker, scene, ex.Arithmetic(op, left, right))  # type: ignore[arg-type]
    assert found == answer
    assert type(found) is type(answer)


def test_functions_are_called_in_the_profiles_zone(linker: Linker, profile: Profile) -> None:
    scene = Scene(profile, NOW, NEW_YORK)
    date = linker.compile(ex.Function("date", (path("traits.born"),)))
    profile.traits["born"] = "2024-05-01"
    assert date.ask(scene) == calendar.parse("2024-05-01T04:00Z", UTC)
    assert date.needs == linker.bit("traits")
    assert ask(linker, scene, ex.Function("upper", (path("traits.plan"),))) == "PRO"


def test_patterns_search_texts_only(linker: Linker, scene: Scene) -> None:
    assert ask(linker, scene, ex.Pattern(path("properties.title"), "^red|shoes$")) is True
    assert ask(linker, scene, ex.Pattern(path("properties.title"), "^shoes")) is False
    assert ask(linker, scene, ex.Pattern(path("properties.price"), "1")) is False


# ── what is read ────────────────────────────────────────────────────────────────────


def test_needs_name_all_that_is_read(linker: Linker) -> None:
    seen = ex.Stream(("seen",))
    stream = linker.compile(ex.Aggregate("count", seen)).needs
    condition = linker.compile(
        ex.All(
            (
                compare(path("traits.age"), ">", path("session.views")),
                ex.Any((ex.InSegment("vip"), ex.Not(ex.InJourney("welcome")))),
                compare(path("properties.a"), "in", ex.Many((path("vars.b"), path("item.c")))),
                compare(ex.Aggregate("count", seen), ">", lit(3)),
                ex.Consented("email", "news"),
                ex.Choice(ex.Holds("deal"), path("message.topic"), path("entry.x")),
                ex.Pattern(path("context.page"), "x"),
            )
        )
    )
    bits = [
        linker.bit(token)
        for token in (
            [
                "traits",
                "session",
                "segment:vip",
                "runs",
                "event",
                "vars",
                "item",
                "consents",
                "grants",
                "message",
            ]
        )
    ]
    assert condition.needs == sum(bits) | stream
    assert condition.timed
    assert linker.compile(path("profile.known")).needs == linker.bit("event")
    assert linker.compile(path("local.hour")).needs == linker.bit("traits"), "the zone is a trait"
    assert not linker.compile(path("traits.age")).timed


# ── the profile's state ─────────────────────────────────────────────────────────────


def test_segments_and_journeys_are_looked_up(
    linker: Linker, scene: Scene, profile: Profile
) -> None:
    assert ask(linker, scene, ex.InSegment("vip")) is False
    profile.segments["vip"] = NOW
    assert ask(linker, scene, ex.InSegment("vip")) is True
    assert ask(linker, scene, ex.InJourney("welcome")) is False
    profile.runs = [Run("welcome/1", "welcome", "p", "", "s", NOW, NOW)]
    assert ask(linker, scene, ex.InJourney("welcome")) is True


def test_of_all_consents_the_strictest_counts(
    linker: Linker, scene: Scene, profile: Profile
) -> None:
    assert ask(linker, scene, ex.Consented("email", "news")) is True
    assert ask(linker, scene, ex.Consented("sms", "news")) is False
    profile.consents["sms/news"] = Consent("granted", NOW)
    assert ask(linker, scene, ex.Consented("sms", "news")) is True
    profile.consents["*/news"] = Consent("pending", NOW)
    assert ask(linker, scene, ex.Consented("sms", "news")) is False
    assert allowed(profile, "sms", "news", "granted") == "pending"
    profile.consents["sms/*"] = Consent("denied", NOW)
    assert allowed(profile, "sms", "news", "granted") == "denied"
    assert allowed(profile, "email", "other", "granted") == "granted"


def test_an_incentive_is_held_until_it_expires_or_is_redeemed(
    linker: Linker, scene: Scene, profile: Profile
) -> None:
    holds = ex.Holds("deal")
    assert ask(linker, scene, holds) is False
    grants = [
        Grant("a", "deal", 5.0, "s", "j", NOW, Instant(NOW + 10)),
        Grant("b", "deal", 5.0, "s", "j", NOW, Instant(NOW + 30)),
        Grant("c", "deal", 5.0, "s", "j", NOW, Instant(NOW + 90), redeemed_at=NOW),
        Grant("d", "other", 5.0, "s", "j", NOW, Instant(NOW + 90)),
    ]
    profile.grants = grants
    assert ask(linker, scene, holds) is True
    assert scene.until == NOW + 30
    scene.now = Instant(NOW + 30)
    assert ask(linker, scene, holds) is False
    assert scene.until == NEVER


@pytest.fixture
def ledger(profile: Profile) -> None:
    def line(n: int, ago: int, state: str, channel: str = "email") -> Sent:
        at = Instant(NOW - ago)
        return Sent(f"s{n}", f"m{n % 2}", channel, "j", "r", "s", at, 1, state)  # type: ignore[arg-type]

    profile.ledger = [
        line(1, 9 * DAY, "delivered"),
        line(2, 8 * HOUR, "shown", "web"),
        line(3, 3 * HOUR, "accepted"),
        line(4, 2 * HOUR, "failed"),
        line(5, HOUR, "queued"),
    ]
    profile.ledger[1].clicked_at = Instant(NOW - 6 * HOUR)
    profile.ledger[1].dismissed_at = Instant(NOW - 5 * HOUR)


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("touched", "answer", "until"),
    [
        (ex.Touched("received"), 3, DAY),
        (ex.Touched("received", within_ms=Millis(20 * DAY)), 3, DAY),
        (ex.Touched("received", within_ms=DAY), 2, 16 * HOUR),
        (ex.Touched("received", messages=("m1",)), 2, DAY),
        (ex.Touched("received", channels=("web",)), 1, 10 * DAY - 8 * HOUR),
        (ex.Touched("shown", within_ms=DAY), 1, 16 * HOUR),
        (ex.Touched("clicked", within_ms=DAY), 1, 18 * HOUR),
        (ex.Touched("dismissed", within_ms=DAY), 1, 19 * HOUR),
        (ex.Touched("clicked", messages=("m1",)), 0, None),
    ],
)
def test_touches_are_counted_in_the_ledger(
    linker: Linker, scene: Scene, touched: ex.Touched, answer: int, until: int | None
) -> None:
    assert ask(linker, scene, touched) == answer
    assert scene.until == (NEVER if until is None else NOW + until)
    condition = linker.compile(touched)
    assert condition.needs == linker.bit("ledger")


@pytest.mark.usefixtures("ledger")
def test_a_compared_touch_holds_until_the_comparison_turns(linker: Linker, scene: Scene) -> None:
    received = ex.Touched("received")
    assert ask(linker, scene, compare(received, ">=", lit(1))) is True
    assert scene.until == NOW - 3 * HOUR + 10 * DAY
    assert ask(linker, scene, compare(lit(2), ">", received)) is False
    assert scene.until == NOW - 8 * HOUR + 10 * DAY
    assert ask(linker, scene, compare(received, "==", lit("3"))) is False
    assert ask(linker, scene, compare(received, "==", path("vars.tries"))) is False


# ── how long answers hold ───────────────────────────────────────────────────────────

HOURLY = compare(path("local.hour"), "==", lit(10))
DAILY = compare(path("local.day"), "==", lit(1))
NOT_HOURLY = compare(path("local.hour"), "==", lit(11))


def until(linker: Linker, scene: Scene, expression: ex.Expression, before: int = NEVER) -> int:
    condition = linker.compile(expression)
    scene.until = before
    condition.ask(scene)
    return scene.until


def test_only_the_part_that_decides_matters(linker: Linker, scene: Scene) -> None:
    hour, day = NOW + HOUR - NOW % HOUR, NOW + DAY - NOW % DAY
    no = path("vars.nothing")
    assert until(linker, scene, ex.All((HOURLY, DAILY))) == hour
    assert until(linker, scene, ex.All((HOURLY, no))) == NEVER
    assert until(linker, scene, ex.All((HOURLY, DAILY, no))) == NEVER
    assert until(linker, scene, ex.All((HOURLY, ex.Not(DAILY)))) == day
    assert until(linker, scene, ex.All((HOURLY, ex.Not(DAILY))), before=5) == 5
    assert until(linker, scene, ex.All((HOURLY, DAILY)), before=5) == 5
    assert until(linker, scene, ex.All((DAILY, HOURLY))) == hour
    assert until(linker, scene, ex.Any((NOT_HOURLY, DAILY))) == day
    assert until(linker, scene, ex.Any((NOT_HOURLY, ex.Not(DAILY)))) == hour
    assert until(linker, scene, ex.Any((HOURLY, path("traits.vip")))) == NEVER
    assert until(linker, scene, ex.Any((HOURLY, DAILY, path("traits.vip")))) == NEVER
    assert until(linker, scene, ex.Choice(DAILY, HOURLY, no)) == hour
    assert until(linker, scene, ex.Choice(DAILY, no, HOURLY)) == day


def test_counting_against_what_is_not_constant_changes_with_the_count(
    linker: Linker, scene: Scene
) -> None:
    bought = ex.Aggregate("count", ex.Stream(("bought",)), HOUR)
    condition = linker.compile(compare(bought, ">=", path("vars.tries")))
    assert condition.ask(scene) is False
    assert scene.until == NEVER


def test_time_since_may_be_compared_with_anything(linker: Linker, scene: Scene) -> None:
    since = ex.Aggregate("since", ex.Stream(("bought",)))
    condition = linker.compile(compare(since, ">=", path("vars.tries")))
    assert condition.ask(scene) is False
    assert condition.needs == linker.compile(since).needs | linker.bit("vars")
    (stream,) = linker.index().by_event["bought"]
    scene.profile.tallies[stream.tally_key] = Tally(1, last_at=NOW)
    assert condition.ask(scene) is False
    assert scene.until == NOW + 2
    scene.vars = {"tries": "2"}
    assert condition.ask(scene) is False


def test_a_linker_needs_no_workspace() -> None:
    linker = Linker(patterns)
    scene = Scene(create(ProfileId("ana"), NOW), NOW, UTC)
    assert ask(linker, scene, ex.Consented("sms", "news")) is True

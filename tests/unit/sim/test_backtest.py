"""Goal: a backtest tells what the live host would have done, whoever shares the work, and names
who was stopped, by what, by which journey; and for whom two programs differ.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from segue import wiring
from segue.errors import StoreUnavailable
from segue.hosts.arrivals import Arrival
from segue.hosts.engine import Engine
from segue.hosts.quick import QuickStore
from segue.kernel.effects import Send
from segue.kernel.inputs import Consented, Event
from segue.kernel.trace import Considered, RunChanged
from segue.kernel.values import DAY, HOUR, MINUTE, Instant
from segue.sim import html
from segue.sim.backtest import Backtest, Candidate, Order, backtest, bucket_for
from segue.sim.backtest_compare import Difference
from segue.sim.backtest_shards import Cutter, Entry, of_store, shards_for
from segue.sim.backtest_tally import Row
from segue.sim.limits import BUCKETS_MAX, STORIES_MAX, WITNESSES_MAX
from segue.sim.report import total
from tests.unit.sim.shops import START, busy, did, known, log

Shop = Callable[..., Candidate]


def tried(
    entries: Iterable[Entry], *programs: Candidate, shards: int | None = None, **order: object
) -> Backtest:
    asked = Order(programs=programs, sources=("log",), **order)
    return backtest(
        asked, entries, patterns=wiring.patterns, messenger=wiring.rehearsal, shards=shards
    )


# ── the same as life ──


def test_it_counts_what_an_engine_that_knows_nothing_of_it_did(shop: Shop) -> None:
    program, entries = shop(), busy(40)
    report = tried(entries, program, ask=False).report
    engine = Engine(patterns=wiring.patterns)
    engine.publish(program.name, program.plan)
    for one in entries:
        engine.feed(Arrival(input=one.inputs[0]), one.arrived_at)
    engine.advance(Instant(entries[-1].arrived_at + DAY))
    sends = [row.effect for row in engine.store.outbox(limit=100_000)]
    sent = Counter(one.message for one in sends if isinstance(one, Send))
    assert sent
    assert {name: total(one.admitted) for name, one in report.messages.items()} == {
        "hello": sent["hello"],
        "push-it": sent["push-it"],
        "hint": 0,
        "banner": 0,
    }
    profiles = engine.store.profiles(limit=1000)
    assert report.profiles == len(profiles)
    assert report.sessions == sum(one.sessions for one in profiles)
    notes = [n for p in profiles for line in engine.store.traces(p.id) for n in line.notes]
    entered = Counter(
        one.journey for one in notes if isinstance(one, RunChanged) and one.change == "entered"
    )
    assert {name: one.entered for name, one in report.journeys.items()} == dict(entered)
    denied = sum(isinstance(n, Considered) and n.outcome == "denied" for n in notes)
    assert sum(total(one.denied) for one in report.messages.values()) == denied > 0
    assert report.segments["keen"].members == sum("keen" in one.segments for one in profiles)


@pytest.mark.parametrize("shards", [2, 7, 40])
def test_how_the_log_is_cut_shows_in_nothing(shop: Shop, tmp_path: Path, shards: int) -> None:
    programs, entries = (shop(1), shop(2)), busy(60)
    answers = []
    for many in (1, shards):
        out, who = str(tmp_path / f"d{many}"), str(tmp_path / f"w{many}")
        answer = tried(entries, *programs, shards=many, decisions=out, differences=who)
        written = Path(out).read_bytes(), Path(who).read_bytes()
        answers.append((msgspec.json.encode(answer), html.page(answer), *written))
    assert answers[0] == answers[1]


def test_ids_that_turn_out_to_be_one_customer_stay_together(tmp_path: Path) -> None:
    entries = log(
        [
            did("A", anonymous="phone", at=0),
            did("A", anonymous="laptop", at=1),
            did("A", "ana", at=2, anonymous="phone"),
            did("A", "ana", at=3, anonymous="laptop"),
            did("A", "bob", at=4),
            Event(
                id="alias",
                name="Profile Aliased",
                kind="alias",
                at=Instant(START + 5),
                user_id="carl",
                properties={"previousId": "ana"},
            ),
            did("A", "dora", at=6),
        ]
    )
    twice = msgspec.structs.replace(did("A", "eve", at=7), id=entries[4].inputs[0].id)
    entries += log([twice])
    with Cutter(tmp_path, shards=50) as cutter:
        for one in entries:
            cutter.add(one)
        shards = cutter.cut()
    found = [sorted({f"{e.user_id}{e.anonymous_id}" for e in shard}) for shard in shards]
    assert sorted(found) == [
        ["analaptop", "anaphone", "carl", "laptop", "phone"],
        ["bob", "eve"],  # one event id, so it counts once, and for the first
        ["dora"],
    ]
    times = [[e.arrived_at for e in shard] for shard in shards]
    assert all(one == sorted(one) for one in times)


def test_a_log_is_cut_by_its_size_alone() -> None:
    assert shards_for(0) == shards_for(999) == 1
    assert shards_for(20_000) == 8
    assert shards_for(200_000) == 20
    assert shards_for(10**9) == 1024


# ── history before ──


def test_history_is_known_and_sends_nothing(shop: Shop) -> None:
    entries = log(
        [
            known("ana"),
            *(did("Product Viewed", "ana", at=n * HOUR) for n in range(1, 4)),
            did("Product Viewed", "ana", at=10 * DAY),
        ]
    )
    whole = tried(entries, shop()).report
    assert total(whole.messages["push-it"].admitted) + total(whole.messages["push-it"].denied) == 1
    late = tried(entries, shop(), from_at=Instant(START + 5 * DAY)).report
    assert (late.before, late.events) == (4, 1)
    assert late.segments["keen"].members == 1
    assert late.segments["keen"].entered == 0  # she was in it before
    assert late.journeys["urge"].entered == 0
    assert total(late.messages["hello"].admitted) == 1
    assert late.sessions == 1
    assert min(late.buckets) >= START + 4 * DAY


def test_a_session_and_a_silence_go_on_across_the_beginning(shop: Shop) -> None:
    """What is under way when the program is published is known to it."""
    entries = log([known("ana"), *(did("Product Viewed", "ana", at=m * MINUTE) for m in (1, 2, 4))])
    late = tried(entries, shop(), from_at=Instant(START + 3 * MINUTE)).report
    assert late.sessions == 0  # it began before
    assert late.journeys["urge"].entered == 1  # the third view makes her keen


def test_a_program_that_is_warmed_up_has_filled_its_caps(shop: Shop) -> None:
    """What it did before counting began is not told, yet stands in the ledger."""
    views = [did("Product Viewed", "ana", at=at) for at in (HOUR, 13 * HOUR)]
    entries, noon = log([known("ana"), *views]), Instant(START + 12 * HOUR)
    cold = tried(entries, shop(), from_at=noon).report
    assert cold.messages["hello"].admitted == {"email": 1}
    warm = tried(entries, shop(), from_at=noon, warm_up=DAY).report
    assert warm.messages["hello"].admitted == {}
    assert warm.messages["hello"].denied == {"cap": 1}
    assert (warm.events, warm.before, warm.warm_up) == (1, 2, DAY)
    assert (cold.journeys["greet"].before, warm.journeys["greet"].before) == (0, 0)
    early = tried(entries, shop(), from_at=Instant(START + 2 * HOUR), warm_up=DAY).report
    assert early.journeys["greet"].before == 1  # it entered at one o'clock and rests until three
    assert early.journeys["greet"].entered == 1


POOL = (
    '    contents: {email: {subject: "Hello',
    """    incentive:
      {name: ten, group: discount, worth: 10, lasts: 20d, coupons: spring}
    contents: {email: {subject: \"{{ incentive.code }} Hello""",
)


def test_a_pool_that_would_have_run_dry_is_told_with_when(shop: Shop) -> None:
    entries = log(
        event
        for number in range(6)
        for event in (
            known(f"c{number}", number * DAY),
            did("Product Viewed", f"c{number}", number * DAY + 1),
        )
    )
    for shards in (1, 4):
        pools = tried(
            entries, shop(1, POOL), coupons={"spring": 4, "other": 1}, then=HOUR, shards=shards
        ).report.pools
        assert list(pools) == ["spring"]
        spring = pools["spring"]
        assert (spring.handed, spring.returned, spring.codes) == (6, 0, 4)
        assert spring.empty_at == START + 4 * DAY  # the fifth customer's day
    enough = tried(entries, shop(1, POOL), coupons={"spring": 6}).report.pools["spring"]
    assert (enough.codes, enough.empty_at) == (6, None)
    answer = tried(entries, shop(1, POOL))
    assert answer.report.pools["spring"].codes is None
    assert "not known" in html.page(answer)


def test_what_came_after_the_end_is_left_out(shop: Shop) -> None:
    entries = log([known("ana"), did("Product Viewed", "ana", 1), did("Late", "ana", 2 * DAY)])
    report = tried(entries, shop(), to_at=Instant(START + DAY), then=HOUR).report
    assert report.events == 2
    assert report.until == START + DAY + HOUR


def test_nothing_at_all_is_a_report_too(shop: Shop) -> None:
    answer = tried([], shop())
    assert (answer.report.events, answer.report.profiles) == (0, 0)
    assert "small-shop" in html.page(answer)


# ── what it tells ──


def test_a_page_is_asked_at_every_view_and_journeys_that_compete_are_told(shop: Shop) -> None:
    views = [did("Product Viewed", "ana", at=m * MINUTE) for m in (1, 2, 3, 50)]
    report = tried(log([known("ana"), *views]), shop()).report
    assert report.messages["banner"].admitted == {"web: top": 1}
    assert report.messages["hint"].admitted == {"web: top": 1}  # until the banner stood there
    collisions = {
        (loser, winner, reason): one.times
        for loser, ways in report.collisions.items()
        for winner, reasons in ways.items()
        for reason, one in reasons.items()
    }
    assert collisions.pop(("urge", "greet", "cap")) == 1
    assert collisions.pop(("urge", "greet", "on_site_active")) == 1
    assert collisions.pop(("greet", "urge", "outranked")) == 1
    assert not collisions
    silent = tried(log([known("ana"), *views]), shop(), ask=False).report
    assert not silent.messages["banner"].admitted


def test_each_guardrail_says_what_it_stopped_and_what_became_of_it(shop: Shop) -> None:
    views = [did("Product Viewed", "ana", at=m * MINUTE) for m in (1, 2, 3)]
    entries = log([known("ana"), *views])
    denies = tried(entries, shop()).report.guardrails["one-a-day"]
    assert (denies.check, denies.denied, denies.held, denies.customers) == ("caps", 1, 0, 1)
    holds = tried(entries, shop(1, ("then: deny", "then: hold")), then=3 * DAY)
    held = holds.report.guardrails["one-a-day"]
    assert (held.held, held.denied, held.then_admitted, held.still_held) == (1, 0, 1, 0)
    idle = tried(log([known("ana")]), shop()).report.guardrails["one-a-day"]
    assert (idle.held, idle.denied) == (0, 0)


def test_where_runs_end_and_where_they_stand_is_told(shop: Shop) -> None:
    entries = log([known("ana"), did("Product Viewed", "ana", 1), known("bob", DAY)])
    entries += log([did("Product Viewed", "bob", DAY + 1)])
    report = tried(entries, shop(), then=HOUR).report
    greet = report.journeys["greet"]
    assert (greet.entered, greet.customers, greet.live) == (2, 2, 1)
    assert greet.ends == {"rest": {"completed": 1}}
    assert greet.standing == {"rest": 1}


def test_every_count_names_a_few_customers_whose_stories_are_told(shop: Shop) -> None:
    report = tried(busy(200), shop()).report
    assert 0 < len(report.stories) <= STORIES_MAX
    assert all(len(ids) <= WITNESSES_MAX for ids in report.witnesses.values())
    stopped = report.stories[report.witnesses["guardrail one-a-day"][0]]
    assert any(one.reason == "cap" for one in stopped.moments)
    assert all(a.at <= b.at for a, b in pairwise(stopped.moments))


def test_all_decisions_can_be_had_in_order_of_time(shop: Shop, tmp_path: Path) -> None:
    out = tmp_path / "decisions.jsonl"
    report = tried(busy(50), shop(), decisions=str(out)).report
    rows = [msgspec.json.decode(line, type=Row) for line in out.read_bytes().splitlines()]
    assert [(r.at, r.profile) for r in rows] == sorted((r.at, r.profile) for r in rows)
    sent = Counter(row.message for row in rows if row.what == "admitted")
    told = {name: total(one.admitted) for name, one in report.messages.items() if one.admitted}
    assert told == dict(sent)


def test_a_template_that_fails_is_told_before_a_customer_meets_it(shop: Shop) -> None:
    broken = shop(1, ("Hello {{ traits.name }}", "{{ traits.name | divided_by: 0 }}"))
    entries = log([known("ana"), did("Product Viewed", "ana", 1)])
    assert tried(entries, broken).report.messages["hello"].undelivered == {"template": 1}


# ── two programs ──


def test_a_program_does_not_differ_from_itself(shop: Shop) -> None:
    comparison = tried(busy(30), shop(), shop()).comparison
    assert comparison is not None
    assert comparison.differing == 0
    assert comparison.same == 27  # three of thirty turn out to be another


def test_the_customers_for_whom_two_programs_differ_are_named_with_how(shop: Shop) -> None:
    ana = [known("ana"), *(did("Product Viewed", "ana", at=m * MINUTE) for m in (1, 2, 3))]
    bob = [known("bob"), did("Product Viewed", "bob", at=MINUTE)]
    answer = tried(log([*ana, *bob]), shop(2), shop(1), ask=False)
    assert answer.comparison is not None and answer.against is not None
    assert (answer.comparison.same, answer.comparison.differing) == (1, 1)
    (only,) = answer.comparison.customers
    assert only.who == "ana"
    assert [(one.message, one.where) for one in only.gained] == [("push-it", "email")]
    assert (only.lost, only.moved, only.journeys) == ((), (), {})
    assert answer.comparison.messages["push-it"].gained == 1
    back = tried(log([*ana, *bob]), shop(1), shop(2), ask=False).comparison
    assert back is not None
    assert [one.message for one in back.customers[0].lost] == ["push-it"]


def test_a_message_at_another_time_and_an_entry_more_are_differences(shop: Shop) -> None:
    entries = log([known("ana"), did("Product Viewed", "ana", MINUTE), did("X", "ana", 2 * DAY)])
    later = shop(1, ("- {id: mail, send: hello", "- wait: 1h\n      - {id: mail, send: hello"))
    comparison = tried(entries, later, shop()).comparison
    assert comparison is not None
    (moved,) = comparison.customers[0].moved
    assert (moved.message, moved.at - moved.other_at) == ("hello", HOUR)
    other = shop(1, ("enter: {on: Product Viewed}", "enter: {on: [Product Viewed, X]}"))
    comparison = tried(entries, other, shop()).comparison
    assert comparison is not None
    assert comparison.customers[0].journeys == {"greet": (2, 1)}
    assert [one.message for one in comparison.customers[0].gained] == ["hello"]


def test_all_differing_customers_can_be_had(shop: Shop, tmp_path: Path) -> None:
    out = tmp_path / "who.jsonl"
    answer = tried(busy(80), shop(2), shop(1), differences=str(out))
    rows = [msgspec.json.decode(line, type=Difference) for line in out.read_bytes().splitlines()]
    assert answer.comparison is not None
    assert len(rows) == answer.comparison.differing > 10
    assert sorted(one.profile for one in rows) == [one.profile for one in rows]


# ── a store's history ──


def test_a_stores_history_is_run_without_what_segue_itself_made_happen(shop: Shop) -> None:
    program, entries = shop(), busy(30)
    engine = Engine(QuickStore(), patterns=wiring.patterns)
    engine.publish(program.name, program.plan)
    for one in entries:
        engine.feed(Arrival(input=one.inputs[0]), one.arrived_at)
    said = Consented(channel="email", topic="*", state="denied", at=START, source="page")
    engine.feed(Arrival(input=said, user_id="c1"), entries[-1].arrived_at)
    logged = list(of_store(engine.store))
    assert [e.arrived_at for e in logged] == sorted(e.arrived_at for e in logged)
    fromstore = tried(logged, program, ask=False).report
    fromlog = tried(entries, program, ask=False).report
    assert fromstore.events == fromlog.events
    assert fromstore.by_event == fromlog.by_event
    lost = total(fromlog.messages["hello"].admitted) - total(fromstore.messages["hello"].admitted)
    assert lost > 0
    news = fromstore.messages["hello"].denied.keys() - fromlog.messages["hello"].denied.keys()
    assert news == {"no_consent"}


def test_what_can_not_be_read_is_raised_and_leaves_nothing_behind(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Iterable[Entry]:
        yield log([known("ana")])[0]
        raise StoreUnavailable("the disk is gone")

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(StoreUnavailable):
        tried(broken(), shop())
    assert not list(tmp_path.glob("segue-backtest-*"))


# ── the page ──


def test_the_page_needs_nothing_from_anywhere_and_believes_nobody(shop: Shop) -> None:
    nasty = "<script>alert(1)</script>"
    entries = log([known(nasty), *(did("Product Viewed", nasty, m * MINUTE) for m in (1, 2, 3))])
    entries += log([did(nasty, nasty, HOUR)])
    page = html.page(tried(entries, shop(2), shop(1)))
    assert nasty not in page and "&lt;script&gt;" in page
    assert "<script" not in page
    assert not re.findall(r"(?:src|href)=\"(?!#)|url\(|@import|https?://", page)
    anchors = set(re.findall(r'href="#([^"]+)"', page))
    assert anchors <= set(re.findall(r'id="([^"]+)"', page))


@pytest.mark.parametrize("log_ms", [0, 1, MINUTE, HOUR, DAY, 30 * DAY, 365 * DAY, 3650 * DAY])
def test_a_chart_has_a_bounded_number_of_columns(log_ms: int) -> None:
    bucket = bucket_for(log_ms, log_ms + 7 * DAY)
    assert log_ms / bucket <= BUCKETS_MAX + 12
    assert bucket >= 1000

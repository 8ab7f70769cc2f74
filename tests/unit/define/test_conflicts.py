"""A witness is a life that the kernel confirms; silence stands on a proof; else there is a note."""

from pathlib import Path

import pytest

from segue import define
from segue.define.limits import WITNESS_PAIRS_MAX

WORKSPACE = """
workspace: {{name: shop}}
events: {events}
segments:
  fans: {fans}
messages:
  one:
    topic: t
    expires: 2d
    when: {when_one}
    incentive: {{name: ten, group: {group_one}, worth: {worth_one}, lasts: 7d}}
    contents: {{email: {{subject: Ten, text: Yours}}}}
  two:
    topic: t
    expires: 2d
    when: {when_two}
    incentive: {{name: post, group: {group_two}, worth: {worth_two}, lasts: 7d}}
    contents: {{sms: {{body: Post}}}}
policies: {policies}
journeys:
  first:
    enter: {enter_one}
    exit: {{on: Order Cancelled}}
    goal: {{on: Order Completed, within: 3d}}
    steps: [{{send: one, by: email}}]
  second:
    enter: {enter_two}
    exit: {{on: Order Cancelled}}
    goal: {{on: Order Completed, within: 3d}}
    state: {state}
    steps: {steps}
"""

USUAL = {
    "events": "{}",
    "fans": "traits.plan == 'pro'",
    "when_one": "true",
    "when_two": "true",
    "group_one": "discount",
    "group_two": "shipping",
    "worth_one": "10",
    "worth_two": "10",
    "policies": "{}",
    "enter_one": "{on: Product Viewed}",
    "enter_two": "{on: Product Added}",
    "state": "live",
    "steps": "[{send: two, by: sms}]",
}


def check(tmp_path: Path, **fields: str) -> tuple[list[str], tuple[str, ...]]:
    text = WORKSPACE.format(**{**USUAL, **fields})
    (tmp_path / "w.yaml").write_text(text, encoding="utf-8")
    loaded = define.load(tmp_path)
    codes = [each.code for each in loaded.diagnostics]
    witness = next((each.witness for each in loaded.diagnostics if each.witness), ())
    return codes, witness


def test_a_customer_who_does_both_holds_both(tmp_path: Path) -> None:
    codes, witness = check(tmp_path)
    assert codes == ["SEG-E607"]
    assert len(witness) == 4
    assert "Product Viewed" in witness[1] + witness[2]
    assert "Product Added" in witness[1] + witness[2]
    assert witness[3].startswith("now ")
    assert witness[3].endswith("are alive")


@pytest.mark.parametrize(
    "event",
    [
        "{at: session started}",
        "{at: session ended, when: session.views >= 2}",
        "{at: segment entered}",
        "{segment: fans, change: left}",
        "{on: Page Viewed, silence: 5m, unless: [Product Viewed]}",
        "{catalog: products, to: [Product Viewed], within: 1d, when: item.price < before.price}",
    ],
)
def test_a_witness_is_found_behind_every_event_that_segue_makes(tmp_path: Path, event: str) -> None:
    entry = "{on: It Happened}"
    codes, witness = check(tmp_path, events=f"{{It Happened: {event}}}", enter_two=entry)
    assert codes == ["SEG-E607"]
    assert witness[-1].endswith("are alive")


@pytest.mark.parametrize(
    "entry",
    [
        '{on: Product Added, when: "properties.price >= 200 and properties.kind in [1, 2]"}',
        '{on: Product Added, when: "properties.kind not in [1, 2]"}',
        "{on: Product Added, when: properties.price < 20 and properties.sale == true}",
        "{segment: fans, change: entered}",
        "{segment: fans, change: left}",
        "{schedule: '12:00', segment: fans}",
        "{date: trial_ends, offset: -1d}",
        "{api: on}",
        "{on: Product Added, when: session.views >= 3}",
        "{on: Product Added, when: properties.code != 'x' and traits.age > 17}",
        "{on: Product Added, when: '20 > properties.price'}",
    ],
)
def test_every_kind_of_entry_is_found_a_way_into(tmp_path: Path, entry: str) -> None:
    codes, _ = check(tmp_path, enter_two=entry)
    assert "SEG-E607" in codes


@pytest.mark.parametrize(
    "fans",
    [
        'count("Order Completed", within="30d") >= 3',
        'sum("Order Completed", of=properties.total) > 500',
        'since("Order Completed") >= "7d"',
        'sequence("Product Viewed", "Product Added", within="1h")',
        'in_segment("fans2") and not in_segment("fans3")',
    ],
)
def test_segments_over_history_are_found_a_way_into(tmp_path: Path, fans: str) -> None:
    more = "\n  fans2: count('Product Viewed') >= 2\n  fans3: traits.x == 1"
    codes, _ = check(tmp_path, fans=fans + more, enter_two="{segment: fans}")
    assert "SEG-E607" in codes


def test_a_placement_is_asked(tmp_path: Path) -> None:
    shown = (
        "[{wait: 2h}, {wait: {until: {on: Product Viewed}, at_most: 1d}},"
        " {show: two, at: top, for: 1h, channel: inapp}]"
    )
    text = WORKSPACE.format(**{**USUAL, "steps": shown}).replace("{sms: {body", "{inapp: {body")
    (tmp_path / "w.yaml").write_text(text, encoding="utf-8")
    found = define.load(tmp_path).errors
    assert [each.code for each in found] == ["SEG-E607"]
    assert any("asks for 'top'" in line for line in found[0].witness)


def test_a_choice_gives_an_incentive_too(tmp_path: Path) -> None:
    codes, _ = check(tmp_path, steps="[{choose: [{name: a, send: two, by: sms}, {name: none}]}]")
    assert codes == ["SEG-E607"]


@pytest.mark.parametrize(
    "fields",
    [
        {"group_two": "discount"},
        {"policies": "{apart: {exclude: {groups: [discount, shipping]}}}"},
        {"when_two": "false"},
        {"enter_two": "{on: Product Added, when: false}"},
        {"state": "draft"},
        {
            "when_one": 'not holds_incentive("shipping")',
            "when_two": 'traits.x != 1 and not holds_incentive("discount")',
        },
        {"worth_two": "20", "when_one": 'not holds_incentive("shipping")'},
    ],
)
def test_what_is_proved_apart_is_not_remarked(tmp_path: Path, fields: dict[str, str]) -> None:
    codes, _ = check(tmp_path, **fields)
    assert codes == []


def test_a_lesser_deal_after_a_better_one_is_found(tmp_path: Path) -> None:
    codes, witness = check(tmp_path, worth_two="20")
    assert codes == ["SEG-E607"]
    added = next(at for at, line in enumerate(witness) if "Product Added" in line)
    viewed = next(at for at, line in enumerate(witness) if "Product Viewed" in line)
    assert added < viewed


def test_where_nothing_is_found_it_is_said(tmp_path: Path) -> None:
    hard = """{on: Product Added, when: 'matches(properties.code, "^[A-Z]{3}-[0-9]{4}$")'}"""
    codes, witness = check(tmp_path, enter_two=hard)
    assert codes == ["SEG-N802"]
    assert witness == ()


@pytest.mark.parametrize("guard", ["{all: {cap: 0, per: day, then: deny, channels: sms}}"])
def test_guardrails_are_on_in_the_search(tmp_path: Path, guard: str) -> None:
    codes, _ = check(tmp_path, policies=guard)
    assert codes == ["SEG-N802"]


def test_holdouts_hide_nobody(tmp_path: Path) -> None:
    codes, _ = check(tmp_path, policies="{control: {holdout: 100%}}")
    assert codes == ["SEG-E607"]


def test_the_same_workspace_has_the_same_witness(tmp_path: Path) -> None:
    entry = "{on: Product Added, when: properties.price >= 200}"
    assert check(tmp_path, enter_two=entry) == check(tmp_path, enter_two=entry)


def test_beyond_so_many_pairs_none_is_searched_for(tmp_path: Path) -> None:
    journeys = "".join(
        f"""
  j{n}:
    enter: {{on: E{n}}}
    exit: {{on: Order Cancelled}}
    goal: {{on: Order Completed, within: 3d}}
    steps: [{{send: m{n}, by: sms}}]"""
        for n in range(8)
    )
    messages = "".join(
        f"""
  m{n}:
    topic: t
    expires: 2d
    incentive: {{name: i{n}, group: g{n}, worth: 1, lasts: 7d}}
    contents: {{sms: {{body: Hello number {n}}}}}"""
        for n in range(8)
    )
    text = f"workspace: {{name: w}}\nmessages:{messages}\njourneys:{journeys}\n"
    (tmp_path / "w.yaml").write_text(text, encoding="utf-8")
    codes = [each.code for each in define.load(tmp_path).diagnostics]
    assert codes.count("SEG-E607") == WITNESS_PAIRS_MAX
    assert codes.count("SEG-N802") == 28 - WITNESS_PAIRS_MAX


def test_where_a_step_leads_in_circles_the_way_to_an_incentive_is_still_found(
    tmp_path: Path,
) -> None:
    steps = (
        "[{id: again, wait: 1d}, {branch: [{when: 'traits.vip == true and properties.x in [1]',"
        " steps: [{id: give, send: two, by: sms}]}]}, {next: again, id: more, emit: Thought}]"
    )
    codes, witness = check(tmp_path, steps=steps, enter_two="{on: [Product Added, Thought]}")
    assert codes in (["SEG-E607"], ["SEG-N802"])
    assert bool(witness) is ("SEG-E607" in codes)


def test_a_derived_event_is_brought_about(tmp_path: Path) -> None:
    left = "Left: {on: Product Added, silence: 30m, when: session.views >= 1 or traits.x == 1}"
    now = "Now: {on: Product Removed, when: traits.y == 1}"
    codes, _ = check(tmp_path, events=f"{{{left}, {now}}}", enter_two="{on: [Left, Now]}")
    assert codes == ["SEG-E607"]


def test_what_only_the_catalog_can_say_is_neither_proved_nor_passed_over(tmp_path: Path) -> None:
    codes, witness = check(tmp_path, when_two="item(entry.product_id).stock > 0")
    assert codes == ["SEG-N802"]
    assert witness == ()


def test_a_segment_in_a_schedule_and_a_pattern_in_a_message_are_read(tmp_path: Path) -> None:
    codes, _ = check(
        tmp_path,
        when_two="not matches(traits.email, '^bot')",
        enter_two="{on: Product Added, when: 'properties.x == properties.y or traits.a.b == 1'}",
        fans="3 < traits.age",
    )
    assert codes in (["SEG-E607"], ["SEG-N802"])


@pytest.mark.parametrize("op", ["<=", "<", ">", "==", "!="])
def test_every_comparison_is_met(tmp_path: Path, op: str) -> None:
    entry = f"{{on: Product Added, when: 'properties.size {op} 7'}}"
    codes, _ = check(tmp_path, enter_two=entry)
    assert codes == ["SEG-E607"]


def test_what_was_done_in_vain_is_left_out(tmp_path: Path) -> None:
    steps = "[{wait: 2h}, {branch: [{when: traits.vip == true, steps: [{send: two, by: sms}]}]}]"
    codes, witness = check(tmp_path, steps=steps)
    assert codes == ["SEG-E607"]
    assert len(witness) <= 6


def test_a_segment_asked_for_twice_and_other_roots_are_read_once(tmp_path: Path) -> None:
    when = "in_segment('fans') and (not in_segment('fans') or profile.orders < 5)"
    codes, witness = check(
        tmp_path,
        enter_one=f'{{on: Product Viewed, when: "{when}"}}',
        when_two="profile.sessions >= 1 and traits.age >= 18 and traits.size > 3",
    )
    assert codes == ["SEG-E607"]
    assert sum("traits" in line for line in witness) == 3


def test_a_detour_is_cut_out_of_the_witness(tmp_path: Path) -> None:
    never = 'matches(properties.code, "^zz$")'
    first = f"{{on: Lesson Taken, when: 'traits.a == 1 and traits.b == 1 and {never}'}}"
    second = "{on: Product Added, when: 'traits.c == 1'}"
    codes, witness = check(tmp_path, enter_two=f"[{first}, {second}]", when_two="traits.c == 1")
    assert codes == ["SEG-E607"]
    assert len(witness) == 5
    assert not any('"a"' in line for line in witness)

"""Stored bytes are a promise: what was ever written is read for ever, and equal facts give
equal bytes.

`tests/golden/codec` holds bytes of every version with the JSON of what they say. A file there
is never changed once a release wrote such bytes; a new version adds files, and so does a new
field (`profile.v1-scheduled.json`). Run this module as a program to write the files of the
current version that do not exist yet.
"""

import json
from pathlib import Path

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from segue.errors import StoreDamaged, StoreTooNew, Unstorable
from segue.kernel.effects import (
    AssignTask,
    CallWebhook,
    ChangeAudience,
    Effect,
    Emit,
    Send,
    Show,
    Withdraw,
)
from segue.kernel.expression import Aggregate, Compare, Literal, Stream
from segue.kernel.inputs import Event
from segue.kernel.plan import (
    Cap,
    End,
    Journey,
    Message,
    OnEvent,
    Plan,
    Reach,
    Segment,
    Send as SendStep,
    Wait,
    Watch,
    Workspace,
)
from segue.kernel.profile import (
    Consent,
    Entered,
    Grant,
    Offer,
    Profile,
    Proposal,
    Run,
    Score,
    Sent,
    Session,
    Silence,
    Tally,
    Trail,
)
from segue.kernel.trace import (
    Check,
    Considered,
    Drawn,
    Ended,
    IncentiveChanged,
    Note,
    Remarked,
    RunChanged,
    Scored,
    SegmentChanged,
    Settled,
)
from segue.kernel.values import Instant, Millis, ProfileId
from segue.stores import codec
from segue.stores.codec import Codec

GOLDEN = Path(__file__).parents[2] / "golden" / "codec"
CODECS: dict[str, Codec[object]] = {
    "profile": codec.profiles,
    "event": codec.events,
    "effect": codec.effects,
    "notes": codec.notes,
    "plan": codec.plans,
    "fields": codec.fields,
}  # type: ignore[dict-item]


def at(instant: int) -> Instant:
    return Instant(1_700_000_000_000 + instant)


def rich_profile() -> Profile:
    """Every field set, so that each has its place in the golden bytes."""
    return Profile(
        id=ProfileId("ana"),
        draw_key="anonymous-1",
        program="c0ffee",
        first_seen_at=at(0),
        last_seen_at=at(9),
        user_ids=["ana"],
        anonymous_ids=["anonymous-1", "ünïcödé"],
        traits={"email": "ana@example.com", "age": 31, "vip": True, "tags": ["a", None], "n": 1.5},
        traits_at={"email": at(1), "age": at(2)},
        zone="Europe/Berlin",
        consents={"email/*": Consent("granted", at(1), "form")},
        unreachable={"sms": "+491"},
        session=Session(
            2, at(1), at(2), 5, 3, 99.5, ["sku-1"], 1, 1, 1, 33.0, at(2), at(3),
            {"intent": Score("m1", [1, 2], 3.5, 0.75)}, 1,
        ),
        sessions=2,
        tallies={"t1": Tally(2, [1.5, 1e-9], 1.0, 2.0, at(1), "a", at(2), 7, ["d1"])},
        trails={"w1": Trail([at(1), at(2)], [1, "x"])},
        segments={"hot": at(1)},
        segments_due={"hot": at(5)},
        silences={"Cart Abandoned": Silence(at(6), {"cart_id": "c1"})},
        runs=[
            Run("cart/1", "cart", "c0ffee", "c1", "wait", at(1), at(2), at(3), at(4), at(5),
                {"price": 10.5}, {"n": 1}, {"wait": 1}, ["adapt"], at(6), "end"),
        ],
        entered={"cart": Entered(1, at(1))},
        proposals=[
            Proposal("p1", "cart/1", "mail", "hello", at(1), at(2), at(3), "cap", ["sms"], {"a": 1},
                     "b", ["sku-1"]),
        ],
        offers=[
            Offer("o1", "cart/1", "show", "deal", "top", "web", at(1), at(2), ["Order Completed"],
                  ["clicked"], {"a": 1}, at(3), "o1/1", ["sku-1"]),
        ],
        ledger=[
            Sent("s1", "hello", "email", "cart", "cart/1", "mail", at(1), 2, "accepted", ["promo"],
                 at(2), at(3), "top", ["sku-1"], [at(1), at(2)], ["sms"], {"a": 1}, "exit"),
        ],
        grants=[Grant("ten", "discounts", 10.0, "s1", "cart", at(1), at(2), "TEN", at(3), at(4), "pool")],
        assignments={"split": "b"},
        bought={"sku-2": at(1)},
        wake_at=at(3),
        orders=1,
        ordered_at=at(2),
        simulated=True,
        scheduled={"birthday#0": at(7)},
    )  # fmt: skip


def rich_effects() -> list[Effect]:
    event = rich_event()
    return [
        Send(
            id="s1", message="hello", channel="email", address="a@example.com", program="c0ffee",
            data={"traits": {"name": "Ana"}}, not_after=at(9), pace_at=at(5),
            purpose="transactional", journey="cart", run="cart/1",
        ),
        Show(
            id="o1", message="deal", placement="top", channel="web", program="c0ffee",
            data={}, not_after=at(9), question="q1", journey="cart", run="cart/1", again=True,
        ),
        Withdraw(id="s1", reason="exit"),
        Emit(event=event),
        ChangeAudience(id="a1", audience="buyers", change="remove", data={"email": "x"}),
        CallWebhook(id="w1", webhook="crm", body={"a": [1, 2.5, None]}),
        AssignTask(id="t1", title="Call", to="sales", details={"why": "vip"}),
    ]  # fmt: skip


def rich_event() -> Event:
    return Event(
        id="e1", name="Product Viewed", at=at(1), kind="page", properties={"price": 9.99, "n": 2**53},
        traits={"name": "Ana"}, context={"page": {"url": "https://shop.example"}},
        anonymous_id="anonymous-1", user_id="ana", source="web", live=False, emitted=True,
    )  # fmt: skip


def rich_notes() -> tuple[Note, ...]:
    check = Check("caps", "hold", "cap", "two a day", at(5))
    return (
        Considered(
            proposal="p1", message="hello", journey="cart", run="cart/1", outcome="held",
            channel="email", placement="", reason="cap", until=at(5), checks=(check,), send="s1",
        ),
        SegmentChanged(segment="hot", change="entered"),
        RunChanged(run="cart/1", journey="cart", change="moved", step="mail", reason="", detail=""),
        Drawn(stream="split", choice="b", options={"a": 500_000, "b": 500_000}, run="cart/1"),
        Ended(id="p1", message="hello", reason="exit", detail="Order Completed"),
        Settled(send="s1", message="hello", channel="email", state="accepted", reason=""),
        Scored(model="intent", probability=0.75, reasons={"tempo": 1.5}),
        Remarked(what="traits_max", detail={"trait": "x"}),
    )  # fmt: skip


def incentive_notes() -> tuple[Note, ...]:
    given = IncentiveChanged(
        incentive="ten", group="discounts", change="redeemed", source="s1", journey="cart",
        code="TEN", by="Order Completed", until=at(9),
    )  # fmt: skip
    return (given,)


def rich_plan() -> Plan:
    stream = Stream(("Product Viewed",), None, None)
    hot = Compare(">=", Aggregate("count", stream, Millis(3_600_000)), Literal(3))
    return Plan(
        workspace=Workspace(name="shop", zone="Europe/Berlin"),
        segments=(Segment(name="hot", when=hot),),
        messages=(
            Message(name="hello", topic="news", contents={"email": {"subject": "Hi"}},
                    expires_ms=Millis(60_000)),
        ),
        policies=(Cap(name="daily", most=2, per="day", reach=Reach(channels=("email",))),),
        journeys=(
            Journey(
                name="cart", entries=(OnEvent(events=("Product Added",)),), start="wait",
                steps=(
                    Wait(id="wait", next="mail", for_ms=Millis(1_000)),
                    SendStep(id="mail", next="end", message="hello", channels=("email",)),
                    End(id="end"),
                ),
                exits=(Watch(events=("Order Completed",)),),
            ),
        ),
        published_at=at(1),
    )  # fmt: skip


def rich() -> dict[str, tuple[str, object]]:
    """The samples: name of the golden file, kind, fact."""
    samples: dict[str, tuple[str, object]] = {
        "profile": ("profile", rich_profile()),
        "event": ("event", rich_event()),
        "notes": ("notes", rich_notes()),
        "profile-told": ("profile", rich_profile()),
        "profile-coupon": ("profile", rich_profile()),
        "profile-recalled": ("profile", rich_profile()),
        "notes-incentive": ("notes", incentive_notes()),
        "plan": ("plan", rich_plan()),
        "fields": ("fields", {"subject": "Hi", "body": "ünïcödé"}),
    }
    for effect in rich_effects():
        samples[f"effect-{type(effect).__struct_config__.tag}"] = ("effect", effect)
    return samples


def says(fact: object) -> object:
    """What a fact says, as JSON reads it."""
    return json.loads(msgspec.json.encode(fact))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_bytes_of_every_version_decode_for_ever(path: Path) -> None:
    golden = json.loads(path.read_text())
    decoded = says(CODECS[golden["kind"]].decode(bytes.fromhex(golden["hex"])))
    assert contains(decoded, golden["says"]), "a field was lost or changed its meaning"


def contains(new: object, old: object) -> bool:
    """Whether everything that `old` says stands in `new`; what was added since may stand too."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(key in new and contains(new[key], value) for key, value in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(new) >= len(old) and all(map(contains, new, old))
    return new == old


@pytest.mark.parametrize("name", rich())
def test_every_kind_has_golden_bytes_of_the_current_version(name: str) -> None:
    kind, _ = rich()[name]
    assert (GOLDEN / f"{name}.v{CODECS[kind].version}.json").exists()


@pytest.mark.parametrize("name", rich())
def test_what_is_written_is_read_back(name: str) -> None:
    kind, fact = rich()[name]
    assert CODECS[kind].decode(CODECS[kind].encode(fact)) == fact


def unset(fact: object, where: str) -> list[str]:
    """Fields at their defaults, in a struct and all that it holds."""
    found: list[str] = []
    if isinstance(fact, msgspec.Struct):
        for field in msgspec.structs.fields(fact):
            value = getattr(fact, field.name)
            default = field.default
            if field.default_factory is not msgspec.NODEFAULT:
                default = field.default_factory()
            if value == default:
                found.append(f"{where}.{field.name}")
            found += unset(value, f"{where}.{field.name}")
    elif isinstance(fact, list | tuple):
        for n, item in enumerate(fact):
            found += unset(item, f"{where}[{n}]")
    elif isinstance(fact, dict):
        for key, value in fact.items():
            found += unset(value, f"{where}[{key}]")
    return found


def test_the_rich_profile_leaves_no_field_at_its_default() -> None:
    """Otherwise the golden bytes would not hold every field to its promise."""
    assert unset(rich_profile(), "profile") == []


def test_equal_profiles_give_equal_bytes_in_any_order_of_keys() -> None:
    forth, back = rich_profile(), rich_profile()
    back.traits = dict(reversed(back.traits.items()))
    back.traits_at = dict(reversed(back.traits_at.items()))
    assert forth == back
    assert codec.profiles.encode(forth) == codec.profiles.encode(back)


@given(st.binary(max_size=200))
def test_garbage_is_damage_and_nothing_else(data: bytes) -> None:
    for each in CODECS.values():
        with pytest.raises((StoreDamaged, StoreTooNew)):
            each.decode(b"\x01\xc1" + data)
        try:
            each.decode(data)
        except (StoreDamaged, StoreTooNew):
            pass


@given(st.data())
def test_a_flipped_or_cut_profile_is_damage_or_another_profile(data: st.DataObject) -> None:
    whole = bytearray(codec.profiles.encode(rich_profile()))
    place = data.draw(st.integers(1, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    for each in (bytes(whole), bytes(whole[:place])):
        try:
            assert isinstance(codec.profiles.decode(each), Profile)
        except StoreDamaged:
            pass


def test_no_bytes_at_all_are_damage() -> None:
    with pytest.raises(StoreDamaged, match="'ana'"):
        codec.profiles.decode(b"", "ana")


def test_a_later_version_is_refused_as_too_new() -> None:
    with pytest.raises(StoreTooNew):
        codec.profiles.decode(b"\x02" + codec.profiles.encode(rich_profile())[1:])


def test_what_has_no_stored_form_is_named() -> None:
    profile = rich_profile()
    profile.traits["big"] = 1 << 64
    with pytest.raises(Unstorable, match="ana"):
        codec.profiles.encode(profile, "ana")


class Point(msgspec.Struct):
    """A kind in its third version: once [x, y], then with names, then with whole numbers."""

    x: int
    y: int


def named(old: object) -> object:
    assert isinstance(old, list)
    return {"x": old[0], "y": old[1]}


def whole(old: object) -> object:
    assert isinstance(old, dict)
    return {key: round(value) for key, value in old.items()}


points = Codec("point", msgspec.msgpack.Decoder(Point), 3, {1: named, 2: whole})


def test_older_versions_are_lifted_step_by_step() -> None:
    first = b"\x01" + msgspec.msgpack.encode([1.0, 2.4])
    second = b"\x02" + msgspec.msgpack.encode({"x": 1.0, "y": 2.4})
    assert points.decode(first) == points.decode(second) == Point(1, 2)
    assert points.decode(points.encode(Point(1, 2))) == Point(1, 2)
    assert points.encode(Point(1, 2))[0] == 3


@pytest.mark.parametrize("value", [[], [1], ["a", "b"], {"x": 1}, None])
def test_an_older_version_that_makes_no_sense_is_damage(value: object) -> None:
    with pytest.raises(StoreDamaged):
        points.decode(b"\x01" + msgspec.msgpack.encode(value))


def test_a_version_without_an_upcaster_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Codec("point", msgspec.msgpack.Decoder(Point), 3, {2: whole})


if __name__ == "__main__":
    for name, (kind, fact) in rich().items():
        path = GOLDEN / f"{name}.v{CODECS[kind].version}.json"
        if not path.exists():
            golden = {"kind": kind, "hex": CODECS[kind].encode(fact).hex(), "says": says(fact)}
            path.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")

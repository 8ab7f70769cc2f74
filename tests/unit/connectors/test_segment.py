"""Goal: what Segment's clients send becomes the right event, and what they get wrong is
refused by itself, with a code, a place and a sentence.
"""

import base64
import gzip
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from segue.connectors import limits, segment
from segue.connectors.segment import Parcel, Reader, Refused, Taken, Unreadable, instant, unpack
from segue.kernel.inputs import Consented, Reported
from segue.kernel.values import Instant

NOW = Instant(int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp() * 1000))
DATA = Path(os.environ.get("SEGUE_DATA", Path(__file__).parents[4] / "shared" / "data"))


def read(*messages: object, **envelope: object) -> tuple[list[Taken], list[Refused]]:
    body = json.dumps({"batch": messages, **envelope}).encode()
    return Reader(unpack(body), NOW).read()


def taken(message: dict[str, Any], **envelope: object) -> Taken:
    good, bad = read(message, **envelope)
    assert not bad, bad
    return good[0]


def refused(message: object) -> Refused:
    good, bad = read(message)
    assert not good, good
    return bad[0]


TRACK = {"type": "track", "event": "Product Viewed", "userId": "ana", "messageId": "m1"}


# ── names, ids, traits ──


def test_a_track_keeps_its_name_and_properties() -> None:
    event = taken({**TRACK, "properties": {"price": 9.5}}).event
    assert (event.name, event.kind, event.id) == ("Product Viewed", "track", "m1")
    assert event.properties == {"price": 9.5}
    assert (event.user_id, event.anonymous_id) == ("ana", "")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("page", "Page Viewed"),
        ("screen", "Screen Viewed"),
        ("identify", "Profile Identified"),
        ("group", "Group Joined"),
    ],
)
def test_other_kinds_have_names_of_their_own(kind: str, name: str) -> None:
    event = taken({"type": kind, "userId": "ana", "event": "ignored"}).event
    assert (event.name, event.kind) == (name, kind)


def test_a_page_keeps_its_name_and_category_among_its_properties() -> None:
    event = taken(
        {"type": "page", "userId": "a", "name": "Home", "category": "Docs", "properties": {"x": 1}}
    ).event
    assert event.properties == {"x": 1, "name": "Home", "category": "Docs"}


def test_a_group_and_an_alias_keep_their_ids_among_their_properties() -> None:
    group = taken({"type": "group", "userId": "a", "groupId": 7, "traits": {"plan": "pro"}}).event
    assert group.properties == {"groupId": "7"}
    assert group.traits == {"plan": "pro"}
    alias = taken({"type": "alias", "userId": "a", "previousId": "anon"}).event
    assert alias.properties == {"previousId": "anon"}


def test_traits_of_an_identify_stand_at_the_top_or_in_the_context() -> None:
    inner = {"type": "identify", "userId": "a", "context": {"traits": {"email": "a@x.org", "n": 1}}}
    assert taken(inner).event.traits == {"email": "a@x.org", "n": 1}
    both = {**inner, "traits": {"n": 2}}
    assert taken(both).event.traits == {"email": "a@x.org", "n": 2}


def test_context_traits_of_a_track_are_no_traits() -> None:
    event = taken({**TRACK, "context": {"traits": {"vip": True}}}).event
    assert event.traits == {}


def test_numbers_as_ids_become_text() -> None:
    event = taken({"type": "track", "event": "x", "userId": 42, "anonymousId": 7.0}).event
    assert (event.user_id, event.anonymous_id) == ("42", "7")


def test_null_ids_are_missing() -> None:
    event = taken({**TRACK, "anonymousId": None}).event
    assert event.anonymous_id == ""


@pytest.mark.parametrize("placeholder", ["undefined", "null", "NaN", "[object Object]", "  "])
def test_ids_that_broken_pages_send_for_everyone_are_missing(placeholder: str) -> None:
    event = taken({"type": "track", "event": "x", "userId": placeholder, "anonymousId": "a"}).event
    assert (event.user_id, event.anonymous_id) == ("", "a")


def test_a_missing_message_id_is_derived_from_content_arrival_and_place() -> None:
    bare = {"type": "track", "event": "x", "userId": "a"}
    body = json.dumps({"batch": [bare, bare]}).encode()
    once, again = ([t.event.id for t in Reader(unpack(body), NOW).read()[0]] for _ in range(2))
    later = [t.event.id for t in Reader(unpack(body), Instant(NOW + 1)).read()[0]]
    assert once == again
    assert len({*once, *later}) == 4


def test_a_batchs_context_is_merged_under_each_messages_own() -> None:
    event = taken({**TRACK, "context": {"ip": "1"}}, context={"ip": "2", "app": {"n": 1}}).event
    assert event.context == {"ip": "1", "app": {"n": 1}}


def test_a_single_message_takes_its_kind_from_the_path() -> None:
    parcel = unpack(b'{"userId": "a", "writeKey": "wk"}')
    assert parcel.write_key == "wk"
    good, _ = Reader(parcel, NOW, kind="identify").read()
    assert good[0].event.kind == "identify"


# ── clocks ──


def iso(offset_ms: int) -> str:
    return datetime.fromtimestamp((NOW + offset_ms) / 1000, UTC).isoformat()


def test_a_wrong_clock_is_corrected_by_when_the_client_says_it_sent() -> None:
    day = 86_400_000
    event = taken({**TRACK, "timestamp": iso(3 * day - 5_000)}, sentAt=iso(3 * day)).event
    assert event.at == NOW - 5_000


def test_sent_at_of_the_message_wins_over_the_batchs() -> None:
    message = {**TRACK, "originalTimestamp": iso(-9_000), "sentAt": iso(-4_000)}
    assert taken(message, sentAt=iso(60_000)).event.at == NOW - 5_000


def test_original_timestamp_wins_over_timestamp() -> None:
    message = {**TRACK, "originalTimestamp": iso(-7_000), "timestamp": iso(-1_000)}
    assert taken(message).event.at == NOW - 7_000


def test_an_event_never_happens_after_its_arrival() -> None:
    assert taken({**TRACK, "timestamp": "2100-01-01T00:00:00Z"}).event.at == NOW
    ahead = taken({**TRACK, "timestamp": iso(60_000)}, sentAt=iso(0)).event
    assert ahead.at == NOW


@pytest.mark.parametrize("said", ["1970-01-01T00:00:00Z", 0, "yesterday", "", [1], True, 1e300])
def test_a_time_that_cannot_be_meant_counts_as_the_arrival_and_is_kept(said: object) -> None:
    event = taken({**TRACK, "timestamp": said}).event
    assert event.at == NOW
    assert event.context["timestamp_unused"] == str(said)


def test_a_clock_that_was_never_set_is_corrected_too() -> None:
    message = {**TRACK, "timestamp": "1970-01-01T00:01:00Z"}
    assert taken(message, sentAt="1970-01-01T00:01:30Z").event.at == NOW - 30_000


def test_history_is_accepted_with_its_own_time() -> None:
    event = taken({**TRACK, "timestamp": "2012-12-02T00:30:12.984Z"}, sentAt=iso(0)).event
    assert event.at == instant("2012-12-02T00:30:12.984Z")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-01-02T03:04:05.678Z", 1767323045678),
        ("2026-01-02T03:04:05.678901+00:00", 1767323045678),
        ("2026-01-02T05:04:05+02:00", 1767323045000),
        ("2026-01-02 03:04:05", 1767323045000),
        ("2026-01-02", 1767312000000),
        (1767323045678, 1767323045678),
        (1767323045, 1767323045000),
        (1767323045.5, 1767323045500),
    ],
)
def test_times_are_read_in_every_form_that_clients_use(said: object, meant: int) -> None:
    assert instant(said) == meant


# ── what counts as activity ──


def test_browsers_and_servers_report_activity() -> None:
    assert taken(TRACK).event.live
    assert taken({**TRACK, "context": {"library": {"name": "analytics-python"}}}).event.live


def test_what_says_it_is_not_active_is_not() -> None:
    assert not taken({**TRACK, "context": {"active": False}}).event.live


def test_an_import_and_the_long_past_are_not_activity() -> None:
    body = json.dumps(TRACK).encode()
    assert not Reader(unpack(body), NOW, history=True).read()[0][0].event.live
    assert not taken({**TRACK, "timestamp": iso(-3_600_000)}).event.live


# ── consent and reports ──


def test_subscriptions_become_consents_by_channel_and_topic() -> None:
    message = {
        "type": "identify",
        "userId": "a",
        "context": {
            "messaging_subscriptions": [
                {
                    "type": "EMAIL",
                    "status": "SUBSCRIBED",
                    "groups": [{"name": "newsletter", "status": "UNSUBSCRIBED"}],
                },
                {"type": "SMS", "status": "DID_NOT_SUBSCRIBE"},
                {"type": "PIGEON", "status": "SUBSCRIBED"},
                "nonsense",
            ]
        },
    }
    said = [(c.channel, c.topic, c.state) for c in taken(message).consents]
    assert said == [
        ("email", "*", "granted"),
        ("email", "newsletter", "denied"),
        ("sms", "*", "denied"),
    ]


def test_consent_categories_are_read_where_they_change_and_nowhere_else() -> None:
    context = {"consent": {"categoryPreferences": {"marketing": False, "odd": "yes"}}}
    changed = {**TRACK, "event": segment.CONSENT_CHANGED, "context": context}
    expected = Consented(channel="*", topic="marketing", state="denied", at=NOW, source="segment")
    assert taken(changed).consents == (expected,)
    assert taken({**TRACK, "context": context}).consents == ()


def test_a_page_reports_what_became_of_a_message() -> None:
    message = {**TRACK, "event": "Message Clicked", "properties": {"send_id": "s1"}}
    assert taken(message).report == Reported(send_id="s1", outcome="clicked")
    assert taken({**TRACK, "properties": {"send_id": "s1"}}).report is None


# ── what is refused, and that it harms nothing else ──


@pytest.mark.parametrize(
    ("message", "code", "place"),
    [
        ({**TRACK, "properties": "x"}, "wrong_type", "properties"),
        ({**TRACK, "userId": {"a": 1}}, "wrong_type", "userId"),
        ({**TRACK, "userId": True}, "wrong_type", "userId"),
        ({**TRACK, "event": 5}, "wrong_type", "event"),
        ({**TRACK, "context": []}, "wrong_type", "context"),
        (5, "wrong_type", ""),
        (None, "wrong_type", ""),
        ({**TRACK, "type": "buy"}, "type_unknown", "type"),
        ({"event": "x", "userId": "a"}, "type_unknown", "type"),
        ({"type": "track", "userId": "a"}, "name_missing", "event"),
        ({**TRACK, "event": " "}, "name_missing", "event"),
        ({**TRACK, "event": "x" * 256}, "name_too_long", "event"),
        ({"type": "track", "event": "x"}, "id_missing", "userId"),
        ({**TRACK, "userId": "u" * 10_000}, "id_too_long", "userId"),
        ({**TRACK, "messageId": "u" * 10_000}, "id_too_long", "messageId"),
        ({"type": "alias", "userId": "a"}, "alias_incomplete", "previousId"),
        ({"type": "alias", "anonymousId": "a", "previousId": "b"}, "alias_incomplete", "userId"),
        ({**TRACK, "userId": "a\x00b"}, "null_byte", "userId"),
        ({**TRACK, "properties": {"a": [{"b": "\x00"}]}}, "null_byte", "properties.a[0].b"),
        ({**TRACK, "properties": {"a\x00": 1}}, "null_byte", "properties"),
        ({**TRACK, "properties": {"n": 10**30}}, "number_range", "properties.n"),
        ({**TRACK, "properties": {"big": "x" * 40_000}}, "too_large", ""),
    ],
)
def test_a_bad_message_is_refused_by_itself(message: object, code: str, place: str) -> None:
    good, bad = read(TRACK, message, {**TRACK, "messageId": "m2"})
    assert [t.event.id for t in good] == ["m1", "m2"]
    assert [(r.index, r.code, r.place) for r in bad] == [(1, code, place)]
    assert bad[0].text
    assert bad[0].code in segment.REFUSALS


POISON = {
    "deep": b'{"type":"track","event":"x","userId":"a","properties":{"a":%b%b}}'
    % (b"[" * 12_000, b"]" * 12_000),
    "not quite so deep": b'{"type":"track","event":"x","userId":"a","properties":{"a":%b%b}}'
    % (b"[" * 40, b"]" * 40),
    "no JSON": b'{"type":"track","event":x"x","userId":}',
    "a number beyond all": b'{"type":"track","event":"x","userId":"a","properties":{"a":1e999}}',
    "not a number": b'{"type":"track","event":"x","userId":"a","properties":{"a":NaN}}',
    "not UTF-8": b'{"type":"track","event":"x\xff","userId":"a"}',
    "a raw control character": b'{"type":"track","event":"x\x01","userId":"a"}',
    "a number of 5,000 digits": b'{"type":"track","event":"x","userId":"a","properties":{"a":%b}}'
    % (b"9" * 5_000),
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
def test_one_poisoned_message_in_a_batch_of_2_500_harms_no_other(poison: bytes) -> None:
    good = [json.dumps({**TRACK, "messageId": f"m{n}"}).encode() for n in range(2_499)]
    messages = [*good[:1_000], poison, *good[1_000:]]
    parcel = unpack(b'{"batch":[' + b",".join(messages) + b'],"writeKey":"wk"}')
    assert parcel.write_key == "wk"
    read_well, bad = Reader(parcel, NOW).read()
    assert len(read_well) == 2_499
    assert [r.index for r in bad] == [1_000]


def test_half_an_emoji_is_mended() -> None:
    body = b'{"batch":[{"type":"track","event":"a \\ud83d b","userId":"a"}]}'
    good, bad = Reader(unpack(body), NOW).read()
    assert not bad
    assert good[0].event.name == "a ? b"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"[",
        b"{",
        b'{"batch":[',
        b'{"batch":[}',
        b"[]",
        b"5",
        b"null",
        b'{"batch":{}}',
        b'{"batch":[],"writeKey":5}',
        b"hello",
        b'{"a":tru}',
        b'{"batch":[]}}',
        b"\x00\x01",
    ],
)
def test_a_body_without_an_envelope_is_refused_whole(body: bytes) -> None:
    with pytest.raises(Unreadable):
        unpack(body)


def test_what_is_kept_of_a_refused_message_is_bounded() -> None:
    bad = refused({**TRACK, "properties": {"big": "x" * 40_000}})
    assert len(bad.body) == limits.SET_ASIDE_BYTES_MAX


# ── real clients ──


def captures() -> list[Path]:
    return sorted((DATA / "segment-captures").glob("*.json"))


@pytest.mark.data
def test_everything_that_real_clients_sent_is_read() -> None:
    if not captures():
        pytest.skip(f"no captures of real clients under {DATA}")
    count = 0
    for file in captures():
        for call in json.loads(file.read_text()):
            body = (
                base64.b64decode(call["body_b64"])
                if call["body_b64"] is not None
                else json.dumps(call["json"]).encode()  # large bodies are kept decoded only
            )
            if body[:2] == b"\x1f\x8b":
                body = gzip.decompress(body)
            parcel: Parcel = unpack(body)
            kind = {"i": "identify", "t": "track", "p": "page"}.get(
                call["request_line"].split()[1].rsplit("/", 1)[-1]
            )
            good, bad = Reader(parcel, NOW, kind=kind).read()  # type: ignore[arg-type]
            assert not bad, (file.name, bad)
            count += len(good)
    assert len(captures()) == 37
    assert count > 500


@pytest.mark.data
def test_the_specs_own_examples_are_read_or_refused_for_a_reason() -> None:
    file = DATA / "segment-spec" / "examples.json.gz"
    if not file.exists():
        pytest.skip(f"the spec's examples are not under {DATA}")
    read_well = 0
    for example in json.loads(gzip.decompress(file.read_bytes())):
        message = example.get("json") if isinstance(example, dict) else None
        if isinstance(message, dict) and message.get("type") in segment.NAMES | {"track": ""}:
            good, bad = read({"anonymousId": "a", **message})
            assert len(good) + len(bad) == 1
            read_well += len(good)
    assert read_well > 20


numbers = st.one_of(
    st.integers(-(10**22), 10**22), st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.from_regex(r"[a: ,\[-]{0,2}[0-9]{0,22}[a\]}]?", fullmatch=True)
values = st.recursive(
    st.one_of(numbers, texts, st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


def too_long(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(too_long, value.values() if isinstance(value, dict) else value))
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and abs(value) >= 10**limits.DIGITS_MAX


@settings(max_examples=300, deadline=None)
@given(values, st.sampled_from([None, 1]), st.booleans())
def test_a_number_that_is_too_long_is_found_wherever_it_stands(
    value: Any, indent: int | None, close: bool
) -> None:
    separators = (",", ":") if close else None
    body = json.dumps(value, indent=indent, separators=separators).encode()
    flaw = segment.first_flaw(body)
    assert (flaw is not None and flaw[0] == "number_range") == too_long(value)

"""Files become events: every row is an event, part of one, skipped with a count, or rejected
with its line and a reason; whatever a row is, those around it are not harmed.
"""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from segue.connectors import mapping as mappings
from segue.connectors.files import Source, detect, merged
from segue.connectors.limits import RECORD_LINES_MAX
from segue.connectors.rows import Imported
from segue.errors import MappingWrong, SourceUnreadable

SHOP = """
name: shop
time: {column: when}
event:
  column: what
  names:
    view: Product Viewed
    buy: {name: Order Completed, properties: {total: {column: price, type: number}}}
user: who
properties:
  product_id: {column: product, type: id}
  price: {column: price, type: number}
"""
HEADER = "when,what,who,product,price\n"


def read(tmp_path: Path, text: str | bytes, mapping: str = SHOP) -> tuple[list[Imported], Source]:
    path = tmp_path / "rows.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    source = Source(path, mappings.parse(mapping, "shop.yaml"))
    return list(source), source


def test_a_row_becomes_an_event_with_typed_properties(tmp_path: Path) -> None:
    rows, source = read(tmp_path, HEADER + "2024-05-01T10:00:00Z,buy,ana,17.0,9.50\n")
    (one,) = rows
    assert one.line == 2
    assert one.event.name == "Order Completed"
    assert one.event.user_id == "ana"
    assert one.event.properties == {"product_id": "17", "price": 9.5, "total": 9.5}
    assert one.event.at == one.arrived_at == 1714557600000
    assert source.reading.report.rows == source.reading.report.events == 1


def test_an_empty_cell_is_a_missing_property(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, HEADER + "2024-05-01,view,ana,,\n")
    assert rows[0].event.properties == {}


def test_the_same_file_gives_the_same_ids_and_equal_rows_differ(tmp_path: Path) -> None:
    text = HEADER + "2024-05-01,view,ana,1,2\n" * 3
    first = [one.event.id for one in read(tmp_path, text)[0]]
    again = [one.event.id for one in read(tmp_path, text)[0]]
    assert first == again
    assert len(set(first)) == 3


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2024-05-01,view,ana,1", "4 columns instead of 5"),
        ("yesterday,view,ana,1,2", "'yesterday' is not a time of the mapping's format"),
        ("1969-12-31,view,ana,1,2", "is not a time between 1970 and 2100"),
        ("2100-01-01,view,ana,1,2", "is not a time between 1970 and 2100"),
        ("2024-05-01,sing,ana,1,2", "what: no event is named for 'sing'"),
        ("2024-05-01,view,,1,2", "neither a user id nor an anonymous id"),
        ("2024-05-01,view,ana,1,cheap", "price: 'cheap' is not a number"),
        ("2024-05-01,view,ana,1,nan", "price: 'nan' is not a number"),
        ("2024-05-01,view,ana,1,1e400", "price: '1e400' is not a number"),
        ("2024-05-01,view,ana,1,9007199254740993", "too large for a number"),
        ("2024-05-01,view,a\0na,1,2", "a null byte"),
        ('2024-05-01,view,"ana"x,1,2', "not CSV"),
    ],
)
def test_a_bad_row_is_rejected_alone_with_line_and_reason(
    tmp_path: Path, row: str, reason: str
) -> None:
    good = "2024-05-01,view,ana,1,2\n"
    rows, source = read(tmp_path, f"{HEADER}{good}{row}\n{good}")
    assert [one.line for one in rows] == [2, 4]
    (rejection,) = source.reading.report.rejections
    assert rejection.line == 3
    assert reason in rejection.reason
    assert source.reading.report.rows == 3
    assert source.reading.report.rejected == 1


def test_bytes_that_are_no_utf8_spoil_their_row_only(tmp_path: Path) -> None:
    good = b"2024-05-01,view,ana,1,2\n"
    rows, source = read(tmp_path, HEADER.encode() + good + b"2024-05-01,view,\xff,1,2\n" + good)
    assert [one.line for one in rows] == [2, 4]
    assert source.reading.report.rejections[0].reason.startswith("not utf-8")


def test_a_quote_that_is_never_closed_spoils_its_line_only(tmp_path: Path) -> None:
    good = "2024-05-01,view,ana,1,2\n" * (RECORD_LINES_MAX + 50)
    rows, source = read(tmp_path, HEADER + '2024-05-01,view,"ana,1,2\n' + good)
    assert len(rows) == RECORD_LINES_MAX + 50
    assert [one.line for one in source.reading.report.rejections] == [2]
    assert rows[0].line == 3
    assert rows[-1].line == RECORD_LINES_MAX + 52


def test_a_quote_open_at_the_end_of_the_file_spoils_its_line_only(tmp_path: Path) -> None:
    text = HEADER + '2024-05-01,view,"ana,1,2\n' + "2024-05-01,view,ana,1,2\n" * 3
    rows, source = read(tmp_path, text)
    assert [one.line for one in rows] == [3, 4, 5]
    assert source.reading.report.rejected == 1


def test_a_line_break_inside_quotes_belongs_to_its_cell(tmp_path: Path) -> None:
    text = HEADER + '2024-05-01,view,"an\na",1,2\n2024-05-01,view,bo,1,2\n'
    rows, _ = read(tmp_path, text)
    assert [(one.line, one.event.user_id) for one in rows] == [(2, "an\na"), (4, "bo")]


pieces = st.sampled_from(
    [
        b"2024-05-01,view,ana,1,2",
        b"2024-05-02,buy,bo,17.0,9.50",
        b'2024-05-01,view,"an,a",1,2',
        b'2024-05-01,view,"an\na",1,2',
        b'2024-05-01,view,"ana,1,2',
        b"2024-05-01,view,an\ra,1,2",
        b"2024-05-01,view,an\0a,1,2",
        b"2024-05-01,view,\xff,1,2",
        b"2024-05-01,view,ana",
        b"",
    ]
)
ends = st.sampled_from([b"\n", b"\r\n"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(pieces, ends), max_size=30), st.integers(30, 400), st.booleans())
def test_lines_that_are_read_together_give_what_they_give_one_by_one(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[tuple[bytes, bytes]],
    block: int,
    ended: bool,
) -> None:
    text = HEADER.encode() + b"".join(line + end for line, end in lines)
    folder = tmp_path_factory.mktemp("together")
    found = []
    for size in (block, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("segue.connectors.lines.BLOCK_BYTES", size)
            rows, source = read(folder, text if ended else text.rstrip(b"\r\n"))
        found.append((rows, source.reading.report))
    assert found[0] == found[1]


def test_a_line_without_end_is_rejected_and_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segue.connectors.lines.LINE_BYTES_MAX", 100)
    good = "2024-05-01,view,ana,1,2\n"
    rows, source = read(tmp_path, f"{HEADER}{good}{'x' * 1000}\n{good}")
    assert [one.line for one in rows] == [2, 4]
    assert source.reading.report.rejections[0].line == 3


def test_a_gzipped_file_that_breaks_off_gives_what_it_has(tmp_path: Path) -> None:
    text = HEADER + "".join(f"2024-05-01,view,u{n * 7919},1,{n}\n" for n in range(50_000))
    packed = gzip.compress(text.encode())
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(packed[: len(packed) // 2])
    source = Source(path, mappings.parse(SHOP, "shop.yaml"))
    assert 20_000 < sum(1 for _ in source) < 30_000
    assert "breaks off" in source.reading.report.broken
    path.write_bytes(packed[:-8] + bytes(8))  # its checksum is wrong
    assert 45_000 < sum(1 for _ in source) <= 50_000
    assert "damaged" in source.reading.report.broken


def test_gzipped_files_joined_end_to_end_are_read_to_the_last(tmp_path: Path) -> None:
    row = b"2024-05-01,view,ana,1,2\n"
    packed = gzip.compress(HEADER.encode() + row) + gzip.compress(row * 2)
    rows, source = read(tmp_path, packed)
    assert [one.line for one in rows] == [2, 3, 4]
    assert source.reading.report.broken == ""


def test_a_gzipped_file_counts_its_progress_in_bytes_on_the_disk(tmp_path: Path) -> None:
    text = HEADER + "2024-05-01,view,ana,1,2\n" * 1000
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    source = Source(path, mappings.parse(SHOP, "shop.yaml"))
    assert source.reading.read_bytes == 0
    assert source.reading.total_bytes == path.stat().st_size
    assert sum(1 for _ in source) == 1000
    assert source.reading.read_bytes == source.reading.total_bytes


def test_a_file_out_of_order_is_read_in_order_of_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With so little memory that the sort has to go through the disk."""
    monkeypatch.setattr("segue.connectors.reading.SORT_EVENTS_MAX", 7)
    minutes = [(n * 37) % 60 for n in range(60)]
    text = HEADER + "".join(f"2024-05-01T10:{m:02}:00,view,u{m},1,2\n" for m in minutes)
    rows, source = read(tmp_path, text)
    assert [one.event.user_id for one in rows] == [f"u{m}" for m in range(60)]
    assert source.reading.report.late == 0


def test_in_a_file_that_promised_order_a_row_out_of_order_arrives_late(tmp_path: Path) -> None:
    text = HEADER + "2024-05-02,view,ana,1,2\n2024-05-01,view,ana,1,2\n"
    rows, source = read(tmp_path, text, SHOP + "order: file\n")
    assert rows[1].arrived_at == rows[0].arrived_at
    assert rows[1].event.at < rows[1].arrived_at
    assert source.reading.report.late == 1


def test_several_files_are_read_as_one(tmp_path: Path) -> None:
    sources: list[Source] = []
    for name, days in (("a", (1, 3)), ("b", (2, 4))):
        path = tmp_path / f"{name}.csv"
        path.write_text(HEADER + "".join(f"2024-05-0{d},view,{d},1,2\n" for d in days))
        sources.append(Source(path, mappings.parse(SHOP, "shop.yaml")))
    assert [one.event.user_id for one in merged(sources)] == ["1", "2", "3", "4"]


def test_local_times_are_read_in_the_mappings_zone(tmp_path: Path) -> None:
    local = SHOP.replace("{column: when}", "{column: when, zone: Europe/London}")
    text = HEADER + "2024-01-01T10:00:00,view,a,1,2\n2024-07-01T10:00:00,view,a,1,2\n"
    rows, _ = read(tmp_path, text, local)
    assert [one.event.at % 86_400_000 // 3_600_000 for one in rows] == [10, 9]


INVOICES = """
name: bills
order: file
time: {column: when}
event: {column: bill, prefixes: {C: Order Refunded}, otherwise: Order Completed}
user: who
identify: {email: {template: "{who}@example.com"}}
skip: [{column: who, empty: true, reason: no customer}]
group:
  by: bill
  within: 60
  items: products
  item: {product_id: product, quantity: {column: n, type: number, absolute: true}}
  items_max: 2
  count: lines
  totals: {total: [n, price]}
"""
BILLS = "when,bill,who,product,n,price\n"


def test_the_lines_of_one_bill_become_one_order(tmp_path: Path) -> None:
    text = BILLS + (
        "2024-05-01T10:00:00,1,ana,a,2,1.10\n"
        "2024-05-01T10:00:10,2,bo,b,1,5\n"
        "2024-05-01T10:00:30,1,ana,c,3,0.10\n"
        "2024-05-01T10:00:40,1,ana,d,1,1\n"
        "2024-05-01T10:30:00,C3,ana,a,-2,1.10\n"
    )
    rows, source = read(tmp_path, text, INVOICES)
    told = [(one.line, one.event.name, one.event.user_id) for one in rows]
    assert told == [
        (2, "Profile Identified", "ana"),
        (2, "Order Completed", "ana"),
        (3, "Profile Identified", "bo"),
        (3, "Order Completed", "bo"),
        (6, "Order Refunded", "ana"),
    ]
    order = rows[1].event
    assert order.properties["total"] == 3.5
    assert order.properties["lines"] == 3
    assert order.properties["products"] == [
        {"product_id": "a", "quantity": 2},
        {"product_id": "c", "quantity": 3},
    ]
    assert rows[4].event.properties["total"] == 2.2
    assert source.reading.report.late == 0


def test_rows_of_a_bill_that_was_closed_are_rejected(tmp_path: Path) -> None:
    text = BILLS + (
        "2024-05-01T10:00:00,1,ana,a,2,1\n"
        "2024-05-01T12:00:00,2,bo,b,1,5\n"
        "2024-05-01T12:00:00,1,ana,c,3,1\n"
    )
    rows, source = read(tmp_path, text, INVOICES)
    assert [one.event.properties.get("total") for one in rows if one.event.kind == "track"] == [
        2,
        5,
    ]
    assert "too far away in time" in source.reading.report.rejections[0].reason


def test_rows_left_out_on_purpose_are_counted_by_reason(tmp_path: Path) -> None:
    text = BILLS + "2024-05-01,1,,a,2,1\n" * 3
    rows, source = read(tmp_path, text, INVOICES)
    assert rows == []
    assert source.reading.report.skipped == {"no customer": 3}
    assert source.reading.report.rejected == 0


def test_a_bad_line_leaves_its_bill_as_it_was(tmp_path: Path) -> None:
    text = BILLS + ("2024-05-01,1,ana,a,2,1\n2024-05-01,1,ana,a,two,1\n2024-05-01,1,bo,a,2,1\n")
    rows, source = read(tmp_path, text, INVOICES)
    assert rows[-1].event.properties["total"] == 2
    assert rows[-1].event.properties["lines"] == 1
    assert [one.line for one in source.reading.report.rejections] == [3, 4]


def test_a_bad_line_does_not_lose_the_bills_that_its_time_completes(tmp_path: Path) -> None:
    text = BILLS + (
        "2024-05-01T10:00:00,1,ana,a,2,1\n"
        "2024-05-01T12:00:00,2,bo,b,1,five\n"
        "2024-05-01T12:00:00,1,ana,c,3,1\n"
    )
    rows, source = read(tmp_path, text, INVOICES)
    totals = [one.event.properties["total"] for one in rows if one.event.kind == "track"]
    assert totals == [2]
    assert [one.line for one in source.reading.report.rejections] == [3, 4]


def test_json_lines_are_mapped_by_path_and_exploded(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"who": 90071992547409931, "events":'
        ' [{"t": 2, "k": {"n": "view"}}, {"t": 1, "k": {"n": "view"}}]}\n'
        "{broken\n"
        '{"who": "bo", "events": 7}\n'
        '\n{"who": "bo", "events": [{"t": 3, "k": {"n": "view"}}]}\n'
    )
    text = (
        "name: t\nformat: json\neach: events\ntime: {column: t, format: seconds}\nuser: who\n"
        "event: {column: k.n, names: {view: Viewed}}\n"
    )
    source = Source(path, mappings.parse(text, "t.yaml"))
    rows = list(source)
    assert [(one.line, one.event.at) for one in rows] == [(1, 1000), (1, 2000), (5, 3000)]
    assert rows[0].event.user_id == "90071992547409931"
    assert [one.line for one in source.reading.report.rejections] == [2, 3]


def test_segment_messages_are_read_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(
        '{"type":"track","event":"B","userId":"ana","messageId":"m2",'
        '"timestamp":"2024-05-01T10:00:00Z","receivedAt":"2024-05-01T10:00:05Z"}\n'
        '{"type":"identify","userId":"ana","messageId":"m1","traits":{"email":"a@example.com"},'
        '"timestamp":"2024-05-01T09:00:00Z",'
        '"context":{"consent":{"categoryPreferences":{"offers":true}}}}\n'
        '{"batch":[{"type":"track","event":"C","userId":"bo","messageId":"m3"},'
        '{"type":"dance","userId":"bo"}],"sentAt":"2024-05-01T11:00:00Z"}\n'
        '{"type":"track","event":"X","userId":"ana"}\n'
    )
    source = Source(path)
    rows = list(source)
    assert [one.event.id for one in rows] == ["m1", "m2", "m3"]
    assert rows[0].event.traits == {"email": "a@example.com"}
    assert len(rows[0].also) == 1
    assert rows[1].arrived_at - rows[1].event.at == 5000
    assert [one.line for one in source.reading.report.rejections] == [3, 4]
    assert source.reading.report.rows == 5


def test_a_known_files_mapping_is_found_by_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(
        "event_time,event_type,product_id,category_id,category_code,brand,price,"
        "user_id,user_session\n"
    )
    found = detect(path)
    assert found is not None
    assert found.name == "rees46"
    path.write_text("a,b\n")
    with pytest.raises(SourceUnreadable, match="no packaged mapping fits the columns a, b"):
        detect(path)


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, b"\xef\xbb\xbf" + HEADER.encode() + b"2024-05-01,view,ana,1,2\n")
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("a,a\n", "two columns have the same name"),
        ("when,what\n", "no column who, product, price; it has when, what"),
    ],
)
def test_a_file_that_can_not_be_the_mappings_is_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(SourceUnreadable, match=said):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match=r"none\.csv"):
        Source(tmp_path / "none.csv", mappings.parse(SHOP, "shop.yaml"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SHOP.replace("column: when", "colum: when"), r"shop\.yaml:3: time: .*colum"),
        (SHOP.replace("type: id", "type: idd"), r"shop\.yaml:10: properties.*idd"),
        (SHOP.replace("user: who", ""), "neither `user` nor `anonymous`"),
        (SHOP + "each: x\n", "each: only a JSON line"),
        ("a: [", r"shop\.yaml:"),
        (SHOP.replace("when}", "when, zone: Mars/Base}"), "no zone is named 'Mars/Base'"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(MappingWrong, match=said):
        read(tmp_path, HEADER, text)


def test_every_packaged_mapping_loads() -> None:
    assert mappings.packaged() == ["online-retail", "otto", "rees46"]
    for name in mappings.packaged():
        assert mappings.load(name).name == name

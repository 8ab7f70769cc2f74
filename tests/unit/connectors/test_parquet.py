"""Goal: a Parquet file is read as the same rows in JSON lines or CSV would be, to the same events."""

import csv
import json
import sys
from pathlib import Path

import duckdb
import msgspec
import pytest

from segue.connectors import mapping as mappings
from segue.connectors.files import Source, detect
from segue.connectors.items import ItemFile
from segue.connectors.limits import PARQUET_ROWS_AT_ONCE_MAX
from segue.connectors.lines import Lines
from segue.errors import SourceUnreadable

ORDERS = """
SELECT i AS id, 'u' || (i % 7) AS customer, 'view' AS what, 'p' || i AS sku,
       (i * 1.25)::DECIMAL(10, 2) AS price,
       TIMESTAMPTZ '2026-03-01 12:00:00.25+01' + INTERVAL 1 SECOND * i AS "when"
FROM range({many}) t(i) ORDER BY i
"""

MAPPING = """
name: lake
format: {format}
order: file
time: {{column: when, format: iso}}
event: {{column: what, names: {{view: Product Viewed}}}}
user: {{column: customer, type: id}}
properties: {{product_id: sku, price: {{column: price, type: number}}}}
"""


def made(path: Path, query: str) -> Path:
    """A file of groups of 2,048 rows."""
    with duckdb.connect(config={"threads": 1}) as open_:
        open_.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
    return path


def mapping(folder: Path, kind: str) -> mappings.Mapping:
    path = folder / f"{kind}.yaml"
    path.write_text(MAPPING.format(format=kind), encoding="utf-8")
    return mappings.load(path)


def test_values_are_told_as_json_would(tmp_path: Path) -> None:
    path = made(
        tmp_path / "t",
        "SELECT TIMESTAMPTZ '2026-01-02 03:04:05.678+01' AS zoned, DATE '2026-01-02' AS day, "
        "TIMESTAMP '2026-01-02 03:04:05' AS plain, 12.50::DECIMAL(9, 2) AS price, [1, 2] AS list, "
        "{'a': 1, 'b': 'x'} AS record, 'NaN'::DOUBLE AS nan, NULL::INTEGER AS nothing, "
        '9007199254740993::BIGINT AS big, true AS yes, \'é\' AS "odd ""name"',
    )
    lines = Lines(path)
    told = json.loads(lines.take())
    assert lines.take() == b""
    lines.close()
    assert told == {
        "zoned": "2026-01-02T02:04:05.678000Z",
        "day": "2026-01-02",
        "plain": "2026-01-02T03:04:05",
        "price": 12.5,
        "list": [1, 2],
        "record": {"a": 1, "b": "x"},
        "nan": None,
        "nothing": None,
        "big": 9007199254740993,
        "yes": True,
        'odd "name': "é",
    }


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_mapping_for_either_format_gives_the_events_of_the_same_rows_in_csv(
    tmp_path: Path, kind: str
) -> None:
    many = 2 * PARQUET_ROWS_AT_ONCE_MAX + 3
    source = Source(made(tmp_path / "t", ORDERS.format(many=many)), mapping(tmp_path, kind))
    found = list(source)
    assert (
        source.reading.report.rows,
        source.reading.report.events,
        source.reading.report.rejected,
    ) == (many, many, 0)
    assert source.reading.read_bytes == source.reading.total_bytes
    with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(["id", "customer", "what", "sku", "price", "when"])
        for i in range(many):
            at = 1_772_362_800_250 + 1000 * i
            when = f"2026-03-01T{at // 3_600_000 % 24:02}:{at // 60_000 % 60:02}:{at // 1000 % 60:02}.250Z"
            rows.writerow([i, f"u{i % 7}", "view", f"p{i}", f"{i * 1.25:.2f}", when])
    twin = list(Source(tmp_path / "t.csv", mapping(tmp_path, "csv")))
    bare = [msgspec.structs.replace(one.event, id="") for one in found]
    assert bare == [msgspec.structs.replace(one.event, id="") for one in twin]
    assert [one.line for one in found] == list(range(1, many + 1))
    assert len({one.event.id for one in found}) == many


def test_it_is_read_again_with_the_same_ids_and_progress_has_an_end(tmp_path: Path) -> None:
    source = Source(made(tmp_path / "t", ORDERS.format(many=2500)), mapping(tmp_path, "json"))
    first = [one.event.id for one in source]
    seen = [source.reading.read_bytes for _ in source]
    assert first == [one.event.id for one in source]
    assert seen == sorted(seen)
    assert 0 < seen[0] <= seen[-1] == source.reading.total_bytes


def test_a_packaged_mapping_is_found_by_the_columns(tmp_path: Path) -> None:
    rees46 = mappings.load("rees46")
    columns = ", ".join(f"'x' AS \"{name}\"" for name in rees46.columns())
    found = detect(made(tmp_path / "t", f"SELECT {columns}"))
    assert found is not None
    assert found.name == rees46.name
    with pytest.raises(SourceUnreadable, match="no packaged mapping fits the columns a, b"):
        detect(made(tmp_path / "u", "SELECT 1 AS a, 2 AS b"))


def test_rows_in_segments_own_shape_are_messages(tmp_path: Path) -> None:
    path = made(
        tmp_path / "t",
        "SELECT 'track' AS type, 'ana' AS \"userId\", 'Order Completed' AS event, 'm1' AS "
        "\"messageId\", {'total': 12.5, 'products': [{'product_id': 'p1'}]} AS properties, "
        "TIMESTAMPTZ '2026-01-02 03:04:05+00' AS timestamp",
    )
    (one,) = Source(path)
    assert (one.event.id, one.event.name, one.event.user_id) == ("m1", "Order Completed", "ana")
    assert one.event.properties == {"total": 12.5, "products": [{"product_id": "p1"}]}


def test_items_come_from_it_too(tmp_path: Path) -> None:
    path = made(tmp_path / "t", "SELECT 'sofa' AS id, 900 AS price, ['red'] AS colours")
    assert [(one.id, one.fields) for one in ItemFile(path)] == [
        ("sofa", {"price": 900, "colours": ["red"]})
    ]


def test_a_row_that_makes_no_event_is_rejected_with_its_number(tmp_path: Path) -> None:
    rows = ORDERS.format(many=3).replace("'view' AS", "CASE i WHEN 1 THEN 'odd' ELSE 'view' END AS")
    source = Source(made(tmp_path / "t", rows), mapping(tmp_path, "csv"))
    assert [one.line for one in source] == [1, 3]
    (rejection,) = source.reading.report.rejections
    assert rejection.line == 2
    assert "odd" in rejection.reason


def test_a_column_that_is_missing_is_named_before_anything_is_read(tmp_path: Path) -> None:
    path = made(tmp_path / "t", "SELECT 'view' AS what, 'ana' AS customer, 1 AS price")
    with pytest.raises(SourceUnreadable, match=r"no column when, sku; it has what, customer"):
        list(Source(path, mapping(tmp_path, "csv")))


@pytest.mark.parametrize("harm", ["cut", "magic alone", "scribbled over"])
def test_a_file_of_which_nothing_can_be_had_is_refused(tmp_path: Path, harm: str) -> None:
    path = made(tmp_path / "t", ORDERS.format(many=5000))
    whole = path.read_bytes()
    spoilt = {
        "cut": whole[: len(whole) // 2],
        "magic alone": b"PAR1",
        "scribbled over": whole[:400] + b"\xff" * 4000 + whole[4400:],
    }
    path.write_bytes(spoilt[harm])
    with pytest.raises(SourceUnreadable, match=str(path)):
        list(Source(path, mapping(tmp_path, "csv")))


def test_a_file_that_is_damaged_further_on_gives_what_comes_before(tmp_path: Path) -> None:
    path = made(tmp_path / "t", ORDERS.format(many=20_000))
    whole = path.read_bytes()
    at = len(whole) * 3 // 4
    path.write_bytes(whole[:at] + b"\xff" * 4000 + whole[at + 4000 :])
    source = Source(path, mapping(tmp_path, "csv"))
    found = list(source)
    assert PARQUET_ROWS_AT_ONCE_MAX <= len(found) < 20_000
    assert [one.line for one in found] == list(range(1, len(found) + 1))
    assert "damaged from here on" in source.reading.report.broken


def test_without_its_reader_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "t", "SELECT 1 AS a")
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(SourceUnreadable, match=r"segue\[parquet\]"):
        Lines(path)

"""Goal: files of items are read as they are meant; a bad row is named, and harms no other."""

import gzip
from pathlib import Path

import pytest

from segue.connectors.cells import Unfit
from segue.connectors.items import ItemFile, catalog_of, is_catalog, item, read_mapping
from segue.errors import MappingWrong, SourceUnreadable
from segue.kernel.values import Record


def wrote(folder: Path, name: str, body: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(body.encode() if isinstance(body, str) else body)
    return path


def items(source: ItemFile) -> dict[str, Record]:
    return {row.id: row.fields for row in source}


def test_plain_numbers_and_booleans_of_a_csv_file_are_such_and_names_are_text(
    tmp_path: Path,
) -> None:
    path = wrote(
        tmp_path,
        "products.csv",
        "sku,price,stock,new,brand_id,barcode,size,note\n"
        "007,19.90,12,true,5,0400123,0123,1e5\n"
        "8,-3,0,FALSE,,,1234567890123456,\n",
    )
    assert items(ItemFile(path)) == {
        "007": {
            "price": 19.9,
            "stock": 12,
            "new": True,
            "brand_id": "5",
            "barcode": "0400123",
            "size": "0123",
            "note": "1e5",
        },
        "8": {"price": -3, "stock": 0, "new": False, "size": "1234567890123456"},
    }


def test_the_id_is_the_first_column_that_is_one(tmp_path: Path) -> None:
    path = wrote(tmp_path, "p.csv", "sku,product_id\nA,1.0\n")
    assert items(ItemFile(path)) == {"1": {"sku": "A"}}
    path = wrote(tmp_path, "p.csv", "name,price\nA,1\n")
    with pytest.raises(SourceUnreadable, match="none of id, product_id, item_id, sku"):
        items(ItemFile(path))


def test_json_lines_keep_their_values_and_their_ids_exact(tmp_path: Path) -> None:
    lines = '{"id": 9007199254740993, "tags": ["a"], "size": {"w": 2}}\n\n{"product_id": "b"}\n'
    path = wrote(tmp_path, "p.jsonl.gz", gzip.compress(lines.encode()))
    assert items(ItemFile(path)) == {
        "9007199254740993": {"tags": ["a"], "size": {"w": 2}},
        "b": {"product_id": "b"},
    }


def test_tabs_divide_where_no_comma_does(tmp_path: Path) -> None:
    path = wrote(tmp_path, "p.tsv", "\ufeffid\tprice\na\t1\n")
    assert items(ItemFile(path)) == {"a": {"price": 1}}


def test_bad_rows_are_named_and_harm_no_other(tmp_path: Path) -> None:
    path = wrote(
        tmp_path,
        "p.jsonl",
        b'{"id": "a"}\n{"id": ""}\n[1]\n{"id": "b", "n": 1234567890123456789012}\nnope\n'
        b'{"id": "c", "x": "\\u0000"}\n' + b'{"id": "d", "x": "' + b"x" * 70_000 + b'"}\n'
        b'{"id": "e", "x": ' + b"[" * 40 + b"]" * 40 + b'}\n{"id": true}\n{"id": "f"}\n',
    )
    seen: list[int] = []
    source = ItemFile(path, on_rejection=lambda one: seen.append(one.line))
    assert list(items(source)) == ["a", "f"]
    assert seen == [2, 3, 4, 5, 6, 7, 8, 9]
    reasons = [one.reason for one in source.reading.report.rejections]
    assert reasons[0] == "no id: every item has one"
    assert reasons[2] == "n: it contains a number that is out of range"
    assert reasons[5] == "larger than 64 KB"
    assert "nested deeper" in reasons[6]
    assert source.reading.report.rows == 10


def test_a_mapping_says_exactly_what_an_item_has(tmp_path: Path) -> None:
    how = wrote(
        tmp_path,
        "m.yaml",
        "id: {column: Artikel, type: id}\ndelimiter: ';'\nencoding: latin-1\n"
        "fields:\n  name: Titel\n  price: {column: Preis, type: number}\n"
        "  url: {template: '/p/{Artikel}'}\n  currency: {value: EUR}\n",
    )
    path = wrote(
        tmp_path,
        "p.csv",
        "Artikel;Titel;Preis;Rest\n7;Stühle;12.5;x\n8;Tisch;viel;x\n".encode("latin-1"),
    )
    source = ItemFile(path, read_mapping(how))
    assert items(source) == {
        "7": {"name": "Stühle", "price": 12.5, "url": "/p/7", "currency": "EUR"}
    }
    assert source.reading.report.rejections[0].reason == "price: 'viel' is not a number"


def test_a_mapping_reads_paths_in_json_and_lists_in_its_lines(tmp_path: Path) -> None:
    how = wrote(
        tmp_path,
        "m.yaml",
        "id: node.id\nformat: json\neach: edges\nfields: {price: {column: node.price, type: number}, shop: shop}\n",
    )
    path = wrote(
        tmp_path,
        "p.json",
        '{"shop": "x", "edges": [{"node": {"id": "a", "price": 3}}, {"node": {"price": 4}}]}\n',
    )
    source = ItemFile(path, read_mapping(how))
    assert items(source) == {"a": {"price": 3, "shop": "x"}}
    assert source.reading.report.rejected == 1


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("fields: {}", "missing required field"),
        ("id: a\ncolour: b", "m.yaml:2: Object contains unknown field"),
        ("id: {}", "id: say one of"),
        ("id: a\nfields: {b: {column: c, value: 1}}", "b: say one of"),
        ("id: a\ndelimiter: ''", "delimiter"),
        ("id: a\neach: b", "each"),
        ("id: [", "m.yaml:1"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_place(tmp_path: Path, written: str, said: str) -> None:
    with pytest.raises(MappingWrong, match=r"m\.yaml") as wrong:
        read_mapping(wrote(tmp_path, "m.yaml", written))
    assert said in str(wrong.value)


def test_a_file_without_the_columns_of_its_mapping_is_refused(tmp_path: Path) -> None:
    how = read_mapping(wrote(tmp_path, "m.yaml", "id: a\nfields: {b: b}"))
    with pytest.raises(SourceUnreadable, match="no column b; it has a"):
        items(ItemFile(wrote(tmp_path, "p.csv", "a\n1\n"), how))


@pytest.mark.parametrize("name", ["", " ", None, True, [], "x" * 300, "a\nb"])
def test_what_is_no_id_is_refused(name: object) -> None:
    with pytest.raises(Unfit):
        item(name, {})


def test_an_item_does_not_hold_its_id_twice() -> None:
    assert item(12.0, {"id": 12, "price": 1}) == ("12", {"price": 1})


def test_files_are_named_for_their_catalog() -> None:
    names = {
        "products.csv": "products",
        "stores-eu.jsonl.gz": "stores-eu",
        "Products.csv": "",
        "products.txt": "",
        "my products.csv": "",
    }
    assert {name: catalog_of(Path(name)) for name in names} == names
    assert not is_catalog("a" * 65)

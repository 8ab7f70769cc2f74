"""The packaged mappings, on the published data they are for: every row is accounted for."""

import csv
import gzip
import os
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from segue.connectors.files import Source

DATA = Path(os.environ.get("SEGUE_DATA", Path(__file__).parents[4] / "shared" / "data"))
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="the published data sets are not here"),
]


def test_the_rees46_slice_is_read_whole_and_in_order() -> None:
    source = Source(DATA / "rees46-oct2019-slice" / "2019-Oct-first170min.csv.gz")
    names: Counter[str] = Counter()
    users: set[str] = set()
    ids: set[str] = set()
    for one in source:
        names[one.event.name] += 1
        users.add(one.event.user_id)
        ids.add(one.event.id)
    assert source.reading.report.rows == 17434
    assert source.reading.report.rejected == source.reading.report.late == 0
    assert names == {
        "Product Viewed": 17055,
        "Product Added": 165,
        "Order Completed": 214,
        "Profile Identified": 4504,
    }
    assert len(users) == 4504
    assert len(ids) == source.reading.report.events


def test_the_otto_sessions_are_put_in_order_of_time() -> None:
    source = Source(DATA / "otto-sample" / "train.jsonl.gz")
    found = list(source)
    assert Counter(one.event.name for one in found) == {
        "Product Viewed": 800,
        "Product Added": 52,
        "Order Completed": 10,
    }
    assert len({one.event.anonymous_id for one in found}) == 20
    times = [one.arrived_at for one in found]
    assert times == sorted(times)


def test_the_invoices_of_online_retail_equal_a_naive_recount() -> None:
    path = DATA / "online-retail" / "online_retail.csv.gz"
    totals: dict[str, float] = defaultdict(float)
    lines: Counter[str] = Counter()
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["CustomerID"]:
                totals[row["InvoiceNo"]] += int(row["Quantity"]) * float(row["UnitPrice"])
                lines[row["InvoiceNo"]] += 1
    source = Source(path)
    seen: dict[str, tuple[str, float, int]] = {}
    for one in source:
        if one.event.kind == "track":
            said = one.event.properties
            assert said["order_id"] not in seen
            assert isinstance(said["total"], float)
            assert isinstance(said["lines"], int)
            seen[str(said["order_id"])] = (one.event.name, said["total"], said["lines"])
    assert source.reading.report.rows == 541_909
    assert source.reading.report.skipped == {"no customer": 135_080}
    assert source.reading.report.rejected == source.reading.report.late == 0
    assert seen.keys() == totals.keys()
    for order, (name, total, count) in seen.items():
        assert name == ("Order Refunded" if order.startswith("C") else "Order Completed")
        assert total == pytest.approx(abs(totals[order]), abs=0.006)
        assert count == lines[order]

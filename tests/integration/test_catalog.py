"""Goal: items come into the catalog from files, over HTTP and from a shop, and change what is said.

Everything is driven as its users do: the commands are processes, the host is a real one.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from segue import catalogs
from segue.connectors.items import ItemFile
from segue.errors import CatalogMisnamed
from segue.hosts.limits import ITEM_LOOK_MS
from segue.hosts.quick import QuickStore
from segue.kernel.values import Instant
from tests.integration.conftest import Segue
from tests.integration.test_coupons import segue as command
from tests.integration.test_hooks import hooked, shopify

__all__ = ["hooked"]

LINES = "id,name,price\n" + "".join(f"i{n:05},Item {n},{n}\n" for n in range(2_500))


def test_a_file_is_imported_shown_and_listed(tmp_path: Path) -> None:
    (tmp_path / "products.csv").write_text("id,price\nsofa,900\n,1\nlamp,30\n", encoding="utf-8")
    told = command("catalog", "import", "products.csv", "--rejects", "bad.csv", "--store", "s.db",
                   cwd=tmp_path, expect=4)  # fmt: skip
    assert "2 items changed in products, 1 rows rejected" in told
    assert "products.csv:3: no id: every item has one" in told
    assert (tmp_path / "bad.csv").read_text(encoding="utf-8").splitlines() == [
        "line,reason,row",
        '3,no id: every item has one,",1"',
    ]
    told = command("catalog", "list", "--json", "--store", "s.db", cwd=tmp_path)
    assert json.loads(told) == {"catalog": "products", "items": 2}
    told = command("catalog", "list", "products", "--json", "--store", "s.db", cwd=tmp_path)
    assert [json.loads(line)["id"] for line in told.splitlines()] == ["lamp", "sofa"]
    told = command("catalog", "show", "sofa", "--store", "s.db", cwd=tmp_path)
    assert json.loads(told) == {"id": "sofa", "price": 900}
    assert "no item 'x'" in command(
        "catalog", "show", "x", "--store", "s.db", cwd=tmp_path, expect=3
    )


def test_an_import_that_dies_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "products.csv"
    path.write_text(LINES, encoding="utf-8")
    store = QuickStore()
    puts: list[int] = []

    def put(changes: catalogs.Change) -> object:
        if len(puts) == 1:
            raise KeyboardInterrupt
        puts.append(len(changes))
        return store.put_items(changes, Instant(1))  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        catalogs.import_file(store, put, ItemFile(path), "products")  # type: ignore[arg-type]
    done = catalogs.import_file(
        store, lambda changes: store.put_items(changes, Instant(2)), ItemFile(path), "products"
    )
    assert done.resumed_at == 1_001
    assert done.changed == 1_500
    assert store.catalogs() == {"products": 2_500}
    again = catalogs.import_file(
        store, lambda changes: store.put_items(changes, Instant(3)), ItemFile(path), "products"
    )
    assert (again.resumed_at, again.items, again.changed) == (0, 2_500, 0)


def test_a_workspaces_files_are_imported_when_they_changed(tmp_path: Path) -> None:
    folder = tmp_path / "catalog"
    folder.mkdir()
    (folder / "products.csv").write_text("id,price\na,1\n", encoding="utf-8")
    (folder / "README.md").write_text("about", encoding="utf-8")
    store = QuickStore()

    def run() -> list[tuple[str, int]]:
        found = catalogs.import_changed(
            store, lambda changes: store.put_items(changes, Instant(1)), tmp_path
        )
        return [(done.catalog, done.changed) for done, _ in found]

    assert run() == [("products", 1)]
    assert run() == []
    (folder / "products.csv").write_text("id,price\na,2\n", encoding="utf-8")
    (folder / "stores.jsonl").write_text('{"id": 1}\n', encoding="utf-8")
    assert run() == [("products", 1), ("stores", 1)]
    (folder / "Notes.txt").write_text("?", encoding="utf-8")
    with pytest.raises(CatalogMisnamed, match=r"Notes\.txt"):
        run()


def test_segue_run_imports_the_workspaces_items_and_sees_those_put_beside_it(
    tmp_path: Path,
) -> None:
    command("new", "shop", cwd=tmp_path)
    (tmp_path / "shop" / "catalog").mkdir()
    (tmp_path / "shop" / "catalog" / "products.csv").write_text("id,price\na,1\n,2\n", "utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SEGUE_")}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with (tmp_path / "log").open("w") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "segue", "run", "shop", "--port", port, "--no-simulate"],
            cwd=tmp_path, stdout=log, stderr=log, env=environment,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while "Ctrl-C" not in (tmp_path / "log").read_text("utf-8"):
            assert time.monotonic() < deadline, (tmp_path / "log").read_text("utf-8")
            time.sleep(0.05)
        said = (tmp_path / "log").read_text("utf-8")
        assert "catalog products: 1 of 1 items changed" in said
        assert "products.csv:3: no id" in said
        (tmp_path / "more.csv").write_text("id,price\nb,1\n", "utf-8")
        command("catalog", "import", "more.csv", "--catalog", "products", cwd=tmp_path)
        told = command("catalog", "list", "--json", cwd=tmp_path)
        assert json.loads(told) == {"catalog": "products", "items": 2}
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(20)


# ── over HTTP ──


def test_items_are_put_read_and_taken_out_over_http(segue: Segue) -> None:
    web = segue.client
    body = [{"id": "a", "price": 1}, {"price": 2}, {"id": "b", "n": 10**30}, {"id": "c"}]
    told = web.put("/v1/catalog/products/items", content=json.dumps(body)).json()
    assert (told["changed"], told["unchanged"], told["refused_in_all"]) == (2, 0, 2)
    assert told["refused"] == [
        {"place": "items[1]", "message": "no id: every item has one"},
        {"place": "items[2]", "message": "n: it contains a number that is out of range"},
    ]
    told = web.put("/v1/catalog/products/items", content=json.dumps({"items": body})).json()
    assert (told["changed"], told["unchanged"]) == (0, 2)
    assert web.get("/v1/catalog").json() == {"catalogs": [{"name": "products", "items": 2}]}
    page = web.get("/v1/catalog/products/items", params={"limit": 1}).json()
    assert page == {"items": [{"id": "a", "price": 1}], "next": "a"}
    path = "/v1/catalog/products/items/with/slash"
    assert web.put(path, content=b'{"price": 5}').json() == {"changed": 1}
    assert web.get(path).json()["item"] == {"id": "with/slash", "price": 5}
    assert web.delete(path).json() == {"changed": 1}
    assert web.delete(path).json() == {"changed": 0}
    assert web.get(path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/v1/catalog/products/items", b"{", 400),
        ("PUT", "/v1/catalog/products/items", b'"x"', 400),
        ("PUT", "/v1/catalog/products/items/a", b"[]", 400),
        ("PUT", "/v1/catalog/products/items/a", b'{"x": "\\u0000"}', 400),
        ("GET", "/v1/catalog/Products/items", b"", 404),
        ("PUT", "/v1/catalog/products/items/a", b" " * 200_000, 413),
        ("POST", "/v1/catalog/products/items", b"[]", 405),
    ],
)
def test_what_can_not_be_used_is_refused(
    segue: Segue, method: str, path: str, body: bytes, status: int
) -> None:
    assert segue.client.request(method, path, content=body).status_code == status
    assert segue.store.catalogs() == {}


def test_only_administrators_may(tmp_path: Path) -> None:
    running = Segue(tmp_path, admin_token="t-0k3n")
    for method in ("GET", "PUT"):
        told = running.client.request(method, "/v1/catalog/products/items", content=b"[]")
        assert told.status_code == 401
    headers = {"Authorization": "Bearer t-0k3n"}
    assert running.client.get("/v1/catalog", headers=headers).status_code == 200
    running.close()


def test_the_host_answers_with_items_as_they_were_put(segue: Segue) -> None:
    segue.client.put("/v1/catalog/products/items/a", content=b'{"price": 5}')
    host = segue.installation.host
    segue.wait_for(lambda: host.catalog.item("products", "a") == {"id": "a", "price": 5})
    segue.store.put_items([("products", "a", {"price": 4})], Instant(1))
    segue.wait_for(
        lambda: host.catalog.item("products", "a")["price"] == 4, seconds=5 * ITEM_LOOK_MS / 1000
    )


# ── from a shop ──


def test_products_and_stock_of_shopify_come_into_the_catalog(hooked: Segue) -> None:
    mug = {
        "id": 9007199254740993,
        "title": "Mug",
        "updated_at": "2025-01-01T10:00:00Z",
        "variants": [{"id": 7, "price": "9.50", "inventory_quantity": 0, "inventory_item_id": 70}],
    }
    told = shopify(hooked, "products/create", mug).json()
    assert told["items_changed"] == 2
    assert shopify(hooked, "products/create", mug).json()["items_changed"] == 0
    level = {"inventory_item_id": 70, "location_id": 1, "available": 3}
    shopify(hooked, "inventory_levels/update", {**level, "updated_at": "2025-01-01T11:00:00Z"})
    found = hooked.store.item("products", "9007199254740993")
    assert found is not None
    assert (found.fields["price"], found.fields["stock"]) == (9.5, 3)
    lines = [line.fields for line in hooked.store.item_log() if line.catalog == "products"]
    assert [msgspec.convert(fields, dict[str, object])["stock"] for fields in lines] == [0, 3]
    shopify(hooked, "products/delete", {"id": 9007199254740993})
    assert hooked.store.item("products", "9007199254740993") is None

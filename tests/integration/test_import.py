"""Goal: a file of history comes in once, whole but for what is named, however often it was cut off."""

import json
import signal
import subprocess
from pathlib import Path
from subprocess import PIPE

import httpx
import pytest

from segue.cli import importing
from segue.cli.asking import Running
from segue.errors import ComeLater
from segue.settings import Settings
from tests.integration.conftest import Segue
from tests.integration.test_coupons import SEGUE, segue as command

MANY = 1_200


def wrote(folder: Path, many: int = MANY) -> Path:
    path = folder / "log.jsonl"
    lines = [
        json.dumps(
            {
                "type": "track", "event": "Product Viewed", "userId": f"u{n % 7}",
                "messageId": f"m{n}", "timestamp": "2025-01-01T10:00:00Z",
            }
        )
        for n in range(many)
    ]  # fmt: skip
    lines.insert(5, "{broken")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def run(segue: Segue, path: Path, *more: str, expect: int = 0) -> str:
    arguments = ("import", path.name, "--url", segue.url, "-q", *more)
    return command(*arguments, cwd=path.parent, expect=expect)


def test_a_file_is_imported_once_and_its_bad_rows_are_named(segue: Segue, tmp_path: Path) -> None:
    path = wrote(tmp_path)
    told = run(segue, path, "--rejects", "bad.csv", expect=4)
    assert f"{MANY:,} accepted, 1 rows rejected" in told
    assert "log.jsonl:6: " in told
    assert (tmp_path / "bad.csv").read_text(encoding="utf-8").splitlines()[1].startswith("6,")
    assert len(segue.log()) == MANY
    assert not any(line.event.live for line in segue.log())
    told = run(segue, path, expect=4)
    assert f"went on after {MANY:,} entries" in told
    assert "0 accepted" in told
    assert len(segue.log()) == MANY


def test_an_import_that_dies_goes_on_where_it_stopped(
    segue: Segue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first process dies after its first piece: at the second, which never arrives."""
    path = wrote(tmp_path)
    taken: list[str] = []

    class Dies(Exception):
        pass

    real = httpx.request

    def request(method: str, url: str, **more: object) -> httpx.Response:
        if method == "POST" and taken:
            raise Dies
        if method == "POST":
            taken.append(url)
        return real(method, url, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(httpx, "request", request)
    with pytest.raises(Dies):
        importing.import_events.main([str(path), "--url", segue.url, "-q"], standalone_mode=False)
    assert len(segue.log()) == importing.ENTRIES_AT_ONCE
    monkeypatch.undo()
    told = run(segue, path, expect=4)
    assert "went on after 500 entries" in told
    assert f"{MANY - 500:,} accepted" in told
    assert len(segue.log()) == MANY


def test_an_import_outlasts_a_segue_that_is_busy_or_gone(segue: Segue, tmp_path: Path) -> None:
    path = wrote(tmp_path)
    segue.door.script = [429, -503, 0]
    told = run(segue, path, expect=4)
    assert segue.door.seen == [429, -503, 0]
    assert "Segue is busy: trying again in 1 s" in told
    # What was committed although the answer was lost is told as known.
    assert f"{MANY - 500:,} accepted, 500 known already" in told
    assert len(segue.log()) == MANY


def test_an_import_that_is_stopped_while_it_waits_goes_on_there(
    segue: Segue, tmp_path: Path
) -> None:
    path = wrote(tmp_path)
    segue.door.script = [429] * 1000
    arguments = ("import", path.name, "--url", segue.url, "-q")
    with subprocess.Popen([*SEGUE, *arguments], cwd=tmp_path, stderr=PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        assert "busy: trying again" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(timeout=300) == 130
        assert "stopped after 0 entries: the same command goes on" in waiting.stderr.read()
    segue.door.script.clear()
    assert f"{MANY:,} accepted" in run(segue, path, expect=4)


def test_an_import_that_meets_nobody_says_so_at_once_and_one_that_waits_in_vain_gives_up(
    segue: Segue, tmp_path: Path
) -> None:
    path = wrote(tmp_path)
    told = command("import", path.name, "--url", "http://127.0.0.1:9", "-q", cwd=tmp_path, expect=3)
    assert "no Segue answers" in told
    assert "trying again" not in told
    segue.door.script = [503] * 1000
    told = run(segue, path, "--patience", "1s", expect=3)
    assert "stopped after 0 entries" in told
    assert "error[OPS806]" in told


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"Retry-After": "7"}, 7.0),
        (
            {
                "Retry-After": "Fri, 02 Jan 2026 10:00:09 GMT",
                "Date": "Fri, 02 Jan 2026 10:00:00 GMT",
            },
            9.0,
        ),
        (
            {
                "Retry-After": "Fri, 02 Jan 2026 09:00:00 GMT",
                "Date": "Fri, 02 Jan 2026 10:00:00 GMT",
            },
            0.0,
        ),
        ({"Retry-After": "soon"}, 0.0),
        ({"Retry-After": "Fri, 02 Jan 2026 10:00:09 GMT"}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_time_that_a_server_names_is_kept_to(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], named: float
) -> None:
    def busy(method: str, url: str, **_more: object) -> httpx.Response:
        return httpx.Response(503, headers=headers, request=httpx.Request(method, url))

    monkeypatch.setattr(httpx, "request", busy)
    with pytest.raises(ComeLater) as refused:
        Running("http://segue.example", Settings()).look("/v1/imports/a", importing.Reached)
    assert refused.value.after_s == named


def test_a_bulk_file_of_shopify_brings_orders_and_items(segue: Segue, tmp_path: Path) -> None:
    path = tmp_path / "bulk.jsonl"
    gid = "gid://shopify/"
    lines = [
        {"id": f"{gid}Order/9007199254740993", "createdAt": "2025-01-01T10:00:00Z",
         "totalPrice": "5.00", "customer": {"id": f"{gid}Customer/9"}},
        {"id": f"{gid}Customer/9", "email": "ana@shop.example", "updatedAt": "2025-01-01T10:00:00Z",
         "emailMarketingConsent": {"marketingState": "UNSUBSCRIBED"}},
        {"id": f"{gid}Product/3", "title": "Mug", "updatedAt": "2025-01-01T10:00:00Z"},
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    told = run(segue, path)
    assert "1 items changed" in told
    assert "Order Completed" in segue.names()
    profile = segue.profile("user", "shopify:9")
    assert profile.traits["email"] == "ana@shop.example"
    assert profile.consents
    item = segue.store.item("products", "3")
    assert item is not None
    assert item.fields["name"] == "Mug"


def test_a_piece_that_is_none_is_refused(segue: Segue) -> None:
    path = "/v1/imports/" + "a" * 32
    assert segue.client.get("/v1/imports/x").status_code == 400
    assert segue.client.post(path, content=b"{").status_code == 400
    event = {"type": "event", "id": "e", "name": "Viewed", "at": 1, "user_id": "ana"}
    entries = [
        {"line": 1, "event": event},
        {"line": 2, "event": event | {"id": ""}},
        {"line": 3, "event": event | {"id": "f", "emitted": True}},
        {"line": 4, "event": event | {"id": "g", "user_id": ""}},
        7,
    ]
    body = {"source": "s", "reached": 5, "entries": entries}
    told = segue.client.post(path, json=body).json()
    assert told["accepted"] == 1
    assert [one["line"] for one in told["refused"]] == [2, 3, 0, 4]
    assert segue.client.get(path).json() == {"reached": 5}
    assert segue.client.post(path, json=body).json()["known_already"] == 1

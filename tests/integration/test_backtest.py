"""Goal: `segue backtest` and `segue replay` tell the same of real and broken logs, in the same
bytes however many processes share the work, and say which lines they set aside.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "examples" / "01_cart_recovery"
DATA = Path(os.environ.get("SEGUE_DATA", ROOT.parent / "shared" / "data"))
SLICE = DATA / "rees46-oct2019-slice" / "2019-Oct-first170min.csv.gz"


def segue(
    *arguments: str | Path, cwd: Path, expect: int = 0, hash_seed: str = "0"
) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SEGUE_")}
    done = subprocess.run(
        [sys.executable, "-m", "segue", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment | {"PYTHONHASHSEED": hash_seed},
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def message(number: int, who: str, minute: int, **rest: object) -> str:
    at = f"2026-03-{1 + minute // 1440:02d}T{minute // 60 % 24:02d}:{minute % 60:02d}:00Z"
    return json.dumps({"messageId": f"m{number}", "userId": who, "timestamp": at, **rest})


def shopping(customers: int) -> list[str]:
    """Customers who tell an address, look at something, put it into the cart and go."""
    lines: list[tuple[int, str]] = []
    for place in range(customers):
        who, minute = f"c{place}", place * 3 % 1440
        thing = {"product_id": f"p{place % 7}", "price": 20 + place % 300}
        traits = {"email": f"{who}@example.com"}
        lines.append((minute, message(4 * place, who, minute, type="identify", traits=traits)))
        for step, name in enumerate(("Product Viewed", "Product Viewed", "Product Added"), 1):
            told = message(
                4 * place + step, who, minute + step, type="track", event=name, properties=thing
            )
            lines.append((minute + step, told))
    return [line for _, line in sorted(lines)]


def test_the_number_of_processes_shows_in_no_byte(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("\n".join(shopping(600)) + "\n", encoding="utf-8")
    written = []
    for workers in ("1", "2"):
        names = [f"{name}-{workers}" for name in ("page", "json", "decisions")]
        segue(
            *("backtest", SHOP, "-f", "log.jsonl", "--then", "2d", "-q", "--workers", workers),
            *("--html", names[0], "--json", names[1], "--decisions", names[2]),
            cwd=tmp_path,
            hash_seed=workers,
        )
        written.append([(tmp_path / name).read_bytes() for name in names])
    assert written[0] == written[1]
    told = json.loads(written[0][1])["report"]
    assert told["events"] == 2400
    assert told["journeys"]["cart-recovery"]["entered"] > 500


def test_a_broken_log_is_run_without_what_is_broken_and_says_where(tmp_path: Path) -> None:
    good = shopping(3)
    bad = ['{"type": "track"', message(99, "x", 1, type="nonsense"), "\x00", '{"type":"track"}']
    lines = [good[0], bad[0], *good[1:6], *bad[1:], *good[6:], good[0]]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = segue(
        *("backtest", SHOP, "-f", "log.jsonl", "--json", "-", "--html", "page.html", "-q"),
        *("--aside", "aside.jsonl"),
        cwd=tmp_path,
    )
    told = json.loads(done.stdout)["report"]
    assert (told["events"], told["duplicates"], told["rejected"]) == (12, 1, 4)
    assert [one["line"] for one in told["aside"]] == [2, 8, 9, 10]
    assert all(one["source"] == "log.jsonl" and one["reason"] for one in told["aside"])
    assert "log.jsonl:2: " in done.stderr
    rows = [json.loads(line) for line in (tmp_path / "aside.jsonl").read_text().splitlines()]
    assert {row["line"] for row in rows} == {2, 8, 9, 10}
    assert "log.jsonl:8" in (tmp_path / "page.html").read_text()


def test_a_replay_and_a_backtest_tell_the_same(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("\n".join(shopping(40)) + "\n", encoding="utf-8")
    command = ("replay", "log.jsonl", "-w", SHOP, "-q", "--json")
    replayed = json.loads(segue(*command, cwd=tmp_path).stdout)
    kept = json.loads(segue(*command, "--store", "kept.sqlite", cwd=tmp_path).stdout)
    tested = segue("backtest", SHOP, "-f", "log.jsonl", "--json", "-", "-q", cwd=tmp_path)
    assert replayed == kept == json.loads(tested.stdout)["report"]
    assert "Product Added" in segue("why", "c3", "--store", "kept.sqlite", cwd=tmp_path).stdout
    again = segue(
        *("backtest", SHOP, "--store", "kept.sqlite", "--against", "current", "--json", "-", "-q"),
        cwd=tmp_path,
    )
    told = json.loads(again.stdout)
    assert told["comparison"] == {
        "same": 40,
        "differing": 0,
        "messages": {},
        "journeys": {},
        "customers": [],
    }
    assert told["report"]["journeys"] == replayed["journeys"]


def test_what_makes_no_sense_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(shopping(1)[0] + "\n", encoding="utf-8")
    file = ("-f", "log.jsonl")
    days = ("--from", "2026-03-02", "--to", "2026-03-01")
    assert "before --to" in segue("backtest", SHOP, *file, *days, cwd=tmp_path, expect=2).stderr
    day = ("--from", "yesterday")
    assert "2026-03-01" in segue("backtest", SHOP, *file, *day, cwd=tmp_path, expect=2).stderr
    both = ("--store", "x.sqlite")
    assert "not both" in segue("backtest", SHOP, *file, *both, cwd=tmp_path, expect=2).stderr
    assert "there is no store" in segue("backtest", SHOP, cwd=tmp_path, expect=3).stderr
    segue("replay", "log.jsonl", "-w", SHOP, "-q", "--store", "kept.sqlite", cwd=tmp_path)
    nowhere = segue("backtest", SHOP, *file, "--html", "no/page.html", cwd=tmp_path, expect=3)
    assert "no/page.html can't be written" in nowhere.stderr
    unknown = ("--store", "kept.sqlite", "--against", "0123abc")
    told = segue("backtest", SHOP, *unknown, cwd=tmp_path, expect=3).stderr
    assert "0123abc is neither" in told and "hint" in told


@pytest.mark.data
@pytest.mark.skipif(not SLICE.is_file(), reason="the REES46 slice is not here")
def test_the_real_log_gives_the_same_on_one_core_and_on_two(tmp_path: Path) -> None:
    written = []
    for workers in ("1", "2"):
        segue(
            *("backtest", SHOP, "-f", SLICE, "--mapping", "rees46", "-q", "--workers", workers),
            *("--json", f"{workers}.json", "--from", "2019-10-01T02:00"),
            cwd=tmp_path,
        )
        written.append((tmp_path / f"{workers}.json").read_bytes())
    assert written[0] == written[1]
    told = json.loads(written[0])["report"]
    assert told["before"] + told["events"] == 21_938
    assert told["profiles"] == 4_504
    assert told["journeys"]["rising-intent"]["entered"] > 1_000
    assert told["collisions"]["cart-recovery"]

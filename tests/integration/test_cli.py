"""Goal: what a person types works as its help says, and a mistake is answered with one line, a
hint and an exit code; never with a traceback.

Segue itself runs as a process of its own, as it does for people.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from segue import cli

SEGUE = [sys.executable, "-m", "segue"]


def _segue(*arguments: str, cwd: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SEGUE_")}
    done = subprocess.run(
        [*SEGUE, *arguments], cwd=cwd, capture_output=True, text=True, timeout=300, env=environment
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    assert done.returncode == expect, done.stdout + done.stderr
    return done


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    _segue("new", "shop", cwd=tmp_path)
    return tmp_path


# ── workspaces ──


def test_a_new_workspace_checks_clean(shop: Path) -> None:
    assert "is fine" in _segue("check", "shop", cwd=shop).stdout
    assert json.loads(_segue("check", "shop", "--format", "json", cwd=shop).stdout) == []


def test_a_new_workspace_never_overwrites_one(shop: Path) -> None:
    told = _segue("new", "shop", cwd=shop, expect=3).stderr
    assert "exists already and is not empty" in told
    assert "hint:" in told


def test_a_template_that_does_not_exist_is_named_with_those_that_do(tmp_path: Path) -> None:
    told = _segue("new", "x", "--template", "nope", cwd=tmp_path, expect=2).stderr
    assert "cart-recovery" in told
    assert not (tmp_path / "x").exists()


def test_an_error_in_a_workspace_is_shown_at_its_place(shop: Path) -> None:
    file = shop / "shop" / "segments.yaml"
    file.write_text(file.read_text() + "  wrong: {when: cuont('A') > 1}\n")
    told = _segue("check", "shop", cwd=shop, expect=1)
    line = file.read_text().count("\n")
    assert f"segments.yaml:{line}:" in told.stdout
    found = json.loads(_segue("check", "shop", "--format", "json", cwd=shop, expect=1).stdout)
    assert [each["severity"] for each in found] == ["error"]
    assert _segue("run", "shop", cwd=shop, expect=1).stderr


def test_a_folder_that_is_not_there_is_one_line_and_a_hint(tmp_path: Path) -> None:
    told = _segue("check", "nowhere", cwd=tmp_path, expect=1).stderr
    assert re.fullmatch(r"error\[DEF101\]: .*nowhere: .+\n  hint: .+\n", told)


# ── mistakes ──


def test_a_mistyped_command_is_answered_with_the_nearest(tmp_path: Path) -> None:
    assert "Did you mean 'check'?" in _segue("chek", cwd=tmp_path, expect=2).stderr


def test_a_command_that_needs_a_store_says_that_there_is_none(tmp_path: Path) -> None:
    for command in (["why", "ana"], ["dead"], ["retry", "--all"]):
        assert "there is no store" in _segue(*command, cwd=tmp_path, expect=3).stderr


def test_sending_to_nobody_says_how_to_start_one(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{_free_port()}"
    command = ["send", "Hello", "--user", "ana", "--key", "k", "--url", url]
    assert "start one with `segue run`" in _segue(*command, cwd=tmp_path, expect=3).stderr


def test_a_wrong_setting_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "segue.toml").write_text("prot = 1\n")
    assert "did you mean 'port'" in _segue("doctor", cwd=tmp_path, expect=3).stderr


def test_help_is_quick_because_it_loads_no_command(tmp_path: Path) -> None:
    code = "import sys; from segue import cli; cli.run(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert "segue.kernel" not in loaded
    assert "starlette" not in loaded
    assert all(name in done.stdout for name in cli.COMMANDS)


# ── a running one ──


class Running:
    """A Segue that runs in a folder of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.port = _free_port()
        (folder / "segue.toml").write_text(f"port = {self.port}\n")
        self.process = subprocess.Popen(
            [*SEGUE, "run", "shop", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={k: v for k, v in os.environ.items() if not k.startswith("SEGUE_")},
        )
        self.said = self.until("Ctrl-C")

    def until(self, text: str) -> str:
        """What it says up to a line with this text."""
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            if text in line:
                return said
        raise AssertionError(f"it ended without saying {text!r}:\n{said}")

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Its exit code, and its last words."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=300)
        return self.process.returncode, said


@pytest.fixture
def running(shop: Path) -> Iterator[Running]:
    one = Running(shop, "--no-simulate")
    yield one
    if one.process.poll() is None:
        one.process.kill()
    one.process.communicate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_event_sent_is_told_by_why_from_the_store_and_over_http(running: Running) -> None:
    folder = running.folder
    command = ["send", "Product Added", "--user", "ana", "-t", "email=ana@example.com"]
    assert "accepted" in _segue(*command, "-p", "product_id=42", "-p", "price=9", cwd=folder).stdout
    here = _segue("why", "ana", cwd=folder).stdout
    there = _segue("why", "ana", "--url", f"http://127.0.0.1:{running.port}", cwd=folder).stdout
    assert "Product Added" in here and "product_id=42" in here
    assert here == there
    timeline = json.loads(_segue("why", "ana", "--json", cwd=folder).stdout)
    assert {"Product Added", "Profile Identified"} <= {e.get("name") for e in timeline["entries"]}


def test_one_that_listens_elsewhere_is_found_from_its_folder_while_it_runs(
    running: Running,
) -> None:
    (running.folder / "segue.toml").unlink()  # as if the port had been said with --port
    send = ("send", "Product Viewed", "--user", "ana")
    assert "accepted" in _segue(*send, cwd=running.folder).stdout
    assert "published" in _segue("publish", "shop", cwd=running.folder).stdout
    running.stop()
    assert not (running.folder / ".segue" / "url").exists()


def test_it_says_where_to_look_and_stops_gracefully(running: Running) -> None:
    assert f"http://127.0.0.1:{running.port}/" in running.said
    assert "write key" in running.said
    code, last = running.stop(signal.SIGINT)
    assert code == 0
    assert "nothing that was accepted is lost" in last


def test_a_change_is_published_and_one_with_errors_is_not(running: Running) -> None:
    file = running.folder / "shop" / "segments.yaml"
    good = file.read_text()
    file.write_text(good + "  wrong: {when: cuont('A') > 1}\n")
    assert "error[" in running.until("stays in force")
    file.write_text(good + "  more: {when: count('A') > 1}\n")
    running.until("published")


def test_what_was_told_of_the_workspace_is_not_told_again(running: Running) -> None:
    """Else a log that is kept in its folder would grow for ever: each line changes a file."""
    file = running.folder / "shop" / "segments.yaml"
    good = file.read_text()
    file.write_text(good + "  wrong: {when: cuont('A') > 1}\n")
    running.until("has errors")
    for number in range(3):
        (running.folder / "shop" / "run.log").write_text("a line\n" * number)
    file.write_text(good)
    assert "has errors" not in running.until("checks clean")


def test_a_command_of_another_tool_is_answered_with_the_one_that_does_it(tmp_path: Path) -> None:
    assert "Did you mean 'new'?" in _segue("init", "shop", cwd=tmp_path, expect=2).stderr


def test_a_second_one_on_the_same_store_or_port_is_refused(running: Running) -> None:
    assert "is taken" in _segue("run", "shop", cwd=running.folder, expect=3).stderr
    other = str(_free_port())
    told = _segue("run", "shop", "--port", other, cwd=running.folder, expect=3).stderr
    assert "another Segue runs on" in told


def test_the_doctor_finds_a_healthy_installation_healthy(running: Running) -> None:
    found = json.loads(_segue("doctor", "shop", "--json", cwd=running.folder).stdout)
    assert [each for each in found if each["state"] == "wrong"] == []
    assert {"python", "sqlite", "zones", "disk", "store", "port"} <= {e["what"] for e in found}


def test_an_unknown_customer_and_no_dead_letters_are_said_so(running: Running) -> None:
    told = _segue("why", "nobody", cwd=running.folder, expect=3).stderr
    assert "no profile is known as 'nobody'" in told
    assert "No dead letters." in _segue("dead", cwd=running.folder).stdout


def test_simulated_shoppers_bring_life_until_a_real_event_comes(shop: Path) -> None:
    one = Running(shop)
    try:
        deadline = time.monotonic() + 120
        while _count(shop) < 5:
            assert time.monotonic() < deadline, "nobody came"
            time.sleep(0.3)
        _segue("send", "Hello", "--user", "ana", cwd=shop)
        time.sleep(1.0)
        before = _count(shop)
        time.sleep(2.0)
        assert _count(shop) <= before + 5  # derived events of those who were there may follow
    finally:
        one.stop()


def _count(folder: Path) -> int:
    found = json.loads(_segue("doctor", "--json", cwd=folder).stdout)
    store = next(each["found"] for each in found if each["what"] == "store")
    counted = re.search(r"([\d,]+) events", store)
    return int(counted[1].replace(",", "")) if counted else 0


# ── replay ──

LOG = [
    {"type": "identify", "userId": "ana", "traits": {"email": "ana@example.com"}, "at": 0},
    {
        "type": "track",
        "event": "Product Viewed",
        "properties": {"product_id": "1", "price": 49},
        "at": 1,
    },
    {
        "type": "track",
        "event": "Product Added",
        "properties": {"product_id": "1", "price": 49},
        "at": 2,
    },
]


def _write_log(path: Path) -> None:
    lines = [
        json.dumps(
            {
                "messageId": f"m{number}",
                "userId": "ana",
                "timestamp": f"2026-03-02T10:0{line['at']}:00Z",
                **{key: value for key, value in line.items() if key != "at"},
            }
        )
        for number, line in enumerate(LOG)
    ]
    path.write_text("\n".join([*lines, "not json"]) + "\n", encoding="utf-8")


def test_a_replay_is_counted_told_and_the_same_twice(shop: Path) -> None:
    _write_log(shop / "log.jsonl")
    command = ["replay", "log.jsonl", "-w", "shop", "--then", "2d", "--quiet"]
    first = _segue(*command, "--json", cwd=shop)
    told = json.loads(first.stdout)
    assert (told["events"], told["profiles"], told["rejected"]) == (3, 1, 1)
    assert told["journeys"]["cart-recovery"]["entered"] == 1
    assert "log.jsonl:4:" in first.stderr
    assert _segue(*command, "--json", cwd=shop).stdout == first.stdout
    page = _segue(*command, "--markdown", cwd=shop).stdout
    assert page.startswith("# Replay of cart-recovery\n")
    assert "| cart-recovery | 1 |" in page


def test_a_replay_that_was_kept_can_be_asked_why(shop: Path) -> None:
    _write_log(shop / "log.jsonl")
    command = ["replay", "log.jsonl", "-w", "shop", "--store", "kept.sqlite", "--quiet"]
    _segue(*command, cwd=shop)
    assert "Product Viewed" in _segue("why", "ana", "--store", "kept.sqlite", cwd=shop).stdout
    assert "exists already" in _segue(*command, cwd=shop, expect=3).stderr

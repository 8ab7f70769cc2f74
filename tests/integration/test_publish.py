"""Goal: `segue publish` tells what would become of runs under way and does it, whether a Segue
runs on the store or not; what can't go on stops it, with an exit code and a list.
"""

import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from segue import wiring

TRIP = """
workspace: {name: trips}
messages:
  hello: {topic: news, expires: 2d, contents: {email: {subject: hello, text: hello}}}
journeys:
  trip:
    enter: {on: Start}
    exit: [{on: Stop, reason: stopped}]
    goal: {on: Order Completed, within: 30d}
    steps: [{id: one, wait: 1d}, {id: mail, send: hello, by: email}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    write(tmp_path)
    return tmp_path


def write(folder: Path, before: str = "", after: str = "") -> None:
    text = TRIP.replace(before, after, 1) if before else TRIP
    (folder / "shop" / "trip.yaml").write_text(text, encoding="utf-8")


def segue(*arguments: str, cwd: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "segue", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment(),
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("SEGUE_")}


class Running:
    """A Segue that runs on the folder's workspace."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        (folder / "segue.toml").write_text(f"port = {self.port}\n")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "segue", "run", "shop", "--no-simulate", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(),
        )
        self.said = self.until("Ctrl-C")

    def until(self, text: str) -> str:
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            if text in line:
                return said
        raise AssertionError(f"it ended without saying {text!r}:\n{said}")

    def program(self, query: str = "") -> Any:
        url = f"http://127.0.0.1:{self.port}/api/program{query}"
        with urllib.request.urlopen(url, timeout=300) as answer:
            return json.load(answer)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=300)


@pytest.fixture
def running(folder: Path) -> Iterator[Running]:
    one = Running(folder, "--no-watch")
    yield one
    one.stop()


def start(folder: Path, *who: str) -> None:
    for one in who:
        segue("send", "Start", "--user", one, "-t", f"email={one}@example.com", cwd=folder)


def test_a_running_segue_is_asked_and_carries_the_runs_over(folder: Path, running: Running) -> None:
    start(folder, "ana", "bob")
    first = running.program()["name"]
    write(folder, "wait: 1d", "wait: 2d")
    dry = segue("publish", "shop", "--dry-run", cwd=folder).stdout
    assert re.search(r"trip\s+live\s+\w+\s+one\s+2\s+\[finish there\]\s+go on here\s+end", dry)
    assert "nothing was published" in dry
    assert running.program()["name"] == first
    told = json.loads(
        segue("publish", "shop", "--journey", "trip=migrate", "--json", cwd=folder).stdout
    )
    assert told["published"]
    assert told["outlook"][0]["runs"] == 2
    after = running.program("?standing=1")
    assert after["name"] == told["program"] != first
    assert after["modes"] == {"trip": "migrate"}
    assert after["states"] == {"trip": "live"}
    for _ in range(100):
        if len(after["versions"]) == 1:
            break
        after = running.program("?standing=1")
    assert after["versions"] == [{"program": told["program"], "current": True, "runs": 2}]
    assert [(one["step"], one["runs"]) for one in after["standing"]] == [("one", 2)]


def test_a_vanished_step_stops_it_with_a_list(folder: Path, running: Running) -> None:
    start(folder, "ana")
    first = running.program()["name"]
    write(folder, "id: one", "id: first")
    url = f"http://127.0.0.1:{running.port}"
    ways: list[tuple[int, list[str]]] = [
        (1, ["--dry-run"]),
        (3, []),
        (3, ["--dry-run", "--url", url]),
    ]
    for code, more in ways:
        command = ["publish", "shop", "--journey", "trip=migrate", *more]
        done = segue(*command, cwd=folder, expect=code)
        assert "trip: 1 at one" in done.stderr
        assert "hint:" in done.stderr
    assert running.program()["name"] == first
    assert running.program()["versions"][0]["runs"] == 1


def test_a_running_segue_publishes_no_other_workspace(folder: Path, running: Running) -> None:
    (folder / "else").mkdir()
    text = TRIP.replace("trips", "else")
    (folder / "else" / "all.yaml").write_text(text, encoding="utf-8")
    done = segue("publish", "else", cwd=folder, expect=3)
    assert "its workspace holds program" in done.stderr


def test_a_watched_workspace_tells_where_runs_finish(folder: Path) -> None:
    one = Running(folder)
    try:
        start(folder, "ana")
        write(folder, "wait: 1d", "wait: 2d")
        one.until("published")
        assert "1 runs finish on older programs, at one (1)" in one.until("trip")
    finally:
        one.stop()


def test_without_a_running_one_the_store_is_written_to(folder: Path) -> None:
    with wiring.stored(folder / ".segue" / "segue.sqlite", create=True):
        pass
    assert "No run of another program" in segue("publish", "shop", cwd=folder).stdout
    with wiring.stored(folder / ".segue" / "segue.sqlite") as store:
        assert store.current_program()


def test_a_mode_that_is_none_is_refused(folder: Path) -> None:
    for text in ("trip", "trip=leave", "=exit"):
        done = segue("publish", "shop", "--journey", text, cwd=folder, expect=1)
        assert "=migrate" in done.stderr
    done = segue("publish", "shop", "--journey", "tripp=exit", cwd=folder, expect=1)
    assert "'tripp' is none of: trip" in done.stderr

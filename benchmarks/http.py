"""Over HTTP, with the real command `segue run` in a process of its own.

Workloads: (a) cold start: from the start of the process to its answer to a first event, and its
memory then; (b) the clickstream as Segment batches of 100 over four connections, as fast as they
are answered; CPU is that of the server's process alone; (c) a question for two placements, ten a
second, while single events come in at a steady rate; each answer is durable. The rate is 300
events a second where the client shares two cores with the server and with others' work; the
budget speaks of 2,000.
"""

import http.client
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks import machine
from benchmarks.machine import Figure

EVENTS = 8_000
BATCH = 100
CONNECTIONS = 4
PER_SECOND = 300
PER_REQUEST = 10
SECONDS = 12
QUESTIONS_PER_SECOND = 10
HEADERS = {"Content-Type": "application/json", "Authorization": "Basic YmVuY2g6"}


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, int, float]]:
    """A running Segue: its port, its process, and the seconds to its first accepted event."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    first = _bodies(1)[0]
    began = time.perf_counter()
    command = [sys.executable, "-m", "segue", "run", str(machine.WORKSPACE), "--no-watch"]
    server = subprocess.Popen(
        [*command, "--no-simulate", "--port", str(port), "--store", str(folder / "http.sqlite")],
        env={**os.environ, "SEGUE_WRITE_KEYS": "bench", "SEGUE_LOG_LEVEL": "warning"},
        stdout=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                post(http.client.HTTPConnection("127.0.0.1", port), "/v1/batch", first)
                break
            except ConnectionRefusedError:
                assert server.poll() is None, "the server ended"
                time.sleep(0.01)
        yield port, server.pid, time.perf_counter() - began
    finally:
        server.terminate()
        server.wait(20)


def post(client: http.client.HTTPConnection, path: str, body: bytes) -> bytes:
    client.request("POST", path, body, HEADERS)
    answer = client.getresponse()
    read = answer.read()
    assert answer.status == 200, (answer.status, read[:300])
    return read


def _message(name: str, user: str, number: str, properties: object) -> dict[str, object]:
    kind = "identify" if name == "Profile Identified" else "track"
    return {
        "type": kind,
        "event": name,
        "userId": user,
        "messageId": number,
        "timestamp": datetime.now(UTC).isoformat(),
        "properties": properties,
    }


def _bodies(count: int, size: int = BATCH) -> list[bytes]:
    """The clickstream as bodies of Segment batches, happening now."""
    _, events = machine.events(count)
    mark = time.time_ns()
    messages = [
        _message(one.event.name, one.event.user_id, f"{mark}-{n}", one.event.properties)
        for n, one in enumerate(events)
    ]
    return [
        msgspec.json.encode({"batch": messages[first : first + size]})
        for first in range(0, count, size)
    ]


def _server_cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def batches(port: int, pid: int, count: int) -> tuple[float, float]:
    """CPU microseconds of the server per event, and events per second by the wall clock."""
    waiting = _bodies(count)
    lock = threading.Lock()

    def send() -> None:
        client = http.client.HTTPConnection("127.0.0.1", port)
        while True:
            with lock:
                if not waiting:
                    return
                body = waiting.pop()
            post(client, "/v1/batch", body)

    threads = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    cpu, wall = _server_cpu(pid), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - wall
    return (_server_cpu(pid) - cpu) / count * 1e6, count / wall


def questions(port: int, seconds: float) -> tuple[list[float], float]:
    """Milliseconds of each question while events come in, and at what rate these came."""
    bodies = _bodies(int(PER_SECOND * seconds), PER_REQUEST)
    sent = 0
    stop = threading.Event()

    def stream() -> None:
        nonlocal sent
        client = http.client.HTTPConnection("127.0.0.1", port)
        began = time.perf_counter()
        for number, body in enumerate(bodies):
            wait = began + number * PER_REQUEST / PER_SECOND - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            if stop.is_set():
                return
            post(client, "/v1/batch", body)
            sent += PER_REQUEST

    streaming = threading.Thread(target=stream)
    streaming.start()
    client = http.client.HTTPConnection("127.0.0.1", port)
    taken: list[float] = []
    began = time.perf_counter()
    for number in range(int(QUESTIONS_PER_SECOND * (seconds - 1))):
        wait = began + number / QUESTIONS_PER_SECOND - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        body = msgspec.json.encode(
            {"placements": ["product-hint", "offer-modal"], "userId": f"asks-{number % 50}"}
        )
        asked = time.perf_counter()
        post(client, "/v1/decide", body)
        taken.append((time.perf_counter() - asked) * 1000)
    rate = sent / (time.perf_counter() - began)
    stop.set()
    streaming.join()
    return taken, rate


def main() -> None:
    starts: list[float] = []
    cold: list[float] = []
    memories: list[float] = []
    costs: list[float] = []
    rates: list[float] = []
    asked: list[float] = []
    told, coming = machine.events(machine.sized(EVENTS))[0], 0.0
    for last in (False, False, True):
        folder = Path(tempfile.mkdtemp(prefix="bench-", dir=machine.HERE))
        try:
            with serving(folder) as (port, pid, started):
                starts.append(started)
                cold.append(_server_cpu(pid))
                memories.append(machine.memory_mb(pid))
                cost, rate = batches(port, pid, machine.sized(EVENTS))
                costs.append(cost)
                rates.append(rate)
                if last:
                    asked, coming = questions(port, max(4.0, SECONDS * machine.scale()))
        finally:
            shutil.rmtree(folder)
    middle = statistics.median
    machine.keep(
        "http",
        f"{told}, in batches of {BATCH}; questions while {coming:.0f} events/s come in",
        [
            Figure(
                what="cold start to the first accepted event",
                value=middle(starts),
                unit="s",
                budget=2,
                runs=starts,
            ),
            Figure(what="  of it CPU of the server", value=middle(cold), unit="s CPU", runs=cold),
            Figure(
                what="memory before load",
                value=middle(memories),
                unit="MB",
                budget=150,
                runs=memories,
            ),
            Figure(
                what="over HTTP, batches: the server's CPU per event",
                value=middle(costs),
                unit="us CPU",
                runs=costs,
            ),
            Figure(
                what="over HTTP, batches: by wall clock, client beside it",
                value=middle(rates),
                unit="events/s",
                runs=rates,
            ),
            Figure(what="a decision, median", value=middle(asked), unit="ms", budget=3),
            Figure(
                what="a decision, p99",
                value=machine.percentile(asked, 0.99),
                unit="ms",
                budget=10,
            ),
        ],
    )


if __name__ == "__main__":
    main()

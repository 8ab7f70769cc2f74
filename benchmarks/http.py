"""Over HTTP, with the real command `segue run` in a process of its own, which notes beside it how
long each question was in the server, and how much CPU its process spent meanwhile, on whomever.

Workloads: (a) cold start: from the start of the process to its answer to a first event, and its
memory then; the bytecode is there already, as wherever Segue is installed; (b) the clickstream
as Segment batches of 100 over four connections, as fast as they are answered; CPU is that of
the server's process alone; (c) a question for two placements, ten a second, while events come
in at 300, 1,000 and 2,000 a second, ten to a request, from a process of their own over four
connections; each answer is durable. Who streams and who asks share two cores with the server
and with others' work; the rate that was reached is told beside each figure. (d) questions one
after the other and nothing else: what one costs the server.
"""

import compileall
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

import segue
from benchmarks import machine
from benchmarks.machine import Figure

EVENTS = 8_000
BATCH = 100
CONNECTIONS = 4
RATES = (300, 1_000, 2_000)
PER_REQUEST = 10
SECONDS = 12
QUESTIONS_PER_SECOND = 10
ALONE = 300
NOTES = "SEGUE_BENCH_NOTES"
"""Where the server writes what it has noted of its questions (`noted.py`)."""
HEADERS = {"Content-Type": "application/json", "Authorization": "Basic YmVuY2g6"}


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, int, float]]:
    """A running Segue: its port, its process, and the seconds to its first accepted event."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    first = _bodies(1)[0]
    began = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "benchmarks.noted",
        "run",
        str(machine.WORKSPACE),
        "--no-watch",
    ]
    server = subprocess.Popen(
        [*command, "--no-simulate", "--port", str(port), "--store", str(folder / "http.sqlite")],
        env={
            **os.environ,
            "SEGUE_WRITE_KEYS": "bench",
            "SEGUE_LOG_LEVEL": "warning",
            NOTES: str(folder / NOTES),
        },
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


def stream(port: int, rate: int, seconds: float) -> None:
    """Events at a steady rate; prints when it is ready, then the rate that it reached."""
    bodies = iter(enumerate(_bodies(int(rate * seconds), PER_REQUEST)))
    print("ready", flush=True)
    sys.stdin.readline()
    began, lock, sent = time.perf_counter(), threading.Lock(), 0

    def send() -> None:
        nonlocal sent
        client = http.client.HTTPConnection("127.0.0.1", port)
        while time.perf_counter() - began < seconds:
            with lock:
                number, body = next(bodies, (0, b""))
            if not body:
                return
            wait = began + number * PER_REQUEST / rate - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            post(client, "/v1/batch", body)
            with lock:
                sent += PER_REQUEST

    threads = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sent / (time.perf_counter() - began), flush=True)


def questions(port: int, rate: int, seconds: float) -> tuple[list[float], float]:
    """Milliseconds of each question while events come in, and at what rate these came."""
    command = [sys.executable, "-m", "benchmarks.http", str(port), str(rate), str(seconds)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as streaming:
        assert streaming.stdin is not None
        assert streaming.stdout is not None
        streaming.stdout.readline()
        streaming.stdin.write("go\n")
        streaming.stdin.flush()
        taken = asking(port, seconds - 1)
        reached = float(streaming.stdout.readline())
    return taken, reached


def asking(port: int, seconds: float) -> list[float]:
    """Milliseconds of each question, so many a second."""
    client = http.client.HTTPConnection("127.0.0.1", port)
    taken: list[float] = []
    began = time.perf_counter()
    for number in range(int(QUESTIONS_PER_SECOND * seconds)):
        wait = began + number / QUESTIONS_PER_SECOND - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        taken.append(ask(client, number))
    return taken


def ask(client: http.client.HTTPConnection, number: int) -> float:
    """Milliseconds of one question."""
    body = msgspec.json.encode(
        {"placements": ["product-hint", "offer-modal"], "userId": f"asks-{number % 50}"}
    )
    asked = time.perf_counter()
    post(client, "/v1/decide", body)
    return (time.perf_counter() - asked) * 1000


def alone(port: int, pid: int, count: int) -> tuple[float, list[float]]:
    """CPU microseconds of the server for a question, and milliseconds of each."""
    client = http.client.HTTPConnection("127.0.0.1", port)
    cpu = _server_cpu(pid)
    taken = [ask(client, number) for number in range(count)]
    return (_server_cpu(pid) - cpu) / count * 1e6, taken


def answered(
    rate: int, taken: list[float], reached: float, notes: list[tuple[float, float]]
) -> list[Figure]:
    """What a question took at a rate; the budget speaks of the highest."""
    highest = rate == max(RATES)
    told = f"a decision at {rate:,} events/s"
    parts = (
        (told, taken, (3, 10), f"{reached:,.0f} reached"),
        ("  of it in the server", [wall for wall, _ in notes], (None, None), ""),
        ("  the server's CPU meanwhile", [cpu for _, cpu in notes], (None, None), ""),
    )
    figures: list[Figure] = []
    for what, values, (middle, most), note in parts:
        of = (
            ("median", statistics.median(values), middle),
            ("p99", machine.percentile(values, 0.99), most),
        )
        figures += [
            Figure(
                what=f"{what}, {share}",
                value=value,
                unit="ms",
                budget=budget if highest else None,
                note=note,
            )
            for share, value, budget in of
        ]
    return figures


def main() -> None:
    starts: list[float] = []
    cold: list[float] = []
    memories: list[float] = []
    costs: list[float] = []
    rates: list[float] = []
    lone: list[float] = []
    asked: list[tuple[int, list[float], float]] = []
    notes: list[tuple[float, float]] = []
    told = machine.events(machine.sized(EVENTS))[0]
    compileall.compile_dir(Path(segue.__file__).parent, quiet=1)
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
                lone.append(alone(port, pid, machine.sized(ALONE))[0])
                for rate in RATES if last else ():
                    seconds = max(4.0, SECONDS * machine.scale())
                    asked.append((rate, *questions(port, rate, seconds)))
            notes = msgspec.json.decode(
                (folder / NOTES).read_bytes(), type=list[tuple[float, float]]
            )
        finally:
            shutil.rmtree(folder)
    middle = statistics.median
    del notes[: machine.sized(ALONE)]
    of_questions: list[Figure] = []
    for rate, taken, reached in asked:
        of_questions += answered(rate, taken, reached, notes[: len(taken)])
        del notes[: len(taken)]
    machine.keep(
        "http",
        f"{told}, in batches of {BATCH}; questions while events come in",
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
            Figure(
                what="a decision, nothing else: the server's CPU",
                value=middle(lone),
                unit="us CPU",
                runs=lone,
            ),
            *of_questions,
        ],
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        stream(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
    else:
        main()

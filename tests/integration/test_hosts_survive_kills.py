"""P1, P3 and P4 for the host itself: a real process over a real file, killed with SIGKILL at
random instants while events, wake-ups and deliveries are under way, started again, resent to.

The child takes numbered submissions from its standard input and prints the number of each
once it is answered. Its provider appends every message it gets to a file, one line each,
which a kill can't take back, and can't recognise a repeated key.
"""

import random
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from segue.kernel.inputs import Event
from segue.kernel.values import Instant
from segue.stores.sqlite import SqliteStore

KILLS = 25
CUSTOMERS = 40

CHILD = """
import importlib.util, os, sys, threading
from pathlib import Path

spec = importlib.util.spec_from_file_location("shop", sys.argv[1])
shop = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shop)

import msgspec
from segue.hosts.arrivals import Arrival
from segue.hosts.embedded import Embedded
from segue.hosts.ports import Outcome
from segue.kernel.inputs import Event
from segue.stores.sqlite import SqliteStore

folder = Path(sys.argv[2])
out = os.open(folder / "handed", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

class Provider:
    def deliver(self, deliveries):
        for one in deliveries:
            os.write(out, f"{one.id}\\n".encode())
        return [Outcome(result="accepted") for _ in deliveries]

    def resends_safely(self, effect):
        return False

journey = shop.SHOP.journeys[0]
wait = msgspec.structs.replace(journey.steps[0], for_ms=15)
journey = msgspec.structs.replace(journey, steps=(wait, *journey.steps[1:]))
plan = msgspec.structs.replace(shop.SHOP, journeys=(journey,), policies=())
host = Embedded(SqliteStore(folder / "store.sqlite"), Provider(), patterns=shop.patterns)
host.publish("p", msgspec.json.encode(plan))
host.start()
print("ready", flush=True)

def tell(number):
    def done(answers):
        if all(one.status in ("accepted", "duplicate") for one in answers):
            print(number, flush=True)
    return done

events = msgspec.json.Decoder(list[Event])
for line in sys.stdin.buffer:
    number, body = line.split(b" ", 1)
    host.submit([Arrival(input=one) for one in events.decode(body)], tell(int(number)))
"""


def submissions() -> list[bytes]:
    """A customer is identified, fills a cart, and some of them order."""
    made: list[bytes] = []
    for n in range(CUSTOMERS * KILLS // 5):
        user = f"u{n}"
        names = ["Profile Identified", "Product Added"]
        names += ["Order Completed"] * (n % 3 == 0)
        made += [
            msgspec.json.encode(
                [
                    Event(
                        id=f"{n}/{name}",
                        name=name,
                        at=Instant(1_000),
                        kind="identify" if name == "Profile Identified" else "track",
                        user_id=user,
                        traits={"email": f"{user}@example.org"},
                    )
                ]
            )
            for name in names
        ]
    return made


def converse(
    child: "subprocess.Popen[bytes]",
    todo: list[bytes],
    answered: set[int],
    chance: random.Random,
    *,
    last: bool,
) -> int:
    """Send what was not answered, note what is, and kill; returns 1 if it was at random."""
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    # Whatever was not answered is sent again, and some of what was.
    waiting = [n for n in range(len(todo)) if n not in answered]
    batch = waiting if last else waiting[: chance.randint(5, 40)]
    batch += chance.sample(sorted(answered), min(3, len(answered)))
    for number in batch:
        child.stdin.write(b"%d %s\n" % (number, todo[number]))
    child.stdin.flush()
    if last:
        while len(answered) < len(todo):
            answered.add(int(child.stdout.readline()))
        time.sleep(0.3)
    else:
        time.sleep(chance.random() * 0.08)
    child.kill()
    answered |= {int(line) for line in child.stdout.read().split()}
    return int(not last)


def test_no_kill_loses_an_accepted_event_counts_one_twice_or_sends_twice(tmp_path: Path) -> None:
    shop = Path(__file__).parents[1] / "unit" / "hosts" / "conftest.py"
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    todo = submissions()
    answered: set[int] = set()
    chance = random.Random(7)
    kills = 0
    while len(answered) < len(todo):
        with subprocess.Popen(
            [sys.executable, str(script), str(shop), str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as child:
            kills += converse(child, todo, answered, chance, last=kills >= KILLS)

    assert kills >= 10
    store = SqliteStore(tmp_path / "store.sqlite")
    log = store.log(limit=100_000)
    ids = [line.event.id for line in log]
    assert len(ids) == len(set(ids)), "an event counts twice"
    assert len(ids) == len(todo), "an accepted event is lost"
    handed = (tmp_path / "handed").read_text().split()
    assert len(handed) == len(set(handed)), "one step of one run sent twice"
    rows = {row.id: row for row in store.outbox(limit=100_000)}
    assert not [one for one in handed if rows[one].state == "cancelled"], "stale, and handed over"
    assert len(handed) > CUSTOMERS
    store.close()

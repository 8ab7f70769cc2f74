"""kill -9 of the real `segue run` at random instants, under load over HTTP, with a real mail server.

    python tests/sim/kills.py 200        (`make kills`)

A client sends carts and orders as Segment batches, and sends again, with the same messageIds,
whatever was not answered 200. The mail server, in this process, keeps every letter: a kill can't
take one back. At the end, over the store's file and the letters:

P1  every event that was sent is in the log exactly once;
P3  no letter went out for a send that was withdrawn, and none two seconds after its order was
    answered;
P4  no cart got two letters; each cart without an order got one, or its send is *unknown* (the
    process died between handing it over and saying so).
"""

import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import httpx
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from segue.stores.sqlite import SqliteStore

WORKSPACE = """
workspace:
  name: kills
  consent: {email: granted}
messages:
  reminder:
    topic: cart
    expires: 1h
    contents:
      email: {subject: "cart {{ entry.cart_id }}", text: "Your cart."}
journeys:
  cart:
    enter: {on: Product Added}
    key: properties.cart_id
    reenter: always
    exit: [{on: Order Completed, when: properties.cart_id == entry.cart_id, reason: ordered}]
    goal: {on: Order Completed, within: 1h}
    steps:
      - wait: 1s
      - send: reminder
        by: email
"""
KEY = "wk_kills"
CARTS_PER_LIFE = 6
START_SECONDS = 60
STALE_SECONDS = 2.0


class Mailbox:
    """A mail server that keeps the subject of every letter, and when it came."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, float]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        text = _bytes(envelope.content).decode("utf-8", "replace")
        subject = next(line for line in text.splitlines() if line.startswith("Subject: "))
        self.letters.append((subject.removeprefix("Subject: ").strip(), time.monotonic()))
        return "250 OK"


def _bytes(content: bytes | str | None) -> bytes:
    return content.encode() if isinstance(content, str) else content or b""


class Client:
    """Sends numbered events until each is answered 200."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.todo: list[dict[str, object]] = []
        self.sent: set[str] = set()
        self.answered: dict[str, float] = {}
        self.carts = 0
        self.again = 0

    def fill(self) -> None:
        """More carts; a third of them will be ordered."""
        for _ in range(CARTS_PER_LIFE):
            self.carts += 1
            cart = f"c{self.carts}"
            user = f"u{self.carts}"
            self._add("identify", cart, "identify", traits={"email": f"{user}@example.org"})
            self._add("track", cart, "Product Added")
            if self.carts % 3 == 0:
                self._add("track", cart, "Order Completed")

    def _add(self, kind: str, cart: str, name: str, **more: object) -> None:
        said = {"type": kind, "messageId": f"{cart}/{name}", "userId": f"u{cart[1:]}", **more}
        if kind == "track":
            said |= {"event": name, "properties": {"cart_id": cart}}
        self.todo.append(said)
        self.sent.add(f"{cart}/{name}")

    def work(self, url: str, stop: threading.Event) -> None:
        """Send batches in order; what was answered is now and then sent again."""
        with httpx.Client(base_url=url, timeout=300, auth=(KEY, "")) as http:
            while not stop.is_set():
                batch = self.todo[: self.chance.randint(1, 4)]
                if not batch:
                    stop.wait(0.01)
                    continue
                with suppress(httpx.HTTPError):
                    if http.post("/v1/batch", json={"batch": batch}).status_code == 200:
                        now = time.monotonic()
                        for one in batch:
                            self.answered.setdefault(str(one["messageId"]), now)
                        if self.chance.random() < 0.2:
                            self.again += 1
                            http.post("/v1/batch", json={"batch": batch})
                        del self.todo[: len(batch)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """The real command, on a port of its own."""

    def __init__(self, folder: Path, mail_port: int) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        given = {
            "SEGUE_SMTP_HOST": "127.0.0.1",
            "SEGUE_SMTP_PORT": str(mail_port),
            "SEGUE_SMTP_SECURITY": "none",
            "SEGUE_EMAIL_FROM": "shop@example.org",
            "SEGUE_WRITE_KEYS": f"{KEY}=shop",
        }
        command = [sys.executable, "-m", "segue", "run", str(folder / "shop"), "--no-simulate"]
        command += ["--no-watch", "--deliver", "live", "--port", str(self.port)]
        command += ["--store", str(folder / "segue.sqlite")]
        with (folder / "log.txt").open("ab") as log:
            self.child = subprocess.Popen(
                command, cwd=folder, env={**os.environ, **given}, stdout=log, stderr=log
            )

    def wait(self) -> None:
        """Until it listens."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.child.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise AssertionError("segue run does not start")


def run(kills: int, seed: int, folder: Path) -> str:
    """So many lives, each ended by SIGKILL, and a last one in peace; returns what came of it."""
    (folder / "shop").mkdir()
    (folder / "shop" / "workspace.yaml").write_text(WORKSPACE, "utf-8")
    chance = random.Random(seed)
    mailbox, client = Mailbox(), Client(chance)
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        for life in range(kills + 1):
            client.fill()
            process = Process(folder, int(controller.port))
            try:
                process.wait()
                stop = threading.Event()
                worker = threading.Thread(target=client.work, args=(process.url, stop))
                worker.start()
                if life < kills:
                    time.sleep(chance.random() * 1.6)
                else:
                    _until_quiet(client, mailbox)
                process.child.kill()
                stop.set()
                worker.join()
            finally:
                process.child.kill()
                process.child.wait()
            if life % 10 == 9:
                sys.stderr.write(f"\r{life + 1} kills, {len(mailbox.letters)} letters ")
    finally:
        controller.stop()
    return judge(folder, client, mailbox, kills)


def _until_quiet(client: Client, mailbox: Mailbox) -> None:
    """All was answered, and no letter came for a while."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        letters = len(mailbox.letters)
        time.sleep(4)
        if not client.todo and letters == len(mailbox.letters):
            return


def judge(folder: Path, client: Client, mailbox: Mailbox, kills: int) -> str:
    """The promises, over the store's file and the letters. Raises where one is broken."""
    store = SqliteStore(folder / "segue.sqlite")
    try:
        log = Counter(e.event.id for e in store.log(limit=1_000_000) if not e.event.emitted)
        rows = {row.id: row for row in store.outbox(limit=1_000_000)}
    finally:
        store.close()
    assert not client.todo, "not everything was answered"
    assert not [one for one, n in log.items() if n > 1], "P1: an event counts twice"
    assert set(log) == client.sent, f"P1: lost {sorted(client.sent - set(log))[:5]}"
    letters = Counter(subject for subject, _ in mailbox.letters)
    assert not [one for one, n in letters.items() if n > 1], f"P4: twice {letters.most_common(3)}"
    states = {row.id.split("/")[-2]: row.state for row in rows.values()}
    for subject, at in mailbox.letters:
        cart = subject.removeprefix("cart ")
        assert states[cart] != "cancelled", f"P3: {cart} was withdrawn, and handed over"
        ordered = client.answered.get(f"{cart}/Order Completed")
        assert ordered is None or at < ordered + STALE_SECONDS, f"P3: {cart} after its order"
    unknown = 0
    for number in range(1, client.carts + 1):
        if number % 3 and f"cart c{number}" not in letters:
            assert states.get(f"c{number}") == "unknown", f"P4: c{number} never got its letter"
            unknown += 1
    counted = json.dumps(Counter(states.values()), sort_keys=True)
    return (
        f"{kills} kills, {len(log)} events, {client.again} batches sent twice on purpose, "
        f"{len(mailbox.letters)} letters, {unknown} carts unknown without a letter, rows {counted}: "
        "P1, P3 and P4 held"
    )


def main() -> None:
    """So many kills, as said on the command line."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as folder:
        print("\n" + run(kills, seed, Path(folder)))


if __name__ == "__main__":
    main()

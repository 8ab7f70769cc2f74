"""Tokens that callbacks carry, remembered over restarts.

Mailgun signs a token and a time, and nothing of what stands behind them: whoever has seen one
could put it before other words while its time is good. So a token counts once.

Rule 1: a token is written down after what it stood before is saved, and before 200 is said;
    meanwhile it is in hand, and a second callback with it is a repeat already.
Rule 2: the file holds only those whose time may still be good; it is written afresh when it is
    opened, and when it has grown. They stand in it as digests.
"""

import hashlib
import os
import threading
from contextlib import suppress
from pathlib import Path

from segue.channels.limits import CALLBACK_AGE_SECONDS_MAX
from segue.kernel.values import Instant
from segue.server import limits

GOOD_MS = 2 * CALLBACK_AGE_SECONDS_MAX * 1000
"""For how long a token is remembered: its time may lie as far ahead as behind."""


class Tokens:
    """Tokens that were seen: those whose time may be good, `TOKENS_SEEN_MAX` at most."""

    def __init__(self, path: Path | None, now: Instant) -> None:
        """Without `path`, they are forgotten when the process ends."""
        self._path = path
        self._seen = _read(path)
        self._in_hand: set[str] = set()
        self._lock = threading.Lock()
        self._written = len(self._seen)
        self._forget(now)
        if path is not None and self._seen:
            self._rewrite(path)

    def take(self, token: str) -> bool:
        """Take it in hand; False if it came before."""
        name = _digest(token)
        with self._lock:
            if name in self._seen or name in self._in_hand:
                return False
            self._in_hand.add(name)
            return True

    def drop(self, token: str) -> None:
        """What it stood before was not saved, and may come again."""
        with self._lock:
            self._in_hand.discard(_digest(token))

    def learn(self, token: str, now: Instant) -> None:
        """What it stood before is saved. Raises `OSError` if it can't be kept."""
        name = _digest(token)
        with self._lock:
            self._seen[name] = now
            self._in_hand.discard(name)
            self._forget(now)
            if self._path is not None:
                self._write(self._path, f"{now} {name}\n")

    def _write(self, path: Path, line: str) -> None:
        self._written += 1
        if self._written > 2 * limits.TOKENS_SEEN_MAX:
            self._rewrite(path)
            return
        with path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _forget(self, now: Instant) -> None:
        while self._seen:
            oldest = next(iter(self._seen))
            over = len(self._seen) > limits.TOKENS_SEEN_MAX
            if not over and self._seen[oldest] + GOOD_MS > now:
                return
            del self._seen[oldest]

    def _rewrite(self, path: Path) -> None:
        fresh = path.with_name(f"{path.name}.new")
        with fresh.open("w", encoding="utf-8") as file:
            file.writelines(f"{at} {token}\n" for token, at in self._seen.items())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        self._written = len(self._seen)


def _digest(token: str) -> str:
    return hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _read(path: Path | None) -> dict[str, Instant]:
    """What the file holds; a line that was cut off by a crash is none."""
    found: dict[str, Instant] = {}
    if path is None:
        return found
    with suppress(FileNotFoundError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
            at, _, token = line.partition(" ")
            if at.isdecimal() and token.endswith("\n"):
                found[token[:-1]] = Instant(int(at))
    return found

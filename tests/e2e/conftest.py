"""A whole Segue on a free port, with the workspace of the shop beside this file."""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from segue import wiring
from segue.server import app as server
from segue.settings import Settings
from segue.stores.ports import LoggedEvent

SHOP = Path(__file__).parent / "shop"
KEY = "wk_e2e"


class Segue:
    """One running installation."""

    def __init__(self, folder: Path, workspace: Path = SHOP, **more: Any) -> None:
        self._open = ExitStack()
        settings = Settings(store=str(folder / "segue.sqlite"), write_keys=f"{KEY}=shop", **more)
        self.installation = self._open.enter_context(wiring.installed(settings))
        self.store = self.installation.store
        loaded = wiring.read_workspace(workspace)
        assert not loaded.errors, loaded.errors
        self.installation.host.publish(loaded.hash, wiring.encoded(loaded))
        self.installation.host.start()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.app = self.installation.app()
        self.server = server.server(self.app, "127.0.0.1", self.port)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        self.wait_for(lambda: self.server.started)

    def log(self, anonymous_id: str = "") -> list[LoggedEvent]:
        return [
            line
            for line in self.store.log(0, 100_000)
            if not line.event.emitted and anonymous_id in ("", line.event.anonymous_id)
        ]

    @staticmethod
    def wait_for(condition: Callable[[], Any], seconds: float = 120) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.02)
        return found

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=120)
        self._open.close()


def told(file: str, url: str, folder: Path, only: str = "") -> dict[str, Any]:
    """What each story of a script beside this file saw, in Chromium; or `only` some of them."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    done = subprocess.run(
        ["node", file, str(chromium), url, str(folder), only],
        check=False,
        cwd=SHOP.parent,
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def segue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Segue]:
    running = Segue(tmp_path_factory.mktemp("segue"))
    yield running
    running.close()

"""Calls out never reach into the network that Segue runs in, whatever a name resolves to."""

import asyncio
import socket
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from segue.channels.letter import Request
from segue.channels.wire import Forbidden, Guard, Wire

INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
]
OUTSIDE = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_are_forbidden(address: str) -> None:
    assert not Guard().allows(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_addresses_outside_are_allowed(address: str) -> None:
    assert Guard().allows(address)


def test_networks_can_be_allowed_by_name() -> None:
    guard = Guard(["10.0.0.0/8", "fd00::/8"])
    assert guard.allows("10.1.2.3")
    assert guard.allows("::ffff:10.1.2.3")
    assert guard.allows("fd12::1")
    assert not guard.allows("192.168.1.1")


class Server:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.asked.append((self.path, self.headers["Host"]))
                content = b"x" * 3_000_000
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                try:
                    self.wfile.write(content)
                except OSError:
                    pass  # The client has read enough.

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_port
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


def post(url: str, guard: Guard | None) -> Any:
    async def once() -> Any:
        wire = Wire()
        try:
            return await wire.exchange(Request(method="POST", url=url, body=b"{}"), guard)
        finally:
            await wire.close()

    return asyncio.run(once())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1"])
def test_a_name_for_this_machine_is_refused_before_anything_is_sent(host: str) -> None:
    with closing(Server()) as server:
        with pytest.raises((Forbidden, httpx.ConnectError, httpx.InvalidURL)):
            post(f"http://{host}:{server.port}/hook", Guard())
        assert server.asked == []


def test_the_connection_goes_to_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that answers differently the second time gains nothing."""
    answers = iter(["127.0.0.1", "169.254.169.254", "169.254.169.254"])
    resolve = socket.getaddrinfo

    def lying(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "rebind.example":
            return resolve(next(answers), port, *args, **kwargs)
        return resolve(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lying)
    with closing(Server()) as server:
        reply = post(f"http://rebind.example:{server.port}/hook", Guard(["127.0.0.0/8"]))
        assert reply.status == 200
        assert server.asked == [("/hook", f"rebind.example:{server.port}")]


def test_a_reply_is_read_up_to_a_bound() -> None:
    with closing(Server()) as server:
        reply = post(f"http://127.0.0.1:{server.port}/", None)
        assert len(reply.body) == 1_000_000


def test_a_request_never_shows_its_headers_or_query() -> None:
    request = Request(method="POST", url="https://x.example/a?key=hush", headers={"A": "hush"})
    assert "hush" not in repr(request)

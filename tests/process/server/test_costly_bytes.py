"""What is cheap to send and costly to take apart: nobody waits for that, and nothing is unpacked."""

from __future__ import annotations

import gzip
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import requests

from tests.support.hosts.host import SLOWNESS, Server

OPEN = "POST /health HTTP/1.1\r\nHost: x\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
GUESSING = "POST /api/v1/runners HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer guessed\r\n"


def cpu_seconds(server: Server) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def crowd(server: Server, *, count: int) -> Iterator[Sequence[socket.socket]]:
    """Many who are in."""
    address = "127.0.0.1", int(server.url.rpartition(":")[2])
    with ExitStack() as open_:
        connections = [open_.enter_context(socket.create_connection(address, timeout=60)) for _ in range(count)]
        for each in connections:
            ask(each)
        yield connections


def ask(connection: socket.socket) -> None:
    connection.sendall(HEALTH)
    assert b" 200 " in connection.recv(4096)


def pour(connections: Sequence[socket.socket], data: bytes) -> None:
    """As much as there is room for; nothing is read."""
    for each in connections:
        each.setblocking(False)
        each.send(data)


def hear_out(connection: socket.socket) -> None:
    """Until it is closed, or nobody reads any more what is sent."""
    connection.settimeout(60)
    with suppress(ConnectionError):
        while connection.recv(65536):
            pass


@pytest.mark.parametrize("head", [OPEN, GUESSING], ids=["open", "without a token"])
def test_what_strangers_have_packed_is_not_unpacked(server: Server, head: str) -> None:
    packed = gzip.compress(b" " * 100_000_000)
    request = (
        f"{head}Connection: close\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode() + packed
    )
    with crowd(server, count=12) as connections:
        before = cpu_seconds(server)
        pour(connections, request)
        for each in connections:
            hear_out(each)
        assert cpu_seconds(server) - before < 1.0 * SLOWNESS


@pytest.mark.parametrize("head", [OPEN, GUESSING], ids=["open", "without a token"])
def test_a_body_in_crumbs_keeps_nobody_waiting(server: Server, head: str) -> None:
    request = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + b"1\r\n \r\n" * 40_000
    with crowd(server, count=120) as connections:
        server.signal(signal.SIGSTOP)  # all of it is there before any of it is looked at
        try:
            pour(connections[1:], request)
            connections[0].sendall(HEALTH)
            before = cpu_seconds(server)
        finally:
            server.signal(signal.SIGCONT)
        assert b" 200 " in connections[0].recv(4096)
        # What it did before it answered, however busy this machine is.
        assert cpu_seconds(server) - before < 0.5 * SLOWNESS


def test_a_packed_body_is_refused_with_its_name(server: Server) -> None:
    for encoding in ("gzip", "deflate", "br", "zstd", "x"):
        check_refusal(server, encoding)


def check_refusal(server: Server, encoding: str) -> None:
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    headers["Authorization"] = f"Bearer {server.token}"
    body = gzip.compress(b'{"repo": "acme/widgets", "name": "packed"}')
    for method, path in (("POST", "/api/v1/runners"), ("DELETE", "/api/v1/runners/packed")):
        answer = requests.request(method, f"{server.url}{path}", data=body, headers=headers, timeout=20)
        assert (answer.status_code, answer.json()["code"]) == (415, "invalid_request")
        assert encoding in answer.json()["detail"]

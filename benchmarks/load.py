"""A load of GET requests over kept connections, from a process of its own: prints answers per second as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from functools import partial
from typing import Any


class _Client(asyncio.Protocol):
    """Asks again as soon as it is answered."""

    def __init__(self, request: bytes, counts: list[int]) -> None:
        self._request = request
        self._counts = counts
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < _length(head):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        self._buffer = b""
        self._counts[0] += 1
        self._transport.write(self._request)


def _length(head: bytes) -> int:
    start = head.lower().index(b"content-length:") + 15
    return int(head[start:].split(b"\r\n", 1)[0])


async def _run(order: dict[str, Any]) -> list[list[float]]:
    """Rates by round and target: turn and turn about, so that what else the machine does hits all alike."""
    rates = []
    for _ in range(order["rounds"]):
        rates.append([await _rate(target, order["connections"], order["seconds"]) for target in order["targets"]])
    return rates


async def _rate(target: dict[str, Any], connections: int, seconds: float) -> float:
    requests = [_request(path, target["token"]) for path in target["paths"]]
    loop = asyncio.get_running_loop()
    counts = [0]
    transports = []
    for number in range(connections):
        client = partial(_Client, requests[number % len(requests)], counts)
        made = await loop.create_connection(client, "127.0.0.1", target["port"])
        transports.append(made[0])
    await asyncio.sleep(seconds / 4)
    began, before = time.perf_counter(), counts[0]
    await asyncio.sleep(seconds)
    rate = (counts[0] - before) / (time.perf_counter() - began)
    for transport in transports:
        transport.abort()
    return rate


def _request(path: str, token: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def main() -> None:
    """Takes one JSON argument: targets (port, paths, token), rounds, seconds, connections, cpu."""
    order = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {order["cpu"]})
    sys.stdout.write(json.dumps(asyncio.run(_run(order))) + "\n")


if __name__ == "__main__":
    main()

"""A load of GET requests over kept connections, from a process of its own: prints answers per second."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time


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


async def _run(host: str, port: int, request: bytes, *, connections: int, seconds: float) -> float:
    loop = asyncio.get_running_loop()
    counts = [0]
    transports = []
    for _ in range(connections):
        transport, _protocol = await loop.create_connection(lambda: _Client(request, counts), host, port)
        transports.append(transport)
    await asyncio.sleep(0.5)
    began, before = time.perf_counter(), counts[0]
    await asyncio.sleep(seconds)
    rate = (counts[0] - before) / (time.perf_counter() - began)
    for transport in transports:
        transport.abort()
    return rate


def main() -> None:
    """Takes one JSON argument: host, port, path, token, seconds, connections, cpu."""
    order = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {order["cpu"]})
    lines = (f"GET {order['path']} HTTP/1.1", f"Host: {order['host']}", f"Authorization: Bearer {order['token']}")
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    rate = asyncio.run(
        _run(order["host"], order["port"], request, connections=order["connections"], seconds=order["seconds"])
    )
    sys.stdout.write(f"{rate}\n")


if __name__ == "__main__":
    main()

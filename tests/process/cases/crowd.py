"""Many clients of one server at once, none of which waits for its answer."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

from .machine import REPO, Server


@contextmanager
def crowd(server: Server) -> Iterator[Crowd]:
    """They hang up at the end."""
    with ExitStack() as held:
        yield Crowd(server, held)


class Crowd:
    def __init__(self, server: Server, held: ExitStack) -> None:
        self._server = server
        self._held = held

    def send(self, method: str, path: str, body: Any = None) -> socket.socket:
        """One request on a connection of its own."""
        address = urlsplit(self._server.url)
        client = self._held.enter_context(socket.create_connection((address.hostname or "", address.port or 0)))
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1",
            f"Host: {address.netloc}",
            f"Authorization: Bearer {self._server.token}",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
        )
        client.sendall("\r\n".join((*head, "", "")).encode() + content)
        return client

    def creates(self, prefix: str, number: int) -> list[str]:
        """Of so many runners; their names."""
        names = [f"{prefix}-{each}" for each in range(number)]
        for name in names:
            self.send("POST", "/api/v1/runners", {"repo": REPO, "name": name})
        return names


def status_line(client: socket.socket) -> int:
    """The status that a client was answered, within 15 s."""
    client.settimeout(15)
    return int(client.makefile("rb").readline().split()[1])

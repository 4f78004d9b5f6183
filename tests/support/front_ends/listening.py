"""Clients of a server's events: a third party's parser of Server-Sent Events, and a socket for who behaves badly."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
from httpx_sse import EventSource

from runnerctl.core.domain.models import EventType, Runner
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.services import Services
from tests.support.hosts.host import PATIENCE, Host, Server

EVENTS = "/api/v1/events"
SSE, NDJSON = "text/event-stream", "application/x-ndjson"


class Heard(NamedTuple):
    """``name`` is ``message`` for an event of the runners; a stream's word of itself has another."""

    id: str
    name: str
    data: Any


class Listening:
    """An answer that goes on."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._told = self._heard()

    def _heard(self) -> Iterator[Heard]:
        for each in EventSource(self.answer).iter_sse():
            yield Heard(each.id, each.event, json.loads(each.data))

    def next(self) -> Heard:
        """Waits for it; fails the test when nothing comes for long."""
        return next(self._told)

    def take(self, count: int) -> list[Heard]:
        return [self.next() for _ in range(count)]

    def rest(self) -> list[Heard]:
        """To the answer's end."""
        return list(self._told)


@contextmanager
def listening(
    server: Server, query: str = "", *, token: str | None = None, last_id: str | None = None
) -> Iterator[Listening]:
    headers = {"Authorization": f"Bearer {token or server.token}", "Accept": SSE}
    if last_id is not None:
        headers["Last-Event-ID"] = last_id
    with (
        httpx.Client(trust_env=False, verify=False, timeout=PATIENCE) as client,
        client.stream("GET", f"{server.url}{EVENTS}{query}", headers=headers) as answer,
    ):
        yield Listening(answer)


def connected(server: Server, path: str = EVENTS, *, buffer: int | None = None) -> socket.socket:
    """The operator's connection that has asked for events or a log; ``buffer``: what its side takes unread."""
    connection = socket.socket()
    if buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(PATIENCE)
    connection.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {SSE}\r\nAuthorization: Bearer {server.token}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def received(connection: socket.socket, word: bytes) -> bytes:
    """Up to and with that."""
    got = b""
    while word not in got:
        piece = connection.recv(65536)
        assert piece, f"ended without {word!r}: {got[-300:]!r}"
        got += piece
    return got


def resting(host: Host, services: Services, name: str, tenant: str | None = None) -> Runner:
    """A row that a server leaves as it is: three events."""
    runner = services.store.admit(host.spec(name, tenant=tenant), root=host.base_dir / name)
    return services.store.transition(runner, RunnerState.REGISTERED, RunnerState.STARTING, RunnerState.STOPPED)


def note(services: Services, runner: Runner, texts: Sequence[str]) -> None:
    """So many events in one commit, by another process than the server's."""
    store = services.store
    with store._transaction() as db:
        for text in texts:
            store._insert_event(db, EventType.NOTE, at=services.clock.now(), runner_id=runner.id, data={}, reason=text)

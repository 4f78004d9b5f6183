"""What 500 who listen to events cost: idle, and when something happens, beside a bare aiohttp application."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import requests

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.models import Runner, RunnerSpec, Scope
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.store import Store

from .figure import Figure, median
from .ground import REPO, ground

_SSE = "text/event-stream"
_LISTENERS = 500
_IDLE_SECONDS = 30.0
"""Two heartbeats."""
_EVENTS, _ROUNDS = 30, 5
_BYTES = 290
"""Of an event, about."""


class Told(NamedTuple):
    """A server, who listens to it, and what makes it tell them a text."""

    pid: int
    listeners: list[socket.socket]
    tell: Callable[[str], object]

    def cost(self, mark: str) -> float:
        """Milliseconds of the server's processor time for one event."""
        before = _cpu_seconds(self.pid)
        for number in range(_EVENTS):
            text = f"{mark}-{number}."
            self.tell(text)
            for each in self.listeners:
                _read(each, text.encode())
        return (_cpu_seconds(self.pid) - before) / _EVENTS * 1000


def measure(top: Path) -> Iterator[Figure]:
    with ground(top) as place, _opened(place.url, place.token, 1):
        before = _megabytes(place.server_pid)
        with _opened(place.url, place.token, _LISTENERS) as listeners, _bare() as bare:
            memory = _megabytes(place.server_pid) - before
            yield Figure(name="500 idle listeners, memory", value=memory, unit="MB", bound=40)
            yield Figure(name="500 idle listeners, processor", value=_idle(place.server_pid), unit="%", bound=1)
            host = os.uname().nodename
            store = Store(top / "state" / "runnerctl.db", clock=SystemClock(), rng=random.Random(1), host=host)
            runner = _resting(store)
            ours = Told(place.server_pid, listeners, lambda text: store.tell(runner.id, text))
            yield from _beside(ours, bare)
            store.close()


def _beside(ours: Told, bare: Told) -> Iterator[Figure]:
    """In turns, since what else the machine does changes."""
    costs = [(ours.cost(f"ours-{number}"), bare.cost(f"bare-{number}")) for number in range(_ROUNDS)]
    yield Figure(name="an event to 500 listeners", value=median([mine for mine, _ in costs]), unit="ms")
    ratio = median([mine / others for mine, others in costs])
    yield Figure(name="an event to 500 listeners / bare", value=ratio, unit="×", bound=2)


def _idle(pid: int) -> float:
    before, began = _cpu_seconds(pid), time.monotonic()
    time.sleep(_IDLE_SECONDS)
    return (_cpu_seconds(pid) - before) / (time.monotonic() - began) * 100


@contextmanager
def _bare() -> Iterator[Told]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.bare_streams", url.rpartition(":")[2]])
    try:
        with _opened(url, "", _LISTENERS) as listeners:
            yield Told(process.pid, listeners, lambda text: requests.post(f"{url}/tell", data=text.ljust(_BYTES)))
    finally:
        process.terminate()
        process.wait(timeout=10)


@contextmanager
def _opened(url: str, token: str, count: int) -> Iterator[list[socket.socket]]:
    """So many listeners that have been heard."""
    with ExitStack() as held:
        listeners = [held.enter_context(_connected(url)) for _ in range(count)]
        head = f"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAccept: {_SSE}\r\nAuthorization: Bearer {token}\r\n\r\n"
        for each in listeners:
            each.sendall(head.encode())
        for each in listeners:
            _read(each, b"position")
        yield listeners


def _connected(url: str) -> socket.socket:
    address = "127.0.0.1", urlsplit(url).port or 0
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(address, timeout=60)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _read(listener: socket.socket, word: bytes) -> None:
    got = b""
    while word not in got:
        piece = listener.recv(65536)
        if not piece:
            raise RuntimeError(f"a stream ended: {got[-200:]!r}")
        got += piece


def _resting(store: Store) -> Runner:
    """One that a server leaves as it is."""
    spec = RunnerSpec.of(name="told", scope=Scope.of(repo=REPO), labels="self-hosted,linux,x64")
    runner = store.admit(spec, root=Path("/nowhere"))
    return store.transition(runner, RunnerState.REGISTERED, RunnerState.STARTING, RunnerState.STOPPED)


def _megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def _cpu_seconds(pid: int) -> float:
    """Of all its threads, to the nanosecond."""
    spent = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in spent) / 1e9

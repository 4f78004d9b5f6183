"""How many status requests a second, beside a bare aiohttp handler; and how long 5,000 runners take to list."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from runnerctl.core.clock import SystemClock
from runnerctl.core.models import RunnerSpec, Scope
from runnerctl.core.states import RunnerState
from runnerctl.core.store import Store

from .figure import Figure, median
from .ground import REPO, Ground, ground

_PATH = "/api/v1/runners/watched/status"
_SECONDS = 0.4
_ROUNDS = 20
_CONNECTIONS = 16
_LISTED = 5000


def measure(top: Path) -> Iterator[Figure]:
    with ground(top) as place:
        place.create("watched")
        body = top / "body"
        body.write_bytes(place.request("GET", "/api/v1/runners/watched/status").content)
        yield from _beside_bare(place, body)
        place.remove("watched")
        _fill(top / "state" / "runnerctl.db")
        milliseconds = median([_list(place) for _ in range(5)])
        yield Figure(name="5,000 runners in 5 pages", value=milliseconds, unit="ms", bound=60)


def _beside_bare(place: Ground, body: Path) -> Iterator[Figure]:
    """Both servers on one core, the load on another."""
    server_cpu, client_cpu = _cores()
    _pin(place.server_pid, server_cpu)
    with _bare(body) as bare_port:
        ports = (urlsplit(place.url).port, bare_port)
        order = {
            "targets": [{"port": port, "path": _PATH, "token": place.token} for port in ports],
            "rounds": _ROUNDS,
            "seconds": _SECONDS,
            "connections": _CONNECTIONS,
            "cpu": client_cpu,
        }
        argv = [sys.executable, "-m", "benchmarks.load", json.dumps(order)]
        rates = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    yield Figure(name="GET …/status", value=median([ours for ours, _ in rates]), unit="/s", bound=3000, at_least=True)
    yield Figure(name="bare aiohttp handler, same bytes", value=median([bare for _, bare in rates]), unit="/s")
    ratio = median([ours / bare for ours, bare in rates])
    yield Figure(name="status / bare handler", value=ratio, unit="×", bound=0.5, at_least=True)


def _list(place: Ground) -> float:
    """Milliseconds that the server says it took, all pages together."""
    milliseconds, seen, cursor = 0.0, 0, ""
    while True:
        page = place.request("GET", f"/api/v1/runners?limit=1000{cursor}")
        milliseconds += float(page.headers["Server-Timing"].partition("dur=")[2])
        document = page.json()
        seen += len(document["items"])
        if document["next"] is None:
            break
        cursor = f"&cursor={document['next']}"
    if seen != _LISTED:
        raise RuntimeError(f"listed {seen} runners")
    return milliseconds


def _fill(path: Path) -> None:
    store = Store(path, clock=SystemClock(), rng=random.Random(1), host=os.uname().nodename)
    for number in range(_LISTED):
        spec = RunnerSpec.of(name=f"listed-{number}", scope=Scope.of(repo=REPO), labels="self-hosted,linux,x64")
        runner = store.admit(spec, root=Path("/nowhere"))
        # Stopped ones, which a server leaves as they are.
        store.transition(runner, RunnerState.REGISTERED, RunnerState.STARTING, RunnerState.STOPPED)
    store.close()


@contextmanager
def _bare(body: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.bare", str(port), str(body)])
    try:
        _pin(process.pid, _cores()[0])
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=10)


def _cores() -> tuple[int, int]:
    """One for the server, one for the load; the same where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


def _pin(pid: int, cpu: int) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {cpu})

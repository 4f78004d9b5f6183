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
from runnerctl.core.store import Store

from .figure import Figure, median
from .ground import REPO, Ground, ground

_SECONDS = 3.0
_ROUNDS = 3
_CONNECTIONS = 16
_LISTED = 5000


def measure(top: Path) -> Iterator[Figure]:
    with ground(top) as place, _bare() as bare_port:
        place.create("watched")
        server_cpu, client_cpu = _cores()
        _pin(place.server_pid, server_cpu)
        port = urlsplit(place.url).port or 0
        ours, bare = [], []
        for _ in range(_ROUNDS):
            ours.append(_rate(port, place.token, client_cpu))
            bare.append(_rate(bare_port, place.token, client_cpu))
        yield Figure(name="GET …/status", value=median(ours), unit="/s", bound=3000, at_least=True)
        yield Figure(name="bare aiohttp handler", value=median(bare), unit="/s")
        ratio = median([mine / theirs for mine, theirs in zip(ours, bare, strict=True)])
        yield Figure(name="status / bare handler", value=ratio, unit="×", bound=0.5, at_least=True)
        place.remove("watched")
        _fill(place.top / "state" / "runnerctl.db")
        yield Figure(
            name="5,000 runners in 5 pages", value=median([_list(place) for _ in range(5)]), unit="ms", bound=60
        )


def _list(place: Ground) -> float:
    """Milliseconds between the requests sent and their answers received, all pages together."""
    milliseconds, seen, cursor = 0.0, 0, ""
    while True:
        page = place.request("GET", f"/api/v1/runners?limit=1000{cursor}")
        milliseconds += 1000 * page.elapsed.total_seconds()
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
        store.admit(spec, root=Path("/nowhere"))
    store.close()


def _rate(port: int, token: str, cpu: int) -> float:
    order = {
        "host": "127.0.0.1",
        "port": port,
        "path": "/api/v1/runners/watched/status",
        "token": token,
        "seconds": _SECONDS,
        "connections": _CONNECTIONS,
        "cpu": cpu,
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", json.dumps(order)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


@contextmanager
def _bare() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.bare", str(port)])
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

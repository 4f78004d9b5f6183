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

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.models import RunnerSpec, Scope
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.store import Store

from .figure import Figure, median
from .ground import REPO, Ground, ground

_NAMES = [f"watched-{number}" for number in range(16)]
_SECONDS = 0.4
_ROUNDS = 20
_CONNECTIONS = 16
_LISTED = 5000


def measure(top: Path) -> Iterator[Figure]:
    with ground(top) as place:
        for name in _NAMES:
            place.create(name)
        body = top / "body"
        body.write_bytes(place.request("GET", _path(_NAMES[0])).content)
        yield from _beside_bare(place, body)
        for name in _NAMES:
            place.remove(name)
        _fill(top / "state" / "runnerctl.db")
        milliseconds = median([_list(place) for _ in range(5)])
        yield Figure(name="5,000 runners in 5 pages", value=milliseconds, unit="ms", bound=60)


def _beside_bare(place: Ground, body: Path) -> Iterator[Figure]:
    """Both servers on one core, the load on another: all ask for one runner, then each for its own."""
    server_cpu, client_cpu = _cores()
    _pin(place.server_pid, server_cpu)
    with _bare(body) as bare_port:
        ours, paths = urlsplit(place.url).port, [_path(name) for name in _NAMES]
        asked = ((ours, paths[:1]), (ours, paths), (bare_port, paths))
        order = {
            "targets": [{"port": port, "paths": each, "token": place.token} for port, each in asked],
            "rounds": _ROUNDS,
            "seconds": _SECONDS,
            "connections": _CONNECTIONS,
            "cpu": client_cpu,
        }
        argv = [sys.executable, "-m", "benchmarks.load", json.dumps(order)]
        rates = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    yield Figure(name="bare aiohttp handler, same bytes", value=median([bare for *_, bare in rates]), unit="/s")
    # Those who ask for one runner in one turn of the loop share a look; for 16 each must look.
    for column, (name, bound) in enumerate((("GET …/status of one runner", 0.55), ("GET …/status of 16 runners", 0.5))):
        rate = median([each[column] for each in rates])
        ratio = median([each[column] / each[-1] for each in rates])
        yield Figure(name=name, value=rate, unit="/s", bound=3000, at_least=True)
        yield Figure(name=f"{name} / bare", value=ratio, unit="×", bound=bound, at_least=True)


def _path(name: str) -> str:
    return f"/api/v1/runners/{name}/status"


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

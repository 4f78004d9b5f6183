"""What it costs to know how all runners are: a sweep of a thousand, a server that only watches, and how soon it sees
a process die.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from runnerctl.core.backends.registry import handle_of
from runnerctl.core.domain.models import Runner, RunnerSpec, Scope
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import sweep
from runnerctl.core.engine.github_side.registration_poller import RegistrationPoller
from runnerctl.core.host import processes
from runnerctl.core.services import Services
from runnerctl.core.settings import load as settings

from .figure import Figure, median, percentile
from .ground import REPO, GitHubProcess, Ground, github, ground

SWEPT = 1000
WATCHED = 200
_ROUNDS = 5
_IDLE_SECONDS = 65.0
"""Longer than from one listing at GitHub to the next."""
_DEATHS = 20
_LOOK_SECONDS = 0.001


def measure(top: Path) -> Iterator[Figure]:
    swept, watched = top / "swept", top / "watched"
    swept.mkdir()
    watched.mkdir()
    yield from _sweep(swept)
    names = [f"watched-{number}" for number in range(WATCHED)]
    with ground(watched) as place, ThreadPoolExecutor(16) as pool:
        list(pool.map(place.create, names))
        yield from _idle(place)
        yield from _deaths(place, random.Random(1).sample(names, 2 * _DEATHS))
        list(pool.map(place.remove, names))


# A sweep


def _sweep(top: Path) -> Iterator[Figure]:
    with ExitStack() as stack:
        sandbox = stack.enter_context(github(top))
        services = Services.open(settings.load(environ=_variables(top, sandbox)))
        stack.callback(services.close)
        stack.enter_context(_idle_runners(services))
        seconds, calls = [], []
        for _ in range(_ROUNDS):
            # A new one lists GitHub at once, as the first sweep of every process does.
            poller, asked, began = RegistrationPoller(services), sandbox.calls(), time.process_time()
            found = sweep.sweep(services, poller)
            seconds.append(time.process_time() - began)
            calls.append(sandbox.calls() - asked)
            if found.findings:
                raise RuntimeError(f"not all were idle: {found.findings[0]}")
    yield Figure(name=f"sweep of {SWEPT:,} idle, CPU, first", value=seconds[0], unit="s", bound=0.5)
    yield Figure(name=f"sweep of {SWEPT:,} idle, CPU, p50", value=median(seconds), unit="s", bound=0.5)
    yield Figure(name=f"sweep of {SWEPT:,} idle, GitHub calls", value=max(calls), unit="calls", bound=10)


def _variables(top: Path, sandbox: GitHubProcess) -> dict[str, str]:
    directories = {"RUNNERCTL_STATE_DIR": top / "state", "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": top / "runners"}
    return {**sandbox.variables, **{name: str(path) for name, path in directories.items()}}


@contextmanager
def _idle_runners(services: Services) -> Iterator[None]:
    """Registered, on record and alive, except that something cheaper than a Listener lives under each."""
    pids: list[int] = []
    try:
        for number in range(SWEPT):
            supervisor, listener = (_sleeper() for _ in range(2))
            pids += [supervisor, listener]
            runner = _admitted(services, f"swept-{number}")
            run_dir = services.settings.state_dir / "runners" / runner.id
            _write_record(run_dir, runner, supervisor=supervisor, listener=listener)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _sleeper() -> int:
    return os.posix_spawnp("sleep", ["sleep", "infinity"], {"PATH": os.environ.get("PATH", "/bin:/usr/bin")})


def _admitted(services: Services, name: str) -> Runner:
    spec = RunnerSpec.of(name=name, scope=Scope.of(repo=REPO), labels="self-hosted,linux,x64")
    runner = services.store.admit(spec, root=services.root(name))
    jit = services.github.generate_jitconfig(
        runner.scope, name=name, group_id=1, labels=runner.labels, workdir=runner.workdir
    )
    now = services.clock.now()
    states = (RunnerState.REGISTERED, RunnerState.STARTING, RunnerState.IDLE)
    return services.store.transition(
        runner, *states, asked_at=now, started_at=now, github_id=jit.runner.id, handle=handle_of(runner)
    )


def _write_record(run_dir: Path, runner: Runner, *, supervisor: int, listener: int) -> None:
    run_dir.mkdir(parents=True)
    document = {
        "id": runner.id,
        "boot_id": processes.boot_id(),
        "supervisor": _identity(supervisor),
        "listener": _identity(listener),
        "phase": "listening",
        "online_at": runner.started_at,
    }
    (run_dir / "supervisor.json").write_text(json.dumps(document))


def _identity(pid: int) -> dict[str, int]:
    seen = processes.identify(pid)
    assert seen is not None
    return {"pid": seen.pid, "start_ticks": seen.start_ticks}


# A server that only watches


def _idle(place: Ground) -> Iterator[Figure]:
    _wait_until_all_listen(place)
    began, before = time.monotonic(), _cpu_seconds(place.server_pid)
    time.sleep(_IDLE_SECONDS)
    share = (_cpu_seconds(place.server_pid) - before) / (time.monotonic() - began)
    yield Figure(name=f"idle server, {WATCHED} runners, CPU", value=100 * share, unit="%", bound=1)


def _wait_until_all_listen(place: Ground) -> None:
    deadline = time.monotonic() + 120
    while len(place.request("GET", "/api/v1/runners?state=idle&limit=1000").json()["items"]) < WATCHED:
        if time.monotonic() > deadline:
            raise RuntimeError("not all came online")
        time.sleep(0.2)


def _cpu_seconds(pid: int) -> float:
    """To the nanosecond, of all its threads."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


# Deaths


def _deaths(place: Ground, names: list[str]) -> Iterator[Figure]:
    half = len(names) // 2
    with closing(sqlite3.connect(place.top / "state" / "runnerctl.db", isolation_level=None)) as db:
        written = [_until_written_down(place, db, name) for name in names[:half]]
        replaced = [_until_replaced(place, db, name) for name in names[half:]]
    for what, seconds, bound in (
        ("Listener's death, in the row", written, 100),
        ("supervisor's death, noticed", [noticed for noticed, _ in replaced], 100),
        ("supervisor's death, replaced", [done for _, done in replaced], None),
    ):
        yield Figure(name=f"{what}, p50", value=1000 * median(seconds), unit="ms")
        yield Figure(name=f"{what}, p95", value=1000 * percentile(seconds, 0.95), unit="ms", bound=bound)


def _until_written_down(place: Ground, db: sqlite3.Connection, name: str) -> float:
    """Seconds from the death of its Listener until its row says that it is not idle any more."""
    record = _record(place, db, name)
    query, values = "SELECT 1 FROM runner WHERE id = ? AND state = 'idle'", (record["id"],)
    died_at = _kill(record["listener"]["pid"])
    return _wait(lambda: db.execute(query, values).fetchone() is None) - died_at


def _until_replaced(place: Ground, db: sqlite3.Connection, name: str) -> tuple[float, float]:
    """Seconds from the death of its supervisor until there is another one, and until that one is on record."""
    before = _record(place, db, name)["supervisor"]
    died_at = _kill(before["pid"])
    done_at = _wait(lambda: bool(_record(place, db, name)["supervisor"] != before))
    started_at = _record(place, db, name)["supervisor"]["start_ticks"] / os.sysconf("SC_CLK_TCK")
    return max(0.0, started_at - died_at), done_at - died_at


def _record(place: Ground, db: sqlite3.Connection, name: str) -> dict[str, Any]:
    life = db.execute("SELECT id FROM runner WHERE name = ? ORDER BY seq DESC LIMIT 1", (name,)).fetchone()[0]
    document: dict[str, Any] = json.loads((place.runs / life / "supervisor.json").read_bytes())
    return document


def _now() -> float:
    """As the kernel counts when a process was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _kill(pid: int) -> float:
    time.sleep(0.5)  # so that no death waits for what the last one began
    os.kill(pid, signal.SIGKILL)
    return _now()


def _wait(noticed: Callable[[], bool]) -> float:
    """When it came true."""
    deadline = _now() + 30
    while not noticed():
        if _now() > deadline:
            raise RuntimeError("a death was not noticed")
        time.sleep(_LOOK_SECONDS)
    return _now()

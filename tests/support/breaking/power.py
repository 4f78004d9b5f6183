"""A machine under load whose power goes: everything stands still at one instant, and never moves again.

What is on its disk then is what the next boot finds, except for what was written and not yet synced.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from runnerctl.core.domain.models import ProcessId, Runner
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.host import processes
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, Server, until

REPO = "acme/widgets"
NAMES = tuple(f"r{number}" for number in range(6))
_CLIENTS = 4
_WAL_HEADER, _FRAME_HEADER = 32, 24


class Load:
    """Clients of one server that make, stop, start and remove runners and give them jobs, until it answers no more."""

    def __init__(self, server: Server, sandbox: Sandbox, rng: random.Random) -> None:
        self._server = server
        self._sandbox = sandbox
        self._over = threading.Event()
        seeds = [rng.random() for _ in range(_CLIENTS)]
        self._threads = [threading.Thread(target=self._work, args=(random.Random(seed),)) for seed in seeds]
        self.answers = 0

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _work(self, rng: random.Random) -> None:
        while not self._over.is_set():
            try:
                self._step(rng, rng.choice(NAMES))
            except requests.RequestException:
                return
            self.answers += 1

    def _step(self, rng: random.Random, name: str) -> None:
        chance = rng.random()
        if chance < 0.5:
            self._server.create(name, ephemeral=rng.random() < 0.5)
        elif chance < 0.65:
            self._sandbox.submit_job(REPO, [name], [{"run": "sleep 0.3"}])
        elif chance < 0.8:
            verb = rng.choice(("start", "stop", "stop?now=true"))
            self._server.request("POST", f"/api/v1/runners/{name}/{verb}")
        else:
            self._server.remove(name, rng.choice(("", "?force=true", "?drain=true")))


@contextmanager
def standstill(host: Host, server: Server) -> Iterator[None]:
    """Nobody writes meanwhile; then everybody is killed, and none of them ever runs again."""
    stopped: set[int] = set()
    while new := _writers(host, server) - stopped:
        for pid in new:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        _until_they_stand(new)
        stopped |= new
    try:
        yield
    finally:
        # The youngest first: the kernel lets a stopped process go on when its parent dies.
        for pid in sorted(stopped, key=_age):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        server.process.wait()
        until(lambda: not host.processes())


def _until_they_stand(pids: set[int]) -> None:
    """A signal is only sent: what is inside a system call may still write, or fork, until it returns from it."""
    deadline = time.monotonic() + 2.0  # one that waits for its child of a vfork stands, too, and does not show it
    while time.monotonic() < deadline and not all(_stands(pid) for pid in pids):
        time.sleep(0.001)


def _stands(pid: int) -> bool:
    """Every thread of it, or it is gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        states = [(thread / "stat").read_bytes().rpartition(b") ")[2][:1] for thread in threads]
        return set(states) <= {b"T", b"t", b"Z", b"X"}
    return not Path(f"/proc/{pid}").exists()


def _age(pid: int) -> tuple[int, int]:
    seen = processes.stat(pid)
    return (-seen[2] if seen else 0, -pid)


def _writers(host: Host, server: Server) -> set[int]:
    """The server and what it just started, the supervisors, and all that runs for a runner."""
    ours = {server.process.pid, *host.processes(), *host.reapers()}
    ours |= {below for pid in ours for below in processes.descendants(pid)}
    return {pid for pid in ours if processes.identify(pid) is not None}


def copy_database(state_dir: Path, target: Path) -> Path:
    """The database as it lies, with its journal; returns the copy."""
    target.mkdir()
    for path in state_dir.glob("runnerctl.db*"):
        shutil.copy(path, target)
    return target / "runnerctl.db"


def lose_unsynced(host: Host, runners: list[Runner], rng: random.Random) -> None:
    """What no commit forced to the disk may be missing after a power cut, empty, or half there."""
    for runner in runners:
        run_dir = host.state_dir / "runners" / runner.id
        for name in ("supervisor.json", "launch.json", "runner.log"):
            if rng.random() < 0.2:
                _damage(run_dir / name, rng)
        # The rename that publishes a root is on the disk with the next commit.
        root, unpublished = host.base_dir / runner.name, host.base_dir / f".new-{runner.id}"
        if runner.state is RunnerState.PENDING and root.exists() and rng.random() < 0.5:
            root.rename(unpublished)
    for name in ("tokens", "releases.json"):
        if rng.random() < 0.2:
            _damage(host.state_dir / name, rng)


def boot_anew(host: Host, stranger: ProcessId) -> None:
    """What the records say is of the boot before; each pid in them is a stranger's by now, to the tick."""
    now_its = {"pid": stranger.pid, "start_ticks": stranger.start_ticks}
    for path in (host.state_dir / "runners").glob("*/supervisor.json"):
        with suppress(ValueError):  # an earlier cut may have left half of it
            record = json.loads(path.read_text())
            taken = {who: now_its for who in ("supervisor", "listener") if record.get(who)}
            path.write_text(json.dumps({**record, **taken, "boot_id": "the one before"}))


def _damage(path: Path, rng: random.Random) -> None:
    with suppress(FileNotFoundError):
        if rng.random() < 0.3:
            path.unlink()
        else:
            os.truncate(path, rng.randrange(path.stat().st_size + 1))


def last_transaction(journal: bytes) -> tuple[int, int]:
    """From which byte to which the last commit stands in a write-ahead log."""
    (page_size,) = struct.unpack_from(">I", journal, 8)
    salts = journal[16:24]
    ends = [_WAL_HEADER]
    for at in range(_WAL_HEADER, len(journal) - page_size, _FRAME_HEADER + page_size):
        _, pages_after = struct.unpack_from(">II", journal, at)
        if journal[at + 8 : at + 16] != salts:
            break  # what an older round of the journal left
        if pages_after:
            ends.append(at + _FRAME_HEADER + page_size)
    return ends[-2], ends[-1]


def give_up_jobs(sandbox: Sandbox) -> None:
    """As GitHub does after minutes, when nobody answers for a job any more."""
    deadline = time.monotonic() + 10
    while any(job.status != "completed" for job in sandbox.jobs()) and time.monotonic() < deadline:
        for job in sandbox.jobs():
            sandbox.cancel_job(job.id)
        time.sleep(0.02)

"""A machine under load whose power goes: everything stands still at one instant, and never moves again.

What is on its disk then is what the next boot finds, except for what was written and not yet synced.
"""

from __future__ import annotations

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

from runnerctl.core import processes
from runnerctl.core.models import Runner
from runnerctl.core.states import RunnerState
from runnerctl.sandbox import Sandbox
from tests.host import Host, Server, until

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
        stopped |= new
    try:
        yield
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        server.process.wait()
        until(lambda: not host.processes())


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

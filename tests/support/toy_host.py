"""Toys at the engine's ports: a backend, a GitHub and a package store in memory, under the real store and engine.

A port does at once what it is asked for, unless a test gave it something to do before: wait, count or fail.
"""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from runnerctl.core.backends.base import Accepted, Capabilities, Jit, Left, Provision, StopLadder
from runnerctl.core.domain.clock import Clock, SystemClock
from runnerctl.core.domain.meter import Meter
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.observation import NOTHING, Observation, Outcome, Phase
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.github.answers import Asset, Download, JitConfig, RemoteRunner
from runnerctl.core.github.answers import Release as GitHubRelease
from runnerctl.core.host.locks import LockHeld
from runnerctl.core.packages.releases import Release, platform_of_machine
from runnerctl.core.packages.store import Package
from runnerctl.core.store import Store
from runnerctl.core.store.runner_events import RunnerEvents
from tests.support.hosts.stores import spec

VERSION = "2.336.0"
RUNS = Observation(running=True, supervised=True, pid=5, phase=Phase.LISTENING, online_at=1.0, working=False)
WORKS = RUNS._replace(phase=Phase.BUSY, working=True)
STOPPED = NOTHING._replace(phase=Phase.EXITED, ended=True, outcome=Outcome.STOPPED)

Before = Callable[[str], None]
"""Is told whom a port was asked about, before the port does it."""


def nothing(_: str) -> None:
    """By default."""


class Hands:
    """Counts how many threads are in a port at the same time, for each whom it was asked about and in all."""

    def __init__(self, before: Before = nothing) -> None:
        self._before = before
        self._lock = threading.Lock()
        self._inside: defaultdict[str, int] = defaultdict(int)
        self.most_of_one = 0
        self.most = 0
        self.calls = 0

    def __call__(self, name: str) -> None:
        with self._lock:
            self.calls += 1
            self._inside[name] += 1
            self.most_of_one = max(self.most_of_one, self._inside[name])
            self.most = max(self.most, sum(self._inside.values()))
        try:
            self._before(name)
        finally:
            with self._lock:
                self._inside[name] -= 1


@dataclass(kw_only=True)
class ToyBackend:
    """Its handles are the runners' ids."""

    shown: dict[str, Observation] = field(default_factory=dict)
    told: list[tuple[str, str]] = field(default_factory=list)
    """(what was asked of it that changes something, of whom), in order."""
    before_observe: Before = nothing
    before_provision: Before = nothing
    before_launch: Before = nothing
    name = "toy"
    capabilities = Capabilities(persistent=True, isolation=True, limits=True, adoption=True, package=True)

    def observe(self, handle: str) -> Observation:
        self.before_observe(handle)
        return self.shown.get(handle, NOTHING)

    def working(self, handle: str) -> bool:
        return bool(self.shown.get(handle, NOTHING).working)

    def accepted(self, handle: str) -> int | bool | None:
        return handle in self.shown

    def provision(self, asked: Provision) -> str:
        self.before_provision(asked.runner_id)
        return self._done("provision", asked.runner_id)

    def accept(self, handle: str, _identity: Jit) -> Accepted:
        return Accepted(self._done("accept", handle))

    @contextmanager
    def prepare(self, _handle: str) -> Iterator[None]:
        yield

    def launch(self, handle: str, **_: object) -> str:
        self.before_launch(handle)
        self.shown[handle] = RUNS
        return self._done("launch", handle)

    def drain(self, handle: str) -> None:
        self._done("drain", handle)

    def interrupt(self, handle: str) -> None:
        self._done("interrupt", handle)
        self.shown[handle] = self.shown[handle]._replace(stop_asked=True)

    def kill(self, handle: str) -> None:
        self._done("kill", handle)
        self.shown.pop(handle, None)

    def cleanup(self, handle: str) -> Sequence[Left]:
        self._done("cleanup", handle)
        return ()

    def _done(self, what: str, handle: str) -> str:
        self.told.append((what, handle))
        return handle


@dataclass(kw_only=True)
class ToyGitHub:
    """Knows every runner that it was asked to make."""

    before_delete: Before = nothing
    deleted: list[int] = field(default_factory=list)
    _ids: Iterator[int] = field(default_factory=lambda: iter(range(100, 10_000)))

    def delete_runner(self, _scope: object, github_id: int) -> bool:
        self.before_delete(str(github_id))
        self.deleted.append(github_id)
        return True

    def group_id(self, _scope: object, _group: str | None) -> int:
        return 1

    def generate_jitconfig(self, _scope: object, *, name: str, labels: tuple[str, ...], **_: Any) -> JitConfig:
        made = RemoteRunner(
            id=next(self._ids),
            name=name,
            os="linux",
            status="offline",
            busy=False,
            labels=labels,
            ephemeral=True,
            version=None,
            group_id=1,
        )
        return JitConfig(runner=made, encoded="e30=")

    def downloads(self, _scope: object) -> list[Download]:
        os_, _, architecture = platform_of_machine().partition("-")
        file_name = f"actions-runner-{os_}-{architecture}-{VERSION}.tar.gz"
        url = f"https://github.invalid/{file_name}"
        offered = Download(
            os=os_, architecture=architecture, url=url, filename=file_name, sha256="0" * 64, temp_token=None
        )
        return [offered]

    def release(self, version: str) -> GitHubRelease:
        name = f"actions-runner-{platform_of_machine()}-{version}.tar.gz"
        asset = Asset(name=name, url=f"https://github.invalid/{name}", size=1, digest=f"sha256:{'0' * 64}")
        return GitHubRelease(version=version, prerelease=False, body="", assets=(asset,))


@dataclass(kw_only=True)
class ToyPackages:
    """Fetches once; then it is there."""

    path: Path
    before_fetch: Before = nothing
    fetched: list[str] = field(default_factory=list)
    removed_by_another: set[str] = field(default_factory=set)
    """Versions that another process has locked to remove them."""
    fetched_by_another: set[str] = field(default_factory=set)
    """The same, to fetch them."""
    before_kept: Callable[[], None] = lambda: None
    met: list[str] = field(default_factory=list)
    """Each time that one of these was asked for."""

    def ready(self, version: str, platform: str) -> Package | None:
        return Package(version=version, platform=platform, path=self.path) if version in self.fetched else None

    @contextmanager
    def kept(self, version: str, _platform: str) -> Iterator[None]:
        self._meet(version, self.removed_by_another)
        self.before_kept()
        self.before_kept = lambda: None
        yield

    def fetch(self, release: Release, *, wait: float = 0.0, **_: object) -> Package:
        self._meet(release.version, self.fetched_by_another)
        assert wait == 0, "no step of the engine waits for another process's download"
        self.before_fetch(release.version)
        self.fetched.append(release.version)
        return Package(version=release.version, platform=release.platform, path=self.path)

    def _meet(self, version: str, locked: set[str]) -> None:
        if version in locked:
            self.met.append(version)
            raise LockHeld(f"Package {version} is locked", hint="Try again in a moment")


class ToyServices:
    """What the engine asks its services for."""

    def __init__(self, directory: Path, *, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.runner_events = RunnerEvents()
        self.meter = Meter()
        self.backend = ToyBackend()
        self.backends = SimpleNamespace(reach=lambda runner: (self.backend, runner.id), of=lambda _: self.backend)
        self.github = ToyGitHub()
        self.packages = ToyPackages(path=directory)
        self.ladder = StopLadder()
        self.row_locks = directory / "locks" / "rows.lock"
        self.store = Store(
            directory / "runnerctl.db",
            clock=self.clock,
            rng=random.Random(),
            host="here",
            notify=self.runner_events.notify,
        )
        self.settings = SimpleNamespace(
            state_dir=directory,
            start_timeout=120.0,
            stop=SimpleNamespace(force=30.0),
            drain_settle=60.0,
            remove_settle=3.0,
            public_repositories=True,
            replace_lost=False,
            github_urls=("https://api.github.invalid", "https://github.invalid"),
        )

    def admitted(self, name: str, *, version: str = VERSION) -> Runner:
        """In ``pending``."""
        asked = replace(spec(name), version=version)
        return self.store.admit(asked, root=Path("/x") / name, backend="toy")

    def running(self, name: str, *, shown: Observation = RUNS) -> Runner:
        """One that was started just now; its row says ``starting``, and its processes are ``shown``."""
        runner = self.admitted(name)
        started = self.store.transition(
            runner,
            RunnerState.REGISTERED,
            RunnerState.STARTING,
            handle=runner.id,
            asked_at=self.clock.now(),
            github_id=runner.seq,
            started_at=self.clock.now(),
        )
        self.backend.shown[runner.id] = shown
        return started

    def state(self, runner: Runner) -> RunnerState:
        current = self.store.get(runner.id)
        assert current is not None
        return current.state

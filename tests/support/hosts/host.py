"""A host for one test: its directories, its env file, its server, its command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from runnerctl import core
from runnerctl.core.domain.models import Runner, RunnerSpec, Scope
from runnerctl.core.host import cgroups, processes
from runnerctl.core.services import Services
from runnerctl.core.settings import load as settings
from tests.support.front_ends import described
from tests.support.hosts import warm
from tests.support.hosts.process_table import cmdline, is_fork_server, pids, read

SLOWNESS = float(os.environ.get("SLOWNESS", "1"))
"""How much longer than usual all may take, as on the machine of ``make e2e``."""
PATIENCE = 20.0 * SLOWNESS


def until(condition: Callable[[], Any], *, seconds: float = PATIENCE) -> Any:
    """The condition's first true value; fails the test when it does not come."""
    deadline = time.monotonic() + seconds
    while (began := time.monotonic()) < deadline:
        if value := condition():
            return value
        # A look that takes long must not keep what it waits for from its processor.
        time.sleep(max(0.01, 3 * (time.monotonic() - began)))
    raise AssertionError(f"did not come true in {seconds:g} s")


@dataclass(frozen=True, kw_only=True)
class Host:
    top: Path
    package_dir: Path
    github: Mapping[str, str] = field(repr=False)
    token: str = field(repr=False)

    @classmethod
    def make(cls, top: Path, *, package_dir: Path, github: Mapping[str, str], token: str) -> Host:
        host = cls(top=top, package_dir=package_dir, github=github, token=token)
        host.write_env_file()
        return host

    @property
    def state_dir(self) -> Path:
        return self.top / "state"

    @property
    def base_dir(self) -> Path:
        return self.top / "runners"

    @property
    def env_file(self) -> Path:
        return self.top / "runnerctl.env"

    def variables(self, **changes: str) -> dict[str, str]:
        """All settings of this host as variables; an empty change counts as unset."""
        return {
            **self.github,
            "RUNNERCTL_STATE_DIR": str(self.state_dir),
            "RUNNERCTL_PACKAGE_DIR": str(self.package_dir),
            "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": str(self.base_dir),
            "GITHUB_WFA_RUNNER_SERVER__API_TOKEN": self.token,
            "GITHUB_WFA_RUNNER_SERVER__BIND": "127.0.0.1:0",
            "RUNNERCTL_REMOVE_SETTLE": "0.2s",
            "RUNNERCTL_DRAIN_SETTLE": "0.2s",
            "RUNNERCTL_MIN_FREE_SPACE": "0",
            **changes,
        }

    def write_env_file(self, **changes: str) -> None:
        self.env_file.touch(mode=0o600)
        self.env_file.write_text("".join(f"{name}='{value}'\n" for name, value in self.variables(**changes).items()))

    def settings(self, **changes: str) -> settings.Settings:
        return settings.load(environ=self.variables(**changes))

    def services(self, **changes: str) -> Services:
        return Services.open(self.settings(**changes))

    def environment(self, **extra: str) -> dict[str, str]:
        """For processes of ours: secrets are in the env file only."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return {**kept, "RUNNERCTL_ENV_FILE": str(self.env_file), **extra}

    def cli(self, *argv: str, input: str | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
        """The real command line in a process of its own."""
        return warm.run(*argv, env=self.environment(**extra), cwd=self.top, input=input, timeout=60 * SLOWNESS)

    def cli_json(self, *argv: str, **extra: str) -> Any:
        return json.loads(self.cli("--output", "json", *argv, **extra).stdout)

    def spec(
        self, name: str, *, repo: str = "acme/widgets", labels: str = "self-hosted,linux", **more: Any
    ) -> RunnerSpec:
        return RunnerSpec.of(name=name, scope=Scope.of(repo=repo), labels=labels, **more)

    def roots(self) -> list[str]:
        """What is in the runners' directory, the package store and the empty trash aside."""
        left = sorted(path.name for path in self.base_dir.iterdir()) if self.base_dir.exists() else []
        trash = self.base_dir / ".trash"
        return [name for name in left if name != ".packages" and not (name == ".trash" and not any(trash.iterdir()))]

    def processes(self) -> list[int]:
        """Everything that still runs for any runner of this host. One pass over ``/proc``: this is asked often."""
        if not (marks := {f"{processes.LIFE_VARIABLE}={life}".encode() for life in self._lives()}):
            return []
        runs = str(self.state_dir / "runners").encode()
        return sorted(pid for pid in pids() if _carries(pid, marks) or _supervises(pid, runs))

    def cgroups(self) -> list[str]:
        """Those of this host's runners that are still there."""
        places = [place for life in self._lives() if (place := cgroups.place_for(life)) is not None]
        return [place for place in places if Path(place).exists()]

    def _lives(self) -> list[str]:
        runs = self.state_dir / "runners"
        return [path.name for path in runs.iterdir()] if runs.exists() else []

    def reapers(self) -> list[int]:
        """What the supervisors of this host started when their runners ended."""
        if not (lives := {life.encode() for life in self._lives()}):
            return []
        rows = {b"RUNNERCTL_ROW=" + life for life in lives}
        return [pid for pid in pids() if b"reap" in cmdline(pid).split(b"\0") and _carries(pid, rows)]

    def kill_everything(self) -> None:
        deadline = time.monotonic() + 5
        while (left := [*self.reapers(), *self.processes()]) and time.monotonic() < deadline:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.01)
        for place in self.cgroups():
            cgroups.kill(place)
            cgroups.remove(place, seconds=1.0)


def _carries(pid: int, marks: set[bytes]) -> bool:
    return not marks.isdisjoint(read(f"/proc/{pid}/environ").split(b"\0"))


def _supervises(pid: int, runs: bytes) -> bool:
    return runs in (words := cmdline(pid)) and b"supervisor" in words and not is_fork_server(pid)


def create(services: Services, spec: RunnerSpec, *, wait: core.Wait = core.Wait.NONE, **options: Any) -> Runner:
    """What a test does not need, it does not wait for."""
    options["wait"] = wait
    return core.finish(core.create_runner(services, spec, **options), clock=services.clock)


def remove(services: Services, name: str, **options: Any) -> core.Removal:
    return core.finish(core.remove_runner(services, name, **options), clock=services.clock)


def stop(services: Services, name: str, **options: Any) -> core.Stop:
    return core.finish(core.stop_runner(services, name, **options), clock=services.clock)


def start(services: Services, name: str, **options: Any) -> Runner:
    return core.finish(core.start_runner(services, name, **options), clock=services.clock)


@dataclass(kw_only=True)
class Server:
    """A ``runnerctl serve`` process, and a client of it."""

    process: subprocess.Popen[str]
    url: str
    token: str = field(repr=False)
    log: Path

    @classmethod
    def start(cls, host: Host, environment: Mapping[str, str], *, argv: Sequence[str] | None = None) -> Server:
        """``argv``: those of an interpreter that is started for it."""
        log = host.top / f"serve-{time.monotonic_ns()}.log"
        given: dict[str, Any] = {"env": host.environment(**environment), "cwd": host.top, "stdout": subprocess.PIPE}
        with log.open("w") as stream:
            if argv is None:
                process = warm.start("serve", stderr=stream, **given)
            else:
                process = subprocess.Popen([sys.executable, *argv], stderr=stream, text=True, **given)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Listening on "), f"{line!r} {log.read_text()}"
        return cls(process=process, url=line.split()[2], token=host.token, log=log)

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        answer = requests.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=60, **options)
        described.check(answer)
        return answer

    def create(self, name: str, headers: Mapping[str, str] | None = None, **fields: Any) -> requests.Response:
        """What a test does not need, it does not wait for."""
        body = {"repo": "acme/widgets", "name": name, "wait": "none", **fields}
        return self.request("POST", "/api/v1/runners", body, headers=headers or {})

    def status(self, name: str) -> Any:
        return self.request("GET", f"/api/v1/runners/{name}/status").json()

    def remove(self, name: str, query: str = "") -> requests.Response:
        return self.request("DELETE", f"/api/v1/runners/{name}{query}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

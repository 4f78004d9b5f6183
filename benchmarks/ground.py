"""A host to measure on: a sandbox GitHub in its own process, a warm server, an empty state."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import requests

from . import leftovers

REPO = "bench/bench"


@dataclass(kw_only=True)
class Ground:
    top: Path
    url: str
    token: str = field(repr=False)
    env_file: Path
    server_pid: int
    session: requests.Session = field(default_factory=requests.Session, repr=False)

    @property
    def runners(self) -> Path:
        return self.top / "runners"

    @property
    def runs(self) -> Path:
        return self.top / "state" / "runners"

    def request(self, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = self.session.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=120)
        answer.raise_for_status()
        return answer

    def create(self, name: str) -> requests.Response:
        return self.request("POST", "/api/v1/runners", {"repo": REPO, "name": name, "wait": "none"})

    def remove(self, name: str) -> None:
        self.request("DELETE", f"/api/v1/runners/{name}?force=true")


@dataclass(kw_only=True)
class Serving:
    """A server that may be killed and comes back; what its runners are in stays."""

    top: Path
    github: dict[str, str] = field(repr=False)
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    _url: str = ""
    _process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Serving:
        self._start(_env_file(self.top, self.github, self.token))
        return self

    def __exit__(self, *_: object) -> None:
        self._end(signal.SIGTERM)

    def restart(self, number: signal.Signals) -> None:
        self._end(number)
        self._start(self.top / "runnerctl.env")

    def request(self, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return requests.request(method, f"{self._url}{path}", json=body, headers=headers, timeout=60)

    def descriptors(self) -> Counter[str]:
        """What the server has open now, by kind."""
        assert self._process is not None
        return leftovers.descriptors(self._process.pid)

    def threads(self) -> int:
        assert self._process is not None
        return len(list(Path(f"/proc/{self._process.pid}/task").iterdir()))

    def _start(self, env_file: Path) -> None:
        argv = [sys.executable, "-m", "runnerctl", "--env-file", str(env_file), "serve"]
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
        with (self.top / "serve.log").open("a") as log:
            self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        self._url = _line(self._process).split()[-1]

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.communicate(timeout=60)


@dataclass(frozen=True, kw_only=True)
class GitHubProcess:
    """A sandbox whose work is not taken for ours."""

    variables: dict[str, str] = field(repr=False)
    control_url: str
    pat: str = field(repr=False)

    def calls(self) -> int:
        """How many it was asked so far."""
        headers = {"Authorization": f"Bearer {self.pat}"}
        return len(requests.get(f"{self.control_url}/calls", headers=headers, timeout=60).json())


@contextmanager
def github(top: Path, *, latency: float = 0.0, files: int = 0, size: int = 0) -> Iterator[GitHubProcess]:
    """It answers after ``latency`` seconds, and has a package of that many files and bytes."""
    shape = json.dumps({"latency": latency, "files": files, "size": size, "archive": str(top / "package.tar.gz")})
    with _process([sys.executable, "-m", "benchmarks.github", shape]) as process:
        yield GitHubProcess(**json.loads(_line(process)))


@contextmanager
def ground(top: Path, *, latency: float = 0.0, files: int = 0, size: int = 0) -> Iterator[Ground]:
    """A GitHub of that shape, and a server."""
    with github(top, latency=latency, files=files, size=size) as process:
        token = secrets.token_hex(32)
        env_file = _env_file(top, process.variables, token)
        argv = [sys.executable, "-m", "runnerctl", "--env-file", str(env_file), "serve"]
        with (top / "serve.log").open("w") as log, _process(argv, stderr=log) as server:
            url = _line(server).split()[-1]
            yield Ground(top=top, url=url, token=token, env_file=env_file, server_pid=server.pid)


def _env_file(top: Path, settings: dict[str, str], token: str) -> Path:
    variables = {
        **settings,
        "RUNNERCTL_STATE_DIR": str(top / "state"),
        "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": str(top / "runners"),
        "GITHUB_WFA_RUNNER_SERVER__API_TOKEN": token,
        "GITHUB_WFA_RUNNER_SERVER__BIND": "127.0.0.1:0",
    }
    path = top / "runnerctl.env"
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}='{value}'\n" for name, value in variables.items()))
    return path


@contextmanager
def _process(argv: list[str], stderr: IO[str] | None = None) -> Iterator[subprocess.Popen[str]]:
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stdin=subprocess.PIPE, stderr=stderr, text=True, env=environment
    )
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=30)


def _line(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise RuntimeError("a process ended before it was ready")
    return line

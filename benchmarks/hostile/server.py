"""The server that is attacked, with its limits or without them."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from .priority import FIRST, started

REPO = "hostile/work"
REFUSED = "hostile/refused"
"""GitHub makes no runner there."""
TENANTS = ("noisy", "other", "worker")
_UNLIMITED = (
    "from runnerctl.server import allowances as a, offload as o, refusals as r\n"
    "from runnerctl.server.auth import throttle as t\n"
    "from runnerctl.server.listening import admission as m, connections as c\n"
    "from runnerctl.core.access import budget as b\n"
    "a.REQUESTS_OF_ONE = a.MOST_REQUESTS = a.STREAMS_OF_ONE = a.MOST_STREAMS = 10**9\n"
    "r.TOLD_OF_ONE = r.TOLD_IN_ALL = m.MOST = m.MOST_OF_ONE = b.FREE_FAILURES = 10**9\n"
    "o._MOST_SLOW = o._MOST_WAITING = 10**9\n"
    "t._MOST_SECONDS = 0.0\n"
    "c.HEAD_SECONDS = 10**6\n"
)
_UNLIMITED_SETTINGS = {"RUNNERCTL_RATE_LIMIT": "1000000000", "RUNNERCTL_GITHUB_CALLS": "1000000000"}
_SERVE = "from runnerctl.cli.main import main\nmain(['--env-file', __import__('sys').argv[1], 'serve'])"
_LINE = "2026-11-24T03:57:14.123Z a line of a log that is long and says nothing at all\n"


@dataclass(kw_only=True)
class Target:
    """Where it is, and who may ask it."""

    top: Path
    url: str
    pid: int
    tokens: dict[str, str] = field(repr=False)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def memory(self) -> int:
        """The most that it ever had, in MB."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM:"))

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def target(top: Path, github: dict[str, str], *, limits: bool) -> Iterator[Target]:
    """A server that serves, with a runner of the tenant ``noisy`` whose log is large."""
    env_file = _env_file(top, {**github, **({} if limits else _UNLIMITED_SETTINGS)})
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    tokens = {name: _token(env_file, environment, name) for name in TENANTS}
    argv = [sys.executable, "-c", ("" if limits else _UNLIMITED) + _SERVE, str(env_file)]
    with (top / "serve.log").open("w") as log:
        process = started(argv, nice=FIRST, stderr=log, env=environment)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().split()[-1]
        _make_large_log(top, url, tokens["noisy"])
        yield Target(top=top, url=url, pid=process.pid, tokens=tokens)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        _end_runners(env_file, environment)


def _end_runners(env_file: Path, environment: dict[str, str]) -> None:
    """They outlive their server, whoever made them."""
    argv = [sys.executable, "-m", "runnerctl", "--env-file", str(env_file), "remove", "--all", "--force", "--yes"]
    subprocess.run(argv, env=environment, capture_output=True, timeout=300, check=False)


def _env_file(top: Path, given: dict[str, str]) -> Path:
    variables = {
        **given,
        "RUNNERCTL_STATE_DIR": str(top / "state"),
        "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": str(top / "runners"),
        "GITHUB_WFA_RUNNER_SERVER__API_TOKEN": secrets.token_hex(32),
        "GITHUB_WFA_RUNNER_SERVER__BIND": "127.0.0.1:0",
        "RUNNERCTL_AUDIT_SIZE": "1M",
        "RUNNERCTL_AUDIT_FILES": "1",
        "RUNNERCTL_MIN_FREE_SPACE": "0",
        "RUNNERCTL_LIMITS_NICE": "19",
    }
    env_file = top / "runnerctl.env"
    env_file.touch(mode=0o600)
    env_file.write_text("".join(f"{name}='{value}'\n" for name, value in variables.items()))
    return env_file


def _token(env_file: Path, environment: dict[str, str], name: str) -> str:
    rights = [word for right in ("runners:read", "runners:write", "logs:read") for word in ("--scope", right)]
    argv = [sys.executable, "-m", "runnerctl", "--env-file", str(env_file), "token", "create", name, *rights]
    limits = ["--repo", "hostile/*", "--name-pattern", f"{name}-*", "--max-runners", "20"]
    made = subprocess.run([*argv, *limits], env=environment, capture_output=True, text=True, check=True)
    return made.stdout.strip()


def _make_large_log(top: Path, url: str, token: str) -> None:
    made = requests.post(
        f"{url}/api/v1/runners",
        headers={"Authorization": f"Bearer {token}"},
        json={"repo": REPO, "name": "noisy-1"},
        timeout=60,
    )
    made.raise_for_status()
    deadline = time.monotonic() + 30
    while not (logs := list((top / "state" / "runners").glob("*/runner.log"))):
        assert time.monotonic() < deadline, "the runner has no log"
        time.sleep(0.05)
    for path in logs:
        path.write_text(_LINE * 30_000)

"""A host for one test, touched as its owner touches it: by commands, HTTP, signals and files."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.support.hosts import warm
from tests.support.hosts.process_table import is_fork_server

SLOWNESS = float(os.environ.get("SLOWNESS", "1"))
REPO = "acme/widgets"
PATIENCE = 30.0
"""Seconds for what must come at all; where a case is about how soon, it names its own."""
SOON = 12.0
"""For what nobody may hold up: sooner than any time-out ends, and late enough for a machine that does much else."""
_CLOCK = Path(__file__).with_name("shifted_clock")


def until(condition: Callable[[], Any], *, seconds: float = PATIENCE) -> Any:
    """The condition's first true value; fails the test when it does not come."""
    deadline = time.monotonic() + seconds * SLOWNESS
    while (began := time.monotonic()) < deadline:
        if value := condition():
            return value
        # A look that takes long, as a command does, must not keep what it waits for from its processor.
        time.sleep(max(0.02, 2 * (time.monotonic() - began)))
    raise AssertionError(f"did not come true in {seconds:g} s")


def stays(condition: Callable[[], Any], *, seconds: float) -> bool:
    """Whether it holds for all of that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not condition():
            return False
        time.sleep(0.02)
    return True


def alive(pid: int) -> bool:
    """A zombie is not."""
    return _state(pid) not in "ZX"


def _state(pid: int) -> str:
    """The kernel's letter for it; X for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


@dataclass(frozen=True)
class Clock:
    """How far ahead of ours it is, in a file that is replaced whole."""

    path: Path

    def set(self, seconds: float) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self.path)


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        return json.loads(self.stdout)

    @property
    def said(self) -> str:
        return self.stdout + self.stderr


@dataclass(frozen=True, kw_only=True)
class Machine:
    top: Path
    variables: dict[str, str] = field(repr=False)
    _begun: list[subprocess.Popen[str]] = field(default_factory=list, repr=False)
    _servers: list[Server] = field(default_factory=list, repr=False)

    @classmethod
    def make(cls, top: Path, *, package_dir: Path, github: Mapping[str, str], token: str) -> Machine:
        machine = cls(
            top=top,
            variables={
                **github,
                "RUNNERCTL_STATE_DIR": str(top / "state"),
                "RUNNERCTL_PACKAGE_DIR": str(package_dir),
                "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": str(top / "runners"),
                "GITHUB_WFA_RUNNER_SERVER__API_TOKEN": token,
                "GITHUB_WFA_RUNNER_SERVER__BIND": "127.0.0.1:0",
                "RUNNERCTL_REMOVE_SETTLE": "0.2s",
                "RUNNERCTL_DRAIN_SETTLE": "0.2s",
                "RUNNERCTL_MIN_FREE_SPACE": "0",
            },
        )
        machine.set()
        return machine

    @property
    def state_dir(self) -> Path:
        return self.top / "state"

    @property
    def base_dir(self) -> Path:
        return self.top / "runners"

    @property
    def env_file(self) -> Path:
        return self.top / "runnerctl.env"

    def set(self, **changes: str) -> None:
        """Writes the env file anew with these settings, too."""
        self.variables.update(changes)
        self.env_file.touch(mode=0o600)
        self.env_file.write_text("".join(f"{name}='{value}'\n" for name, value in self.variables.items()))

    def environment(self, *, ahead: float | Path | None = None) -> dict[str, str]:
        """``ahead``: seconds by which the process's clock is, or the file that tells them."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        shifted = {} if ahead is None else {"PYTHONPATH": str(_CLOCK), "CLOCK_AHEAD": str(ahead)}
        return {**kept, "RUNNERCTL_ENV_FILE": str(self.env_file), **shifted}

    # -- commands

    def begin(self, *argv: str, ahead: float | None = None, through: Sequence[str] = ()) -> subprocess.Popen[str]:
        """A command that is not waited for; ``through`` is a program that makes what it sees, and executes it."""
        given: dict[str, Any] = {
            "env": self.environment(ahead=ahead),
            "cwd": self.top,
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "process_group": 0,  # as a shell does: what belongs to no job of a shell cannot be stopped by Ctrl-Z
        }
        if through:
            command = [*through, sys.executable, "-m", "runnerctl", *argv]
            process = subprocess.Popen(command, text=True, **given)
        else:
            process = warm.start(*argv, **given)
        self._begun.append(process)
        return process

    def cli(self, *argv: str, ahead: float | None = None, seconds: float = 60.0, through: Sequence[str] = ()) -> Ran:
        """Fails the test if it takes longer than ``seconds``."""
        return ended(self.begin(*argv, ahead=ahead, through=through), seconds=seconds)

    def create(self, name: str, *more: str) -> Ran:
        """Must succeed."""
        ran = self.cli("create", name, "--repo", REPO, *more)
        assert ran.status == 0, ran
        return ran

    def status(self, name: str, *, ahead: float | None = None) -> Any:
        return self.cli("--output", "json", "status", name, ahead=ahead).document

    def clock(self) -> Clock:
        """For a server whose time goes on in leaps."""
        clock = Clock(self.top / "clock")
        clock.set(0)
        return clock

    def serve(self, *, ahead: Clock | None = None) -> Server:
        """A ``runnerctl serve`` of its own."""
        log = self.top / f"serve-{len(self._servers)}.log"
        with log.open("w") as stream:
            process = warm.start(
                "serve",
                env=self.environment(ahead=None if ahead is None else ahead.path),
                cwd=self.top,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stream,
            )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Listening on "), f"{line!r} {log.read_text()}"
        token = self.variables["GITHUB_WFA_RUNNER_SERVER__API_TOKEN"]
        self._servers.append(Server(process=process, url=line.split()[2], token=token, log=log))
        return self._servers[-1]

    def poke(self, message: bytes = b"{}") -> None:
        """What supervisors do when something has changed."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            directory = os.open(self.state_dir, os.O_PATH | os.O_DIRECTORY)
            try:
                sending.sendto(message, f"/proc/self/fd/{directory}/events.sock")
            finally:
                os.close(directory)

    # -- processes and files

    def root(self, name: str) -> Path:
        return self.base_dir / name

    def listener(self, name: str) -> int:
        """The pid, as the guide finds it."""
        return int(until(lambda: _text(self.root(name) / "runner.pid")))

    def workers(self) -> list[int]:
        """Those of all runners of this host."""
        return [pid for pid in self.processes() if _text(Path(f"/proc/{pid}/comm")) == "Runner.Worker"]

    def supervisors(self) -> list[int]:
        state = str(self.state_dir)
        found = [pid for pid in _pids() if "supervisor" in (words := _cmdline(pid)) and state in words]
        return [pid for pid in found if not is_fork_server(pid)]

    def processes(self) -> list[int]:
        """All that has to do with this host's directories, this test itself aside."""
        top = str(self.top)
        return [pid for pid in _pids() if pid != os.getpid() and (top in _cmdline(pid) or top in _environ(pid))]

    def close(self) -> None:
        for server in self._servers:
            server.stop()
        deadline = time.monotonic() + 5
        while (left := self.processes()) and time.monotonic() < deadline:
            for pid in left:
                kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        for process in self._begun:
            kill(process.pid, signal.SIGKILL)
            process.communicate()


@dataclass(kw_only=True)
class Server:
    """A ``runnerctl serve`` process, and a client of it."""

    process: subprocess.Popen[str]
    url: str
    token: str = field(repr=False)
    log: Path

    def request(self, method: str, path: str, body: Any = None, *, seconds: float = 60.0) -> requests.Response:
        """Each on a connection of its own."""
        return requests.request(
            method, f"{self.url}{path}", json=body, headers={"Authorization": f"Bearer {self.token}"}, timeout=seconds
        )

    def create(self, name: str, **fields: Any) -> requests.Response:
        return self.request("POST", "/api/v1/runners", {"repo": REPO, "name": name, **fields})

    def made(self, name: str, **fields: Any) -> Any:
        """Must succeed; it listens then."""
        answer = self.create(name, **{"wait": "online", **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def remove(self, name: str, query: str = "") -> requests.Response:
        return self.request("DELETE", f"/api/v1/runners/{name}{query}")

    def runner(self, name: str) -> Any:
        """What the row tells, and its history."""
        return self.request("GET", f"/api/v1/runners/{name}").json()

    def status(self, name: str) -> Any:
        return self.request("GET", f"/api/v1/runners/{name}/status").json()

    def recorded(self, name: str) -> str | None:
        """The state that is written down; no process is looked at."""
        items = self.request("GET", "/api/v1/runners?all=true").json()["items"]
        return next((str(item["state"]) for item in reversed(items) if item["name"] == name), None)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def ended(process: subprocess.Popen[str], *, seconds: float = 60.0) -> Ran:
    """How a command ended; fails the test if it takes longer."""
    try:
        stdout, stderr = process.communicate(timeout=seconds * SLOWNESS)
    except subprocess.TimeoutExpired:
        words = process.args if isinstance(process.args, list) else []
        raise AssertionError(f"{' '.join(map(str, words[3:]))!r} has not ended after {seconds:g} s") from None
    return Ran(status=process.returncode, stdout=stdout, stderr=stderr)


def kill(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def freeze(pid: int, number: signal.Signals = signal.SIGSTOP) -> None:
    """Returns once the process stands still."""
    os.kill(pid, number)
    until(lambda: _state(pid) in "TZX")


def holds_open(pid: int, below: Path) -> bool:
    """Whether that process has a file open below a directory."""
    return any(str(target).startswith(str(below)) for target in descriptors(pid))


def descriptors(pid: int) -> list[str]:
    """What the descriptors of a process lead to."""
    found = []
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.append(str(entry.readlink()))
    return found


def _pids() -> Iterable[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def _cmdline(pid: int) -> str:
    return _read(f"/proc/{pid}/cmdline")


def _environ(pid: int) -> str:
    return _read(f"/proc/{pid}/environ")


def _read(path: str) -> str:
    """Nothing of a process that has gone or is a zombie. Of every process, and often: no path, no buffer."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return ""
    try:
        with io.FileIO(descriptor) as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace").strip()
    except OSError:
        return ""

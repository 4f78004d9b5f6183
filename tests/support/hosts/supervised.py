"""A supervisor as the program that it is, around a Listener that is a script."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runnerctl.core.domain.models import ProcessId
from runnerctl.core.host import processes
from tests.support.places import REPOSITORY

PROGRAM = REPOSITORY / "runnerctl" / "supervisor" / "__main__.py"
PATIENCE = 15.0

_OBEDIENT = f"""#!{sys.executable} -ISB
import os, signal, time

def line(text):
    os.write(1, text.encode() + b"\\n")

def say(text):
    line("2026-11-24 03:57:14Z: " + text)

def stop(*_):
    line("Exiting...")
    os._exit(0)

def fork(act=lambda: None):
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        act()
        signal.pause()
    return pid

def worker():
    pid = fork(lambda: open("/proc/self/comm", "w").write("Runner.Worker"))
    while "Runner.Worker" not in open(f"/proc/{{pid}}/comm").read():
        pass
    return pid

def end(pid):
    os.kill(pid, 9)
    os.waitpid(pid, 0)

signal.signal(signal.SIGINT, stop)
"""
OBEDIENT = _OBEDIENT + 'say("Listening for Jobs")\nfor order in open("control"): exec(order)\nsignal.pause()\n'
"""Comes online, then does what the test writes to its control FIFO; SIGINT ends it."""


def until(condition: Callable[[], Any], *, what: str = "it") -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.005)
    return value


class Supervised:
    """A run directory, a root with one Listener, and what the supervisor says of them."""

    def __init__(self, directory: Path, listener: str = OBEDIENT, **launch: Any) -> None:
        self.life = f"t{os.getpid()}{directory.name}"
        self.root = directory / "root"
        self.run_dir = directory / "run"
        self.run_dir.mkdir(mode=0o700, parents=True)
        self.program = self.root / "bin" / "Runner.Listener"
        self.program.parent.mkdir(parents=True)
        self.program.write_text(listener)
        self.program.chmod(0o755)
        os.mkfifo(self.root / "control")
        self.control = os.open(self.root / "control", os.O_RDWR)
        (self.root / ".runner").touch()
        self.launch = self._launch(launch)
        self.report: dict[str, Any] = {}

    def _launch(self, changes: dict[str, Any]) -> dict[str, Any]:
        stop = {"interrupt_seconds": 10, "terminate_seconds": 10, "kill_seconds": 5, "shutdown_grace": 10}
        return {
            "id": self.life,
            "name": "runner",
            "root": str(self.root),
            "argv": [str(self.program), "run", "--startuptype", "service"],
            "ephemeral": False,
            "pid_file": str(self.run_dir / "runner.pid"),
            "events": None,
            "reap": None,
            "restart": {"seconds": 0.01, "limit": 2, "conflict_seconds": 0.01},
            "log": {"max_bytes": 10 * 1024 * 1024, "keep": 3},
            **changes,
            # Always marked: so is found what still runs at the end of a test.
            "env": {"PATH": "/usr/bin:/bin", "RUNNERCTL_LIFE": self.life, **changes.get("env", {})},
            "stop": {**stop, **changes.get("stop", {})},
        }

    def start(self, *, before: tuple[str, ...] = (), lease: int | None = None) -> subprocess.CompletedProcess[bytes]:
        (self.run_dir / "launch.json").write_text(json.dumps(self.launch))
        argv = [*before, sys.executable, "-I", "-S", "-B", str(PROGRAM), str(self.run_dir)]
        more = () if lease is None else ("--lease-fd", str(lease))
        kept = () if lease is None else (lease,)
        with subprocess.Popen(
            [*argv, *more], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, pass_fds=kept, env={}, cwd="/"
        ) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            rest = process.stdout.read()
        report = json.loads(line)
        self.report = report if "error" not in report else self.report
        return subprocess.CompletedProcess(argv, process.returncode, line, rest)

    def started(self, **options: Any) -> Supervised:
        result = self.start(**options)
        assert result.returncode == 0
        assert "error" not in json.loads(result.stdout), result.stdout
        return self

    def order(self, statement: str) -> None:
        os.write(self.control, f"{statement}\n".encode())

    def job(self, name: str = "build") -> None:
        # In this order, as actions/runner's JobDispatcher does: a Worker without a line is the last job's, late.
        self.order(f"say('Running job: {name}'); w = worker()")
        self.phase("busy")

    def job_ends(self, name: str = "build", result: str = "Succeeded") -> None:
        self.order(f"end(w); say('Job {name} completed with result: {result}')")

    @property
    def record(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.run_dir / "supervisor.json").read_bytes())
        return document

    @property
    def log(self) -> str:
        path = self.run_dir / "runner.log"
        return path.read_text() if path.exists() else ""

    def phase(self, phase: str) -> dict[str, Any]:
        until(lambda: self.record["phase"] == phase, what=f"phase {phase}")
        return self.record

    def logged(self, text: str) -> str:
        until(lambda: text in self.log, what=f"{text!r} in the log")
        return self.log

    @property
    def pid(self) -> int:
        pid: int = self.report["supervisor"]["pid"]
        return pid

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def process(self, who: str = "supervisor") -> ProcessId:
        return ProcessId(boot_id=self.report["boot_id"], **self.report[who])

    def ended(self) -> dict[str, Any]:
        """Waits for the end; the last word."""
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)
            try:
                poll = select.poll()
                poll.register(descriptor, select.POLLIN)
                assert poll.poll(PATIENCE * 1000), "the supervisor did not end"
            finally:
                os.close(descriptor)
        assert self.record["ended"]
        return self.record

    def close(self) -> None:
        if self.report and processes.alive(self.process()):
            os.kill(self.pid, signal.SIGKILL)
        for pid in processes.marked(self.life):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os.close(self.control)

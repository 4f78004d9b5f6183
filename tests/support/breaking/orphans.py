"""Runners whose supervisor is taken away from them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runnerctl.core.backends.process import ProcessBackend, StopLadder
from runnerctl.core.domain.models import ProcessId
from runnerctl.core.host import cgroups, processes
from tests.conftest import NEEDS_ROOT
from tests.support.hosts.supervised import OBEDIENT, PROGRAM, Supervised, until

_WORKER = """
def long_worker():
    def act():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        open("/proc/self/comm", "w").write("Runner.Worker")
        open("working", "w").write(str(os.getpid()))
        while not os.path.exists("go"): time.sleep(0.005)
        open("finished", "w").close()
        os._exit(0)
    return fork(act)

def shell(script, environment):
    fork(lambda: os.execve("/bin/sh", ["sh", "-c", script], environment))

def python(script):
    fork(lambda: (os.setsid(), os.execve(sys.executable, [sys.executable, "-ISBc", script], {})))
"""
LISTENER = OBEDIENT.replace("import os, signal, time\n", "import os, signal, sys, time\n" + _WORKER)


class Orphan(Supervised):
    """Its run directory is where a backend looks for it."""

    def __init__(self, directory: Path, listener: str = LISTENER, **launch: Any) -> None:
        super().__init__(directory, listener, **launch)
        self.run_dir = self.run_dir.rename(directory / self.life)
        self.launch["pid_file"] = str(self.run_dir / "runner.pid")
        self.backend = ProcessBackend(
            runs_dir=directory,
            events=directory / "events.sock",
            ladder=StopLadder(),
            reap_argv=(),
            reap_environment={},
            user_agent="tests/1.0",
        )

    @property
    def cgroup(self) -> Path:
        place = cgroups.place_for(self.life)
        if place is None:
            pytest.skip(f"{NEEDS_ROOT}: no cgroup can be made here")
        return Path(place)

    def marked_by_cgroup(self) -> Orphan:
        self.launch["cgroup"] = str(self.cgroup)
        return self

    def loses_its_supervisor(self) -> Orphan:
        os.kill(self.pid, signal.SIGKILL)
        until(lambda: not processes.alive(self.process()))
        return self

    def loses_its_listener(self) -> Orphan:
        os.kill(self.process("listener").pid, signal.SIGKILL)
        until(lambda: not processes.alive(self.process("listener")))
        return self

    def adopt(self) -> subprocess.CompletedProcess[bytes]:
        """What ``--adopt`` answers; a report is remembered."""
        argv = [sys.executable, "-I", "-S", "-B", str(PROGRAM), str(self.run_dir), "--adopt"]
        result = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, env={}, cwd="/", check=False)
        report = json.loads(result.stdout)
        self.report = report if "error" not in report else self.report
        return result

    def adopted(self) -> Orphan:
        result = self.adopt()
        assert result.returncode == 0, result.stdout
        assert "error" not in json.loads(result.stdout), result.stdout
        return self

    def long_job(self, name: str = "build") -> ProcessId:
        """A job that runs until it is allowed to finish; its Worker."""
        self.phase("listening")
        self.order(f"w = long_worker(); say('Running job: {name}')")
        self.phase("busy")
        pid = until(lambda: (self.root / "working").exists() and (self.root / "working").read_text())
        found = processes.identify(int(pid))
        assert found is not None
        return found

    def may_finish(self) -> None:
        (self.root / "go").touch()

    def close(self) -> None:
        place = self.launch.get("cgroup")
        with contextlib.suppress(OSError):
            super().close()
        if place is not None:
            cgroups.kill(place)
            cgroups.remove(place, seconds=1.0)


@pytest.fixture
def orphan(tmp_path: Path) -> Iterator[Callable[..., Orphan]]:
    made: list[Orphan] = []

    def make(listener: str = LISTENER, **launch: Any) -> Orphan:
        made.append(Orphan(tmp_path / str(len(made)), listener, **launch))
        return made[-1]

    yield make
    for each in made:
        each.close()

"""runnerctl as the first process of a PID namespace with a ``/proc`` of its own, as in a container."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import NEEDS_ROOT
from tests.support.hosts.host import Host, Server, until

_UNSHARE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


@dataclass(frozen=True, kw_only=True)
class Container:
    """``outside`` is the process that entered it, and ends with its first process, and like it."""

    outside: subprocess.Popen[str]
    log: Path

    @property
    def first(self) -> int:
        """Its first process, by the id that it has outside."""
        return _only_child(self.outside.pid)

    @property
    def child(self) -> int:
        """The program itself."""
        return _only_child(self.first)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.first, number)

    def zombies(self) -> list[str]:
        """The dead in there that nobody has waited for: their names."""
        return [name for name, state, _ in self._processes() if state == "Z"]

    def children_of_first(self) -> list[str]:
        return [name for name, _, parent in self._processes() if parent == 1]

    def _processes(self) -> Iterator[tuple[str, str, int]]:
        """(name, state, parent in there)."""
        inside = ("nsenter", "--target", str(self.first), "--pid", "--mount", "sh", "-c", "cat /proc/[0-9]*/stat")
        for line in subprocess.run(inside, capture_output=True, text=True, check=False).stdout.splitlines():
            name, _, rest = line.partition("(")[2].rpartition(")")
            yield name, rest.split()[0], int(rest.split()[1])


def _only_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


@contextmanager
def contained(host: Host, *argv: str, **environment: str) -> Iterator[Container]:
    """``python ARGV`` as the first process. Skips where none can be made."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip(NEEDS_ROOT)
    log = host.top / f"container-{time.monotonic_ns()}.log"
    with log.open("w") as stream:
        outside = subprocess.Popen(
            [*_UNSHARE, sys.executable, *argv],
            env=host.environment(**environment),
            cwd=host.top,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
        )
    try:
        yield Container(outside=outside, log=log)
    finally:
        outside.kill()
        outside.wait()
        if outside.stdout is not None:
            outside.stdout.close()


@contextmanager
def serving(host: Host, **environment: str) -> Iterator[tuple[Container, Server]]:
    with contained(host, "-m", "runnerctl", "serve", **environment) as container:
        assert container.outside.stdout is not None
        line = container.outside.stdout.readline()
        assert line.startswith("Listening on "), container.log.read_text()
        yield container, Server(process=container.outside, url=line.split()[2], token=host.token, log=container.log)
        with suppress(ProcessLookupError, FileNotFoundError):
            container.signal(signal.SIGTERM)
        until(lambda: container.outside.poll() is not None)

"""A stand-in runner under test: its directory, its processes, and what it says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

VERSION = "2.336.0"
PACE = float(os.environ.get("STANDIN_PACE") or 0.05)
"""Of the stand-ins in tests; with STANDIN_PACE=1 they live as slowly as the real runner."""
STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ: "


class StandIn:
    """One runner directory and, once started, its Listener."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seen: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    def start(self, *words: str, **environment: str) -> StandIn:
        """Also again, after the end of the last one."""
        self._let_go()
        (self.root / "tmp").mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [str(self.root / "bin/Runner.Listener"), *(words or ("run",))],
            cwd=self.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={"PATH": os.environ["PATH"], "TMPDIR": str(self.root / "tmp"), **environment},
        )  # fmt: skip
        return self

    def configure(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        (self.root / "tmp").mkdir(exist_ok=True)
        return subprocess.run(
            [str(self.root / "config.sh"), *words],
            env={"PATH": os.environ["PATH"], "TMPDIR": str(self.root / "tmp"), "RUNNER_ALLOW_RUNASROOT": "1",
                 **environment},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=self.root,
        )  # fmt: skip

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def line(self, pattern: str) -> str:
        """The next line of output that matches all of ``pattern``."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.seen.append(line.rstrip("\n"))
            if re.fullmatch(pattern, self.seen[-1]):
                return self.seen[-1]
        raise AssertionError(f"{pattern!r} is not among {self.seen}")

    def exit_code(self, timeout: float = 20.0) -> int:
        assert self.process.stdout is not None
        self.seen += self.process.stdout.read().splitlines()
        return self.process.wait(timeout=timeout)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def workers(self) -> list[int]:
        """The living Workers of this root, told by the name the kernel has for them."""
        pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return [pid for pid in pids if self._is_worker(pid)]

    def worker(self) -> int:
        until(self.workers)
        return self.workers()[0]

    def _is_worker(self, pid: int) -> bool:
        try:
            named = Path(f"/proc/{pid}/comm").read_text() == "Runner.Worker\n"
            return named and str(self.root).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    def close(self) -> None:
        self._let_go()
        for pid in self.workers():
            os.kill(pid, signal.SIGKILL)

    def _let_go(self) -> None:
        if self._process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)

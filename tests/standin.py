"""A stand-in runner under test: its directory, its process, and the broker it talks to."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

VERSION = "2.399.1"
STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ: "


class StandIn:
    """One runner directory and, once started, its Listener."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seen: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    def start(self, *words: str, **environment: str) -> StandIn:
        self._process = subprocess.Popen(
            [str(self.root / "bin/Runner.Listener"), *(words or ("run",))],
            cwd=self.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={"PATH": os.environ["PATH"], "RUNNER_STANDIN_RETRY_SECONDS": "0.02", **environment},
        )  # fmt: skip
        return self

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

    def exit_code(self) -> int:
        assert self.process.stdout is not None
        self.seen += self.process.stdout.read().splitlines()
        return self.process.wait(timeout=10)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def workers(self) -> list[int]:
        """The living Workers of this root, told by the name the kernel has for them."""
        pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return [pid for pid in pids if self._is_worker(pid)]

    def _is_worker(self, pid: int) -> bool:
        try:
            named = Path(f"/proc/{pid}/comm").read_text() == "Runner.Worker\n"
            return named and str(self.root).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    def close(self) -> None:
        if self._process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
        for pid in self.workers():
            os.kill(pid, signal.SIGKILL)


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)

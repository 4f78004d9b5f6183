"""What the runner says, and the files below ``_diag`` in which it remembers it."""

from __future__ import annotations

import os
import time


def timestamp() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())


def say(line: str) -> None:
    _write(1, line)


def success(message: str) -> None:
    _write(1, f"√ {message}")


def complain(line: str) -> None:
    _write(2, line)


def _write(descriptor: int, line: str) -> bool:
    """At once, in UTF-8 whatever the locale; a reader that went away is no reason to end (as in .NET)."""
    data = (line + "\n").encode("utf-8", "replace")
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        return False
    return True


class DiagnosticLog:
    """``_diag/<kind>_yyyyMMdd-HHmmss-utc.log``; a full or read-only disk costs the log, not the runner."""

    def __init__(self, root: str, kind: str) -> None:
        name = time.strftime(f"{kind}_%Y%m%d-%H%M%S-utc.log", time.gmtime())
        self._source = kind
        self.fd = -1
        try:
            os.makedirs(f"{root}/_diag", exist_ok=True)
            self.fd = os.open(f"{root}/_diag/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError:
            return

    def write(self, message: str) -> bool:
        """False if there is no room for it."""
        return self.fd < 0 or _write(self.fd, f"[{timestamp()} INFO {self._source}] {message}")


def mark_milestone(event: str) -> None:
    """One line in ``$RUNNER_PERFLOG/Runner.perf``, if that is asked for."""
    directory = os.environ.get("RUNNER_PERFLOG")
    if not directory:
        return
    try:
        os.makedirs(directory, exist_ok=True)
        with open(f"{directory}/Runner.perf", "a", encoding="utf-8") as file:
            file.write(time.strftime(f"{event}:%Y-%m-%dT%H:%M:%SZ\n", time.gmtime()))
    except OSError:
        return

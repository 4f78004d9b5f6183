"""What ``config.sh`` said, kept in the runner's log: where it failed, its directory is gone with its ``_diag``."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from runnerctl.supervisor.masking import Lines

_MARK = "[config.sh] "
_MOST_BYTES = 64 * 1024
_MOST_LINE = 8 * 1024
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def keep(log: Path, output: str, *, secret: str, now: float) -> None:
    """Appends its last lines, each as the supervisor's are: with the time, nothing secret and no control characters.

    A disk that is full, or a log that is none, costs those lines and nothing else.
    """
    masked = Lines()
    kept = [masked.mask(_printable(line)) for line in output.replace(secret, "***")[-_MOST_BYTES:].splitlines()]
    text = "".join(f"{_stamp(now)}{_MARK}{line[:_MOST_LINE]}\n" for line in kept if line.strip())
    if text:
        with suppress(OSError):
            _append(log, text.encode(errors="replace"))


def _append(log: Path, data: bytes) -> None:
    descriptor = os.open(log, _FLAGS, 0o600)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() or char == "\t" else f"\\x{ord(char):02x}" for char in line)


def _stamp(now: float) -> str:
    """``2026-11-24T03:57:14.123Z``, and a blank."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03}Z "

"""Every process of this machine, in one pass over ``/proc`` that costs little: tests ask for it often."""

from __future__ import annotations

import io
import os


def pids() -> list[int]:
    names = os.listdir("/proc")  # noqa: PTH208 - names are all that is wanted
    return [int(name) for name in names if name.isdigit()]


def cmdline(pid: int) -> bytes:
    return read(f"/proc/{pid}/cmdline")


def cwd(pid: int) -> bytes:
    try:
        return os.readlink(f"/proc/{pid}/cwd".encode())  # noqa: PTH115 - of every process: a Path costs more
    except OSError:
        return b""


def is_fork_server(pid: int) -> bool:
    """A server's own, for as long as that lives: it has a supervisor's command line, and supervises nothing."""
    return read(f"/proc/{pid}/comm") == b"forkserver\n"


def read(path: str) -> bytes:
    """Nothing of a process that has gone or is a zombie."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        with io.FileIO(descriptor) as file:
            return file.read()
    except OSError:
        return b""

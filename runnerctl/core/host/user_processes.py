"""Ending all that belongs to a job user: the kernel itself finds them, and nothing forks fast enough to be missed."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from ..domain.errors import BackendFailed
from .job_users import with_processes

_PAUSE = 0.01
_PROGRAM = Path(__file__).resolve().parents[2] / "supervisor" / "user_end.py"
_PROGRAM_SECONDS = 2.0


def kill_all(user: tuple[int, int], *, seconds: float) -> None:
    """SIGKILL for every process of that (uid, gid) until none is left. Raises ``BackendFailed`` when one stays."""
    uid, _ = user
    if uid in {0, os.geteuid()}:
        raise BackendFailed(f"User {uid} is not a job user: nothing was killed")
    deadline = time.monotonic() + seconds
    while uid in with_processes():
        if time.monotonic() > deadline:
            raise BackendFailed(f"Processes of user {uid} survive SIGKILL")
        _kill(user)
        time.sleep(_PAUSE)


def _kill(user: tuple[int, int]) -> None:
    """By a program of its own: it gives up all that we may, and spares itself. One that stands still is given up."""
    import subprocess

    with suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [sys.executable, "-I", "-S", "-B", str(_PROGRAM), *map(str, user)],
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=_PROGRAM_SECONDS,
        )

"""Ending all that belongs to a job user: the kernel itself finds them, and nothing forks fast enough to be missed."""

from __future__ import annotations

import os
import time

from ..domain.errors import BackendFailed
from .job_users import with_processes

_PAUSE = 0.01


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
    """A program of that user's signals all it may, which is that user's, at once; it spares itself."""
    import subprocess

    uid, gid = user
    subprocess.run(
        # As root this would end the whole host: the ids are read once more where it happens.
        ["/bin/sh", "-c", f'[ "$(id -u)" = {uid} ] && [ {uid} -gt 0 ] && kill -KILL -1'],
        user=uid,
        group=gid,
        extra_groups=(),
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )

"""Whether a process is a job's: by its ancestors, its cgroup and its mark, as the kernel shows them.

For whoever is asked by a process of this host and must not take a job for the user that it runs as.
"""

from __future__ import annotations

import os
import re
import select

from . import processes

_SUPERVISOR = b"/supervisor/__main__.py"
_CGROUP = re.compile(rb"/runnerctl-(?:runner@|[0-9a-z]{8,}[/\n])")
"""A runner's own, or its unit."""
_CONFINED = b"\nNoNewPrivs:\t1\n"
_DEEPEST = 64
"""Ancestors; who has more hides something."""


def is_a_jobs(pid: int, pidfd: int | None, *, user: int) -> bool:
    """Also where that cannot be told, as for one that has ended; ``user``: as whom the manager runs.

    ``pidfd``: of that process, so that none that got its pid is looked at in its place. A job has no way out: its
    supervisor takes in what loses its parent, and what is confined can never gain privileges again.
    """
    if pid <= 0:
        return True  # of another PID namespace
    try:
        found = _has_mark(pid) or _gains_nothing(pid, user) or _is_below_supervisor(pid)
    except OSError:
        return True
    return found or (pidfd is not None and _has_ended(pidfd))


def _has_mark(pid: int) -> bool:
    mark = f"{processes.LIFE_VARIABLE}=".encode()
    return _CGROUP.search(_read(pid, "cgroup")) is not None or any(
        each.startswith(mark) for each in _read(pid, "environ").split(b"\0")
    )


def _gains_nothing(pid: int, user: int) -> bool:
    """Confined, and of the manager's own user, where that is not so of all that runs here."""
    status = _read(pid, "status")
    uids = status.partition(b"\nUid:\t")[2].partition(b"\n")[0].split()
    return str(user).encode() in uids and _CONFINED in status and _CONFINED not in _read(os.getpid(), "status")


def _is_below_supervisor(pid: int) -> bool:
    for _ in range(_DEEPEST):
        if pid <= 1:
            return False
        if any(word.endswith(_SUPERVISOR) for word in _read(pid, "cmdline").split(b"\0")):
            return True
        seen = processes.stat(pid)
        if seen is None:
            return True
        pid = seen[1]
    return True


def _has_ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _read(pid: int, name: str) -> bytes:
    descriptor = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = b""
        while block := os.read(descriptor, 64 * 1024):
            text += block
        return text
    finally:
        os.close(descriptor)

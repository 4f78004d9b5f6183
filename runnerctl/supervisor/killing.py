"""Leaving nothing behind: SIGKILL for every process of a runner, again until none is left."""

from __future__ import annotations

import os
import time

import processes
from wakeups import SIGKILL, SIGSTOP

TYPE_CHECKING = False  # importing typing, or collections, would cost milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable

_PAUSE = 0.005


def kill_tree(life: str, *, seconds: float, reap: Callable[[], object]) -> list[int]:
    """The pids that were left when the time ran out; normally none. ``reap`` is called to collect the dead."""
    deadline = time.monotonic() + seconds
    while left := _stopped(life, deadline):
        for process in left:
            processes.send(process, SIGKILL)
        if time.monotonic() > deadline:
            return [process.pid for process in left]
        time.sleep(_PAUSE)
        reap()
    return []


def _stopped(life: str, deadline: float) -> list[processes.Process]:
    """The whole tree, held still first: whatever forks all the time would outrun a walk."""
    known: set[tuple[int, int]] = set()
    while True:
        found = processes.tree(life)
        new = [process for process in found if (process.pid, process.start_ticks) not in known]
        for process in new:
            processes.send(process, SIGSTOP)
        known |= {(process.pid, process.start_ticks) for process in new}
        if not new or time.monotonic() > deadline:
            return found


def collect() -> list[tuple[int, int]]:
    """(pid, wait status) of every child that ended, also of those that were adopted from below."""
    found: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        found.append((pid, status))

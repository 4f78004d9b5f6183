"""Leaving nothing behind: SIGKILL for every process of a runner, again until none is left."""

from __future__ import annotations

import os
import time

import cgroups
import processes
from jobuser import JobUser
from wakeups import SIGKILL, SIGSTOP

TYPE_CHECKING = False  # importing typing, or collections, would cost milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable

_PAUSE = 0.005
_REMOVE_SECONDS = 1.0


class Tree:
    """All that a runner started, by its marks: below us or its Listener, in its cgroup, its user's, or of its owner and
    with its life's variable.
    """

    __slots__ = ("_life", "_listener", "cgroup", "owner", "user")

    def __init__(
        self, life: str, *, cgroup: str | None, user: JobUser | None, listener: processes.Process | None = None
    ) -> None:
        self._life = life
        self.user = user
        self.owner = os.geteuid() if user is None else user.uid
        self._listener = listener
        self.cgroup = cgroup

    def living(self) -> list[processes.Process]:
        inside = set() if self.cgroup is None else cgroups.pids(self.cgroup)
        return processes.tree(self._life, listener=self._listener, inside=inside, owner=self.owner)


def kill_tree(tree: Tree, *, seconds: float, reap: Callable[[], object]) -> list[int]:
    """The pids that were left when the time ran out; normally none. ``reap`` is called to collect the dead."""
    deadline = time.monotonic() + seconds
    if tree.cgroup is not None:
        cgroups.kill(tree.cgroup)
    while tree.user is not None and tree.user.kill_all() and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        reap()
    while left := _stopped(tree, deadline):
        for process in left:
            processes.send(process, SIGKILL)
        if time.monotonic() > deadline:
            return [process.pid for process in left]
        time.sleep(_PAUSE)
        reap()
    reap()  # whoever inherits them from us may be slow to bury them, and until then they count as their user's
    if tree.cgroup is not None:
        cgroups.remove(tree.cgroup, seconds=_REMOVE_SECONDS)
    return []


def _stopped(tree: Tree, deadline: float) -> list[processes.Process]:
    """The whole tree, held still first: whatever forks all the time would outrun a walk."""
    known: set[tuple[int, int]] = set()
    while True:
        found = tree.living()
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

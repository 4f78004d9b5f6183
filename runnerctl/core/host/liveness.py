"""Whether processes live, asked thousands of times a second: each is held by a pidfd once it was identified.

A pidfd stays with its process, whatever happens to the pid; that it can be read means that the process has ended.
"""

from __future__ import annotations

import os
import select
import threading
from collections import OrderedDict

from ..domain.models import ProcessId
from . import processes, visibility

_EVENTS = 64


class Liveness:
    """Holds at most ``limit`` pidfds, and half of what this process may open; those asked for least lately go first."""

    def __init__(self, *, limit: int = 4096) -> None:
        # A shell allows 1024 as a rule, and a sweep holds two for each runner. The soft limit; -1 is none.
        allowed = os.sysconf("SC_OPEN_MAX")
        self._limit = limit if allowed < 0 else min(limit, allowed // 2)
        self._held: OrderedDict[ProcessId, int] = OrderedDict()
        self._whose: dict[int, ProcessId] = {}
        self._deaths = select.epoll()
        # Also while the kernel is asked: given up meanwhile, a descriptor could be another file's.
        self._lock = threading.Lock()

    def lives(self, process: ProcessId) -> bool:
        """A zombie does not live; nor does anything of another boot. Raises ``Unseen`` if that cannot be told here."""
        return self.all_live((process,))

    def all_live(self, asked: tuple[ProcessId, ...]) -> bool:
        """The kernel is asked once for all of them: who died of those that are held?"""
        with self._lock:
            self._bury()
            for process in asked:
                if process in self._held:  # of this boot, and of these namespaces: else it would not be
                    self._held.move_to_end(process)
                elif not self._hold(process):
                    return False
            return True

    def forget(self, process: ProcessId) -> None:
        """Nobody will ask for it again."""
        with self._lock:
            self._drop(process)

    def __del__(self) -> None:
        """Other settings make another one, and a server lives long."""
        for descriptor in self._held.values():
            os.close(descriptor)

    # -- all under the lock

    def _bury(self) -> None:
        while dead := self._deaths.poll(0, _EVENTS):
            for descriptor, _ in dead:
                self._drop(self._whose[descriptor])

    def _drop(self, process: ProcessId) -> None:
        descriptor = self._held.pop(process, None)
        if descriptor is not None:
            del self._whose[descriptor]
            self._deaths.unregister(descriptor)
            os.close(descriptor)

    def _hold(self, process: ProcessId) -> bool:
        if process.boot_id != processes.boot_id():
            return False
        visibility.check_same(process.namespaces)
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return False
        except OSError:
            return processes.alive(process)  # no descriptor to be had: a look must do
        # Identified after it is held: from here on the pid cannot become another's.
        if not _alive(process, descriptor):
            os.close(descriptor)
            return False
        try:
            self._deaths.register(descriptor, select.EPOLLIN)
        except OSError:  # the host lets us watch no more: a look must do
            os.close(descriptor)
            return True
        self._held[process], self._whose[descriptor] = descriptor, process
        if len(self._held) > self._limit:
            self._drop(next(iter(self._held)))
        return True


def _alive(process: ProcessId, descriptor: int) -> bool:
    """The descriptor is closed where that cannot be told."""
    try:
        return processes.alive(process)
    except OSError:
        os.close(descriptor)
        raise

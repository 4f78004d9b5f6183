"""Whether processes live, asked thousands of times a second: each is held by a pidfd once it was identified.

A pidfd stays with its process, whatever happens to the pid; that it can be read means that the process has ended.
"""

from __future__ import annotations

import os
import select
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from ..domain.models import ProcessId
from . import processes, visibility


class _Held(NamedTuple):
    descriptor: int
    poll: Callable[[float], list[tuple[int, int]]]
    """Tells at once; not for two threads at a time."""


class Liveness:
    """Holds at most ``limit`` pidfds, and half of what this process may open; those asked for least lately go first."""

    def __init__(self, *, limit: int = 4096) -> None:
        # A shell allows 1024 as a rule, and a sweep holds two for each runner. The soft limit; -1 is none.
        allowed = os.sysconf("SC_OPEN_MAX")
        self._limit = limit if allowed < 0 else min(limit, allowed // 2)
        self._held: OrderedDict[tuple[int, int], _Held] = OrderedDict()
        # Also while a descriptor is looked at: given up meanwhile, its number could be another file's.
        self._lock = threading.Lock()

    def lives(self, process: ProcessId) -> bool:
        """A zombie does not live; nor does anything of another boot. Raises ``Unseen`` if that cannot be told here."""
        if process.boot_id != processes.boot_id():
            return False
        visibility.check_same(process.namespaces)
        key = (process.pid, process.start_ticks)
        with self._lock:
            held = self._held.get(key)
            if held is None:
                return self._hold(key, process)
            if held.poll(0):
                os.close(self._held.pop(key).descriptor)
                return False
            self._held.move_to_end(key)
            return True

    def forget(self, process: ProcessId) -> None:
        """Nobody will ask for it again."""
        with self._lock:
            held = self._held.pop((process.pid, process.start_ticks), None)
            if held is not None:
                os.close(held.descriptor)

    def close(self) -> None:
        with self._lock:
            while self._held:
                os.close(self._held.popitem()[1].descriptor)

    def _hold(self, key: tuple[int, int], process: ProcessId) -> bool:
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
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        self._held[key] = _Held(descriptor, poll.poll)
        if len(self._held) > self._limit:
            os.close(self._held.popitem(last=False)[1].descriptor)
        return True


def _alive(process: ProcessId, descriptor: int) -> bool:
    """The descriptor is closed where that cannot be told."""
    try:
        return processes.alive(process)
    except OSError:
        os.close(descriptor)
        raise

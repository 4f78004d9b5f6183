"""Which runners lost a process: noticed when it happens, by pidfds, and for nothing while it does not."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterable

from runnerctl.core import processes
from runnerctl.core.domain.models import ProcessId


class ProcessWatcher:
    """Waits for deaths and, in the same wait, for the descriptor ``also``."""

    def __init__(self, also: int) -> None:
        self._also = also
        self._epoll = select.epoll()
        self._epoll.register(also, select.EPOLLIN)
        self._lock = threading.Lock()
        self._held: dict[str, dict[ProcessId, int]] = {}
        self._whose: dict[int, str] = {}
        self._dead: dict[str, frozenset[ProcessId]] = {}

    def follow(self, runner_id: str, named: Iterable[ProcessId]) -> bool:
        """From now on these processes are that runner's; none means that it is forgotten.

        Whether one of them was found dead that was not known to be: it died before it could be followed.
        """
        with self._lock:
            before = self._held.pop(runner_id, {})
            known_dead = self._dead.pop(runner_id, frozenset())
            held = {process: before.pop(process, None) for process in named}
            for descriptor in before.values():
                self._drop(descriptor)
            for process in [each for each, descriptor in held.items() if descriptor is None]:
                held[process] = self._take(runner_id, process)
            dead = frozenset(process for process, descriptor in held.items() if descriptor is None)
            if dead:
                self._dead[runner_id] = dead
            if living := {process: descriptor for process, descriptor in held.items() if descriptor is not None}:
                self._held[runner_id] = living
            return bool(dead - known_dead)

    def wait(self, seconds: float) -> tuple[bool, list[str]]:
        """(``also`` can be read, the runners that lost a process), after ``seconds`` at most."""
        ready = [descriptor for descriptor, _ in self._epoll.poll(seconds)]
        with self._lock:
            lost = [self._bury(descriptor) for descriptor in ready if descriptor in self._whose]
        return self._also in ready, list(dict.fromkeys(lost))

    def _bury(self, descriptor: int) -> str:
        runner_id = self._whose[descriptor]
        held = self._held[runner_id]
        (process,) = [each for each, number in held.items() if number == descriptor]
        del held[process]
        self._dead[runner_id] = self._dead.get(runner_id, frozenset()) | {process}
        self._drop(descriptor)
        return runner_id

    def close(self) -> None:
        with self._lock:
            for descriptor in list(self._whose):
                self._drop(descriptor)
            self._epoll.close()

    def _take(self, runner_id: str, process: ProcessId) -> int | None:
        try:
            descriptor = os.pidfd_open(process.pid)
        except OSError:
            return None
        if not processes.alive(process):
            os.close(descriptor)
            return None
        self._whose[descriptor] = runner_id
        self._epoll.register(descriptor, select.EPOLLIN)
        return descriptor

    def _drop(self, descriptor: int) -> None:
        del self._whose[descriptor]
        self._epoll.unregister(descriptor)
        os.close(descriptor)

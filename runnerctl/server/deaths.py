"""Which runners lost a process: noticed when it happens, by pidfds, and for nothing while it does not."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterable

from runnerctl.core import processes
from runnerctl.core.models import ProcessId


class Deaths:
    """Waits for deaths and, in the same wait, for the descriptor ``also``."""

    def __init__(self, also: int) -> None:
        self._also = also
        self._epoll = select.epoll()
        self._epoll.register(also, select.EPOLLIN)
        self._lock = threading.Lock()
        self._held: dict[str, dict[ProcessId, int]] = {}
        self._whose: dict[int, str] = {}

    def follow(self, runner_id: str, living: Iterable[ProcessId]) -> None:
        """From now on these processes are that runner's; none means that it is forgotten."""
        with self._lock:
            held = self._held.pop(runner_id, {})
            kept = {process: held.pop(process, None) for process in living}
            for descriptor in held.values():
                self._drop(descriptor)
            followed = {
                process: self._take(runner_id, process) if descriptor is None else descriptor
                for process, descriptor in kept.items()
            }
            if found := {process: descriptor for process, descriptor in followed.items() if descriptor is not None}:
                self._held[runner_id] = found

    def wait(self, seconds: float) -> tuple[bool, list[str]]:
        """(``also`` can be read, the runners that lost a process), after ``seconds`` at most."""
        ready = [descriptor for descriptor, _ in self._epoll.poll(seconds)]
        with self._lock:
            lost = {self._whose[descriptor]: descriptor for descriptor in ready if descriptor in self._whose}
            for runner_id, descriptor in lost.items():
                self._drop(descriptor)
                self._held[runner_id] = {
                    process: each for process, each in self._held[runner_id].items() if each != descriptor
                }
        return self._also in ready, list(lost)

    def close(self) -> None:
        with self._lock:
            for descriptor in list(self._whose):
                self._drop(descriptor)
            self._epoll.close()

    def _take(self, runner_id: str, process: ProcessId) -> int | None:
        try:
            descriptor = os.pidfd_open(process.pid)
        except OSError:
            return None  # dead, or no descriptor to be had: the next look finds out
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

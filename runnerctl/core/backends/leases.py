"""Leases: a runner that belongs to this process holds one end of something whose other end we keep.

When it is given up, or this process ends however it may, the supervisor hears of it and its stop ladder begins.
"""

from __future__ import annotations

import os
import threading


class Leases:
    """Descriptors by runner id. Safe for threads."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self._lock = threading.Lock()

    def hold(self, runner_id: str, descriptor: int) -> None:
        """Takes it over; the one of an earlier start of that runner is given up."""
        with self._lock:
            before = self._held.pop(runner_id, None)
            self._held[runner_id] = descriptor
        if before is not None:
            os.close(before)

    def release(self, runner_id: str) -> None:
        with self._lock:
            descriptor = self._held.pop(runner_id, None)
        if descriptor is not None:
            os.close(descriptor)

    def ids(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(self._held)

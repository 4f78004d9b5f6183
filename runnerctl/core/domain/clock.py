"""Time and sleep, handed in so that tests can hold them still."""

from __future__ import annotations

import time
from functools import cache
from typing import Protocol

from .errors import NotVisible


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch, for what is stored and shown."""

    def monotonic(self) -> float:
        """Seconds that only grow, for deadlines."""

    def boottime(self) -> float:
        """Seconds since the host was started, sleep included: the same for all processes, whatever the date is."""

    def boot_id(self) -> str:
        """Another after each start of the host."""

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def boottime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def boot_id(self) -> str:
        return _boot_id()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@cache
def _boot_id() -> str:
    """Raises ``NotVisible``: times that are counted from the host's start mean nothing without it."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123 - a status must be quick
            return file.read().strip()
    except OSError as exc:
        raise NotVisible(
            f"/proc does not show the boot's id ({exc.filename!r}: {exc.strerror})",
            hint="Mount all of /proc (without subset=pid)",
        ) from exc

"""Whose turn it is to write: of several processes, who has just written lets in who waits.

SQLite's lock goes to whoever asks at the right moment. A process with a queue of writers of its own asks within
microseconds of its last commit, another one every few milliseconds: it was passed over 138 times in a row. So whoever
waits holds a shared ``flock`` of the database's directory, which is no lock of SQLite's, and who has just written looks
whether somebody does. A hint only: nothing depends on it but how long others wait.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_RECENT_SECONDS = 0.1
"""Beyond that somebody else had the time to come in."""


class Turns:
    """One process's view of it; for one thread at a time."""

    def __init__(
        self,
        directory: Path,
        *,
        pause: float,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``pause``: how long, in seconds, who waits sleeps between two attempts."""
        self._directory = directory
        self._pause = pause
        self._sleep = sleep
        self._monotonic = monotonic
        self._descriptor: int | None = None
        self._wrote_at = float("-inf")

    def wrote(self) -> None:
        self._wrote_at = self._monotonic()

    def give_way(self) -> None:
        """Once for each time that this process wrote, and for no longer than others need to come in."""
        if self._monotonic() - self._wrote_at < _RECENT_SECONDS and self._somebody_waits():
            self._sleep(3 * self._pause)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Others see within it that this process waits."""
        with suppress(OSError):  # they look just now, or there is no room for one more descriptor
            self._flock(fcntl.LOCK_SH)
        try:
            yield
        finally:
            with suppress(OSError):
                self._flock(fcntl.LOCK_UN)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _somebody_waits(self) -> bool:
        try:
            self._flock(fcntl.LOCK_EX)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._flock(fcntl.LOCK_UN)
        return False

    def _flock(self, kind: int) -> None:
        if self._descriptor is None:
            self._descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)

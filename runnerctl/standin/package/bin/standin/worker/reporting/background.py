"""Work that a Worker does beside its steps, in turns; the sleep between two turns is slept to its end, as .NET's is."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from threading import Thread

from ... import pace


class Loop(ABC):
    """Started by its constructor; a subclass is complete before that."""

    def __init__(self) -> None:
        self._over = False
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def begin(self) -> None:  # noqa: B027 - most have nothing to do before
        """What comes before the first turn."""

    @abstractmethod
    def turn(self) -> None: ...

    @abstractmethod
    def delay(self) -> float:
        """Seconds of the real clock between two turns."""

    def stop(self) -> None:
        """No turn after the one that runs."""
        self._over = True

    def join(self) -> None:
        self._thread.join()

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def _run(self) -> None:
        self.begin()
        while not self._over:
            self.turn()
            self.pause(pace.scaled(self.delay()))

"""Who waits for a runner in this process is woken when something happened to it.

A hint only: what happened stands in the store and with the backend, and who waited looks there. What other processes do
is not told here; the sweep, and a look now and then, are the fallback.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class RunnerEvents:
    """Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, set[threading.Event]] = {}
        self._callbacks: list[Callable[[str], None]] = []

    def notify(self, runner_id: str) -> None:
        """Something happened to it. Calls the subscribers in this thread."""
        with self._lock:
            waiting = tuple(self._waiting.get(runner_id, ()))
            callbacks = tuple(self._callbacks)
        for event in waiting:
            event.set()
        for callback in callbacks:
            try:
                callback(runner_id)
            except Exception:
                # What was written is written: whoever wrote it must not take this for a failure of that.
                import logging  # seldom, and a status must be quick

                logging.getLogger("runnerctl.core").exception("a subscriber failed", extra={"runner_id": runner_id})

    @contextmanager
    def listening(self, runner_id: str) -> Iterator[Callable[[float], bool]]:
        """For who looks, then waits, and looks again: what happens while it looks is not missed.

        What it gets waits at most so many seconds, and says whether anything happened since it last said so.
        """
        event = threading.Event()
        with self._lock:
            self._waiting.setdefault(runner_id, set()).add(event)

        def wait(seconds: float) -> bool:
            happened = event.wait(seconds)
            event.clear()
            return happened

        try:
            yield wait
        finally:
            with self._lock:
                others = self._waiting[runner_id]
                others.discard(event)
                if not others:
                    del self._waiting[runner_id]

    def wait(self, runner_id: str, seconds: float) -> bool:
        """Whether anything happens to it from now on, within so many seconds."""
        with self.listening(runner_id) as wait:
            return wait(seconds)

    def subscribe(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Calls it with the id of each runner to which something happened; returns what ends that.

        It is called in whatever thread notifies, so it must be quick, and hands over to its own.
        """
        with self._lock:
            self._callbacks.append(callback)

        def end() -> None:
            with self._lock:
                if callback in self._callbacks:
                    self._callbacks.remove(callback)

        return end

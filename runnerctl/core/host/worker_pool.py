"""Steps for many runners at once, by threads that stay: each keeps its connections to the store and to GitHub."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
_LOOK_SECONDS = 0.2


class WorkerPool:
    """Threads come as they are needed, up to a bound."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="beside")
        self._here = threading.local()

    def map(self, step: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """The steps' results, in order, when all are done; raises what the first that failed raised."""
        todo = list(items)
        # A step that itself has many things to do must not wait for a thread while holding one.
        if len(todo) < 2 or getattr(self._here, "inside", False):
            return [step(item) for item in todo]
        steps: list[Future[R]] = []
        try:
            steps.extend(self._pool.submit(self._inside, step, item) for item in todo)
            # Not without end: Ctrl-C that comes just before such a wait of the main thread is not heard within it.
            while wait(steps, timeout=_LOOK_SECONDS).not_done:
                pass
        except BaseException:
            for each in steps:
                each.cancel()
            raise
        return [done.result() for done in steps]

    def close(self) -> None:
        self._pool.shutdown()

    def _inside(self, step: Callable[[T], R], item: T) -> R:
        self._here.inside = True
        return step(item)

"""One thread asks, and those that want the same meanwhile wait for what it gets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Also failures are shared: a dead GitHub costs its timeout once, not once a thread."""

    def __init__(self) -> None:
        self._pending: dict[Hashable, Future[T]] = {}
        self._mutex = threading.Lock()

    def get(self, key: Hashable, ask: Callable[[], T]) -> T:
        """What ``ask`` returns or raises, called by us or by whoever came first with that key."""
        with self._mutex:
            pending = self._pending.get(key)
            if pending is None:
                ours: Future[T] = Future()
                self._pending[key] = ours
        if pending is not None:
            return pending.result()
        try:
            got = ask()
        except BaseException as exc:
            ours.set_exception(exc)
            raise
        else:
            ours.set_result(got)
            return got
        finally:
            with self._mutex:
                del self._pending[key]

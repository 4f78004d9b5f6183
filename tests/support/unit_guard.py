"""Stops a unit test that starts a process or sleeps, and says so: such tests are the other rooms'."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest

STARTS_A_PROCESS = {
    *("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system"),
}
"""Events that the interpreter reports to whoever listens: https://docs.python.org/3/library/audit_events.html"""
_SLEEP = time.sleep
_START = threading.Thread.start


class UnitGuard:
    """Watches the thread of the test and those that it starts; whatever began before the test is not its doing.

    It cannot see what is started without the interpreter's knowledge, such as by ``ctypes``.
    """

    def __init__(self) -> None:
        self._watching = False
        self._mine: set[threading.Thread] = set()
        self._refused: list[str] = []
        sys.addaudithook(self._audit)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Fails the test for what was refused meanwhile, also when the test took that failure for an error."""
        self._refused.clear()
        self._mine = {threading.current_thread()}
        self._watching, time.sleep = True, self._sleep
        threading.Thread.start = self._started()  # type: ignore[method-assign]
        try:
            yield
        finally:
            self.rest()
        if self._refused:
            pytest.fail(self._refused[0])

    def rest(self) -> None:
        """What comes now is not the test's; what it was refused before still fails it."""
        self._watching, time.sleep = False, _SLEEP
        threading.Thread.start = _START  # type: ignore[method-assign]

    def _started(self) -> Callable[[threading.Thread], None]:
        """A server of an earlier test may begin a thread just now: that is not this one's."""

        def start(thread: threading.Thread) -> None:
            if threading.current_thread() in self._mine:
                self._mine.add(thread)
            _START(thread)

        return start

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._watching and event in STARTS_A_PROCESS and self._is_the_tests():
            self._refuse(f"A unit test starts no process: {event}{arguments[:2]}. Its room is tests/process")

    def _sleep(self, seconds: float) -> None:
        if self._watching and seconds > 0 and self._is_the_tests():
            self._refuse(f"A unit test does not sleep ({seconds:g} s): hand it a clock, or its room is tests/process")
        _SLEEP(seconds)

    def _is_the_tests(self) -> bool:
        return threading.current_thread() in self._mine

    def _refuse(self, sentence: str) -> NoReturn:
        self._refused.append(sentence)
        pytest.fail(sentence)

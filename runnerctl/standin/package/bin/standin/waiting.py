"""Waiting for descriptors and for signals, in one place and in one thread."""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # the `signal` module builds enums: 5 ms of a start
import os
import select

TYPE_CHECKING = False  # importing typing would cost 15 ms
if TYPE_CHECKING:
    from collections.abc import Iterable

SIGINT: int = signal.SIGINT
SIGTERM: int = signal.SIGTERM
SIGKILL: int = signal.SIGKILL
DEFAULTS = (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD)
"""What this program or its interpreter handles or ignores; whatever is started from here gets them back."""


class Stopped(Exception):
    """A signal asked for the end while there was nothing to finish first."""


def readable(descriptors: Iterable[int], seconds: float | None) -> set[int]:
    """Those that can be read without waiting (or are at their end); empty when the time ran out."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    milliseconds = None if seconds is None else max(0, round(seconds * 1000))
    return {descriptor for descriptor, _ in poll.poll(milliseconds)}


class Signals:
    """SIGINT and SIGTERM as a fact to look at: ``stop`` is the number, and ``fd`` becomes readable.

    While ``at_once`` is set they raise ``Stopped`` instead, out of whatever call is waiting.
    """

    def __init__(self, *, interrupt: bool = True) -> None:
        self.stop = 0
        self.at_once = False
        self.fd, wake = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGINT, self._note if interrupt else signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, self._child)

    def _note(self, number: int, _frame: object) -> None:
        self.stop = number
        if self.at_once:
            self.at_once = False
            raise Stopped

    def _child(self, _number: int, _frame: object) -> None:
        """Only so that the death of a child makes ``fd`` readable."""

    def drain(self) -> None:
        if readable([self.fd], 0):
            os.read(self.fd, 4096)

    def pause(self, seconds: float) -> None:
        """Sleep that a signal ends with ``Stopped`` (while ``at_once``)."""
        readable([], seconds)


def fork() -> int:
    """``os.fork`` of which the child gets no signal before ``restore_defaults``: until then it would ignore it."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, DEFAULTS)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid


def restore_defaults() -> None:
    """Between fork and exec: an ignored signal would stay ignored in the new program."""
    for number in DEFAULTS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])

"""Waiting for descriptors and for signals, in one place and in one thread."""

from __future__ import annotations

import os
import select
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SIGINT = int(signal.SIGINT)
SIGTERM = int(signal.SIGTERM)
SIGKILL = int(signal.SIGKILL)
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

    While ``at_once`` is set they raise ``Stopped`` instead, out of whatever call is waiting. ``interrupted`` is called
    with each SIGINT; without it SIGINT is swallowed, as the terminal service of every .NET program here does.
    """

    def __init__(self, interrupted: Callable[[], None] | None = None) -> None:
        self.stop = 0
        self.at_once = False
        self._interrupted = interrupted
        self.fd, wake = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGINT, self._note if interrupted else _swallow)
        signal.signal(signal.SIGCHLD, _swallow)

    def _note(self, number: int, _frame: object) -> None:
        if number == SIGINT and self._interrupted:
            self._interrupted()
        self.stop = self.stop or number
        if self.at_once:
            self.at_once = False
            raise Stopped

    def drain(self) -> None:
        if readable([self.fd], 0):
            os.read(self.fd, 4096)

    def pause(self, seconds: float) -> None:
        """Sleep that a signal ends with ``Stopped`` (while ``at_once``)."""
        readable([], seconds)


def _swallow(_number: int, _frame: object) -> None:
    """Handled and not ignored: what is started from here must not inherit that; and ``fd`` becomes readable."""


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

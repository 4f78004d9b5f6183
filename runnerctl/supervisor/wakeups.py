"""Signals as bytes in a pipe, so that one poll waits for them too."""

from __future__ import annotations

import os
import signal

SIGINT = int(signal.SIGINT)
SIGTERM = int(signal.SIGTERM)
SIGHUP = int(signal.SIGHUP)
SIGCHLD = int(signal.SIGCHLD)
SIGKILL = int(signal.SIGKILL)
SIGSTOP = int(signal.SIGSTOP)

_HEARD = (SIGINT, SIGTERM, SIGHUP, SIGCHLD)


def listen() -> int:
    """From now on each of our signals becomes a byte, its number, in the pipe whose end is returned."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in _HEARD:
        # Also undoes "ignored", which whoever started us may have inherited to us.
        signal.signal(number, _note)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return reader


def heard(reader: int) -> bytes:
    """The numbers that came since the last call."""
    try:
        return os.read(reader, 4096)
    except BlockingIOError:
        return b""


def hold() -> set[int]:
    """Holds all signals back, for the moments around a fork; returns what ``release`` wants."""
    return {int(number) for number in signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())}


def release(held: set[int]) -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, held)


def forget() -> None:
    """In a child that becomes another program: every signal does again what it does by default."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {SIGKILL, SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _note(_number: int, _frame: object) -> None:
    """The byte was written before this is called."""

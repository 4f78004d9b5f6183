"""Locks between processes and between threads: flock on files that are never deleted.

A lock file that were deleted could be held by one process while another creates, and holds, its successor.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..domain.clock import Clock, SystemClock
from ..domain.errors import ConfigInvalid, DeadlineExceeded
from .directories import disk_errors

_SYSTEM_CLOCK = SystemClock()
_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 0.05
_OPEN_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class LockHeld(DeadlineExceeded):
    """Somebody else held the lock for as long as we were ready to wait."""


@contextmanager
def file_lock(
    path: Path,
    *,
    wait: float | None,
    clock: Clock = _SYSTEM_CLOCK,
    held: str | None = None,
    shared: bool = False,
) -> Iterator[None]:
    """Hold the lock at ``path``, whose directory is created when missing; alone, or with all who hold it ``shared``.

    ``wait`` is in seconds: 0 tries once, None waits for ever. Raises ``LockHeld``, with the message ``held``.
    """
    # Every holder opens the file anew: flock belongs to the open file, so threads exclude each other too.
    descriptor = _open(path)
    try:
        if not _acquire(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, wait=wait, clock=clock):
            raise LockHeld(held or f"Lock {str(path)!r} is held by another process", hint="Try again in a moment")
        try:
            yield
        finally:
            # Not left to close(): a child forked meanwhile has a copy of the descriptor and would keep the lock.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    with disk_errors(path):
        try:
            return os.open(path, _OPEN_FLAGS, 0o600)
        except FileNotFoundError:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(path, _OPEN_FLAGS, 0o600)
        except OSError as exc:
            if exc.errno == errno.ELOOP:
                raise ConfigInvalid(f"Lock file {str(path)!r} is a symlink", hint="Delete it") from exc
            raise


def _acquire(descriptor: int, kind: int, *, wait: float | None, clock: Clock) -> bool:
    if wait is None:
        fcntl.flock(descriptor, kind)
        return True
    deadline = clock.monotonic() + wait
    pause = _FIRST_PAUSE
    while not _try(descriptor, kind):
        left = deadline - clock.monotonic()
        if left <= 0:
            return False
        clock.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    return True


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

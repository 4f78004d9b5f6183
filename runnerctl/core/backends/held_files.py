"""What a runner's processes hold open: the kernel tells that of processes that cannot be seen from here, too.

A supervisor has its lock for life, and a Listener its own output, by open files that end with them. Both are by the
inode, whatever ``/proc`` hides and in whatever PID namespace they are.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from contextlib import suppress
from pathlib import Path

from runnerctl.supervisor import traces

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def is_supervised(run_dir: str) -> bool:
    """Its supervisor has the lock. Raises ``OSError`` where that cannot be told."""
    try:
        descriptor = os.open(f"{run_dir}/lock", _READ)
    except FileNotFoundError:
        return False
    try:
        # Shared, as by one that only waits; and let go at once.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def has_listener(run_dir: str) -> bool:
    """Somebody has the Listener's output open. Raises ``OSError`` where that cannot be told."""
    try:
        os.close(os.open(f"{run_dir}/out.fifo", _WRITE))
    except FileNotFoundError:
        return False
    except OSError as exc:
        if exc.errno == errno.ENXIO:  # fifo(7): nobody reads, and a Listener's own side does
            return False
        raise
    return True


def has_worker(root: Path) -> bool:
    """A Worker writes its own log there: it has that open for as long as it lives.

    Raises ``OSError`` where that cannot be told.
    """
    diagnostics = traces.open_diagnostics(str(root))
    if diagnostics is None:
        return False
    try:
        return any(_is_written(name, diagnostics) for name in traces.worker_logs(diagnostics))
    finally:
        os.close(diagnostics)


def _is_written(name: str, directory: int) -> bool:
    """By anybody: the kernel gives no lease for reading then (fcntl(2), F_SETLEASE)."""
    try:
        descriptor = os.open(name, _READ, dir_fd=directory)
    except FileNotFoundError:
        return False
    try:
        # Whoever opens it in this moment has us told, by a signal that does nothing.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)

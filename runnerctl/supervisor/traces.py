"""What a runner's root tells of it, by descriptor: jobs may have put links to others' files there."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False  # importing typing would cost milliseconds
if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def has_worked(root: str) -> bool:
    """A Worker's own log tells of a job there. Raises ``OSError`` where that cannot be told."""
    diagnostics = open_diagnostics(root)
    if diagnostics is None:
        return False
    try:
        return any(True for _ in worker_logs(diagnostics))
    finally:
        os.close(diagnostics)


def open_diagnostics(root: str) -> int | None:
    """Its ``_diag``; None where that is no directory. Raises ``OSError``."""
    try:
        above = os.open(root, _DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return os.open("_diag", _DIRECTORY, dir_fd=above)
    except (FileNotFoundError, NotADirectoryError):
        return None
    finally:
        os.close(above)


def worker_logs(diagnostics: int) -> Iterator[str]:
    """The names of the Workers' own logs in there; one by one, for a job can put there as many as it likes."""
    with os.scandir(diagnostics) as entries:
        for entry in entries:
            if entry.name.startswith("Worker_"):
                yield entry.name


def is_registered(root: str) -> bool:
    """It has the file by which a runner is known to be one."""
    try:
        return stat.S_ISREG(os.lstat(f"{root}/.runner").st_mode)
    except OSError:
        return False

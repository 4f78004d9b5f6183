"""Old files in a runner's ``_diag``; GitHub's runner deletes its own only when it opens new ones (contract §4).

A job can put anything there, also in the place of the directory: nothing but plain files is touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import directory
from .place import Place

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def prune(place: Place, *, before: float) -> int:
    """How many were deleted; it raises nothing."""
    if place.ephemeral:
        return 0
    try:
        if not directory.is_ours(place.root, place.inode, place.runner_id):
            return 0
        with _opened(place.root) as root, _opened("_diag", inside=root) as diag:
            return _delete_old_files(diag, before)
    except OSError:
        return 0


@contextmanager
def _opened(path: Path | str, *, inside: int | None = None) -> Iterator[int]:
    """A directory, and no link to one."""
    descriptor = os.open(path, _DIRECTORY, dir_fd=inside)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _delete_old_files(diag: int, before: float) -> int:
    with os.scandir(diag) as entries:
        old = [entry.name for entry in entries if _is_old_file(entry, before)]
    deleted = 0
    for name in old:
        with suppress(OSError):
            os.unlink(name, dir_fd=diag)
            deleted += 1
    return deleted


def _is_old_file(entry: os.DirEntry[str], before: float) -> bool:
    try:
        return entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < before
    except OSError:
        return False

"""Gives a runner its own view of a package's files without its own copy of them."""

from __future__ import annotations

import errno
import os
import shutil

from .syscalls import clone

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_UNLINKABLE = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP}
"""Another file system; not our file (fs.protected_hardlinks); too many links; a file system without links."""


def share_tree(source: str, target: str, *, source_dir: int, target_dir: int) -> None:
    """Make directory ``target`` of hard links to the files of ``source``; if links are refused, reflinks or copies."""
    os.mkdir(target, 0o755, dir_fd=target_dir)
    from_dir = os.open(source, _DIRECTORY, dir_fd=source_dir)
    try:
        to_dir = os.open(target, _DIRECTORY, dir_fd=target_dir)
        try:
            os.fchmod(to_dir, 0o755)  # whatever the umask: the job's user reads it
            _share_entries(from_dir, to_dir)
        finally:
            os.close(to_dir)
    finally:
        os.close(from_dir)


def _share_entries(from_dir: int, to_dir: int) -> None:
    with os.scandir(from_dir) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                share_tree(entry.name, entry.name, source_dir=from_dir, target_dir=to_dir)
            else:
                _share(entry.name, from_dir, to_dir)


def _share(name: str, from_dir: int, to_dir: int) -> None:
    try:
        os.link(name, name, src_dir_fd=from_dir, dst_dir_fd=to_dir, follow_symlinks=False)
    except OSError as exc:
        if exc.errno not in _UNLINKABLE:
            raise
        copy(name, from_dir, to_dir)


def copy(name: str, from_dir: int, to_dir: int) -> None:
    """A file or symlink of its own, with the mode of the original."""
    try:
        source = os.open(name, _READ, dir_fd=from_dir)
    except OSError as exc:
        if exc.errno != errno.ELOOP:
            raise
        os.symlink(os.readlink(name, dir_fd=from_dir), name, dir_fd=to_dir)
        return
    with os.fdopen(source, "rb") as reading:
        target = os.open(name, _NEW_FILE, 0o600, dir_fd=to_dir)
        with os.fdopen(target, "wb") as writing:
            if not clone(source, target):
                shutil.copyfileobj(reading, writing, 1024 * 1024)
            os.fchmod(target, os.fstat(source).st_mode & 0o7777)

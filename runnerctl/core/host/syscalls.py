"""Linux calls that Python's ``os`` does not have."""

from __future__ import annotations

import errno
import fcntl
import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

_RENAME_NOREPLACE = 1
_FICLONE = 0x40049409
_MNT_DETACH = 2
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL}


@cache
def _libc() -> ctypes.CDLL:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def rename_new(source: str, target: str, *, dir_fd: int) -> None:
    """Rename directory ``source`` within ``dir_fd``. Raises ``FileExistsError`` when ``target`` is anything at all."""
    try:
        _renameat2(source, target, dir_fd)
    except OSError as exc:
        if exc.errno not in _UNSUPPORTED:
            raise
        claim_and_rename(source, target, dir_fd=dir_fd)


def claim_and_rename(source: str, target: str, *, dir_fd: int) -> None:
    """``rename_new`` for file systems and C libraries without ``renameat2``."""
    # mkdir is as exclusive; renaming a directory over another works as long as that one is empty.
    os.mkdir(target, 0o700, dir_fd=dir_fd)
    os.rename(source, target, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)


def _renameat2(source: str, target: str, dir_fd: int) -> None:
    call = getattr(_libc(), "renameat2", None)  # musl before 1.2.6 has none
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    import ctypes

    if call(dir_fd, os.fsencode(source), dir_fd, os.fsencode(target), _RENAME_NOREPLACE) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), source, None, target)


def sync_file_system(descriptor: int) -> None:
    """Everything written to the file system of ``descriptor`` is on the disk."""
    import ctypes

    if _libc().syncfs(descriptor) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def detach_mount(point: str) -> None:
    """Take the topmost mount off the absolute ``point`` at once, even in use (``umount --lazy``). Raises ``OSError``.

    No link is followed on the way: what leads there may be anybody's.
    """
    import ctypes

    held = _open_without_links(point)
    try:
        if _libc().umount2(f"/proc/self/fd/{held}".encode(), _MNT_DETACH) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), point)
    finally:
        os.close(held)


def _open_without_links(path: str) -> int:
    """Its inode only: what is mounted there is not asked for anything."""
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    held = os.open("/", flags)
    for name in filter(None, path.split("/")):
        above = held
        try:
            held = os.open(name, flags, dir_fd=above)
        finally:
            os.close(above)
    return held


def clone(source: int, target: int) -> bool:
    """Let file ``target`` share the blocks of ``source`` (a reflink). False where the file system cannot."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True

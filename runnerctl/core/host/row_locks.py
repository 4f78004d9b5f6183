"""Locks of rows between processes and between threads: one byte each of one file, so nothing grows and none is left.

Open-file-description locks (``fcntl(2)``): threads exclude each other too, and a lock may be given up by another thread
than the one that took it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..domain.errors import ConfigInvalid

_UNLOCKED = struct.pack("h", fcntl.F_UNLCK)
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class RowHeld(Exception):
    """Somebody else is at work on that row."""


class RowLock:
    """One row's, held from its making until ``close``."""

    def __init__(self, path: Path, row_id: str) -> None:
        """Raises ``RowHeld``."""
        self._offset = _offset(row_id)
        self._descriptor = _open(path)
        try:
            self._set(fcntl.F_WRLCK)
        except BlockingIOError:
            os.close(self._descriptor)
            raise RowHeld(row_id) from None
        except BaseException:
            os.close(self._descriptor)
            raise

    def close(self) -> None:
        """Once; not left to the descriptor's end, of which a child forked meanwhile has a copy."""
        try:
            self._set(fcntl.F_UNLCK)
        finally:
            os.close(self._descriptor)

    def _set(self, kind: int) -> None:
        fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _flock(kind, self._offset))


@contextmanager
def row_lock(path: Path, row_id: str) -> Iterator[None]:
    """Holds it now or raises ``RowHeld``: nobody waits for a row in here."""
    lock = RowLock(path, row_id)
    try:
        yield
    finally:
        lock.close()


def is_held(path: Path, row_id: str) -> bool:
    """Whether somebody is at work on that row now. Only looks: nobody finds it held because of that."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    asked = _flock(fcntl.F_WRLCK, _offset(row_id))
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, asked)
    finally:
        os.close(descriptor)
    return answer[: len(_UNLOCKED)] != _UNLOCKED


def holder(path: Path, row_id: str) -> int | None:
    """The process that holds that row, as far as it can be seen from here; for messages only."""
    offset = f" {_offset(row_id)} "
    try:
        inode = path.stat().st_ino
    except OSError:
        return None
    for process in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - names are all that is wanted
        for descriptor in _descriptors(process, path.name):
            info = _info(process, descriptor)
            if "OFDLCK" in info and f":{inode} " in info and offset in info:
                return int(process)
    return None


def _descriptors(process: str, name: str) -> list[str]:
    """Those that lead to a file of that name: a host's processes have thousands, and a link is read in no time."""
    place = f"/proc/{process}/fd"
    try:
        every = os.listdir(place)  # noqa: PTH208 - names are all that is wanted
    except OSError:
        return []
    return [each for each in every if _target(f"{place}/{each}").endswith(f"/{name}")]


def _target(link: str) -> str:
    try:
        return os.readlink(link)  # noqa: PTH115 - of every descriptor of the host: a Path costs more than the call
    except OSError:
        return ""  # closed meanwhile


def _info(process: str, descriptor: str) -> str:
    try:
        return Path(f"/proc/{process}/fdinfo/{descriptor}").read_text()
    except OSError:
        return ""


def _flock(kind: int, offset: int) -> bytes:
    """``struct flock``: type, whence, start, length, pid."""
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, offset, 1, 0)


def _open(path: Path) -> int:
    try:
        return os.open(path, _FLAGS, 0o600)
    except FileNotFoundError:
        _make(path.parent)
        return os.open(path, _FLAGS, 0o600)


def _make(directory: Path) -> None:
    """Not its parent: who still has a row of a state directory that was deleted does not make that anew."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        raise ConfigInvalid(f"The state directory {str(directory.parent)!r} is gone") from None


def _offset(row_id: str) -> int:
    return int.from_bytes(hashlib.sha256(row_id.encode()).digest()[:7], "big")

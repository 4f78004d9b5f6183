"""What of a tree could not be deleted, in words: who owns how much of it, what is mounted there, what is protected."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from contextlib import suppress
from typing import NamedTuple

_LONG = struct.calcsize("l")
_GET_FLAGS, _SET_FLAGS = (2 << 30) | (_LONG << 16) | 0x6601, (1 << 30) | (_LONG << 16) | 0x6602
"""``FS_IOC_GETFLAGS`` and ``FS_IOC_SETFLAGS`` of ioctl_iflags(2)."""
_PROTECTED = 0x10 | 0x20
"""``FS_IMMUTABLE_FL`` and ``FS_APPEND_FL``: nobody deletes such a file."""
_REFUSED = (errno.EACCES, errno.EPERM)
_ANYTHING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_UMOUNT = "Unmount it first"
_UNPROTECT = "chattr -i -a takes that off"


class _Cause(NamedTuple):
    """Why something stays."""

    errno: int
    owner: int | None = None
    """Whose it is, if that is why."""
    protected: bool = False


class Obstacles:
    """Counted while a tree is emptied; the first of each cause is named."""

    def __init__(self) -> None:
        self._met: dict[_Cause, tuple[int, str]] = {}

    def __bool__(self) -> bool:
        return bool(self._met)

    def met(self, exc: OSError, directory: int, name: str, *, where: str) -> None:
        """``name`` of the directory that the descriptor is open on stays; ``where`` it was in the tree."""
        cause = _cause(exc, directory, name)
        number, first = self._met.get(cause, (0, where))
        self._met[cause] = number + 1, first

    def error(self) -> NotEmptied:
        first = next(iter(self._met))
        told = "; ".join(_told(cause, number, where) for cause, (number, where) in self._met.items())
        hints = dict.fromkeys(hint for hint in map(_hint, self._met) if hint)
        return NotEmptied(first.errno, told, hint="; ".join(hints) or None)


class NotEmptied(OSError):
    """Some of a tree is still there; its text says what."""

    def __init__(self, number: int, told: str, *, hint: str | None) -> None:
        super().__init__(number, told)
        self.hint = hint


def _cause(exc: OSError, directory: int, name: str) -> _Cause:
    number = exc.errno or 0
    if number not in _REFUSED:
        return _Cause(number)
    with suppress(OSError):
        holder = os.fstat(directory)
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if os.geteuid() != 0:
            # Who may not write to a directory deletes nothing in it, whoever owns that.
            for each in (holder, found):
                if each.st_uid != os.geteuid():
                    return _Cause(number, owner=each.st_uid)
        if _is_protected(directory) or _is_protected_entry(name, directory):
            return _Cause(number, protected=True)
    return _Cause(number)


def _told(cause: _Cause, number: int, where: str) -> str:
    many = f"{number} files or directories" if number > 1 else ""
    if cause.owner is not None:
        owner = _name(cause.owner)
        return f"{owner} owns {many} in it, such as {where!r}" if many else f"{owner} owns {where!r}"
    if cause.protected:
        what = "immutable or append-only"
        return f"{many} are {what}, such as {where!r}" if many else f"{where!r} is {what}"
    if cause.errno == errno.EBUSY:
        return f"something is mounted on {where!r}"
    return f"{os.strerror(cause.errno)} at {where!r}" + (f", and at {number - 1} more" if many else "")


def _hint(cause: _Cause) -> str | None:
    if cause.errno == errno.EBUSY:
        return _UMOUNT
    return _UNPROTECT if cause.protected else None


def _name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def unprotect(name: str, parent: int) -> None:
    """Takes off what keeps even root from deleting it or, of a directory, what is in it, as far as we may.

    Only where no other name leads to the same file: that may be of a package, which is not the runner's to change.
    """
    with suppress(OSError):
        descriptor = _open_plain(name, parent)
        try:
            unprotect_open(descriptor)
        finally:
            os.close(descriptor)


def unprotect_open(descriptor: int) -> None:
    """The same for what is open."""
    found = os.fstat(descriptor)
    flags = _flags(descriptor)
    if flags & _PROTECTED and (stat.S_ISDIR(found.st_mode) or found.st_nlink == 1):
        with suppress(OSError):
            fcntl.ioctl(descriptor, _SET_FLAGS, struct.pack("i", flags & ~_PROTECTED))


def _is_protected_entry(name: str, parent: int) -> bool:
    descriptor = _open_plain(name, parent)
    try:
        return _is_protected(descriptor)
    finally:
        os.close(descriptor)


def _open_plain(name: str, parent: int) -> int:
    """A file or a directory; opening anything else may do something."""
    mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), name)
    return os.open(name, _ANYTHING, dir_fd=parent)


def _is_protected(descriptor: int) -> bool:
    return bool(_flags(descriptor) & _PROTECTED)


def _flags(descriptor: int) -> int:
    """0 where the file system has none."""
    answer = bytearray(_LONG)
    try:
        fcntl.ioctl(descriptor, _GET_FLAGS, answer)
    except OSError:
        return 0
    return int(struct.unpack_from("i", answer)[0])

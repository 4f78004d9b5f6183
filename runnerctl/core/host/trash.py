"""Deletes directory trees that somebody else filled, whatever they put there.

A job can leave any depth, any mode, symlinks to anywhere and mounts. So nothing here recurses, follows a link or builds
a path: a directory that is not empty is renamed up into the tree's root first and emptied there. That keeps three
descriptors open at any depth, and the kernel refuses to rename a mount point, so none is ever entered.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections import deque
from contextlib import suppress
from pathlib import Path

from ..domain.errors import BackendFailed
from .obstacles import NotEmptied, Obstacles, unprotect, unprotect_open
from .syscalls import detach_mount

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_INODE_ONLY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_EMPTY = (errno.ENOTEMPTY, errno.EEXIST)
_PASSES = 10
_LONGEST_PLACE = 200
_MOVED = re.compile(r"^\.deleting-[0-9a-f]{16}-[0-9]+")
"""What an earlier call moved: where it was is not known any more."""
_OCTAL = re.compile(r"\\([0-7]{3})")


def delete_tree(path: Path, *, last: str | None = None) -> None:
    """Delete ``path`` and all below it; already gone is fine, a symlink is deleted and not followed.

    Nothing is deleted while something is mounted below; else all that can be is, whatever is in the way. Raises
    ``BackendFailed`` naming that; what is left can be deleted by a later call. ``last``: a file directly in it that
    stays as long as anything else does.
    """
    try:
        parent = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _delete(parent, path, last)
    except OSError as exc:
        raise _failure(path, exc) from exc
    finally:
        os.close(parent)


def _delete(parent: int, path: Path, last: str | None) -> None:
    try:
        root = _open_directory(path.name, parent)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        _unlink(path.name, parent)
        return
    try:
        refuse_mounts(root, path)
        empty(root, last=last)
    finally:
        os.close(root)
    os.rmdir(path.name, dir_fd=parent)


def empty(root: int, *, last: str | None = None) -> None:
    """Delete all below the directory that descriptor ``root`` is open on, but no mount. Raises ``OSError``."""
    unprotect_open(root)
    _TreeEmptier(root, last).empty()
    if last is not None:
        _unlink(last, root)


class _TreeEmptier:
    """The root of a tree while it is being emptied."""

    def __init__(self, root: int, last: str | None = None) -> None:
        self._root = root
        self._last = last
        self._device = os.fstat(root).st_dev
        # Names that the tree cannot hold already: the root is listed while directories arrive in it.
        self._prefix = f".deleting-{os.urandom(8).hex()}-"
        self._serial = 0
        self._waiting: deque[str] = deque()
        self._refilled: list[str] = []
        self._places: dict[str, str] = {}
        """Where in the tree was what has moved into the root."""
        self._gone = 0
        self._obstacles = Obstacles()

    def empty(self) -> None:
        for _ in range(_PASSES):
            self._obstacles, before = Obstacles(), self._gone
            self._waiting.extend(self._refilled)
            self._refilled.clear()
            if not self._clear(self._root, ""):
                return
            while self._waiting:
                self._delete_directory(self._waiting.popleft())
            if self._obstacles and self._gone == before:
                break  # all that is left is in the way
        if self._obstacles:
            raise self._obstacles.error()
        raise OSError(errno.ENOTEMPTY, "it is still being written to")

    def _delete_directory(self, name: str) -> None:
        """One directory of the root; its own directories join those that wait."""
        place = self._places.get(name, name)
        try:
            if self._cleared(name, place):
                self._places.pop(name, None)
                self._gone += 1
            else:
                self._refilled.append(name)
        except OSError as exc:
            self._obstacles.met(exc, self._root, name, where=place)

    def _cleared(self, name: str, place: str) -> bool:
        """False if it is not empty."""
        try:
            descriptor = _open_directory(name, self._root)
        except FileNotFoundError:
            return True
        except NotADirectoryError:
            self._unlink(name, self._root)
            return True
        try:
            if os.fstat(descriptor).st_dev != self._device:
                raise OSError(errno.EBUSY, "another file system begins there")
            self._clear(descriptor, place)
        finally:
            os.close(descriptor)
        return _rmdir(name, self._root)

    def _clear(self, descriptor: int, place: str) -> bool:
        """Unlink the files of one directory and move its directories into the root. False if it was empty."""
        found = False
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if entry.name == self._last and descriptor == self._root:
                    continue
                found = True
                try:
                    self._clear_entry(entry, descriptor, place)
                except OSError as exc:  # what is in the way of one is in no other's
                    self._obstacles.met(exc, descriptor, entry.name, where=_joined(place, entry.name))
        return found

    def _clear_entry(self, entry: os.DirEntry[str], descriptor: int, place: str) -> None:
        if not entry.is_dir(follow_symlinks=False):
            self._unlink(entry.name, descriptor)
        elif entry.name.startswith(self._prefix):
            return
        elif self._rmdir(entry.name, descriptor):
            self._gone += 1
        else:
            self._move_up(entry.name, descriptor, _joined(place, entry.name))

    def _rmdir(self, name: str, parent: int) -> bool:
        try:
            return _rmdir(name, parent)
        except PermissionError:
            unprotect(name, parent)
            return _rmdir(name, parent)

    def _unlink(self, name: str, parent: int) -> None:
        try:
            _unlink(name, parent)
        except PermissionError:
            unprotect(name, parent)
            _unlink(name, parent)
        self._gone += 1

    def _move_up(self, name: str, descriptor: int, where: str) -> None:
        self._serial += 1
        new_name = f"{self._prefix}{self._serial}"
        try:
            os.rename(name, new_name, src_dir_fd=descriptor, dst_dir_fd=self._root)
        except PermissionError:
            # Moving a directory writes its "..", so it must be writable itself.
            unprotect(name, descriptor)
            make_writable(name, descriptor)
            os.rename(name, new_name, src_dir_fd=descriptor, dst_dir_fd=self._root)
        self._gone += 1
        self._places[new_name] = where
        self._waiting.append(new_name)


def _joined(place: str, name: str) -> str:
    """For who reads it; of what is very deep, the end."""
    place = _MOVED.sub("…", place)
    return f"{place if len(place) < _LONGEST_PLACE else '…'}/{name}" if place else name


def _open_directory(name: str, parent: int) -> int:
    """Open one directory so that it can be listed and emptied. A symlink is ``NotADirectoryError``."""
    try:
        descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    except PermissionError:
        make_writable(name, parent)
        descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    if os.geteuid() != 0 and os.fstat(descriptor).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        os.fchmod(descriptor, stat.S_IRWXU)
    return descriptor


def make_writable(name: str, parent: int) -> None:
    """Give ourselves all rights to a directory of ours, whatever its mode; anything else is left alone."""
    # fchmodat follows symlinks, and a directory of mode 000 cannot be opened: its inode by /proc is neither.
    inode = os.open(name, _INODE_ONLY, dir_fd=parent)
    try:
        if stat.S_ISDIR(os.fstat(inode).st_mode):
            Path(f"/proc/self/fd/{inode}").chmod(stat.S_IRWXU)
    finally:
        os.close(inode)


def _unlink(name: str, parent: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)


def _rmdir(name: str, parent: int) -> bool:
    """False if it is not empty."""
    try:
        os.rmdir(name, dir_fd=parent)
    except FileNotFoundError:
        return True
    except OSError as exc:
        if exc.errno in _NOT_EMPTY:
            return False
        raise
    return True


def detach_mounts(path: Path) -> None:
    """Take off what is mounted at or below ``path``, whatever is in use there; what was mounted keeps all it holds.

    For a tree in which only the dead could want it. Without the right to unmount nothing happens: ``delete_tree`` then
    names what is in the way.
    """
    # By the kernel's list, the last first: looking at a FUSE mount whose server is gone fails, or never returns.
    for point in reversed(mounts_below(_real(path))):
        with suppress(PermissionError):
            detach_mount(point)


def is_mount_point(path: Path) -> bool:
    """Something is mounted on ``path`` itself, also of the same file system."""
    return _real(path) in mounts_below(_real(path))


def _real(path: Path) -> str:
    """As the kernel's list has it; its last part is not looked at."""
    return str(path.parent.resolve() / path.name)


def mounts_below(directory: str) -> list[str]:
    """The mount points at or below the real path ``directory``, in our mount namespace."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        # The kernel writes blanks and backslashes as octal escapes.
        point = _OCTAL.sub(lambda escape: chr(int(escape[1], 8)), line.split(" ")[4])
        if point == directory or point.startswith(directory.rstrip("/") + "/"):
            found.append(point)
    return found


def refuse_mounts(root: int, path: Path) -> None:
    """Raises ``BackendFailed`` where something is mounted at or below ``path``, which ``root`` is open on."""
    mounts = mounts_below(str(Path(f"/proc/self/fd/{root}").readlink()))
    if mounts:
        raise BackendFailed(
            f"{str(path)!r} is not deleted: {mounts[0]!r} is mounted there", hint=f"Unmount it: umount {mounts[0]}"
        )


def _failure(path: Path, exc: OSError) -> BackendFailed:
    if isinstance(exc, NotEmptied):
        return BackendFailed(f"{str(path)!r} is not deleted: {exc.strerror}", hint=exc.hint)
    where = f" at {exc.filename!r}" if isinstance(exc.filename, str) else ""
    return BackendFailed(f"{str(path)!r} is not deleted{where}: {exc.strerror or exc}")

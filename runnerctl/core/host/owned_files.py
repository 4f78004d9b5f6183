"""Files of users who are gone, wherever those could write: found by descriptor, disowned, deleted, within bounds.

Who has a user's file of mode 6755 open becomes that user by it, also when it is deleted. So it is made root's first,
which takes its set-user-id bit away under every name that it has. Directories may be anybody's, who renames them
meanwhile: no link is followed and no mount entered, and what is deleted is deleted where it was found.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

from ..domain.errors import BackendFailed
from . import trash

MOST = 1_000_000
SECONDS = 10.0
_DEEPEST = 100
"""Each level takes a descriptor. What is deeper in a directory of theirs is deleted with that."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_INODE_ONLY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class OwnedFiles:
    """One search for what belongs to ``uids``; it looks at ``most`` files and directories, for ``seconds`` at most."""

    def __init__(
        self,
        uids: Collection[int],
        *,
        most: int = MOST,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._uids = uids
        self._left = most
        self._clock = clock
        self._until = clock() + seconds
        self._mounts = frozenset(trash.mounts_below("/"))

    def delete_below(self, place: Path, *, deep: bool = True) -> None:
        """``place`` itself stays. Raises ``BackendFailed`` naming what would not go, or where the search has ended."""
        try:
            directory = os.open(place, _DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return  # or a link: what it leads to is a place of its own
        except OSError as exc:
            raise BackendFailed(f"{str(place)!r} cannot be searched: {exc.strerror}") from exc
        try:
            self._search(directory, str(place), deep=deep)
        finally:
            os.close(directory)

    def _search(self, top: int, path: str, *, deep: bool) -> None:
        """Depth first, with a descriptor for each level and none for what waits."""
        levels = [(top, path, iter(self._entries(top, path)))]
        try:
            while levels:
                directory, path, entries = levels[-1]
                below = next(entries, None)
                if below is not None and deep:
                    if len(levels) == _DEEPEST:
                        raise BackendFailed(f"{path!r} is too deep to be searched for files of a job's user")
                    if (opened := _open(below, directory)) is not None:
                        where = f"{path}/{below}"
                        levels.append((opened, where, iter(self._entries(opened, where))))
                elif below is None:
                    self._leave(levels)
        finally:
            for directory, _, _ in levels[1:]:
                os.close(directory)

    def _leave(self, levels: list[tuple[int, str, Iterator[str]]]) -> None:
        directory, path, _ = levels.pop()
        if levels:
            owned = os.fstat(directory).st_uid in self._uids
            os.close(directory)
            if owned:
                trash.delete_entry(levels[-1][0], Path(path))

    def _entries(self, directory: int, path: str) -> list[str]:
        """Its directories; its files that are theirs are deleted."""
        found = []
        with suppress(FileNotFoundError), os.scandir(directory) as entries:
            for entry in entries:
                self._count(path)
                if f"{path}/{entry.name}" in self._mounts:
                    continue  # looked at it might never answer, and it is a place of its own if it is one
                if entry.is_dir(follow_symlinks=False):
                    found.append(entry.name)
                else:
                    self._take(entry.name, directory, path)
        return found

    def _count(self, path: str) -> None:
        self._left -= 1
        if self._left < 0 or self._clock() > self._until:
            raise BackendFailed(f"{path!r} holds too much to be searched for files of a job's user")

    def _take(self, name: str, directory: int, path: str) -> None:
        try:
            if os.stat(name, dir_fd=directory, follow_symlinks=False).st_uid in self._uids:
                _disown(name, directory, self._uids)
                os.unlink(name, dir_fd=directory)
        except FileNotFoundError:
            return
        except OSError as exc:
            raise BackendFailed(f"{f'{path}/{name}'!r} is not deleted: {exc.strerror}") from exc


def _open(name: str, parent: int) -> int | None:
    """A directory of the same file system; None for what has gone, or another thing's place."""
    try:
        opened = os.open(name, _DIRECTORY, dir_fd=parent)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if os.fstat(opened).st_dev == os.fstat(parent).st_dev:
        return opened
    os.close(opened)
    return None


def _disown(name: str, parent: int, uids: Collection[int]) -> None:
    """A regular file is root's, and nobody's to run or write, whoever has it open."""
    inode = os.open(name, _INODE_ONLY, dir_fd=parent)
    try:
        found = os.fstat(inode)
        if stat.S_ISREG(found.st_mode) and found.st_uid in uids:
            by_descriptor = f"/proc/self/fd/{inode}"
            with suppress(PermissionError):  # immutable: then it does not go either, and that is told
                os.chown(by_descriptor, 0, 0)
                os.chmod(by_descriptor, 0)  # noqa: PTH101 - pathlib follows no descriptor
    finally:
        os.close(inode)

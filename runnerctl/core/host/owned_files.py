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
    """One search for what belongs to ``uids``; it looks at ``most`` files of others, for ``seconds`` at most."""

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
        except OSError as exc:
            raise BackendFailed(f"{str(place)!r} cannot be searched: {exc.strerror}") from exc
        finally:
            os.close(directory)

    def _search(self, top: int, path: str, *, deep: bool) -> None:
        """Depth first, with a descriptor for each level and none for what waits."""
        levels = [(top, path, self._entries(top, path))]
        try:
            while levels:
                directory, path, entries = levels[-1]
                if len(levels) > _DEEPEST:
                    self._refuse_others(directory, path)
                below = next(entries, None) if len(levels) <= _DEEPEST else None
                if below is None:
                    levels.pop()
                    self._leave(directory, path, levels[-1][0] if levels else None)
                elif (opened := self._enter(below, directory, deep=deep or len(levels) > 1)) is not None:
                    where = f"{path}/{below}"
                    levels.append((opened, where, self._entries(opened, where)))
        finally:
            for directory, _, _ in levels[1:]:
                os.close(directory)

    def _refuse_others(self, directory: int, path: str) -> None:
        """What is theirs is emptied at any depth; what is not is not searched for ever. Root is nobody's accomplice."""
        owner = os.fstat(directory).st_uid
        if owner != 0 and owner not in self._uids:
            raise BackendFailed(f"{path!r} is too deep to be searched for files of a job's user")

    def _enter(self, name: str, parent: int, *, deep: bool) -> int | None:
        """A directory of the same file system, and theirs unless ``deep``; None for what is not to be searched."""
        try:
            opened = os.open(name, _DIRECTORY, dir_fd=parent)
        except (FileNotFoundError, NotADirectoryError):
            return None
        found = os.fstat(opened)
        if found.st_dev == os.fstat(parent).st_dev and (deep or found.st_uid in self._uids):
            return opened
        os.close(opened)
        return None

    def _leave(self, directory: int, path: str, parent: int | None) -> None:
        """What is theirs is emptied by its descriptor, whatever has its name by now, and goes if it has that still."""
        if parent is None:
            return
        try:
            if os.fstat(directory).st_uid in self._uids:
                trash.empty(directory)
                os.rmdir(Path(path).name, dir_fd=parent)
        except FileNotFoundError:
            return
        except OSError as exc:
            raise BackendFailed(f"{path!r} is not deleted: {exc.strerror}") from exc
        finally:
            os.close(directory)

    def _entries(self, directory: int, path: str) -> Iterator[str]:
        """Its directories, once its files that are theirs are deleted."""
        found = []
        with suppress(FileNotFoundError), os.scandir(directory) as entries:
            for entry in entries:
                if self._clock() > self._until:
                    raise _too_much(path)
                if f"{path}/{entry.name}" in self._mounts:
                    continue  # looked at it might never answer, and it is a place of its own if it is one
                if entry.is_dir(follow_symlinks=False):
                    found.append(entry.name)
                elif not self._take(entry.name, directory, path):
                    self._left -= 1  # what is theirs is fewer by the next try
                    if self._left < 0:
                        raise _too_much(path)
        yield from found

    def _take(self, name: str, directory: int, path: str) -> bool:
        """Whether it was theirs, and is deleted."""
        try:
            if os.stat(name, dir_fd=directory, follow_symlinks=False).st_uid not in self._uids:
                return False
            _disown(name, directory, self._uids)
            os.unlink(name, dir_fd=directory)
        except FileNotFoundError:
            return False
        except OSError as exc:
            raise BackendFailed(f"{f'{path}/{name}'!r} is not deleted: {exc.strerror}") from exc
        return True


def _too_much(path: str) -> BackendFailed:
    return BackendFailed(f"{path!r} holds too much to be searched for files of a job's user")


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

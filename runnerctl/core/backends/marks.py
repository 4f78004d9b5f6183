"""Whose a runner's directory is: our mark in it and its inode must say the same.

Neither alone does. A device gets another number by a reboot, a restore or a new disk, and a copy has the same mark.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

FILE = ".runnerctl"
_LOG = "runner.log"
_MOST = 4096
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_EXISTING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Whose(Enum):
    OURS = auto()
    """Certainly that runner's."""
    DOUBTFUL = auto()
    """Mark and inode contradict each other."""
    NOT_OURS = auto()
    """Nothing is there, or what has nothing to do with that runner."""


class Mark(NamedTuple):
    runner_id: str
    backend: str


def put(directory: int, *, runner_id: str, backend: str) -> None:
    """Into a directory of ours that no job has seen."""
    descriptor = os.open(FILE, _NEW, 0o444, dir_fd=directory)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        json.dump({"id": runner_id, "backend": backend}, stream)


def read(path: Path) -> Mark | None:
    """That of a directory, and no link to one; None where there is none of ours."""
    with suppress(OSError):
        directory = os.open(path, _DIRECTORY)
        try:
            return _read(directory)
        finally:
            os.close(directory)
    return None


def whose(path: Path, inode: tuple[int, int] | None, runner_id: str) -> tuple[Whose, tuple[int, int] | None]:
    """What stands there, for a runner whose directory had that (device, inode) when it was made; and its own."""
    try:
        directory = os.open(path, _DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return Whose.NOT_OURS, None
    try:
        return whose_open(directory, inode, runner_id)
    finally:
        os.close(directory)


def whose_open(directory: int, inode: tuple[int, int] | None, runner_id: str) -> tuple[Whose, tuple[int, int]]:
    """The same for one that the descriptor is open on."""
    found = os.fstat(directory)
    mark = _read(directory)
    actual = found.st_dev, found.st_ino
    return _judged(None if mark is None else mark.runner_id == runner_id, inode, actual), actual


def _judged(marked: bool | None, inode: tuple[int, int] | None, actual: tuple[int, int]) -> Whose:
    """``marked``: with that runner's mark, with another's, or (None) with none."""
    same_inode = inode is not None and inode[1] == actual[1]
    if marked:
        # Who died before its inode was written down has left it nowhere else.
        return Whose.OURS if inode is None or same_inode else Whose.DOUBTFUL
    if marked is None and inode == actual:
        return Whose.OURS  # a job that runs as ourselves has taken the mark away, or it is older than marks are
    return Whose.DOUBTFUL if (same_inode if marked is None else inode == actual) else Whose.NOT_OURS


def _read(directory: int) -> Mark | None:
    """Only what the directory's owner has put there."""
    owner = os.fstat(directory).st_uid
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        descriptor = os.open(FILE, _EXISTING, dir_fd=directory)
        try:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode) and found.st_uid == owner:
                told = json.loads(os.read(descriptor, _MOST))
                return Mark(str(told["id"]), str(told["backend"]))
        finally:
            os.close(descriptor)
    return _by_log(directory, owner)


def _by_log(directory: int, owner: int) -> Mark | None:
    """Older directories have no mark but the link to their log, below a directory that is named by the runner's id."""
    with suppress(OSError):
        if os.stat(_LOG, dir_fd=directory, follow_symlinks=False).st_uid == owner:
            target = Path(os.readlink(_LOG, dir_fd=directory))
            live = target.parent.parent.name != "runners"
            return Mark(target.parent.name, "systemd" if live else "process")
    return None

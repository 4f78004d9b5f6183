"""How much of the disk is used, and how much is free."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from ..domain import sizes
from ..domain.errors import DiskFull
from .directories import disk_errors

_ENTRIES_A_LOOK = 256


class Space(NamedTuple):
    """Of a file system, in bytes."""

    size: int
    used: int
    free: int
    """For us: some of what is not used may be kept for root."""


def disk_space(directory: Path) -> Space:
    """Where that directory is, or will be. Raises ``RunnerctlError`` when nobody can tell."""
    existing = next((path for path in (directory, *directory.absolute().parents) if path.exists()), Path("/"))
    with disk_errors(directory):
        found = os.statvfs(existing)
    return Space(
        size=found.f_blocks * found.f_frsize,
        used=(found.f_blocks - found.f_bfree) * found.f_frsize,
        free=found.f_bavail * found.f_frsize,
    )


def used(
    top: Path, *, skip: Callable[[os.DirEntry[str]], bool] = lambda _: False, go_on: Callable[[], bool] = lambda: True
) -> int | None:
    """The bytes that ``top`` and all below it occupy; a file with several names counts once, a link for itself.

    Directories that ``skip`` chooses are left out. None when ``go_on`` says that it takes too long. What vanishes
    meanwhile, or cannot be read, counts as nothing.
    """
    total, entries = 0, 0
    seen: set[tuple[int, int]] = set()
    waiting = [str(top)]
    while waiting:
        for entry in _listed(waiting.pop()):
            entries += 1
            if entries % _ENTRIES_A_LOOK == 0 and not go_on():
                return None
            found = _stat(entry)
            if found is None:
                continue
            if entry.is_dir(follow_symlinks=False):
                if not skip(entry):
                    waiting.append(entry.path)
            elif found.st_nlink > 1:
                if (found.st_dev, found.st_ino) in seen:
                    continue
                seen.add((found.st_dev, found.st_ino))
            total += found.st_blocks * 512
    return total


def require_free(directories: Iterable[Path], least: int) -> None:
    """Raises ``DiskFull`` naming the first whose file system has less than ``least`` bytes for us."""
    for directory in directories:
        free = disk_space(directory).free
        if free < least:
            raise DiskFull(
                f"{sizes.shown(free)} is free for {str(directory)!r}, less than min_free_space, {sizes.shown(least)}",
                hint="Free space, remove runners or `runnerctl package prune`; or lower min_free_space",
            )


def _listed(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:
        return []


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except OSError:
        return None

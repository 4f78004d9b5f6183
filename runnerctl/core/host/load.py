"""How busy this machine is: its processors, its memory, its disks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_IDLE = (3, 4)
"""Of the words of proc(5)'s ``cpu`` line: idle, and waiting for a disk."""
_OF_GUESTS = 8
"""From here on they count what the words before have counted."""


class Processors(NamedTuple):
    usable: int
    busy_seconds: float | None
    """Of all together, since the machine was booted; None where the kernel does not say."""
    load: float
    """How many tasks ran or waited to run, over the last minute."""


class Memory(NamedTuple):
    """In bytes."""

    total: int
    available: int


class Disk(NamedTuple):
    """Sizes in bytes."""

    device: int
    total: int
    available: int


def processors() -> Processors:
    busy = None
    with suppress(OSError, ValueError, IndexError):
        ticks = [int(word) for word in _first_line("/proc/stat").split()[1 : 1 + _OF_GUESTS]]
        busy = (sum(ticks) - sum(ticks[idle] for idle in _IDLE)) / _TICKS
    return Processors(len(os.sched_getaffinity(0)), busy, os.getloadavg()[0])


def memory() -> Memory | None:
    """None where the kernel does not say."""
    with suppress(OSError, ValueError, KeyError):
        lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
        kilobytes = {words[0]: int(words[1]) for words in lines if len(words) > 1}
        return Memory(kilobytes["MemTotal:"] * 1024, kilobytes["MemAvailable:"] * 1024)
    return None


def disk_of(directory: Path) -> Disk | None:
    """That of the directory, or of where it will be made; None if it cannot be seen."""
    for path in _upwards(directory.absolute()):
        with suppress(FileNotFoundError):
            try:
                found = os.statvfs(path)
            except PermissionError:
                return None
            return Disk(path.stat().st_dev, found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)
    return None


def _upwards(path: Path) -> Iterable[Path]:
    return (path, *path.parents)


def _first_line(path: str) -> str:
    with Path(path).open() as file:
        return file.readline()

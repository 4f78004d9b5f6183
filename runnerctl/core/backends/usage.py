"""What a runner's processes have taken of this host: by its cgroup's account, else by the kernel's of each process."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .base import Usage

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def of_cgroup(place: str) -> Usage | None:
    """Those that ended count, too. None where the kernel keeps no account of its memory."""
    with suppress(OSError, ValueError, KeyError):
        words = dict(line.split() for line in Path(place, "cpu.stat").read_text().splitlines())
        memory = int(Path(place, "memory.current").read_text())
        return Usage(cpu_seconds=int(words["usage_usec"]) / 1e6, memory_bytes=memory)
    return None


def of_processes(pids: Iterable[int]) -> Usage:
    """Of those that live, with their children that ended; what they share counts for each."""
    ticks = pages = 0
    for pid in pids:
        with suppress(OSError, ValueError, IndexError):
            text = Path(f"/proc/{pid}/stat").read_bytes()
            # The name stands in parentheses and may hold anything. Fields 14 to 17 and 24 of proc(5).
            fields = text[text.rindex(b")") + 2 :].split()
            ticks += sum(map(int, fields[11:15]))
            pages += int(fields[21])
    return Usage(cpu_seconds=ticks / _TICKS, memory_bytes=pages * _PAGE)

"""When versions end, worked out once for as long as the files that tell of it stay the same: every status asks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable
from pathlib import Path

from ..domain.version_end import ToldBy, VersionEnd

_MOST = 4096
_LOOK_SECONDS = 1.0
"""Ends are days away; a status asks thousands of times a second."""


class KnownEnds:
    """Safe for threads: whoever finds nothing works it out."""

    def __init__(self, *files: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._files = [str(file) for file in files]
        self._monotonic = monotonic
        self._looked_at = float("-inf")
        self._mark: object = None
        self._known: dict[Hashable, VersionEnd] = {}

    def get(self, key: Hashable, work_out: Callable[[], VersionEnd]) -> VersionEnd:
        """What may go by a package's age is worked out each time: that stands in no file of these."""
        if not 0 <= self._monotonic() - self._looked_at < _LOOK_SECONDS:
            self.look_again()
        end = self._known.get(key)
        if end is None:
            end = work_out()
            if end.told_by is ToldBy.GITHUB or end.newer is None:
                self._known[key] = end
        return end

    def look_again(self) -> None:
        """Whether anybody has learned something; who only asks what is known hears of that within a second."""
        self._looked_at = self._monotonic()
        mark = [_version(file) for file in self._files]
        if mark != self._mark or len(self._known) > _MOST:
            self._known, self._mark = {}, mark


def _version(file: str) -> tuple[int, int] | None:
    """Each is replaced whole."""
    try:
        seen = os.stat(file)  # noqa: PTH116 - a Path costs more than the look
    except OSError:
        return None
    return seen.st_ino, seen.st_mtime_ns

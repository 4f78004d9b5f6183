"""A clock that is ahead of the host's (or behind it), for Python processes that have this directory in PYTHONPATH.

``CLOCK_AHEAD`` is a number of seconds, or the path of a file that holds one and may be replaced while they run.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

_AHEAD = os.environ.get("CLOCK_AHEAD", "0")
_CLOCKS = (time.CLOCK_REALTIME, time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME)
_gettime = time.clock_gettime


def _ahead() -> float:
    return float(Path(_AHEAD).read_text(encoding="ascii") if _AHEAD.startswith("/") else _AHEAD)


def _shifted(clock: int) -> Callable[[], float]:
    return lambda: _gettime(clock) + _ahead()


time.time = _shifted(time.CLOCK_REALTIME)
time.monotonic = _shifted(time.CLOCK_MONOTONIC)
time.time_ns = lambda: int(time.time() * 1e9)
time.monotonic_ns = lambda: int(time.monotonic() * 1e9)
time.clock_gettime = lambda clock: _gettime(clock) + (_ahead() if clock in _CLOCKS else 0.0)

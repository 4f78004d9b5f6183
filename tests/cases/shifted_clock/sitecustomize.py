"""A clock that is ahead of the host's (or behind it), for Python processes that have this directory in PYTHONPATH.

``CLOCK_AHEAD`` is a number of seconds, or the path of a file that holds one and may be changed while they run.
"""

import os
import time

_AHEAD = os.environ.get("CLOCK_AHEAD", "0")
_CLOCKS = (time.CLOCK_REALTIME, time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME)
_gettime = time.clock_gettime


def _ahead():
    if not _AHEAD.startswith("/"):
        return float(_AHEAD)
    with open(_AHEAD, encoding="ascii") as file:
        return float(file.read() or 0)


def _shifted(clock):
    return lambda: _gettime(clock) + _ahead()


time.time = _shifted(time.CLOCK_REALTIME)
time.monotonic = _shifted(time.CLOCK_MONOTONIC)
time.time_ns = lambda: int(time.time() * 1e9)
time.monotonic_ns = lambda: int(time.monotonic() * 1e9)
time.clock_gettime = lambda clock: _gettime(clock) + (_ahead() if clock in _CLOCKS else 0.0)

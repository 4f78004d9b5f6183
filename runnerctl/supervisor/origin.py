"""Where a job comes from, as our job-started hook wrote it down: the job's own word, for it can write there, too."""

from __future__ import annotations

import os
import stat
import time

import masking
from lines import printable

TYPE_CHECKING = False  # importing typing would cost milliseconds
if TYPE_CHECKING:
    from collections.abc import Iterator

    from job import Job

FILE = ".job"
"""In the runner's root; the hook is told by ``RUNNERCTL_JOB_FILE``."""
NAMES = ("repository", "run_id", "run_attempt", "workflow")
_MOST, _LONGEST = 4096, 200
_LOOKS = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6)
"""Seconds from one look to the next after a job's beginning: nothing tells when the hook has run. The last look is at
the job's end."""

Origin = dict[str, str]


class Origins:
    """Finds what was written for the job that runs."""

    def __init__(self, root: str) -> None:
        self._path = f"{root}/{FILE}"
        self._since = 0.0
        self._looks: Iterator[float] = iter(())
        self.due: float | None = None
        """Monotonic: when to look again."""

    def begin(self, *, after: float | None) -> None:
        """A job has begun; what was written before the last one ended, ``after``, is not its own."""
        self._since = after or 0.0
        self._looks = iter(_LOOKS)
        self._wait()

    def look(self, job: Job | None) -> bool:
        """Whether something new was found out."""
        if job is None or job.origin is not None:
            self.due = None
            return False
        if (found := _read(self._path, self._since)) is None:
            self._wait()
            return False
        job.origin, self.due = found, None
        return True

    def _wait(self) -> None:
        seconds = next(self._looks, None)
        self.due = None if seconds is None else time.monotonic() + seconds


def _read(path: str, since: float) -> Origin | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        seen = os.fstat(descriptor)
        # A link to another file would have it read as ours.
        if not stat.S_ISREG(seen.st_mode) or seen.st_nlink != 1 or seen.st_mtime < since:
            return None
        return _parsed(os.read(descriptor, _MOST).decode(errors="replace"))
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _parsed(text: str) -> Origin | None:
    found: Origin = {}
    for line in text.split("\n")[:-1]:
        name, equals, value = line.partition("=")
        if equals and value and name in NAMES and name not in found:
            # Masked before it is cut: half a secret has no form to be known by.
            found[name] = masking.mask(printable(value))[:_LONGEST]
    return found or None

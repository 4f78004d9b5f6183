"""The job's output on its way to the run service: in batches, and never in the way of the job."""

from __future__ import annotations

import time

from . import http1
from .runservice import JobLost

TYPE_CHECKING = False  # importing typing would cost 15 ms
if TYPE_CHECKING:
    from typing import Any

    from .runservice import RunService

_BATCH_LINES = 200
_BATCH_SECONDS = 0.25
_HELD_LINES = 10_000


class JobLog:
    def __init__(self, service: RunService, job: dict[str, Any]) -> None:
        self._service = service
        self._job = job
        self._lines: list[str] = []
        self._send_at = float("inf")

    def write(self, line: str) -> None:
        if not self._lines:
            self._send_at = time.monotonic() + _BATCH_SECONDS
        self._lines.append(line)
        if len(self._lines) >= _BATCH_LINES:
            self.flush()

    def due(self) -> float:
        """The moment (monotonic) at which ``flush`` has something to send."""
        return self._send_at

    def flush(self) -> None:
        """Send what is held. If that fails it is kept for the next time, the oldest lines are lost first."""
        if not self._lines:
            return
        try:
            self._service.send_log(self._job, self._lines)
        except (http1.Unreachable, JobLost):
            self._lines = self._lines[-_HELD_LINES:]
            self._send_at = time.monotonic() + 4 * _BATCH_SECONDS
        else:
            self._lines = []
            self._send_at = float("inf")

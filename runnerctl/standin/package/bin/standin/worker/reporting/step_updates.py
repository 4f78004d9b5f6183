"""The state of the steps on its way to the results service: what changed in each half second, each step once."""

from __future__ import annotations

from collections import deque
from threading import Event

from ...github import calls, http1
from .background import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...host.terminal import DiagnosticLog
    from .results import Results
    from .timeline import Record

_RECORDS_A_TURN = 26


class Updates(Loop):
    """``job_seen`` is set once the server was told that the job runs."""

    def __init__(self, results: Results | None, log: DiagnosticLog) -> None:
        self.job_seen = Event()
        self._results = results
        self._log = log
        self._queue: deque[dict[str, Any]] = deque()
        super().__init__()

    def add(self, record: Record) -> None:
        """As it is now."""
        self._queue.append(record.update())

    def delay(self) -> float:
        return 0.5

    def turn(self) -> None:
        self._send(_RECORDS_A_TURN)

    def drain(self) -> None:
        self._send(len(self._queue))

    def _send(self, most: int) -> None:
        taken = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
        # A later state of a record takes the place of an earlier one, and keeps its place in the order.
        latest = list({each["external_id"]: each for each in taken}.values())
        steps = [each for each in latest if each["number"] is not None]
        if steps and self._results:
            try:
                self._results.update_steps(steps)
            except (calls.Refused, http1.Unreachable) as exc:
                self._log.write(f"Catch exception during update steps, skip update Results: {exc}")
        if len(steps) < len(latest):
            self.job_seen.set()

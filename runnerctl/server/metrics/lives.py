"""What the sequence of events tells of how long things took, counted: whoever acted, a request, a command, a reaper."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from runnerctl.core import Services
from runnerctl.core.domain.event_queries import RunnerEvent
from runnerctl.core.domain.life_times import LifeTime, LifeTimes, Measured

from .kept import Kept
from .repositories import Repositories


class Lives:
    """Safe for threads: one hands it the events in order, others scrape.

    It begins with the runners that live when the server starts: what they did before is not counted.
    """

    def __init__(self, services: Services, kept: Kept) -> None:
        self._services = services
        self._kept = kept
        self._repositories = Repositories()
        self._times = LifeTimes(services.store.live(), monotonic=services.clock.monotonic)
        self._lock = threading.Lock()

    def hear(self, events: Sequence[RunnerEvent]) -> None:
        with self._lock:
            for told in events:
                for measured in self._times.take(told.event):
                    self._tell(measured)

    def settle(self) -> None:
        """Counts the jobs whose result is certain by now."""
        with self._lock:
            for measured in self._times.settled():
                self._tell(measured)

    def _tell(self, measured: Measured) -> None:
        self._kept.life(measured, repository=self._repository(measured))

    def _repository(self, measured: Measured) -> str | None:
        if measured.what is not LifeTime.JOB or not self._services.settings.server.metrics_repositories:
            return None
        runner = self._services.store.get(measured.runner_id)
        return None if runner is None else self._repositories.name(runner.scope.text)

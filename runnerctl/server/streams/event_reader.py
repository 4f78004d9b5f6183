"""The one reader of what happens to the runners: the store's sequence of events, read once for all who listen.

What this process commits wakes it; what others commit is found by the store's mark.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from runnerctl.core import Services
from runnerctl.core.domain.errors import RunnerctlError
from runnerctl.core.domain.event_queries import EventQuery, RunnerEvent

log = logging.getLogger("runnerctl.server")

Hear = Callable[[Sequence[RunnerEvent]], None]

_OTHERS_SECONDS = 0.5
"""What other processes commit is looked for so often."""
_BATCH = 500
_SILENT_SECONDS = 60.0


class EventReader:
    """A thread that hands on what comes after the last event that there was at its start, in order."""

    def __init__(self, services: Services, *listeners: Hear) -> None:
        self._services = services
        self._listeners = listeners
        self._happened = threading.Event()
        self._stopped = False
        self._after = services.store.last_event()
        self._mark: object = None
        self._beat = 0.0
        self._thread = threading.Thread(target=self._keep_reading, name="event-reader", daemon=True)
        self._unsubscribe = services.runner_events.subscribe(lambda _runner_id: self._happened.set())

    @property
    def position(self) -> int:
        """The last that was read."""
        return self._after

    @property
    def name(self) -> str:
        return self._thread.name

    def silent(self) -> list[str]:
        """Its name, if nothing was heard of it for longer than can be."""
        return [self.name] if self._services.clock.monotonic() - self._beat > _SILENT_SECONDS else []

    def start(self) -> None:
        self._beat = self._services.clock.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Hands on what is left."""
        self._unsubscribe()
        self._stopped = True
        self._happened.set()
        self._thread.join(timeout=5)

    def _keep_reading(self) -> None:
        while True:
            last = self._stopped
            self._beat = self._services.clock.monotonic()
            try:
                self._read_all()
            except RunnerctlError as exc:
                log.warning("what happened to the runners could not be read: %s", exc.message)
            except Exception:
                log.exception("what happened to the runners could not be read")
            if last:
                return
            self._happened.wait(_OTHERS_SECONDS)
            self._happened.clear()

    def _read_all(self) -> None:
        mark = self._services.store.mark()
        if mark == self._mark:
            return
        while events := self._services.store.runner_events(EventQuery(after=self._after, limit=_BATCH)):
            self._after = events[-1].event.seq
            for hear in self._listeners:
                _guarded(hear, events)
        self._mark = mark


def _guarded(hear: Hear, events: Sequence[RunnerEvent]) -> None:
    """What one of them makes of it is not the others' affair."""
    try:
        hear(events)
    except Exception:
        log.exception("what happened to the runners could not be told")

"""What happens to the runners, told to the server's log: whoever acted, a request, a command or the engine.

The one source is the sequence of events in the store, so nothing is told twice, and nothing before it was committed.
"""

from __future__ import annotations

import logging
import threading

from runnerctl.core import Services
from runnerctl.core.domain.errors import RunnerctlError
from runnerctl.core.domain.event_sentences import sentence
from runnerctl.core.domain.models import Runner, StoredEvent
from runnerctl.core.domain.states import TERMINAL

log = logging.getLogger("runnerctl.server")

_OTHERS_SECONDS = 0.5
"""What other processes commit is looked for so often; what this one does wakes us."""
_BATCH = 500
_SETTLED = TERMINAL | {"idle", "stopped"}
"""What a request has begun has come to its end then."""


class EventLog:
    """A thread that tells what comes after the last event that there was at its start."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._happened = threading.Event()
        self._stopped = False
        self._after = services.store.last_event()
        self._mark: object = None
        self._requests: dict[str, str] = {}
        """By runner, the request that began what goes on with it."""
        self._thread = threading.Thread(target=self._keep_telling, name="event-log", daemon=True)
        self._unsubscribe = services.runner_events.subscribe(lambda _runner_id: self._happened.set())

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Tells what is left."""
        self._unsubscribe()
        self._stopped = True
        self._happened.set()
        self._thread.join(timeout=5)

    def _keep_telling(self) -> None:
        while True:
            last = self._stopped
            try:
                self._tell_all()
            except RunnerctlError as exc:
                log.warning("what happened to the runners could not be read: %s", exc.message)
            except Exception:
                log.exception("what happened to the runners could not be told")
            if last:
                return
            self._happened.wait(_OTHERS_SECONDS)
            self._happened.clear()

    def _tell_all(self) -> None:
        mark = self._services.store.mark()
        if mark == self._mark:
            return
        while events := self._services.store.events_after(self._after, limit=_BATCH):
            for event in events:
                self._after = event.seq
                self._tell(event)
        self._mark = mark

    def _tell(self, event: StoredEvent) -> None:
        runner_id = event.runner_id
        if runner_id is None:
            return
        runner = self._services.store.get(runner_id)
        request_id = self._request_of(event, runner_id)
        told = sentence(event, scope="" if runner is None else str(runner.scope))
        if told is None:
            return
        name = runner_id if runner is None else runner.name
        extra = {**told.fields, **_fields(runner, runner_id), "request_id": request_id}
        log.log(logging.WARNING if told.warning else logging.INFO, "runner %s %s", name, told.text, extra=extra)

    def _request_of(self, event: StoredEvent, runner_id: str) -> str | None:
        """What follows from a wish follows from its request, until it has come to its end or another wish comes."""
        known = event.data.get("request_id")
        if known is not None:
            self._requests[runner_id] = known
        elif event.type == "wanted":
            self._requests.pop(runner_id, None)
        return self._requests.pop(runner_id, None) if event.new in _SETTLED else self._requests.get(runner_id)


def _fields(runner: Runner | None, runner_id: str) -> dict[str, str]:
    return {"runner": runner_id} if runner is None else {"runner": runner.name, "runner_id": runner_id}

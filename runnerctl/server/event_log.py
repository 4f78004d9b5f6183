"""What happens to the runners, told to the server's log: whoever acted, a request, a command or the engine.

The one source is the sequence of events in the store, so nothing is told twice, and nothing before it was committed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from runnerctl.core.domain.event_queries import RunnerEvent
from runnerctl.core.domain.event_sentences import sentence
from runnerctl.core.domain.models import StoredEvent
from runnerctl.core.domain.states import TERMINAL

log = logging.getLogger("runnerctl.server")

_SETTLED = TERMINAL | {"idle", "stopped"}
"""What a request has begun has come to its end then."""


class EventLog:
    """For one thread, which hands it the events in order."""

    def __init__(self) -> None:
        self._requests: dict[str, str] = {}
        """By runner, the request that began what goes on with it."""

    def hear(self, events: Sequence[RunnerEvent]) -> None:
        for told in events:
            if told.event.runner_id is not None:
                self._tell(told, told.event.runner_id)

    def _tell(self, told: RunnerEvent, runner_id: str) -> None:
        request_id = self._request_of(told.event, runner_id)
        said = sentence(told.event, scope=told.scope or "")
        if said is None:
            return
        extra = {**said.fields, **_fields(told.runner, runner_id), "request_id": request_id}
        level = logging.WARNING if said.warning else logging.INFO
        log.log(level, "runner %s %s", told.runner or runner_id, said.text, extra=extra)

    def _request_of(self, event: StoredEvent, runner_id: str) -> str | None:
        """What follows from a wish follows from its request, until it has come to its end or another wish comes."""
        known = event.data.get("request_id")
        if known is not None:
            self._requests[runner_id] = known
        elif event.type == "wanted":
            self._requests.pop(runner_id, None)
        return self._requests.pop(runner_id, None) if event.new in _SETTLED else self._requests.get(runner_id)


def _fields(name: str | None, runner_id: str) -> dict[str, str]:
    return {"runner": runner_id} if name is None else {"runner": name, "runner_id": runner_id}

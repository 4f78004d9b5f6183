"""Statuses for many who ask at once: one look for all who ask in the same turn of the event loop.

Requests that are handled in one turn had all arrived before it began, so a look made in that turn is news to each of
them: the one asked last is answered as truly as if it had looked itself. From one turn to the next, rows are kept only
while the store says that nobody has committed anything; processes are looked at in every turn.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from runnerctl import core
from runnerctl.core import describe
from runnerctl.core.access.grants import Limits, sees
from runnerctl.core.backends.base import Observation
from runnerctl.core.models import Runner

from .answers import encoded

_MOST_KEPT = 4096


class _Said(NamedTuple):
    """An answer, and what it tells. Rows are compared by identity: equal ones are seldom made."""

    answer: bytes
    runner: Runner | None
    seen: Observation | None
    degraded: str | None
    age: float | None

    def tells(self, status: describe.Status, age: float | None) -> bool:
        return (
            self.runner is status.runner
            and self.age == age
            and self.degraded == status.degraded
            # When the look began, which is the last of it, is told to nobody.
            and (self.seen or ())[:-1] == (status.seen or ())[:-1]
        )


class Looks:
    """For the loop's thread alone."""

    def __init__(self, services: core.Services) -> None:
        self._services = services
        self._this_turn: dict[str, bytes] = {}
        self._mark: object = None
        self._rows: dict[str, Runner] = {}
        self._said: dict[str, _Said] = {}

    def status(self, name: str, limits: Limits | None = None) -> bytes:
        """The status document of that name as JSON; what the caller's ``limits`` hide looks like a name never known."""
        if limits is not None and not sees(limits, self._row(name)):
            return encoded(describe.status_document(describe.unknown(name)))
        answer = self._this_turn.get(name)
        if answer is None:
            if not self._this_turn:
                self._begin_turn()
            answer = self._this_turn[name] = self._look(name)
        return answer

    def _begin_turn(self) -> None:
        mark = self._services.store.mark()
        if mark != self._mark or len(self._rows) > _MOST_KEPT:
            self._mark = mark
            self._rows.clear()
        # Runs before the loop reads from any connection again.
        asyncio.get_running_loop().call_soon(self._this_turn.clear)

    def _look(self, name: str) -> bytes:
        runner = self._row(name)
        if runner is None:
            return encoded(describe.status_document(describe.unknown(name)))
        return self._say(core.see(self._services, runner))

    def _row(self, name: str) -> Runner | None:
        if not self._this_turn:
            self._begin_turn()
        runner = self._rows.get(name) or self._services.store.latest(name)
        if runner is not None:
            self._rows[name] = runner
        return runner

    def _say(self, status: describe.Status) -> bytes:
        """The same things seen make the same bytes: most of those who ask, ask again before anything has changed."""
        age = None if status.runner is None else describe.github_age(status.runner, status.now)
        said = self._said.get(status.name)
        if said is None or not said.tells(status, age):
            if len(self._said) > _MOST_KEPT:
                self._said.clear()
            answer = encoded(describe.status_document(status))
            said = self._said[status.name] = _Said(answer, status.runner, status.seen, status.degraded, age)
        return said.answer

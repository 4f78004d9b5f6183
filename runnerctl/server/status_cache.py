"""Statuses for many who ask at once: one observation for all who ask in the same turn of the event loop.

Requests that are handled in one turn had all arrived before it began, so what is seen in that turn is news to each of
them: the one asked last is answered as truly as if it had observed alone. From one turn to the next, rows are kept only
while the store says that nobody has committed anything; processes are observed in every turn.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from runnerctl import core
from runnerctl.core import TokenLimits, sees
from runnerctl.core.domain import documents
from runnerctl.core.domain.models import Job, Runner
from runnerctl.core.domain.observation import Observation, SeenJob

from .answers import encoded

_MOST_KEPT = 4096


class _Answer(NamedTuple):
    """An answer, and what it tells. Rows are compared by identity: equal ones are seldom made."""

    answer: bytes
    runner: Runner | None
    seen: Observation | None
    degraded: str | None
    last_job: Job | SeenJob | None
    age: float | None
    version: tuple[object, ...] | None
    """When its version ends, and how many days are left."""

    def is_of(self, status: documents.Status, age: float | None) -> bool:
        return (
            self.runner is status.runner
            and self.age == age
            and self.degraded == status.degraded
            and self.last_job == status.last_job
            and self.version == _version(status)
            # When the look began, which is the last of it, is told to nobody.
            and (self.seen or ())[:-1] == (status.seen or ())[:-1]
        )


class StatusCache:
    """For the loop's thread alone."""

    def __init__(self, services: core.Services) -> None:
        self._services = services
        self._this_turn: dict[str, bytes] = {}
        self._mark: object = None
        self._rows: dict[str, Runner | None] = {}
        """Also names that nobody has: they take as long as those that are hidden from who asks."""
        self._answers: dict[str, _Answer] = {}

    def status(self, name: str, limits: TokenLimits | None = None) -> bytes:
        """The status document of that name as JSON; what the caller's ``limits`` hide looks like a name never known."""
        if limits is not None and not sees(limits, self._row(name)):
            return encoded(documents.status_document(documents.unknown(name)))
        answer = self._this_turn.get(name)
        if answer is None:
            if not self._this_turn:
                self._begin_turn()
            answer = self._this_turn[name] = self._observe(name)
        return answer

    def _begin_turn(self) -> None:
        mark = self._services.store.mark()
        if mark != self._mark or len(self._rows) > _MOST_KEPT:
            self._mark = mark
            self._rows.clear()
        # Runs before the loop reads from any connection again.
        asyncio.get_running_loop().call_soon(self._this_turn.clear)

    def _observe(self, name: str) -> bytes:
        runner = self._row(name)
        if runner is None:
            return encoded(documents.status_document(documents.unknown(name)))
        return self._answer(core.observe(self._services, runner))

    def _row(self, name: str) -> Runner | None:
        if not self._this_turn:
            self._begin_turn()
        if name not in self._rows:
            self._rows[name] = self._services.store.latest(name)
        return self._rows[name]

    def _answer(self, status: documents.Status) -> bytes:
        """The same things seen make the same bytes: most of those who ask, ask again before anything has changed."""
        age = None if status.runner is None else documents.github_age(status.runner, status.now)
        last = self._answers.get(status.name)
        if last is None or not last.is_of(status, age):
            if len(self._answers) > _MOST_KEPT:
                self._answers.clear()
            answer = encoded(documents.status_document(status))
            told = (status.runner, status.seen, status.degraded, status.last_job, age, _version(status))
            last = self._answers[status.name] = _Answer(answer, *told)
        return last.answer


def _version(status: documents.Status) -> tuple[object, ...] | None:
    return None if status.version is None else (*status.version, status.version.days_left(status.now))

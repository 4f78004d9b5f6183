"""Statuses for many who ask at once: one observation for all who ask in the same turn of the event loop.

Requests that are handled in one turn had all arrived before it began, so what is seen in that turn is news to each of
them: the one asked last is answered as truly as if it had observed alone. From one turn to the next, rows and answers
are kept only while the store says that nobody has committed anything; processes are observed in every turn.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from runnerctl import core
from runnerctl.core import TokenLimits, sees
from runnerctl.core.domain import documents
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.observation import Observation

from .answers import encoded
from .turn_mark import TurnMark

_MOST_KEPT = 4096
_TOLD_SECONDS = 0.1
"""What only time changes is told as it was so long ago: GitHub's word has its age in tenths of a second, too."""


class _Answer(NamedTuple):
    """An answer, and what it was made of. Rows are compared by identity: equal ones are seldom made."""

    answer: bytes
    runner: Runner
    seen: Observation | None
    age: float | None
    at: float

    def holds(self, runner: Runner, seen: Observation | None, now: float) -> bool:
        """The same was seen of its processes, and time alone has changed nothing that is told."""
        return (
            self.runner is runner
            and 0 <= now - self.at < _TOLD_SECONDS
            # When the look began, which is the last of it, is told to nobody.
            and (self.seen or ())[:-1] == (seen or ())[:-1]
            and self.age == documents.github_age(runner, now)
        )


class StatusCache:
    """For the loop's thread alone."""

    def __init__(self, services: core.Services, mark: TurnMark | None = None) -> None:
        self._services = services
        self._turn = mark or TurnMark(services.store.mark)
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
        mark = self._turn.current()
        if mark != self._mark or len(self._rows) > _MOST_KEPT:
            self._mark = mark
            self._rows.clear()
            self._answers.clear()
        # Runs before the loop reads from any connection again.
        asyncio.get_running_loop().call_soon(self._this_turn.clear)

    def _observe(self, name: str) -> bytes:
        """Most of those who ask, ask again before anything has changed: then seeing that is all that is done."""
        runner = self._row(name)
        if runner is None:
            return encoded(documents.status_document(documents.unknown(name)))
        seen, now = core.see_processes(self._services, runner), self._services.clock.now()
        last = self._answers.get(name)
        if last is None or not last.holds(runner, seen, now):
            last = self._answers[name] = self._answer(runner, seen)
        return last.answer

    def _row(self, name: str) -> Runner | None:
        if not self._this_turn:
            self._begin_turn()
        if name not in self._rows:
            self._rows[name] = self._services.store.latest(name)
        return self._rows[name]

    def _answer(self, runner: Runner, seen: Observation | None) -> _Answer:
        if len(self._answers) > _MOST_KEPT:
            self._answers.clear()
        status = core.describe(self._services, runner, seen)
        age = documents.github_age(runner, status.now)
        return _Answer(encoded(documents.status_document(status)), runner, seen, age, status.now)

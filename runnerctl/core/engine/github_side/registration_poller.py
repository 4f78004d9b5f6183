"""What GitHub lists, scope by scope: asked seldom, for all runners of a scope at once, and never one by one.

A listing that failed is unknown: it neither counts as an absence nor ends a count.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ...domain.errors import RunnerctlError
from ...domain.models import Absence, Runner, Scope, Sighting
from ...domain.states import RunnerState

if TYPE_CHECKING:
    from ...github.answers import RemoteRunner
    from ...services import Services

log = logging.getLogger("runnerctl.core")

LEAST_SECONDS = 60.0
"""Between two listings of a scope."""
BUDGET = 0.25
"""The share of what GitHub has left for us until its reset that listings may spend."""
_LAG_SECONDS = 30.0
"""A listing that is older than a registration by less than this may not know it yet."""
OFFLINE = "offline"
_SHOULD_BE_ONLINE = frozenset({RunnerState.STARTING, RunnerState.IDLE, RunnerState.BUSY})


class _Answer(NamedTuple):
    """What GitHub said when it was asked for the runners of a scope, or why it did not."""

    scope: Scope
    asked_at: float
    listed: Sequence[RemoteRunner]
    error: RunnerctlError | None


class RegistrationPoller:
    """Remembers, for one process that sweeps, when each scope was listed; the store, which runners were missing."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._due_at: dict[Scope, float] = {}
        self._absences: dict[str, Absence] = {}
        self.failures: dict[Scope, RunnerctlError] = {}
        """Why scopes could not be listed in the last ``refresh``."""

    def refresh(self, runners: Iterable[Runner]) -> list[Scope]:
        """Lists the scopes of these runners whose turn has come; returns those that were listed."""
        by_scope: dict[Scope, list[Runner]] = {}
        for runner in runners:
            if runner.registered:
                by_scope.setdefault(runner.scope, []).append(runner)
        now = self._services.clock.monotonic()
        self.failures = {}
        self._absences = self._services.store.absences()
        due = [scope for scope in by_scope if self._due_at.get(scope, 0.0) <= now]
        answers = zip(due, self._services.worker_pool.map(self._ask, due), strict=True)
        return [scope for scope, answer in answers if self._take(answer, by_scope[scope], shared_by=len(by_scope))]

    def absences(self, runner: Runner) -> int:
        """In how many listings in a row, far enough apart, the runner was missing."""
        absence = self._absences.get(runner.id)
        return absence.times if absence else 0

    def _ask(self, scope: Scope) -> _Answer:
        asked_at = self._services.clock.now()
        try:
            listed = self._services.github.list_runners(scope)
        except RunnerctlError as exc:
            log.warning("runners of %s could not be listed: %s", scope, exc.message)
            return _Answer(scope, asked_at, (), exc)
        return _Answer(scope, asked_at, listed, None)

    def _take(self, answer: _Answer, runners: list[Runner], *, shared_by: int) -> bool:
        now = self._services.clock.monotonic()
        if answer.error is not None:
            self.failures[answer.scope] = answer.error
            self._due_at[answer.scope] = now + max(LEAST_SECONDS, answer.error.retry_after or 0.0)
            return False
        self._due_at[answer.scope] = now + self._pause(calls=1 + len(answer.listed) // 100, shared_by=shared_by)
        self._compare(runners, {remote.id: remote for remote in answer.listed}, answer.asked_at)
        return True

    def _pause(self, *, calls: int, shared_by: int) -> float:
        """So long that all scopes together stay within the budget."""
        rate = self._services.github.rate_limit
        if rate is None:
            return LEAST_SECONDS
        left = max(1.0, rate.reset_at - self._services.clock.now())
        affordable = max(1.0, BUDGET * rate.remaining)
        return max(LEAST_SECONDS, left * calls * shared_by / affordable)

    def _compare(self, runners: list[Runner], listed: dict[int, RemoteRunner], asked_at: float) -> None:
        store = self._services.store
        seen, missed = [], {}
        for runner in runners:
            remote = listed.get(runner.github_id or 0)
            if remote is not None:
                since = _offline_since(runner, asked_at) if remote.status == OFFLINE else None
                seen.append(Sighting(runner.id, remote.status, remote.busy, asked_at, since))
            elif (absence := self._missed(runner, asked_at)) is not None:
                missed[runner.id] = absence
        store.note_sightings(seen)
        back = [sighting.runner_id for sighting in seen if sighting.runner_id in self._absences]
        if back or missed:
            store.note_absences(missed, seen=back)
            self._absences = store.absences()

    def _missed(self, runner: Runner, asked_at: float) -> Absence | None:
        """Its absence if this listing counts; what was listed soon after a start, or after the last, tells nothing."""
        if _began_just_now(runner, asked_at):
            return None
        before = self._absences.get(runner.id)
        if before is None:
            return Absence(times=1, counted_at=asked_at)
        if asked_at < before.counted_at:
            return before._replace(counted_at=asked_at)  # the clock was set back: count from here
        far_apart = asked_at - before.counted_at >= LEAST_SECONDS
        return Absence(times=before.times + 1, counted_at=asked_at) if far_apart else None


def _offline_since(runner: Runner, asked_at: float) -> float | None:
    """Since which listing it has been offline, if that should not be: processes of it are expected to be online."""
    if runner.state not in _SHOULD_BE_ONLINE or _began_just_now(runner, asked_at):
        return None
    before = runner.offline_since
    counts = before is not None and (runner.started_at or 0.0) <= before <= asked_at
    return before if counts else asked_at


def _began_just_now(runner: Runner, asked_at: float) -> bool:
    return 0 <= asked_at - max(runner.started_at or 0.0, runner.created_at) < _LAG_SECONDS

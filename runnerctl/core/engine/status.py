"""Observing runners; nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..domain import documents
from ..domain.documents import Status, unknown
from ..domain.models import Job, Runner
from ..domain.observation import UNKNOWN, Phase
from ..domain.observed_state import has_reconnected, shown_state
from ..domain.states import SERVING, WITH_PROCESS, Desired, RunnerState
from ..services import Services
from .operations.find_runner import find_runner

if TYPE_CHECKING:
    from ..access.grants import TokenLimits
    from ..domain.observation import Observation, SeenJob


def runner_status(services: Services, name: str) -> Status:
    """The row and the processes of that name as they are now; a name never known is a status too."""
    runner = services.store.latest(name)
    return unknown(name) if runner is None else observe(services, runner)


def get_runner(services: Services, name: str, *, limits: TokenLimits | None = None) -> Status:
    """Like ``runner_status``, but raises ``RunnerNotFound`` for a name never known, or not to this caller."""
    return observe(services, find_runner(services, name, limits))


def observe(services: Services, runner: Runner, *, last_jobs: Mapping[str, Job] | None = None) -> Status:
    """``last_jobs``: those of many runners, read at once; None: this one's is read if it may have one."""
    return describe(services, runner, see_processes(services, runner), last_jobs=last_jobs)


def see_processes(services: Services, runner: Runner) -> Observation | None:
    """As they are now; None of one whose life has ended."""
    if not runner.live:
        return None
    if services.whose.refusal is not None:
        return UNKNOWN._replace(error="the state directory is of another machine")
    backend, handle = services.backends.reach(runner)
    return backend.observe(handle)


def describe(
    services: Services,
    runner: Runner,
    seen: Observation | None,
    *,
    last_jobs: Mapping[str, Job] | None = None,
    held_back: Sequence[str] | None = None,
) -> Status:
    """All that is to be said of a runner of whose processes that was seen.

    ``held_back``: what is in its scope, if that was read for many at once; None: it is read if it matters.
    """
    from ..packages import version_policy  # a status of a name that is not known needs neither
    from .github_side import version_ends

    if seen is not None and (refused := services.whose.refusal) is not None:
        return _unseen(services, runner, seen, refused.message)
    backend = services.backends.of(runner)
    if seen is not None:
        if has_reconnected(runner, seen):
            seen = seen._replace(phase=Phase.LISTENING, error=None)
        runner = _as_observed(runner, seen)
    if seen is not None and seen.running is None:
        why = f"Its processes cannot be seen from here: {seen.error or 'no reason was given'}"
        return _unseen(services, runner, seen, why)
    shared = backend.degraded if runner.job_uid is None else backend.unenforced
    degraded = (
        _sum(shared, seen.unprotected) if seen is not None and seen.running else _held_back(services, runner, held_back)
    )
    now = services.clock.now()
    if seen is not None and runner.offline_since is not None:
        degraded = _sum(documents.offline_text(runner, seen, now), degraded)
    if runner.exposed_at is not None:
        from .github_side import exposure  # seldom, and a status must be quick

        degraded = _sum(exposure.warning(services, runner), degraded)
    end = version_ends.shown_end(services, runner)
    if end is not None and (doubt := version_policy.doubt(end, now)) is not None:
        degraded = _sum(degraded, doubt)
    last_job = _last_job(services, runner, seen, last_jobs)
    return Status(
        name=runner.name, runner=runner, seen=seen, degraded=degraded, now=now, last_job=last_job, version=end
    )


def _sum(*sentences: str | None) -> str | None:
    return "; ".join(filter(None, sentences)) or None


def _last_job(
    services: Services, runner: Runner, seen: Observation | None, last_jobs: Mapping[str, Job] | None
) -> Job | SeenJob | None:
    """Its row, unless a later one was seen that nobody has written down yet."""
    told = None if seen is None else next((job for job in reversed(seen.jobs) if job.ended_at is not None), None)
    if told is None and runner.live and runner.ephemeral:
        return None  # its first is its last
    row = services.store.last_job(runner.id) if last_jobs is None else last_jobs.get(runner.id)
    if told is None or (row is not None and row.started_at >= told.started_at and row.result == told.result):
        return row
    from .job_reasons import explained

    return explained(told, runner)


def _unseen(services: Services, runner: Runner, seen: Observation, why: str) -> Status:
    return Status(name=runner.name, runner=runner, seen=seen, degraded=why, now=services.clock.now())


def _as_observed(runner: Runner, seen: Observation) -> Runner:
    """Without a server nobody has written it down yet. A reason is told with the state that it explains."""
    state, reason = shown_state(runner, seen), runner.reason
    if seen.phase is Phase.CONNECTING and state in {RunnerState.STARTING, RunnerState.IDLE}:
        row_says = reason if state is RunnerState.STARTING else None
        reason = row_says or f"{seen.error or 'It cannot connect'} ({documents.LISTENERS_WORD})"
    elif state in SERVING:
        reason = None
    elif state is not runner.state:
        reason = seen.reason
    elif state is RunnerState.STARTING:
        reason = reason or seen.error
    return runner if (state, reason) == (runner.state, runner.reason) else runner._replace(state=state, reason=reason)


def _held_back(services: Services, runner: Runner, read: Sequence[str] | None) -> str | None:
    """Why one that should run does not, and when it is tried again."""
    if runner.state is RunnerState.STOPPED:
        from . import restarts

        when = restarts.restart_text(services, runner)
        return None if when is None else _first_held_back(services, runner, read) or f"It {when}"
    waits = runner.desired is Desired.RUNNING and runner.state in WITH_PROCESS
    if not waits and not (runner.state is RunnerState.FAILED and services.store.has_replacement(runner.name)):
        return None
    return _first_held_back(services, runner, read)


def _first_held_back(services: Services, runner: Runner, read: Sequence[str] | None) -> str | None:
    if read is None:
        from .github_side import breaker  # seldom, and a status must be quick

        read = breaker.held_back(services, runner.scope)
    return next(iter(read), None)

"""Removing a runner without ever killing a job that nobody asked to kill (design rule 3).

A local Worker refuses; then GitHub is asked to deregister, after which no new job comes; then a settle window
watches for a job that was dispatched just before; only then are the processes stopped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..access.grants import TokenLimits, sees
from ..domain import names
from ..domain.errors import DeadlineExceeded, GitHubBusy, GitHubError, RunnerBusy
from ..domain.models import Runner, Scope
from ..domain.observation import Phase
from ..domain.states import RunnerState
from ..services import Services
from . import routed
from .locking import check_scope, find_runner, lock_runner
from .operation import Operation, Pause
from .orphans import finish_orphans
from .steps import teardown
from .steps.registration import deregister
from .stop import until_gone

_JOB_END_SECONDS = 15.0
"""GitHub may call a runner busy for a while after its Listener reported the job's end."""
_WORKER_LEAVES_SECONDS = 1.0
"""GitHub knows of a job's end before its Worker is gone."""
_HINT = "Wait for the job, or pass --drain to wait, --force to cancel it"


@dataclass(frozen=True, kw_only=True)
class Removal:
    """How far a removal came."""

    runner: Runner
    draining: bool
    """A job is finished first; then it is removed by itself."""
    warning: str | None = None
    """What GitHub will show of a job that had to be killed."""


def remove_runner(
    services: Services,
    name: str,
    *,
    scope: Scope | None = None,
    force: bool = False,
    drain: bool = False,
    timeout: float | None = None,
    limits: TokenLimits | None = None,
) -> Operation[Removal]:
    """Deregisters, stops and deletes a runner; one that ended already is fine.

    ``drain`` waits for its job, at most ``timeout`` seconds (``DeadlineExceeded`` undoes nothing); ``force`` cancels
    it, and kills what is left after ``stop.force``.
    ``limits`` are the caller's, if it is not the operator: a runner that it must not see is not found.
    Raises ``RunnerBusy``, ``ScopeMismatch``, ``RunnerNotFound``; when GitHub cannot be asked, its error: then the
    processes are left alone, the runner stays ``removing`` and a task is kept.
    """
    if not (force or drain):
        yield from _worker_may_leave(services, name, limits)
    with lock_runner(services, name):
        runner = find_runner(services, name, limits)
        check_scope(runner, scope)
        services.store.forget_replacement(name)
        if not runner.live:
            _finish_task(services, runner)
            return Removal(runner=runner, draining=False)
        before = runner
        runner = _begin(services, runner, may_be_busy=force or drain)
        if force:
            routed.interrupt(services, runner)
    if force:
        warning = yield from until_gone(services, runner, patience=services.settings.get("stop.force"))
        return replace(_clear(services, runner), warning=warning)
    return (yield from _gently(services, runner, before=before, drain=drain, timeout=timeout))


def _worker_may_leave(services: Services, name: str, limits: TokenLimits | None) -> Operation[None]:
    """A workflow that removes its runner after the job must not be refused because the Worker is just leaving."""
    runner = services.store.latest(names.runner_name(name))
    if runner is not None and runner.live and sees(limits, runner):
        yield Pause(
            runner_id=runner.id, until=lambda: not routed.working(services, runner), seconds=_WORKER_LEAVES_SECONDS
        )


def _begin(services: Services, runner: Runner, *, may_be_busy: bool) -> Runner:
    if not may_be_busy and routed.working(services, runner):
        raise RunnerBusy(f"Runner {runner.name!r} is running a job", hint=_HINT)
    _ = services.github if runner.registered and not may_be_busy else None  # no credentials: refused before anything
    return teardown.begin(services, runner, RunnerState.REMOVED, reason=None)


def _gently(
    services: Services, runner: Runner, *, before: Runner, drain: bool, timeout: float | None
) -> Operation[Removal]:
    deadline = services.clock.monotonic() + (timeout if timeout is not None else float("inf"))
    if drain and routed.working(services, runner):
        routed.drain(services, runner)
        yield from _until_idle(services, runner, deadline)
    runner = yield from _deregistered(services, runner, before=before, drain=drain)
    if (yield from _job_turned_up(services, runner, drain=drain)):
        routed.drain(services, runner)
        if not drain:
            return Removal(runner=runner, draining=True)
        yield from _until_idle(services, runner, deadline)
    with lock_runner(services, runner.name):
        if routed.working(services, runner):
            routed.drain(services, runner)
            return Removal(runner=runner, draining=True)
        routed.interrupt(services, runner)
    yield from until_gone(services, runner)
    return _clear(services, runner)


def _deregistered(services: Services, runner: Runner, *, before: Runner, drain: bool) -> Operation[Runner]:
    """Asks GitHub to let go; it may call a runner busy for a moment after its job's end."""
    patience = services.clock.monotonic() + _JOB_END_SECONDS
    while True:
        try:
            with lock_runner(services, runner.name):
                current = services.store.get(runner.id) or runner
                return deregister(services, current) if current.live else current
        except GitHubBusy as exc:
            ended = drain or _job_just_ended(services, runner)
            if not ended or services.clock.monotonic() > patience:
                _take_back(services, runner, before)
                raise RunnerBusy(f"Runner {runner.name!r} is running a job, GitHub says", hint=_HINT) from exc
        except GitHubError as exc:
            services.store.keep_orphan(runner, reason=exc.message)
            raise
        yield Pause(runner_id=runner.id, until=lambda: False, seconds=1.0)


def _job_turned_up(services: Services, runner: Runner, *, drain: bool) -> Operation[bool]:
    """Watches for a job that was dispatched just before GitHub let go."""
    if not routed.observe(services, runner).running:
        return False
    seconds = services.settings.get("drain_settle" if drain else "remove_settle")
    yield Pause(runner_id=runner.id, until=lambda: _is_settled(services, runner), seconds=seconds)
    return _took_a_job(services, runner)


def _is_settled(services: Services, runner: Runner) -> bool:
    """A job came, or none can: a Listener that is told of the deletion ends by itself."""
    return _took_a_job(services, runner) or routed.observe(services, runner).gone


def _took_a_job(services: Services, runner: Runner) -> bool:
    return routed.observe(services, runner).phase is Phase.BUSY


def _until_idle(services: Services, runner: Runner, deadline: float) -> Operation[None]:
    left = max(0.0, deadline - services.clock.monotonic())
    done = yield Pause(runner_id=runner.id, until=lambda: not _took_a_job(services, runner), seconds=left)
    if not done:
        raise DeadlineExceeded(
            f"Runner {runner.name!r} still runs its job", hint="It is removed by itself when the job ends"
        )


def _job_just_ended(services: Services, runner: Runner) -> bool:
    seen = routed.observe(services, runner)
    if seen.phase is Phase.BUSY or seen.last_job_ended_at is None:
        return False
    return services.clock.now() - seen.last_job_ended_at < _JOB_END_SECONDS


def _take_back(services: Services, runner: Runner, before: Runner) -> None:
    """What was wanted of it is so again: one that was stopped is not to be started."""
    with lock_runner(services, runner.name):
        current = services.store.get(runner.id)
        if current is not None and current.state is RunnerState.REMOVING and before.state is not RunnerState.REMOVING:
            kept = {"desired": before.desired, "reason": before.reason}
            services.store.transition(current, before.state, why="GitHub says it runs a job", ending=None, **kept)


def _clear(services: Services, runner: Runner) -> Removal:
    with lock_runner(services, runner.name):
        current = services.store.get(runner.id) or runner
        if current.live:
            current = teardown.clear(services, current)
        return Removal(runner=current, draining=False)


def _finish_task(services: Services, runner: Runner) -> None:
    finish_orphans(services, only=runner.id)

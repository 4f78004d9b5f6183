"""One life brought up to date with what is true of its processes and, where it was listed, with GitHub."""

from __future__ import annotations

from collections.abc import Callable

from ..domain.errors import BackendFailed
from ..domain.models import Runner
from ..domain.states import SERVING, UNLAUNCHED, Desired, RunnerState
from ..services import Services
from . import restarting
from .locking import lock_runner
from .plan import Action, Deadlines, Seen, Step, plan
from .steps import registration, teardown
from .steps.launching import start_again, start_half_made
from .steps.renewing import renew


def reconcile_runner(services: Services, runner_id: str, *, wait: float = 30.0, absences: int = 0) -> Runner | None:
    """Reconciles this one life now; one that moved on or ended is left alone. None if it never was.

    ``absences``: how often in a row GitHub did not list it. Raises ``RunnerBusy`` when its name stays held for
    ``wait`` seconds.
    """
    runner = services.store.get(runner_id)
    if runner is None or not runner.live:
        return runner
    with lock_runner(services, runner.name, wait=wait):
        runner = services.store.get(runner_id)
        return reconcile_locked(services, runner, absences=absences) if runner is not None and runner.live else runner


def reconcile_locked(services: Services, runner: Runner, *, absences: int = 0) -> Runner:
    """The same for a caller that holds the lock."""
    return _apply(services, runner, decide(services, runner, absences=absences))


def decide(services: Services, runner: Runner, *, absences: int = 0) -> Action:
    """What is to be done about it. Without the lock only an observation: it may change just now."""
    return plan(_observe(services, runner, absences), now=services.clock.now(), deadlines=deadlines(services))


def deadlines(services: Services) -> Deadlines:
    ladder = services.backend.ladder
    return Deadlines(
        start=services.settings.start_timeout,
        stop=ladder.interrupt + ladder.terminate + ladder.kill + 10.0,
    )


def _observe(services: Services, runner: Runner, absences: int) -> Seen:
    backend, handle = services.backends.reach(runner)
    seen = backend.observe(handle)
    if seen.running is None:
        raise BackendFailed(f"Runner {runner.name!r} could not be looked at: {seen.error or 'nobody says why'}")
    died = seen.gone and not seen.ended
    working = seen.working
    if working is None:  # a stopped one has nothing to watch
        working = not _rests(runner) and backend.working(handle)
    half_made = runner.state in UNLAUNCHED and not runner.ephemeral
    identity = backend.accepted(handle) if died or half_made else None
    return Seen(
        runner=runner,
        processes=seen,
        supervised=bool(seen.supervised),
        working=working,
        task=runner.state is RunnerState.REMOVING and services.store.has_orphan(runner.id),
        absences=absences,
        unconfigured=died and identity is False,
        configured=half_made and type(identity) is int,
        ends=ends_in_a_row(services, runner),
    )


def _rests(runner: Runner) -> bool:
    return runner.state is RunnerState.STOPPED and not restarting.is_wanted(runner)


def ends_in_a_row(services: Services, runner: Runner) -> int:
    """How often in a row one that rests, and should run, has ended by itself; 0 for any other."""
    if runner.state is not RunnerState.STOPPED or not restarting.is_wanted(runner):
        return 0
    return restarting.ends_in_a_row(services.store.history(runner.id, last=restarting.EVENTS))


def seconds_to_restart(services: Services, runner: Runner) -> float | None:
    """Of one that rests until it is started again by itself; None for any other."""
    ends = ends_in_a_row(services, runner)
    return restarting.left(runner, ends, services.clock.now()) if ends else None


def _apply(services: Services, runner: Runner, action: Action) -> Runner:
    return _DO[action.step](services, runner, action)


def _keep(_: Services, runner: Runner, __: Action) -> Runner:
    return runner


def _record_state(services: Services, runner: Runner, action: Action) -> Runner:
    assert action.state is not None  # noqa: S101 - that step carries one
    over = {"reason": None} if action.state in SERVING else {}
    return services.store.transition(runner, action.state, why=action.reason, **over)


def _record_reason(services: Services, runner: Runner, action: Action) -> Runner:
    return services.store.amend(runner, reason=action.reason)


def _adopt(services: Services, runner: Runner, _: Action) -> Runner:
    backend, handle = services.backends.reach(runner)
    backend.adopt(handle)
    if runner.state is RunnerState.STOPPING:
        backend.drain(handle)  # the one before may have died before it heard of the stop
    return runner


def _drain(services: Services, runner: Runner, _: Action) -> Runner:
    backend, handle = services.backends.reach(runner)
    backend.drain(handle)
    return runner


def _drain_exposed(services: Services, runner: Runner, action: Action) -> Runner:
    """A job that runs is finished; after that it rests until somebody starts or removes it."""
    runner = services.store.transition(
        runner, RunnerState.STOPPING, why=action.reason, reason=action.reason, desired=Desired.STOPPED
    )
    return _drain(services, runner, action)


def _stop(services: Services, runner: Runner, _: Action) -> Runner:
    """Kills what is left; a job that turned up meanwhile is finished first."""
    backend, handle = services.backends.reach(runner)
    if backend.working(handle):
        return runner
    backend.kill(handle)
    return reconcile_locked(services, runner)


def _mark_stopped(services: Services, runner: Runner, action: Action) -> Runner:
    reason = action.reason
    return services.store.transition(runner, RunnerState.STOPPED, why=reason, reason=reason)


def _start(services: Services, runner: Runner, action: Action) -> Runner:
    start = start_half_made if runner.state in UNLAUNCHED else start_again
    return start(services, runner, why=action.reason, reason=action.reason)


def _renew(services: Services, runner: Runner, _: Action) -> Runner:
    return renew(services, runner)


def _confirm(services: Services, runner: Runner, action: Action) -> Runner:
    """A list may be wrong for a while: what is persistent is not deleted on its word. Raises ``GitHubError``."""
    if registration.exists(services, runner):
        services.store.note_absences({}, seen=[runner.id])
        return reconcile_locked(services, runner)  # what else is to be done about it
    return _end_life(services, runner, action)


def _end_life(services: Services, runner: Runner, action: Action) -> Runner:
    """Ends its life; a job that turned up meanwhile is finished first."""
    backend, handle = services.backends.reach(runner)
    if not backend.observe(handle).gone and backend.working(handle):
        return runner
    if action.step is Step.REPLACE and services.settings.get("replace_lost"):
        services.store.keep_replacement(runner)
    assert action.state is not None  # noqa: S101 - that step carries one
    return teardown.clear(services, teardown.begin(services, runner, action.state, reason=action.reason))


_DO: dict[Step, Callable[[Services, Runner, Action], Runner]] = {
    Step.KEEP: _keep,
    Step.RECORD_STATE: _record_state,
    Step.ADOPT: _adopt,
    Step.DRAIN: _drain,
    Step.DRAIN_EXPOSED: _drain_exposed,
    Step.STOP: _stop,
    Step.RECORD_REASON: _record_reason,
    Step.MARK_STOPPED: _mark_stopped,
    Step.START: _start,
    Step.RENEW: _renew,
    Step.RESUME: _keep,  # the removal itself does that
    Step.END_LIFE: _end_life,
    Step.CONFIRM: _confirm,
    Step.REPLACE: _end_life,
}

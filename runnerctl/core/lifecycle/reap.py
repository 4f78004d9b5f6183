"""One life brought up to date with what is true of its processes."""

from __future__ import annotations

from ..backends.base import Observation, Outcome
from ..models import Runner
from ..services import Services
from ..states import UNLAUNCHED, Desired, RunnerState
from . import ending
from .holding import hold
from .observing import observed_state


def reap(services: Services, runner_id: str, *, wait: float = 30.0) -> Runner | None:
    """Reconciles this one life now; one that moved on or ended is left alone. None if it never was.

    Raises ``RunnerBusy`` when its name stays held for ``wait`` seconds.
    """
    runner = services.store.get(runner_id)
    if runner is None or not runner.live:
        return runner
    with hold(services, runner.name, wait=wait):
        runner = services.store.get(runner_id)
        return reconcile(services, runner) if runner is not None and runner.live else runner


def is_current(services: Services, runner: Runner) -> bool:
    """Nothing is to be done for it, at a glance; it may be wrong about a runner that changes just now."""
    if runner.state is RunnerState.STOPPED:
        return True
    seen = services.backend.poll(runner.id)
    if seen.gone or runner.state is RunnerState.REMOVING or _never_came_online(services, runner, seen):
        return False
    return observed_state(runner, seen) is runner.state


def reconcile(services: Services, runner: Runner) -> Runner:
    """The same for a caller that holds the name."""
    seen = services.backend.poll(runner.id)
    if not seen.gone:
        return _observed(services, runner, seen)
    if services.backend.working(runner.id):
        return runner  # a Worker outlived Listener and supervisor: its job is finished first
    return _after_the_end(services, runner, seen)


def _observed(services: Services, runner: Runner, seen: Observation) -> Runner:
    """Its processes live: the state follows what they do."""
    if _never_came_online(services, runner, seen):
        services.backend.kill(runner.id)
        return _finish(services, runner, RunnerState.FAILED, "It did not come online in time")
    new = observed_state(runner, seen)
    return runner if new is runner.state else services.store.transition(runner, new, why=seen.job)


def _never_came_online(services: Services, runner: Runner, seen: Observation) -> bool:
    if runner.state is not RunnerState.STARTING or seen.online_at is not None or runner.started_at is None:
        return False
    return services.clock.now() - runner.started_at > services.settings.start_timeout


def _after_the_end(services: Services, runner: Runner, seen: Observation) -> Runner:
    """No process is left."""
    if runner.state is RunnerState.REMOVING:
        return ending.clear(services, runner)
    if runner.state is RunnerState.STOPPED:
        return runner
    state, reason = verdict(runner, seen)
    if state is RunnerState.STOPPED:
        return services.store.transition(runner, state, why=reason, reason=reason, handle=None)
    return _finish(services, runner, state, reason)


def verdict(runner: Runner, seen: Observation) -> tuple[RunnerState, str | None]:
    """What it means that no process is left, by how far the life had come and how the processes ended; and why."""
    if runner.state in UNLAUNCHED:
        return RunnerState.FAILED, "Its creation was interrupted"
    if seen.outcome is Outcome.COMPLETED:
        return RunnerState.COMPLETED, None
    if runner.desired is Desired.GONE:
        return RunnerState.REMOVED, seen.reason
    reason = seen.reason or ("It was stopped" if seen.ended else "Its processes ended without a word")
    # A persistent runner keeps its registration and may be started again; so may an ephemeral one that was
    # stopped before any job came. Anything else about an ephemeral runner is the end of it.
    if not runner.ephemeral or (seen.outcome is Outcome.STOPPED and seen.jobs_run == 0):
        return RunnerState.STOPPED, reason
    return RunnerState.FAILED, reason


def _finish(services: Services, runner: Runner, state: RunnerState, reason: str | None) -> Runner:
    return ending.clear(services, ending.begin(services, runner, state, reason=reason))

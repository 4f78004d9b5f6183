"""Starting the processes of a runner that has everything else."""

from __future__ import annotations

from typing import Any

from ...domain.errors import RunnerctlError
from ...domain.models import Runner
from ...domain.states import RunnerState
from ...services import Services


def start_processes(services: Services, runner: Runner, *, leased: bool = False) -> Runner:
    """For a runner in ``starting``: its processes run when this returns."""
    backend, handle = services.backends.reach(runner)
    handle = backend.launch(handle, leased=leased)
    return services.store.amend(runner, handle=handle, started_at=services.clock.now())


def start_again(services: Services, runner: Runner, *, why: str | None = None, **changes: Any) -> Runner:
    """The same for one without processes. One that cannot be started rests in ``stopped``, and the error is raised."""
    stopped = () if runner.state is RunnerState.STOPPED else (RunnerState.STOPPED,)
    # Until it has started its start is not finished, whatever the last processes left behind.
    runner = services.store.transition(runner, *stopped, RunnerState.STARTING, why=why, started_at=None, **changes)
    return _started_or_stopped(services, runner)


def start_half_made(services: Services, runner: Runner, *, why: str | None = None, **changes: Any) -> Runner:
    """The same for a persistent one whose creator died between its registration and its start."""
    registered = () if runner.state is RunnerState.REGISTERED else (RunnerState.REGISTERED,)
    backend, handle = services.backends.reach(runner)
    identity = backend.accepted(handle)
    github_id = identity if type(identity) is int else runner.github_id
    runner = services.store.transition(
        runner, *registered, RunnerState.STARTING, why=why, github_id=github_id, started_at=None, **changes
    )
    return _started_or_stopped(services, runner)


def _started_or_stopped(services: Services, runner: Runner) -> Runner:
    try:
        return start_processes(services, runner)
    except RunnerctlError as exc:
        services.store.transition(
            services.store.get(runner.id) or runner, RunnerState.STOPPED, why=exc.message, reason=exc.message
        )
        raise

"""Starting the processes of a runner that has everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...backends.base import Launch
from ...domain.errors import RunnerctlError
from ...domain.models import Runner
from ...domain.states import RunnerState
from ...services import Services
from .configure import agent_id


def start_processes(services: Services, runner: Runner, *, leased: bool = False) -> Runner:
    """For a runner in ``starting``: its processes run when this returns."""
    launch = Launch(
        runner_id=runner.id,
        name=runner.name,
        root=services.root(runner.name),
        ephemeral=runner.ephemeral,
        leased=leased,
        user=runner.job_user,
        job_started=_job_started(services),
    )
    handle = services.backend.launch(launch)
    return services.store.amend(runner, handle=handle, started_at=services.clock.now())


def _job_started(services: Services) -> Path | None:
    if not services.settings.get("fork_guard"):
        return None
    from ...host import job_hooks

    return job_hooks.fork_guard(services.settings.package_dir)


def start_again(services: Services, runner: Runner, *, why: str | None = None, **changes: Any) -> Runner:
    """The same for one without processes. One that cannot be started rests in ``stopped``, and the error is raised."""
    stopped = () if runner.state is RunnerState.STOPPED else (RunnerState.STOPPED,)
    # Without a handle its start is not finished, whatever the last processes left behind.
    runner = services.store.transition(runner, *stopped, RunnerState.STARTING, why=why, handle=None, **changes)
    return _started_or_stopped(services, runner)


def start_half_made(services: Services, runner: Runner, *, why: str | None = None, **changes: Any) -> Runner:
    """The same for a persistent one whose creator died between its registration and its start."""
    registered = () if runner.state is RunnerState.REGISTERED else (RunnerState.REGISTERED,)
    github_id = agent_id(services.root(runner.name))
    runner = services.store.transition(
        runner, *registered, RunnerState.STARTING, why=why, github_id=github_id, **changes
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

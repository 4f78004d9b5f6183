"""Starting the processes of a runner that has everything else."""

from __future__ import annotations

from ..backends.base import Launch
from ..models import Runner
from ..services import Services


def start_processes(services: Services, runner: Runner, *, leased: bool = False) -> Runner:
    """For a runner in ``starting``: its processes run when this returns."""
    launch = Launch(
        runner_id=runner.id,
        name=runner.name,
        root=services.root(runner.name),
        ephemeral=runner.ephemeral,
        leased=leased,
    )
    handle = services.backend.launch(launch)
    return services.store.amend(runner, handle=handle, started_at=services.clock.now())

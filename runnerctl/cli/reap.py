"""``runnerctl reap``: what a supervisor starts when its runner has ended."""

from __future__ import annotations

import click

from .. import core
from ..core.errors import RunnerctlError
from ..core.models import Runner
from ..core.services import Services
from .options import Front, Verb, pass_front


@click.command("reap", cls=Verb, hidden=True, short_help="Bring one life up to date (used by supervisors)")
@click.argument("row_id")
@pass_front
def command(front: Front, row_id: str) -> int:
    """Bring the life ROW_ID up to date with what is true of its processes; one that moved on is left alone."""
    try:
        if not front.settings(warn=False).state_dir.exists():
            return 0  # cleared away meanwhile, as rehearsals are
        services = front.services(warn=False, existing=True)
        runner = core.reap(services, row_id)
        core.finish_orphans(services, only=row_id)
        _restart_in_time(services, runner)
    except RunnerctlError as exc:
        if front.verbose:
            raise
        return exc.exit_code  # nobody listens to a supervisor's child
    return 0


def _restart_in_time(services: Services, runner: Runner | None) -> None:
    """A persistent runner rests before it is started again. Without a server, nobody else would do that."""
    while runner is not None and (seconds := core.seconds_to_restart(services, runner)) is not None:
        services.clock.sleep(seconds)
        before, runner = runner, services.store.get(runner.id)
        if runner is None or runner.revision != before.revision:
            return  # somebody else saw to it
        try:
            core.reap(services, runner.id)
        except RunnerctlError:
            runner = services.store.get(runner.id)
            if runner is None or runner.revision == before.revision:
                raise  # it was not even tried
        else:
            runner = services.store.get(runner.id)

"""``runnerctl reap``: what a supervisor starts when its runner has ended."""

from __future__ import annotations

import click

from runnerctl import core
from runnerctl.core.domain.errors import RunnerctlError

from .options import CliContext, Verb, pass_cli


@click.command(
    "reap", cls=Verb, always_here=True, hidden=True, short_help="Bring one life up to date (used by supervisors)"
)
@click.argument("row_id", envvar="RUNNERCTL_ROW")  # who supervises names it there, where others cannot read it
@pass_cli
def command(cli: CliContext, row_id: str) -> int:
    """Bring the life ROW_ID up to date with what is true of its processes; one that moved on is left alone.

    Where no server runs, a persistent runner rests before it is started again: this waits for that.
    """
    try:
        if not cli.settings(warn=False).state_dir.exists():
            return 0  # cleared away meanwhile, as rehearsals are
        services = cli.services(warn=False, existing=True)
        core.reap(services, row_id)
    except RunnerctlError as exc:
        if cli.verbose:
            raise
        return exc.exit_code  # nobody listens to a supervisor's child
    return 0

"""``runnerctl stop``."""

from __future__ import annotations

import click

from runnerctl import core

from . import render, runners
from .auditing import audited
from .options import RUNNER, CliContext, Verb, pass_cli
from .waiting import goes_on


@click.command(
    "stop",
    cls=Verb,
    short_help="Stop a runner but keep it installed",
    exits={5: "no runner has that name", 6: "the runner cannot be stopped in its state"},
    see=("start", "restart", "remove", "status"),
    epilog="""\b
Examples:
  runnerctl stop ci-1
  runnerctl stop ci-1 --now""",
)
@click.argument("name", type=RUNNER)
@click.option("--now", is_flag=True, help="Cancel a running job instead of letting it finish.")
@pass_cli
def command(cli: CliContext, name: str, now: bool) -> None:
    """Stop the processes of runner NAME; its registration and its directory stay.

    Use it to pause a persistent runner; `runnerctl start` continues it. A running job finishes first, and the command
    does not wait for that; --now cancels the job, which has the setting stop.interrupt to report its end to GitHub.
    """
    services = cli.services()
    audited(services, "runner.stop", [name])
    with goes_on(f"The stop goes on; `runnerctl status {name}` shows how far it is"):
        operation = core.stop_runner(services, name, now=now)
        stop = core.finish(operation, clock=services.clock)
    if stop.draining:
        render.talk(cli, f"Runner {stop.runner.name!r} finishes its job first, then it stops")
    elif operation.already:
        render.talk(cli, f"Runner {stop.runner.name!r} is already stopped")
    else:
        render.talk(cli, f"Stopped runner {stop.runner.name!r}")
    if stop.warning:
        render.warn(cli, stop.warning)
    status = core.observe(services, stop.runner)
    render.item(cli, runners.document(status), runners.short_row(status), key="name")

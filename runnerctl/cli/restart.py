"""``runnerctl restart``."""

from __future__ import annotations

import click

from runnerctl import core

from . import render, runners
from .auditing import audited
from .options import RUNNER, CliContext, Verb, pass_cli
from .waiting import goes_on


@click.command(
    "restart",
    cls=Verb,
    short_help="Stop a runner and start it again",
    exits={5: "no runner has that name", 6: "the runner cannot be restarted in its state"},
    see=("start", "stop", "status"),
    epilog="""\b
Examples:
  runnerctl restart ci-1
  runnerctl restart ci-1 --now""",
)
@click.argument("name", type=RUNNER)
@click.option("--now", is_flag=True, help="Cancel a running job instead of letting it finish.")
@pass_cli
def command(cli: CliContext, name: str, now: bool) -> None:
    """Stop the processes of runner NAME and start new ones; its registration and its directory stay.

    Use it after a change of settings that runners read when they start. A stopped runner is started. A running job
    finishes first and the runner restarts after it; the command does not wait for that. --now cancels the job, which
    has the setting stop.interrupt to report its end to GitHub.
    """
    services = cli.services()
    audited(services, "runner.restart", [name])
    with goes_on(f"The restart goes on; `runnerctl status {name}` shows how far it is"):
        restart = core.finish(core.restart_runner(services, name, now=now), clock=services.clock)
    if restart.draining:
        # An ephemeral runner has one job.
        then = "ends" if restart.runner.ephemeral else "restarts"
        render.talk(cli, f"Runner {restart.runner.name!r} finishes its job first, then it {then}")
    else:
        render.talk(cli, f"Restarted runner {restart.runner.name!r}")
    if restart.warning:
        render.warn(cli, restart.warning)
    status = core.observe(services, restart.runner)
    render.item(cli, runners.document(status), runners.short_row(status), key="name")

"""``runnerctl stop``."""

from __future__ import annotations

import click

from runnerctl import core

from . import render, runners
from .auditing import concerning
from .options import RUNNER, Front, Verb, pass_front


@click.command(
    "stop",
    cls=Verb,
    short_help="Stop a runner but keep it installed",
    exits={5: "no runner has that name", 6: "the runner cannot be stopped in its state"},
    see=("start", "remove", "status"),
    epilog="""\b
Examples:
  runnerctl stop ci-1
  runnerctl stop ci-1 --now""",
)
@click.argument("name", type=RUNNER)
@click.option("--now", is_flag=True, help="Cancel a running job instead of letting it finish.")
@pass_front
def command(front: Front, name: str, now: bool) -> None:
    """Stop the processes of runner NAME; its registration and its directory stay.

    Use it to pause a persistent runner; `runnerctl start` continues it. A running job finishes first, and the command
    does not wait for that; --now cancels the job, which has the setting stop.interrupt to tell GitHub of its end.
    """
    services = front.services()
    concerning(services, "runner.stop", [name])
    stop = core.finish(core.stop_runner(services, name, now=now), clock=services.clock)
    if stop.draining:
        render.talk(front, f"Runner {stop.runner.name!r} finishes its job first, then it stops")
    else:
        render.talk(front, f"Stopped runner {stop.runner.name!r}")
    if stop.warning:
        render.warn(front, stop.warning)
    status = core.see(services, stop.runner)
    render.item(front, runners.document(status), runners.short_row(status), key="name")

"""``runnerctl stop``."""

from __future__ import annotations

import click

from .. import core
from . import render, runners
from .auditing import concerning
from .options import Front, Verb, pass_front


@click.command(
    "stop",
    cls=Verb,
    short_help="Stop a runner and keep it installed",
    epilog="""\b
Examples:
  runnerctl stop ci-1
  runnerctl stop ci-1 --now""",
)
@click.argument("name")
@click.option("--now", is_flag=True, help="Cancel the job that runs, instead of letting it finish first.")
@pass_front
def command(front: Front, name: str, now: bool) -> None:
    """Stop the processes of runner NAME; its registration and its directory stay.

    A job that runs is finished first, and this does not wait for it. With --now it is cancelled: it has stop.interrupt
    (30s) to tell GitHub of its end.
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

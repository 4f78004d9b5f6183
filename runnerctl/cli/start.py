"""``runnerctl start``."""

from __future__ import annotations

import click

from runnerctl import core

from . import render, runners
from .auditing import concerning
from .options import STOPPED_RUNNER, Front, Verb, pass_front


@click.command(
    "start",
    cls=Verb,
    short_help="Start a stopped runner",
    exits={5: "no runner has that name", 6: "the runner cannot be started in its state"},
    see=("stop", "status"),
    epilog="""\b
Examples:
  runnerctl start ci-1
  runnerctl start ci-1 --output json""",
)
@click.argument("name", type=STOPPED_RUNNER)
@pass_front
def command(front: Front, name: str) -> None:
    """Start the processes of the stopped runner NAME.

    Use it after `runnerctl stop`. The runner keeps its registration, its labels and its directory. A runner that
    already runs is left as it is.
    """
    services = front.services()
    concerning(services, "runner.start", [name])
    runner = core.start_runner(services, name)
    status = core.see(services, runner)
    render.talk(front, f"Started runner {runner.name!r}")
    render.item(front, runners.document(status), runners.short_row(status), key="name")

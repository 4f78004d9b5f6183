"""``runnerctl start``."""

from __future__ import annotations

import click

from .. import core
from . import render, runners
from .auditing import concerning
from .options import Front, Verb, pass_front


@click.command(
    "start",
    cls=Verb,
    short_help="Start a stopped runner again",
    epilog="""\b
Example:
  runnerctl start ci-1""",
)
@click.argument("name")
@pass_front
def command(front: Front, name: str) -> None:
    """Start the processes of stopped runner NAME again. One that runs is left as it is."""
    services = front.services()
    concerning(services, "runner.start", [name])
    runner = core.start_runner(services, name)
    status = core.see(services, runner)
    render.talk(front, f"Started runner {runner.name!r}")
    render.item(front, runners.document(status), runners.short_row(status), key="name")

"""``runnerctl start``."""

from __future__ import annotations

import click

from runnerctl import core

from . import render, runners
from .auditing import audited
from .options import STOPPED_RUNNER, CliContext, Verb, pass_cli


@click.command(
    "start",
    cls=Verb,
    short_help="Start a stopped runner",
    exits={5: "no runner has that name", 6: "the runner cannot be started in its state, or its registration is gone"},
    see=("stop", "restart", "status"),
    epilog="""\b
Examples:
  runnerctl start ci-1
  runnerctl start ci-1 --register""",
)
@click.argument("name", type=STOPPED_RUNNER)
@click.option("--register", is_flag=True, help="Register the runner anew if GitHub has deleted its registration.")
@pass_cli
def command(cli: CliContext, name: str, register: bool) -> None:
    """Start the processes of the stopped runner NAME.

    Use it after `runnerctl stop`. The runner keeps its registration, its labels and its directory. A runner that
    already runs is left as it is.

    GitHub is asked first whether it still has the registration of a persistent runner: it deletes one that was not
    connected for 14 days. If it is gone, the command fails; --register makes another, with the same name and labels, in
    the same directory.
    """
    services = cli.services()
    audited(services, "runner.start", [name])
    operation = core.start_runner(services, name, register=register)
    runner = core.finish(operation)
    status = core.observe(services, runner)
    is_so = f"Runner {runner.name!r} is already running"
    render.talk(cli, is_so if operation.already else f"Started runner {runner.name!r}")
    render.item(cli, runners.document(status), runners.short_row(status), key="name")

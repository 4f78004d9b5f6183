"""``runnerctl undrain``."""

from __future__ import annotations

import click

from runnerctl import core

from . import render, runners
from .auditing import audited
from .options import RUNNER, CliContext, Verb, pass_cli


@click.command(
    "undrain",
    cls=Verb,
    short_help="Take back the drain of a runner",
    exits={5: "no runner has that name", 6: "the runner is not drained, or GitHub has let go of it"},
    see=("stop", "restart", "remove", "start"),
    epilog="""\b
Examples:
  runnerctl undrain ci-1
  runnerctl undrain ci-1 --output json""",
)
@click.argument("name", type=RUNNER)
@pass_cli
def command(cli: CliContext, name: str) -> None:
    """Let runner NAME take jobs again, which was to stop, to restart or to go after its job.

    Use it when `stop`, `restart` or `remove --drain` was a mistake, while the job still runs. Once GitHub has let go of
    the runner, the command fails. A runner that is not drained is left as it is. An ephemeral runner ends with its job
    all the same.
    """
    services = cli.services()
    audited(services, "runner.undrain", [name])
    operation = core.undrain_runner(services, name)
    runner = core.finish(operation)
    status = core.observe(services, runner)
    is_so = f"Runner {runner.name!r} is not drained"
    render.talk(cli, is_so if operation.already else f"Runner {runner.name!r} takes jobs again")
    render.item(cli, runners.document(status), runners.short_row(status), key="name")

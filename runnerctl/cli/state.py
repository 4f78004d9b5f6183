"""``runnerctl state``."""

from __future__ import annotations

import sys

import click

from runnerctl import core
from runnerctl.core.domain.errors import InvalidRequest, RunnerctlError, SomeFailed
from runnerctl.core.domain.phrases import counted

from . import render
from .auditing import audited
from .options import CliContext, Verb, pass_cli


@click.group("state", no_args_is_help=False, short_help="Say which machine goes on with a copied state directory")
def command() -> None:
    """Say which machine goes on with a state directory that was copied.

    A state directory belongs to one machine. On a clone, or after a restore on other hardware, every command but those
    that look is refused (`state_of_another_host`), so that two machines never run one registration.
    """


@command.command(
    "adopt",
    cls=Verb,
    always_here=True,
    exits={6: "the state directory is this machine's already"},
    see=("doctor", "reconcile"),
    epilog="""\b
Examples:
  runnerctl state adopt
  runnerctl state adopt && runnerctl reconcile""",
)
@pass_cli
def adopt(cli: CliContext) -> None:
    """Go on with the state directory of another machine, on this one.

    Use it after a move, a restore, or a change of this machine's id. The other machine must not go on: its runners'
    registrations are this machine's from now on. Their processes are not here: persistent runners are started again by
    the server or by `runnerctl reconcile`, ephemeral runners are made again or end.
    """
    services = cli.services_of_any_host()
    audited(services, "state.adopt", [str(services.settings.state_dir)])
    runners = core.another_host.adopt(services)
    render.talk(cli, f"This machine goes on with {counted(len(runners), 'runner')}; start the server, or reconcile")
    documents = [{"name": runner.name, "state": runner.state} for runner in runners]
    render.items(cli, documents, lambda: [{"NAME": r.name, "STATE": r.state} for r in runners], key="name")


@command.command(
    "forget-registrations",
    cls=Verb,
    always_here=True,
    exits={6: "the state directory is this machine's own", 10: "something could not be deleted here; it is listed"},
    see=("remove",),
    epilog="""\b
Examples:
  runnerctl state forget-registrations
  runnerctl state forget-registrations --yes""",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_cli
def forget(cli: CliContext, *, yes: bool) -> None:
    """Forget the runners of the machine that this state directory was copied from.

    Use it on a clone: the original goes on with its runners. Their rows end here, their directories and identity files
    on this machine are deleted, and nothing is started, stopped or told to GitHub.
    """
    services = cli.services_of_any_host()
    if not yes and not _is_agreed():
        render.talk(cli, "Nothing was forgotten")
        return
    audited(services, "state.forget_registrations", [str(services.settings.state_dir)])
    forgotten = core.another_host.forget_registrations(services)
    render.talk(cli, f"Forgot {counted(len(forgotten), 'runner')}; GitHub was told nothing")
    documents = [{"name": each.runner.name, "left": [left.message for left in each.left]} for each in forgotten]
    rows = [{"NAME": each.runner.name, "LEFT": [left.message for left in each.left]} for each in forgotten]
    render.items(cli, documents, lambda: rows, key="name")
    failures = [
        (each.runner.name, RunnerctlError(left.message, hint=left.hint)) for each in forgotten for left in each.left
    ]
    if failures:
        raise SomeFailed("Some directories could not be deleted here", failures)


def _is_agreed() -> bool:
    if not sys.stdin.isatty():
        raise InvalidRequest("state forget-registrations asks before it deletes", hint="Pass --yes")
    return click.confirm("Delete the directories of these runners on this machine?", err=True)

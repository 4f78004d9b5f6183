"""``runnerctl create``."""

from __future__ import annotations

import click

from runnerctl import core
from runnerctl.core import Services, Wait
from runnerctl.core.domain import jobs
from runnerctl.core.domain.documents import Status
from runnerctl.core.domain.models import RunnerSpec, Scope
from runnerctl.core.domain.states import RunnerState

from . import render, runners
from .auditing import audited
from .options import LABELS, ORGANIZATION, REPOSITORY, CliContext, Verb, duration, pass_cli
from .package import warn_of
from .waiting import goes_on, terminated_as_interrupted, until_completed

COMPLETED = "completed"
EXIT_JOB_FAILED = 11
_ONLINE_SECONDS = 60.0
# Who waits for its end hears of a failure, too.
_WAITS: dict[str | None, Wait] = {"none": Wait.NONE, "online": Wait.ONLINE, COMPLETED: Wait.NONE}


@click.command(
    "create",
    cls=Verb,
    short_help="Register a runner and start it",
    exits={
        4: "GitHub refused the credentials, or the App is not installed there",
        6: "a runner of that name exists, here or at GitHub, or a limit is reached",
        7: "--timeout ran out; the runner goes on",
        8: "the runner could not be started, or ended without a job",
        9: "GitHub could not be reached; try again",
        11: "--wait completed: the job failed, was cancelled, or nobody saw how it ended",
    },
    files={
        "BASE_DIR/NAME/": "The runner's directory; it is deleted when the runner ends.",
        "BASE_DIR/NAME/runner.log": "What the runner prints; `runnerctl logs NAME` shows it.",
    },
    see=("remove", "status", "logs", "list", "package"),
    epilog="""\b
Examples:
  runnerctl create ci-1 --repo octo-org/octo-repo
  runnerctl create ci-2 --org octo-org --group builders --labels linux,gpu --persistent
  runnerctl create once --repo octo-org/octo-repo --wait completed --timeout 1h
  runnerctl create ca-1 --repo octo-org/octo-repo --env NODE_EXTRA_CA_CERTS=/etc/ssl/our-ca.pem""",
)
@click.argument("name")
@click.option("--repo", type=REPOSITORY, metavar="OWNER/REPO", help="Register the runner in this repository.")
@click.option("--org", type=ORGANIZATION, metavar="ORG", help="Register the runner in this organization.")
@click.option(
    "--labels",
    type=LABELS,
    metavar="A,B",
    help="Use these labels, and the runner's name, not the default ones.  [default: the setting defaults.labels]",
)
@click.option(
    "--ephemeral/--persistent",
    default=None,
    help="End after one job, or take jobs until removed.  [default: ephemeral]",
)
@click.option(
    "--foreground", is_flag=True, help="Stay attached and show the log. Ctrl-C drains, a second one stops now."
)
@click.option(
    "--replace",
    is_flag=True,
    help="If GitHub has a runner of that name that is not of this host, is offline and runs no job, delete that one "
    "and take its name.",
)
@click.option("--group", metavar="GROUP", help="Join this runner group of the organization.  [default: GitHub's]")
@click.option("--runner-version", metavar="VERSION", help="Run this version of the runner package.  [default: latest]")
@click.option(
    "--workdir", metavar="DIR", help="Name of the work directory in the runner's directory.  [default: _work]"
)
@click.option(
    "--env",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="Give its jobs this variable, beside the setting job_env; may be repeated. No secrets.",
)
@click.option(
    "--wait",
    type=click.Choice(["none", "online", COMPLETED]),
    metavar="UNTIL",
    help="Return at its launch (none), when the runner takes jobs (online), or when it has ended (completed).  "
    "[default: when it takes jobs, but after start_grace at the latest]",
)
@click.option(
    "--timeout",
    type=duration,
    metavar="DURATION",
    help="Stop waiting after this long (90, 90s, 2m, 1h); the runner goes on.  "
    "[default: 60s for online, no limit for completed]",
)
@pass_cli
def command(
    cli: CliContext,
    *,
    name: str,
    repo: str | None,
    org: str | None,
    labels: str | None,
    ephemeral: bool | None,
    foreground: bool,
    replace: bool,
    group: str | None,
    runner_version: str | None,
    workdir: str | None,
    variables: tuple[str, ...],
    wait: str | None,
    timeout: float | None,
) -> int:
    """Register runner NAME at GitHub and start it on this host.

    Use it to get a runner for one job (the default), or one that takes jobs until it is removed (--persistent).
    A workflow reaches the runner by its labels; the name is one of them, so `runs-on: NAME` finds this very runner.

    The command returns when the runner takes jobs. A runner that is not that far after 10 seconds (start_grace) goes on
    starting; one that ends meanwhile is a failure, with its reason. A runner of that name that completed or failed is
    replaced. Name the scope with --repo or --org. With --wait completed, the exit status says how its job ended.
    """
    if timeout is not None and wait not in {Wait.ONLINE, COMPLETED}:
        raise click.UsageError("--timeout needs --wait online or --wait completed")
    if foreground and wait is not None:
        raise click.UsageError("--foreground waits until the end already; leave out --wait")
    scope = Scope.of(repo=repo, org=org)
    services = cli.services()
    audited(services, "runner.replace" if replace else "runner.create", [name])
    defaults = services.settings.defaults
    spec = RunnerSpec.of(
        name=name,
        scope=scope,
        labels=defaults.labels if labels is None else labels,
        ephemeral=defaults.ephemeral if ephemeral is None else ephemeral,
        daemonize=not foreground,
        group=group,
        version=runner_version or defaults.version,
        workdir=workdir or defaults.workdir,
        env=_variables(variables),
    )
    if foreground:
        from . import foreground as attached

        return attached.run(cli, services, spec, replace=replace)
    with terminated_as_interrupted():
        status = _create(cli, services, spec, wait=wait, timeout=timeout, replace=replace)
    render.item(cli, runners.document(status), runners.short_row(status), key="name")
    return _told(cli, status) if wait == COMPLETED else 0


def _told(cli: CliContext, status: Status) -> int:
    """How its job ended, and the exit status for that."""
    job = status.last_job
    render.talk(cli, "Nobody saw how its job ended" if job is None else f"Job {runners.last_job(job)}")
    return 0 if job is not None and jobs.succeeded(job) else EXIT_JOB_FAILED


def _variables(given: tuple[str, ...]) -> dict[str, str]:
    named = dict(each.partition("=")[::2] for each in given if "=" in each)
    if len(named) < len(given):
        raise click.UsageError("--env takes NAME=VALUE, each NAME once")
    return named


def _create(
    cli: CliContext, services: Services, spec: RunnerSpec, *, wait: str | None, timeout: float | None, replace: bool
) -> Status:
    deadline = None if timeout is None else services.clock.monotonic() + timeout
    operation = core.create_runner(
        services,
        spec,
        wait=_WAITS.get(wait, Wait.STARTED),
        timeout=_ONLINE_SECONDS if timeout is None else timeout,
        progress=render.download_meter(cli),
        replace_other=replace,
    )
    with goes_on(lambda: _left(services, spec.name)):
        runner = core.finish(operation, clock=services.clock)
    render.talk(cli, f"Created runner {runner.name!r} for {runner.scope}")
    for step in services.store.history(runner.id) if replace else []:
        if step.new is RunnerState.REGISTERED and step.reason:
            render.talk(cli, step.reason)
    warn_of(cli, services, runner.version, runner.scope)
    if wait != COMPLETED:
        return core.observe(services, runner)
    with goes_on(lambda: _left(services, runner.name)):
        return until_completed(services, runner, deadline=deadline)


def _left(services: Services, name: str) -> str:
    """After an interruption."""
    runner = services.store.latest(name)
    if runner is None or not runner.live:
        return f"Runner {name!r} was not created"
    return f"Runner {name!r} goes on; {{remove {name}}} ends it"

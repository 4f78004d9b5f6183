"""``runnerctl list``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from runnerctl import core
from runnerctl.core import Services
from runnerctl.core.domain.documents import Status
from runnerctl.core.domain.models import RunnerQuery, Scope
from runnerctl.core.domain.states import RunnerState

from . import render, runners
from .options import REPOSITORY, CliContext, Verb, pass_cli

_PAGE = 1000
_OBSERVED = frozenset({RunnerState.STARTING, RunnerState.IDLE, RunnerState.BUSY})


@click.command(
    "list",
    cls=Verb,
    short_help="List the runners of this host",
    see=("status", "create", "remove"),
    epilog="""\b
Examples:
  runnerctl list
  runnerctl list --state busy --repo octo-org/octo-repo
  runnerctl list --all --output json""",
)
@click.option("--all", "every", is_flag=True, help="Also list runners that have ended.")
@click.option(
    "--state",
    type=click.Choice([str(state) for state in RunnerState]),
    metavar="STATE",
    help="Only runners in this state.",
)
@click.option("--repo", type=REPOSITORY, metavar="OWNER/REPO", help="Only runners of this repository.")
@pass_cli
def command(cli: CliContext, every: bool, state: str | None, repo: str | None) -> None:
    """List the runners of this host, oldest first.

    Use it to see what is there: each runner's name, state, process, scope, labels, job and age. In a pipe the table is
    separated by tabs; `--output name` prints names alone. `ls` and `ps` are other names of this command.
    """
    scope = None if repo is None else str(Scope.of(repo=repo))
    services = cli.services_for_reading()
    wanted = None if state is None else RunnerState(state)
    found = list(_found(services, every=every, state=wanted, scope=scope))
    if not found:
        render.talk(cli, "There are no runners")
    render.items(
        cli,
        list(map(runners.document, found)),
        lambda: list(map(runners.row, found)),
        key="name",
        drop=runners.LEAST_NEEDED,
    )


def _found(services: Services, *, every: bool, state: RunnerState | None, scope: str | None) -> Iterator[Status]:
    # Rows of live runners may lag behind their processes: those are filtered after a look.
    lags = state in _OBSERVED
    query = RunnerQuery(every=every, state=None if lags else state, scope=scope, limit=_PAGE)
    while True:
        page = services.store.page(query)
        last_jobs = services.store.last_jobs([runner.id for runner in page.items])
        for runner in page.items:
            status = core.observe(services, runner, last_jobs=last_jobs)
            if not lags or (status.runner is not None and status.runner.state is state):
                yield status
        if page.next is None:
            return
        query = query._replace(after=page.next)

"""``runnerctl jobs``."""

from __future__ import annotations

import click

from runnerctl.core.domain import jobs
from runnerctl.core.domain.models import JobQuery, RunJob, Scope
from runnerctl.core.domain.timestamps import timestamp

from . import render
from .options import KNOWN_RUNNER, REPOSITORY, CliContext, Verb, duration, pass_cli

_LEAST_NEEDED = ("WORKFLOW", "RUN", "STARTED", "SECONDS", "REPOSITORY", "REASON")


@click.command(
    "jobs",
    cls=Verb,
    short_help="List the jobs that ran here",
    see=("history", "status", "list"),
    epilog="""\b
Examples:
  runnerctl jobs --since 7d
  runnerctl jobs --runner ci-1
  runnerctl jobs --repo octo-org/octo-repo --result failed --output json""",
)
@click.option("--runner", type=KNOWN_RUNNER, metavar="NAME", help="Only jobs of this runner.")
@click.option("--repo", type=REPOSITORY, metavar="OWNER/REPO", help="Only jobs of this repository.")
@click.option(
    "--result", type=click.Choice(jobs.RESULTS), metavar="RESULT", help="Only jobs that ended so, such as failed."
)
@click.option("--since", type=duration, metavar="DURATION", help="Only jobs that began since then: 90s, 2m, 1h, 7d.")
@click.option(
    "-n", "--limit", type=click.IntRange(1, 10000), default=100, show_default=True, metavar="N", help="At most N jobs."
)
@pass_cli
def command(
    cli: CliContext, *, runner: str | None, repo: str | None, result: str | None, since: float | None, limit: int
) -> None:
    """List the jobs that ran on this host's runners, the latest first.

    Use it to see what ran where, how it ended and why. The result of an ephemeral runner's job is its Listener's exit
    status; of a persistent runner's job it is what the log says ("by its log"), which a job can forge. Repository,
    workflow and run are the job's own word. Jobs are kept as long as their runners' history (history_retention).
    """
    services = cli.services_for_reading()
    query = JobQuery(
        runner=runner,
        repo=None if repo is None else str(Scope.of(repo=repo)),
        result=result,
        since=None if since is None else services.clock.now() - since,
        limit=limit,
    )
    found = services.store.jobs_page(query).items
    if not found:
        render.talk(cli, "There are no jobs")
    render.items(cli, list(map(jobs.listed, found)), lambda: list(map(_row, found)), key="name", drop=_LEAST_NEEDED)


def _row(found: RunJob) -> render.Row:
    job = found.job
    return {
        "RUNNER": found.runner,
        "JOB": job.name,
        "RESULT": jobs.shown_result(job),
        "REPOSITORY": job.repository or found.scope,
        "WORKFLOW": job.workflow,
        "RUN": job.run_id,
        "STARTED": timestamp(job.started_at),
        "SECONDS": None if job.seconds is None else f"{job.seconds:.1f}",
        "REASON": job.reason,
    }

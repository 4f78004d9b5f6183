"""A job of a workflow run, as the queue has it."""

from __future__ import annotations

from typing import Any

from ..runners import GROUPS
from ..state import GitHub
from ..times import iso
from ..values import Job, StepView
from .people import node_id
from .routes import Answer, Ask, Refusal, Route


def get_job(github: GitHub, ask: Ask) -> Answer:
    job = github.jobs.get(ask.number("job_id"))
    if job is None or job.repository.key != ask.scope.key:
        raise Refusal(404)
    return Answer(body=_job(github, job))


def _job(github: GitHub, job: Job) -> dict[str, Any]:
    api = f"{github.api_url}{job.repository.path}"
    html = f"{github.server_url}/{job.repository}"
    return {
        "id": job.id,
        "run_id": job.run_id,
        "run_attempt": 1,
        "run_url": f"{api}/actions/runs/{job.run_id}",
        "node_id": node_id("Job", job.id),
        "head_sha": job.sha,
        "head_branch": "main",
        "url": f"{api}/actions/jobs/{job.id}",
        "html_url": f"{html}/actions/runs/{job.run_id}/job/{job.id}",
        "check_run_url": f"{api}/check-runs/{job.id}",
        "workflow_name": job.workflow,
        "name": job.name,
        "status": job.status,
        "conclusion": job.conclusion,
        "created_at": iso(job.created_at),
        # GitHub's schema wants a time even before the job has started.
        "started_at": iso(job.started_at or job.created_at),
        "completed_at": iso(job.completed_at) if job.completed_at else None,
        "labels": list(job.runs_on),
        "steps": [_step(step) for step in github.jobs.report(job).steps],
        **_runner(job),
    }


def _step(step: StepView) -> dict[str, Any]:
    return {
        "name": step.name,
        "status": step.status,
        "conclusion": step.conclusion,
        "number": step.number,
        "started_at": step.started_at,
        "completed_at": step.completed_at,
    }


def _runner(job: Job) -> dict[str, Any]:
    runner = job.runner if job.status != "queued" else None
    group = next((group for group in GROUPS if runner and group.id == runner.group_id), None)
    return {
        "runner_id": runner.id if runner else None,
        "runner_name": runner.name if runner else None,
        "runner_group_id": group.id if group else None,
        "runner_group_name": group.name if group else None,
    }


ROUTES = (
    Route(
        method="GET",
        path="/repos/{owner}/{repo}/actions/jobs/{job_id}",
        handler=get_job,
        docs="actions/workflow-jobs",
        permission="actions",
    ),
)

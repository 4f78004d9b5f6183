"""What a Listener talks to about a job: taking it, holding it, its output, its end."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from .broker import runner_id_of
from .jobs import CONCLUSIONS, JobLost
from .state import GitHub
from .times import iso
from .tokens import TokenKind
from .values import Job, Step
from .web_keys import GITHUB, Handler

_PREFIX = "/sandbox/run"
_JOB_PERMISSIONS = {"actions": "read", "contents": "read", "metadata": "read"}


def add_routes(app: web.Application) -> None:
    app.router.add_post(f"{_PREFIX}/acquirejob", acquire_job)
    app.router.add_post(f"{_PREFIX}/renewjob", renew_job)
    app.router.add_post(f"{_PREFIX}/joblog", add_log)
    app.router.add_post(f"{_PREFIX}/completejob", complete_job)


@web.middleware
async def job_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A job that is not the caller's (any more) is told as the services do."""
    try:
        return await handler(request)
    except JobLost as lost:
        body = {
            "source": "actions-run-service",
            "errorKind": "JobNotFound" if lost.status == 404 else "JobConflict",
            "statusCode": lost.status,
            "errorMessage": lost.message,
        }
        return web.json_response(body, status=lost.status)


async def acquire_job(request: web.Request) -> web.Response:
    github, runner_id, body = await _asked(request)
    request_id = str(body.get("jobMessageId", ""))
    job = github.jobs.acquire(request_id, runner_id, now=github.now(), deadline=_lease(github))
    github.dispatch()
    return web.json_response(_job_message(github, job))


async def renew_job(request: web.Request) -> web.Response:
    github, runner_id, body = await _asked(request)
    github.jobs.renew(_job_id(body), runner_id, deadline=_lease(github))
    return web.json_response({"lockedUntil": iso(github.now() + github.settings.lease_seconds)})


async def add_log(request: web.Request) -> web.Response:
    github, runner_id, body = await _asked(request)
    lines = body.get("lines")
    if not isinstance(lines, list):
        raise web.HTTPBadRequest
    github.jobs.add_lines(_job_id(body), runner_id, [str(line) for line in lines])
    return web.Response()


async def complete_job(request: web.Request) -> web.Response:
    github, runner_id, body = await _asked(request)
    conclusion = CONCLUSIONS.get(str(body.get("conclusion", "")).lower())
    if conclusion is None:
        raise web.HTTPBadRequest
    github.finish(github.jobs.running(_job_id(body), runner_id), conclusion)
    return web.Response(status=204)


def _lease(github: GitHub) -> float:
    return github.monotonic() + github.settings.lease_seconds


def _job_message(github: GitHub, job: Job) -> dict[str, Any]:
    token = github.issue(
        TokenKind.INSTALLATION,
        owner=job.repository.owner,
        permissions=_JOB_PERMISSIONS,
        repositories=frozenset({(job.repository.repo or "").lower()}),
    )
    return {
        "jobId": str(job.id),
        "planId": job.request_id,
        "jobDisplayName": job.name,
        "repository": str(job.repository),
        "runId": job.run_id,
        "runAttempt": 1,
        "workflow": job.workflow,
        "job": job.name,
        "sha": job.sha,
        "ref": "refs/heads/main",
        "actor": "octocat",
        "token": token.value,
        "steps": [_step(step) for step in job.steps],
        "env": dict(job.env),
        "files": dict(job.files),
        "eventName": job.event_name,
        "event": dict(job.event),
    }


def _step(step: Step) -> dict[str, Any]:
    parts = {"name": step.name, "run": step.run, "uses": step.uses, "env": step.env or None, "if": step.condition}
    return {name: part for name, part in parts.items() if part is not None}


async def _asked(request: web.Request) -> tuple[GitHub, int, dict[str, Any]]:
    runner_id = runner_id_of(request)
    try:
        body = json.loads(await request.read())
    except ValueError as exc:
        raise web.HTTPBadRequest from exc
    if not isinstance(body, dict):
        raise web.HTTPBadRequest
    return request.app[GITHUB], runner_id, body


def _job_id(body: dict[str, Any]) -> int:
    try:
        return int(body.get("jobId", ""))
    except (TypeError, ValueError) as exc:
        raise web.HTTPBadRequest from exc

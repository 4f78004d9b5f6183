"""The run service: taking a job, holding it, telling its end."""

from __future__ import annotations

from aiohttp import web
from msgspec import UNSET

from ..broker.tokens import runner_id_of
from ..jobs.message import JobAccess, job_message
from ..jobs.queue import JobLost
from ..jobs.reports import RESULTS
from ..runner_urls import SERVICE
from ..runners import group_of
from ..state import GitHub
from ..times import iso
from ..tokens import TokenKind
from ..values import Job
from ..web_keys import GITHUB, Handler
from .callers import running_job
from .requests import body_of, no_query
from .schemas import Acquire, Complete, Renew, given_or

_JOB_PERMISSIONS = {"actions": "read", "contents": "read", "metadata": "read"}


def add_routes(app: web.Application) -> None:
    app.router.add_post(f"{SERVICE}acquirejob", acquire_job)
    app.router.add_post(f"{SERVICE}renewjob", renew_job)
    app.router.add_post(f"{SERVICE}completejob", complete_job)


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
    github, runner_id = request.app[GITHUB], runner_id_of(request)
    no_query(request)
    asked = await body_of(request, Acquire)
    job = github.jobs.acquire(asked.job_message_id, runner_id, now=github.now(), deadline=_lease(github))
    github.dispatch()
    group = group_of(job.runner.scope, job.runner.group_id) if job.runner else None
    message = job_message(job, group=group.name if group else "", urls=github.runner_urls, access=_access(github, job))
    return web.json_response(message)


async def renew_job(request: web.Request) -> web.Response:
    github = request.app[GITHUB]
    no_query(request)
    asked = await body_of(request, Renew)
    job = running_job(request, job_id=asked.job_id, plan_id=asked.plan_id)
    github.jobs.renew(job, deadline=_lease(github))
    return web.json_response({"lockedUntil": iso(github.now() + github.settings.lease_seconds)})


async def complete_job(request: web.Request) -> web.Response:
    github = request.app[GITHUB]
    no_query(request)
    asked = await body_of(request, Complete)
    job = running_job(request, job_id=asked.job_id, plan_id=asked.plan_id)
    report = github.jobs.report(job)
    report.annotate(given_or(asked.annotations, []))
    if asked.step_results is not UNSET:
        report.take_results(asked.step_results)
    github.finish(job, RESULTS[asked.conclusion])
    return web.Response(status=204)


def _lease(github: GitHub) -> float:
    return github.monotonic() + github.settings.lease_seconds


def _access(github: GitHub, job: Job) -> JobAccess:
    token = github.issue(
        TokenKind.INSTALLATION,
        owner=job.repository.owner,
        permissions=_JOB_PERMISSIONS,
        repositories=frozenset({(job.repository.repo or "").lower()}),
        job_id=job.id,
    )
    own = github.job_tokens.issue(job, issuer=github.server_url, now=github.now())
    return JobAccess(token=own, github_token=token.value)

"""Which job speaks: behind a job's access token, and named in the request."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from ..values import Job
from ..web_keys import GITHUB
from .requests import credentials_of


def known_job(request: web.Request) -> Job:
    """The job whose access token it is, running or not."""
    github = request.app[GITHUB]
    job_id = github.job_tokens.job_of(credentials_of(request, "Bearer"))
    job = None if job_id is None else github.jobs.get(job_id)
    if job is None:
        raise web.HTTPUnauthorized
    return job


def running_job(request: web.Request, *, job_id: UUID, plan_id: UUID) -> Job:
    """The same, while it runs and only if it calls itself by its right names. Raises JobLost."""
    return request.app[GITHUB].jobs.running(known_job(request).id, guid=str(job_id), plan_id=str(plan_id))
